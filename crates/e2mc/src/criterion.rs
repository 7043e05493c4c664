//! The whole criterion: `loss = gamma * covariance - beta * entropy`, value and gradient.

use crate::covariance::Gram;
use crate::gradient::{Backward, Covariance};
use crate::marginals::{Columns, Marginals, Pool};
use crate::panels::{Panels, count};
use crate::spacings::Spacings;
use crate::{Error, MatrixView, Transform};
use e2mc_base::simd::Level;

/// Effective entropy maximisation: which transform, and how much each term weighs (paper Eq. 6 to
/// 8).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// The map to the unit interval.
    pub transform: Transform,
    /// Weight of the mean marginal entropy, finite.
    pub beta: f64,
    /// Weight of the covariance penalty, finite.
    pub gamma: f64,
    /// Added to each spacing inside the logarithm, so that ties stay finite; positive and finite.
    pub epsilon: f32,
}

/// The criterion's value on one view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    /// Mean of the marginal entropies, in nats; at most about 0.
    pub entropy: f64,
    /// Sum of the squared off-diagonal covariances over `d`; 0 for `d = 1`.
    pub covariance: f64,
    /// `gamma * covariance - beta * entropy`.
    pub loss: f64,
    /// The entropy of each of the `d` columns, in nats.
    pub marginal_entropy: Vec<f32>,
}

/// Memory that an evaluation needs, to be kept between calls so that a training loop allocates
/// nothing.
#[derive(Debug, Default)]
pub struct Workspace {
    value: Value,
    pub(crate) centred: Panels,
    pub(crate) entropy_gradient: Panels,
    columns: Vec<Columns>,
    pub(crate) squares: Vec<f64>,
    pub(crate) gram: Gram,
    pool: Pool,
}

impl Workspace {
    /// An empty workspace; the first evaluation sizes it.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Criterion {
    /// VICReg's setting: sigmoid, beta 1000, gamma 100, epsilon 1e-7 (paper, appendix B.1).
    pub fn vicreg() -> Self {
        Self {
            transform: Transform::Sigmoid,
            beta: 1000.0,
            gamma: 100.0,
            epsilon: 1e-7,
        }
    }

    /// SwAV's setting: Gaussian, beta 1, gamma 25, epsilon 2^-23 (paper, appendix B.1).
    pub fn swav() -> Self {
        Self {
            transform: Transform::Gaussian,
            beta: 1.0,
            gamma: 25.0,
            epsilon: f32::EPSILON,
        }
    }

    /// SimSiam's setting: Gaussian, beta 0.001, gamma 0.01, epsilon 2^-23 (paper, appendix B.1).
    pub fn simsiam() -> Self {
        Self {
            transform: Transform::Gaussian,
            beta: 0.001,
            gamma: 0.01,
            epsilon: f32::EPSILON,
        }
    }

    /// The value on embeddings `z` `(n, d)`.
    ///
    /// # Errors
    /// Fewer than two rows, no columns, a value that is not finite, or a coefficient out of range.
    pub fn value(&self, z: MatrixView) -> Result<Value, Error> {
        let mut workspace = Workspace::new();
        self.value_in(z, &mut workspace)?;
        Ok(workspace.value)
    }

    /// The value on embeddings `z` `(n, d)`; writes `dloss/dz` `(n, d)`, row-major, to `gradient`.
    ///
    /// # Errors
    /// As [`Criterion::value`], and if `gradient` does not hold `n * d` values.
    pub fn value_and_gradient(&self, z: MatrixView, gradient: &mut [f32]) -> Result<Value, Error> {
        let mut workspace = Workspace::new();
        self.value_and_gradient_in(z, gradient, &mut workspace)?;
        Ok(workspace.value)
    }

    /// [`Criterion::value`] in memory that is kept between calls.
    ///
    /// # Errors
    /// As [`Criterion::value`].
    pub fn value_in<'w>(
        &self,
        z: MatrixView,
        workspace: &'w mut Workspace,
    ) -> Result<&'w Value, Error> {
        self.evaluate(Level::detect(), z, None, workspace)
    }

    /// [`Criterion::value_and_gradient`] in memory that is kept between calls.
    ///
    /// # Errors
    /// As [`Criterion::value_and_gradient`].
    pub fn value_and_gradient_in<'w>(
        &self,
        z: MatrixView,
        gradient: &mut [f32],
        workspace: &'w mut Workspace,
    ) -> Result<&'w Value, Error> {
        z.check_gradient(gradient)?;
        self.evaluate(Level::detect(), z, Some(gradient), workspace)
    }

    /// The marginal entropy of each of the `d` columns, in nats, without the covariance.
    ///
    /// # Errors
    /// As [`Criterion::value`].
    pub fn marginal_entropy(&self, z: MatrixView) -> Result<Vec<f32>, Error> {
        let mut workspace = Workspace::new();
        self.marginals(Level::detect(), (z, z.cols()), false, &mut workspace)?;
        Ok(workspace.value.marginal_entropy)
    }

    /// The pass over the columns, all or some of `dims`: centred values, marginal entropies, and
    /// the entropy's gradient if asked. Returns the sum of the entropies over `dims`.
    pub(crate) fn marginals(
        &self,
        level: Level,
        (z, dims): (MatrixView, usize),
        with_gradient: bool,
        workspace: &mut Workspace,
    ) -> Result<f64, Error> {
        self.check(z)?;
        let (n, d) = (z.rows(), z.cols());
        let Workspace {
            value,
            centred,
            entropy_gradient,
            columns,
            squares,
            pool,
            ..
        } = workspace;
        let spacings = Spacings::new(n, self.epsilon);
        let marginals = Marginals {
            z,
            transform: self.transform,
            spacings,
        };
        centred.resize(n, d);
        entropy_gradient.resize(n, if with_gradient { d } else { 0 });
        columns.resize(count(d), Columns::default());
        let gradient = with_gradient.then_some((entropy_gradient, -self.beta / dims as f64));
        marginals.run(level, centred, gradient, columns, pool);
        if columns.iter().any(|columns| !columns.finite) {
            return Err(z.not_finite());
        }
        let entropies = columns.iter().flat_map(|columns| columns.entropy).take(d);
        value.entropy = entropies.clone().sum::<f64>() / dims as f64;
        value.marginal_entropy.clear();
        value
            .marginal_entropy
            .extend(entropies.map(|entropy| entropy as f32));
        squares.clear();
        squares.extend(columns.iter().flat_map(|columns| columns.square).take(d));
        Ok(value.entropy)
    }

    /// Both passes; also for tests that choose the instruction set.
    fn evaluate<'w>(
        &self,
        level: Level,
        z: MatrixView,
        gradient: Option<&mut [f32]>,
        workspace: &'w mut Workspace,
    ) -> Result<&'w Value, Error> {
        let entropy = gradient.is_some() && self.beta != 0.0;
        self.marginals(level, (z, z.cols()), entropy, workspace)?;
        let Workspace {
            value,
            centred,
            entropy_gradient,
            squares,
            gram,
            ..
        } = workspace;
        let (n, d) = (z.rows() as f64, z.cols() as f64);
        let scale = 1.0 / (d * (n - 1.0).powi(2));
        value.covariance = gram.compute(level, centred, z.cols(), squares) * scale;
        value.loss = self.gamma * value.covariance - self.beta * value.entropy;
        if let Some(gradient) = gradient {
            let weight = (4.0 * self.gamma * scale) as f32;
            let covariance = Covariance {
                u: centred,
                gram,
                diagonal: squares,
                weight,
            };
            let backward = Backward {
                z,
                transform: self.transform,
                entropy: entropy.then_some(&*entropy_gradient),
                covariance: (self.gamma != 0.0).then_some(covariance),
            };
            backward.run(level, gradient);
        }
        Ok(value)
    }

    fn check(&self, z: MatrixView) -> Result<(), Error> {
        for (name, value) in [("beta", self.beta), ("gamma", self.gamma)] {
            if !value.is_finite() {
                return Err(Error::Coefficient {
                    name,
                    value,
                    expected: "a finite number",
                });
            }
        }
        if !(self.epsilon.is_normal() && self.epsilon > 0.0) {
            let value = f64::from(self.epsilon);
            let expected = "a positive normal float32";
            return Err(Error::Coefficient {
                name: "epsilon",
                value,
                expected,
            });
        }
        z.check_batch()
    }
}

#[cfg(test)]
mod tests;
