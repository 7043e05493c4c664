//! Exponential, logarithm and error function by polynomials, without branches, so that a loop over
//! them becomes vector code. The coefficients are minimax fits of the functions named beside them.

use e2mc_base::simd::Simd;
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, LOG2_E};

/// Evaluates a polynomial whose coefficients rise with the power of `x`.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    for i in 1..N {
        sum = simd.mul_add_scalar(sum, x, coefficients[N - 1 - i]);
    }
    sum
}

/// `e^x` for `x` from -87 to 88, within 2 units in the last place.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: the first times an exponent is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let shifted = simd.mul_add_scalar(x, LOG2_E, ROUND);
    let exponent = shifted - ROUND;
    let r = simd.mul_add_scalar(exponent, -LN2_HIGH, x);
    let r = simd.mul_add_scalar(exponent, -LN2_LOW, r);
    // (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2, relative error of e^r 3e-9.
    let p = polynomial(
        simd,
        r,
        [
            0.499_999_94,
            0.166_665_21,
            0.041_668_39,
            0.008_368_716,
            0.001_381_46,
        ],
    );
    let p = simd.mul_add_scalar(p * r, r, r) + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

/// `ln x` for positive normal `x`, within 2 units in the last place.
#[inline(always)]
pub(crate) fn ln<S: Simd>(simd: S, x: f32) -> f32 {
    // x = 2^exponent * (1 + f) with 1 + f from sqrt(1/2) to sqrt(2).
    const SQRT_HALF: u32 = FRAC_1_SQRT_2.to_bits();
    let exponent = (x.to_bits().wrapping_sub(SQRT_HALF) as i32) >> 23;
    let f = f32::from_bits(x.to_bits().wrapping_sub((exponent << 23) as u32)) - 1.0;
    // (ln(1 + f) - f + f^2 / 2) / f^3, relative error of ln(1 + f) 6e-9.
    let p = polynomial(
        simd,
        f,
        [
            0.333_333_3,
            -0.250_008_23,
            0.200_012_27,
            -0.166_233_57,
            0.142_017_62,
            -0.131_601_94,
            0.127_615_5,
            -0.076_344_3,
        ],
    );
    let square = f * f;
    let tail = simd.mul_add_scalar(p * square, f, -0.5 * square);
    simd.mul_add_scalar(exponent as f32, LN_2, f + tail)
}

/// `erf x` for any finite `x`, within 2 units in the last place.
#[inline(always)]
pub(crate) fn erf<S: Simd>(simd: S, x: f32) -> f32 {
    const CUT: f32 = 0.9;
    // erf x rounds to 1 from here on.
    let t = x.abs().min(4.0);
    // erf(t) / t in t^2 up to the cut, relative error 3e-10.
    let near = t * polynomial(
        simd,
        t * t,
        [
            FRAC_2_SQRT_PI,
            -0.376_126_35,
            0.112_837_15,
            -0.026_860_51,
            0.005_203_862_7,
            -8.175_673_4e-4,
            8.513_232e-5,
        ],
    );
    // ln(1 - erf t) beyond it, relative error of erf 6e-11.
    let far = 1.0
        - exp(
            simd,
            polynomial(
                simd,
                t,
                [
                    1.692_051_3e-4,
                    -1.129_488_3,
                    -0.633_400_86,
                    -0.108_220_38,
                    0.025_080_616,
                    -0.004_156_255,
                    4.313_935_6e-4,
                    -2.082_861_8e-5,
                ],
            ),
        );
    (if t < CUT { near } else { far }).copysign(x)
}

/// `(sin x, cos x)`, within 2 units in the last place for `|x|` up to 1e9; for larger ones some
/// angle's.
#[inline(always)]
pub(crate) fn sin_cos<S: Simd>(simd: S, x: f64) -> (f32, f32) {
    use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4};
    // Adding 1.5 * 2^52 rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = x * FRAC_2_PI + ROUND;
    let quarter = shifted.to_bits();
    // Beyond the range the remainder is meaningless, but must stay where the polynomials are
    // bounded.
    let r = (x - (shifted - ROUND) * FRAC_PI_2).clamp(-FRAC_PI_4, FRAC_PI_4) as f32;
    let square = r * r;
    // (sin r / r - 1) / r^2 on |r| <= pi / 4, relative error of sin r 4e-9.
    let sin = polynomial(simd, square, [-0.166_666_55, 0.008_332_16, -1.951_525e-4]);
    let sin = simd.mul_add_scalar(sin * square, r, r);
    // (cos r - 1 + r^2 / 2) / r^4, relative error of cos r 2e-10.
    let cos = polynomial(
        simd,
        square,
        [0.041_666_646, -0.001_388_731_6, 2.443_312e-5],
    );
    let cos = simd.mul_add_scalar(cos * square, square, simd.mul_add_scalar(-0.5, square, 1.0));
    let (a, b) = if quarter & 1 == 0 {
        (sin, cos)
    } else {
        (cos, sin)
    };
    let sign = |value: f32, negative: bool| if negative { -value } else { value };
    (
        sign(a, quarter & 2 != 0),
        sign(b, quarter.wrapping_add(1) & 2 != 0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use e2mc_base::simd::{Kernel, Level};

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Ln,
        Erf,
        Sin,
        Cos,
    }

    struct At(Function, f32);

    impl Kernel for At {
        type Output = f32;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> f32 {
            match self.0 {
                Function::Exp => exp(simd, self.1),
                Function::Ln => ln(simd, self.1),
                Function::Erf => erf(simd, self.1),
                Function::Sin => sin_cos(simd, self.1.into()).0,
                Function::Cos => sin_cos(simd, self.1.into()).1,
            }
        }
    }

    /// The largest error over `inputs`, in units in the last place of the exact value.
    fn worst(function: Function, exact: fn(f64) -> f64, inputs: impl Iterator<Item = f32>) -> f64 {
        let mut worst = 0.0_f64;
        for x in inputs {
            let expected = exact(x.into());
            let unit = f64::from(f32::EPSILON) * expected.abs().max(f64::from(f32::MIN_POSITIVE));
            for &level in Level::available() {
                let error = (f64::from(level.run(At(function, x))) - expected).abs();
                worst = worst.max(error / unit);
            }
        }
        worst
    }

    fn range(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..=40_000).map(move |i| from + (to - from) * i as f32 / 40_000.0)
    }

    #[test]
    fn the_exponential_is_exact_to_two_units() {
        assert!(worst(Function::Exp, f64::exp, range(-86.9, 87.9)) <= 2.0);
        assert!(worst(Function::Exp, f64::exp, range(-1.0, 1.0)) <= 2.0);
    }

    #[test]
    fn the_logarithm_is_exact_to_two_units() {
        let tiny = (0..2000).map(|i| f32::MIN_POSITIVE * 1.09_f32.powi(i % 1000 + 1));
        assert!(worst(Function::Ln, f64::ln, tiny) <= 2.0);
        assert!(worst(Function::Ln, f64::ln, range(1e-7, 3.0)) <= 2.0);
        assert!(worst(Function::Ln, f64::ln, range(0.999, 1.001)) <= 2.0);
    }

    #[test]
    fn the_error_function_is_exact_to_two_units() {
        assert!(worst(Function::Erf, reference::erf, range(-5.0, 5.0)) <= 2.0);
        assert!(worst(Function::Erf, reference::erf, range(-1e-3, 1e-3)) <= 2.0);
        for &level in Level::available() {
            assert_eq!(level.run(At(Function::Erf, 1e30)), 1.0);
            assert_eq!(level.run(At(Function::Erf, -1e30)), -1.0);
        }
    }

    #[test]
    fn sine_and_cosine_are_exact_to_two_units_and_never_leave_their_range() {
        for (function, exact) in [
            (Function::Sin, f64::sin as fn(f64) -> f64),
            (Function::Cos, f64::cos),
        ] {
            assert!(worst(function, exact, range(-4.0, 4.0)) <= 2.0);
            assert!(worst(function, exact, range(-1e-3, 1e-3)) <= 2.0);
            // Far out only the distance to a multiple of the quarter turn counts.
            for x in range(-3e7, 3e7) {
                for &level in Level::available() {
                    let error = f64::from(level.run(At(function, x))) - exact(x.into());
                    assert!(error.abs() < 2e-7, "{x}: {error}");
                }
            }
            for x in [1e12, -1e20, 1e30, f32::MAX] {
                for &level in Level::available() {
                    assert!(level.run(At(function, x)).abs() <= 1.0, "{x}");
                }
            }
        }
    }
}
