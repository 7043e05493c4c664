//! Which processors threads run on.
//!
//! A step of training has some hundred parallel regions of less than a millisecond, and at the end
//! of each all of OpenMP's threads wait for the last one. A thread that the system moves to the
//! processor of another makes all of them wait, so that each is bound to a core of its own. The
//! program that starts the others sets OpenMP's variables ([`BINDING`]); OpenMP then binds its own
//! threads and the thread that loads it. That last one starts further threads, which inherit what
//! it is bound to: it is freed at once ([`free_at_start`]) and bound only while it computes
//! ([`settle`]).

use std::fs;

use crate::cgroup;

/// Says that the variables of [`BINDING`] were set by the program, not by the user.
pub const BOUND: &str = "E2MC_BOUND";

/// The variables that make OpenMP bind each thread to a core of its own.
pub const BINDING: [(&str, &str); 3] = [
    ("OMP_PROC_BIND", "true"),
    ("OMP_PLACES", "cores"),
    (BOUND, "1"),
];

/// The variables of [`BINDING`], if the program set them and not the user.
pub fn bound_by_program() -> impl Iterator<Item = &'static str> {
    let bound = std::env::var_os(BOUND).is_some();
    BINDING.iter().filter(move |_| bound).map(|&(name, _)| name)
}

/// Whether this process may run on every processor of the machine. One that may not shares the
/// machine with others, which could be bound to the same cores.
pub fn has_all_processors() -> bool {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").ok();
    let online = online.and_then(|list| cgroup::count(&list));
    online.is_some() && online == cgroup::cores()
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Settled, free_at_start, roam, settle};
#[cfg(target_os = "linux")]
pub use linux::{Settled, free_at_start, roam, settle};

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::OnceLock;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The core that OpenMP bound the program's first thread to.
    static CORE: OnceLock<CpuSet> = OnceLock::new();

    /// Frees the program's first thread, which OpenMP bound while it was loaded. Call it before
    /// anything counts processors or starts threads. Does nothing unless [`BOUND`](super::BOUND)
    /// is set.
    pub fn free_at_start() {
        if std::env::var_os(super::BOUND).is_some()
            && let Ok(core) = sched_getaffinity(None)
        {
            CORE.get_or_init(|| core);
            roam();
        }
    }

    /// Lets this thread run on every processor, whatever the thread that started it is bound to.
    /// Does nothing where [`free_at_start`] found nothing bound.
    pub fn roam() {
        if CORE.get().is_none() {
            return;
        }
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|processor| all.set(processor));
        // Where the system refuses, the thread is slower and does the same.
        let _ = sched_setaffinity(None, &all);
    }

    /// Binds this thread to the core that OpenMP keeps for it, until the result is dropped. Does
    /// nothing where [`free_at_start`] found nothing bound.
    pub fn settle() -> Settled {
        let before = CORE.get().and_then(|core| {
            let before = sched_getaffinity(None).ok()?;
            sched_setaffinity(None, core).ok()?;
            Some(before)
        });
        Settled(before)
    }

    /// A thread that is bound to its core as long as this lives.
    #[must_use = "the thread is freed where this is dropped"]
    pub struct Settled(Option<CpuSet>);

    impl Drop for Settled {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                let _ = sched_setaffinity(None, before);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn processors() -> u32 {
            sched_getaffinity(None).unwrap().count()
        }

        /// One test, since what a process is bound to is global.
        #[test]
        fn threads_roam_and_the_computing_one_settles() {
            let all = processors();
            drop(settle());
            roam();
            assert_eq!(processors(), all, "nothing was bound");

            let mut first = CpuSet::new();
            let own = sched_getaffinity(None).unwrap();
            let one = (0..CpuSet::MAX_CPU).find(|&cpu| own.is_set(cpu)).unwrap();
            first.set(one);
            CORE.set(first).unwrap();
            {
                let _settled = settle();
                assert_eq!(processors(), 1);
                let _again = settle();
                let started = std::thread::spawn(|| {
                    let inherited = processors();
                    roam();
                    (inherited, processors())
                });
                let (inherited, roaming) = started.join().unwrap();
                assert_eq!(inherited, 1);
                assert!(roaming >= all, "{roaming} of {all}");
                assert_eq!(processors(), 1);
            }
            assert_eq!(processors(), all);
        }
    }
}

/// Systems where threads are not bound.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Does nothing.
    pub fn free_at_start() {}

    /// Does nothing.
    pub fn roam() {}

    /// Does nothing.
    pub fn settle() -> Settled {
        Settled(())
    }

    /// A thread that computes.
    #[must_use = "the thread is freed where this is dropped"]
    pub struct Settled(());
}
