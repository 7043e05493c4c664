//! Options of `score`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::heading;
use e2mc::{Criterion, Transform};

/// Options of `score`.
#[derive(Args, Debug)]
pub struct ScoreOptions {
    /// Embeddings (n, d): FILE.npy or FILE.safetensors:TENSOR
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Function to the unit interval; gaussian suits methods that normalise
    #[arg(long, value_enum, default_value_t = TransformName::Gaussian)]
    pub transform: TransformName,
    /// Weight of the mean marginal entropy
    #[arg(long, default_value_t = 1.0)]
    pub beta: f64,
    /// Weight of the off-diagonal covariance
    #[arg(long, default_value_t = 25.0)]
    pub gamma: f64,
    /// Constant added to each spacing before the logarithm
    ///
    /// [default: 1e-7 for sigmoid; 1.1920929e-7, float32's machine epsilon, for gaussian]
    #[arg(long)]
    pub epsilon: Option<f32>,
    /// File for the gradient of the loss, (n, d) float32
    #[arg(long, value_name = "OUT.npy")]
    pub gradient: Option<PathBuf>,
    /// Also print the entropy of every dimension
    #[arg(long)]
    pub marginals: bool,
    /// Threads [default: the number of cores]
    #[arg(
        help_heading = heading::MACHINE,
        value_name = "N",
        long,
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub threads: Option<u16>,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

impl ScoreOptions {
    /// The criterion that was asked for.
    pub fn criterion(&self) -> Criterion {
        let published = match self.transform {
            TransformName::Sigmoid => Criterion::vicreg(),
            TransformName::Gaussian => Criterion::swav(),
        };
        Criterion {
            transform: self.transform.into(),
            beta: self.beta,
            gamma: self.gamma,
            epsilon: self.epsilon.unwrap_or(published.epsilon),
        }
    }
}

impl From<TransformName> for Transform {
    fn from(name: TransformName) -> Self {
        match name {
            TransformName::Sigmoid => Self::Sigmoid,
            TransformName::Gaussian => Self::Gaussian,
        }
    }
}

/// Function that brings embeddings into the unit interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransformName {
    /// Logistic function, for embeddings that fill a hypercube
    Sigmoid,
    /// Standard normal distribution function, for embeddings on a hypersphere
    Gaussian,
}
