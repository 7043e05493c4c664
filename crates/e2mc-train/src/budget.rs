//! How many numbers a network's weights may have before it is made.
//!
//! A checkpoint's header says what network its tensors are of. A damaged or hostile one may claim a
//! network of any size: no more is made than the file can hold the numbers of.

use std::cell::Cell;

use crate::Error;

thread_local! {
    /// What is left for the layers that are made now, and the limit.
    static LEFT: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

/// Limits to the numbers of a network's weights; none by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Numbers of the backbone.
    pub(crate) backbone: Option<u64>,
    /// Numbers of the method's heads.
    pub(crate) heads: Option<u64>,
}

/// Makes layers with at most so many numbers in all.
pub(crate) fn within<T>(
    limit: Option<u64>,
    make: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let before = LEFT.replace(limit.map(|limit| (limit, limit)));
    let made = make();
    LEFT.set(before);
    made
}

/// Is called by a layer before it makes a tensor of that shape.
pub(crate) fn take(shape: &[i64]) -> Result<(), Error> {
    let Some((left, limit)) = LEFT.get() else {
        return Ok(());
    };
    let numbers = shape.iter().try_fold(1u64, |product, &size| {
        product.checked_mul(u64::try_from(size).ok()?)
    });
    let left = numbers.and_then(|numbers| left.checked_sub(numbers));
    let left = left.ok_or(Error::TooLarge { limit })?;
    LEFT.set(Some((left, limit)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_share_one_limit() {
        let made = within(Some(10), || {
            take(&[2, 3])?;
            take(&[4])?;
            take(&[1])
        });
        assert!(matches!(made, Err(Error::TooLarge { limit: 10 })));
        assert!(within(Some(10), || take(&[i64::MAX, i64::MAX])).is_err());
        take(&[1 << 40]).unwrap();
        within(None, || take(&[1 << 40])).unwrap();
    }
}
