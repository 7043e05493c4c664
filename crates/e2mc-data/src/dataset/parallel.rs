//! Work on many files at once, for disks that answer slowly.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Threads at least: most of the time they wait for the disk.
const THREADS: usize = 8;

/// Does `work` on all items, several at a time; the results are in the items' order. After a
/// failure no more work is begun; of several failures the one of the first item is returned.
pub(super) fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.max(THREADS).min(items.len());
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((index, result));
        }
    };
    thread::scope(|scope| {
        // Where the system refuses a thread, fewer do the same: this one at least.
        for _ in 1..threads {
            if thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|&(index, _)| index);
    // Items are begun in order, so that all before the first failure are there.
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_and_the_first_failure_counts() {
        let items: Vec<usize> = (0..1000).collect();
        let square = |&item: &usize| -> Result<usize, usize> { Ok(item * item) };
        assert!(
            map(&items, square)
                .unwrap()
                .into_iter()
                .eq((0..1000).map(|item| item * item))
        );
        let picky = |&item: &usize| if item % 100 == 77 { Err(item) } else { Ok(()) };
        assert_eq!(map(&items, picky), Err(77));
        assert_eq!(map(&[], picky), Ok(vec![]));
    }
}
