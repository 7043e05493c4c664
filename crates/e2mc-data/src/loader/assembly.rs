//! A batch that several threads fill in.

use std::cell::UnsafeCell;

use super::{Batch, View};

/// A batch while it is being made. Threads write disjoint samples of its views at the same time.
pub(super) struct Assembly {
    batch: UnsafeCell<Batch>,
    /// Start of each view's data, and the size of one sample.
    views: Vec<(*mut f32, usize)>,
    /// The images, in the order of the batch.
    pub(super) indices: Vec<usize>,
}

// SAFETY: the pointers lead into `batch`, which is owned here; the methods' contracts keep two
// threads from the same sample and from the batch itself.
unsafe impl Send for Assembly {}
// SAFETY: as above.
unsafe impl Sync for Assembly {}

impl Assembly {
    pub(super) fn new(mut batch: Batch) -> Self {
        let pointer = |view: &mut View| (view.data.as_mut_ptr(), view.shape[1..].iter().product());
        let views = batch.views.iter_mut().map(pointer).collect();
        Self {
            views,
            indices: batch.indices.clone(),
            batch: UnsafeCell::new(batch),
        }
    }

    /// The slice of a view that belongs to the sample at `position`.
    ///
    /// # Safety
    /// No other reference to this sample of this view is alive, and [`finish`](Self::finish) has
    /// not been called.
    #[expect(
        clippy::mut_from_ref,
        reason = "disjoint samples are the caller's promise"
    )]
    pub(super) unsafe fn sample(&self, position: usize, view: usize) -> &mut [f32] {
        assert!(position < self.indices.len(), "a position within the batch");
        let (start, size) = self.views[view];
        // SAFETY: `data` holds `size` floats for each index, so this lies within; it is exclusive
        // by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(start.add(position * size), size) }
    }

    pub(super) fn finish(self) -> Batch {
        self.batch.into_inner()
    }
}
