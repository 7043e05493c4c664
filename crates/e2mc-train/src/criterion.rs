//! The criterion that continued training adds to a method's loss: one enum, one call site.
//!
//! On the CPU the value and its gradient come from crate `e2mc`; autograd sees one scalar whose
//! gradient is that one. On other devices the same mathematics runs in tensor operations. The
//! authors' convention holds on both: the entropy is averaged over the views, the covariance
//! summed (the published `beta` and `gamma` belong to it).

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use e2mc::{MatrixView, Transform, Workspace};

use crate::Error;
use crate::method::{Objective, Term};

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

impl CriterionConfig {
    /// The name in tables and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::E2mc { .. } => "e2mc",
        }
    }

    /// The map to the unit interval under which entropies are reported; the sigmoid where the
    /// criterion has none of its own.
    pub fn transform(&self) -> Transform {
        match self {
            Self::None => Transform::Sigmoid,
            Self::E2mc { transform, .. } => (*transform).into(),
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        let Self::E2mc {
            beta,
            gamma,
            epsilon,
            ..
        } = self
        else {
            return Ok(());
        };
        for (field, value) in [
            ("criterion.beta", *beta),
            ("criterion.gamma", *gamma),
            ("criterion.epsilon", f64::from(*epsilon)),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::config(field, "a number of at least 0", value));
            }
        }
        Ok(())
    }
}

/// A criterion ready to be added to objectives; keeps its memory between steps.
#[derive(Debug)]
pub struct Criterion {
    config: CriterionConfig,
    workspace: Workspace,
}

impl Criterion {
    /// Makes the criterion.
    ///
    /// # Errors
    /// As [`CriterionConfig::check`].
    pub fn new(config: &CriterionConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            config: config.clone(),
            workspace: Workspace::default(),
        })
    }

    /// Adds the criterion's terms to a method's objective.
    ///
    /// # Errors
    /// Where an embedding is not finite or has fewer than 2 rows.
    pub fn add_to(&mut self, objective: &mut Objective) -> Result<(), Error> {
        match self.config {
            CriterionConfig::None => Ok(()),
            CriterionConfig::E2mc {
                transform,
                beta,
                gamma,
                epsilon,
            } => {
                let transform = transform.into();
                if objective.loss.device() == Device::Cpu {
                    // The entropy is a mean over the views, so each view gets its share of beta.
                    let beta_of_view = beta / objective.embeddings.len() as f64;
                    let criterion = e2mc::Criterion {
                        transform,
                        beta: beta_of_view,
                        gamma,
                        epsilon,
                    };
                    self.add_on_cpu(objective, &criterion, beta)
                } else {
                    add_in_tensors(objective, transform, beta, gamma, epsilon);
                    Ok(())
                }
            }
        }
    }

    fn add_on_cpu(
        &mut self,
        objective: &mut Objective,
        criterion: &e2mc::Criterion,
        beta: f64,
    ) -> Result<(), Error> {
        let (mut entropy, mut covariance) = (0.0, 0.0);
        let mut loss = objective.loss.shallow_clone();
        for z in &objective.embeddings {
            let (value, gradient) = self.evaluate(criterion, z)?;
            loss = loss + with_gradient(z, &gradient, value.loss);
            entropy += value.entropy / objective.embeddings.len() as f64;
            covariance += value.covariance;
        }
        objective.loss = loss;
        objective.terms.push(Term {
            name: "entropy",
            weight: -beta,
            value: entropy.into(),
        });
        objective.terms.push(Term {
            name: "hypercovariance",
            weight: criterion.gamma,
            value: covariance.into(),
        });
        Ok(())
    }

    fn evaluate(
        &mut self,
        criterion: &e2mc::Criterion,
        z: &Tensor,
    ) -> Result<(e2mc::Value, Tensor), Error> {
        let z = z.detach().to_kind(Kind::Float).contiguous();
        let (rows, cols) = z.size2()?;
        let gradient = Tensor::empty([rows, cols], (Kind::Float, Device::Cpu));
        let len = (rows * cols) as usize;
        // SAFETY: both tensors are contiguous float32 on the CPU with `len` elements, live until
        // the end of this function, and nothing else refers to `gradient`'s memory.
        let (input, output) = unsafe {
            (
                std::slice::from_raw_parts(z.data_ptr().cast::<f32>(), len),
                std::slice::from_raw_parts_mut(gradient.data_ptr().cast::<f32>(), len),
            )
        };
        let view = MatrixView::new(input, rows as usize, cols as usize)?;
        let value = criterion
            .value_and_gradient_in(view, output, &mut self.workspace)?
            .clone();
        Ok((value, gradient))
    }
}

/// A scalar that equals `value` and whose gradient with respect to `z` is `gradient`, both exact.
fn with_gradient(z: &Tensor, gradient: &Tensor, value: f64) -> Tensor {
    let linear = (z * gradient).sum(Kind::Float);
    &linear - linear.detach() + value
}

/// The same criterion in tensor operations, for devices that crate `e2mc` does not reach.
fn add_in_tensors(
    objective: &mut Objective,
    transform: Transform,
    beta: f64,
    gamma: f64,
    epsilon: f32,
) {
    let device = objective.loss.device();
    let mut entropy = Tensor::zeros([], (Kind::Float, device));
    let mut covariance = Tensor::zeros([], (Kind::Float, device));
    for z in &objective.embeddings {
        let u = match transform {
            Transform::Sigmoid => z.sigmoid(),
            Transform::Gaussian => ((z * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5,
        };
        entropy = entropy + mean_marginal_entropy(&u, epsilon);
        covariance = covariance + off_diagonal_covariance(&u);
    }
    entropy = entropy / objective.embeddings.len() as f64;
    objective.add("entropy", -beta, &entropy);
    objective.add("hypercovariance", gamma, &covariance);
}

/// The mean over the columns of the m-spacings entropy of `u` `(n, d)` (paper Eq. 7).
fn mean_marginal_entropy(u: &Tensor, epsilon: f32) -> Tensor {
    let n = u.size()[0];
    let m = (n as f64).sqrt().round() as i64;
    let (sorted, _) = u.sort(0, false);
    let spacings = sorted.narrow(0, m, n - m) - sorted.narrow(0, 0, n - m);
    (spacings * ((n + 1) as f64 / m as f64) + f64::from(epsilon))
        .log()
        .mean(Kind::Float)
}

/// `sum_{j != k} C_jk^2 / d` with `C` the covariance of the columns of `z` `(n, d)` (paper Eq. 8).
///
/// For `n < d` from the `n x n` Gram matrix, which has the same sum of squares.
pub(crate) fn off_diagonal_covariance(z: &Tensor) -> Tensor {
    let (n, d) = (z.size()[0], z.size()[1]);
    let centred = z - z.mean_dim([0i64].as_slice(), true, Kind::Float);
    let product = if n < d {
        centred.matmul(&centred.tr())
    } else {
        centred.tr().matmul(&centred)
    };
    let diagonal = centred
        .square()
        .sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
    let scale = 1.0 / ((n - 1) as f64).powi(2) / d as f64;
    (product.square().sum(Kind::Float) - diagonal.square().sum(Kind::Float)) * scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::{VicregConfig, vicreg_loss};

    /// Both paths on the same embeddings: the loss, each term, and the gradients.
    fn paths_agree(n: i64, d: i64, transform: TransformName) {
        tch::manual_seed(n * 1000 + d);
        let views = || Tensor::randn([n, d], (Kind::Float, Device::Cpu));
        let (za, zb) = (views(), views());
        let run = |tensors: bool| {
            let leaves = [&za, &zb].map(|z| z.detach().copy().set_requires_grad(true));
            let [a, b] = leaves.each_ref().map(Tensor::shallow_clone);
            let mut objective = vicreg_loss(&VicregConfig::default(), a, b);
            if tensors {
                add_in_tensors(&mut objective, transform.into(), 30.0, 7.0, 1e-7);
            } else {
                let config = CriterionConfig::E2mc {
                    transform,
                    beta: 30.0,
                    gamma: 7.0,
                    epsilon: 1e-7,
                };
                Criterion::new(&config)
                    .unwrap()
                    .add_to(&mut objective)
                    .unwrap();
            }
            objective.loss.backward();
            let terms: Vec<f64> = objective
                .terms
                .iter()
                .map(|term| term.value.double_value(&[]))
                .collect();
            (
                objective.loss.double_value(&[]),
                terms,
                leaves.map(|z| z.grad()),
            )
        };
        let (fast, slow) = (run(false), run(true));
        assert!(
            (fast.0 - slow.0).abs() <= 1e-5 * slow.0.abs(),
            "{} {}",
            fast.0,
            slow.0
        );
        for (a, b) in fast.1.iter().zip(&slow.1) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1e-3), "{a} {b}");
        }
        for (a, b) in fast.2.iter().zip(&slow.2) {
            let error = (a - b).abs().max().double_value(&[]);
            assert!(error <= 1e-4 * b.abs().max().double_value(&[]), "{error}");
        }
    }

    #[test]
    fn the_analytic_gradient_agrees_with_autograd() {
        for (n, d) in [(48, 20), (20, 48), (33, 33)] {
            paths_agree(n, d, TransformName::Sigmoid);
            paths_agree(n, d, TransformName::Gaussian);
        }
    }

    #[test]
    fn the_gram_matrix_gives_the_covariance_of_the_definition() {
        for (n, d) in [(12, 40), (40, 12)] {
            let z = Tensor::randn([n, d], (Kind::Double, Device::Cpu));
            let centred = &z - z.mean_dim([0i64].as_slice(), true, Kind::Double);
            let c = centred.tr().matmul(&centred) / (n - 1) as f64;
            let off = c.square().sum(Kind::Double) - c.diagonal(0, 0, 1).square().sum(Kind::Double);
            let expected = off.double_value(&[]) / d as f64;
            let found = off_diagonal_covariance(&z.to_kind(Kind::Float)).double_value(&[]);
            assert!(
                (found - expected).abs() <= 1e-5 * expected,
                "{found} {expected}"
            );
        }
    }
}
