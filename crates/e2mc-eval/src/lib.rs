//! Evaluation of embeddings: k-NN, linear probes and their accuracies, on plain float32 matrices.
//!
//! - [`knn()`]: exact cosine k-NN, weighted as DINO's or by majority, several k at once;
//! - [`Probe`]: a linear classifier on frozen features, by the paper's SGD or by logistic
//!   regression;
//! - [`svm()`]: one-vs-rest linear support vector machines, with [`average_precisions`] for several
//!   labels a row;
//! - [`top1`], [`top_k`], [`Confusion`], [`Estimate`]: accuracies, by class, and over seeds;
//! - [`diagnostics`]: what an embedding looks like without labels: spectrum, marginals, neighbours,
//!   independence;
//! - [`adapt`]: maps fitted on frozen embeddings, chosen and verified on held-out rows;
//! - [`Answers`]: what two models say of the same rows, class by class and row by row;
//! - [`compare`]: whether two models differ beyond chance on the same samples;
//! - [`read_embeddings`], [`read_targets`], [`RowWriter`], [`write_npz`]: `.npy`, `.npz` and
//!   `.safetensors` files.
//!
//! Every result depends on the input and the seed alone, not on the number of threads.
//!
//! ```
//! use e2mc::MatrixView;
//! use e2mc_eval::{LogisticConfig, L2, Probe, top1};
//!
//! let train = [0.0, 0.1, 0.2, 0.0, 1.0, 0.9, 1.1, 1.0_f32]; // 4 rows of 2 features
//! let test = [0.1, 0.0, 0.9, 1.0_f32];
//! let probe = Probe::Logistic(LogisticConfig { l2: L2::Fixed(0.1), ..Default::default() });
//! let train = MatrixView::new(&train, 4, 2)?;
//! let test = MatrixView::new(&test, 2, 2)?;
//! let prediction = probe.fit_predict(train, &[0, 0, 1, 1], test, 2, 0)?;
//! assert_eq!(top1(&prediction.predictions, &[0, 1])?, 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accuracy;
pub mod adapt;
mod answers;
mod average_precision;
mod check;
mod classifier;
mod confusion;
pub mod diagnostics;
mod embeddings;
mod error;
mod folds;
mod knn;
mod lbfgs;
mod linear;
mod logistic;
mod overlap;
mod probe;
mod product;
pub mod protocol;
mod random;
mod significance;
mod softmax;
mod standardise;
mod svm;
#[cfg(test)]
mod testing;

pub use accuracy::{Estimate, PairedDrop, paired_drop, predictions, top_k, top1};
pub use answers::{Answers, ClassAccuracy, ConfusedPair, Example};
pub use average_precision::{Interpolation, average_precision, average_precisions};
pub use check::MOST_CLASSES;
pub use classifier::LinearClassifier;
pub use confusion::Confusion;
pub use embeddings::{
    Column, EmbeddingFile, MultiLabels, Presence, RowWriter, Rows, Stored, Targets, npz_names,
    read_embeddings, read_images, read_labels, read_targets, write_labels, write_npy,
    write_npy_tensor, write_npz,
};
pub use error::Error;
pub use knn::{KnnConfig, KnnResult, RANKED, Vote, knn, knn_keeping, knn_within};
pub use linear::{
    LinearConfig, LinearOptimizer, LinearPreset, LinearTrainer, Schedule, still_falling,
};
pub use logistic::{L2, LogisticConfig, LogisticReport};
pub use overlap::equal_rows;
pub use probe::{Fit, FitReport, Prediction, Probe};
pub use significance::{
    CompareConfig, Comparison, CrossedComparison, compare, compare_crossed, holm,
};
pub use standardise::unit_length;
pub use svm::{Cost, SvmClass, SvmConfig, SvmFit, svm};
