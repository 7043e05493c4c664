//! A plane through embeddings: the two directions in which they vary most (principal components),
//! for a map of the rows.
//!
//! The components come from the covariance `X^T X`, or from `X X^T` where there are fewer rows than
//! dimensions, in float64. A component has no sign of its own: it points to where the row farthest
//! from the mean lies.

use e2mc::MatrixView;
use faer::{MatRef, Side};

use super::gram::Gram;
use super::spectrum::of_rows;
use crate::Error;

/// Rows of embeddings in a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// One place a row, around the origin.
    pub places: Vec<[f32; 2]>,
    /// The share of the variance along either axis, 0 to 1.
    pub shares: [f64; 2],
}

impl Plane {
    /// The plane of the greatest variance of `rows` `(n, d)`; meant for some hundred rows, for it
    /// takes `min(n, d)^3` operations.
    ///
    /// # Errors
    /// [`Error::Eigenvalues`] if the iteration does not converge, as it does not with values that
    /// are not finite.
    pub fn of(rows: MatrixView<'_>) -> Result<Self, Error> {
        let (n, d) = (rows.rows(), rows.cols());
        let mean: Vec<f64> = (0..d)
            .map(|j| (0..n).map(|i| f64::from(rows.row(i)[j])).sum::<f64>() / n as f64)
            .collect();
        let (order, matrix) = match n < d {
            true => (n, of_rows(rows, &mean)),
            false => {
                let mut gram = Gram::new(d);
                let centred = (0..n).flat_map(|i| {
                    let row = rows.row(i).iter().zip(&mean);
                    row.map(|(&value, mean)| f64::from(value) - mean)
                });
                gram.add(&centred.collect::<Vec<f64>>());
                (d, gram.into_matrix())
            }
        };
        let solved = MatRef::from_row_major_slice(&matrix, order, order)
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| Error::Eigenvalues { order })?;
        let values = solved.S().column_vector();
        let total: f64 = (0..order).map(|k| values[k].max(0.0)).sum();
        let share = |axis: usize| match order.checked_sub(1 + axis) {
            Some(k) if total > 0.0 => values[k].max(0.0) / total,
            _ => 0.0,
        };
        // Eigenvalues rise, so the strongest come last.
        let along =
            |axis: usize| -> Vec<f64> {
                let Some(k) = order.checked_sub(1 + axis) else {
                    return vec![0.0; n];
                };
                let vector: Vec<f64> = (0..order).map(|i| solved.U()[(i, k)]).collect();
                let places: Vec<f64> = if n < d {
                    let length = values[k].max(0.0).sqrt();
                    vector.iter().map(|value| length * value).collect()
                } else {
                    let place = |i: usize| {
                        let row = rows.row(i).iter().zip(&mean).zip(&vector);
                        row.map(|((&value, mean), v)| (f64::from(value) - mean) * v)
                            .sum()
                    };
                    (0..n).map(place).collect()
                };
                let farthest = places.iter().copied().fold(0.0, |far: f64, place| {
                    if place.abs() > far.abs() { place } else { far }
                });
                let sign = if farthest < 0.0 { -1.0 } else { 1.0 };
                places.into_iter().map(|place| sign * place).collect()
            };
        let places = along(0).into_iter().zip(along(1));
        Ok(Self {
            places: places.map(|(x, y)| [x as f32, y as f32]).collect(),
            shares: [share(0), share(1)],
        })
    }
}

/// The places turned, and mirrored where that helps, so that they lie as near as possible to
/// `others` of the same rows: an orthogonal Procrustes problem, whose distances within the map
/// stay. Lists of different lengths are left alone.
pub fn turned(places: &mut [[f32; 2]], others: &[[f32; 2]]) {
    if places.len() != others.len() {
        return;
    }
    let mut m = [[0.0_f64; 2]; 2];
    for (place, other) in places.iter().zip(others) {
        for (i, line) in m.iter_mut().enumerate() {
            for (j, sum) in line.iter_mut().enumerate() {
                *sum += f64::from(place[i]) * f64::from(other[j]);
            }
        }
    }
    // The best of all rotations and the best of all mirrored rotations; then the better of both.
    let turn = (m[0][0] + m[1][1]).hypot(m[0][1] - m[1][0]);
    let mirror = (m[0][0] - m[1][1]).hypot(m[0][1] + m[1][0]);
    let (cos, sin, sign) = match mirror > turn {
        true => (m[0][0] - m[1][1], m[0][1] + m[1][0], -1.0),
        false => (m[0][0] + m[1][1], m[0][1] - m[1][0], 1.0),
    };
    let length = cos.hypot(sin);
    if !(length > 0.0 && length.is_finite()) {
        return;
    }
    let (cos, sin) = (cos / length, sin / length);
    for place in places {
        let (x, y) = (f64::from(place[0]), sign * f64::from(place[1]));
        *place = [(cos * x - sin * y) as f32, (sin * x + cos * y) as f32];
    }
}

#[cfg(test)]
mod tests {
    use e2mc::Matrix;

    use super::*;

    /// Points spread along two directions that are no axes, around a far mean.
    fn sheet(n: usize, d: usize) -> (Matrix, Vec<[f64; 2]>) {
        let wave = |j: usize, k: f64| (j as f64 * k + k).sin();
        let at = |i: usize| {
            let t = (i as f64 * 0.618_033_988_75).fract() - 0.5;
            let s = (i as f64 * 0.414_213_562_37).fract() - 0.5;
            [10.0 * t, 3.0 * s]
        };
        let norm = |k: f64| (0..d).map(|j| wave(j, k).powi(2)).sum::<f64>().sqrt();
        let (a, b) = (norm(1.1), norm(2.3));
        let value = |i: usize, j: usize| {
            let [t, s] = at(i);
            (5.0 + t * wave(j, 1.1) / a + s * wave(j, 2.3) / b) as f32
        };
        let data = (0..n * d).map(|ij| value(ij / d, ij % d)).collect();
        (Matrix::new(data, n, d).unwrap(), (0..n).map(at).collect())
    }

    fn distance(a: [f32; 2], b: [f32; 2]) -> f64 {
        f64::from(a[0] - b[0]).hypot(f64::from(a[1] - b[1]))
    }

    #[test]
    fn wide_and_narrow_matrices_give_the_same_distances() {
        for (n, d) in [(60, 5), (60, 200)] {
            let (z, _) = sheet(n, d);
            let plane = Plane::of(z.view()).unwrap();
            assert!((plane.shares[0] + plane.shares[1] - 1.0).abs() < 1e-6);
            assert!(plane.shares[0] > plane.shares[1]);
            // The rows lie in a plane, so the map keeps their distances.
            for (i, j) in [(0, 1), (3, 40), (17, 59)] {
                let rows = z.view().row(i).iter().zip(z.view().row(j));
                let true_distance: f64 = rows
                    .map(|(a, b)| f64::from(a - b).powi(2))
                    .sum::<f64>()
                    .sqrt();
                let found = distance(plane.places[i], plane.places[j]);
                assert!((found - true_distance).abs() < 1e-4, "{n} {d}: {found}");
            }
        }
    }

    #[test]
    fn a_point_and_two_rows_have_a_plane_too() {
        let point = Matrix::new(vec![1.0; 12], 4, 3).unwrap();
        let plane = Plane::of(point.view()).unwrap();
        assert_eq!(plane.shares, [0.0, 0.0]);
        assert!(plane.places.iter().flatten().all(|x| x.abs() < 1e-6));
        let two = Matrix::new(vec![0.0, 3.0, 4.0, 3.0], 2, 2).unwrap();
        let plane = Plane::of(two.view()).unwrap();
        assert!((distance(plane.places[0], plane.places[1]) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn a_turned_and_mirrored_map_is_turned_back() {
        let (z, _) = sheet(50, 7);
        let first = Plane::of(z.view()).unwrap().places;
        for sign in [1.0, -1.0] {
            let (sin, cos) = 0.7_f32.sin_cos();
            let moved = |[x, y]: &[f32; 2]| [cos * x - sin * y, sign * (sin * x + cos * y)];
            let mut other: Vec<[f32; 2]> = first.iter().map(moved).collect();
            turned(&mut other, &first);
            let far = other.iter().zip(&first).map(|(a, b)| distance(*a, *b));
            assert!(far.fold(0.0, f64::max) < 1e-4);
        }
        let mut short = vec![[1.0, 2.0]];
        turned(&mut short, &first);
        assert_eq!(short, [[1.0, 2.0]]);
    }
}
