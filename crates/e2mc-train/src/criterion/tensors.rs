//! The criteria in tensor operations, for devices that crate `e2mc` does not reach. Statistics are
//! float32; autograd finds the gradients, but for SIGReg, whose graph would hold a matrix a knot.

use std::f64::consts::FRAC_1_SQRT_2;

use tch::{Kind, Tensor};

use e2mc::Transform;
use e2mc::rival::{Sigreg, Space};

use super::{CriterionConfig, Position, Views};
use crate::Error;
use crate::covariance::{off_diagonal_covariance, shared_covariance};
use crate::method::Objective;

/// Adds the criterion's terms to the objective.
pub(super) fn add(
    config: &CriterionConfig,
    objective: &mut Objective,
    views: &Views<'_>,
    position: Position,
) -> Result<(), Error> {
    let Views { full, small, world } = views;
    let count = full.len() as f64;
    if let CriterionConfig::E2mc {
        transform,
        beta,
        gamma,
        epsilon,
    } = *config
    {
        let (mut entropy, mut covariance) = (Vec::new(), Vec::new());
        for z in full {
            let (_, d) = z.size2()?;
            let u = unit(transform.into(), &world.columns(z)?);
            // A mean over own columns becomes own columns' part of the mean over all.
            let own = u.size()[1] as f64 / d as f64;
            entropy.push(match u.numel() {
                0 => u.sum(Kind::Float),
                _ => mean_marginal_entropy(&u, epsilon) * own,
            });
            covariance.push(shared_covariance(&u, d, world)?);
        }
        let sum = |values: &[Tensor]| Tensor::stack(values, 0).sum(Kind::Float);
        objective.add("entropy", -beta, &(sum(&entropy) / count));
        objective.add("hypercovariance", gamma, &sum(&covariance));
        return Ok(());
    }
    // Every process sees all rows and computes the same; the gradients of a row go back to its
    // process.
    let all = |views: &[Tensor]| -> Result<Vec<Tensor>, Error> {
        views.iter().map(|view| world.gather(view)).collect()
    };
    let (views, small) = (all(full)?, all(small)?);
    let mut add = |name, weight, value: &Tensor| -> Result<(), Error> {
        objective.add(name, weight, &world.share(value)?);
        Ok(())
    };
    let sum = |value: &dyn Fn(&Tensor) -> Tensor| {
        let values: Vec<Tensor> = views.iter().map(value).collect();
        Tensor::stack(&values, 0).sum(Kind::Float)
    };
    match *config {
        CriterionConfig::None | CriterionConfig::E2mc { .. } => {}
        CriterionConfig::Vcreg {
            space,
            variance,
            covariance,
        } => {
            let rows = |z: &Tensor| match space.into() {
                Space::Hypersphere => unit_rows(z),
                Space::Projector => z.shallow_clone(),
            };
            let target = |z: &Tensor| match space.into() {
                Space::Hypersphere => 1.0 / (z.size()[1] as f64).sqrt(),
                Space::Projector => 1.0,
            };
            let lack = sum(&|z| lack_of_deviation(&rows(z), target(z))) / count;
            let off_diagonal = sum(&|z| off_diagonal_covariance(&rows(z))) / count;
            add("vcreg_variance", variance, &lack)?;
            add("vcreg_covariance", covariance, &off_diagonal)?;
        }
        CriterionConfig::Uniformity { weight, t } => {
            let mean = sum(&|z| uniformity(z, t)) / count;
            add("uniformity", weight, &mean)?;
        }
        CriterionConfig::Mmcr { weight } => {
            let rows: Vec<Tensor> = views.iter().chain(&small).map(unit_rows).collect();
            let mean = Tensor::stack(&rows, 0).mean_dim([0i64].as_slice(), false, Kind::Float);
            add("mmcr", weight, &mean.f_nuclear_norm(false)?.neg())?;
        }
        CriterionConfig::Sigreg {
            weight,
            slices,
            knots,
            t_max,
        } => {
            let settings = Sigreg {
                slices,
                knots,
                t_max,
            };
            let (_, d) = views[0].size2()?;
            let matrix = position.directions(&settings, d as usize)?.matrix();
            let directions = Tensor::f_from_slice(matrix.data())?
                .f_reshape([slices as i64, d])?
                .f_to_device(views[0].device())?;
            let mean = sum(&|z| sigreg(&settings, z, &directions)) / count;
            add("sigreg", weight, &mean)?;
        }
    }
    Ok(())
}

/// The transform of embeddings to the unit interval.
fn unit(transform: Transform, z: &Tensor) -> Tensor {
    match transform {
        Transform::Sigmoid => z.sigmoid(),
        Transform::Gaussian => ((z * FRAC_1_SQRT_2).erf() + 1.0) * 0.5,
    }
}

/// Rows divided by their length; rows shorter than 1e-12 become zero and get no gradient.
fn unit_rows(z: &Tensor) -> Tensor {
    let length = z.norm_scalaropt_dim(2.0, [1i64].as_slice(), true);
    let short = length.lt(1e-12);
    z.masked_fill(&short, 0.0) / length.masked_fill(&short, 1.0)
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

/// The mean over the columns of what their deviations lack of `target`, as VICReg counts it.
fn lack_of_deviation(x: &Tensor, target: f64) -> Tensor {
    let deviation = (x.var_dim([0i64].as_slice(), true, false) + 1e-4).sqrt();
    (deviation.neg() + target).relu().mean(Kind::Float)
}

/// `log mean_{i < j} exp(-t |x_i - x_j|^2)` of the rows of unit length.
fn uniformity(z: &Tensor, t: f64) -> Tensor {
    let n = z.size()[0];
    let x = unit_rows(z);
    let squares = x
        .square()
        .sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
    let distances = (&squares + squares.tr() - x.matmul(&x.tr()) * 2.0).clamp_min(0.0);
    let own = Tensor::eye(n, (Kind::Bool, z.device()));
    let exponents = (distances * -t).masked_fill(&own, f64::NEG_INFINITY);
    exponents.logsumexp([0i64, 1].as_slice(), false) - ((n * (n - 1)) as f64).ln()
}

/// The Epps-Pulley statistics of the projections on `directions` `(slices, d)`, averaged; see
/// [`e2mc::rival::Sigreg`] for the formula and its gradient.
fn sigreg(settings: &Sigreg, z: &Tensor, directions: &Tensor) -> Tensor {
    let (value, gradient) = tch::no_grad(|| {
        let projections = z.matmul(&directions.tr());
        let n = projections.size()[0] as f64;
        let spacing = settings.t_max / (settings.knots - 1) as f64;
        let mut value = Tensor::zeros([], (Kind::Float, z.device()));
        let mut slopes = projections.zeros_like();
        for knot in 1..settings.knots {
            let t = knot as f64 * spacing;
            let normal = (-0.5 * t * t).exp();
            let width = if knot + 1 == settings.knots { 1.0 } else { 2.0 } * spacing;
            let weight = width * normal;
            let (cos, sin) = ((&projections * t).cos(), (&projections * t).sin());
            let mean = |x: &Tensor| x.mean_dim([0i64].as_slice(), true, Kind::Float);
            let (real, imaginary) = (mean(&cos) - normal, mean(&sin));
            let squares = real.square() + imaginary.square();
            value = value + squares.mean(Kind::Float) * (n * weight);
            let slope = 2.0 * weight * t / settings.slices as f64;
            slopes = slopes + (imaginary * cos - real * sin) * slope;
        }
        (value, slopes.matmul(directions))
    });
    let linear = (z * gradient).sum(Kind::Float);
    &linear - linear.detach() + value
}
