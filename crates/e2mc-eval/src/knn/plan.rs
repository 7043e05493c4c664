//! How many rows are worked on at a time, so that memory stays within a limit.

use crate::{Error, Rows};

/// Training rows of one product; with [`MOST_TEST`] it makes a tile of similarities that stays in
/// the second-level cache.
pub(super) const TRAIN_ROWS: usize = 512;
/// Training rows normalised at a time, between two waits for all threads, if memory allows.
const MOST_PANEL: usize = 16 * TRAIN_ROWS;
/// Most test rows of one product.
const MOST_TEST: usize = 512;
/// Every block is padded to a multiple of this, away from the product's special cases for few rows.
pub(super) const ALIGNMENT: usize = 32;

/// The numbers of rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Training rows that are read and normalised at a time.
    pub(super) panel_rows: usize,
    /// Test rows whose neighbours are sought in one pass over the training rows.
    pub(super) test_rows: usize,
    /// Test rows of one product.
    pub(super) block: usize,
}

impl Plan {
    /// For `k` neighbours within `memory` bytes.
    pub(super) fn new(
        train: &dyn Rows,
        test: &dyn Rows,
        k: usize,
        memory: Option<usize>,
    ) -> Result<Self, Error> {
        let (rows, tests) = (train.rows(), test.rows());
        // Smaller blocks for few test rows, so that they still occupy all cores.
        let block = |tests: usize| {
            let part = tests.div_ceil(32).next_multiple_of(ALIGNMENT);
            part.min(MOST_TEST)
        };
        let Some(memory) = memory else {
            return Ok(Self {
                panel_rows: MOST_PANEL.min(rows),
                test_rows: tests,
                block: block(tests),
            });
        };
        let value = size_of::<f32>();
        // The normalised copy, and what was read.
        let train_row = train.cols() * value * (1 + usize::from(train.copies()));
        let test_row = test.cols() * value * (1 + usize::from(test.copies()));
        // The running best and, sorted, the neighbours.
        let best = 2 * k * size_of::<u64>() + k * size_of::<u64>() + 64;
        let tiles = rayon::current_num_threads() * TRAIN_ROWS * MOST_TEST * value;
        let least = tiles + TRAIN_ROWS * train_row + ALIGNMENT * (test_row + best);
        if memory < least {
            return Err(Error::Memory {
                found: memory,
                needed: least,
            });
        }
        // A quarter for the training panel, the rest for the test rows.
        let panels = (memory - tiles) / 4 / train_row / TRAIN_ROWS;
        let panel_rows = (panels.max(1) * TRAIN_ROWS).min(MOST_PANEL);
        let left = memory - tiles - panel_rows * train_row;
        let test_rows = left / (test_row + best) / ALIGNMENT * ALIGNMENT;
        let test_rows = test_rows.clamp(ALIGNMENT, tests.next_multiple_of(ALIGNMENT));
        Ok(Self {
            panel_rows: panel_rows.min(rows),
            test_rows,
            block: block(test_rows),
        })
    }
}
