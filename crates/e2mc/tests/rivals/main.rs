//! The criteria of `e2mc::rival`: the authors' numbers, slow twins, finite differences, laws, and
//! bad input.

mod errors;
mod golden;
mod gradients;
mod laws;
mod twin;

use e2mc::MatrixView;
use e2mc::rival::{Directions, Mmcr, Sigreg, Space, Uniformity, Vcreg};

/// One criterion with its settings, on views that are stacked to one array `(views, n, d)`.
enum Rival {
    Vcreg(Vcreg),
    Uniformity(Uniformity),
    /// Three views.
    Mmcr,
    /// With the seed and the step of the directions.
    Sigreg(Sigreg, u64, u64),
}

impl Rival {
    fn all() -> Vec<Self> {
        let vcreg = |space, variance, covariance| {
            Self::Vcreg(Vcreg {
                space,
                variance,
                covariance,
            })
        };
        let sigreg = Sigreg {
            slices: 70,
            ..Sigreg::default()
        };
        let coarse = Sigreg {
            slices: 5,
            knots: 8,
            t_max: 5.0,
        };
        vec![
            vcreg(Space::Hypersphere, 0.1, 0.001),
            vcreg(Space::Hypersphere, 0.0, 1.0),
            vcreg(Space::Projector, 25.0, 1.0),
            vcreg(Space::Projector, 1.0, 0.0),
            Self::Uniformity(Uniformity::default()),
            Self::Uniformity(Uniformity { t: 0.3 }),
            Self::Mmcr,
            Self::Sigreg(sigreg, 7, 3),
            Self::Sigreg(coarse, 7, 4),
        ]
    }

    fn name(&self) -> String {
        match self {
            Self::Vcreg(vcreg) => format!("{vcreg:?}"),
            Self::Uniformity(uniformity) => format!("{uniformity:?}"),
            Self::Mmcr => "Mmcr".into(),
            Self::Sigreg(sigreg, ..) => format!("{sigreg:?}"),
        }
    }

    /// Whether rows are brought to unit length first.
    fn is_spherical(&self) -> bool {
        match self {
            Self::Vcreg(vcreg) => vcreg.space == Space::Hypersphere,
            Self::Uniformity(_) | Self::Mmcr => true,
            Self::Sigreg(..) => false,
        }
    }

    fn views(&self) -> usize {
        if matches!(self, Self::Mmcr) { 3 } else { 1 }
    }

    fn evaluate(&self, z: &[f32], n: usize, d: usize) -> (f64, Vec<f32>) {
        let mut gradient = vec![f32::NAN; z.len()];
        let view = |z| MatrixView::new(z, n, d).expect("a matrix");
        let value = match self {
            Self::Vcreg(vcreg) => {
                let value = vcreg.value_and_gradient(view(z), &mut gradient);
                value.expect("a value").loss
            }
            Self::Uniformity(uniformity) => uniformity
                .value_and_gradient(view(z), &mut gradient)
                .expect("a value"),
            Self::Mmcr => {
                let views: Vec<_> = z.chunks(n * d).map(view).collect();
                let mut gradients: Vec<_> = gradient.chunks_mut(n * d).collect();
                Mmcr.value_and_gradients(&views, &mut gradients)
                    .expect("a value")
            }
            Self::Sigreg(sigreg, ..) => sigreg
                .value_and_gradient(view(z), &self.directions(d), &mut gradient)
                .expect("a value"),
        };
        (value, gradient)
    }

    /// The value by the calls that compute no gradient.
    fn value(&self, z: &[f32], n: usize, d: usize) -> f64 {
        let view = |z| MatrixView::new(z, n, d).expect("a matrix");
        let value = match self {
            Self::Vcreg(vcreg) => vcreg.value(view(z)).map(|value| value.loss),
            Self::Uniformity(uniformity) => uniformity.value(view(z)),
            Self::Mmcr => Mmcr.value(&z.chunks(n * d).map(view).collect::<Vec<_>>()),
            Self::Sigreg(sigreg, ..) => sigreg.value(view(z), &self.directions(d)),
        };
        value.expect("a value")
    }

    fn directions(&self, d: usize) -> Directions {
        let Self::Sigreg(sigreg, seed, step) = self else {
            panic!("only SIGReg has directions")
        };
        sigreg.directions(d, *seed, *step).expect("directions")
    }
}

/// Shapes with more rows than columns and fewer, and on either side of the sizes that the code
/// works in.
const SHAPES: [(usize, usize); 8] = [
    (2, 1),
    (2, 5),
    (7, 3),
    (16, 16),
    (33, 70),
    (70, 33),
    (65, 20),
    (130, 49),
];

/// Standard normal values by sums of twelve uniforms from a linear congruential generator.
fn normal(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    (0..len)
        .map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0)
        .collect()
}

/// Embeddings whose columns differ in mean and spread and depend on each other, for each of `views`
/// views.
fn embeddings(views: usize, n: usize, d: usize) -> Vec<f32> {
    let noise = normal(views * n * d, (n * 1000 + d) as u64);
    let common = normal(n, 5);
    let value = |(index, noise): (usize, &f32)| {
        let (row, column) = (index / d % n, index % d);
        let spread = 0.3 + 0.1 * (column % 7) as f32;
        spread * noise + 0.4 * common[row] + 0.2 * (column as f32).sin()
    };
    noise.iter().enumerate().map(value).collect()
}

/// Checks `|found - expected| <= tolerance max |expected|` over all values.
#[track_caller]
fn assert_gradient(name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    assert!(
        found.iter().all(|v| v.is_finite()),
        "{name}: gradient is not finite"
    );
    let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let pairs = found.iter().zip(expected);
    let error = pairs.fold(0.0_f64, |m, (a, b)| m.max((f64::from(*a) - b).abs()));
    assert!(
        error <= tolerance * scale,
        "{name}: gradient is off by {error} of {scale}"
    );
}

#[track_caller]
fn assert_close(name: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs(),
        "{name}: found {found}, expected {expected}"
    );
}
