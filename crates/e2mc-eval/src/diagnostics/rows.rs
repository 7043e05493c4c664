//! Rows of a matrix in memory or of a file, in blocks and as often as needed, or an even sample of
//! them.

use e2mc::{Matrix, MatrixView};

use super::Config;
use crate::random::{Purpose, Stream};
use crate::{Error, Rows};

/// Bytes of a block of rows.
const BLOCK: usize = 8 << 20;

/// Rows of a block for `cols` columns. It depends on nothing else, so that sums over blocks do not
/// either.
fn block_rows(cols: usize) -> usize {
    (BLOCK / (4 * cols.max(1))).clamp(16, 4096)
}

/// Shows all rows of `source` in order, a block at a time, with the index of each block's first
/// row.
///
/// # Errors
/// What `visit` returns, which ends the pass, or what reading meets.
pub(crate) fn each_block(
    source: &dyn Rows,
    mut visit: impl FnMut(usize, MatrixView<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (rows, cols) = (source.rows(), source.cols());
    let block = block_rows(cols);
    for first in (0..rows).step_by(block) {
        let here = block.min(rows - first);
        let values = source.read(first..first + here)?;
        visit(
            first,
            MatrixView::new(&values, here, cols).expect("whole rows"),
        )?;
    }
    Ok(())
}

/// The given rows of `source`.
///
/// # Errors
/// What reading meets.
pub(crate) fn pick(source: &dyn Rows, wanted: &[usize]) -> Result<Matrix, Error> {
    let mut data = Vec::with_capacity(wanted.len() * source.cols());
    let most = block_rows(source.cols());
    let mut left = wanted;
    while let Some(&first) = left.first() {
        // Read adjacent rows together.
        let run = left.iter().zip(first..).take(most);
        let count = run.take_while(|(row, next)| **row == *next).count();
        data.extend_from_slice(&source.read(first..first + count)?);
        left = &left[count..];
    }
    Ok(Matrix::new(data, wanted.len(), source.cols()).expect("whole rows"))
}

/// Enough rows and columns, few enough columns, finite values: checked block by block.
pub(super) fn check_shape(rows: usize, cols: usize) -> Result<(), Error> {
    if rows < 2 {
        return Err(Error::TooFewRows { rows });
    }
    if cols < 2 {
        return Err(Error::TooFewColumns { rows, cols });
    }
    if cols > Config::MOST_COLUMNS {
        return Err(Error::TooManyColumns {
            cols,
            limit: Config::MOST_COLUMNS,
        });
    }
    if rows > u32::MAX as usize {
        return Err(Error::TooManyRows {
            rows,
            limit: u32::MAX as usize,
        });
    }
    Ok(())
}

/// The first value of `block` that is not finite is an error that names its place.
pub(crate) fn check_finite(first: usize, block: MatrixView<'_>) -> Result<(), Error> {
    match block.data().iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite {
            set: "the",
            row: first + at / block.cols(),
            column: at % block.cols(),
            value: block.data()[at],
        }),
    }
}

/// `wanted` of `rows` row indices, increasing: one drawn from each of as many equal stretches, all
/// of them where there are no more than wanted.
pub(crate) fn spread_rows(rows: usize, wanted: usize, seed: u64) -> Vec<usize> {
    if wanted >= rows {
        return (0..rows).collect();
    }
    let edge = |i: usize| (i as u128 * rows as u128 / wanted as u128) as usize;
    (0..wanted)
        .map(|i| {
            let (from, to) = (edge(i), edge(i + 1));
            let mut stream = Stream::new(seed, Purpose::Sample, i as u64);
            from + stream.below((to - from) as u64) as usize
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_in_order_and_a_visitor_can_stop() {
        // Wide rows, so that a block holds few of them.
        let (rows, cols) = (70, 60_000);
        let values = (0..rows * cols).map(|i| (i % 8191) as f32).collect();
        let matrix = Matrix::new(values, rows, cols).unwrap();
        let (mut blocks, mut next) = (0, 0);
        each_block(&matrix.view(), |first, block| {
            assert_eq!((first, block.row(0)), (next, matrix.view().row(first)));
            blocks += 1;
            next += block.rows();
            Ok(())
        })
        .unwrap();
        assert!(blocks > 1 && next == rows, "{blocks} blocks, {next} rows");
        let stopped = each_block(&matrix.view(), |_, _| Err(Error::Nothing { what: "more" }));
        assert!(matches!(stopped, Err(Error::Nothing { what: "more" })));
        let wanted = [3, 68, 69, 4, 5, 5];
        let picked = pick(&matrix.view(), &wanted).unwrap();
        for (place, &row) in wanted.iter().enumerate() {
            assert_eq!(picked.view().row(place), matrix.view().row(row));
        }
        let all: Vec<usize> = (0..rows).collect();
        assert_eq!(pick(&matrix.view(), &all).unwrap(), matrix);
    }

    #[test]
    fn drawn_rows_increase_and_cover_everything() {
        assert_eq!(spread_rows(5, 9, 0), [0, 1, 2, 3, 4]);
        let drawn = spread_rows(1_000_003, 5000, 7);
        assert_eq!(drawn.len(), 5000);
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(drawn[0] < 201 && drawn[4999] >= 999_802 && drawn[4999] < 1_000_003);
        assert_ne!(drawn, spread_rows(1_000_003, 5000, 8));
        // Each is within a stretch of 200 of its place, so the mean is within about 1 of the
        // middle.
        let mean = drawn.iter().sum::<usize>() as f64 / 5000.0;
        assert!((mean - 500_001.0).abs() < 100.0, "{mean}");
    }
}
