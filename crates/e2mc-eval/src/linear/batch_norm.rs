//! Batch normalisation of frozen features before the linear layer (the paper's iNat18 protocol).
//!
//! Features are `channels` groups of `places` neighbouring values, as a feature map
//! `(channels, h, w)` is when it is laid out in a row; a channel is normalised over the batch and
//! its places, as PyTorch's `BatchNorm2d`: by the batch's biased variance in training, by running
//! statistics (momentum 0.1, unbiased variance) afterwards. Scale and shift are learned.

use super::update::{Descent, Update};

/// How far one batch moves the running statistics.
const MOMENTUM: f64 = 0.1;
/// Added to the variance.
const EPSILON: f64 = 1e-5;

#[derive(Debug)]
pub(super) struct BatchNorm {
    places: usize,
    scale: Descent,
    shift: Descent,
    running_mean: Vec<f64>,
    running_variance: Vec<f64>,
    /// The last batch, normalised but neither scaled nor shifted.
    normal: Vec<f32>,
}

impl BatchNorm {
    pub(super) fn new(channels: usize, places: usize) -> Self {
        Self {
            places,
            scale: Descent::new(vec![1.0; channels]),
            shift: Descent::new(vec![0.0; channels]),
            running_mean: vec![0.0; channels],
            running_variance: vec![1.0; channels],
            normal: Vec::new(),
        }
    }

    /// Normalises a batch `(n, channels * places)` and moves the running statistics. A batch of a
    /// single value a channel has no variance: it is normalised by the running statistics, which
    /// stay.
    pub(super) fn forward(&mut self, features: &[f32]) -> Vec<f32> {
        let (channels, places) = (self.running_mean.len(), self.places);
        let count = (features.len() / channels) as f64;
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        if count > 1.0 {
            let of_channels = || features.chunks_exact(places).enumerate();
            for (i, values) in of_channels() {
                mean[i % channels] += values.iter().map(|&v| f64::from(v)).sum::<f64>();
            }
            mean.iter_mut().for_each(|m| *m /= count);
            for (i, values) in of_channels() {
                let mean = mean[i % channels];
                let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2));
                variance[i % channels] += squares.sum::<f64>();
            }
            for c in 0..channels {
                let unbiased = variance[c] / (count - 1.0);
                variance[c] /= count;
                self.running_mean[c] += MOMENTUM * (mean[c] - self.running_mean[c]);
                self.running_variance[c] += MOMENTUM * (unbiased - self.running_variance[c]);
            }
        } else {
            mean.clone_from(&self.running_mean);
            variance.clone_from(&self.running_variance);
        }
        let mut out = Vec::with_capacity(features.len());
        self.normal.clear();
        for (i, values) in features.chunks_exact(places).enumerate() {
            let c = i % channels;
            let deviation = (variance[c] + EPSILON).sqrt();
            for &value in values {
                let normal = ((f64::from(value) - mean[c]) / deviation) as f32;
                self.normal.push(normal);
                out.push(normal * self.scale.values[c] + self.shift.values[c]);
            }
        }
        out
    }

    /// Takes the gradient of the last batch's output.
    pub(super) fn backward(&mut self, gradient: &[f32]) {
        let channels = self.running_mean.len();
        self.scale.gradient.fill(0.0);
        self.shift.gradient.fill(0.0);
        let normal = self.normal.chunks_exact(self.places);
        for (i, (normal, gradient)) in normal.zip(gradient.chunks_exact(self.places)).enumerate() {
            for (normal, gradient) in normal.iter().zip(gradient) {
                self.scale.gradient[i % channels] += normal * gradient;
                self.shift.gradient[i % channels] += gradient;
            }
        }
    }

    pub(super) fn step(&mut self, update: Update) {
        self.scale.step(update);
        self.shift.step(update);
    }

    /// Puts the normalisation by running statistics into the linear layer `(classes, d)` behind it.
    pub(super) fn fold_into(&self, weights: &mut [f32], bias: &mut [f32]) {
        let dims = self.running_mean.len() * self.places;
        for (weights, bias) in weights.chunks_exact_mut(dims).zip(bias) {
            let mut constant = f64::from(*bias);
            for (j, weight) in weights.iter_mut().enumerate() {
                let c = j / self.places;
                let deviation = (self.running_variance[c] + EPSILON).sqrt();
                let scale = f64::from(self.scale.values[c]) / deviation;
                let shift = f64::from(self.shift.values[c]) - scale * self.running_mean[c];
                constant += f64::from(*weight) * shift;
                *weight = (f64::from(*weight) * scale) as f32;
            }
            *bias = constant as f32;
        }
    }
}
