//! Embeddings with everything that is known of them, from which their page is made.

use e2mc::{Matrix, MatrixView, Transform};
use e2mc_eval::diagnostics::{Config, Diagnostics, alignment, diagnose, lidar, sample_rows};
use e2mc_eval::{Error, Rows};
use e2mc_record::Preprocessing;

/// Rows that charts show, at most.
const PICTURED: usize = 1500;

/// Embeddings with everything that is known of them.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What tables and charts call them.
    pub name: String,
    /// Where they come from.
    pub source: String,
    /// How images were prepared for a network; none where rows come from a file.
    pub preprocessing: Option<Preprocessing>,
    /// The map to the unit interval.
    pub transform: Transform,
    /// What was measured.
    pub diagnostics: Diagnostics,
    /// Some of the rows, for charts; the same rows of two files of equal length.
    pub picture: Matrix,
    /// Views of each image; 1 where there are no others.
    pub views: usize,
    /// How far views of one image are apart; known with several views.
    pub alignment: Option<f64>,
    /// In how many directions images differ by more than their views do; known with several views.
    pub lidar: Option<f64>,
}

impl Subject {
    /// Measures embeddings from a file or in memory.
    ///
    /// # Errors
    /// Where they cannot be read or are not such as [`diagnose`] takes.
    pub fn measure(
        name: &str,
        source: &str,
        rows: &dyn Rows,
        config: &Config,
    ) -> Result<Self, Error> {
        Ok(Self {
            name: name.to_owned(),
            source: source.to_owned(),
            preprocessing: None,
            transform: config.transform,
            diagnostics: diagnose(rows, config)?,
            picture: sample_rows(rows, PICTURED, config.seed)?,
            views: 1,
            alignment: None,
            lidar: None,
        })
    }

    /// Measures embeddings that are in memory, to the usual extent.
    ///
    /// # Errors
    /// As [`Subject::measure`].
    pub fn of_matrix(name: &str, z: MatrixView<'_>, transform: Transform) -> Result<Self, Error> {
        Self::measure(name, name, &z, &Config::new(transform, z.cols()))
    }

    /// Adds what several views of the same images tell: the same rows in each, each (n, d).
    ///
    /// # Errors
    /// Where their shapes differ or a value is not finite.
    pub fn add_views(&mut self, views: &[Matrix]) -> Result<(), Error> {
        let views: Vec<MatrixView<'_>> = views.iter().map(Matrix::view).collect();
        self.alignment = alignment(&views)?;
        self.lidar = lidar(&views)?;
        self.views = views.len();
        Ok(())
    }
}

/// What tables and charts call the subjects.
pub(super) fn names(subjects: &[Subject]) -> Vec<String> {
    subjects
        .iter()
        .map(|subject| subject.name.clone())
        .collect()
}

/// The state that a name begins with, as in `before: FILE`; otherwise the name.
pub(in crate::pages) fn short(name: &str) -> &str {
    match name.split_once(": ") {
        Some((state @ ("before" | "after"), _)) => state,
        _ => name,
    }
}
