//! Files of runs and evaluations: the folder of a run, its events, and results.
//!
//! - [`RunFolder`], [`RunSettings`], [`Run`]: the files of a training run and its settings;
//! - [`Event`], [`EventWriter`], [`RunLog`]: the lines of `metrics.jsonl`, written and read;
//! - [`EvaluationResult`]: the one type of every evaluation's `result.json`;
//! - [`ResultFolder`], [`find_results`]: writing results and finding them again;
//! - [`Improvement`]: what came of `improve`.
//!
//! Writers and readers of these files share the types. Each kind of file has a
//! `format` number. A larger number than this library knows is refused by name; within one number
//! fields may be added.
//!
//! ```
//! use e2mc_record::{Event, RunLog, Step, Terms};
//!
//! let step = Event::Step(Step {
//!     step: 10,
//!     epoch: 1,
//!     learning_rate: 0.02,
//!     loss: 3.5,
//!     images_per_s: 700.0,
//!     waiting: 0.1,
//!     exchanging: None,
//!     terms: Terms::from_iter([("entropy", -0.5)]),
//! });
//! let line = serde_json::to_string(&step)?;
//! assert!(line.starts_with(r#"{"event":"step","step":10,"epoch":1,"#));
//! let log = RunLog::parse(&format!("{line}\n"), "metrics.jsonl".as_ref())?;
//! assert_eq!(log.term_by_step("entropy"), [(10.0, -0.5)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod event;
mod hash;
mod improvement;
mod log;
mod number;
mod percent;
mod read;
mod result;
mod run;
mod writer;

pub use error::Error;
pub use event::{Collapse, End, Epoch, Event, Guard, Resume, RunOutcome, Start, Step, Terms};
pub use hash::{data_fingerprint, sha256, sha256_joined, subset_fingerprint};
pub use improvement::{
    IMPROVEMENT_FORMAT, Improvement, ImprovementImages, ImprovementPlan, ImprovementRow,
    ImprovementVerdict, RowKind, Shortage, UseVerdict,
};
pub use log::{RunLog, name_apart};
pub use percent::{percent, rounded_percent};
pub use result::find::{FoundResult, FoundResults, find_results};
pub use result::folder::{PREDICTIONS, RESULT, ResultFolder, SURROUNDINGS};
pub use result::{
    CheckpointOrigin, EvaluationResult, Figures, FileOrigin, FitKey, FitView, LabelSubsets,
    MapOrigin, NeighbourFit, Origin, Precisions, Preprocessing, ProbeFit, ProbeRow, Protocol,
    RESULT_FORMAT, RowView, Spans, SplitRecord, Splits, SvmResult, SvmUnit, Training,
};
pub use run::{
    BaseCheckpoint, Computation, DataOptions, DataSettings, GuardAction, RUN_FORMAT, Run,
    RunFolder, RunSettings,
};
pub use writer::{Before, EventWriter};

/// The version of the program that these types were compiled into.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
