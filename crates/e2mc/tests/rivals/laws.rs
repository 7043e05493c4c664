//! Closed forms, invariances, degenerate input, and independence of the number of threads.

use crate::{Rival, SHAPES, assert_close, assert_gradient, embeddings, normal};
use e2mc::MatrixView;
use e2mc::rival::{Mmcr, Sigreg, Space, Uniformity, Vcreg};

fn view(z: &[f32], rows: usize, cols: usize) -> MatrixView<'_> {
    MatrixView::new(z, rows, cols).expect("a matrix")
}

/// `n` rows of which row `i` is the axis `i mod d`.
fn axes(n: usize, d: usize) -> Vec<f32> {
    let value = |i| if i / d % d == i % d { 1.0 } else { 0.0 };
    (0..n * d).map(value).collect()
}

#[test]
fn uniformity_of_known_arrangements() {
    for t in [0.5, 2.0, 1000.0] {
        let value = |z: &[f32], n, d| Uniformity { t }.value(view(z, n, d)).expect("a value");
        // Opposite points are 4 apart, axes 2, equal points 0; no kernel value underflows.
        assert_close(
            "opposite",
            value(&[3.0, 0.0, -2.0, 0.0], 2, 2),
            -4.0 * t,
            1e-6,
        );
        assert_close("axes", value(&axes(40, 40), 40, 40), -2.0 * t, 1e-6);
        let equal = normal(30, 3).repeat(50);
        assert!(value(&equal, 50, 30).abs() < 1e-5 * t);
    }
}

#[test]
fn mmcr_of_known_arrangements() {
    let value = |views: &[&[f32]], n, d| {
        let views: Vec<_> = views.iter().map(|z| view(z, n, d)).collect();
        let mut gradients = vec![vec![f32::NAN; n * d]; views.len()];
        let mut buffers: Vec<_> = gradients.iter_mut().map(Vec::as_mut_slice).collect();
        let value = Mmcr.value_and_gradients(&views, &mut buffers);
        (value.expect("a value"), gradients)
    };
    // Orthonormal rows, and every axis twice: all singular values are 1, or sqrt 2.
    assert_close("axes", value(&[&axes(20, 33)], 20, 33).0, -20.0, 1e-12);
    assert_close(
        "twice",
        value(&[&axes(66, 33)], 66, 33).0,
        -33.0 * 2.0_f64.sqrt(),
        1e-12,
    );
    // Equal rows have rank 1 and are already as good as rank 1 can be: nothing is left on the
    // sphere.
    let equal = normal(30, 3).repeat(50);
    let (found, gradients) = value(&[&equal, &equal], 50, 30);
    assert_close("equal rows", found, -(50.0_f64.sqrt()), 1e-6);
    assert!(gradients.iter().flatten().all(|v| v.abs() < 1e-6));
    // Views that cancel have the mean 0, where the shortest subgradient is 0.
    let z = normal(60, 9);
    let opposite: Vec<f32> = z.iter().map(|v| -v).collect();
    let (found, gradients) = value(&[&z, &opposite], 12, 5);
    assert_eq!(found, 0.0);
    assert!(gradients.iter().flatten().all(|v| *v == 0.0));
}

#[test]
fn vcreg_of_known_arrangements() {
    let row = [3.0, -4.0, 0.5];
    let equal = row.repeat(10);
    for (space, target) in [
        (Space::Projector, 1.0),
        (Space::Hypersphere, 1.0 / 3.0_f64.sqrt()),
    ] {
        let vcreg = Vcreg {
            space,
            variance: 1.0,
            covariance: 1.0,
        };
        let mut gradient = [f32::NAN; 30];
        let value = vcreg
            .value_and_gradient(view(&equal, 10, 3), &mut gradient)
            .expect("a value");
        // No spread at all: what remains of each deviation is the root of 1e-4.
        assert_close("equal rows", value.variance, target - 0.01, 1e-6);
        assert!(value.covariance < 1e-12);
        assert!(gradient.iter().all(|v| v.abs() < 1e-6));
    }
    // Signs in two columns that are the same: variance 4/3 each, and so their covariance.
    let z = [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0];
    let vcreg = Vcreg {
        space: Space::Projector,
        ..Vcreg::default()
    };
    let value = vcreg.value(view(&z, 4, 2)).expect("a value");
    assert_eq!(value.variance, 0.0);
    assert_close("equal columns", value.covariance, 16.0 / 9.0, 1e-7);
}

#[test]
fn sigreg_of_points_and_of_a_normal_sample() {
    let sigreg = Sigreg::default();
    let directions = sigreg.directions(32, 1, 2).expect("directions");
    // All at the origin: the characteristic function is 1. The integral from -3 to 3 of (1 - g)^2 g
    // for g = exp(-t^2 / 2), by the error function: sqrt(2 pi) (erf(3/sqrt 2) - sqrt 2 erf(3) +
    // erf(3 sqrt(3/2)) / sqrt 3).
    let value = sigreg
        .value(view(&[0.0; 64], 2, 32), &directions)
        .expect("a value");
    assert_close("origin", value, 2.0 * 0.402_1, 2e-3);
    // A normal sample: the mean of n |C - g|^2 is 1 - g^2, whose integral is 1.053.
    let z = normal(4096 * 32, 11);
    let value = sigreg
        .value(view(&z, 4096, 32), &directions)
        .expect("a value");
    assert!((0.9..1.2).contains(&value), "{value}");
    // Anything else is found out: the same sample, wider.
    let wide: Vec<f32> = z.iter().map(|v| 1.5 * v).collect();
    let value = sigreg
        .value(view(&wide, 4096, 32), &directions)
        .expect("a value");
    assert!(value > 50.0, "{value}");
}

#[test]
fn directions_have_unit_length_and_belong_to_seed_and_step() {
    let sigreg = Sigreg {
        slices: 500,
        ..Sigreg::default()
    };
    let draw = |d, seed, step| {
        sigreg
            .directions(d, seed, step)
            .expect("directions")
            .matrix()
    };
    let a = draw(37, 5, 9);
    for row in a.data().chunks(37) {
        let square: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum();
        assert!((square - 1.0).abs() < 1e-6, "{square}");
    }
    assert_eq!(a, draw(37, 5, 9));
    assert_ne!(a, draw(37, 5, 10));
    assert_ne!(a, draw(37, 6, 9));
    // Fewer directions are the first ones of more.
    let few = Sigreg {
        slices: 20,
        ..sigreg
    };
    let few = few.directions(37, 5, 9).expect("directions").matrix();
    assert_eq!(few.data(), &a.data()[..20 * 37]);
    // No axis and no sign is preferred: the mean of each coordinate is 0, that of its square 1/37.
    for column in 0..37 {
        let values = || {
            a.data()
                .iter()
                .skip(column)
                .step_by(37)
                .map(|v| f64::from(*v))
        };
        let (mean, square) = (
            values().sum::<f64>() / 500.0,
            values().map(|v| v * v).sum::<f64>() / 500.0,
        );
        // Five standard errors: 1 / sqrt(37 * 500), and sqrt(2 / 500) / 37.
        assert!(mean.abs() < 5.0 * 0.007_4, "{column}: {mean}");
        assert!(
            (square * 37.0 - 1.0).abs() < 5.0 * 0.064,
            "{column}: {square}"
        );
    }
    // In one dimension there are two directions.
    assert!(draw(1, 0, 0).data().iter().all(|v| v.abs() == 1.0));
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    for rival in Rival::all() {
        for (n, d) in SHAPES {
            let z = embeddings(rival.views(), n, d);
            let reverse = |z: &[f32]| -> Vec<f32> {
                let views = z.chunks(n * d);
                views
                    .flat_map(|view| view.chunks(d).rev().flatten().copied())
                    .collect()
            };
            let (value, gradient) = rival.evaluate(&z, n, d);
            let (turned, turned_gradient) = rival.evaluate(&reverse(&z), n, d);
            assert!(
                (turned - value).abs() <= 1e-6 * value.abs().max(1e-3),
                "{}",
                rival.name()
            );
            if d > 1 {
                let expected: Vec<f64> = reverse(&gradient).iter().map(|v| f64::from(*v)).collect();
                assert_gradient(&rival.name(), &turned_gradient, &expected, 1e-5);
            }
        }
    }
}

#[test]
fn on_the_sphere_lengths_do_not_matter() {
    for rival in Rival::all().into_iter().filter(Rival::is_spherical) {
        for (n, d) in SHAPES {
            let z = embeddings(rival.views(), n, d);
            let factor = |row: usize| [1e-3_f32, 1.0, 70.0][row % 3];
            let scaled = z.iter().enumerate().map(|(i, v)| v * factor(i / d));
            let (value, gradient) = rival.evaluate(&z, n, d);
            let (other, other_gradient) = rival.evaluate(&scaled.collect::<Vec<_>>(), n, d);
            assert!(
                (other - value).abs() <= 1e-6 * value.abs().max(1e-3),
                "{}",
                rival.name()
            );
            if d > 1 {
                let undo = |(i, v): (usize, &f32)| v * factor(i / d);
                let other: Vec<f32> = other_gradient.iter().enumerate().map(undo).collect();
                let expected: Vec<f64> = gradient.iter().map(|v| f64::from(*v)).collect();
                assert_gradient(&rival.name(), &other, &expected, 1e-5);
            }
            // Nothing pulls along a row.
            for (z, g) in z.chunks(d).zip(gradient.chunks(d)) {
                let products = || z.iter().zip(g).map(|(z, g)| f64::from(z * g));
                let total: f64 = products().map(f64::abs).sum();
                assert!(products().sum::<f64>().abs() <= 1e-5 * total + 1e-9);
            }
        }
    }
}

#[test]
fn uniformity_and_mmcr_turn_with_the_space() {
    let rotates = |rival: &&Rival| matches!(rival, Rival::Uniformity(_) | Rival::Mmcr);
    for rival in Rival::all().iter().filter(rotates) {
        for (n, d) in SHAPES {
            // A reflection at a random plane.
            let axis: Vec<f64> = normal(d, 77).iter().map(|v| f64::from(*v)).collect();
            let square: f64 = axis.iter().map(|v| v * v).sum();
            let reflect = |z: &[f32]| -> Vec<f32> {
                let reflect = |row: &[f32]| -> Vec<f32> {
                    let along: f64 = row.iter().zip(&axis).map(|(z, a)| f64::from(*z) * a).sum();
                    let moved = row.iter().zip(&axis);
                    let moved = moved.map(|(z, a)| f64::from(*z) - 2.0 * along / square * a);
                    moved.map(|v| v as f32).collect()
                };
                z.chunks(d).flat_map(reflect).collect()
            };
            let z = embeddings(rival.views(), n, d);
            let (value, gradient) = rival.evaluate(&z, n, d);
            let (turned, turned_gradient) = rival.evaluate(&reflect(&z), n, d);
            assert!(
                (turned - value).abs() <= 1e-6 * value.abs().max(1e-3),
                "{}",
                rival.name()
            );
            if d > 1 {
                let expected: Vec<f64> = reflect(&gradient).iter().map(|v| f64::from(*v)).collect();
                assert_gradient(&rival.name(), &turned_gradient, &expected, 3e-5);
            }
        }
    }
}

#[test]
fn a_row_without_direction_gets_no_gradient_and_spoils_nothing() {
    for rival in Rival::all() {
        let (n, d) = (40, 24);
        let mut z = embeddings(rival.views(), n, d);
        z[3 * d..4 * d].fill(0.0);
        z[8 * d..9 * d].fill(1e-30);
        let (value, gradient) = rival.evaluate(&z, n, d);
        assert!(value.is_finite());
        assert!(gradient.iter().all(|v| v.is_finite()), "{}", rival.name());
        if rival.is_spherical() {
            assert!(gradient[3 * d..4 * d].iter().all(|v| *v == 0.0));
            assert!(gradient[8 * d..9 * d].iter().all(|v| *v == 0.0));
        }
    }
}

#[test]
fn huge_values_give_finite_results_where_lengths_do_not_matter() {
    for rival in Rival::all() {
        if matches!(&rival, Rival::Vcreg(vcreg) if vcreg.space == Space::Projector) {
            continue;
        }
        let (n, d) = (40, 24);
        let z: Vec<f32> = embeddings(rival.views(), n, d)
            .iter()
            .map(|v| v * 1e37)
            .collect();
        let (value, gradient) = rival.evaluate(&z, n, d);
        assert!(value.is_finite(), "{}: {value}", rival.name());
        assert!(gradient.iter().all(|v| v.is_finite()), "{}", rival.name());
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for rival in Rival::all() {
        for (n, d) in [(130, 49), (70, 200), (200, 130)] {
            let z = embeddings(rival.views(), n, d);
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let pool = pool.build().expect("a pool");
                pool.install(|| rival.evaluate(&z, n, d))
            };
            let expected = run(1);
            for threads in [2, 3, 8] {
                assert_eq!(run(threads), expected, "{} {n}x{d}", rival.name());
            }
        }
    }
}
