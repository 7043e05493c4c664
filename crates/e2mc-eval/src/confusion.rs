//! The confusion matrix and the accuracy of each class.

use crate::{Error, check};

/// With more classes no matrix is kept: one label of 99,999 would ask for 80 GB.
const MOST_IN_MATRIX: usize = 1000;

/// How often samples of each class were predicted to be of each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row-major; empty with more than [`MOST_IN_MATRIX`] classes.
    counts: Vec<usize>,
    /// Samples of each class.
    samples: Vec<usize>,
    /// Those of them that were predicted to be of it.
    right: Vec<usize>,
}

impl Confusion {
    /// Counts the predictions of samples whose labels, as the predictions, are below `classes`.
    ///
    /// # Errors
    /// [`Error::Nothing`] without labels; [`Error::Length`] if the lists differ in length; a label
    /// or prediction out of range, or more classes than are supported.
    pub fn of(predictions: &[usize], labels: &[usize], classes: usize) -> Result<Self, Error> {
        crate::accuracy::same_length("list of predictions", predictions, labels)?;
        check::labels(labels, classes, check::TEST)?;
        check::labels(predictions, classes, "predicted")?;
        let keep = classes <= MOST_IN_MATRIX;
        let mut counts = vec![0; if keep { classes * classes } else { 0 }];
        let (mut samples, mut right) = (vec![0; classes], vec![0; classes]);
        for (&prediction, &label) in predictions.iter().zip(labels) {
            samples[label] += 1;
            right[label] += usize::from(prediction == label);
            if keep {
                counts[label * classes + prediction] += 1;
            }
        }
        Ok(Self {
            classes,
            counts,
            samples,
            right,
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Samples of class `label` by predicted class; empty with more than 1000 classes, whose matrix
    /// is not kept.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn row(&self, label: usize) -> &[usize] {
        assert!(label < self.classes, "no class {label}");
        if self.counts.is_empty() {
            return &[];
        }
        &self.counts[label * self.classes..][..self.classes]
    }

    /// The accuracy (fraction) of each class; none for a class without samples.
    pub fn per_class(&self) -> Vec<Option<f64>> {
        let accuracy = |(&samples, &right)| (samples > 0).then(|| right as f64 / samples as f64);
        self.samples.iter().zip(&self.right).map(accuracy).collect()
    }

    /// The mean of the classes' accuracies, over those that have samples: what matters where
    /// classes are uneven.
    pub fn mean_per_class(&self) -> f64 {
        let accuracies: Vec<f64> = self.per_class().into_iter().flatten().collect();
        accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_accuracies_by_hand() {
        let c = Confusion::of(&[0, 1, 1, 2, 0], &[0, 0, 1, 2, 0], 4).unwrap();
        assert_eq!(c.row(0), [2, 1, 0, 0]);
        assert_eq!(c.row(3), [0; 4]);
        let per_class = c.per_class();
        assert_eq!(per_class, [Some(2.0 / 3.0), Some(1.0), Some(1.0), None]);
        assert!((c.mean_per_class() - 8.0 / 9.0).abs() < 1e-15);
    }

    #[test]
    fn many_classes_have_accuracies_but_no_matrix() {
        let c = Confusion::of(&[99_999, 7, 3], &[99_999, 7, 7], 100_000).unwrap();
        assert_eq!((c.row(7).len(), c.classes()), (0, 100_000));
        let per_class = c.per_class();
        assert_eq!(
            (per_class[7], per_class[99_999], per_class[3]),
            (Some(0.5), Some(1.0), None)
        );
        assert_eq!(c.mean_per_class(), 0.75);
    }

    #[test]
    fn bad_input_is_named() {
        let text = |r: Result<Confusion, Error>| r.unwrap_err().to_string();
        assert_eq!(
            text(Confusion::of(&[0], &[3], 3)),
            "test label 3 at row 0 is out of range for 3 classes"
        );
        assert_eq!(
            text(Confusion::of(&[5], &[2], 3)),
            "predicted label 5 at row 0 is out of range for 3 classes"
        );
        assert!(Confusion::of(&[], &[], 3).is_err());
        assert!(Confusion::of(&[0], &[0], usize::MAX).is_err());
    }
}
