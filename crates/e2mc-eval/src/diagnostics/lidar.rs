//! LiDAR, the rank of a linear discriminant analysis over images (Thilak et al. 2024, section 3.1).
//!
//! Each image is a class, its `q` views are the samples. With the mean `m_i` of image i's views and
//! their mean `m`, `B = 1/n sum (m_i - m)(m_i - m)^T` and
//! `W = 1/(n q) sum (e_ij - m_i)(e_ij - m_i)^T + delta I`; of the eigenvalues `l` of
//! `W^-1/2 B W^-1/2` it is `exp(-sum p ln p)` with `p = l / sum l + epsilon`. Directions in which
//! views of one image differ as much as images do count little; RankMe counts them fully.
//!
//! With `W = L L^T` the wanted eigenvalues are those of `L^-1 B L^-T`, which has the rank of `n`
//! images at most: `d^3 / 3 + n d^2` operations and one eigenvalue problem of the smaller of `n`
//! and `d`.

use e2mc::MatrixView;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{MatMut, MatRef, Par, Side};

use super::eigenvalues::eigenvalues;
use super::gram::Gram;
use super::uniformity::check_views;
use crate::Error;

/// Added to the diagonal of `W`.
const DELTA: f64 = 1e-4;
/// Added to each share.
const EPSILON: f64 = 1e-8;

/// LiDAR of `views`, each `(n, d)` with the same image in each row; none for fewer than two views
/// or images.
///
/// # Errors
/// Views that differ in shape, or so large that their spectrum is beyond float64.
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
    // DELTA keeps it positive definite, unless it is beside values so large that it vanishes.
    let factor = MatRef::from_row_major_slice(&within, d, d)
        .llt(Side::Lower)
        .map_err(|_| Error::Eigenvalues { order: d })?;

    let centre: Vec<f64> = (0..d)
        .map(|j| means.iter().skip(j).step_by(d).sum::<f64>() / n as f64)
        .collect();
    let scale = (n as f64).sqrt().recip();
    for row in means.chunks_exact_mut(d) {
        for (value, centre) in row.iter_mut().zip(&centre) {
            *value = (*value - centre) * scale;
        }
    }
    let columns = MatMut::from_row_major_slice_mut(&mut means, n, d).transpose_mut();
    solve_lower_triangular_in_place(factor.L(), columns, Par::Seq);
    let spectrum = if n < d {
        let mut gram = Gram::new(n);
        let columns: Vec<f64> = (0..d)
            .flat_map(|j| means.iter().skip(j).step_by(d).copied())
            .collect();
        gram.add(&columns);
        eigenvalues(&gram.into_matrix(), n)?
    } else {
        let mut gram = Gram::new(d);
        gram.add(&means);
        eigenvalues(&gram.into_matrix(), d)?
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
    // With fewer images than dimensions, the other d - n eigenvalues are 0 and each has a share of
    // EPSILON.
    let absent = (d - spectrum.len()) as f64 * -EPSILON * EPSILON.ln();
    Ok(Some((entropy + absent).exp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SplitMix;
    use e2mc::Matrix;

    /// Images at the corners of a cube in `signal` dimensions, views that differ in the other
    /// dimensions only.
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
    fn images_given_twice_change_nothing() {
        // 32 images of 45 dimensions; as 64 images the other eigenvalue problem is solved.
        let once = views(5, 40, 6);
        let twice = |z: &Matrix| Matrix::new(z.data().repeat(2), 64, 45).unwrap();
        let twice: Vec<Matrix> = once.iter().map(twice).collect();
        let (a, b) = (of(&once).unwrap(), of(&twice).unwrap());
        assert!((a - b).abs() < 1e-8 * a, "{a} {b}");
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
}
