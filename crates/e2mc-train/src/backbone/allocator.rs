//! Memory that a step frees is kept for the next step.
//!
//! libtorch allocates every feature map on the heap and frees it again. glibc hands such blocks
//! back to the system, which zeroes and maps them anew a moment later: a seventh of the time of a
//! small network's training step on the CPU.

use std::sync::Once;

/// Tells the C allocator to keep what is freed, once per process and only where it is glibc's.
/// Settings in the environment (`MALLOC_TRIM_THRESHOLD_`, `MALLOC_MMAP_THRESHOLD_`,
/// `GLIBC_TUNABLES`) win.
pub(super) fn keep_freed_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let settings = [
            "MALLOC_TRIM_THRESHOLD_",
            "MALLOC_MMAP_THRESHOLD_",
            "GLIBC_TUNABLES",
        ];
        if settings.iter().all(|name| std::env::var_os(name).is_none()) {
            keep();
        }
    });
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep() {
    use std::ffi::c_int;

    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // From glibc's malloc.h.
    const TRIM_THRESHOLD: c_int = -1;
    const MMAP_THRESHOLD: c_int = -3;
    // Feature maps of large batches included; some versions take no more than 32 MiB.
    const SIZES: [c_int; 2] = [1 << 30, 32 << 20];
    // SAFETY: mallopt takes two integers, may be called at any time from any thread, and answers
    // what it does not know with 0.
    unsafe {
        // Trimming is switched off only along with a high mmap threshold: on its own it would
        // freeze that one at its low start.
        if SIZES.iter().any(|&size| mallopt(MMAP_THRESHOLD, size) == 1) {
            mallopt(TRIM_THRESHOLD, -1);
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep() {}
