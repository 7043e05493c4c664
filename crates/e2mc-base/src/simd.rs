//! One source for every instruction set: work is written once, compiled per level, and the best
//! level that the processor has runs.
//!
//! There are two ways in. A [`Kernel`] is written over [`Simd`], rows of sixteen float32 (one cache
//! line) or eight float64: what must stay in registers uses its types, and levels may round
//! differently where a product and a sum are one instruction. [`vectorised!`](crate::vectorised!)
//! takes a plain function and leaves it to the compiler's own vectorisation, so that every level
//! gives the same bits. A kernel may do the same and ignore its [`Simd`].

use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

/// A function compiled for [`Set::Avx2`]; here, once, what that is.
#[doc(hidden)]
#[macro_export]
macro_rules! compiled_for_avx2 {
    ($($function:tt)*) => {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt")]
        $($function)*
    };
}

/// As [`compiled_for_avx2`], for [`Set::Avx512`].
#[doc(hidden)]
#[macro_export]
macro_rules! compiled_for_avx512 {
    ($($function:tt)*) => {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512dq,avx512vl")]
        $($function)*
    };
}

/// Defines a function whose body is compiled for AVX-512, for AVX2 and for what every processor of
/// the architecture has. Before the function stands the path of another that tells the
/// [`Level`](crate::simd::Level) to run, such as `Level::detect`. Only the compiler's own
/// vectorisation differs: the arithmetic is the same, and nothing is contracted, so the results are
/// equal bit for bit.
///
/// Functions that the body calls take part if they are `#[inline(always)]`.
#[macro_export]
macro_rules! vectorised {
    ($level:path; $(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "kernels take slices one by one")]
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                $crate::compiled_for_avx512! {
                    fn avx512($($argument: $type),*) $(-> $result)? {
                        portable($($argument),*)
                    }
                }
                $crate::compiled_for_avx2! {
                    fn avx2($($argument: $type),*) $(-> $result)? {
                        portable($($argument),*)
                    }
                }
                match $level().set() {
                    // SAFETY: the level says that the processor has these instructions.
                    $crate::simd::Set::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::simd::Set::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::simd::Set::Portable => {}
                }
            }
            portable($($argument),*)
        }
    };
}

/// The instructions that a kernel may use.
pub trait Simd: Copy + Send + Sync {
    /// Whether `a * b + c` is one instruction with one rounding.
    const FUSED: bool;
    /// Whether there are registers for a tile of 8 x 48 float32.
    const LARGE_TILE: bool;
    /// Sixteen float32.
    type F32: Copy;
    /// Eight float64.
    type F64: Copy;

    /// Reads sixteen float32.
    fn load(self, from: &[f32; 16]) -> Self::F32;
    /// Writes sixteen float32.
    fn store(self, value: Self::F32, to: &mut [f32; 16]);
    /// The same float32 sixteen times.
    fn splat(self, value: f32) -> Self::F32;
    /// `a + b`.
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The same float64 eight times.
    fn splat_f64(self, value: f64) -> Self::F64;
    /// Reads eight float64 as [`Simd::store_f64`] has written them.
    fn load_f64(self, from: &[u32; 16]) -> Self::F64;
    /// Writes the bits of eight float64.
    fn store_f64(self, value: Self::F64, to: &mut [u32; 16]);
    /// The smaller of each pair; no operand is NaN.
    fn min(self, a: Self::F64, b: Self::F64) -> Self::F64;
    /// The larger of each pair; no operand is NaN.
    fn max(self, a: Self::F64, b: Self::F64) -> Self::F64;

    /// Eight float64 from their bits' high halves and one low half for all.
    fn join(self, high: &[u32; 8], low: u32) -> Self::F64;
    /// Writes the high halves of the bits of eight float64, then the low ones.
    fn split(self, value: Self::F64, to: &mut [u32; 16]);

    /// `a * b + c` on single values, rounded as [`Simd::mul_add`] rounds.
    #[inline(always)]
    fn mul_add_scalar(self, a: f32, b: f32, c: f32) -> f32 {
        if Self::FUSED {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }
}

/// Work that is compiled for every level; `run` must be `#[inline(always)]`.
pub trait Kernel {
    /// What the work results in.
    type Output;
    /// Does the work with the level's instructions.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Set);

/// What a [`Level`] names. A set that is named need not be there: only a level says so.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// What every processor of the architecture has, without the types of [`Simd`].
    Portable,
    /// AVX2 and what comes with it.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL, and AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// What every 64-bit ARM processor has, with the types of [`Simd`].
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    /// The best level of this processor.
    #[inline]
    pub fn detect() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| *Self::available().last().unwrap_or(&Self(Set::Portable)))
    }

    /// Every level of this processor, the best one last.
    pub fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            const ALL: [Level; 3] = [Level(Set::Portable), Level(Set::Avx2), Level(Set::Avx512)];
            macro_rules! has {
                ($($feature:tt)*) => { $(is_x86_feature_detected!($feature))&&* };
            }
            let avx2 = has!("avx2" "fma" "bmi1" "bmi2" "lzcnt");
            let avx512 = avx2 && has!("avx512f" "avx512bw" "avx512dq" "avx512vl");
            &ALL[..1 + usize::from(avx2) + usize::from(avx512)]
        }
        #[cfg(target_arch = "aarch64")]
        {
            &[Self(Set::Portable), Self(Set::Neon)]
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            &[Self(Set::Portable)]
        }
    }

    /// The instruction set.
    #[doc(hidden)]
    #[inline]
    pub fn set(self) -> Set {
        self.0
    }

    /// Runs `kernel` with this level's instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Set::Portable => kernel.run(portable::Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level is made by `available` alone, which has detected its features.
            Set::Avx2 => unsafe { x86::run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { x86::run_avx512(kernel) },
            #[cfg(target_arch = "aarch64")]
            Set::Neon => kernel.run(neon::Neon),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static LEVEL: Cell<Level> = Cell::new(Level::detect());
    }

    fn level() -> Level {
        LEVEL.get()
    }

    crate::vectorised! {
        level;
        fn products(a: &[f32], b: &[f32], sums: &mut [f32]) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
    }

    #[test]
    fn a_plain_function_gives_the_same_bits_on_every_level() {
        let a: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.11).cos()).collect();
        let of = |level| {
            LEVEL.set(level);
            let mut sums = b.clone();
            products(&a, &b, &mut sums);
            sums
        };
        let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| b + a * b).collect();
        for &level in Level::available() {
            assert!(of(level) == expected, "{level:?}");
        }
    }

    struct Halves<'a>(&'a [[f32; 16]]);

    impl Kernel for Halves<'_> {
        type Output = Vec<[f32; 16]>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let half = simd.splat(0.5);
            let zero = simd.splat(0.0);
            let mut out = self.0.to_vec();
            for row in &mut out {
                simd.store(simd.mul_add(simd.load(row), half, zero), row);
            }
            out
        }
    }

    #[test]
    fn a_kernel_runs_on_every_level() {
        let rows: Vec<[f32; 16]> = (0..5)
            .map(|row| std::array::from_fn(|lane| (row * 16 + lane) as f32))
            .collect();
        let expected: Vec<[f32; 16]> = rows.iter().map(|row| row.map(|x| x / 2.0)).collect();
        for &level in Level::available() {
            assert_eq!(level.run(Halves(&rows)), expected, "{level:?}");
        }
        assert_eq!(Level::detect(), *Level::available().last().unwrap());
    }
}
