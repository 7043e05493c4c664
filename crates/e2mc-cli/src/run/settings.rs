//! What decides a run beside its recipe, kept in its folder.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use e2mc_data::{Dataset, Selection, Split, stream};
use e2mc_train::checkpoint::Precision;
use serde::{Deserialize, Serialize};

use super::RunFolder;
use crate::data::{self, ImageOptions};
use crate::guard::{self, Guard};
use e2mc_cli::options::{GuardAction, TrainOptions};

/// Steps between two entries of the log, unless told otherwise.
const LOG_EVERY: u64 = 10;

/// What decides a run beside its recipe; kept with it, so that it goes on alike after a stop.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunSettings {
    pub(crate) data: DataPlan,
    pub(crate) guard: GuardAction,
    /// Steps between two entries of the log.
    pub(crate) log_every: u64,
    /// Whether the model file is in half precision.
    pub(crate) half: bool,
}

impl RunSettings {
    /// Those of a new run.
    pub(crate) fn new(options: &TrainOptions) -> Self {
        Self {
            data: DataPlan::new(options),
            guard: options.guard.unwrap_or(GuardAction::Warn),
            log_every: options.log_every.unwrap_or(LOG_EVERY),
            half: options.half,
        }
    }

    /// Those of the run in `--out`, with what was typed now.
    pub(super) fn of_interrupted(options: &TrainOptions) -> Result<Self> {
        let path = RunFolder::new(options.out()).settings();
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let kept: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} holds no settings of a run", path.display()))?;
        let mut data_options = kept.data.data_options;
        let typed = options.images.max_bad_images;
        data_options.max_bad_images = typed.or(data_options.max_bad_images);
        Ok(Self {
            data: DataPlan {
                data: options.data.clone().unwrap_or(kept.data.data),
                data_options,
                ..kept.data
            },
            guard: options.guard.unwrap_or(kept.guard),
            log_every: options.log_every.unwrap_or(kept.log_every),
            half: options.half || kept.half,
        })
    }

    pub(crate) fn precision(&self) -> Precision {
        match self.half {
            true => Precision::F16,
            false => Precision::F32,
        }
    }
}

/// Which images a run sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataPlan {
    pub(crate) data: PathBuf,
    pub(crate) max_images: Option<usize>,
    /// Images for the k-NN check, kept out of training.
    pub(crate) held_out: usize,
    /// Epochs between two checks; 0 keeps no images out.
    pub(crate) knn_every: u64,
    pub(crate) data_options: ImageOptions,
    /// How many images these were when the run began.
    #[serde(default)]
    pub(crate) images: Option<usize>,
}

impl DataPlan {
    fn new(options: &TrainOptions) -> Self {
        Self {
            data: options
                .data
                .clone()
                .expect("--data is required without --resume"),
            max_images: options.max_images,
            held_out: options.held_out,
            knn_every: options.knn_every,
            data_options: options.images,
            images: None,
        }
    }

    /// The images, before any are held out.
    pub(crate) fn open(&self, seed: u64) -> Result<Arc<dyn Dataset>> {
        let dataset = data::open(&self.data, Split::Train, self.data_options)?;
        let Some(wanted) = self.max_images.filter(|&wanted| wanted < dataset.len()) else {
            return Ok(dataset);
        };
        let mut indices = stream(seed, u64::MAX, 1, 0).permutation(dataset.len());
        indices.truncate(wanted);
        indices.sort_unstable();
        Ok(Arc::new(Selection::new(dataset, indices)?))
    }

    /// The images to train on, and the check on those that are held out.
    pub(super) fn without_held_out(
        &self,
        dataset: Arc<dyn Dataset>,
        seed: u64,
        threads: usize,
    ) -> Result<(Arc<dyn Dataset>, Option<Guard>)> {
        match self.knn_every {
            0 => Ok((dataset, None)),
            _ => guard::split(dataset, self.held_out, seed, threads),
        }
    }
}
