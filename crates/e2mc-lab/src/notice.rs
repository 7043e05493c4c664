//! What the lab says while it works. Nothing here prints: the caller passes a [`Notices`] and shows
//! what it is told, or not.

use std::fmt;
use std::path::PathBuf;

use e2mc_base::counted;
use e2mc_eval::PairedDrop;
use e2mc_record::{Computation, percent};
use e2mc_train::layer::Precision;
use e2mc_train::{Device, Output};

/// Is told what happens. Calls come from several threads.
pub trait Notices: Send + Sync {
    /// Takes one notice.
    fn tell(&self, notice: &Notice);
}

/// Keeps every notice to itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Notices for Silent {
    fn tell(&self, _: &Notice) {}
}

/// How a notice is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A state that the next one replaces, as in a progress bar.
    Progress,
    /// Something to know.
    Note,
    /// Something that may spoil the result.
    Warning,
}

/// One thing that happened. [`fmt::Display`] gives its sentence.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A data set is being listed.
    Listing {
        /// Its folder.
        folder: PathBuf,
        /// Images found so far.
        found: usize,
    },
    /// The list is complete, or the search failed.
    Listed,
    /// An image cannot be read; another of its class takes its place.
    BadImage {
        /// Which, and what is wrong with it.
        reason: String,
    },
    /// Further bad images are not named.
    MoreBadImages,
    /// What a data set says of itself that may surprise.
    DataSet {
        /// One sentence.
        text: String,
    },
    /// One split has no images of classes that the other has.
    LackingClasses {
        /// `training` or `test`.
        split: &'static str,
        /// The classes.
        names: Vec<String>,
    },
    /// What was found in a checkpoint that others wrote.
    Foreign {
        /// One line.
        text: String,
    },
    /// How images are prepared for a checkpoint's network.
    Preprocessing {
        /// One line.
        text: String,
    },
    /// The checkpoint's features go through a map that is folded into it.
    FoldedMap {
        /// The checkpoint.
        path: PathBuf,
        /// How the map was fitted.
        method: String,
        /// The dimensions that it takes and gives.
        dims: (usize, usize),
    },
    /// The optimiser's state was asked for, and the checkpoint has none that fits.
    FreshOptimizer,
    /// The checkpoint has no heads.
    NewHeads {
        /// The checkpoint.
        path: PathBuf,
        /// The method whose heads start anew.
        method: &'static str,
        /// Steps in which they train alone.
        steps: u64,
    },
    /// Tensors that were allowed to be missing.
    MissingTensors {
        /// The checkpoint.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// The arithmetic of the run that begins or goes on.
    Precision {
        /// What was chosen.
        precision: Precision,
        /// Where it is computed.
        device: Device,
    },
    /// A run goes on with what computes otherwise than before.
    OtherComputation {
        /// What has computed it.
        before: Computation,
        /// What computes it from now on.
        now: Computation,
    },
    /// No images can be held out, so the features are not checked.
    NoGuard,
    /// The untouched model, on the held-out images.
    GuardStart {
        /// Fraction that is right, 0 to 1.
        accuracy: f64,
        /// Held-out images.
        held_out: usize,
        /// Images that they are compared with.
        bank: usize,
    },
    /// The features are checked on few images.
    SmallGuard {
        /// Held-out images.
        held_out: usize,
    },
    /// The features are worse than at the start beyond the noise.
    WorseFeatures {
        /// How much.
        change: PairedDrop,
    },
    /// A sign of collapse in an epoch's last batch.
    Collapse {
        /// One sentence.
        text: String,
    },
    /// An epoch of a classifier is done.
    FitEpoch {
        /// Fraction of the labels, in (0, 1].
        fraction: f64,
        /// The seed of the label subset.
        seed: u64,
        /// Epochs done.
        epoch: u64,
        /// Epochs in all.
        epochs: u64,
        /// Mean loss over the epoch.
        loss: f64,
    },
    /// Something to know about a result.
    Result {
        /// One sentence.
        text: String,
    },
    /// An interrupted embedding goes on.
    EmbeddingGoesOn {
        /// Images done.
        done: usize,
        /// Images in all.
        images: usize,
    },
    /// Images are being embedded.
    Embedding {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What is taken from the network.
        output: Output,
        /// How many images.
        images: usize,
    },
    /// A run of a sweep begins.
    SweepRun {
        /// Counted from 1.
        number: usize,
        /// Runs in all.
        runs: usize,
        /// Its settings.
        settings: String,
    },
    /// A part of an improvement begins or is done.
    Improve {
        /// One sentence.
        text: String,
    },
    /// Training views are mirrored that are not those of the checkpoint.
    Mirrored {
        /// The views.
        views: MirroredViews,
        /// The settings that turn it off where they are 0.
        keys: Vec<String>,
    },
    /// Something is assumed that may not hold.
    Assumed {
        /// One sentence.
        text: String,
    },
    /// The demo begins.
    DemoBase {
        /// The base model.
        model: String,
        /// Training images.
        train: usize,
        /// Test images.
        test: usize,
    },
    /// All models of the demo are measured on the test images.
    DemoTest {
        /// Test images.
        images: usize,
    },
}

impl Notice {
    /// How it is to be shown.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Listing { .. } | Self::Listed => Severity::Progress,
            Self::BadImage { .. }
            | Self::MoreBadImages
            | Self::DataSet { .. }
            | Self::LackingClasses { .. }
            | Self::MissingTensors { .. }
            | Self::SmallGuard { .. }
            | Self::WorseFeatures { .. }
            | Self::Collapse { .. }
            | Self::Assumed { .. }
            | Self::Mirrored { .. }
            | Self::Result { .. } => Severity::Warning,
            _ => Severity::Note,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listing { folder, found } => {
                write!(
                    f,
                    "listing {}: {}",
                    folder.display(),
                    counted(*found, "image")
                )
            }
            Self::Listed => f.write_str("the list of images is complete"),
            Self::BadImage { reason } => {
                write!(f, "a bad image is replaced by another: {reason}")
            }
            Self::MoreBadImages => f.write_str("further bad images are not named"),
            Self::DataSet { text }
            | Self::Foreign { text }
            | Self::Preprocessing { text }
            | Self::Collapse { text }
            | Self::Improve { text }
            | Self::Assumed { text }
            | Self::Result { text } => f.write_str(text),
            Self::Mirrored { views, keys } => write!(f, "{views}, set {} to 0", keys.join(" and ")),
            Self::LackingClasses { split, names } => {
                const NAMED: usize = 5;
                let first = names[..names.len().min(NAMED)].join(", ");
                let more = if names.len() > NAMED { ", …" } else { "" };
                let classes = counted(names.len(), "class");
                write!(
                    f,
                    "the {split} split has no image of {classes}: {first}{more}"
                )
            }
            Self::FreshOptimizer => {
                f.write_str("the checkpoint has no state for this optimiser: it starts fresh")
            }
            Self::NewHeads {
                path,
                method,
                steps,
            } => write!(
                f,
                "{} has no heads: new heads of {method} train alone for {}, with the backbone \
                 frozen",
                path.display(),
                counted(*steps, "step")
            ),
            Self::FoldedMap { path, method, dims } => write!(
                f,
                "{}: its features go through a folded map ({method}), {} to {} dimensions",
                path.display(),
                dims.0,
                dims.1
            ),
            Self::MissingTensors { path, names } => write!(
                f,
                "{}: {} {} missing and newly initialised: {}",
                path.display(),
                counted(names.len(), "tensor"),
                if names.len() == 1 { "is" } else { "are" },
                names.join(", ")
            ),
            Self::Precision { precision, device } => {
                let precision = precision.name();
                match device {
                    Device::Cuda(index) => write!(f, "precision {precision} on cuda:{index}"),
                    _ => write!(f, "precision {precision} on the processor"),
                }
            }
            Self::OtherComputation { before, now } => write!(
                f,
                "the run was computed by {before} and goes on with {now}: the last bits of its \
                 numbers will differ from those of an undisturbed run"
            ),
            Self::NoGuard => {
                f.write_str("no k-NN check: the images have no labels, or are too few")
            }
            Self::GuardStart {
                accuracy,
                held_out,
                bank,
            } => write!(
                f,
                "at start: k-NN {:.2} % on {} against {bank}",
                100.0 * accuracy,
                counted(*held_out, "held-out image")
            ),
            Self::SmallGuard { held_out } => write!(
                f,
                "the k-NN check has only {}: each counts {:.1} points, so small changes are noise",
                counted(*held_out, "held-out image"),
                100.0 / (*held_out).max(1) as f64
            ),
            Self::WorseFeatures { change } => write!(
                f,
                "held-out k-NN is {:.2} points below its start (standard error {:.2}): the features \
                 are getting worse; a lower learning rate or beta may help",
                100.0 * change.drop,
                100.0 * change.standard_error
            ),
            Self::FitEpoch {
                fraction,
                seed,
                epoch,
                epochs,
                loss,
            } => write!(
                f,
                "{} % of the labels, seed {seed}: epoch {epoch} of {epochs}, loss {loss:.4}",
                percent(*fraction)
            ),
            Self::EmbeddingGoesOn { done, images } => {
                write!(f, "resuming after {done} of {}", counted(*images, "image"))
            }
            Self::Embedding {
                checkpoint,
                output,
                images,
            } => {
                let images = counted(*images, "image");
                write!(f, "{}: {output} of {images}", checkpoint.display())
            }
            Self::SweepRun {
                number,
                runs,
                settings,
            } => write!(f, "\nrun {number} of {runs}: {settings}"),
            Self::DemoBase { model, train, test } => {
                write!(f, "base: {model}; {train} training and {test} test images")
            }
            Self::DemoTest { images } => {
                write!(
                    f,
                    "evaluating all models on {images} test images, which were not used for any \
                     choice"
                )
            }
        }
    }
}

/// Training views that are mirrored: displayed up to where the way to change that is named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MirroredViews {
    /// The method whose views they are.
    pub method: &'static str,
    /// The largest probability with which a view is mirrored.
    pub probability: f32,
}

impl fmt::Display for MirroredViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = match self.probability {
            0.5 => "half".to_owned(),
            probability => format!("{:.0} %", 100.0 * probability),
        };
        write!(
            f,
            "training views: those of {}; {share} of them are mirrored. If left and right matter \
             (letters, signs)",
            self.method
        )
    }
}
