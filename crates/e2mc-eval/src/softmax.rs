//! Softmax cross-entropy on float32 logits.

/// Turns the logits `(n, classes)` of each row into the gradient of its cross-entropy,
/// `softmax(logits) - onehot(label)`, in place, and returns the sum of the rows' cross-entropies.
pub(crate) fn cross_entropy(
    logits: &mut [f32],
    classes: usize,
    labels: impl IntoIterator<Item = usize>,
) -> f64 {
    let mut sum = 0.0;
    for (row, label) in logits.chunks_exact_mut(classes).zip(labels) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let own = row[label] - largest;
        let mut total = 0.0_f32;
        for logit in row.iter_mut() {
            *logit = (*logit - largest).exp();
            total += *logit;
        }
        sum += f64::from(total.ln() - own);
        let scale = total.recip();
        row.iter_mut().for_each(|p| *p *= scale);
        row[label] -= 1.0;
    }
    sum
}

/// The place of the largest value; of equal ones, the first. NaN is never the largest.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] || values[best].is_nan() {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_and_gradient_agree_with_float64() {
        let logits = [0.3, -1.2, 2.0, 88.0, -88.0, 0.0, 5.0, 5.0, 5.0_f32];
        let labels = [2, 1, 0];
        let mut found = logits;
        let sum = cross_entropy(&mut found, 3, labels);
        let mut expected_sum = 0.0;
        for (i, &label) in labels.iter().enumerate() {
            let row: Vec<f64> = logits[3 * i..][..3].iter().map(|&v| f64::from(v)).collect();
            let total: f64 = row.iter().map(|v| (v - row[label]).exp()).sum();
            expected_sum += total.ln();
            for (c, v) in row.iter().enumerate() {
                let p = (v - row[label]).exp() / total - f64::from(u8::from(c == label));
                assert!((f64::from(found[3 * i + c]) - p).abs() < 1e-6);
            }
        }
        assert!((sum - expected_sum).abs() < 1e-5 * expected_sum);
    }

    #[test]
    fn argmax_takes_the_first_of_equals_and_no_nan() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f32::NAN, 1.0, f32::NAN, 2.0]), 3);
        assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), 0);
    }
}
