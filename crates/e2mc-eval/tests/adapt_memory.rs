//! What a streamed fit and a streamed application allocate, counted by an allocator of our own: a block of the rows, however
//! many there are. One test, for the count is of the whole program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use e2mc_eval::adapt::{Method, Whiten, fit};
use e2mc_eval::{EmbeddingFile, RowWriter, Rows, Stored};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed on to the system's allocator; `realloc` and `alloc_zeroed` come here by their default.
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
fn a_streamed_fit_holds_blocks_and_not_the_rows() {
    let (rows, dims) = (100_000, 128);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.npy");
    let mut writer = RowWriter::open(&path, rows, Stored::F16, "rows").unwrap();
    for first in (0..rows).step_by(1000) {
        let values: Vec<f32> = (0..1000 * dims)
            .map(|i| ((first * dims + i) as f32 * 0.37).sin() + (i % dims) as f32 * 0.1)
            .collect();
        writer.append(&values, dims).unwrap();
    }
    writer.finish().unwrap();

    let file = EmbeddingFile::open(&path).unwrap();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap();
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mapped = pool.install(|| {
        let map = fit(&file, &Method::Whiten(Whiten::default()), false, 0).unwrap();
        let mut mapped = 0;
        map.stream(&file, |_, block| {
            mapped += block.rows();
            Ok(())
        })
        .unwrap();
        mapped
    });
    let peak = PEAK.load(Relaxed) - before;
    assert_eq!((mapped, file.rows()), (rows, rows));
    // All rows in float32 are 51 MB; a block of 2 MB is there as read, shifted in float64, and cut into strips.
    assert!(peak < 20_000_000, "{peak} bytes");
}
