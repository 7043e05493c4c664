//! Uniformity and alignment on the unit sphere (Wang and Isola 2020, section 4.1).
//!
//! - uniformity `ln mean exp(-t |x - y|^2)` over all pairs of different rows, `t = 2`: 0 if all are
//!   one point, about `-2 t` for well-spread points in many dimensions;
//! - alignment `mean |x - y|^2` over two views of the same image: 0 is perfect, 2 is what unrelated
//!   ones have.
//!
//! Rows of zeros have no direction and are left out. The sum runs over all pairs of the rows given:
//! `d n^2` operations.

use e2mc::MatrixView;
use rayon::prelude::*;

use crate::Error;
use crate::product::{Operand, multiply};

/// The temperature of the uniformity.
const T: f64 = 2.0;
/// Rows of one product.
const TILE: usize = 512;

/// How the directions of the embeddings are spread.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Uniformity {
    /// Rows whose pairs were taken, those of zeros left out.
    pub rows: usize,
    /// `ln mean exp(-2 |x - y|^2)`, at most 0.
    pub uniformity: f64,
    /// The mean cosine of two rows: near 1 is a cone around one direction.
    pub mean_cosine: f64,
}

impl Uniformity {
    /// None if fewer than two rows have a direction.
    pub(super) fn measure(z: MatrixView<'_>) -> Option<Self> {
        let unit = directions(z);
        let (d, n) = (z.cols(), unit.len() / z.cols());
        if n < 2 {
            return None;
        }
        let tiles = n.div_ceil(TILE);
        let pairs: Vec<(usize, usize)> = (0..tiles)
            .flat_map(|i| (0..=i).map(move |j| (i, j)))
            .collect();
        let sums: Vec<(f64, f64)> = pairs
            .into_par_iter()
            .map_init(Vec::new, |product, (i, j)| {
                let rows = |tile: usize| &unit[tile * TILE * d..(n * d).min((tile + 1) * TILE * d)];
                let (high, wide) = (rows(i).len() / d, rows(j).len() / d);
                product.resize(high * wide, 0.0_f32);
                multiply(
                    product,
                    Operand::new(rows(i), high, d),
                    Operand::new(rows(j), wide, d).transposed(),
                );
                let (mut potential, mut cosines) = (0.0, 0.0);
                for (r, line) in product.chunks_exact(wide).enumerate() {
                    // Within a tile each pair once, and no row with itself.
                    let line = if i == j { &line[..r] } else { line };
                    for &cosine in line {
                        // Rounding may go beyond 1.
                        let cosine = f64::from(cosine).clamp(-1.0, 1.0);
                        potential += (-T * (2.0 - 2.0 * cosine)).exp();
                        cosines += cosine;
                    }
                }
                (potential, cosines)
            })
            .collect();
        let count = n as f64 * (n - 1) as f64 / 2.0;
        Some(Self {
            rows: n,
            uniformity: (sums.iter().map(|s| s.0).sum::<f64>() / count).ln(),
            mean_cosine: sums.iter().map(|s| s.1).sum::<f64>() / count,
        })
    }
}

/// The rows at unit length; those of zeros are left out.
fn directions(z: MatrixView<'_>) -> Vec<f32> {
    let rows: Vec<Vec<f32>> = (0..z.rows())
        .into_par_iter()
        .filter_map(|i| direction(z.row(i)))
        .collect();
    rows.concat()
}

fn direction(row: &[f32]) -> Option<Vec<f32>> {
    let square: f64 = row.iter().map(|&v| f64::from(v).powi(2)).sum();
    let norm = square.sqrt();
    (norm > 0.0).then(|| row.iter().map(|&v| (f64::from(v) / norm) as f32).collect())
}

/// The alignment of `views`, each `(n, d)` with the same image in each row: the mean over all pairs
/// of views; none if no image has a direction in two of them.
///
/// # Errors
/// Views that differ in shape.
pub fn alignment(views: &[MatrixView<'_>]) -> Result<Option<f64>, Error> {
    check_views(views)?;
    let rows = views.first().map_or(0, MatrixView::rows);
    let sums: Vec<(f64, usize)> = (0..rows)
        .into_par_iter()
        .map(|i| {
            let units: Vec<Vec<f32>> = views
                .iter()
                .filter_map(|view| direction(view.row(i)))
                .collect();
            let (mut sum, mut count) = (0.0, 0);
            for (k, a) in units.iter().enumerate() {
                for b in &units[..k] {
                    let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
                    sum += a.iter().zip(b).map(square).sum::<f64>();
                    count += 1;
                }
            }
            (sum, count)
        })
        .collect();
    let count: usize = sums.iter().map(|s| s.1).sum();
    Ok((count > 0).then(|| sums.iter().map(|s| s.0).sum::<f64>() / count as f64))
}

/// All views have the shape of the first.
pub(super) fn check_views(views: &[MatrixView<'_>]) -> Result<(), Error> {
    let Some(first) = views.first() else {
        return Ok(());
    };
    let differs =
        |view: &&MatrixView<'_>| (view.rows(), view.cols()) != (first.rows(), first.cols());
    match views.iter().position(|view| differs(&view)) {
        None => Ok(()),
        Some(index) => Err(Error::ViewShape {
            view: index,
            rows: views[index].rows(),
            cols: views[index].cols(),
            expected_rows: first.rows(),
            expected_cols: first.cols(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, in_pool};
    use e2mc::Matrix;

    fn normal(rows: usize, dims: usize, seed: u64) -> Matrix {
        let mut random = SplitMix(seed);
        let data = (0..rows * dims).map(|_| random.normal()).collect();
        Matrix::new(data, rows, dims).unwrap()
    }

    #[test]
    fn known_arrangements_have_known_uniformity() {
        let of = |data: Vec<f32>, dims| {
            Uniformity::measure(
                Matrix::new(data.clone(), data.len() / dims, dims)
                    .unwrap()
                    .view(),
            )
        };
        // One direction, at any length; a row of zeros does not count.
        let one = of(vec![1.0, 1.0, 3.0, 3.0, 0.0, 0.0, 0.5, 0.5], 2).unwrap();
        assert_eq!(one.rows, 3);
        assert!(one.uniformity.abs() < 1e-6 && (one.mean_cosine - 1.0).abs() < 1e-6);
        // Opposite: squared distance 4. At a right angle: 2.
        assert!((of(vec![1.0, 0.0, -2.0, 0.0], 2).unwrap().uniformity + 8.0).abs() < 1e-6);
        assert!((of(vec![1.0, 0.0, 0.0, 5.0], 2).unwrap().uniformity + 4.0).abs() < 1e-6);
        assert!(of(vec![0.0, 0.0, 0.0, 5.0], 2).is_none());
    }

    #[test]
    fn agrees_with_two_loops_over_several_tiles() {
        let z = normal(1100, 5, 1);
        let unit = directions(z.view());
        let (mut sum, mut cosines, mut count) = (0.0, 0.0, 0.0);
        for i in 0..1100 {
            for j in 0..i {
                let (a, b) = (&unit[5 * i..][..5], &unit[5 * j..][..5]);
                let square: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
                sum += (-2.0 * square).exp();
                cosines += 1.0 - square / 2.0;
                count += 1.0;
            }
        }
        let run = |threads| in_pool(threads, || Uniformity::measure(z.view()).unwrap());
        let found = run(2);
        assert!((found.uniformity - f64::ln(sum / count)).abs() < 1e-6);
        assert!((found.mean_cosine - cosines / count).abs() < 1e-6);
        assert_eq!(found, run(1), "threads");
    }

    #[test]
    fn alignment_is_0_for_scaled_copies_and_2_for_strangers() {
        let (a, b) = (normal(3000, 64, 1), normal(3000, 64, 2));
        let scaled = Matrix::new(a.data().iter().map(|v| 3.0 * v).collect(), 3000, 64).unwrap();
        let of = |views: &[&Matrix]| {
            let views: Vec<_> = views.iter().map(|m| m.view()).collect();
            alignment(&views).unwrap().unwrap()
        };
        assert!(of(&[&a, &scaled]) < 1e-10);
        let strangers = of(&[&a, &b]);
        assert!((strangers - 2.0).abs() < 0.02, "{strangers}");
        // Three pairs of views, of which one agrees.
        assert!((of(&[&a, &scaled, &b]) - 2.0 * strangers / 3.0).abs() < 1e-6);
        assert!(alignment(&[a.view(), normal(2999, 64, 1).view()]).is_err());
        assert_eq!(alignment(&[a.view()]).unwrap(), None);
    }
}
