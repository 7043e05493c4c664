//! Test rows that are training rows too: the mistake that makes every accuracy too good.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::{Error, Rows};

/// Rows read at a time.
const ROWS: usize = 4096;

/// How many rows of `test` `(n_test, d)` equal a row of `train` `(n_train, d)` bit for bit, zero
/// rows aside. The same image has the same features, and different images practically never. Takes
/// about 16 bytes for each training row; rows are told apart by 64-bit hashes.
///
/// # Errors
/// Where rows cannot be read.
pub fn equal_rows(train: &dyn Rows, test: &dyn Rows) -> Result<usize, Error> {
    if train.cols() != test.cols() || train.cols() == 0 {
        return Ok(0);
    }
    let hasher = RandomState::new();
    let hash = |row: &[f32]| {
        // Minus zero equals zero.
        let bits: Vec<u32> = row.iter().map(|v| (v + 0.0).to_bits()).collect();
        hasher.hash_one(bits)
    };
    let is_zero = |row: &[f32]| row.iter().all(|&v| v == 0.0);
    let mut seen = HashSet::with_capacity(train.rows());
    each_row(train, |row| {
        seen.insert(hash(row));
    })?;
    let mut equal = 0;
    each_row(test, |row| {
        equal += usize::from(!is_zero(row) && seen.contains(&hash(row)));
    })?;
    Ok(equal)
}

fn each_row(matrix: &dyn Rows, mut take: impl FnMut(&[f32])) -> Result<(), Error> {
    for start in (0..matrix.rows()).step_by(ROWS) {
        let block = matrix.read(start..(start + ROWS).min(matrix.rows()))?;
        block.chunks_exact(matrix.cols()).for_each(&mut take);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2mc::Matrix;

    #[test]
    fn equal_rows_are_counted_and_zeros_are_not() {
        let train = Matrix::new(vec![1.0, 2.0, 0.0, 0.0, 3.0, 0.0], 3, 2).unwrap();
        let test = vec![3.0, -0.0, 0.0, 0.0, 2.0, 1.0, 1.0, 2.0, 1.0, 2.0];
        let test = Matrix::new(test, 5, 2).unwrap();
        assert_eq!(equal_rows(&train.view(), &test.view()).unwrap(), 3);
        let wide = Matrix::new(vec![1.0, 2.0, 3.0], 1, 3).unwrap();
        assert_eq!(equal_rows(&train.view(), &wide.view()).unwrap(), 0);
    }
}
