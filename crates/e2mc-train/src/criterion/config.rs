//! Which criterion, with its coefficients: what a recipe says under `[criterion]`.

use serde::{Deserialize, Serialize};

use e2mc::Transform;
use e2mc::rival::{Sigreg, Space, Uniformity, Vcreg};

use crate::Error;

/// Which criterion, with its coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum CriterionConfig {
    /// The base loss alone: the paper's "continued" baseline.
    None,
    /// Effective entropy maximisation (paper Eq. 6 to 8).
    E2mc {
        /// `sigmoid` for methods that do not normalise the embedding, else `gaussian`.
        transform: TransformName,
        /// Weight of the mean marginal entropy, at least 0.
        beta: f64,
        /// Weight of the off-diagonal covariance, at least 0.
        gamma: f64,
        /// What is added to each spacing before the logarithm.
        epsilon: f32,
    },
    /// Variance and covariance regularisation, a mean over the full-resolution views.
    Vcreg {
        /// Where the statistics are taken.
        space: SpaceName,
        /// Weight of the variance term, at least 0.
        variance: f64,
        /// Weight of the covariance term, at least 0.
        covariance: f64,
    },
    /// Uniformity on the hypersphere (the paper's AUH), a mean over the full-resolution views.
    Uniformity {
        /// Weight, at least 0.
        weight: f64,
        /// The kernel's sharpness, above 0.
        t: f64,
    },
    /// Maximum manifold capacity, over all views, small crops included.
    Mmcr {
        /// Weight of minus the nuclear norm, at least 0.
        weight: f64,
    },
    /// Sketched isotropic Gaussian regularisation (LeJEPA), a mean over the full-resolution views.
    Sigreg {
        /// Weight, at least 0.
        weight: f64,
        /// Random directions a step, at least 1.
        slices: usize,
        /// Points of the trapezoid rule, at least 2.
        knots: usize,
        /// Where the integral ends, above 0.
        t_max: f64,
    },
}

/// The map from an embedding coordinate to the unit interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransformName {
    /// `1 / (1 + exp(-z))`.
    Sigmoid,
    /// `(1 + erf(z / sqrt 2)) / 2`.
    Gaussian,
}

impl From<TransformName> for Transform {
    fn from(name: TransformName) -> Self {
        match name {
            TransformName::Sigmoid => Self::Sigmoid,
            TransformName::Gaussian => Self::Gaussian,
        }
    }
}

/// Where VCReg takes its statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpaceName {
    /// On embeddings of unit length, with the target deviation `1 / sqrt d`.
    Hypersphere,
    /// On the projector's output as it is, with the target deviation 1.
    Projector,
}

impl From<SpaceName> for Space {
    fn from(name: SpaceName) -> Self {
        match name {
            SpaceName::Hypersphere => Self::Hypersphere,
            SpaceName::Projector => Self::Projector,
        }
    }
}

impl CriterionConfig {
    /// E2MC with the published coefficients of a method, by the method's name (paper, appendix
    /// B.1); VICReg's for a name that the paper does not have.
    pub fn e2mc(method: &str) -> Self {
        let published = match method {
            // DINO normalises its embedding as SwAV does; the paper has no coefficients for it.
            "swav" | "dino" => e2mc::Criterion::swav(),
            "simsiam" => e2mc::Criterion::simsiam(),
            _ => e2mc::Criterion::vicreg(),
        };
        Self::E2mc {
            transform: match published.transform {
                Transform::Sigmoid => TransformName::Sigmoid,
                Transform::Gaussian => TransformName::Gaussian,
            },
            beta: published.beta,
            gamma: published.gamma,
            epsilon: published.epsilon,
        }
    }

    /// VCReg as in the paper's ablation (Table 3): hypersphere, 0.1 and 0.001.
    pub fn vcreg() -> Self {
        let published = Vcreg::default();
        Self::Vcreg {
            space: SpaceName::Hypersphere,
            variance: published.variance,
            covariance: published.covariance,
        }
    }

    /// Uniformity as in the paper's ablation (Table 3): weight 0.5, t 2.
    pub fn uniformity() -> Self {
        let published = Uniformity::default();
        Self::Uniformity {
            weight: 0.5,
            t: published.t,
        }
    }

    /// MMCR as in the paper's ablation (Table 3): weight 0.005.
    pub fn mmcr() -> Self {
        Self::Mmcr { weight: 0.005 }
    }

    /// SIGReg with the settings of its public code; weight 0.05, its paper's share of the loss.
    pub fn sigreg() -> Self {
        let published = Sigreg::default();
        Self::Sigreg {
            weight: 0.05,
            slices: published.slices,
            knots: published.knots,
            t_max: published.t_max,
        }
    }

    /// The name in tables and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::E2mc { .. } => "e2mc",
            Self::Vcreg { .. } => "vcreg",
            Self::Uniformity { .. } => "uniformity",
            Self::Mmcr { .. } => "mmcr",
            Self::Sigreg { .. } => "sigreg",
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        match *self {
            Self::None => Ok(()),
            Self::E2mc {
                beta,
                gamma,
                epsilon,
                ..
            } => at_least_zero(&[
                ("beta", beta),
                ("gamma", gamma),
                ("epsilon", epsilon.into()),
            ]),
            Self::Vcreg {
                variance,
                covariance,
                ..
            } => at_least_zero(&[("variance", variance), ("covariance", covariance)]),
            Self::Uniformity { weight, t } => {
                at_least_zero(&[("weight", weight)])?;
                above_zero("t", t)
            }
            Self::Mmcr { weight } => at_least_zero(&[("weight", weight)]),
            Self::Sigreg {
                weight,
                slices,
                knots,
                t_max,
            } => {
                at_least_zero(&[("weight", weight)])?;
                above_zero("t_max", t_max)?;
                for (field, value, least) in [("slices", slices, 1), ("knots", knots, 2)] {
                    if value < least {
                        return Err(refused(field, format!("at least {least}"), value));
                    }
                }
                Ok(())
            }
        }
    }
}

fn at_least_zero(values: &[(&str, f64)]) -> Result<(), Error> {
    let bad = values
        .iter()
        .find(|(_, value)| !(value.is_finite() && *value >= 0.0));
    match bad {
        Some((field, value)) => Err(refused(field, "a number of at least 0".into(), value)),
        None => Ok(()),
    }
}

fn above_zero(field: &str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(refused(field, "a number above 0".into(), value))
}

fn refused(field: &str, expected: String, found: impl ToString) -> Error {
    Error::config(format!("criterion.{field}"), expected, found)
}
