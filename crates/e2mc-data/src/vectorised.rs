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
