//! A matrix in panels of sixteen columns: what is read together lies together.
//!
//! Panel `p` holds columns `16 p .. 16 p + 16` of every row, row after row, so that one row of a
//! panel is one cache line and a whole panel is contiguous. Columns beyond the matrix are zero.

use rayon::prelude::*;
use std::ops::{Deref, DerefMut};

/// Columns in a panel.
pub(crate) const WIDTH: usize = 16;

/// One row of a panel, on its own cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Row(pub(crate) [f32; WIDTH]);

impl Deref for Row {
    type Target = [f32; WIDTH];

    #[inline(always)]
    fn deref(&self) -> &[f32; WIDTH] {
        &self.0
    }
}

impl DerefMut for Row {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32; WIDTH] {
        &mut self.0
    }
}

impl Row {
    /// The first columns from `values`, the others zero.
    #[inline(always)]
    pub(crate) fn read(values: &[f32]) -> Self {
        match <&[f32; WIDTH]>::try_from(values) {
            Ok(values) => Self(*values),
            Err(_) => Self::read_some(values),
        }
    }

    /// Writes the first columns to `values`.
    #[inline(always)]
    pub(crate) fn write(&self, values: &mut [f32]) {
        match <&mut [f32; WIDTH]>::try_from(&mut *values) {
            Ok(values) => *values = self.0,
            Err(_) => self.write_some(values),
        }
    }

    // Out of line, so that whole rows are moved in a register.
    #[cold]
    #[inline(never)]
    fn read_some(values: &[f32]) -> Self {
        let mut row = Self::default();
        row[..values.len()].copy_from_slice(values);
        row
    }

    #[cold]
    #[inline(never)]
    fn write_some(&self, values: &mut [f32]) {
        values.copy_from_slice(&self[..values.len()]);
    }
}

/// The panels of a matrix with `rows` rows.
#[derive(Debug, Default)]
pub(crate) struct Panels {
    lines: Vec<Row>,
    rows: usize,
}

impl Panels {
    /// Takes the shape `(rows, cols)`, keeping the memory; the contents are unspecified.
    pub(crate) fn resize(&mut self, rows: usize, cols: usize) {
        self.rows = rows;
        self.lines.resize(rows * count(cols), Row::default());
    }

    /// Number of rows.
    #[inline(always)]
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Panel `index`: `rows` lines.
    #[inline(always)]
    pub(crate) fn panel(&self, index: usize) -> &[Row] {
        &self.lines[index * self.rows..][..self.rows]
    }

    /// Panel `index` to write to: `rows` lines.
    #[inline(always)]
    pub(crate) fn panel_mut(&mut self, index: usize) -> &mut [Row] {
        &mut self.lines[index * self.rows..][..self.rows]
    }

    /// All panels to write to, `group` at a time, the last group perhaps smaller.
    pub(crate) fn groups_mut(
        &mut self,
        group: usize,
    ) -> impl IndexedParallelIterator<Item = PanelsMut<'_>> {
        let rows = self.rows;
        self.lines
            .par_chunks_mut(group * rows)
            .map(move |lines| PanelsMut { lines, rows })
    }
}

/// A few neighbouring panels to write to.
pub(crate) struct PanelsMut<'a> {
    lines: &'a mut [Row],
    rows: usize,
}

impl PanelsMut<'_> {
    /// Panels in the group.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.lines.len() / self.rows
    }

    /// Panel `index` of the group: `rows` lines.
    #[inline(always)]
    pub(crate) fn panel(&mut self, index: usize) -> &mut [Row] {
        &mut self.lines[index * self.rows..][..self.rows]
    }
}

/// Panels that `cols` columns take.
pub(crate) fn count(cols: usize) -> usize {
    cols.div_ceil(WIDTH)
}
