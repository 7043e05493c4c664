//! The threads that work while the interpreter's lock is released.
//!
//! A process that was forked has none of its parent's threads, and would wait for them for ever: a
//! data loader's workers are such processes. Each process therefore makes a pool of its own at its
//! first call.

use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

struct Own {
    process: u32,
    threads: ThreadPool,
}

static CURRENT: AtomicPtr<Own> = AtomicPtr::new(ptr::null_mut());

/// Runs `work` on this process's threads, without the interpreter's lock.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let threads = threads()?;
    Ok(py.detach(|| threads.install(work)))
}

fn threads() -> PyResult<&'static ThreadPool> {
    let process = process::id();
    let found = CURRENT.load(Ordering::Acquire);
    // SAFETY: what was stored came from `Box::leak` and is never freed.
    if let Some(own) = unsafe { found.as_ref() }
        && own.process == process
    {
        return Ok(&own.threads);
    }
    let threads = ThreadPoolBuilder::new()
        .thread_name(|index| format!("e2mc-{index}"))
        .build()
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let made: &'static Own = Box::leak(Box::new(Own { process, threads }));
    let stored = ptr::from_ref(made).cast_mut();
    // Where another thread was faster its pool serves both; this one idles.
    match CURRENT.compare_exchange(found, stored, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(&made.threads),
        // SAFETY: as above.
        Err(other) => Ok(unsafe { other.as_ref() }.map_or(&made.threads, |own| &own.threads)),
    }
}
