//! What an evaluation leaves behind.

use std::path::PathBuf;

use clap::Args;

use super::heading;
use e2mc_record::{Error, ResultFolder};

/// What an evaluation leaves behind: options of `probe`, `knn`, `svm` and `finetune`.
#[derive(Args, Clone, Debug)]
pub struct RecordOptions {
    /// Folder for result.json and predictions.npz
    #[arg(help_heading = heading::RESULT, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace an existing result in --out, instead of refusing
    #[arg(help_heading = heading::RESULT, long, requires = "out")]
    pub overwrite: bool,
    /// Name of the model in tables [default: the checkpoint or training file]
    #[arg(help_heading = heading::RESULT, long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Omit the scores from predictions.npz
    #[arg(help_heading = heading::RESULT, long, requires = "out")]
    pub no_scores: bool,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

impl RecordOptions {
    /// What tables call the model: the name given, or where it comes from.
    pub fn model(&self, origin: String) -> String {
        self.name.clone().unwrap_or(origin)
    }

    /// The folder of `--out`, made and tried, or none: to be called before the work.
    ///
    /// # Errors
    /// Where it holds a result that is not to be replaced, or cannot be written to.
    pub fn folder(&self) -> Result<ResultFolder, Error> {
        let Some(out) = &self.out else {
            return Ok(ResultFolder::nowhere());
        };
        let folder = ResultFolder::create(out, self.overwrite)?;
        Ok(match self.no_scores {
            true => folder.without_scores(),
            false => folder,
        })
    }
}
