//! The wish to end early, and how far the work is when it comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a wish to end early would find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is changed yet: the process may end at once.
    #[default]
    Untouched,
    /// What is done is kept, and the process may end at once.
    Kept,
    /// The work looks at [`Stop::is_requested`], saves its state and ends by itself.
    Heeding,
    /// The last files are being written: the work ends by itself in a moment.
    Finishing,
}

/// The wish to end early: raised by a signal's watcher, heeded by the work.
#[derive(Debug, Default)]
pub struct Stop {
    requested: AtomicBool,
    phase: Mutex<Phase>,
}

impl Stop {
    /// Nobody wishes anything yet.
    pub const fn new() -> Self {
        Self {
            requested: AtomicBool::new(false),
            phase: Mutex::new(Phase::Untouched),
        }
    }

    /// Whether the work should end.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// The flag behind [`Stop::is_requested`].
    pub fn flag(&self) -> &AtomicBool {
        &self.requested
    }

    /// Says how far the work is, until the returned value is dropped; then the phase before counts
    /// again.
    pub fn enter(&self, phase: Phase) -> Entered<'_> {
        Entered {
            stop: self,
            before: self.set(phase),
        }
    }

    fn set(&self, phase: Phase) -> Phase {
        let mut own = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut own, phase)
    }

    /// Raises the wish. Where the work need not be waited for, and where the wish comes a second
    /// time, `end` is called to end the process; the work enters no other phase meanwhile.
    pub fn request(&self, end: impl FnOnce(Phase)) {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let again = self.requested.swap(true, Ordering::Relaxed);
        match *phase {
            Phase::Untouched | Phase::Kept => end(*phase),
            Phase::Heeding if again => end(*phase),
            Phase::Heeding | Phase::Finishing => {}
        }
    }
}

/// A phase of the work; see [`Stop::enter`].
#[must_use]
#[derive(Debug)]
pub struct Entered<'a> {
    stop: &'a Stop,
    before: Phase,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.stop.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_ends_at_once_unless_the_work_saves_first() {
        let ended = |stop: &Stop| {
            let mut ended = None;
            stop.request(|phase| ended = Some(phase));
            ended
        };
        assert_eq!(ended(&Stop::new()), Some(Phase::Untouched));
        let stop = Stop::new();
        let kept = stop.enter(Phase::Kept);
        let heeding = stop.enter(Phase::Heeding);
        assert_eq!(ended(&stop), None);
        assert!(stop.is_requested());
        assert_eq!(ended(&stop), Some(Phase::Heeding), "the second time");
        let finishing = stop.enter(Phase::Finishing);
        assert_eq!(ended(&stop), None);
        drop(finishing);
        drop(heeding);
        assert_eq!(ended(&stop), Some(Phase::Kept));
        drop(kept);
        assert_eq!(ended(&stop), Some(Phase::Untouched));
    }
}
