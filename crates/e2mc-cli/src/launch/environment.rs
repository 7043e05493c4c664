//! What OpenMP reads when libtorch is loaded.

use std::ffi::OsString;

use e2mc_base::affinity::BINDING;

/// How often a thread of libgomp looks for work before it sleeps. Unbounded spinning takes most of
/// the speed wherever the machine is shared; this bound costs nothing where it is not.
const SPINS: &str = "10000";

/// What starts one process of several: torchrun, SLURM, or the variables that they set.
const SEVERAL: [&str; 3] = ["WORLD_SIZE", "LOCAL_RANK", "SLURM_PROCID"];

/// The variables to set beside those that the user `has` set, which stay. `threads` is what the
/// processor limit allows, if it is less than the cores. Threads are bound only where this process
/// `owns` the machine: all of its processors compute for it.
pub(super) fn openmp(
    has: &[String],
    threads: Option<usize>,
    owns: bool,
) -> Vec<(&'static str, OsString)> {
    let any = |test: fn(&str) -> bool| has.iter().any(|name| test(name));
    let mut set = Vec::new();
    if !any(|name| {
        name == "OMP_WAIT_POLICY" || name == "GOMP_SPINCOUNT" || name.starts_with("KMP_")
    }) {
        set.push(("GOMP_SPINCOUNT", SPINS.into()));
    }
    if let Some(threads) = threads
        && !any(|name| name == "OMP_NUM_THREADS" || name == "MKL_NUM_THREADS")
    {
        set.push(("OMP_NUM_THREADS", threads.to_string().into()));
    }
    let chosen = any(|name| {
        let of_openmp = ["OMP_", "MKL_", "KMP_", "GOMP_CPU"];
        of_openmp.iter().any(|start| name.starts_with(start)) || SEVERAL.contains(&name)
    });
    if owns && threads.is_none() && !chosen {
        set.extend(BINDING.map(|(name, value)| (name, value.into())));
    }
    set
}

#[cfg(test)]
mod tests {
    use super::openmp;

    fn set(has: &[&str], threads: Option<usize>) -> Vec<String> {
        on(has, threads, false)
    }

    fn on(has: &[&str], threads: Option<usize>, owns: bool) -> Vec<String> {
        let has: Vec<String> = has.iter().map(|&name| name.to_owned()).collect();
        let set = openmp(&has, threads, owns).into_iter();
        set.map(|(name, value)| format!("{name}={}", value.display()))
            .collect()
    }

    #[test]
    fn what_the_user_set_stays() {
        let (spins, three) = ("GOMP_SPINCOUNT=10000", "OMP_NUM_THREADS=3");
        assert_eq!(set(&["PATH"], None), [spins]);
        assert_eq!(set(&[], Some(3)), [spins, three]);
        for threads in ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            assert_eq!(set(&[threads], Some(3)), [spins], "{threads}");
        }
        for waiting in [
            "OMP_WAIT_POLICY",
            "GOMP_SPINCOUNT",
            "KMP_BLOCKTIME",
            "KMP_LIBRARY",
        ] {
            assert_eq!(set(&[waiting], Some(3)), [three], "{waiting}");
        }
    }

    #[test]
    fn threads_are_bound_where_the_machine_is_the_programs_own() {
        let bound = ["OMP_PROC_BIND=true", "OMP_PLACES=cores", "E2MC_BOUND=1"];
        assert_eq!(on(&["PATH"], None, true)[1..], bound);
        assert_eq!(on(&["GOMP_SPINCOUNT"], None, true), bound);
        for chosen in [
            "OMP_NUM_THREADS",
            "OMP_PROC_BIND",
            "MKL_NUM_THREADS",
            "KMP_AFFINITY",
            "GOMP_CPU_AFFINITY",
            "WORLD_SIZE",
            "SLURM_PROCID",
        ] {
            let set = on(&[chosen], None, true).join(" ");
            assert!(!set.contains("BIND"), "{chosen}: {set}");
        }
        assert!(!on(&[], Some(3), true).join(" ").contains("BIND"));
        assert!(!on(&[], None, false).join(" ").contains("BIND"));
    }
}
