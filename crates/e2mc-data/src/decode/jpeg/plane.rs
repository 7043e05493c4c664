//! The samples of a component, and which of its blocks a region needs.

use super::frame::{Component, Frame};
use crate::geometry::Region;

/// The samples of a component, in whole blocks, and which of the blocks are wanted.
#[derive(Default)]
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    /// Samples from one row to the next.
    pub(super) stride: usize,
    /// Size without the filling of the last blocks.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Columns and rows of the image for each of its own.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Columns and rows of blocks that are wanted: from, to.
    pub(super) columns: (usize, usize),
    pub(super) rows: (usize, usize),
}

impl Plane {
    /// Prepares for a component of a frame.
    pub(super) fn prepare(&mut self, frame: &Frame, component: &Component, region: Region) {
        let (h, v) = (frame.h, frame.v);
        let (across, down) = frame.blocks(component);
        self.stride = 8 * across;
        self.width = (frame.width * component.h).div_ceil(h);
        self.height = (frame.height * component.v).div_ceil(v);
        (self.across, self.down) = (h / component.h, v / component.v);
        let size = self.stride * 8 * down;
        if self.samples.len() < size {
            self.samples.resize(size, 0);
        }
        // Samples between which the region is interpolated lie up to one beyond it.
        let blocks = |start: usize, length: usize, own: usize, full: usize, all: usize| {
            let (first, last) = (start * own / full, (start + length - 1) * own / full);
            let margin = usize::from(own < full);
            let last = (last + margin).min(all - 1);
            (first.saturating_sub(margin) / 8, last / 8 + 1)
        };
        self.columns = blocks(region.left, region.width, component.h, h, self.width);
        self.rows = blocks(region.top, region.height, component.v, v, self.height);
    }

    pub(super) fn wants(&self, column: usize, row: usize) -> bool {
        (self.columns.0..self.columns.1).contains(&column)
            && (self.rows.0..self.rows.1).contains(&row)
    }
}
