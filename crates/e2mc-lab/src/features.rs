//! What a network makes of images, seen through a map where there is one.
//!
//! The map is applied to each batch as it leaves the network. So a map of another width is refused
//! at the first batch, and rows are the same as if all were mapped at the end.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use e2mc::{Matrix, MatrixView};
use e2mc_data::{Dataset, Pipeline, Preprocessing};
use e2mc_eval::protocol::MapFile;
use e2mc_train::{EmbedOptions, Model, Output, World, embed_batches};

use crate::error::Error;
use crate::machine::batch;

/// A network, and the map that its output is seen through.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The file that the network is from, for errors.
    pub checkpoint: &'a Path,
    /// The network.
    pub model: &'a Model,
    /// The map; the output as it is if `None`.
    pub map: Option<&'a MapFile>,
    /// Images at a time, at least 1; as many as suit the images and the memory if `None`.
    pub batch: Option<usize>,
    /// The processes that share the work; the first has the rows, the others none.
    pub world: &'a World,
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("checkpoint", &self.checkpoint)
            .field("map", &self.map.map(|map| &map.origin))
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

impl Seen<'_> {
    /// Gives `take` the rows of `dataset` batch by batch, in its order: the values `(n, d)`
    /// row-major, and `d`.
    ///
    /// # Errors
    /// Where an image cannot be read or does not fit the network, the map takes another width, a
    /// value that is to be mapped is not finite, and what `take` fails with.
    pub fn batches(
        self,
        dataset: Arc<dyn Dataset>,
        options: &EmbedOptions,
        mut take: impl FnMut(&[f32], usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut first = options.skip_batches * options.batch;
        embed_batches(self.model, dataset, options, |values, cols| {
            let (seen, width) = self.values(first, values, cols, &options.output)?;
            first += values.len() / cols.max(1);
            take(&seen, width)
        })
    }

    /// One row per image of `dataset`, in its order: `(n, d)`; none for a process that is not the
    /// first.
    ///
    /// # Errors
    /// As [`Seen::batches`].
    fn rows(self, dataset: Arc<dyn Dataset>, options: &EmbedOptions) -> Result<Matrix, Error> {
        let rows = match self.world.is_first() {
            true => dataset.len(),
            false => 0,
        };
        let mut data: Vec<f32> = Vec::new();
        self.batches(dataset, options, |values, _| {
            data.extend_from_slice(values);
            Ok(())
        })?;
        let cols = data.len() / rows.max(1);
        Ok(Matrix::new(data, rows, cols)?)
    }

    /// One row per image of `dataset`, in its order, prepared as `evaluation` says: `(n, d)`.
    ///
    /// # Errors
    /// As [`Seen::batches`].
    pub fn evaluated(
        self,
        dataset: Arc<dyn Dataset>,
        evaluation: &Preprocessing,
        output: &Output,
        threads: usize,
    ) -> Result<Matrix, Error> {
        let pipeline = Pipeline::Preprocess(evaluation.clone());
        let options = EmbedOptions {
            batch: (self.batch).unwrap_or_else(|| batch(evaluation, self.model.device())),
            threads,
            world: self.world.clone(),
            ..EmbedOptions::new(output.clone(), pipeline)
        };
        self.rows(dataset, &options)
    }

    /// Rows `(n, d)` that the network gave as `output`, through the map.
    ///
    /// # Errors
    /// Where the map takes another width, or a value is not finite.
    pub fn matrix(self, rows: Matrix, output: &Output) -> Result<Matrix, Error> {
        if self.map.is_none() {
            return Ok(rows);
        }
        let (seen, width) = self.values(0, rows.data(), rows.cols(), output)?;
        Ok(Matrix::new(seen.into_owned(), rows.rows(), width)?)
    }

    /// Values `(n, cols)`, of which the first row is that of image `first`, and how many columns
    /// there are after the map.
    fn values<'v>(
        self,
        first: usize,
        values: &'v [f32],
        cols: usize,
        output: &Output,
    ) -> Result<(Cow<'v, [f32]>, usize), Error> {
        let Some(MapFile { map, origin }) = self.map else {
            return Ok((Cow::Borrowed(values), cols));
        };
        if map.input_dims() != cols {
            return Err(Error::MapWidth {
                map: origin.path.clone(),
                takes: map.input_dims(),
                checkpoint: self.checkpoint.to_owned(),
                output: output.clone(),
                gives: cols,
            });
        }
        let rows = MatrixView::new(values, values.len() / cols.max(1), cols)?;
        let mapped = map.apply_from(first, rows);
        let mapped = mapped.map_err(|source| Error::Measure {
            place: self.checkpoint.display().to_string(),
            source,
        })?;
        let width = mapped.cols();
        Ok((Cow::Owned(mapped.into_data()), width))
    }
}
