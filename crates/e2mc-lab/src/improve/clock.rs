//! The time that an improvement may take, and what ends it early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often the flags are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Training ends when this much more than the budget would be taken: the plan goes by a measured
/// speed, and the machine may become slower.
const OVERTIME: f64 = 1.1;

/// Seconds that were spent, also by earlier processes that were ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    before: f64,
    budget: f64,
}

impl Clock {
    pub(super) fn new(budget: f64) -> Self {
        Self {
            started: Instant::now(),
            before: 0.0,
            budget,
        }
    }

    /// Counts what earlier processes spent.
    pub(super) fn go_on(&mut self, before: f64) {
        self.before = before;
    }

    /// Seconds so far.
    pub(super) fn spent(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Seconds of the budget that are left, at least 0.
    pub(super) fn left(&self) -> f64 {
        (self.budget - self.spent()).max(0.0)
    }

    /// Whether something of that many seconds still fits in.
    pub(super) fn allows(&self, seconds: f64) -> bool {
        self.spent() + seconds <= OVERTIME * self.budget
    }

    /// Runs `work` with a flag that is raised by `stop`, or when only `reserve` seconds are left.
    pub(super) fn watched<T>(
        &self,
        stop: &AtomicBool,
        reserve: f64,
        work: impl FnOnce(&AtomicBool) -> T,
    ) -> T {
        let (halt, done) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if stop.load(Ordering::Relaxed) || !self.allows(reserve) {
                        halt.store(true, Ordering::Relaxed);
                    }
                    thread::sleep(TICK);
                }
            });
            // Also where the work panics.
            let _end = Raise(&done);
            work(&halt)
        })
    }
}

/// Raises a flag when it goes.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_processes_spent_counts() {
        let mut clock = Clock::new(100.0);
        assert!(clock.spent() < 1.0 && clock.left() > 99.0 && clock.allows(105.0));
        clock.go_on(95.0);
        assert!((95.0..96.0).contains(&clock.spent()));
        assert!(clock.allows(14.0) && !clock.allows(16.0));
        clock.go_on(300.0);
        assert_eq!(clock.left(), 0.0);
        assert!(!clock.allows(0.0));
    }

    #[test]
    fn a_flag_is_raised_by_the_user_and_by_the_deadline() {
        let wait = |halt: &AtomicBool| {
            let started = Instant::now();
            while !halt.load(Ordering::Relaxed) && started.elapsed() < Duration::from_secs(20) {
                thread::sleep(TICK);
            }
            halt.load(Ordering::Relaxed)
        };
        let stop = AtomicBool::new(false);
        let mut clock = Clock::new(1000.0);
        assert!(!clock.watched(&stop, 0.0, |halt| halt.load(Ordering::Relaxed)));
        assert!(clock.watched(&stop, 2000.0, wait), "no time is left");
        stop.store(true, Ordering::Relaxed);
        assert!(clock.watched(&stop, 0.0, wait), "the user said stop");
        stop.store(false, Ordering::Relaxed);
        clock.go_on(5000.0);
        assert!(clock.watched(&stop, 0.0, wait));
    }
}
