//! Parity with the authors' public PyTorch code, on the cases of `tests/golden`.

use e2mc::{Criterion, MatrixView, Transform};
use safetensors::SafeTensors;
use serde_json::Value as Json;
use std::path::Path;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// One stored case: its coefficients, its input, and what is expected of it.
struct Case {
    name: String,
    criterion: Criterion,
    bytes: Vec<u8>,
}

impl Case {
    fn tensor(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        let view = file.tensor(name).expect("a stored tensor");
        let values = view.data().chunks_exact(4);
        let values = values.map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")));
        (view.shape().to_vec(), values.collect())
    }

    fn scalar(&self, name: &str) -> f64 {
        f64::from(self.tensor(name).1[0])
    }

    fn evaluate(&self, beta: f64, gamma: f64) -> (e2mc::Value, Vec<f32>) {
        let (shape, z) = self.tensor("z");
        let mut gradient = vec![f32::NAN; z.len()];
        let view = MatrixView::new(&z, shape[0], shape[1]).expect("a matrix");
        let criterion = Criterion {
            beta,
            gamma,
            ..self.criterion
        };
        let value = criterion
            .value_and_gradient(view, &mut gradient)
            .expect("a value");
        (value, gradient)
    }
}

fn cases() -> Vec<Case> {
    let list = std::fs::read_to_string(Path::new(FOLDER).join("cases.json")).expect("cases.json");
    let list: serde_json::Map<String, Json> = serde_json::from_str(&list).expect("valid JSON");
    assert_eq!(list.len(), 8);
    list.into_iter()
        .map(|(name, case)| {
            let number = |key: &str| case[key].as_f64().expect("a number");
            let criterion = Criterion {
                transform: match case["transform"].as_str() {
                    Some("sigmoid") => Transform::Sigmoid,
                    Some("gaussian") => Transform::Gaussian,
                    other => panic!("unknown transform {other:?}"),
                },
                beta: number("beta"),
                gamma: number("gamma"),
                epsilon: number("epsilon") as f32,
            };
            let path = Path::new(FOLDER).join(format!("{name}.safetensors"));
            Case {
                bytes: std::fs::read(path).expect("the case's file"),
                criterion,
                name,
            }
        })
        .collect()
}

#[track_caller]
fn assert_close(name: &str, what: &str, found: f64, expected: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-5 * expected.abs(),
        "{name}: {what} is {found}, expected {expected}"
    );
}

#[track_caller]
fn assert_gradient(name: &str, what: &str, found: &[f32], expected: &[f32]) {
    let scale = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let error = found
        .iter()
        .zip(expected)
        .fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(
        found.iter().all(|v| v.is_finite()),
        "{name}: {what} is not finite"
    );
    assert!(
        error <= 1e-4 * scale,
        "{name}: {what} is off by {error} of {scale}"
    );
}

#[test]
fn values_agree() {
    for case in cases() {
        let (value, _) = case.evaluate(case.criterion.beta, case.criterion.gamma);
        for (what, found) in [
            ("entropy", value.entropy),
            ("covariance", value.covariance),
            ("loss", value.loss),
        ] {
            assert_close(&case.name, what, found, case.scalar(what));
        }
        let (_, expected) = case.tensor("marginal_entropy");
        assert_eq!(value.marginal_entropy.len(), expected.len());
        for (found, expected) in value.marginal_entropy.iter().zip(expected) {
            // A marginal near 0 is a sum of logarithms that cancel: what is left of it is rounding.
            let (found, expected) = (f64::from(*found), f64::from(expected));
            let error = (found - expected).abs();
            assert!(
                error <= 1e-5 * expected.abs().max(0.01),
                "{}: {found} {expected}",
                case.name
            );
        }
    }
}

#[test]
fn gradients_agree() {
    for case in cases()
        .iter()
        .filter(|case| !case.name.starts_with("degenerate"))
    {
        let Criterion { beta, gamma, .. } = case.criterion;
        // Entropy itself goes up with -beta, so its own gradient is that of beta = -1.
        for (what, beta, gamma) in [
            ("grad_loss", beta, gamma),
            ("grad_entropy", -1.0, 0.0),
            ("grad_covariance", 0.0, 1.0),
        ] {
            let (_, gradient) = case.evaluate(beta, gamma);
            assert_gradient(&case.name, what, &gradient, &case.tensor(what).1);
        }
    }
}

/// Where values are equal the gradient may be dealt out in any order, so groups of equal values are
/// compared as sets. In a saturated column most spacings are a few units in the last place, and
/// rounding decides single gradients: there they must be finite.
#[test]
fn degenerate_gradients_agree_within_groups_of_equal_values() {
    let cases = cases();
    let degenerate = cases
        .iter()
        .filter(|case| case.name.starts_with("degenerate"));
    let mut count = 0;
    for case in degenerate {
        count += 1;
        let (shape, z) = case.tensor("z");
        let (rows, cols) = (shape[0], shape[1]);
        let (_, gradient) = case.evaluate(case.criterion.beta, case.criterion.gamma);
        let (_, expected) = case.tensor("grad_loss");
        assert!(gradient.iter().all(|g| g.is_finite()), "{}", case.name);
        let mut compared = 0;
        let mut u = vec![0.0; z.len()];
        case.criterion.transform.values(&z, &mut u);
        for col in 0..cols {
            let scale = (0..rows)
                .map(|row| expected[row * cols + col].abs())
                .fold(0.0, f32::max);
            if (0..rows).any(|row| z[row * cols + col].abs() > 20.0) {
                continue;
            }
            compared += 1;
            let mut order: Vec<usize> = (0..rows).map(|row| row * cols + col).collect();
            order.sort_by(|&a, &b| u[a].total_cmp(&u[b]));
            for group in order.chunk_by(|&a, &b| u[a] == u[b]) {
                let sorted = |values: &[f32]| {
                    let mut group: Vec<f32> = group.iter().map(|&i| values[i]).collect();
                    group.sort_by(f32::total_cmp);
                    group
                };
                for (found, expected) in sorted(&gradient).iter().zip(sorted(&expected)) {
                    let error = (found - expected).abs();
                    assert!(
                        error <= 1e-3 * scale,
                        "{}, column {col}: {found}, expected {expected}",
                        case.name
                    );
                }
            }
        }
        assert_eq!(compared, cols - 1, "{}", case.name);
    }
    assert_eq!(count, 2);
}
