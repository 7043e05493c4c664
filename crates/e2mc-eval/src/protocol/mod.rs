//! Whole evaluations on matrices and labels: from features to the result that is written down.
//!
//! - [`Subsets`]: which training labels may be learned from;
//! - [`evaluate_probes`]: linear probes over fractions of the labels and seeds, and neighbours
//!   beside them;
//! - [`evaluate_neighbours`]: nearest neighbours, each k and vote;
//! - [`evaluate_machines`]: support vector machines, of one class or several labels a row;
//! - [`EmbeddingFiles`]: features and labels from files, [`MapFile`]: a map that they are seen
//!   through;
//! - [`match_fits`], [`compare_lines`]: whether two results differ beyond chance.
//!
//! Each takes an [`EvaluationResult`](e2mc_record::EvaluationResult) that says what is evaluated,
//! and fills in what came out: the settings, the figures of every fit, the warnings. Predictions
//! are written to a [`ResultFolder`](e2mc_record::ResultFolder), sample by sample; the caller
//! writes the result there last.
//!
//! ```
//! use e2mc::Matrix;
//! use e2mc_eval::protocol::{Labelled, ProbeKind, ProbePlan, Subsets, evaluate_probes};
//! use e2mc_record::{EvaluationResult, Protocol, ResultFolder};
//!
//! let data = Labelled {
//!     train: Matrix::new(vec![0.0, 0.1, 0.2, 0.0, 1.0, 0.9, 1.1, 1.0], 4, 2)?,
//!     train_labels: vec![0, 0, 1, 1],
//!     test: Matrix::new(vec![0.1, 0.0, 0.9, 1.0], 2, 2)?,
//!     test_labels: vec![0, 1],
//!     classes: 2,
//! };
//! let plan = ProbePlan {
//!     subsets: Subsets::of_fractions(&[1.0])?,
//!     probes: vec![ProbeKind::Logistic],
//!     k: 1,
//!     ..ProbePlan::default()
//! };
//! let result = EvaluationResult::new("probe", "toy", Protocol::Linear);
//! let result = evaluate_probes(result, &data, &plan, &mut ResultFolder::nowhere())?;
//! assert_eq!(result.probes[0].accuracy, 100.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod data;
mod error;
mod figures;
mod files;
mod machines;
mod mapped;
mod neighbours;
mod predictions;
mod probes;
mod rate;
mod subsets;
#[cfg(test)]
mod tests;

pub use compare::{
    ComparedLine, Judged, MatchedLine, Matches, Unmatched, compare_lines, match_fits,
};
pub use data::{
    Labelled, all_rows, check_classes, data_warnings, missing_warning, overlap_warning, rows_of,
    unseen_warning,
};
pub use error::Error;
pub use figures::{figures, fit_name, probe_fit, probe_row};
pub use files::EmbeddingFiles;
pub use machines::{MachineData, MachinePlan, Scale, evaluate_machines};
pub use mapped::{MapFile, rows_through};
pub use neighbours::{NeighbourData, NeighbourPlan, evaluate_neighbours, nearest};
pub use predictions::{write_label_scores, write_predictions, write_surroundings, write_votes};
pub use probes::{
    PresetOrigin, ProbeKind, ProbePlan, ProbeSettings, describe_logistic, evaluate_probes,
    fit_probes, fit_warnings, once_each,
};
pub use rate::{RateGain, better_rate};
pub use subsets::Subsets;

pub use e2mc_record::{percent, rounded_percent};
