//! The time that an improvement may take, and what ends it early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2mc_base::stop::Stop;

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

    /// Runs `work` that is told to stop when `stop` is, or when only `reserve` seconds are left.
    pub(super) fn watched<T>(&self, stop: &Stop, reserve: f64, work: impl FnOnce(&Stop) -> T) -> T {
        let (halt, done) = (Stop::new(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let over = stop.is_requested() || !self.allows(reserve);
                    if over && !halt.is_requested() {
                        halt.request(|_| {});
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
        let wait = |halt: &Stop| {
            let started = Instant::now();
            while !halt.is_requested() && started.elapsed() < Duration::from_secs(20) {
                thread::sleep(TICK);
            }
            halt.is_requested()
        };
        let stop = Stop::new();
        let mut clock = Clock::new(1000.0);
        assert!(!clock.watched(&stop, 0.0, Stop::is_requested));
        assert!(clock.watched(&stop, 2000.0, wait), "no time is left");
        stop.request(|_| {});
        assert!(clock.watched(&stop, 0.0, wait), "the user said stop");
        let stop = Stop::new();
        clock.go_on(5000.0);
        assert!(clock.watched(&stop, 0.0, wait));
    }
}
