//! Whole training steps of SwAV and SimSiam against a slow, obvious twin: the network, the codes,
//! the criterion and the optimiser written out in tensor operations, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{self, Bars, place, recipe, simsiam, swav, train};
use e2mc_data::{Loader, LoaderConfig, Pipeline};
use e2mc_train::criterion::{CriterionConfig, TransformName};
use e2mc_train::layer::Precision;
use e2mc_train::method::{MethodConfig, SimsiamConfig};
use e2mc_train::optim::ScheduleConfig;
use e2mc_train::{Ending, Recipe, Trainer};
use tch::{Kind, Tensor};

const SEED: u64 = 11;
// Small enough that rounding does not grow from step to step.
const RATE: f64 = 0.002;
const BETA: f64 = 0.1;
const GAMMA: f64 = 1.0;
const PREDICTOR_RATE: f64 = 0.01;

struct Twin {
    /// Parameters and running statistics by name.
    tensors: BTreeMap<String, Tensor>,
    momentum: BTreeMap<String, Tensor>,
}

impl Twin {
    /// The twin of a trainer that has not trained yet.
    fn of(trainer: &Trainer) -> Self {
        let copy = |(name, tensor): (String, Tensor)| {
            let trained = tensor.requires_grad();
            (name, tensor.detach().copy().set_requires_grad(trained))
        };
        let tensors = trainer.model.tensors().into_iter().map(copy).collect();
        Self {
            tensors,
            momentum: BTreeMap::new(),
        }
    }

    fn conv(&self, name: &str, x: &Tensor, stride: i64) -> Tensor {
        let weight = &self.tensors[&format!("{name}.weight")];
        let padding = weight.size()[2] / 2;
        x.conv2d::<Tensor>(weight, None, [stride; 2], [padding; 2], [1, 1], 1)
    }

    /// Batch norm by its definition; moves the running statistics.
    fn norm(&mut self, name: &str, x: &Tensor) -> Tensor {
        let dims: &[i64] = if x.dim() == 4 { &[0, 2, 3] } else { &[0] };
        let shape: Vec<i64> = (0..x.dim() as i64)
            .map(|i| if i == 1 { -1 } else { 1 })
            .collect();
        let mean = x.mean_dim(dims, true, Kind::Float);
        let centred = x - &mean;
        let var = centred.square().mean_dim(dims, true, Kind::Float);
        let mut y = centred / (&var + 1e-5).sqrt();
        if let Some(weight) = self.tensors.get(&format!("{name}.weight")) {
            let bias = &self.tensors[&format!("{name}.bias")];
            y = y * weight.view(shape.as_slice()) + bias.view(shape.as_slice());
        }
        let values = (x.numel() as i64 / x.size()[1]) as f64;
        let unbiased = var * (values / (values - 1.0));
        for (statistic, new) in [("running_mean", mean), ("running_var", unbiased)] {
            let old = self
                .tensors
                .get_mut(&format!("{name}.{statistic}"))
                .unwrap();
            *old = &*old * 0.9 + new.detach().view(-1) * 0.1;
        }
        y
    }

    fn linear(&self, name: &str, x: &Tensor) -> Tensor {
        let y = x.matmul(&self.tensors[&format!("{name}.weight")].tr());
        match self.tensors.get(&format!("{name}.bias")) {
            Some(bias) => y + bias,
            None => y,
        }
    }

    /// A ResNet-18 for small images to pooled features.
    fn backbone(&mut self, images: &Tensor) -> Tensor {
        let x = self.conv("backbone.conv1", images, 2);
        let mut x = self.norm("backbone.bn1", &x).relu();
        for stage in 1..=4 {
            for block in 0..2 {
                let name = format!("backbone.layer{stage}.{block}");
                let stride = if stage > 1 && block == 0 { 2 } else { 1 };
                let y = self.conv(&format!("{name}.conv1"), &x, stride);
                let y = self.norm(&format!("{name}.bn1"), &y).relu();
                let y = self.conv(&format!("{name}.conv2"), &y, 1);
                let y = self.norm(&format!("{name}.bn2"), &y);
                let shortcut = if stride == 2 {
                    let s = self.conv(&format!("{name}.downsample.0"), &x, 2);
                    self.norm(&format!("{name}.downsample.1"), &s)
                } else {
                    x
                };
                x = (y + shortcut).relu();
            }
        }
        x.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }

    /// A momentum step of every parameter that has a gradient, along `direction` at `rate`.
    fn descend(
        &mut self,
        rate: impl Fn(&str) -> f64,
        direction: impl Fn(&Tensor, &Tensor) -> Tensor,
    ) {
        tch::no_grad(|| {
            for (name, p) in &mut self.tensors {
                if !p.requires_grad() || rate(name) == 0.0 {
                    continue;
                }
                let d = direction(p, &p.grad());
                let buffer = match self.momentum.get(name) {
                    Some(old) => old * 0.9 + d,
                    None => d,
                };
                *p = (&*p - &buffer * rate(name)).set_requires_grad(true);
                self.momentum.insert(name.clone(), buffer);
            }
        });
    }

    fn zero_grad(&mut self) {
        for tensor in self.tensors.values_mut() {
            if tensor.requires_grad() {
                *tensor = tensor.detach().copy().set_requires_grad(true);
            }
        }
    }
}

fn unit(x: &Tensor) -> Tensor {
    x / x
        .square()
        .sum_dim_intlist([1i64].as_slice(), true, Kind::Float)
        .sqrt()
}

/// E2MC by its definition: the entropy averaged over the views, the covariance summed.
fn e2mc(embeddings: &[&Tensor]) -> Tensor {
    let mut loss = Tensor::from(0.0);
    for z in embeddings {
        let (n, d) = (z.size()[0], z.size()[1]);
        let m = (n as f64).sqrt().round() as i64;
        let u = ((*z / 2f64.sqrt()).erf() + 1.0) / 2.0;
        let (sorted, _) = u.sort(0, false);
        let spacings = sorted.slice(0, m, n, 1) - sorted.slice(0, 0, n - m, 1);
        let entropy = (spacings * (n + 1) as f64 / m as f64 + 1e-7).log();
        let entropy = entropy.mean(Kind::Float) / embeddings.len() as f64;
        let centred = &u - u.mean_dim([0i64].as_slice(), true, Kind::Float);
        let covariance = centred.tr().matmul(&centred) / (n - 1) as f64;
        let off = &covariance - covariance.diag(0).diag(0);
        loss = loss - entropy * BETA + off.square().sum(Kind::Float) * GAMMA / d as f64;
    }
    loss
}

fn constants() -> Recipe {
    let mut recipe = recipe(swav(), "larc");
    recipe.criterion = CriterionConfig::E2mc {
        transform: TransformName::Gaussian,
        beta: BETA,
        gamma: GAMMA,
        epsilon: 1e-7,
    };
    recipe.training.learning_rate = RATE;
    // Whatever the device has instructions for.
    recipe.training.precision = Precision::F32;
    // The second epoch at half the rate.
    recipe.schedule = ScheduleConfig::Step {
        warmup: 0.0,
        milestones: vec![1],
        factor: 0.5,
    };
    recipe
}

fn scheduled(step: u64) -> f64 {
    if step < 5 { RATE } else { RATE / 2.0 }
}

/// The views of the ten steps of two epochs.
fn batches(recipe: &Recipe) -> Vec<Vec<Tensor>> {
    let config = LoaderConfig {
        batch: 8,
        seed: SEED,
        ..LoaderConfig::default()
    };
    let pipeline = Pipeline::Augment(recipe.augmentation.clone());
    let loader = Loader::new(Arc::new(Bars(40)), pipeline, config).unwrap();
    let mut batches = Vec::new();
    for epoch in 0..2 {
        for batch in loader.epoch(epoch, 0) {
            let views = batch.unwrap().views;
            let tensor = |view: &e2mc_data::View| {
                let values = Tensor::from_slice(&view.data).to_device(place::device());
                values.view(view.shape.map(|size| size as i64))
            };
            batches.push(views.iter().map(tensor).collect());
        }
    }
    batches
}

/// Trains both, and compares every step's loss, then every tensor but those whose movement is
/// rounding and nothing else, since batch norm takes them out again.
fn agrees(
    recipe: Recipe,
    rounding: &[&str],
    mut step: impl FnMut(&mut Twin, u64, &[Tensor]) -> f64,
) {
    let mut trainer = Trainer::new(recipe.clone(), place::device(), SEED).unwrap();
    let mut twin = Twin::of(&trainer);
    let (outcome, losses, _) = train(&mut trainer, u64::MAX, None, 2);
    assert_eq!((outcome, losses.len()), (Ending::Finished, 10));
    let batches = batches(&recipe);
    assert_eq!(batches.len(), 10);
    let start = Twin::of(&Trainer::new(recipe, place::device(), SEED).unwrap());
    for (i, (batch, loss)) in batches.iter().zip(losses).enumerate() {
        let expected = step(&mut twin, i as u64, batch);
        let error = (loss - expected).abs() / expected.abs().max(0.1);
        assert!(error < 1e-4, "step {i}: found {loss}, expected {expected}");
    }
    for (name, found) in trainer.model.tensors() {
        if rounding.contains(&name.as_str()) {
            continue;
        }
        let expected = &twin.tensors[&name];
        // Compared with how far training has moved the tensor, not with its size.
        let moved = (expected - &start.tensors[&name]).norm().double_value(&[]);
        let difference = (found - expected).norm().double_value(&[]);
        assert!(
            difference <= 2e-3 * moved,
            "{name}: {difference} of {moved}"
        );
    }
}

#[test]
fn ten_steps_of_swav_equal_those_of_the_twin() {
    let recipe = constants();
    // Newest first, one queue for each crop with codes.
    let mut queues: [Vec<Tensor>; 2] = Default::default();
    let rounding = ["projector.0.bias", "projector.1.running_mean"];
    agrees(recipe, &rounding, |twin, step, views| {
        let prototypes = unit(&twin.tensors["prototypes.weight"].detach());
        twin.tensors.insert(
            "prototypes.weight".into(),
            prototypes.set_requires_grad(true),
        );
        twin.zero_grad();

        let large = twin.backbone(&Tensor::cat(&views[..2], 0));
        let small = twin.backbone(&Tensor::cat(&views[2..], 0));
        let x = twin.linear("projector.0", &Tensor::cat(&[large, small], 0));
        let x = twin.norm("projector.1", &x).relu();
        let h = twin.linear("projector.3", &x).chunk(4, 0);
        let prototypes = twin.tensors["prototypes.weight"].shallow_clone();
        let z: Vec<Tensor> = h.iter().map(unit).collect();

        let mut loss = Tensor::from(0.0);
        for crop in 0..2 {
            let own = z[crop].detach();
            let queue = &mut queues[crop];
            let rows = if queue.len() == 16 {
                Tensor::cat(&[Tensor::stack(queue, 0), own.shallow_clone()], 0)
            } else {
                own.shallow_clone()
            };
            if step >= 5 {
                let new = (0..8).map(|row| own.get(row));
                *queue = new.chain(queue.drain(..)).take(16).collect();
            }
            let mut q = (rows.matmul(&prototypes.detach().tr()) / 0.05).exp().tr();
            let (k, n) = (q.size()[0] as f64, q.size()[1] as f64);
            for _ in 0..3 {
                q = &q / q.sum_dim_intlist([1i64].as_slice(), true, Kind::Float) / k;
                q = &q / q.sum_dim_intlist([0i64].as_slice(), true, Kind::Float) / n;
            }
            let codes = (q * n).tr();
            let codes = codes.narrow(0, codes.size()[0] - 8, 8);
            for other in (0..4).filter(|&other| other != crop) {
                let p = (z[other].matmul(&prototypes.tr()) / 0.1).softmax(1, Kind::Float);
                let cross =
                    (&codes * p.log()).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
                loss = &loss - cross.mean(Kind::Float) / 3.0 / 2.0;
            }
        }
        let loss = loss + e2mc(&[&h[0], &h[1]]);
        loss.backward();
        twin.descend(
            |name| match name {
                "prototypes.weight" if step < 3 => 0.0,
                _ => scheduled(step),
            },
            |p, g| {
                let (weight, slope) = (p.norm(), g.norm());
                if weight.double_value(&[]) == 0.0 || slope.double_value(&[]) == 0.0 {
                    return g.shallow_clone();
                }
                let ratio = &weight * 0.001 / (slope + &weight * 1e-6 + 1e-8);
                (g + p * 1e-6) * ratio
            },
        );
        loss.double_value(&[])
    });
}

#[test]
fn ten_steps_of_simsiam_equal_those_of_the_twin() {
    let mut recipe = constants();
    recipe.augmentation = common::recipe(simsiam(), "sgd").augmentation;
    recipe.method = MethodConfig::Simsiam(SimsiamConfig {
        projector: vec![24, 24, 16],
        predictor: 6,
        predictor_learning_rate: Some(PREDICTOR_RATE),
    });
    recipe.optimizer = serde_json::from_value(
        serde_json::json!({"name": "sgd", "momentum": 0.9, "weight_decay": 1e-4}),
    )
    .unwrap();
    // The projector's last batch norm leaves the predictor's inputs a mean of 0.
    agrees(
        recipe,
        &["predictor.1.running_mean"],
        |twin, step, views| {
            twin.zero_grad();
            let mut outputs = Vec::new();
            for view in views {
                let x = twin.backbone(view);
                let x = twin.linear("projector.0", &x);
                let x = twin.norm("projector.1", &x).relu();
                let x = twin.linear("projector.3", &x);
                let x = twin.norm("projector.4", &x).relu();
                let x = twin.linear("projector.6", &x);
                let z = twin.norm("projector.7", &x);
                outputs.push(z);
            }
            let mut predictions = Vec::new();
            for z in &outputs {
                let x = twin.linear("predictor.0", z);
                let x = twin.norm("predictor.1", &x).relu();
                predictions.push(twin.linear("predictor.3", &x));
            }
            let cosine = |p: &Tensor, z: &Tensor| {
                let product = unit(p) * unit(&z.detach());
                product
                    .sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
                    .mean(Kind::Float)
            };
            let both = cosine(&predictions[0], &outputs[1]) + cosine(&predictions[1], &outputs[0]);
            let loss = both * -0.5 + e2mc(&[&outputs[0], &outputs[1]]);
            loss.backward();
            twin.descend(
                |name| {
                    if name.starts_with("predictor.") {
                        PREDICTOR_RATE
                    } else {
                        scheduled(step)
                    }
                },
                |p, g| g + p * 1e-4,
            );
            loss.double_value(&[])
        },
    );
}
