//! What OpenMP reads when libtorch is loaded.

use std::ffi::OsString;

/// How often a thread of libgomp looks for work before it sleeps. Unbounded spinning takes most of
/// the speed wherever the machine is shared; this bound costs nothing where it is not.
const SPINS: &str = "10000";

/// The variables to set beside those that the user `has` set, which stay. `threads` is what the
/// processor limit allows, if it is less than the cores.
pub(super) fn openmp(has: &[String], threads: Option<usize>) -> Vec<(&'static str, OsString)> {
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
    set
}

#[cfg(test)]
mod tests {
    use super::openmp;

    fn set(has: &[&str], threads: Option<usize>) -> Vec<String> {
        let has: Vec<String> = has.iter().map(|&name| name.to_owned()).collect();
        let set = openmp(&has, threads).into_iter();
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
}
