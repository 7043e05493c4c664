//! What only the crate itself can ask: do all instruction sets give the same?

use super::{Sigreg, Space, Uniformity, Vcreg};
use crate::MatrixView;
use e2mc_base::simd::Level;

#[test]
fn all_instruction_sets_agree() {
    let sigreg = Sigreg {
        slices: 60,
        ..Sigreg::default()
    };
    for (n, d) in [(70, 33), (33, 70)] {
        let z: Vec<f32> = (0..n * d).map(|i| (i as f32 * 0.7).sin() * 2.0).collect();
        let z = MatrixView::new(&z, n, d).unwrap();
        let directions = sigreg.directions(d, 1, 2).unwrap();
        let run = |level: Level| {
            let mut results = Vec::new();
            for space in [Space::Hypersphere, Space::Projector] {
                let vcreg = Vcreg {
                    space,
                    variance: 3.0,
                    covariance: 2.0,
                };
                let mut gradient = vec![f32::NAN; n * d];
                let value = vcreg.evaluate(level, z, Some(&mut gradient)).unwrap();
                results.push((value.loss, gradient));
            }
            let mut gradient = vec![f32::NAN; n * d];
            let uniformity = Uniformity::default();
            let value = uniformity.evaluate(level, z, Some(&mut gradient)).unwrap();
            results.push((value, gradient));
            let mut gradient = vec![f32::NAN; n * d];
            let value = sigreg.evaluate(level, z, &directions, Some(&mut gradient));
            results.push((value.unwrap(), gradient));
            results
        };
        let [first, others @ ..] = Level::available() else {
            panic!("every processor has a level")
        };
        let expected = run(*first);
        for level in others {
            for ((value, gradient), (wanted, slopes)) in run(*level).iter().zip(&expected) {
                assert!((value - wanted).abs() <= 1e-6 * wanted.abs(), "{level:?}");
                let largest = slopes.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                for (a, b) in gradient.iter().zip(slopes) {
                    assert!((a - b).abs() <= 2e-5 * largest, "{level:?}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn the_directions_never_change() {
    // Computed from the stream's bits in float64; results of earlier versions can only be had again
    // while these hold.
    let sigreg = Sigreg {
        slices: 21,
        ..Sigreg::default()
    };
    let directions = sigreg.directions(18, 7, 3).unwrap().matrix();
    for (slice, expected) in [
        (
            0,
            [-0.016_789_109, 0.075_987_77, -0.065_755_406, 0.048_843_825],
        ),
        (20, [0.16936956, 0.16813147, 0.33314707, 0.23501539_f32]),
    ] {
        let found = [0, 1, 8, 17].map(|column| directions.view().row(slice)[column]);
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{slice}: {found} {expected}"
            );
        }
    }
}
