//! What came of `improve`: the candidates on held-out images A, the verdict on held-out images B,
//! and which model was given back. Accuracies are in percent, gains in percentage points.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::read::{self, Kind};
use crate::{BaseCheckpoint, Error};

/// The format of `improve.json` that is written here.
pub const IMPROVEMENT_FORMAT: u32 = 1;

const KIND: Kind = Kind {
    what: "the outcome of an improvement",
    format: IMPROVEMENT_FORMAT,
};

/// What came of an improvement: `improve.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    /// See [`IMPROVEMENT_FORMAT`].
    #[serde(default = "first")]
    pub format: u32,
    /// The program's version.
    #[serde(rename = "e2mc", default)]
    pub version: String,
    /// The command that was typed.
    #[serde(default)]
    pub command: String,
    /// The model as it was.
    pub base: BaseCheckpoint,
    /// Its network and method in a few words.
    pub network: String,
    /// The images.
    pub images: ImprovementImages,
    /// What the features are for: `neighbours`, `sgd-head` or `classifier`.
    #[serde(rename = "use")]
    pub usage: String,
    /// What was planned; none if there was nothing to judge by.
    #[serde(default)]
    pub plan: Option<ImprovementPlan>,
    /// What was evaluated on A, the untouched model first.
    pub rows: Vec<ImprovementRow>,
    /// The place of the best row.
    #[serde(default)]
    pub chosen: Option<usize>,
    /// What came out.
    pub verdict: ImprovementVerdict,
    /// The chosen row against the untouched model on B; none if B was not evaluated.
    #[serde(default)]
    pub verified: Option<UseVerdict>,
    /// The same for the other uses.
    #[serde(default)]
    pub others: Vec<UseVerdict>,
    /// The smallest gain that B would have shown, four times in five; none if nothing was
    /// evaluated.
    #[serde(default)]
    pub detectable: Option<f64>,
    /// How often B has been evaluated, this time included; none if it was not.
    #[serde(default)]
    pub looks: Option<u64>,
    /// Without a verdict: numbers of labelled images, and the gain that each would show.
    #[serde(default)]
    pub labels_would_show: Vec<(usize, f64)>,
    /// The model that is given back: the better one, or the old one.
    pub model: PathBuf,
    /// The map to apply to its features, if there is one.
    #[serde(default)]
    pub map: Option<PathBuf>,
    /// Seconds that all of it took, over all parts of an interrupted one.
    pub seconds: f64,
    /// Whether a signal ended the search before its end.
    #[serde(default)]
    pub interrupted: bool,
    /// What a reader should know.
    #[serde(default)]
    pub warnings: Vec<String>,
}

fn first() -> u32 {
    1
}

/// The images of an improvement, and how they were dealt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImprovementImages {
    /// Their folder or files.
    pub data: PathBuf,
    /// The [fingerprint](crate::data_fingerprint) of all images.
    pub fingerprint: String,
    /// How many there are.
    pub images: usize,
    /// The number of them with a label.
    pub labelled: usize,
    /// How many classes there are.
    pub classes: usize,
    /// Images that are trained on.
    pub train: usize,
    /// Labelled images of these that neighbours and classifiers learn from.
    pub bank: usize,
    /// Held-out images A.
    pub choose: usize,
    /// Held-out images B.
    pub verify: usize,
    /// Similarity from which images were kept on one side; none if only equal features were.
    #[serde(default)]
    pub copies: Option<f64>,
}

/// What an improvement was going to do, and on what machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImprovementPlan {
    /// Seconds in all.
    pub budget_s: f64,
    /// Where it is computed.
    pub device: String,
    /// The seed of all randomness.
    pub seed: u64,
    /// Images a step.
    pub batch: usize,
    /// Slices that a batch goes through the backbone in.
    pub accumulate: usize,
    /// Dimensions of the embedding that the criterion sees.
    pub dims: usize,
    /// Images of an epoch of the search.
    pub epoch_images: usize,
    /// Epochs after which candidates are compared, all in all.
    pub rungs: Vec<u64>,
    /// Epochs of the last candidate.
    pub epochs: u64,
    /// Candidates that are trained.
    pub candidates: Vec<String>,
    /// Why none is trained; none where some are.
    #[serde(default)]
    pub shortage: Option<Shortage>,
    /// Images a second, trained.
    pub images_per_s: f64,
    /// Images a second, embedded.
    pub embedded_per_s: f64,
    /// Bytes that a training step takes at most; none if it cannot be measured.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The recipe that the candidates change, as TOML.
    pub recipe: String,
}

/// Why an improvement trains no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Shortage {
    /// The budget is too short.
    Budget {
        /// Seconds of a budget that would be enough for one candidate, about.
        one: f64,
        /// Seconds of a budget that would be enough for all of them, about.
        all: f64,
    },
    /// No longer budget would help: the images, or the epochs that were asked for, are too few.
    Images {
        /// Images a step.
        batch: usize,
    },
}

/// What a row of an improvement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RowKind {
    /// The model as it was.
    Untouched,
    /// Its features multiplied about their mean to the spread of the trained model's.
    Rescaled,
    /// Its batch norm's statistics estimated anew, its weights as they were.
    Statistics,
    /// Trained on with its own loss.
    Continued,
    /// Trained on with the entropy criterion added.
    E2mc,
}

/// One model, with a map or without, on held-out images A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImprovementRow {
    /// What tables call the model.
    pub model: String,
    /// What it is.
    pub kind: RowKind,
    /// How far its weights are from the untouched model's: 1, or 0.5 for half of the way.
    pub share: f64,
    /// The map, in words; none for the features as they are.
    #[serde(default)]
    pub map: Option<String>,
    /// Epochs that it was trained.
    pub epochs: u64,
    /// Steps that it was trained.
    pub steps: u64,
    /// Percent of A that is right; none if it was not evaluated.
    #[serde(default)]
    pub accuracy: Option<f64>,
    /// The gain over the untouched model.
    #[serde(default)]
    pub gain: Option<f64>,
    /// The standard error of the gain, image by image.
    #[serde(default)]
    pub standard_error: Option<f64>,
    /// Why it was trained no further, where something went wrong.
    #[serde(default)]
    pub stopped: Option<String>,
}

/// What came out of an improvement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ImprovementVerdict {
    /// The chosen row gains on B: it is given back.
    Better,
    /// The best on A gained nothing certain on B: the old model is given back.
    NotVerified,
    /// Nothing was better on A: the old model is given back, and B was not evaluated.
    NothingBetter,
    /// There are too few labels to judge by: the old model is given back.
    NotJudged,
}

/// The chosen row against the untouched model for one use, on B.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UseVerdict {
    /// `neighbours`, `sgd-head` or `classifier`.
    #[serde(rename = "use")]
    pub usage: String,
    /// How it is evaluated, in a few words; empty in records that do not say so.
    #[serde(default)]
    pub protocol: String,
    /// Percent that the untouched model gets right.
    pub before: f64,
    /// Percent that the chosen row gets right.
    pub after: f64,
    /// The difference.
    pub gain: f64,
    /// Its interval, with probability `confidence`.
    pub interval: (f64, f64),
    /// From 0 to 1.
    pub confidence: f64,
    /// The one-sided p-value of the permutation test.
    pub p: f64,
}

impl UseVerdict {
    /// Whether a loss is certain.
    pub fn is_loss(&self) -> bool {
        self.interval.1 < 0.0
    }
}

impl Improvement {
    /// Reads `improve.json`.
    ///
    /// # Errors
    /// Where the file cannot be read, holds something else or is of a later version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        read::json(path, &KIND)
    }

    /// Writes `improve.json`, whole or not at all.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        read::write_json(path, &KIND, self)
    }

    /// The best row on A, whatever B said of it.
    pub fn chosen_row(&self) -> Option<&ImprovementRow> {
        self.rows.get(self.chosen?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_comes_back_as_it_was_written() {
        let row = ImprovementRow {
            model: "untouched".into(),
            kind: RowKind::Untouched,
            share: 1.0,
            map: None,
            epochs: 0,
            steps: 0,
            accuracy: Some(50.0),
            gain: None,
            standard_error: None,
            stopped: None,
        };
        let outcome = Improvement {
            format: IMPROVEMENT_FORMAT,
            version: crate::VERSION.into(),
            command: "e2mc improve".into(),
            base: BaseCheckpoint {
                path: "base.safetensors".into(),
                sha256: "ab".into(),
            },
            network: "vicreg on resnet18".into(),
            images: ImprovementImages::default(),
            usage: "neighbours".into(),
            plan: Some(ImprovementPlan::default()),
            rows: vec![row],
            chosen: Some(0),
            verdict: ImprovementVerdict::Better,
            verified: Some(UseVerdict {
                usage: "neighbours".into(),
                protocol: "20 neighbours".into(),
                before: 50.0,
                after: 60.0,
                gain: 10.0,
                interval: (5.0, 15.0),
                confidence: 0.95,
                p: 0.0002,
            }),
            others: Vec::new(),
            detectable: Some(4.0),
            looks: Some(1),
            labels_would_show: vec![(1000, 4.5)],
            model: "out/model.safetensors".into(),
            map: None,
            seconds: 3.0,
            interrupted: false,
            warnings: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("improve.json");
        outcome.write(&path).unwrap();
        assert_eq!(Improvement::read(&path).unwrap(), outcome);
        let text = std::fs::read_to_string(&path).unwrap();
        for part in [r#""use": "neighbours""#, r#""verdict": "better""#] {
            assert!(text.contains(part), "{part}: {text}");
        }
        std::fs::write(&path, r#"{"format": 2}"#).unwrap();
        let error = Improvement::read(&path).unwrap_err().to_string();
        assert!(error.contains("of format 1 or lower"), "{error}");
    }
}
