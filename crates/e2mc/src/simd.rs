//! One source for every instruction set: kernels are written once over [`Simd`] and compiled per level.
//!
//! A kernel works on rows of sixteen float32 (one cache line, the width of a panel) or eight float64 (sort
//! keys). Loops that only touch memory are left to the compiler, which vectorises them for the level they
//! are compiled for; what must stay in registers (the sorting network, the products) uses the types below.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The instructions that a kernel may use.
pub(crate) trait Simd: Copy + Send + Sync {
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
pub(crate) trait Kernel {
    /// What the work results in.
    type Output;
    /// Does the work with the level's instructions.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    /// The best level of this processor.
    pub(crate) fn detect() -> Self {
        *Self::available().last().unwrap_or(&Self(Set::Portable))
    }

    /// Every level of this processor, the best one last.
    pub(crate) fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            const ALL: [Level; 3] = [Level(Set::Portable), Level(Set::Avx2), Level(Set::Avx512)];
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            &ALL[..1 + usize::from(avx2) + usize::from(avx2 && avx512)]
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

    /// Runs `kernel` with this level's instructions.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
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
