//! Loops compiled for several instruction sets, the best of which is chosen when the program runs.

use e2mc_base::simd::Level;

/// [`e2mc_base::vectorised!`] at this crate's [`level`].
macro_rules! vectorised {
    ($($function:tt)*) => {
        e2mc_base::vectorised! { $crate::vectorised::level; $($function)* }
    };
}

pub(crate) use vectorised;

/// The level that this crate's loops run at.
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = tests::FORCED.get() {
        return level;
    }
    Level::detect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use super::Level;
    use crate::augment::Augmenter;
    use crate::decode::decode;
    use crate::{Augmentation, Image, stream};

    thread_local! {
        /// What the loops of this thread use, whatever the processor has.
        pub(super) static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
    }

    #[test]
    fn every_level_gives_the_same_bytes() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/source.jpg");
        let bytes = std::fs::read(golden).unwrap();
        let make = |level: Level| {
            FORCED.set(Some(level));
            let mut image = Image::default();
            decode(&bytes, &"source.jpg", &mut image).unwrap();
            let mut views = vec![
                image
                    .pixels
                    .iter()
                    .map(|&sample| f32::from(sample))
                    .collect(),
            ];
            for recipe in [Augmentation::vicreg(), Augmentation::swav()] {
                let mut augmenter = Augmenter::new(&recipe).unwrap();
                for (view, shape) in recipe.shapes().into_iter().enumerate() {
                    let mut out = vec![0.0_f32; shape.iter().product()];
                    augmenter.view(&image, view, &mut stream(1, 2, 3, view as u64), &mut out);
                    views.push(out);
                }
            }
            FORCED.set(None);
            views
        };
        // What the processor lacks cannot be tried.
        let [portable, others @ ..] = Level::available() else {
            unreachable!("every processor has a level");
        };
        let wanted = make(*portable);
        for &level in others {
            assert!(make(level) == wanted, "{level:?}");
        }
    }
}
