//! Loops compiled for several instruction sets, the best of which is chosen when the program runs.

/// Defines a function whose body is compiled for AVX-512, for AVX2 and for what every processor of the
/// architecture has. Only the compiler's own vectorisation differs: the arithmetic is the same, and
/// nothing is contracted, so the results are equal bit for bit.
///
/// Functions that the body calls take part if they are `#[inline(always)]`.
macro_rules! vectorised {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "kernels take slices one by one")]
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt")]
                fn avx512($($argument: $type),*) $(-> $result)? {
                    portable($($argument),*)
                }
                #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
                fn avx2($($argument: $type),*) $(-> $result)? {
                    portable($($argument),*)
                }
                match $crate::vectorised::level() {
                    // SAFETY: the level says that the processor has these instructions.
                    $crate::vectorised::Level::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::vectorised::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::vectorised::Level::Baseline => {}
                }
            }
            portable($($argument),*)
        }
    };
}

pub(crate) use vectorised;

/// What the processor has, of what [`vectorised!`] compiles for.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Baseline,
    Avx2,
    Avx512,
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = tests::FORCED.get() {
        return level;
    }
    use std::sync::OnceLock;
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        macro_rules! has {
            ($($feature:tt)*) => { $(is_x86_feature_detected!($feature))&&* };
        }
        match () {
            () if has!("avx512f" "avx512bw" "avx512dq" "avx512vl" "bmi1" "bmi2" "lzcnt") => {
                Level::Avx512
            }
            () if has!("avx2" "bmi1" "bmi2" "lzcnt") => Level::Avx2,
            () => Level::Baseline,
        }
    })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use super::{Level, level};
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
        let best = level();
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
        let wanted = make(Level::Baseline);
        for level in [Level::Avx2, Level::Avx512] {
            // A level includes those below it; what the processor lacks cannot be tried.
            if level as u8 <= best as u8 {
                assert!(make(level) == wanted, "{level:?}");
            }
        }
    }
}
