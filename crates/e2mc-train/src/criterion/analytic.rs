//! Criteria on the CPU: value and gradient from crate `e2mc`, known together.

use e2mc::rival::{Mmcr, Sigreg, Uniformity, Vcreg};
use e2mc::{MatrixView, Workspace};

use super::plain::{Plain, with_gradient};
use super::{CriterionConfig, Position, Views, columns};
use crate::Error;
use crate::method::{Objective, Term};
use crate::world::World;

/// Adds the criterion's terms, with their gradients, to the objective.
pub(super) fn add(
    config: &CriterionConfig,
    objective: &mut Objective,
    views: &Views<'_>,
    position: Position,
    workspace: &mut Workspace,
) -> Result<(), Error> {
    let share = 1.0 / views.full.len() as f64;
    let world = views.world;
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
            if world.size() > 1 {
                for z in &views.full {
                    let part = columns::share(&criterion, z, world, workspace)?;
                    entropy += part.entropy * share;
                    covariance += part.covariance;
                    objective.loss = &objective.loss + part.loss;
                }
                term(objective, "entropy", -beta, entropy);
                term(objective, "hypercovariance", gamma, covariance);
                return Ok(());
            }
            each_view(objective, views, 1.0, |z, gradient| {
                let value = criterion.value_and_gradient_in(z, gradient, workspace)?;
                entropy += value.entropy * share;
                covariance += value.covariance;
                Ok(value.loss)
            })?;
            term(objective, "entropy", -beta, entropy);
            term(objective, "hypercovariance", gamma, covariance);
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
            report(objective, world, "vcreg_variance", variance, lack);
            report(
                objective,
                world,
                "vcreg_covariance",
                covariance,
                off_diagonal,
            );
            Ok(())
        }
        CriterionConfig::Uniformity { weight, t } => {
            let criterion = Uniformity { t };
            let mean = each_view(objective, views, weight * share, |z, gradient| {
                Ok(criterion.value_and_gradient(z, gradient)?)
            })? * share;
            report(objective, world, "uniformity", weight, mean);
            Ok(())
        }
        CriterionConfig::Mmcr { weight } => {
            let value = mmcr(objective, views, weight)?;
            report(objective, world, "mmcr", weight, value);
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
            report(objective, world, "sigreg", weight, mean);
            Ok(())
        }
    }
}

/// Adds `weight` times the value that `evaluate` gives each full-resolution view, with the gradient
/// that it writes, for the rows of all processes. Returns the sum of the values.
fn each_view(
    objective: &mut Objective,
    views: &Views<'_>,
    weight: f64,
    mut evaluate: impl FnMut(MatrixView, &mut [f32]) -> Result<f64, Error>,
) -> Result<f64, Error> {
    let world = views.world;
    let mut sum = 0.0;
    let mut loss = objective.loss.shallow_clone();
    for z in &views.full {
        let plain = Plain::of(&world.gather(&z.detach())?)?;
        let mut gradient = plain.empty();
        let value = evaluate(plain.view()?, gradient.values_mut())?;
        let own = world.own_rows(&gradient.tensor)?;
        loss = loss + with_gradient(z, &own, value / world.size() as f64) * weight;
        sum += value;
    }
    objective.loss = loss;
    Ok(sum)
}

/// Adds MMCR over all views; returns its value.
fn mmcr(objective: &mut Objective, views: &Views<'_>, weight: f64) -> Result<f64, Error> {
    let world = views.world;
    let views = || views.full.iter().chain(&views.small);
    let plain = views()
        .map(|z| Plain::of(&world.gather(&z.detach())?))
        .collect::<Result<Vec<_>, _>>()?;
    let mut gradients: Vec<_> = plain.iter().map(Plain::empty).collect();
    let matrices = plain
        .iter()
        .map(Plain::view)
        .collect::<Result<Vec<_>, _>>()?;
    let mut buffers: Vec<_> = gradients.iter_mut().map(Plain::values_mut).collect();
    let value = Mmcr.value_and_gradients(&matrices, &mut buffers)?;
    let mut loss = &objective.loss + value * weight / world.size() as f64;
    for (z, gradient) in views().zip(&gradients) {
        loss = loss + with_gradient(z, &world.own_rows(&gradient.tensor)?, 0.0) * weight;
    }
    objective.loss = loss;
    Ok(value)
}

/// This process's share of a term that all compute alike.
fn report(objective: &mut Objective, world: &World, name: &'static str, weight: f64, value: f64) {
    term(objective, name, weight, value / world.size() as f64);
}

fn term(objective: &mut Objective, name: &'static str, weight: f64, value: f64) {
    objective.terms.push(Term {
        name,
        weight,
        value: value.into(),
    });
}
