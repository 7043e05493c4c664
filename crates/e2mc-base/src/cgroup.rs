//! What a container or a scheduler's job may use: processor time and memory.
//!
//! OpenMP starts one thread a core, whatever the limit; with more threads than processor time all
//! of them wait for each other. A process that takes more memory than its group may is killed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process;

/// Where the system shows the groups.
const MOUNT: &str = "/sys/fs/cgroup";

/// The threads that the limit of this process allows, rounded up; none if there is no limit or
/// the cores that the process may use are no more than that.
pub fn threads() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = limit(&groups, Path::new(MOUNT))?;
    below(limit, cores()?)
}

/// The cores that this process may use.
pub(crate) fn cores() -> Option<usize> {
    allowed(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The bytes of memory that this process can still take: what the machine has free or can free, and
/// no more than the limits of its groups leave; none if the system does not say.
pub fn memory() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| free(&text));
    let left = left(&groups, Path::new(MOUNT));
    machine.into_iter().chain(left).min()
}

/// `limit` as a number of threads, if it is below the number of cores.
fn below(limit: f64, cores: usize) -> Option<usize> {
    let threads = (limit.ceil() as usize).max(1);
    (threads < cores).then_some(threads)
}

/// A group that this process belongs to.
struct Group {
    folder: PathBuf,
    /// Whether it is one of version 2, where a group holds all controllers.
    second: bool,
}

/// The groups of a controller on the way from the process's own to the root.
fn above(groups: &str, mount: &Path, controller: &str) -> Vec<Group> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let second = controllers.is_empty();
        if !second && !controllers.split(',').any(|name| name == controller) {
            continue;
        }
        // A container may show a group's path of outside, but only its own group, as the root.
        let mounts = match second {
            true => [mount.to_owned(), mount.join("unified")],
            false => [mount.join(controllers), mount.join(controller)],
        };
        for root in mounts {
            let below = Path::new(path.trim_start_matches('/')).ancestors();
            found.extend(below.map(|below| Group {
                folder: root.join(below),
                second,
            }));
        }
    }
    found
}

/// Bytes that the limits on the way to the root leave. Pages of files that nobody uses are freed
/// where memory is needed, and count as free.
fn left(groups: &str, mount: &Path) -> Option<u64> {
    let of = |group: Group| -> Option<u64> {
        let read = |name: &str| fs::read_to_string(group.folder.join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        let (limit, used, cached) = match group.second {
            true => ("memory.max", "memory.current", "inactive_file "),
            false => (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file ",
            ),
        };
        let statistics = read("memory.stat").unwrap_or_default();
        let mut lines = statistics.lines();
        let cached = lines.find_map(|line| line.strip_prefix(cached)?.trim().parse().ok());
        let used = number(used)?.saturating_sub(cached.unwrap_or(0));
        Some(number(limit)?.saturating_sub(used))
    };
    above(groups, mount, "memory")
        .into_iter()
        .filter_map(of)
        .min()
}

/// What the machine has free or can free, as it says of itself.
fn free(meminfo: &str) -> Option<u64> {
    process::bytes(meminfo, "MemAvailable:")
}

/// Processors' worth of time: the smallest limit on the way from the process's group to the root.
fn limit(groups: &str, mount: &Path) -> Option<f64> {
    let of = |group: Group| match group.second {
        true => second(&group.folder),
        false => of_first(&group.folder),
    };
    let limits = above(groups, mount, "cpu").into_iter().filter_map(of);
    limits.reduce(f64::min)
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

/// The number of cores that a process's status lists.
fn allowed(status: &str) -> Option<usize> {
    let mut lines = status.lines();
    count(lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

/// The length of a list of cores, such as `0-3,8`.
pub(crate) fn count(list: &str) -> Option<usize> {
    let mut cores = 0;
    for range in list.trim().split(',') {
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
    fn memory_is_what_the_smallest_limit_leaves() {
        let mount = tempfile::tempdir().unwrap();
        let (root, groups) = (mount.path(), "0::/job/step\n");
        assert_eq!(left(groups, root), None);
        write(&root.join("job"), "memory.max", "1000\n");
        write(&root.join("job"), "memory.current", "700\n");
        write(
            &root.join("job"),
            "memory.stat",
            "anon 500\ninactive_file 100\n",
        );
        write(&root.join("job/step"), "memory.max", "max\n");
        write(&root.join("job/step"), "memory.current", "10\n");
        assert_eq!(left(groups, root), Some(400));
        write(&root.join("job/step"), "memory.max", "50\n");
        assert_eq!(left(groups, root), Some(40));
        let old = "4:memory:/old\n";
        let folder = root.join("memory/old");
        write(&folder, "memory.limit_in_bytes", "9000\n");
        write(&folder, "memory.usage_in_bytes", "9500\n");
        assert_eq!(left(old, root), Some(0));
        assert_eq!(free("MemTotal: 9 kB\nMemAvailable:   3 kB\n"), Some(3072));
        assert_eq!(free("MemTotal: 9 kB\n"), None);
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
        assert_eq!(allowed("Name:\te2mc\nCpus_allowed_list:\t0-3,8\n"), Some(5));
        assert_eq!(allowed("Cpus_allowed_list:\t7\n"), Some(1));
        assert_eq!(allowed("Name:\te2mc\n"), None);
    }
}
