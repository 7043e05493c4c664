//! What becomes of a gradient: weight decay, LARC, momentum, step.

use super::{LinearConfig, LinearOptimizer};

/// Added to LARC's denominator, as in SwAV's code.
const LARC_EPSILON: f64 = 1e-8;

/// One step's constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    rate: f32,
    momentum: f32,
    decay: f32,
    /// LARC's trust coefficient.
    trust: Option<f64>,
}

impl Update {
    pub(super) fn new(config: &LinearConfig, rate: f64) -> Self {
        Self {
            rate: rate as f32,
            momentum: config.momentum as f32,
            decay: config.weight_decay as f32,
            trust: match config.optimizer {
                LinearOptimizer::Sgd => None,
                LinearOptimizer::Larc { trust } => Some(trust),
            },
        }
    }
}

/// Parameters with their gradient and velocity.
#[derive(Debug)]
pub(super) struct Descent {
    pub(super) values: Vec<f32>,
    pub(super) gradient: Vec<f32>,
    velocity: Vec<f32>,
}

impl Descent {
    pub(super) fn new(values: Vec<f32>) -> Self {
        Self {
            gradient: vec![0.0; values.len()],
            velocity: vec![0.0; values.len()],
            values,
        }
    }

    /// `v = momentum v + d; w = w - rate v`. The direction `d` is `g + decay w`, for LARC times
    /// `trust |w| / (|g| + decay |w| + epsilon)`, or the bare gradient where either norm is 0.
    pub(super) fn step(&mut self, update: Update) {
        let Update {
            rate,
            momentum,
            mut decay,
            trust,
        } = update;
        let mut scale = 1.0;
        if let Some(trust) = trust {
            let (weight, slope) = (norm(&self.values), norm(&self.gradient));
            if weight > 0.0 && slope > 0.0 {
                let denominator = slope + f64::from(decay) * weight + LARC_EPSILON;
                scale = (trust * weight / denominator) as f32;
            } else {
                decay = 0.0;
            }
        }
        let moving = self.velocity.iter_mut().zip(&self.gradient);
        for (p, (v, g)) in self.values.iter_mut().zip(moving) {
            *v = momentum * *v + scale * (g + decay * *p);
            *p -= rate * *v;
        }
    }
}

fn norm(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
    squares.sqrt()
}
