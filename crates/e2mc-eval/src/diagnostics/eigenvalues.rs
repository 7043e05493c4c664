//! Eigenvalues of a symmetric matrix: Householder's reduction to three diagonals, then the implicit QL iteration.
//!
//! Values only, no vectors, in float64 (Golub and Van Loan, *Matrix Computations*, 4th ed., sections 8.3.1 and 8.3.3).
//! Here because a library for it would be by far the heaviest dependency of this crate. `4/3 d^3` operations, most of
//! them one symmetric product of a matrix and a vector for each column, on all cores. The absolute error is a few times
//! `d` rounding units of the largest eigenvalue.

use rayon::prelude::*;

/// Rows that one task handles; fixed, so that sums do not depend on the number of threads.
const ROWS: usize = 64;

/// All eigenvalues of the symmetric `matrix` of `order` rows, largest first. Reads the lower half alone.
pub(super) fn eigenvalues(mut matrix: Vec<f64>, order: usize) -> Vec<f64> {
    debug_assert_eq!(matrix.len(), order * order);
    let (mut diagonal, mut beside) = tridiagonal(&mut matrix, order);
    implicit_ql(&mut diagonal, &mut beside);
    diagonal.sort_unstable_by(|a, b| b.total_cmp(a));
    diagonal
}

/// The diagonal, and the values beside it (the last is 0), of a tridiagonal matrix with the same eigenvalues.
///
/// Works from the last row up: the row's part left of the diagonal is reflected onto its last place, and the rows above
/// are updated on both sides. They stay one contiguous block of shrinking rows.
fn tridiagonal(a: &mut [f64], order: usize) -> (Vec<f64>, Vec<f64>) {
    let mut diagonal = vec![0.0; order];
    let mut beside = vec![0.0; order];
    let mut product = vec![0.0; order];
    for i in (1..order).rev() {
        let (above, row) = a.split_at_mut(i * order);
        diagonal[i] = row[i];
        let v = &mut row[..i];
        let scale = v.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        if scale == 0.0 || i == 1 {
            beside[i - 1] = v[i - 1];
            continue;
        }
        // v becomes x - alpha e, which reflects x onto the last axis.
        v.iter_mut().for_each(|value| *value /= scale);
        let norm = dot(v, v).sqrt();
        let alpha = if v[i - 1] > 0.0 { -norm } else { norm };
        beside[i - 1] = alpha * scale;
        let half = norm * norm - alpha * v[i - 1]; // |v|^2 / 2
        v[i - 1] -= alpha;

        // p = A v / half, K = v.p / (2 half), q = p - K v, A -= v q' + q v'.
        symmetric_product(above, order, v, &mut product[..i]);
        let p = &mut product[..i];
        p.iter_mut().for_each(|value| *value /= half);
        let k = dot(v, p) / (2.0 * half);
        for (p, v) in p.iter_mut().zip(&*v) {
            *p -= k * v;
        }
        let (q, v) = (&*p, &*v);
        above
            .par_chunks_mut(ROWS * order)
            .enumerate()
            .for_each(|(block, lines)| {
                for (r, line) in lines.chunks_exact_mut(order).enumerate() {
                    let j = block * ROWS + r;
                    let (vj, qj) = (v[j], q[j]);
                    for ((value, q), v) in line[..=j].iter_mut().zip(q).zip(v) {
                        *value -= vj * q + qj * v;
                    }
                }
            });
    }
    diagonal[0] = a[0];
    (diagonal, beside)
}

/// `out = A v` where only the lower half of the rows `a` is valid.
fn symmetric_product(a: &[f64], order: usize, v: &[f64], out: &mut [f64]) {
    let n = v.len();
    // Each block of rows gives its own products, and what its mirror image adds to the rows above.
    let parts: Vec<(Vec<f64>, Vec<f64>)> = a
        .par_chunks(ROWS * order)
        .enumerate()
        .map(|(block, lines)| {
            let first = block * ROWS;
            let count = lines.len() / order;
            let mut own = vec![0.0; count];
            let mut mirrored = vec![0.0; first + count];
            for (r, line) in lines.chunks_exact(order).enumerate() {
                let j = first + r;
                own[r] = dot(&line[..j], &v[..j]) + line[j] * v[j];
                let vj = v[j];
                for (mirrored, value) in mirrored[..j].iter_mut().zip(line) {
                    *mirrored += vj * value;
                }
            }
            (own, mirrored)
        })
        .collect();
    out[..n].fill(0.0);
    for (block, (own, mirrored)) in parts.iter().enumerate() {
        for (out, value) in out.iter_mut().zip(mirrored) {
            *out += value;
        }
        for (out, value) in out[block * ROWS..].iter_mut().zip(own) {
            *out += value;
        }
    }
}

/// The sum of products in eight lanes, which the compiler makes vectors of.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Turns `d` into the eigenvalues of the tridiagonal matrix with diagonal `d` and `e` beside it.
fn implicit_ql(d: &mut [f64], e: &mut [f64]) {
    /// No matrix is known to need more than a few; an end for what nobody has seen.
    const MOST_SWEEPS: usize = 200;
    let n = d.len();
    for l in 0..n {
        for _ in 0..MOST_SWEEPS {
            // The first place from l on where the matrix falls apart.
            let m = (l..n - 1)
                .find(|&m| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs()))
                .unwrap_or(n - 1);
            if m == l {
                break;
            }
            // Wilkinson's shift.
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut whole = true;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    whole = false;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
            }
            if whole {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, in_pool};

    /// Reflections `I - 2 w w'` of a diagonal matrix: its eigenvalues are known.
    fn with_eigenvalues(values: &[f64], seed: u64) -> Vec<f64> {
        let n = values.len();
        let mut a = vec![0.0; n * n];
        for (i, value) in values.iter().enumerate() {
            a[i * n + i] = *value;
        }
        let mut random = SplitMix(seed);
        for _ in 0..3 {
            let w: Vec<f64> = (0..n).map(|_| f64::from(random.normal())).collect();
            let square = dot(&w, &w);
            for _ in 0..2 {
                // From the right, then by transposition from the left.
                for row in a.chunks_mut(n) {
                    let along = 2.0 * dot(row, &w) / square;
                    row.iter_mut().zip(&w).for_each(|(a, w)| *a -= along * w);
                }
                a = (0..n * n).map(|k| a[k % n * n + k / n]).collect();
            }
        }
        a
    }

    fn check(mut values: Vec<f64>, seed: u64) {
        let n = values.len();
        let found = eigenvalues(with_eigenvalues(&values, seed), n);
        values.sort_by(|a, b| b.total_cmp(a));
        let largest = values.iter().fold(1e-300_f64, |m, v| m.max(v.abs()));
        let tolerance = 16.0 * n as f64 * f64::EPSILON * largest;
        for (found, expected) in found.iter().zip(&values) {
            assert!(
                (found - expected).abs() <= tolerance,
                "{n}: {found} {expected}"
            );
        }
        assert_eq!(found.len(), n);
    }

    #[test]
    fn known_eigenvalues_come_back_over_a_table_of_spectra() {
        for n in [1, 2, 3, 5, 17, 64, 65, 130] {
            let of = |value: fn(usize, usize) -> f64| (0..n).map(|i| value(i, n)).collect();
            check(of(|i, _| i as f64 - 3.0), 1);
            check(of(|_, _| 1.0), 2); // all equal
            check(of(|i, _| if i < 2 { 5.0 } else { 0.0 }), 3); // two directions
            check(of(|i, _| 10f64.powi(-(i as i32))), 4); // many orders of magnitude
            check(
                of(|i, n| {
                    if i % 2 == 0 {
                        1.0
                    } else {
                        1.0 + 1e-13 * n as f64
                    }
                }),
                5,
            ); // pairs
            check(of(|i, _| 1e200 * (1.0 + i as f64)), 6);
            check(of(|_, _| 0.0), 7);
        }
    }

    #[test]
    fn a_matrix_that_is_tridiagonal_already_has_its_closed_form() {
        // 2 on the diagonal, -1 beside it: 2 - 2 cos(k pi / (n + 1)).
        let n = 50;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = 2.0;
            if i > 0 {
                a[i * n + i - 1] = -1.0;
                a[(i - 1) * n + i] = -1.0;
            }
        }
        for (k, found) in eigenvalues(a, n).into_iter().enumerate() {
            let angle = std::f64::consts::PI * (n - k) as f64 / (n + 1) as f64;
            assert!((found - (2.0 - 2.0 * angle.cos())).abs() < 1e-13);
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let values: Vec<f64> = (0..200).map(|i| (f64::from(i)).sin()).collect();
        let a = with_eigenvalues(&values, 9);
        let run = |threads| in_pool(threads, || eigenvalues(a.clone(), 200));
        assert_eq!(run(1), run(3));
    }
}
