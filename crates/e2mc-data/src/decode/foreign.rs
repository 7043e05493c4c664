//! Decoders that are not ours: the bytes are anybody's, so a panic in there is a bad file, and no
//! more to be said.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::failure::Failure;

thread_local! {
    /// Whether this thread is in such a decoder.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Does what a foreign decoder does. A panic becomes a failure and is not printed; those of other
/// threads are, as before.
pub(super) fn guarded(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    quiet_hook();
    INSIDE.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(false);
    result.unwrap_or_else(|_| Err(Failure::Damaged("the data is damaged".to_owned())))
}

/// Puts a hook before the one that is there, once, for hooks belong to the whole program: taking it
/// out again could take out another's.
fn quiet_hook() {
    static ONCE: Once = Once::new();
    // The hook cannot be changed in a panic; then this one is printed.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hooks are the whole program's, so that the panics happen in a program of their own: this one
    /// again, with only this test.
    #[test]
    fn panics_of_decoders_alone_are_silent() {
        const CHILD: &str = "E2MC_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            for _ in 0..3 {
                let result = guarded(|| panic!("inside a decoder"));
                assert!(matches!(result, Err(Failure::Damaged(_))));
            }
            let elsewhere = || panic!("outside of it");
            assert!(panic::catch_unwind(elsewhere).is_err());
            return;
        }
        let name = "decode::foreign::tests::panics_of_decoders_alone_are_silent";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{printed}");
        assert!(!printed.contains("inside a decoder"), "{printed}");
        assert_eq!(printed.matches("outside of it").count(), 1, "{printed}");
    }
}
