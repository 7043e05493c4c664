//! A linear map trained by the criterion, from the identity.
//!
//! Rows are centred and divided by one number, so that their mean variance is 1; the map `W` starts
//! as the identity and minimises over batches `X`
//!
//! ```text
//! gamma covariance(X W^T) - beta entropy(X W^T) + keep mean_ij (cos(y_i, y_j) - cos(x_i, x_j))^2
//! ```
//!
//! by Adam. The first two terms are the criterion of crate `e2mc` under the Gaussian transform,
//! with its analytic gradient. The third keeps neighbours: it is the mean squared change of the
//! cosine similarity of two rows of a batch, which is what neighbours are found by. Neither scale
//! nor rotation costs it anything, so the criterion may turn the axes and spread the rows freely;
//! what costs is to flatten or drop directions that neighbourhoods are made of.
//!
//! Cost: a step takes `2 n d^2` operations for each of two products, and `3 n^2 d` for the
//! similarities, of `n` rows a batch. Products are float32 on fixed blocks: the result depends on
//! the rows, the settings and the seed alone.

use e2mc::{Criterion, Matrix, MatrixView, Transform, Workspace};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::statistics::Statistics;
use crate::diagnostics::rows::{pick, spread_rows};
use crate::product::{Operand, multiply};
use crate::random::{Purpose, Stream};
use crate::standardise::{inverse_norm, unit_length};
use crate::{Error, Rows};

/// Rows of a product that one task computes.
const ROWS: usize = 128;
/// Bytes of the rows that are trained on.
const SAMPLE: usize = 128 << 20;

/// The settings of a map trained by the criterion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learn {
    /// Weight of the mean marginal entropy, at least 0.
    pub beta: f64,
    /// Weight of the covariance, at least 0.
    pub gamma: f64,
    /// Weight of the mean squared change of cosine similarities, at least 0.
    pub keep: f64,
    /// Steps, at least 1.
    pub steps: usize,
    /// Rows a step, at least 2; fewer if there are fewer.
    pub batch: usize,
    /// Adam's, above 0; it falls to 0 along a cosine.
    pub learning_rate: f64,
}

impl Default for Learn {
    /// SwAV's beta and gamma; 300 steps of 1,024 rows at rate 0.01.
    fn default() -> Self {
        Self {
            beta: 1.0,
            gamma: 25.0,
            keep: 1.0,
            steps: 300,
            batch: 1024,
            learning_rate: 0.01,
        }
    }
}

impl Learn {
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |name, value: String, expected| {
            Err(Error::Setting {
                name,
                value,
                expected,
            })
        };
        for (name, value) in [
            ("beta of the trained map", self.beta),
            ("gamma of the trained map", self.gamma),
            ("weight that keeps neighbours", self.keep),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return wrong(name, value.to_string(), "a finite number of at least 0");
            }
        }
        if self.steps == 0 {
            return wrong("steps of the trained map", "0".into(), "at least 1");
        }
        if self.batch < 2 {
            let found = self.batch.to_string();
            return wrong("batch of the trained map", found, "at least 2");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            let found = self.learning_rate.to_string();
            let expected = "a finite number above 0";
            return wrong("learning rate of the trained map", found, expected);
        }
        Ok(())
    }
}

/// The weight `(d, d)` of the trained map, for rows less their mean. Constant dimensions take no
/// part and become 0.
pub(super) fn map(
    statistics: &Statistics,
    rows: &dyn Rows,
    settings: &Learn,
    seed: u64,
) -> Result<Vec<f32>, Error> {
    let deviations = statistics.deviations();
    let live: Vec<usize> = (0..deviations.len())
        .filter(|&dim| deviations[dim] > 0.0)
        .collect();
    let (dims, width) = (deviations.len(), live.len());
    let variance = statistics.mean_variance() * dims as f64 / width as f64;
    let scale = variance.sqrt().recip();
    let rows = centred_sample(statistics, rows, &live, scale, seed)?;
    let trained = train(rows.view(), settings, seed)?;
    let mut weight = vec![0.0; dims * dims];
    for (&out, line) in live.iter().zip(trained.chunks_exact(width)) {
        for (&dim, w) in live.iter().zip(line) {
            weight[out * dims + dim] = (f64::from(*w) * scale) as f32;
        }
    }
    Ok(weight)
}

/// The columns `live` of evenly spread rows, less their mean, times `scale`.
fn centred_sample(
    statistics: &Statistics,
    rows: &dyn Rows,
    live: &[usize],
    scale: f64,
    seed: u64,
) -> Result<Matrix, Error> {
    let dims = statistics.dims();
    let most = (SAMPLE / (4 * dims)).max(1024);
    let wanted = spread_rows(rows.rows(), most, seed);
    let mean = statistics.mean();
    let picked = pick(rows, &wanted)?;
    let centred = picked.data().chunks_exact(dims).flat_map(|row| {
        let centred = |&dim: &usize| ((f64::from(row[dim]) - mean[dim]) * scale) as f32;
        live.iter().map(centred)
    });
    Ok(Matrix::new(centred.collect(), wanted.len(), live.len()).expect("whole rows"))
}

/// Adam on batches drawn without replacement, epoch after epoch.
fn train(rows: MatrixView<'_>, settings: &Learn, seed: u64) -> Result<Vec<f32>, Error> {
    let (n, d) = (rows.rows(), rows.cols());
    let batch = settings.batch.min(n);
    let mut weight = identity(d);
    let mut objective = Objective::new(settings);
    let mut adam = Adam::new(d * d);
    let mut order: Vec<usize> = (0..n).collect();
    let (mut epoch, mut next) = (0, n);
    let mut x = Vec::with_capacity(batch * d);
    for step in 0..settings.steps {
        if next + batch > n {
            Stream::new(seed, Purpose::Order, epoch).shuffle(&mut order);
            (epoch, next) = (epoch + 1, 0);
        }
        x.clear();
        order[next..next + batch]
            .iter()
            .for_each(|&r| x.extend_from_slice(rows.row(r)));
        next += batch;
        let x = MatrixView::new(&x, batch, d).expect("whole rows");
        if objective.evaluate(x, &weight).is_none() {
            return Err(Error::MapDiverged {
                step,
                learning_rate: settings.learning_rate,
            });
        }
        let progress = step as f64 / settings.steps as f64;
        let rate = settings.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        adam.step(&mut weight, &objective.gradient, rate);
    }
    Ok(weight)
}

fn identity(d: usize) -> Vec<f32> {
    let mut weight = vec![0.0; d * d];
    weight.iter_mut().step_by(d + 1).for_each(|w| *w = 1.0);
    weight
}

/// What is minimised, with its gradient with respect to the weight.
struct Objective {
    criterion: Criterion,
    keep: f64,
    workspace: Workspace,
    /// `(d_out, d)`, of the last evaluation.
    gradient: Vec<f32>,
}

impl Objective {
    fn new(settings: &Learn) -> Self {
        Self {
            criterion: Criterion {
                transform: Transform::Gaussian,
                beta: settings.beta,
                gamma: settings.gamma,
                epsilon: Criterion::swav().epsilon,
            },
            keep: settings.keep,
            workspace: Workspace::new(),
            gradient: Vec::new(),
        }
    }

    /// The value for the rows `x` `(n, d)` under `weight` `(d, d)`; none once it is not finite.
    fn evaluate(&mut self, x: MatrixView<'_>, weight: &[f32]) -> Option<f64> {
        let (n, d) = (x.rows(), x.cols());
        let y = product(x.data(), d, Operand::new(weight, d, d).transposed());
        let y = MatrixView::new(&y, n, d).expect("whole rows");
        let mut of_y = vec![0.0; n * d];
        let criterion = &self.criterion;
        let found = criterion.value_and_gradient_in(y, &mut of_y, &mut self.workspace);
        let mut value = found.ok()?.loss;
        if self.keep > 0.0 {
            value += self.keep * change_of_cosines(x, y, self.keep, &mut of_y);
        }
        // dL/dW = (dL/dy)^T x
        let mut turned = vec![0.0; n * d];
        turned
            .par_chunks_mut(n)
            .enumerate()
            .for_each(|(column, line)| {
                let values = of_y.iter().skip(column).step_by(d);
                line.iter_mut()
                    .zip(values)
                    .for_each(|(out, value)| *out = *value);
            });
        self.gradient = product(&turned, n, Operand::new(x.data(), n, d));
        value.is_finite().then_some(value)
    }
}

/// The mean squared difference of the cosine similarities of all pairs of rows of `y` and of `x`;
/// adds `weight` times its gradient with respect to `y` to `gradient`.
fn change_of_cosines(
    x: MatrixView<'_>,
    y: MatrixView<'_>,
    weight: f64,
    gradient: &mut [f32],
) -> f64 {
    let (n, d) = (x.rows(), x.cols());
    let (of_x, of_y) = (unit_length(x), unit_length(y));
    let (unit_x, unit_y) = (of_x.data(), of_y.data());
    let all = |unit| Operand::new(unit, n, d);
    let pairs = (n * n) as f64;
    let parts: Vec<f64> = gradient
        .par_chunks_mut(ROWS * d)
        .enumerate()
        .map(|(part, gradient)| {
            let count = gradient.len() / d;
            let first = part * ROWS;
            let range = first * d..(first + count) * d;
            let here = |unit| Operand::new(unit, count, d);
            let mut change = vec![0.0; count * n];
            let mut before = vec![0.0; count * n];
            multiply(
                &mut change,
                here(&unit_y[range.clone()]),
                all(unit_y).transposed(),
            );
            multiply(
                &mut before,
                here(&unit_x[range.clone()]),
                all(unit_x).transposed(),
            );
            let mut sum = 0.0;
            for (change, before) in change.iter_mut().zip(before) {
                *change -= before;
                sum += f64::from(*change).powi(2);
            }
            // With respect to the unit rows; a row's length changes nothing, so what lies along it
            // goes.
            let mut of_unit = vec![0.0; count * d];
            multiply(&mut of_unit, Operand::new(&change, count, n), all(unit_y));
            for (row, of_unit) in of_unit.chunks_exact(d).enumerate() {
                let unit = &unit_y[range.clone()][row * d..][..d];
                let along: f32 = of_unit.iter().zip(unit).map(|(g, u)| g * u).sum();
                let scale = 4.0 * weight / pairs * inverse_norm(y.row(first + row));
                let out = gradient[row * d..][..d].iter_mut();
                for (out, (g, u)) in out.zip(of_unit.iter().zip(unit)) {
                    *out += (scale * f64::from(g - along * u)) as f32;
                }
            }
            sum
        })
        .collect();
    parts.iter().sum::<f64>() / pairs
}

/// `left * right`, the left factor row-major with `inner` columns.
fn product(left: &[f32], inner: usize, right: Operand<'_>) -> Vec<f32> {
    let cols = right.cols();
    let mut out = vec![0.0; left.len() / inner * cols];
    out.par_chunks_mut(ROWS * cols)
        .zip(left.par_chunks(ROWS * inner))
        .for_each(|(out, left)| {
            multiply(out, Operand::new(left, left.len() / inner, inner), right);
        });
    out
}

/// Adam (Kingma and Ba 2015) with its usual decays, 0.9 and 0.999.
struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    fn new(len: usize) -> Self {
        Self {
            first: vec![0.0; len],
            second: vec![0.0; len],
            steps: 0,
        }
    }

    fn step(&mut self, weight: &mut [f32], gradient: &[f32], rate: f64) {
        const DECAY: (f32, f32) = (0.9, 0.999);
        const EPSILON: f32 = 1e-8;
        self.steps += 1;
        let unbiased = |decay: f32| 1.0 - f64::from(decay).powi(self.steps);
        let scale = (rate / unbiased(DECAY.0)) as f32;
        let root = unbiased(DECAY.1).sqrt().recip() as f32;
        weight
            .par_iter_mut()
            .with_min_len(4096)
            .zip(gradient)
            .zip(&mut self.first)
            .zip(&mut self.second)
            .for_each(|(((w, g), first), second)| {
                *first = DECAY.0 * *first + (1.0 - DECAY.0) * g;
                *second = DECAY.1 * *second + (1.0 - DECAY.1) * g * g;
                *w -= scale * *first / (root * second.sqrt() + EPSILON);
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, in_pool};

    /// Correlated rows of uneven strength, far from normal, of mean variance about 1.
    fn rows(n: usize, d: usize) -> Matrix {
        let mut random = SplitMix(3);
        let data = (0..n)
            .flat_map(|_| {
                let common = random.normal();
                (0..d)
                    .map(|j| {
                        let own = random.normal();
                        let strength = 1.6 * 0.8_f32.powi(j as i32);
                        strength * (0.7 * common + 0.5 * own + 0.2 * own * own - 0.2)
                    })
                    .collect::<Vec<f32>>()
            })
            .collect();
        Matrix::new(data, n, d).unwrap()
    }

    fn settings(keep: f64) -> Learn {
        Learn {
            keep,
            ..Learn::default()
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let x = rows(2000, 5);
        let mut random = SplitMix(9);
        let weight: Vec<f32> = identity(5)
            .iter()
            .map(|w| w + 0.2 * random.normal())
            .collect();
        // Where two rows change their order the entropy has a kink: differences see only its
        // average.
        let cases = [
            (0.0, 0.0, 1.0, 0.01),
            (0.0, 250.0, 0.0, 0.01),
            (1.0, 0.0, 0.0, 0.1),
            (1.0, 250.0, 3.0, 0.03),
        ];
        for (beta, gamma, keep, tolerance) in cases {
            let mut objective = Objective::new(&Learn {
                beta,
                gamma,
                ..settings(keep)
            });
            objective.evaluate(x.view(), &weight).unwrap();
            let gradient = objective.gradient.clone();
            for _ in 0..6 {
                let direction: Vec<f32> = (0..25).map(|_| random.normal()).collect();
                let mut at = |step: f32| {
                    let moved = weight.iter().zip(&direction);
                    let moved: Vec<f32> = moved.map(|(w, d)| w + step * d).collect();
                    objective.evaluate(x.view(), &moved).unwrap()
                };
                let step = 2e-3;
                let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
                let products = gradient.iter().zip(&direction);
                let found: f64 = products.map(|(g, d)| f64::from(g * d)).sum();
                // What a random direction of that length sees of a gradient of that length.
                let length = |v: &[f32]| v.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
                let scale = (length(&gradient) * length(&direction) / 25.0).sqrt();
                assert!(
                    (found - slope).abs() < tolerance * scale,
                    "beta {beta}, gamma {gamma}, keep {keep}: {found}, {slope} by differences"
                );
            }
        }
    }

    #[test]
    fn the_change_of_cosines_is_that_of_all_pairs_and_none_for_a_rotation() {
        let x = rows(150, 3);
        let (sin, cos) = 0.7_f32.sin_cos();
        let turned = |x: &Matrix, stretch: f32| {
            let data = x.data().chunks(3).flat_map(|r| {
                [
                    2.0 * (cos * r[0] - sin * r[1]),
                    2.0 * (sin * r[0] + cos * r[1]),
                    2.0 * stretch * r[2],
                ]
            });
            Matrix::new(data.collect(), 150, 3).unwrap()
        };
        let mut gradient = vec![0.0; 450];
        let same = turned(&x, 1.0);
        let value = change_of_cosines(x.view(), same.view(), 1.0, &mut gradient);
        assert!(value < 1e-12 && gradient.iter().all(|g| g.abs() < 1e-6));
        let other = turned(&x, 3.0);
        let value = change_of_cosines(x.view(), other.view(), 1.0, &mut gradient);
        let cosine = |z: &Matrix, i: usize, j: usize| {
            let dot = |a: usize, b: usize| -> f64 {
                let pairs = z.view().row(a).iter().zip(z.view().row(b));
                pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            dot(i, j) / (dot(i, i) * dot(j, j)).sqrt()
        };
        let slow: f64 = (0..150 * 150)
            .map(|ij| (cosine(&other, ij / 150, ij % 150) - cosine(&x, ij / 150, ij % 150)).powi(2))
            .sum::<f64>()
            / 22_500.0;
        assert!((value - slow).abs() < 1e-5 * slow, "{value} {slow}");
    }

    /// The objective and the criterion's value before and after training on 1,500 rows.
    fn trained(learn: &Learn) -> [(f64, e2mc::Value); 2] {
        let x = rows(1500, 8);
        let weight = train(x.view(), learn, 1).unwrap();
        [identity(8), weight].map(|weight| {
            let mut objective = Objective::new(learn);
            let value = objective.evaluate(x.view(), &weight).unwrap();
            let y = product(x.data(), 8, Operand::new(&weight, 8, 8).transposed());
            let y = Matrix::new(y, 1500, 8).unwrap();
            (value, objective.criterion.value(y.view()).unwrap())
        })
    }

    #[test]
    fn training_lowers_the_objective_and_each_term_alone_does_its_part() {
        let learn = Learn {
            gamma: 250.0,
            steps: 120,
            batch: 256,
            ..Learn::default()
        };
        let [(before, old), (after, new)] = trained(&learn);
        assert!(after < before - 0.3, "{before} to {after}");
        let (old, new) = (old.covariance, new.covariance);
        assert!(new < 0.2 * old, "covariance {old} to {new}");
        let alone = Learn {
            gamma: 0.0,
            keep: 0.0,
            ..learn
        };
        let [(_, old), (_, new)] = trained(&alone);
        let (old, new) = (old.entropy, new.entropy);
        assert!(new > old + 0.05, "entropy {old} to {new}");
    }

    #[test]
    fn a_heavier_weight_keeps_more_of_the_neighbours() {
        let x = rows(600, 6);
        let change = |keep| {
            let learn = Learn {
                steps: 80,
                batch: 200,
                ..settings(keep)
            };
            let weight = train(x.view(), &learn, 1).unwrap();
            let y = product(x.data(), 6, Operand::new(&weight, 6, 6).transposed());
            let y = Matrix::new(y, 600, 6).unwrap();
            change_of_cosines(x.view(), y.view(), 0.0, &mut vec![0.0; 3600])
        };
        let (free, held) = (change(0.0), change(100.0));
        assert!(held < 0.25 * free, "{free} {held}");
    }

    #[test]
    fn the_number_of_threads_changes_nothing_and_bad_settings_are_named() {
        let x = rows(500, 5);
        let learn = Learn {
            steps: 10,
            batch: 300,
            ..Learn::default()
        };
        let run = |threads| in_pool(threads, || train(x.view(), &learn, 4).unwrap());
        assert_eq!(run(1), run(3));
        let wild = Learn {
            learning_rate: 1e300,
            ..learn
        };
        assert!(matches!(
            train(x.view(), &wild, 4),
            Err(Error::MapDiverged { .. })
        ));
        let bad = Learn { batch: 1, ..learn };
        assert_eq!(
            bad.check().unwrap_err().to_string(),
            "batch of the trained map is 1, expected at least 2"
        );
        assert!(
            Learn {
                keep: -1.0,
                ..learn
            }
            .check()
            .is_err()
        );
    }
}
