//! Average precision: how well scores put the rows that have a label before those that do not.

use e2mc::MatrixView;

use crate::{Error, MultiLabels, Presence};

/// How precision is summed over recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The area under the steps of the precision-recall curve, `sum_k (R_k - R_(k-1)) P_k` over the
    /// distinct scores, as scikit-learn has it.
    Area,
    /// The mean, over the recalls 0, 0.1, ..., 1, of the greatest precision at that recall or a
    /// higher one: the PASCAL VOC 2007 challenge's.
    ElevenPoint,
}

/// The average precision, from 0 to 1, of scores against who has the label; none if no row has it.
/// Rows of equal score come at once, ignored ones not at all. A score of NaN counts as the lowest.
///
/// # Panics
/// If the lists differ in length.
pub fn average_precision(
    scores: &[f32],
    truth: &[Presence],
    interpolation: Interpolation,
) -> Option<f64> {
    assert_eq!(scores.len(), truth.len(), "one score a row");
    let mut ranked: Vec<(f32, bool)> = scores
        .iter()
        .zip(truth)
        .filter(|(_, presence)| **presence != Presence::Ignored)
        .map(|(&score, &presence)| {
            let score = if score.is_nan() {
                f32::NEG_INFINITY
            } else {
                score
            };
            (score, presence == Presence::Present)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let present = ranked.iter().filter(|(_, present)| *present).count() as f64;
    if present == 0.0 {
        return None;
    }
    // (recall, precision) after each group of equal scores.
    let (mut curve, mut found) = (Vec::new(), 0.0);
    for (i, (score, is_present)) in ranked.iter().enumerate() {
        found += f64::from(u8::from(*is_present));
        if ranked.get(i + 1).is_none_or(|next| next.0 != *score) {
            curve.push((found / present, found / (i + 1) as f64));
        }
    }
    Some(match interpolation {
        Interpolation::Area => {
            let before = std::iter::once(0.0).chain(curve.iter().map(|point| point.0));
            let steps = curve.iter().zip(before);
            steps
                .map(|((recall, precision), before)| (recall - before) * precision)
                .sum()
        }
        Interpolation::ElevenPoint => {
            let at = |tenth: u32| {
                let from = f64::from(tenth) / 10.0 - 1e-12;
                let reached = curve.iter().filter(|(recall, _)| *recall >= from);
                reached.map(|point| point.1).fold(0.0, f64::max)
            };
            (0..=10).map(at).sum::<f64>() / 11.0
        }
    })
}

/// The average precision of each label, none if no row has it, of `scores` `(n, labels)`.
///
/// # Errors
/// [`Error::Length`] if the scores are not one for each row and label.
pub fn average_precisions(
    scores: MatrixView<'_>,
    labels: &MultiLabels,
    interpolation: Interpolation,
) -> Result<Vec<Option<f64>>, Error> {
    for (what, found, expected) in [
        ("matrix of scores", scores.rows(), labels.rows()),
        ("row of scores", scores.cols(), labels.labels()),
    ] {
        if found != expected {
            return Err(Error::Length {
                what,
                found,
                expected,
            });
        }
    }
    let of_label = |label: usize| {
        let column: Vec<f32> = (0..scores.rows())
            .map(|row| scores.row(row)[label])
            .collect();
        average_precision(&column, &labels.column(label), interpolation)
    };
    Ok((0..labels.labels()).map(of_label).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Presence::{Absent, Ignored, Present};

    fn area(scores: &[f32], truth: &[Presence]) -> Option<f64> {
        average_precision(scores, truth, Interpolation::Area)
    }

    #[test]
    fn by_hand() {
        let truth = [Absent, Absent, Present, Present];
        // scikit-learn's example: 0.83
        let found = area(&[0.1, 0.4, 0.35, 0.8], &truth).unwrap();
        assert!((found - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(area(&[0.1, 0.2, 0.3, 0.4], &truth), Some(1.0));
        // All equal: the share of those that have the label.
        assert_eq!(area(&[0.5; 4], &truth), Some(0.5));
        assert_eq!(area(&[0.5; 4], &[Absent; 4]), None);
        // NaN is last.
        let nan = [f32::NAN, 0.4, 0.5, 0.6];
        assert_eq!(area(&nan, &truth), Some(1.0));
    }

    #[test]
    fn ignored_rows_do_not_count() {
        let found = area(&[0.9, 0.8, 0.7, 0.6], &[Ignored, Present, Absent, Present]);
        assert_eq!(found, area(&[0.8, 0.7, 0.6], &[Present, Absent, Present]));
    }

    #[test]
    fn eleven_points_take_the_best_precision_at_a_higher_recall() {
        // Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1: six points at 1, five at 2/3.
        let found = average_precision(
            &[0.9, 0.8, 0.7],
            &[Present, Absent, Present],
            Interpolation::ElevenPoint,
        );
        assert!((found.unwrap() - (6.0 + 5.0 * 2.0 / 3.0) / 11.0).abs() < 1e-12);
    }
}
