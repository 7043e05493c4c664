//! LiDAR, the rank of a linear discriminant analysis over images (Thilak et al. 2024, section 3.1).
//!
//! Each image is a class, its `q` views are the samples. With the mean `m_i` of image i's views and their mean `m`,
//! `B = 1/n sum (m_i - m)(m_i - m)^T` and `W = 1/(n q) sum (e_ij - m_i)(e_ij - m_i)^T + delta I`; of the eigenvalues `l` of
//! `W^-1/2 B W^-1/2` it is `exp(-sum p ln p)` with `p = l / sum l + epsilon`. Directions in which views of one image differ
//! as much as images do count little; RankMe counts them fully.
//!
//! With `W = L L^T` the wanted eigenvalues are those of `L^-1 B L^-T`, which has the rank of `n` images at most:
//! `d^3 / 3 + n d^2` operations and one eigenvalue problem of the smaller of `n` and `d`.

use e2mc::MatrixView;
use rayon::prelude::*;

use super::eigenvalues::{dot, eigenvalues};
use super::gram::Gram;
use super::uniformity::check_views;
use crate::Error;

/// Added to the diagonal of `W`.
const DELTA: f64 = 1e-4;
/// Added to each share.
const EPSILON: f64 = 1e-8;

/// LiDAR of `views`, each `(n, d)` with the same image in each row; none for fewer than two views or images.
///
/// # Errors
/// Views that differ in shape.
pub fn lidar(views: &[MatrixView<'_>]) -> Result<Option<f64>, Error> {
    check_views(views)?;
    let Some(first) = views.first() else {
        return Ok(None);
    };
    let (n, d) = (first.rows(), first.cols());
    if views.len() < 2 || n < 2 {
        return Ok(None);
    }
    let mut within = Gram::new(d);
    let mut means = Vec::with_capacity(n * d);
    let mut deviations = Vec::new();
    for i in 0..n {
        let rows: Vec<&[f32]> = views.iter().map(|view| view.row(i)).collect();
        let mean: Vec<f64> = (0..d)
            .map(|j| rows.iter().map(|row| f64::from(row[j])).sum::<f64>() / rows.len() as f64)
            .collect();
        for row in rows {
            deviations.extend(
                row.iter()
                    .zip(&mean)
                    .map(|(&value, mean)| f64::from(value) - mean),
            );
        }
        means.extend(mean);
        if deviations.len() >= 1 << 20 || i + 1 == n {
            within.add(&deviations);
            deviations.clear();
        }
    }
    let samples = (n * views.len()) as f64;
    let mut within = within.into_matrix();
    within.iter_mut().for_each(|value| *value /= samples);
    for j in 0..d {
        within[j * d + j] += DELTA;
    }
    cholesky(&mut within, d);

    let centre: Vec<f64> = (0..d)
        .map(|j| means.iter().skip(j).step_by(d).sum::<f64>() / n as f64)
        .collect();
    let scale = (n as f64).sqrt().recip();
    means.par_chunks_exact_mut(d).for_each(|row| {
        for (value, centre) in row.iter_mut().zip(&centre) {
            *value = (*value - centre) * scale;
        }
        solve(&within, row);
    });
    let spectrum = if n < d {
        let mut gram = Gram::new(n);
        let columns: Vec<f64> = (0..d)
            .flat_map(|j| means.iter().skip(j).step_by(d).copied())
            .collect();
        gram.add(&columns);
        eigenvalues(gram.into_matrix(), n)
    } else {
        let mut gram = Gram::new(d);
        gram.add(&means);
        eigenvalues(gram.into_matrix(), d)
    };
    let total: f64 = spectrum.iter().map(|l| l.max(0.0)).sum();
    if total <= 0.0 {
        return Ok(Some(1.0)); // All images are one point.
    }
    let entropy: f64 = spectrum
        .iter()
        .map(|l| l.max(0.0) / total + EPSILON)
        .map(|p| -p * p.ln())
        .sum();
    Ok(Some(entropy.exp()))
}

/// Replaces the lower half of a positive definite matrix by its Cholesky factor.
fn cholesky(a: &mut [f64], order: usize) {
    for i in 0..order {
        let (above, rest) = a.split_at_mut(i * order);
        let row = &mut rest[..order];
        for j in 0..i {
            let other = &above[j * order..][..=j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        // DELTA keeps what is under the root positive.
        row[i] = (row[i] - dot(&row[..i], &row[..i]))
            .max(f64::MIN_POSITIVE)
            .sqrt();
    }
}

/// Replaces `b` by `L^-1 b`, for the factor in the lower half of `factor`.
fn solve(factor: &[f64], b: &mut [f64]) {
    let order = b.len();
    for i in 0..order {
        let row = &factor[i * order..][..=i];
        b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SplitMix;
    use e2mc::Matrix;

    /// Images at the corners of a cube in `signal` dimensions, views that differ in the other dimensions only.
    fn views(signal: usize, noise: usize, q: usize) -> Vec<Matrix> {
        let mut random = SplitMix(8);
        let (n, d) = (1 << signal, signal + noise);
        (0..q)
            .map(|_| {
                let data = (0..n)
                    .flat_map(|i| {
                        let corner =
                            (0..signal).map(move |k| if i >> k & 1 == 1 { 1.0 } else { -1.0 });
                        let rest: Vec<f32> = (0..noise).map(|_| 10.0 * random.normal()).collect();
                        corner.chain(rest).collect::<Vec<f32>>()
                    })
                    .collect();
                Matrix::new(data, n, d).unwrap()
            })
            .collect()
    }

    fn of(views: &[Matrix]) -> Option<f64> {
        let views: Vec<_> = views.iter().map(Matrix::view).collect();
        lidar(&views).unwrap()
    }

    #[test]
    fn directions_in_which_only_views_differ_do_not_count() {
        // 32 images: fewer than the 45 dimensions, then more.
        for (noise, q) in [(40, 6), (3, 6)] {
            let found = of(&views(5, noise, q)).unwrap();
            assert!((found - 5.0).abs() < 0.05, "{noise}: {found}");
        }
    }

    #[test]
    fn without_noise_it_is_the_rank_of_the_images() {
        let images = views(4, 0, 1).remove(0);
        let found = of(&[images.clone(), images]).unwrap();
        assert!((found - 4.0).abs() < 1e-4, "{found}");
    }

    #[test]
    fn what_has_no_answer_gives_none_or_an_error() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&views(3, 1, 1)), None);
        let point = Matrix::new(vec![0.5; 12], 4, 3).unwrap();
        assert_eq!(of(&[point.clone(), point]), Some(1.0));
        let (a, b) = (views(3, 1, 1), views(3, 2, 1));
        let error = lidar(&[a[0].view(), b[0].view()]).unwrap_err().to_string();
        assert_eq!(error, "view 1 has 8 rows of 5 dimensions, expected 8 of 4");
    }

    #[test]
    fn the_factor_times_its_transpose_is_the_matrix() {
        let a = [4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let mut l = a;
        cholesky(&mut l, 3);
        for i in 0..3 {
            for j in 0..=i {
                let product: f64 = (0..=j).map(|k| l[3 * i + k] * l[3 * j + k]).sum();
                assert!((product - a[3 * i + j]).abs() < 1e-14);
            }
        }
        let mut b = [1.0, 2.0, 3.0];
        solve(&l, &mut b);
        assert!((l[6] * b[0] + l[7] * b[1] + l[8] * b[2] - 3.0).abs() < 1e-14);
    }
}
