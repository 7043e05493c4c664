//! Criteria on the CPU: value and gradient from crate `e2mc`, known together.

use tch::{Device, Kind, Tensor};

use e2mc::rival::{Mmcr, Sigreg, Uniformity, Vcreg};
use e2mc::{MatrixView, Workspace};

use super::{CriterionConfig, Position, Views};
use crate::Error;
use crate::method::{Objective, Term};

/// Adds the criterion's terms, with their gradients, to the objective.
pub(super) fn add(
    config: &CriterionConfig,
    objective: &mut Objective,
    views: &Views,
    position: Position,
    workspace: &mut Workspace,
) -> Result<(), Error> {
    let share = 1.0 / views.full.len() as f64;
    match *config {
        CriterionConfig::None => Ok(()),
        CriterionConfig::E2mc {
            transform,
            beta,
            gamma,
            epsilon,
        } => {
            let criterion = e2mc::Criterion {
                transform: transform.into(),
                // The entropy is a mean over the views, so each view gets its share of beta.
                beta: beta * share,
                gamma,
                epsilon,
            };
            let (mut entropy, mut covariance) = (0.0, 0.0);
            each_view(objective, views, 1.0, |z, gradient| {
                let value = criterion.value_and_gradient_in(z, gradient, workspace)?;
                entropy += value.entropy * share;
                covariance += value.covariance;
                Ok(value.loss)
            })?;
            report(objective, "entropy", -beta, entropy);
            report(objective, "hypercovariance", gamma, covariance);
            Ok(())
        }
        CriterionConfig::Vcreg {
            space,
            variance,
            covariance,
        } => {
            let criterion = Vcreg {
                space: space.into(),
                variance,
                covariance,
            };
            let (mut lack, mut off_diagonal) = (0.0, 0.0);
            each_view(objective, views, share, |z, gradient| {
                let value = criterion.value_and_gradient(z, gradient)?;
                lack += value.variance * share;
                off_diagonal += value.covariance * share;
                Ok(value.loss)
            })?;
            report(objective, "vcreg_variance", variance, lack);
            report(objective, "vcreg_covariance", covariance, off_diagonal);
            Ok(())
        }
        CriterionConfig::Uniformity { weight, t } => {
            let criterion = Uniformity { t };
            let mean = each_view(objective, views, weight * share, |z, gradient| {
                Ok(criterion.value_and_gradient(z, gradient)?)
            })? * share;
            report(objective, "uniformity", weight, mean);
            Ok(())
        }
        CriterionConfig::Mmcr { weight } => {
            let value = mmcr(objective, views, weight)?;
            report(objective, "mmcr", weight, value);
            Ok(())
        }
        CriterionConfig::Sigreg {
            weight,
            slices,
            knots,
            t_max,
        } => {
            let criterion = Sigreg {
                slices,
                knots,
                t_max,
            };
            let d = views.full[0].size2()?.1 as usize;
            // The same directions for all views of a step.
            let directions = position.directions(&criterion, d)?;
            let mean = each_view(objective, views, weight * share, |z, gradient| {
                Ok(criterion.value_and_gradient(z, &directions, gradient)?)
            })? * share;
            report(objective, "sigreg", weight, mean);
            Ok(())
        }
    }
}

/// Adds `weight` times the value that `evaluate` gives each full-resolution view, with the gradient
/// that it writes. Returns the sum of the values.
fn each_view(
    objective: &mut Objective,
    views: &Views,
    weight: f64,
    mut evaluate: impl FnMut(MatrixView, &mut [f32]) -> Result<f64, Error>,
) -> Result<f64, Error> {
    let mut sum = 0.0;
    let mut loss = objective.loss.shallow_clone();
    for z in &views.full {
        let plain = Plain::of(z)?;
        let mut gradient = plain.empty();
        let value = evaluate(plain.view()?, gradient.values_mut())?;
        loss = loss + with_gradient(z, &gradient.tensor, value) * weight;
        sum += value;
    }
    objective.loss = loss;
    Ok(sum)
}

/// Adds MMCR over all views; returns its value.
fn mmcr(objective: &mut Objective, views: &Views, weight: f64) -> Result<f64, Error> {
    let views = || views.full.iter().chain(&views.small);
    let plain = views().map(Plain::of).collect::<Result<Vec<_>, _>>()?;
    let mut gradients: Vec<_> = plain.iter().map(Plain::empty).collect();
    let matrices = plain
        .iter()
        .map(Plain::view)
        .collect::<Result<Vec<_>, _>>()?;
    let mut buffers: Vec<_> = gradients.iter_mut().map(Plain::values_mut).collect();
    let value = Mmcr.value_and_gradients(&matrices, &mut buffers)?;
    let mut loss = &objective.loss + value * weight;
    for (z, gradient) in views().zip(&gradients) {
        loss = loss + with_gradient(z, &gradient.tensor, 0.0) * weight;
    }
    objective.loss = loss;
    Ok(value)
}

fn report(objective: &mut Objective, name: &'static str, weight: f64, value: f64) {
    objective.terms.push(Term {
        name,
        weight,
        value: value.into(),
    });
}

/// A contiguous float32 matrix on the CPU that nothing else writes to.
struct Plain {
    tensor: Tensor,
    rows: usize,
    cols: usize,
}

impl Plain {
    /// The values of an embedding `(n, d)`.
    fn of(z: &Tensor) -> Result<Self, Error> {
        let (rows, cols) = z.size2()?;
        Ok(Self {
            tensor: z.detach().to_kind(Kind::Float).contiguous(),
            rows: rows as usize,
            cols: cols as usize,
        })
    }

    /// Memory of the same shape, not set.
    fn empty(&self) -> Self {
        let size = [self.rows as i64, self.cols as i64];
        Self {
            tensor: Tensor::empty(size, (Kind::Float, Device::Cpu)),
            ..*self
        }
    }

    fn view(&self) -> Result<MatrixView<'_>, Error> {
        let start = self.tensor.data_ptr().cast::<f32>();
        // SAFETY: the tensor is contiguous float32 on the CPU with rows * cols elements, and lives
        // as long as the borrow; nothing writes to an embedding while its criterion is computed.
        let values = unsafe { std::slice::from_raw_parts(start, self.rows * self.cols) };
        Ok(MatrixView::new(values, self.rows, self.cols)?)
    }

    /// The values of a matrix that [`Plain::empty`] made.
    fn values_mut(&mut self) -> &mut [f32] {
        let start = self.tensor.data_ptr().cast::<f32>();
        // SAFETY: as in `view`, and only matrices made by `empty`, to whose memory nothing else
        // refers, are written to.
        unsafe { std::slice::from_raw_parts_mut(start, self.rows * self.cols) }
    }
}

/// A scalar that equals `value` and whose gradient with respect to `z` is `gradient`, both exact.
fn with_gradient(z: &Tensor, gradient: &Tensor, value: f64) -> Tensor {
    let linear = (z * gradient).sum(Kind::Float);
    &linear - linear.detach() + value
}
