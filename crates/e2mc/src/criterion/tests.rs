//! The criterion against its definition, finite differences, closed forms and invariances, on every
//! instruction set of this processor.

use super::*;
use crate::reference::{self, normal};
use proptest::prelude::*;

const SIGMOID: Criterion = Criterion {
    transform: Transform::Sigmoid,
    beta: 1.5,
    gamma: 40.0,
    epsilon: 1e-7,
};
const GAUSSIAN: Criterion = Criterion {
    transform: Transform::Gaussian,
    ..SIGMOID
};

fn view(z: &[f32], rows: usize) -> MatrixView<'_> {
    MatrixView::new(z, rows, z.len() / rows).unwrap()
}

fn evaluate(level: Level, criterion: &Criterion, z: &[f32], rows: usize) -> (Value, Vec<f32>) {
    let mut gradient = vec![f32::NAN; z.len()];
    let mut workspace = Workspace::new();
    let value = criterion
        .evaluate(level, view(z, rows), Some(&mut gradient), &mut workspace)
        .unwrap()
        .clone();
    (value, gradient)
}

fn best(criterion: &Criterion, z: &[f32], rows: usize) -> (Value, Vec<f32>) {
    evaluate(Level::detect(), criterion, z, rows)
}

fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "found {found}, expected {expected}"
    );
}

#[track_caller]
fn assert_gradient(found: &[f32], expected: &[f64], relative: f64) {
    let scale = largest(expected.iter().copied());
    let error = largest(found.iter().zip(expected).map(|(a, b)| f64::from(*a) - b));
    assert!(
        error <= relative * scale,
        "the gradient is off by {error}, its largest value is {scale}"
    );
}

/// Values that map to the given points of the unit interval under the sigmoid.
fn logits(u: impl IntoIterator<Item = f64>) -> Vec<f32> {
    u.into_iter().map(|u| (u / (1.0 - u)).ln() as f32).collect()
}

/// Evenly spaced quantiles of a distribution given by its quantile function.
fn grid(n: usize, quantile: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..n)
        .map(|i| quantile((i as f64 + 0.5) / n as f64))
        .collect()
}

#[test]
fn small_shapes_agree_with_the_definition_on_every_level() {
    for &level in Level::available() {
        for n in 2..20 {
            for d in 1..20 {
                for criterion in [SIGMOID, GAUSSIAN] {
                    let z = normal((n * 100 + d) as u64, n * d);
                    let (value, _) = evaluate(level, &criterion, &z, n);
                    let wide: Vec<f64> = z.iter().map(|&z| z.into()).collect();
                    let (entropies, covariance) = reference::terms(&criterion, &wide, n, d);
                    for (found, expected) in value.marginal_entropy.iter().zip(&entropies) {
                        assert_close((*found).into(), *expected, 2e-4);
                    }
                    assert_close(value.covariance, covariance, 1e-5 * covariance + 1e-9);
                    let loss = criterion.gamma * value.covariance - criterion.beta * value.entropy;
                    assert_close(value.loss, loss, 1e-12 * loss.abs());
                }
            }
        }
    }
}

#[test]
fn the_gradient_agrees_with_finite_differences_in_float64() {
    // Both sides of n < d, edges of the panels of 16 and the blocks of 64, the smallest shapes.
    let shapes = [
        (2, 1),
        (2, 5),
        (3, 1),
        (5, 16),
        (16, 5),
        (17, 33),
        (33, 17),
        (40, 40),
        (65, 9),
        (9, 65),
    ];
    for (n, d) in shapes {
        for criterion in [SIGMOID, GAUSSIAN] {
            let z = normal((7 * n + d) as u64, n * d);
            let mut wide: Vec<f64> = z.iter().map(|&z| z.into()).collect();
            let mut expected = vec![0.0; n * d];
            for i in 0..n * d {
                let middle = wide[i];
                let mut at = |offset: f64| {
                    wide[i] = middle + offset;
                    let loss = reference::loss(&criterion, &wide, n, d);
                    wide[i] = middle;
                    loss
                };
                expected[i] = (at(1e-6) - at(-1e-6)) / 2e-6;
            }
            for &level in Level::available() {
                let (_, gradient) = evaluate(level, &criterion, &z, n);
                assert_gradient(&gradient, &expected, 3e-4);
            }
        }
    }
}

#[test]
fn the_levels_agree_at_a_real_size() {
    for (n, d) in [(257, 100), (100, 530)] {
        let z = normal(3, n * d);
        let (value, gradient) = best(&SIGMOID, &z, n);
        let expected: Vec<f64> = gradient.iter().map(|&g| g.into()).collect();
        for &level in Level::available() {
            let (other, gradient) = evaluate(level, &SIGMOID, &z, n);
            assert_close(other.loss, value.loss, 1e-6 * value.loss.abs());
            assert_gradient(&gradient, &expected, 2e-5);
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (n, d) in [(130, 300), (300, 130), (1000, 48)] {
        let z = normal(5, n * d);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| best(&GAUSSIAN, &z, n))
        };
        let one = with(1);
        for threads in [2, 3, 5] {
            assert!(with(threads) == one, "{n} x {d} on {threads} threads");
        }
    }
}

#[test]
fn a_workspace_carries_nothing_from_one_shape_to_the_next() {
    let mut workspace = Workspace::new();
    for (n, d) in [(90, 200), (20, 3), (64, 64), (2, 1), (300, 40)] {
        let z = normal((n + d) as u64, n * d);
        let mut gradient = vec![f32::NAN; n * d];
        let value = SIGMOID
            .value_and_gradient_in(view(&z, n), &mut gradient, &mut workspace)
            .unwrap();
        assert!((value.clone(), gradient) == best(&SIGMOID, &z, n));
        assert_eq!(
            SIGMOID.value_in(view(&z, n), &mut workspace).unwrap(),
            &SIGMOID.value(view(&z, n)).unwrap()
        );
    }
}

#[test]
fn the_entropy_of_known_distributions() {
    let n = 10_000;
    // Quantiles are n/(n+1) as far apart as the estimator takes them to be.
    let offset = ((n + 1) as f64 / n as f64).ln();
    let entropy = |u: Vec<f64>| SIGMOID.value(view(&logits(u), n)).unwrap().entropy;
    assert_close(entropy(grid(n, |p| p)), offset, 1e-4);
    // A uniform density of width w has entropy ln w.
    let narrow = entropy(grid(n, |p| 0.3 + 0.25 * p));
    assert_close(narrow, 0.25_f64.ln() + offset, 1e-4);
    // A triangle on the unit interval: 1/2 - ln 2. The estimator leaves out the ends, a percent of
    // the values.
    let triangle = entropy(grid(n, |p| {
        let side = (p.min(1.0 - p) / 2.0).sqrt();
        if p < 0.5 { side } else { 1.0 - side }
    }));
    assert_close(triangle, 0.5 - std::f64::consts::LN_2, 0.03);
    // Two narrow peaks of width w each, far apart: ln 2w. The m spacings across the gap add a
    // little.
    let peaks = entropy(grid(n, |p| 0.2 * p + if p < 0.5 { 0.1 } else { 0.7 }));
    assert_close(peaks, 0.2_f64.ln(), 0.07);
}

#[test]
fn a_standard_normal_is_uniform_under_its_own_distribution_function() {
    let (n, d) = (4000, 3);
    let value = GAUSSIAN.value(view(&normal(11, n * d), n)).unwrap();
    // The bias of m-spacings is about -1/(2m).
    assert!(
        value.entropy > -0.03 && value.entropy < 0.01,
        "{}",
        value.entropy
    );
}

#[test]
fn the_covariance_of_known_columns() {
    // u is 1/2 +- a: columns +, +, - have covariances +-a^2 n/(n-1).
    let (n, a) = (8, 0.25);
    let signs = |i: usize| if i.is_multiple_of(2) { a } else { -a };
    let z = logits((0..n).flat_map(|i| [0.5 + signs(i), 0.5 + signs(i), 0.5 - signs(i)]));
    let value = SIGMOID.value(view(&z, n)).unwrap();
    let entry = a * a * n as f64 / (n - 1) as f64;
    assert_close(value.covariance, 6.0 * entry * entry / 3.0, 1e-7);
    // One column has no pairs.
    let value = SIGMOID.value(view(&normal(1, 9), 9)).unwrap();
    assert_eq!(value.covariance, 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_sign_do_not_matter(seed in 0_u64..1000, n in 2_usize..40, d in 1_usize..40) {
        let z = normal(seed, n * d);
        let (value, gradient) = best(&GAUSSIAN, &z, n);
        let expected: Vec<f64> = gradient.iter().map(|&g| g.into()).collect();
        let check = |moved: &[f32], back: &dyn Fn(usize, usize) -> usize, sign: f64| {
            let (other, gradient) = best(&GAUSSIAN, moved, n);
            assert_close(other.entropy, value.entropy, 2e-5);
            assert_close(other.covariance, value.covariance, 1e-5 * value.covariance + 1e-9);
            let gradient: Vec<f32> = (0..n * d)
                .map(|i| sign as f32 * gradient[back(i / d, i % d)])
                .collect();
            assert_gradient(&gradient, &expected, 1e-3);
        };
        let rows: Vec<f32> = z.chunks(d).rev().flatten().copied().collect();
        check(&rows, &|i, j| (n - 1 - i) * d + j, 1.0);
        let cols: Vec<f32> = z.chunks(d).flat_map(|row| row.iter().rev()).copied().collect();
        check(&cols, &|i, j| i * d + d - 1 - j, 1.0);
        // u(-z) = 1 - u(z) for both transforms.
        let negated: Vec<f32> = z.iter().map(|z| -z).collect();
        check(&negated, &|i, j| i * d + j, -1.0);
    }

    #[test]
    fn the_loss_is_linear_in_its_coefficients(seed in 0_u64..1000, n in 2_usize..30, d in 1_usize..30) {
        let z = normal(seed, n * d);
        let with = |beta: f64, gamma: f64| best(&Criterion { beta, gamma, ..SIGMOID }, &z, n).1;
        let (entropy, covariance) = (with(-1.0, 0.0), with(0.0, 1.0));
        let both: Vec<f64> = entropy
            .iter()
            .zip(&covariance)
            .map(|(h, c)| 40.0 * f64::from(*c) - 1.5 * f64::from(*h))
            .collect();
        assert_gradient(&with(1.5, 40.0), &both, 1e-4);
        assert!(with(0.0, 0.0).iter().all(|&g| g == 0.0));
    }
}

#[test]
fn ties_constant_columns_and_saturation_stay_finite() {
    let n = 60;
    let columns: [&dyn Fn(usize) -> f32; 6] = [
        &|_| 0.7,
        &|i| (i % 2) as f32,
        &|i| if i < 30 { f32::MAX } else { -f32::MAX },
        &|i| 40.0 + i as f32,
        &|i| i as f32 * 1e-40,
        &|i| i as f32 / 10.0 - 3.0,
    ];
    let z: Vec<f32> = (0..n)
        .flat_map(|i| columns.iter().map(move |column| column(i)))
        .collect();
    for criterion in [SIGMOID, GAUSSIAN] {
        for &level in Level::available() {
            let (value, gradient) = evaluate(level, &criterion, &z, n);
            assert!(value.loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
            // All spacings are 0.
            let floor = f64::from(criterion.epsilon).ln();
            for column in [0, 3, 4] {
                assert_close(value.marginal_entropy[column].into(), floor, 1e-4);
            }
            // Saturated values do not move.
            for i in 0..n {
                assert!(gradient[i * columns.len() + 2].abs() < 1e-30);
            }
        }
    }
}

#[test]
fn equal_values_share_their_gradient_in_the_order_of_the_rows() {
    // Columns of ties: the same values in another order give the same gradients, dealt out anew.
    let n = 24;
    let z: Vec<f32> = (0..n).map(|i| (i / 6) as f32).collect();
    let (value, gradient) = best(&SIGMOID, &z, n);
    let turned: Vec<f32> = z.iter().rev().copied().collect();
    let (other, mut again) = best(&SIGMOID, &turned, n);
    assert_close(value.entropy, other.entropy, 1e-6);
    again.reverse();
    for group in 0..4 {
        let sorted = |gradient: &[f32]| {
            let mut group = gradient[6 * group..][..6].to_vec();
            group.sort_by(f32::total_cmp);
            group
        };
        for (a, b) in sorted(&gradient).iter().zip(sorted(&again)) {
            assert_close((*a).into(), b.into(), 1e-3 * f64::from(b.abs()));
        }
    }
}

#[test]
fn the_gradient_jumps_where_two_values_change_places_and_the_value_does_not() {
    // Why runs that round otherwise agree in the loss and, on small batches, not always in the
    // gradient.
    let n = 40;
    let mut z = logits(grid(n, |u| 0.2 + 0.6 * u * u));
    z[20] = z[19] + 1e-6;
    let mut turned = z.clone();
    turned[20] = z[19] - 1e-6;
    let (value, gradient) = best(&SIGMOID, &z, n);
    let (other, again) = best(&SIGMOID, &turned, n);
    assert_close(value.loss, other.loss, 1e-5);
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let mut moved = gradient.iter().zip(&again).map(|(a, b)| f64::from(a - b));
    let jump = length(&mut moved) / length(&mut gradient.iter().map(|&a| f64::from(a)));
    assert!((1e-3..0.5).contains(&jump), "{jump}");
}

#[test]
fn the_first_value_that_is_not_finite_is_named() {
    for (n, d) in [(5, 3), (3, 70), (200, 18)] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut z = normal(1, n * d);
            let (row, column) = (n - 2, d / 2);
            z[row * d + column] = bad;
            z[(n - 1) * d] = f32::NAN;
            let error = SIGMOID.value(view(&z, n)).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(&format!("at row {row}, column {column}")),
                "{text}"
            );
            assert!(error.hint().is_some());
        }
    }
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let z = normal(1, 6);
    let error = |criterion: Criterion, rows, cols, length| {
        let view = MatrixView::new(&z[..rows * cols], rows, cols).unwrap();
        let mut gradient = vec![0.0; length];
        let result = criterion.value_and_gradient(view, &mut gradient);
        result.unwrap_err()
    };
    assert_eq!(error(SIGMOID, 1, 6, 6), Error::TooFewRows { rows: 1 });
    assert_eq!(error(SIGMOID, 0, 0, 0), Error::TooFewRows { rows: 0 });
    assert_eq!(error(SIGMOID, 3, 0, 0), Error::NoColumns { rows: 3 });
    assert!(matches!(
        error(SIGMOID, 3, 2, 5),
        Error::GradientLength {
            expected: 6,
            found: 5,
            ..
        }
    ));
    assert!(matches!(
        MatrixView::new(&z, 4, 2),
        Err(Error::Shape { found: 6, .. })
    ));
    assert!(MatrixView::new(&z, usize::MAX, 2).is_err());
    for (name, criterion) in [
        (
            "beta",
            Criterion {
                beta: f64::NAN,
                ..SIGMOID
            },
        ),
        (
            "gamma",
            Criterion {
                gamma: f64::INFINITY,
                ..SIGMOID
            },
        ),
        (
            "epsilon",
            Criterion {
                epsilon: 0.0,
                ..SIGMOID
            },
        ),
        (
            "epsilon",
            Criterion {
                epsilon: -1.0,
                ..SIGMOID
            },
        ),
        (
            "epsilon",
            Criterion {
                epsilon: 1e-42,
                ..SIGMOID
            },
        ),
    ] {
        let text = error(criterion, 3, 2, 6).to_string();
        assert!(text.contains(name), "{text}");
    }
}
