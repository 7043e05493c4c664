//! Semi-supervised learning (paper, appendix B.2): backbone and a fresh linear layer trained
//! together on few labels.
//!
//! Cross-entropy by SGD with momentum, the backbone and the layer each at its own rate, batch norm
//! in training mode. The layer starts from N(0, 0.01^2) and bias 0. Rates are for a batch of 256
//! and are scaled by `batch / 256`; they change from epoch to epoch. The accuracy that counts is
//! the last epoch's.

mod view;

use std::sync::Arc;

use e2mc::Matrix;
use e2mc_base::affinity;
use e2mc_data::{Dataset, Loader, LoaderConfig, Pipeline, Preprocessing};
use tch::{Kind, Reduction, Tensor, nn};

use crate::Error;
use crate::backbone::Backbone;
use crate::draw::seeded;
use crate::images::images;
use crate::layer::{Linear, Mode, Precision, Statistics};
use crate::model::Model;
use crate::optim::{Optimizer, OptimizerConfig, ParamGroup, ScheduleConfig, SgdConfig};
use crate::recipe::Recipe;

pub use view::training_view;

/// The settings of fine-tuning.
#[derive(Clone, Debug, PartialEq)]
pub struct FinetuneConfig {
    /// Passes over the labelled images, at least 1.
    pub epochs: u64,
    /// Images a step, at least 2.
    pub batch: usize,
    /// The backbone's learning rate for a batch of 256.
    pub trunk_rate: f64,
    /// The linear layer's learning rate for a batch of 256.
    pub head_rate: f64,
    /// How both go over the epochs.
    pub schedule: ScheduleConfig,
    /// Momentum and weight decay of both.
    pub sgd: SgdConfig,
    /// Probability of a left-right flip of a training image.
    pub flip: f32,
    /// The arithmetic of convolutions and linear layers.
    pub precision: Precision,
}

/// Published settings of fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinetunePreset {
    /// VICReg's: cosine; backbone 0.03, layer 0.08 (1 % of the labels), 0.01 and 0.1 (more).
    Vicreg,
    /// SwAV's: times 0.2 at epochs 12 and 16; backbone 0.02, layer 5 (1 %), 0.01 and 0.2 (more).
    Swav,
}

impl FinetunePreset {
    /// The settings for a part of the labels, in (0, 1].
    pub fn config(self, fraction: f64) -> FinetuneConfig {
        let few = fraction <= 0.01;
        let cosine = ScheduleConfig::Cosine {
            warmup: 0.0,
            end: 0.0,
        };
        let step = ScheduleConfig::Step {
            warmup: 0.0,
            milestones: vec![12, 16],
            factor: 0.2,
        };
        let (trunk_rate, head_rate, schedule) = match (self, few) {
            (Self::Vicreg, true) => (0.03, 0.08, cosine),
            (Self::Vicreg, false) => (0.01, 0.1, cosine),
            (Self::Swav, true) => (0.02, 5.0, step),
            (Self::Swav, false) => (0.01, 0.2, step),
        };
        FinetuneConfig {
            epochs: 20,
            batch: 256,
            trunk_rate,
            head_rate,
            schedule,
            sgd: SgdConfig::default(),
            flip: 0.5,
            precision: Precision::F32,
        }
    }
}

impl FinetuneConfig {
    fn check(&self) -> Result<(), Error> {
        if self.epochs == 0 {
            return Err(Error::argument("epochs", "at least 1", 0));
        }
        if self.batch < 2 {
            return Err(Error::argument(
                "batch",
                "at least 2: batch statistics need two rows",
                self.batch,
            ));
        }
        for (name, rate) in [
            ("trunk rate", self.trunk_rate),
            ("head rate", self.head_rate),
        ] {
            if !(rate.is_finite() && rate >= 0.0) {
                return Err(Error::argument(name, "a number of at least 0", rate));
            }
        }
        self.schedule.check()
    }
}

/// A backbone with a linear layer, trained together.
#[derive(Debug)]
pub struct Finetuned {
    variables: nn::VarStore,
    backbone: Backbone,
    head: Linear,
    precision: Precision,
    evaluation: Preprocessing,
    /// Mean cross-entropy over the last epoch.
    pub loss: f64,
}

/// Trains a copy of the model's backbone with a fresh linear layer on `dataset`, whose labels are
/// below `classes`. `report` is told each epoch (from 1) and its mean loss.
///
/// # Errors
/// A setting out of range, an image that has no label or cannot be read, or a loss that is not
/// finite.
pub fn finetune(
    model: &Model,
    recipe: &Recipe,
    dataset: Arc<dyn Dataset>,
    classes: usize,
    config: &FinetuneConfig,
    (seed, threads): (u64, usize),
    mut report: impl FnMut(u64, f64),
) -> Result<Finetuned, Error> {
    config.check()?;
    let labels = e2mc_data::subset::labels(&*dataset)?;
    if let Some(label) = labels.iter().find(|&&label| label >= classes) {
        return Err(Error::config(
            "classes",
            format!("more than {label}"),
            classes,
        ));
    }
    let mut tuned = Finetuned::new(model, recipe, classes, config.precision, seed)?;
    let parameters: Vec<(String, Tensor)> = tuned
        .variables
        .variables()
        .into_iter()
        .filter(|(_, tensor)| tensor.requires_grad())
        .collect();
    let groups = vec![
        ParamGroup::scaled("backbone.", config.trunk_rate),
        ParamGroup::scaled("head.", config.head_rate),
    ];
    let rule = OptimizerConfig::Sgd(config.sgd.clone());
    let mut optimizer = Optimizer::with_groups(&rule, parameters, groups)?;

    let batch = config.batch.min(labels.len());
    let pipeline = Pipeline::Augment(training_view(&recipe.evaluation, config.flip));
    let loader = Loader::new(
        dataset,
        pipeline,
        LoaderConfig {
            batch,
            seed,
            threads,
            prefetch: 2,
            shuffle: true,
            // A last batch of one image has no statistics.
            drop_last: labels.len() % batch == 1,
            parts: 1,
            rank: 0,
            world: 1,
        },
    )?;
    let device = tuned.variables.device();
    let base = config.batch as f64 / 256.0;
    let _settled = affinity::settle();
    for epoch in 0..config.epochs {
        let rate = config.schedule.rate(base, epoch, 1, config.epochs);
        let (mut sum, mut rows) = (Tensor::from(0.0_f64).to_device(device), 0);
        for batch in loader.epoch(epoch, 0) {
            let batch = batch?;
            let view = &batch.views[0];
            let images = images(view, 0..view.shape[0])?.to_device(device);
            let own: Vec<i64> = batch.indices.iter().map(|&i| labels[i] as i64).collect();
            let own = Tensor::f_from_slice(&own)?.to_device(device);
            let scores = tuned.forward(&images, Statistics::Batch)?;
            let loss =
                scores.f_cross_entropy_loss(&own, None::<&Tensor>, Reduction::Mean, -100, 0.0)?;
            optimizer.zero_grad();
            loss.f_backward()?;
            optimizer.step(rate)?;
            sum = sum + loss.detach().to_kind(Kind::Double) * batch.indices.len() as f64;
            rows += batch.indices.len();
            loader.recycle(batch);
        }
        tuned.loss = sum.f_double_value(&[])? / rows.max(1) as f64;
        if !tuned.loss.is_finite() {
            return Err(Error::NonFinite {
                term: "cross-entropy".into(),
                step: optimizer.steps(),
                epoch: epoch + 1,
                detail: format!("{}; a lower trunk or head rate may help", tuned.loss),
                last_good: "fine-tuning saves nothing".into(),
            });
        }
        report(epoch + 1, tuned.loss);
    }
    Ok(tuned)
}

impl Finetuned {
    fn new(
        model: &Model,
        recipe: &Recipe,
        classes: usize,
        precision: Precision,
        seed: u64,
    ) -> Result<Self, Error> {
        // Weights are drawn on the CPU, so that a seed means the same on every device.
        let mut variables = nn::VarStore::new(tch::Device::Cpu);
        let root = variables.root();
        let backbone = Backbone::new(&(&root / "backbone"), &recipe.backbone)?;
        let path = &root / "head";
        let head = Linear::new(&path, backbone.features(), classes, true)?;
        let source = model.tensors();
        tch::no_grad(|| -> Result<(), Error> {
            for (name, mut tensor) in variables.variables() {
                match name.as_str() {
                    "head.weight" => {
                        let _ = seeded(seed, || tensor.f_normal_(0.0, 0.01))?;
                    }
                    "head.bias" => {
                        let _ = tensor.f_zero_()?;
                    }
                    _ => {
                        let own = source.get(&name).ok_or_else(|| {
                            Error::config("backbone", format!("the tensor {name}"), "none")
                        })?;
                        tensor.f_copy_(own)?;
                    }
                }
            }
            Ok(())
        })?;
        variables.set_device(model.device());
        Ok(Self {
            variables,
            backbone,
            head,
            precision,
            evaluation: recipe.evaluation.clone(),
            loss: f64::NAN,
        })
    }

    fn forward(&self, images: &Tensor, statistics: Statistics) -> Result<Tensor, Error> {
        let mode = Mode::solo(statistics, self.precision);
        let features = self.backbone.forward(images, mode)?;
        self.head.forward(&features, self.precision)
    }

    /// The scores (logits) `(n, classes)` of a data set's images, in evaluation mode.
    ///
    /// # Errors
    /// Where an image cannot be read or does not fit the network.
    pub fn scores(
        &self,
        dataset: Arc<dyn Dataset>,
        batch: usize,
        threads: usize,
    ) -> Result<Matrix, Error> {
        let rows = dataset.len();
        let config = LoaderConfig {
            batch: batch.min(rows.max(1)),
            threads,
            shuffle: false,
            drop_last: false,
            ..LoaderConfig::default()
        };
        let loader = Loader::new(
            dataset,
            Pipeline::Preprocess(self.evaluation.clone()),
            config,
        )?;
        let mut data = Vec::new();
        let _settled = affinity::settle();
        for batch in loader.epoch(0, 0) {
            let batch = batch?;
            let view = &batch.views[0];
            let images = images(view, 0..view.shape[0])?.to_device(self.variables.device());
            let scores = tch::no_grad(|| self.forward(&images, Statistics::Running))?;
            let scores = scores.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
            let start = data.len();
            data.resize(start + scores.numel(), 0.0);
            scores.f_copy_data(&mut data[start..], scores.numel())?;
            loader.recycle(batch);
        }
        let cols = data.len() / rows.max(1);
        Ok(Matrix::new(data, rows, cols)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_the_papers() {
        let of = |preset: FinetunePreset, fraction| {
            let c = preset.config(fraction);
            assert_eq!((c.epochs, c.batch), (20, 256));
            assert_eq!((c.sgd.momentum, c.sgd.weight_decay), (0.9, 0.0));
            (c.trunk_rate, c.head_rate)
        };
        assert_eq!(of(FinetunePreset::Vicreg, 0.01), (0.03, 0.08));
        assert_eq!(of(FinetunePreset::Vicreg, 0.1), (0.01, 0.1));
        assert_eq!(of(FinetunePreset::Swav, 0.01), (0.02, 5.0));
        assert_eq!(of(FinetunePreset::Swav, 0.1), (0.01, 0.2));
        let rate = |preset: FinetunePreset, epoch| {
            let c = preset.config(0.1);
            c.schedule.rate(1.0, epoch, 1, c.epochs)
        };
        for (epoch, expected) in [
            (0, 1.0),
            (11, 1.0),
            (12, 0.2),
            (15, 0.2),
            (16, 0.04),
            (19, 0.04),
        ] {
            assert!(
                (rate(FinetunePreset::Swav, epoch) - expected).abs() < 1e-12,
                "{epoch}"
            );
        }
        assert!((rate(FinetunePreset::Vicreg, 10) - 0.5).abs() < 1e-12);
    }
}
