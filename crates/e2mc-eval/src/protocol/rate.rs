//! Whether the SGD probe's learning rate suits the features: another rate is tried on held-out rows
//! of the training subset. Test rows take no part.

use e2mc_record::percent;
use rayon::prelude::*;

use super::{Error, Labelled, rows_of};
use crate::folds::stratified;
use crate::{LinearConfig, Probe};

/// Rates that are tried, as multiples of the probe's own.
const FACTORS: [f64; 2] = [0.1, 10.0];
/// Parts that a subset is split into; each can be held out once.
const FOLDS: usize = 5;
/// Folds are held out until so many rows have been predicted: a small subset needs all of them.
const ENOUGH_ROWS: usize = 1000;
/// Larger subsets are not checked: a fit would take as long as the probe's own, and so many steps
/// converge.
const MOST_ROWS: usize = 50_000;
/// Standard errors that a gain has to exceed: two-sided 5 %, shared by both rates.
const CRITICAL: f64 = 2.24;

/// What another rate gains on held-out rows of the training subset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateGain {
    /// The probe's own rate, for a batch of 256.
    pub own: f64,
    /// The better one.
    pub better: f64,
    /// In percentage points of accuracy.
    pub gain: f64,
    /// Its standard error, by the held-out rows.
    pub error: f64,
    /// Held-out rows.
    pub rows: usize,
}

impl RateGain {
    /// The warning.
    pub fn warning(&self, fraction: f64) -> String {
        let Self {
            own,
            better,
            gain,
            error,
            rows,
        } = self;
        format!(
            "sgd fits on {} % of the labels use a rate that does not suit these features: {better} \
             instead of {own} gains {gain:.1} ± {error:.1} points on {rows} held-out rows of the \
             training subset",
            percent(fraction)
        )
    }
}

/// The rate among a tenth and ten times the probe's own that gains the most on held-out rows of the
/// subset `indices`, if that is more than the noise of those rows. None if rows are too few to
/// hold out, or more than 50,000.
///
/// # Errors
/// As [`Probe::fit`] at the probe's own rate. Another rate that fails gains nothing.
pub fn better_rate(
    data: &Labelled,
    indices: &[usize],
    config: &LinearConfig,
    seed: u64,
) -> Result<Option<RateGain>, Error> {
    let labels: Vec<usize> = indices.iter().map(|&i| data.train_labels[i]).collect();
    if indices.len() > MOST_ROWS {
        return Ok(None);
    }
    let Ok(fold_of_row) = stratified(&labels, data.classes, FOLDS, seed) else {
        return Ok(None);
    };
    let folds = ENOUGH_ROWS
        .div_ceil(indices.len().div_ceil(FOLDS))
        .min(FOLDS);
    let own = right(data, indices, (&fold_of_row, folds), config, seed)?;
    let gains = FACTORS.par_iter().map(|factor| {
        let config = LinearConfig {
            learning_rate: config.learning_rate * factor,
            ..config.clone()
        };
        let other = right(data, indices, (&fold_of_row, folds), &config, seed).ok()?;
        let (gain, error) = mean_difference(&other, &own);
        Some(RateGain {
            own: config.learning_rate / factor,
            better: config.learning_rate,
            gain: 100.0 * gain,
            error: 100.0 * error,
            rows: own.len(),
        })
    });
    let gains: Vec<RateGain> = gains.collect::<Vec<_>>().into_iter().flatten().collect();
    let best = gains.into_iter().max_by(|a, b| a.gain.total_cmp(&b.gain));
    Ok(best.filter(|best| best.gain > CRITICAL * best.error))
}

/// Whether each held-out row is predicted rightly, fold by fold.
fn right(
    data: &Labelled,
    indices: &[usize],
    (fold_of_row, folds): (&[u32], usize),
    config: &LinearConfig,
    seed: u64,
) -> Result<Vec<bool>, Error> {
    let probe = Probe::Sgd(config.clone());
    let by_fold: Vec<Result<Vec<bool>, Error>> = (0..folds as u32)
        .into_par_iter()
        .map(|held_out| {
            let rows_where = |held: bool| -> Vec<usize> {
                let rows = indices.iter().zip(fold_of_row);
                let rows = rows.filter(|&(_, &fold)| (fold == held_out) == held);
                rows.map(|(&row, _)| row).collect()
            };
            let (learn, judge) = (rows_where(false), rows_where(true));
            let labels_of = |rows: &[usize]| -> Vec<usize> {
                rows.iter().map(|&row| data.train_labels[row]).collect()
            };
            let predictions = probe
                .fit_predict(
                    rows_of(data.train.view(), &learn).view(),
                    &labels_of(&learn),
                    rows_of(data.train.view(), &judge).view(),
                    data.classes,
                    seed,
                )?
                .predictions;
            let pairs = predictions.into_iter().zip(labels_of(&judge));
            Ok(pairs.map(|(found, label)| found == label).collect())
        })
        .collect();
    let by_fold = by_fold.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(by_fold.concat())
}

/// Mean and standard error of the paired difference, as fractions.
fn mean_difference(other: &[bool], own: &[bool]) -> (f64, f64) {
    let rows = own.len() as f64;
    let differences = other.iter().zip(own);
    let differences = differences.map(|(&other, &own)| f64::from(other) - f64::from(own));
    let (sum, squares) = differences.fold((0.0, 0.0), |(sum, squares), difference| {
        (sum + difference, squares + difference * difference)
    });
    let mean = sum / rows;
    (
        mean,
        ((squares / rows - mean * mean).max(0.0) / rows).sqrt(),
    )
}

#[cfg(test)]
mod tests {
    use e2mc::Matrix;

    use super::*;
    use crate::random::{Purpose, Stream};

    /// Eight classes of 60 rows each, about corners of a cube of the given half width, and a fourth
    /// dimension of noise with unit variance: a narrow cube needs large weights, so a high rate.
    fn cube(half: f32) -> Labelled {
        let (rows, dims) = (480, 4);
        let mut values = vec![0.0; rows * dims];
        Stream::new(3, Purpose::Weights, 0).fill_normal(&mut values, 1.0);
        let labels: Vec<usize> = (0..rows).map(|row| row % 8).collect();
        for (place, value) in values.iter_mut().enumerate() {
            let dim = place % dims;
            if dim < 3 {
                let up = labels[place / dims] >> dim & 1 == 1;
                *value = half * (0.4 * *value + if up { 1.0 } else { -1.0 });
            }
        }
        let train = Matrix::new(values, rows, dims).unwrap();
        Labelled {
            test: train.clone(),
            test_labels: labels.clone(),
            train,
            train_labels: labels,
            classes: 8,
        }
    }

    fn found(half: f32, learning_rate: f64) -> Option<RateGain> {
        let data = cube(half);
        let indices: Vec<usize> = (0..480).collect();
        let config = LinearConfig {
            learning_rate,
            epochs: 20,
            ..LinearConfig::default()
        };
        better_rate(&data, &indices, &config, 1).unwrap()
    }

    #[test]
    fn a_rate_that_is_too_low_for_small_features_is_found() {
        let gain = found(0.1, 0.2).unwrap();
        assert_eq!((gain.own, gain.better, gain.rows), (0.2, 2.0, 480));
        assert!(
            gain.gain > 5.0 && gain.gain > CRITICAL * gain.error,
            "{gain:?}"
        );
        let warning = gain.warning(0.01);
        assert!(warning.contains("on 1 % of the labels"), "{warning}");
        assert!(warning.contains("2 instead of 0.2 gains"), "{warning}");
    }

    #[test]
    fn a_rate_that_suits_is_not_warned_of() {
        assert_eq!(found(1.0, 0.3), None);
    }

    #[test]
    fn rows_without_a_second_of_their_class_are_not_held_out() {
        let mut data = cube(1.0);
        data.train_labels = (0..480).map(|row| row.min(7)).collect();
        let gain = better_rate(&data, &[0, 1, 2, 3], &LinearConfig::default(), 1).unwrap();
        assert_eq!(gain, None);
    }

    #[test]
    fn the_standard_error_is_that_of_paired_rows() {
        let other = [true, true, false, true];
        let own = [true, false, false, false];
        let (mean, error) = mean_difference(&other, &own);
        assert_eq!((mean, error), (0.5, (0.25f64 / 4.0).sqrt()));
    }
}
