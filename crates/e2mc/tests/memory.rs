//! What one evaluation allocates, counted by an allocator of our own: at most four times its input,
//! the gradient included. One test, for the count is of the whole program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use e2mc::{Criterion, MatrixView};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed on to the system's allocator; `realloc` and `alloc_zeroed` come here by
// their default.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_evaluation_takes_at_most_four_times_its_input() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap();
    for (n, d) in [(512, 8192), (4096, 512), (2048, 1024), (64, 16_384)] {
        let values: Vec<f32> = (0..n * d).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
        for criterion in [Criterion::vicreg(), Criterion::swav()] {
            let before = BYTES.load(Relaxed);
            PEAK.store(before, Relaxed);
            pool.install(|| {
                let mut gradient = vec![0.0; n * d];
                let view = MatrixView::new(&values, n, d).unwrap();
                criterion.value_and_gradient(view, &mut gradient).unwrap();
            });
            let peak = PEAK.load(Relaxed) - before;
            let times = peak as f64 / (4 * n * d) as f64;
            println!("{n} x {d}: {times:.2} times the input");
            assert!(times <= 4.0, "{n} x {d}: {times} times the input");
            assert!(
                times >= 1.0,
                "{n} x {d}: the gradient alone is as large as the input"
            );
        }
    }
}
