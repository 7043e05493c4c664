//! What the choice of C by accuracy allocates, counted by an allocator of our own: the scores of
//! all classes for all values of C are never there at once. One test, for the count is of the whole
//! program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use e2mc::MatrixView;
use e2mc_eval::{Cost, SvmConfig, Targets, svm};

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
fn choosing_c_holds_no_scores_of_all_classes() {
    let (rows, dims, classes, values) = (3000, 4, 300, 10);
    let features: Vec<f32> = (0..rows * dims).map(|i| (i as f32 * 0.37).sin()).collect();
    let labels: Vec<usize> = (0..rows).map(|row| row % classes).collect();
    let config = SvmConfig {
        cost: Cost::Grid {
            values: (0..values).map(|i| 1e-4 * 2.0_f64.powi(i)).collect(),
            folds: 3,
        },
        max_epochs: 2,
        ..SvmConfig::default()
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap();
    let targets = Targets::Classes(labels);
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let fit = pool.install(|| {
        let train = MatrixView::new(&features, rows, dims).unwrap();
        svm(train, &targets, classes, &config, 0).unwrap()
    });
    let peak = PEAK.load(Relaxed) - before;
    assert_eq!(fit.classes.len(), classes);
    // Scores of a fold for all classes and values, and a truth value for each row and class.
    let scores = rows / 3 * classes * values as usize * size_of::<f32>();
    let sides = rows * classes;
    println!("{peak} bytes; {scores} of scores, {sides} of truth values");
    assert!(peak < (scores + sides) / 10, "{peak} bytes");
}
