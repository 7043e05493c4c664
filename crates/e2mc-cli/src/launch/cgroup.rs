//! How many threads a processor limit allows: of a container, or of a scheduler's job.
//!
//! OpenMP starts one thread a core, whatever the limit; with more threads than processor time all of
//! them wait for each other.

use std::fs;
use std::path::Path;

/// The threads that the limit of this process allows, rounded up; none where there is no limit or the
/// cores that the process may use are no more than that.
pub(super) fn threads() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = limit(&groups, Path::new("/sys/fs/cgroup"))?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    below(limit, cores(&status)?)
}

/// `limit` as a number of threads, if it is below the number of cores.
fn below(limit: f64, cores: usize) -> Option<usize> {
    let threads = (limit.ceil() as usize).max(1);
    (threads < cores).then_some(threads)
}

/// Processors' worth of time: the smallest limit on the way from the process's group to the root.
fn limit(groups: &str, mount: &Path) -> Option<f64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let first = controllers.is_empty();
        if !first && !controllers.split(',').any(|name| name == "cpu") {
            continue;
        }
        // A container may show a group's path of outside, but only its own group, as the root.
        let mounts = match first {
            true => [mount.to_owned(), mount.join("unified")],
            false => [mount.join(controllers), mount.join("cpu")],
        };
        for root in mounts {
            for above in Path::new(path.trim_start_matches('/')).ancestors() {
                let group = root.join(above);
                limits.extend(if first {
                    second(&group)
                } else {
                    of_first(&group)
                });
            }
        }
    }
    limits.into_iter().reduce(f64::min)
}

/// The limit of a group of version 2: `cpu.max` holds quota and period, or `max` and period.
fn second(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// The limit of a group of version 1: its quota is -1 where there is none.
fn of_first(group: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    ratio(
        read("cpu.cfs_quota_us")?.trim(),
        read("cpu.cfs_period_us")?.trim(),
    )
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// The cores that the process may use: the list in its status, such as `0-3,8`.
fn cores(status: &str) -> Option<usize> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = 0;
    for range in line.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        cores += last.checked_sub(first)? + 1;
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, file: &str, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
    }

    #[test]
    fn the_smallest_limit_of_version_2_counts() {
        let mount = tempfile::tempdir().unwrap();
        let root = mount.path();
        assert_eq!(limit("0::/job/step\n", root), None);
        write(&root.join("job"), "cpu.max", "250000 100000\n");
        write(&root.join("job/step"), "cpu.max", "max 100000\n");
        assert_eq!(limit("0::/job/step\n", root), Some(2.5));
        write(&root.join("job/step"), "cpu.max", "150000 100000\n");
        assert_eq!(limit("0::/job/step\n", root), Some(1.5));
        // In a container that sees its own group as the root.
        write(root, "cpu.max", "50000 100000\n");
        assert_eq!(limit("0::/outside/of/here\n", root), Some(0.5));
    }

    #[test]
    fn version_1_keeps_quota_and_period_apart() {
        let mount = tempfile::tempdir().unwrap();
        let groups = "5:memory:/job\n4:cpu,cpuacct:/job\n";
        let folder = mount.path().join("cpu,cpuacct/job");
        write(&folder, "cpu.cfs_period_us", "100000\n");
        write(&folder, "cpu.cfs_quota_us", "-1\n");
        assert_eq!(limit(groups, mount.path()), None);
        write(&folder, "cpu.cfs_quota_us", "400000\n");
        assert_eq!(limit(groups, mount.path()), Some(4.0));
    }

    #[test]
    fn a_limit_is_rounded_up_and_set_only_below_the_cores() {
        assert_eq!(below(1.5, 8), Some(2));
        assert_eq!(below(0.2, 8), Some(1));
        assert_eq!(below(8.0, 8), None);
        assert_eq!(below(12.0, 8), None);
    }

    #[test]
    fn cores_are_counted_from_ranges() {
        assert_eq!(cores("Name:\te2mc\nCpus_allowed_list:\t0-3,8\n"), Some(5));
        assert_eq!(cores("Cpus_allowed_list:\t7\n"), Some(1));
        assert_eq!(cores("Name:\te2mc\n"), None);
    }
}
