//! Signals that ask the program to end: SIGTERM, SIGINT, SIGUSR1, SIGUSR2, and SIGHUP unless it was
//! ignored when the program started, as by nohup.
//!
//! `e2mc` blocks them before it becomes the engine, which takes them up once it watches for them: a
//! signal that comes while libraries are loaded is not lost. A thread of its own answers them. Work
//! that saves its state is asked to; everything else ends at once, and what is unfinished is
//! removed.

use anyhow::Result;
use e2mc_base::stop::Stop;

/// The one wish to end of the whole program.
static STOP: Stop = Stop::new();

#[cfg(unix)]
mod unix {
    use std::io::Write;
    use std::ptr;

    use anyhow::{Context, Result};
    use e2mc_base::stop::Phase;
    use e2mc_base::unfinished;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level;

    use super::STOP;
    use crate::failure::STOPPED_EARLY;

    /// The signals that are watched.
    fn watched() -> Vec<libc::c_int> {
        let mut signals = vec![SIGTERM, SIGINT, SIGUSR1, SIGUSR2];
        if !is_ignored(SIGHUP) {
            signals.push(SIGHUP);
        }
        signals
    }

    fn is_ignored(signal: libc::c_int) -> bool {
        // SAFETY: a structure of integers and pointers, for which zeros are values; it lives until
        // the call returns, and a null pointer asks for no change.
        let (asked, action) = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            (libc::sigaction(signal, ptr::null(), &mut action), action)
        };
        asked == 0 && action.sa_sigaction == libc::SIG_IGN
    }

    /// Blocks the signals, or takes up those that came since.
    pub(super) fn set_mask(how: libc::c_int) {
        // SAFETY: the set is made before it is used and lives until the calls return.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in watched() {
                libc::sigaddset(&mut set, signal);
            }
            libc::pthread_sigmask(how, &set, ptr::null_mut());
        }
    }

    pub(super) fn watch(go_on: Option<&'static str>) -> Result<()> {
        let mut signals = Signals::new(watched()).context("cannot watch for signals")?;
        let answer = move || {
            for _ in signals.forever() {
                STOP.request(|phase| end(phase, go_on));
            }
        };
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(answer).context("cannot watch for signals")?;
        Ok(())
    }

    /// Ends the program at once. Other threads are at work: nothing of theirs is waited for or
    /// dropped.
    fn end(phase: Phase, go_on: Option<&'static str>) {
        let _all = unfinished::remove_all();
        let state = match phase {
            Phase::Untouched => "nothing was changed",
            _ => "what is done is kept",
        };
        let mut text = format!("stopped by a signal; {state}\n");
        if let Some(hint) = go_on.filter(|_| phase != Phase::Untouched) {
            text.push_str(&format!("hint: {hint}\n"));
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
        low_level::exit(STOPPED_EARLY.into());
    }
}

/// Keeps signals until the program watches for them, across the start of the engine, too.
pub fn block() {
    #[cfg(unix)]
    unix::set_mask(libc::SIG_BLOCK);
}

/// Leaves signals to the system again.
pub fn unblock() {
    #[cfg(unix)]
    unix::set_mask(libc::SIG_UNBLOCK);
}

/// Watches for signals from now on. `go_on` says how work goes on that was ended at once and whose
/// results so far are kept.
///
/// # Errors
/// Where the system does not let the program watch.
pub fn watch(go_on: Option<&'static str>) -> Result<&'static Stop> {
    #[cfg(unix)]
    unix::watch(go_on)?;
    unblock();
    let _ = go_on;
    Ok(&STOP)
}

/// The wish to end that signals raise.
pub fn stop() -> &'static Stop {
    &STOP
}
