//! Accuracies, what they are over several seeds, and how far two of them differ beyond chance.

use e2mc::MatrixView;

use crate::softmax::argmax;
use crate::{Error, check};

/// Top-1 accuracy, as a fraction from 0 to 1: how many predictions equal their label.
///
/// # Errors
/// [`Error::Nothing`] without labels; [`Error::Length`] if the lists differ in length.
pub fn top1(predictions: &[usize], labels: &[usize]) -> Result<f64, Error> {
    same_length("list of predictions", predictions, labels)?;
    let right = predictions
        .iter()
        .zip(labels)
        .filter(|(p, l)| p == l)
        .count();
    Ok(right as f64 / labels.len() as f64)
}

/// The class of the greatest score in each row of `scores` `(n, classes)`; of equal scores, the
/// lower class.
pub fn predictions(scores: MatrixView<'_>) -> Vec<usize> {
    (0..scores.rows())
        .map(|row| argmax(scores.row(row)))
        .collect()
}

/// Top-k accuracy, as a fraction from 0 to 1: how many labels are among the `k` classes of greatest
/// score; of equal scores, the lower class comes first. A class of score minus infinity, which the
/// classifier cannot predict, is never among them. With `k = 1` this is [`top1`] of the largest
/// scores.
///
/// # Errors
/// [`Error::Nothing`] without labels; [`Error::Length`] if there are not as many rows of scores; a
/// label that is no column.
pub fn top_k(scores: MatrixView<'_>, labels: &[usize], k: usize) -> Result<f64, Error> {
    if labels.is_empty() {
        return Err(Error::Nothing {
            what: "label to compare with",
        });
    }
    if scores.rows() != labels.len() {
        return Err(Error::Length {
            what: "matrix of scores",
            found: scores.rows(),
            expected: labels.len(),
        });
    }
    check::labels(labels, scores.cols(), check::TEST)?;
    let right = labels.iter().enumerate().filter(|&(row, &label)| {
        let scores = scores.row(row);
        let own = scores[label];
        let before = scores.iter().enumerate();
        let before = before.filter(|&(class, &s)| s > own || (s == own && class < label));
        own > f32::NEG_INFINITY && before.count() < k
    });
    Ok(right.count() as f64 / labels.len() as f64)
}

/// A mean and how uncertain it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The standard error of the mean, `s / sqrt(n)` with `s^2 = sum (x - mean)^2 / (n - 1)`; none
    /// for a single value.
    pub standard_error: Option<f64>,
    /// The number of values `n`, at least 1.
    pub count: usize,
}

impl Estimate {
    /// The mean of `values`, one for each seed, and its standard error.
    ///
    /// # Errors
    /// [`Error::Nothing`] if there are no values.
    pub fn of(values: &[f64]) -> Result<Self, Error> {
        if values.is_empty() {
            return Err(Error::Nothing {
                what: "value to average",
            });
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let standard_error = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            (squares / (n - 1.0) / n).sqrt()
        });
        Ok(Self {
            mean,
            standard_error,
            count: values.len(),
        })
    }

    /// The mean of `after - before`, paired seed by seed, and its standard error: what both have in
    /// common from a seed (the subset, the initial weights) cancels.
    ///
    /// # Errors
    /// [`Error::Nothing`] if there are no values; [`Error::Length`] if the lists differ in length.
    pub fn of_difference(before: &[f64], after: &[f64]) -> Result<Self, Error> {
        if before.len() != after.len() {
            let (found, expected) = (after.len(), before.len());
            return Err(Error::Length {
                what: "second list of values",
                found,
                expected,
            });
        }
        let differences: Vec<f64> = before.iter().zip(after).map(|(b, a)| a - b).collect();
        Self::of(&differences)
    }
}

/// How far accuracy fell between two models that were evaluated on the same samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDrop {
    /// Accuracy before minus accuracy after, from -1 to 1; positive if it fell.
    pub drop: f64,
    /// The standard error of `drop` if the models were equally good (McNemar's):
    /// `sqrt(lost + gained) / n`.
    pub standard_error: f64,
    /// Samples right before and wrong after.
    pub lost: usize,
    /// Samples wrong before and right after.
    pub gained: usize,
    /// The number of samples `n`.
    pub count: usize,
}

impl PairedDrop {
    /// The drop in standard errors, `(lost - gained) / sqrt(lost + gained)`: the signed root of
    /// McNemar's statistic without continuity correction. 0 if no sample changed sides.
    pub fn z(&self) -> f64 {
        if self.lost + self.gained == 0 {
            0.0
        } else {
            self.drop / self.standard_error
        }
    }
}

/// Compares two lists of predictions for the same samples. Only the discordant samples, on which
/// one is right and the other wrong, carry information; the many that both get right add no noise.
///
/// # Errors
/// [`Error::Nothing`] without labels; [`Error::Length`] if the lists differ in length.
pub fn paired_drop(
    before: &[usize],
    after: &[usize],
    labels: &[usize],
) -> Result<PairedDrop, Error> {
    same_length("list of predictions before", before, labels)?;
    same_length("list of predictions after", after, labels)?;
    let discordant = |right: &[usize], wrong: &[usize]| {
        let rows = right.iter().zip(wrong).zip(labels);
        rows.filter(|((r, w), l)| r == l && w != l).count()
    };
    let (lost, gained) = (discordant(before, after), discordant(after, before));
    let n = labels.len() as f64;
    Ok(PairedDrop {
        drop: (lost as f64 - gained as f64) / n,
        standard_error: ((lost + gained) as f64).sqrt() / n,
        lost,
        gained,
        count: labels.len(),
    })
}

pub(crate) fn same_length(
    what: &'static str,
    list: &[usize],
    labels: &[usize],
) -> Result<(), Error> {
    if list.len() != labels.len() {
        return Err(Error::Length {
            what,
            found: list.len(),
            expected: labels.len(),
        });
    }
    if labels.is_empty() {
        return Err(Error::Nothing {
            what: "label to compare with",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    #[test]
    fn top1_counts_equal_labels() {
        assert_eq!(top1(&[1, 2, 3, 4], &[1, 0, 3, 0]).unwrap(), 0.5);
        assert_eq!(top1(&[7], &[7]).unwrap(), 1.0);
    }

    #[test]
    fn top_k_ranks_ties_by_class_and_never_counts_what_cannot_be_predicted() {
        let low = f32::NEG_INFINITY;
        let scores = [0.1, 0.5, 0.5, 0.2, low, 1.0, low, 0.0];
        let scores = MatrixView::new(&scores, 2, 4).unwrap();
        let at = |labels: [usize; 2], k| top_k(scores, &labels, k).unwrap();
        assert_eq!(
            (at([1, 1], 1), at([2, 1], 1), at([2, 1], 2)),
            (1.0, 0.5, 1.0)
        );
        assert_eq!((at([0, 3], 2), at([0, 3], 4)), (0.5, 1.0));
        assert_eq!(at([1, 0], 4), 0.5);
        assert!(top_k(scores, &[0, 4], 1).is_err());
        assert!(top_k(scores, &[0], 1).is_err());
    }

    #[test]
    fn mean_and_standard_error_over_seeds() {
        let e = Estimate::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((e.mean, e.count), (5.0, 8));
        // squares sum to 32; 32 / 7 / 8
        assert!((e.standard_error.unwrap() - (4.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        let single = Estimate::of(&[0.25]).unwrap();
        assert_eq!((single.mean, single.standard_error), (0.25, None));
    }

    #[test]
    fn a_paired_difference_cancels_what_the_seeds_share() {
        let before = [0.10, 0.50, 0.90];
        let after = [0.11, 0.52, 0.93];
        let paired = Estimate::of_difference(&before, &after).unwrap();
        assert!((paired.mean - 0.02).abs() < 1e-12);
        assert!((paired.standard_error.unwrap() - 0.01 / 3.0_f64.sqrt()).abs() < 1e-12);
        let reversed = Estimate::of_difference(&after, &before).unwrap();
        assert!((reversed.mean + paired.mean).abs() < 1e-15);
    }

    #[test]
    fn a_drop_agrees_with_the_golden_mcnemar_test() {
        let read = |name| crate::read_labels(golden(name)).unwrap();
        let (base, new, labels) = (
            read("paired_base.npy"),
            read("paired_new.npy"),
            read("paired_label.npy"),
        );
        let d = paired_drop(&base, &new, &labels).unwrap();
        assert_eq!((d.lost, d.gained, d.count), (0, 77, 4000));
        assert!((d.z().powi(2) - 77.0).abs() < 1e-9 && d.z() < 0.0);
        assert!((d.drop + 0.01925).abs() < 1e-15);
        let difference = top1(&base, &labels).unwrap() - top1(&new, &labels).unwrap();
        assert!((d.drop - difference).abs() < 1e-12);
    }

    #[test]
    fn a_drop_of_both_signs_counts_what_changed_sides() {
        // right-right, lost, gained, lost, wrong-wrong
        let d = paired_drop(&[0, 0, 1, 0, 1], &[0, 1, 0, 2, 2], &[0; 5]).unwrap();
        assert_eq!((d.lost, d.gained), (2, 1));
        assert!((d.drop - 0.2).abs() < 1e-15);
        assert!((d.standard_error - 3.0_f64.sqrt() / 5.0).abs() < 1e-15);
        assert!((d.z() - 1.0 / 3.0_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn no_change_is_no_drop_and_no_noise() {
        let d = paired_drop(&[0, 1], &[0, 2], &[0, 0]).unwrap();
        assert_eq!((d.drop, d.standard_error, d.z()), (0.0, 0.0, 0.0));
    }

    #[test]
    fn the_standard_error_is_the_spread_of_drops_between_equal_models() {
        // Each of 400 samples changes sides with probability 0.2, either way as often.
        let mut random = crate::testing::SplitMix(5);
        let labels = [1; 400];
        let drops: Vec<PairedDrop> = (0..2000)
            .map(|_| {
                let pairs: Vec<(usize, usize)> = (0..400)
                    .map(|_| match random.next() % 10 {
                        0 => (1, 0),
                        1 => (0, 1),
                        _ => (1, 1),
                    })
                    .collect();
                let (before, after): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
                paired_drop(&before, &after, &labels).unwrap()
            })
            .collect();
        let z: Vec<f64> = drops.iter().map(PairedDrop::z).collect();
        let variance = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
        assert!((variance - 1.0).abs() < 0.1, "{variance}");
    }

    #[test]
    fn bad_input_is_named() {
        let text = |e: Error| e.to_string();
        assert_eq!(
            text(top1(&[1], &[1, 2]).unwrap_err()),
            "list of predictions has 1 entries, expected 2"
        );
        assert_eq!(
            text(top1(&[], &[]).unwrap_err()),
            "no label to compare with given, expected at least 1"
        );
        assert_eq!(
            text(paired_drop(&[1], &[1, 2], &[1]).unwrap_err()),
            "list of predictions after has 2 entries, expected 1"
        );
        assert_eq!(
            text(Estimate::of_difference(&[0.5], &[]).unwrap_err()),
            "second list of values has 0 entries, expected 1"
        );
        assert_eq!(
            text(Estimate::of(&[]).unwrap_err()),
            "no value to average given, expected at least 1"
        );
    }
}
