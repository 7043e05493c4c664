//! The split of labelled rows into folds for cross-validation.

use crate::Error;
use crate::random::{Purpose, Stream};

/// The fold of each row. Each class is shuffled and dealt to the folds in turn, going on where the
/// class before ended, so that folds and the classes in them differ by one row at most. A class of
/// at least two rows is never held out whole.
pub(crate) fn stratified(
    labels: &[usize],
    classes: usize,
    folds: usize,
    seed: u64,
) -> Result<Vec<u32>, Error> {
    let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); classes];
    for (row, &label) in labels.iter().enumerate() {
        rows_of[label].push(row);
    }
    let repeated = rows_of.iter().filter(|rows| rows.len() > 1).count();
    if repeated < 2 {
        return Err(Error::TooFewToHoldOut { classes: repeated });
    }
    let mut fold_of_row = vec![0; labels.len()];
    let mut dealt = 0;
    for (class, rows) in rows_of.iter_mut().enumerate() {
        Stream::new(seed, Purpose::Folds, class as u64).shuffle(rows);
        for &row in rows.iter() {
            fold_of_row[row] = (dealt % folds) as u32;
            dealt += 1;
        }
    }
    Ok(fold_of_row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_and_the_classes_in_them_are_even() {
        let labels: Vec<usize> = (0..103).map(|i| [0, 0, 0, 1, 1, 2][i % 6]).collect();
        let folds = stratified(&labels, 3, 5, 7).unwrap();
        let count = |fold, class| {
            (0..103)
                .filter(|&r| folds[r] == fold && (class == 3 || labels[r] == class))
                .count()
        };
        for class in 0..4 {
            let counts: Vec<usize> = (0..5).map(|fold| count(fold, class)).collect();
            assert!(
                counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1,
                "{counts:?}"
            );
        }
        assert_eq!(folds, stratified(&labels, 3, 5, 7).unwrap());
        assert_ne!(folds, stratified(&labels, 3, 5, 8).unwrap());
    }

    #[test]
    fn more_folds_than_rows_leave_one_out() {
        let mut folds = stratified(&[0, 1, 0, 1], 2, 50, 1).unwrap();
        folds.sort_unstable();
        assert_eq!(folds, [0, 1, 2, 3]);
    }
}
