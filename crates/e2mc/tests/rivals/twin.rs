//! The criteria once more: slow, obvious, in float64, and without a gradient.

use crate::{Rival, SHAPES, assert_close, embeddings};
use e2mc::rival::{Sigreg, Space, Uniformity, Vcreg};

/// The value on views that are stacked to one array `(views, n, d)`.
pub(crate) fn value(rival: &Rival, z: &[f64], n: usize, d: usize) -> f64 {
    match rival {
        Rival::Vcreg(settings) => vcreg(settings, z, n, d),
        Rival::Uniformity(settings) => uniformity(settings, z, n, d),
        Rival::Mmcr => mmcr(z, n, d),
        Rival::Sigreg(settings, ..) => {
            let directions = rival.directions(d).matrix();
            let directions: Vec<f64> = directions.data().iter().map(|v| f64::from(*v)).collect();
            sigreg(settings, z, &directions, n, d)
        }
    }
}

fn unit_rows(z: &[f64], d: usize) -> Vec<f64> {
    let unit = |row: &[f64]| {
        let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter().map(|v| v / length).collect::<Vec<_>>()
    };
    z.chunks(d).flat_map(unit).collect()
}

fn vcreg(settings: &Vcreg, z: &[f64], n: usize, d: usize) -> f64 {
    let (x, target) = match settings.space {
        Space::Hypersphere => (unit_rows(z, d), 1.0 / (d as f64).sqrt()),
        Space::Projector => (z.to_vec(), 1.0),
    };
    let column = |j: usize| x.iter().skip(j).step_by(d);
    let mean: Vec<f64> = (0..d).map(|j| column(j).sum::<f64>() / n as f64).collect();
    let covariance = |j: usize, k: usize| {
        let products = column(j).zip(column(k));
        let products = products.map(|(a, b)| (a - mean[j]) * (b - mean[k]));
        products.sum::<f64>() / (n as f64 - 1.0)
    };
    let lack = |j| (target - (covariance(j, j) + 1e-4).sqrt()).max(0.0);
    let off = |j| {
        (0..d)
            .filter(move |&k| k != j)
            .map(move |k| covariance(j, k).powi(2))
    };
    let variance = (0..d).map(lack).sum::<f64>() / d as f64;
    let covariance = (0..d).flat_map(off).sum::<f64>() / d as f64;
    settings.variance * variance + settings.covariance * covariance
}

fn uniformity(settings: &Uniformity, z: &[f64], n: usize, d: usize) -> f64 {
    let x = unit_rows(z, d);
    let mut sum = 0.0;
    for i in 0..n {
        for j in 0..i {
            let (a, b) = (&x[i * d..][..d], &x[j * d..][..d]);
            let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
            sum += (-settings.t * square).exp();
        }
    }
    (sum / (n * (n - 1) / 2) as f64).ln()
}

fn mmcr(z: &[f64], n: usize, d: usize) -> f64 {
    let x = unit_rows(z, d);
    let views = z.len() / (n * d);
    let mean = (0..n * d).map(|i| x.iter().skip(i).step_by(n * d).sum::<f64>() / views as f64);
    -nuclear_norm(&mean.collect::<Vec<_>>(), d)
}

/// The sum of the singular values: rotations make the columns orthogonal (one-sided Jacobi), then
/// it is that of their lengths.
fn nuclear_norm(m: &[f64], d: usize) -> f64 {
    let column = |j| m.iter().skip(j).step_by(d).copied().collect::<Vec<f64>>();
    let mut columns: Vec<Vec<f64>> = (0..d).map(column).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    loop {
        let mut worst = 0.0_f64;
        for j in 1..d {
            for i in 0..j {
                let (left, right) = columns.split_at_mut(j);
                let (a, b) = (&mut left[i], &mut right[0]);
                let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
                if ab.abs() <= 1e-15 {
                    continue;
                }
                worst = worst.max(ab.abs());
                let angle = 0.5 * (2.0 * ab).atan2(aa - bb);
                let (sin, cos) = angle.sin_cos();
                for (a, b) in a.iter_mut().zip(b.iter_mut()) {
                    (*a, *b) = (cos * *a + sin * *b, cos * *b - sin * *a);
                }
            }
        }
        if worst <= 1e-14 {
            return columns
                .iter()
                .map(|column| dot(column, column).sqrt())
                .sum();
        }
    }
}

fn sigreg(settings: &Sigreg, z: &[f64], directions: &[f64], n: usize, d: usize) -> f64 {
    let step = settings.t_max / (settings.knots - 1) as f64;
    let statistic = |direction: &[f64]| {
        let project = |row: &[f64]| row.iter().zip(direction).map(|(a, b)| a * b).sum::<f64>();
        let projections: Vec<f64> = z.chunks(d).map(project).collect();
        let integrand = |t: f64| {
            let mean =
                |f: fn(f64) -> f64| projections.iter().map(|p| f(t * p)).sum::<f64>() / n as f64;
            let normal = (-t * t / 2.0).exp();
            ((mean(f64::cos) - normal).powi(2) + mean(f64::sin).powi(2)) * normal
        };
        // The trapezoid rule over the whole axis, both halves.
        let value = |k: i64| integrand(k as f64 * step);
        let last = settings.knots as i64 - 1;
        let trapezoids = (-last..last).map(|k| 0.5 * step * (value(k) + value(k + 1)));
        n as f64 * trapezoids.sum::<f64>()
    };
    let sum: f64 = directions.chunks(d).map(statistic).sum();
    sum / settings.slices as f64
}

#[test]
fn values_are_those_of_the_twin() {
    for rival in Rival::all() {
        for (n, d) in SHAPES {
            let z = embeddings(rival.views(), n, d);
            let wide: Vec<f64> = z.iter().map(|v| f64::from(*v)).collect();
            let expected = value(&rival, &wide, n, d);
            let name = format!("{} {n}x{d}", rival.name());
            let (found, _) = rival.evaluate(&z, n, d);
            // A value near 0 is what is left of terms that cancel.
            assert!(
                (found - expected).abs() <= 1e-5 * expected.abs().max(1e-3),
                "{name}: found {found}, expected {expected}"
            );
            assert_close(&name, rival.value(&z, n, d), found, 1e-14);
        }
    }
}
