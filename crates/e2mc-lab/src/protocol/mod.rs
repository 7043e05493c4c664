//! What a checkpoint is worth on labelled images: the protocols of [`e2mc_eval::protocol`] on
//! features that its network makes, and fine-tuning.
//!
//! Each function gives an [`EvaluationResult`](e2mc_record::EvaluationResult) and leaves
//! predictions in a [`ResultFolder`](e2mc_record::ResultFolder); the caller writes the result there
//! last.

mod attentive;
mod evaluate;
mod finetune;
mod fresh;
mod knn;
mod network;
mod probe;
mod settings;
mod subsets;
mod svm;

pub use evaluate::evaluate;
pub use finetune::{FinetunePlan, finetune};
pub use knn::knn;
pub use network::{Judged, Network, NetworkSource};
pub use probe::{Features, probe};
pub use settings::{LinearSettings, ProbeChoice};
pub use svm::svm;
