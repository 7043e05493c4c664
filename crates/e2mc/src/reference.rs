//! Slow, obvious float64 twins of what the crate does fast; for tests only.

use crate::{Criterion, Transform};

/// `erf x` from its series `2/sqrt(pi) e^(-x^2) sum_k 2^k x^(2k+1) / (2k+1)!!`, which converges
/// everywhere.
pub(crate) fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * k + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// The map to the unit interval.
pub(crate) fn transform(transform: Transform, z: f64) -> f64 {
    match transform {
        Transform::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        Transform::Gaussian => 0.5 * (1.0 + erf(z * std::f64::consts::FRAC_1_SQRT_2)),
    }
}

/// What the criterion is by its definition: marginal entropies, and the covariance term.
pub(crate) fn terms(criterion: &Criterion, z: &[f64], n: usize, d: usize) -> (Vec<f64>, f64) {
    let u: Vec<f64> = z
        .iter()
        .map(|&z| transform(criterion.transform, z))
        .collect();
    let column = |j: usize| -> Vec<f64> { u.iter().skip(j).step_by(d).copied().collect() };
    let m = (n as f64).sqrt().round() as usize;
    let entropies = (0..d).map(|j| {
        let mut sorted = column(j);
        sorted.sort_by(f64::total_cmp);
        let spacing = |i: usize| (sorted[i + m] - sorted[i]) * (n + 1) as f64 / m as f64;
        let logarithm = |i| (spacing(i) + f64::from(criterion.epsilon)).ln();
        (0..n - m).map(logarithm).sum::<f64>() / (n - m) as f64
    });
    let entropies = entropies.collect();
    let centred: Vec<Vec<f64>> = (0..d)
        .map(|j| {
            let column = column(j);
            let mean = column.iter().sum::<f64>() / n as f64;
            column.iter().map(|u| u - mean).collect()
        })
        .collect();
    let mut covariance = 0.0;
    for j in 0..d {
        for k in (0..d).filter(|&k| k != j) {
            let product = centred[j].iter().zip(&centred[k]).map(|(a, b)| a * b);
            covariance += (product.sum::<f64>() / (n - 1) as f64).powi(2);
        }
    }
    (entropies, covariance / d as f64)
}

/// `gamma * covariance - beta * entropy` by the definition.
pub(crate) fn loss(criterion: &Criterion, z: &[f64], n: usize, d: usize) -> f64 {
    let (entropies, covariance) = terms(criterion, z, n, d);
    let entropy = entropies.iter().sum::<f64>() / d as f64;
    criterion.gamma * covariance - criterion.beta * entropy
}

/// Standard normal values, the same for the same seed: sums of twelve uniforms.
pub(crate) fn normal(seed: u64, len: usize) -> Vec<f32> {
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
