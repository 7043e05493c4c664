//! The map from an embedding's dimension to the unit interval, where marginal entropies are
//! bounded.
//!
//! - sigmoid `u = 1 / (1 + e^-z)`, for methods that do not normalise their embedding (VICReg);
//! - Gaussian CDF `u = (1 + erf(z / sqrt 2)) / 2`, for those that do (SwAV, SimSiam), before the
//!   normalisation.
//!
//! Source: the paper's section on the compact space, Eq. C.6. Float32 throughout, as in the
//! authors' code: far out in a tail neighbouring values become equal.

use crate::elementary::{erf, exp};
use crate::panels::{Row, WIDTH};
use e2mc_base::simd::{Kernel, Level, Simd};

/// How an embedding is mapped to the unit interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// The logistic function, for embeddings that fill a hypercube.
    Sigmoid,
    /// The standard normal distribution function, for embeddings on a hypersphere.
    Gaussian,
}

impl Transform {
    /// `u(z)` in `[0, 1]`, for finite `z`.
    pub fn value(self, z: f32) -> f32 {
        let mut u = [0.0];
        self.values(&[z], &mut u);
        u[0]
    }

    /// `du/dz >= 0`, for finite `z`.
    pub fn derivative(self, z: f32) -> f32 {
        let mut slope = [0.0];
        self.derivatives(&[z], &mut slope);
        slope[0]
    }

    /// [`Transform::value`] of each `z`, written to `u`.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn values(self, z: &[f32], u: &mut [f32]) {
        assert_eq!(z.len(), u.len(), "one value per input");
        Level::detect().run(Elementwise {
            z,
            out: u,
            transform: self,
            derivative: false,
        });
    }

    /// [`Transform::derivative`] at each `z`, written to `slope`.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn derivatives(self, z: &[f32], slope: &mut [f32]) {
        assert_eq!(z.len(), slope.len(), "one derivative per input");
        Level::detect().run(Elementwise {
            z,
            out: slope,
            transform: self,
            derivative: true,
        });
    }

    /// Replaces one row of a panel by its [`Transform::value`].
    #[inline(always)]
    pub(crate) fn value_row<S: Simd>(self, simd: S, row: &mut Row) {
        match self {
            Self::Sigmoid => {
                for lane in 0..WIDTH {
                    row[lane] = sigmoid(simd, row[lane]);
                }
            }
            Self::Gaussian => {
                for lane in 0..WIDTH {
                    row[lane] = gaussian(simd, row[lane]);
                }
            }
        }
    }

    /// Replaces one row of a panel by its [`Transform::derivative`].
    #[inline(always)]
    pub(crate) fn derivative_row<S: Simd>(self, simd: S, row: &mut Row) {
        match self {
            Self::Sigmoid => {
                for lane in 0..WIDTH {
                    row[lane] = sigmoid_slope(simd, row[lane]);
                }
            }
            Self::Gaussian => {
                for lane in 0..WIDTH {
                    row[lane] = gaussian_slope(simd, row[lane]);
                }
            }
        }
    }
}

#[inline(always)]
fn sigmoid<S: Simd>(simd: S, z: f32) -> f32 {
    1.0 / (1.0 + exp(simd, -z.clamp(-87.0, 87.0)))
}

#[inline(always)]
fn sigmoid_slope<S: Simd>(simd: S, z: f32) -> f32 {
    let e = exp(simd, -z.abs().min(87.0));
    e / ((1.0 + e) * (1.0 + e))
}

#[inline(always)]
fn gaussian<S: Simd>(simd: S, z: f32) -> f32 {
    0.5 * (1.0 + erf(simd, z * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn gaussian_slope<S: Simd>(simd: S, z: f32) -> f32 {
    const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
    FRAC_1_SQRT_2PI * exp(simd, (-0.5 * z * z).max(-87.0))
}

/// A transform of a whole slice.
struct Elementwise<'a> {
    z: &'a [f32],
    out: &'a mut [f32],
    transform: Transform,
    derivative: bool,
}

impl Kernel for Elementwise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (z, out) in self.z.chunks(WIDTH).zip(self.out.chunks_mut(WIDTH)) {
            let mut row = Row::read(z);
            match self.derivative {
                false => self.transform.value_row(simd, &mut row),
                true => self.transform.derivative_row(simd, &mut row),
            }
            row.write(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    const BOTH: [Transform; 2] = [Transform::Sigmoid, Transform::Gaussian];

    #[test]
    fn values_and_slopes_agree_with_the_definitions() {
        for transform in BOTH {
            for i in -800..=800 {
                let z = i as f32 / 100.0;
                let exact = |z: f64| reference::transform(transform, z);
                let value = f64::from(transform.value(z)) - exact(z.into());
                assert!(
                    value.abs() <= 2e-7,
                    "{transform:?} at {z} is off by {value}"
                );
                let slope = (exact(f64::from(z) + 1e-5) - exact(f64::from(z) - 1e-5)) / 2e-5;
                let error = f64::from(transform.derivative(z)) - slope;
                assert!(
                    error.abs() <= 1e-6,
                    "{transform:?}' at {z} is off by {error}"
                );
            }
        }
    }

    #[test]
    fn they_rise_from_0_to_1_through_one_half() {
        for transform in BOTH {
            assert_eq!(transform.value(0.0), 0.5);
            assert_eq!(transform.value(f32::MAX), 1.0);
            assert!(transform.value(-f32::MAX) <= 2e-38);
            assert!(transform.derivative(f32::MAX) <= 2e-38);
            let values: Vec<f32> = (-2000..=2000)
                .map(|i| transform.value(i as f32 / 97.0))
                .collect();
            // Near 1 neighbours differ by less than the rounding of the polynomials.
            assert!(values.windows(2).all(|pair| pair[1] >= pair[0] - 1.2e-7));
        }
    }

    #[test]
    fn a_slice_gives_what_its_values_give() {
        let z: Vec<f32> = (0..37).map(|i| i as f32 / 7.0 - 2.5).collect();
        let (mut u, mut slope) = (vec![0.0; 37], vec![0.0; 37]);
        Transform::Sigmoid.values(&z, &mut u);
        Transform::Sigmoid.derivatives(&z, &mut slope);
        for (i, &z) in z.iter().enumerate() {
            assert_eq!(
                (u[i], slope[i]),
                (
                    Transform::Sigmoid.value(z),
                    Transform::Sigmoid.derivative(z)
                )
            );
        }
    }
}
