//! AVX2 with FMA, and AVX-512.

use super::{Kernel, Simd};
use std::arch::x86_64::*;

/// AVX2 and FMA; exists only inside [`run_avx2`].
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// AVX-512 F, VL, BW and DQ; exists only inside [`run_avx512`].
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

crate::compiled_for_avx2! {
    /// Runs `kernel` compiled for AVX2.
    ///
    /// # Safety
    /// The processor has what [`Level`](super::Level) asks for AVX2.
    pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx2(()))
    }
}

crate::compiled_for_avx512! {
    /// Runs `kernel` compiled for AVX-512.
    ///
    /// # Safety
    /// The processor has what [`Level`](super::Level) asks for AVX-512.
    pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx512(()))
    }
}

// Every block below is sound for one reason: a value of `Avx2` or `Avx512` exists only where the
// processor has the features, and loads and stores take references to arrays of the full width.
impl Simd for Avx2 {
    const FUSED: bool = true;
    const LARGE_TILE: bool = false;
    type F32 = [__m256; 2];
    type F64 = [__m256d; 2];

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> [__m256; 2] {
        let p = from.as_ptr();
        // SAFETY: see above.
        unsafe { [_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))] }
    }

    #[inline(always)]
    fn store(self, value: [__m256; 2], to: &mut [f32; 16]) {
        let p = to.as_mut_ptr();
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_ps(p, value[0]);
            _mm256_storeu_ps(p.add(8), value[1]);
        }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }

    #[inline(always)]
    fn splat_f64(self, value: f64) -> [__m256d; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_set1_pd(value); 2] }
    }

    #[inline(always)]
    fn load_f64(self, from: &[u32; 16]) -> [__m256d; 2] {
        let p = from.as_ptr().cast::<f64>();
        // SAFETY: see above.
        unsafe { [_mm256_loadu_pd(p), _mm256_loadu_pd(p.add(4))] }
    }

    #[inline(always)]
    fn store_f64(self, value: [__m256d; 2], to: &mut [u32; 16]) {
        let p = to.as_mut_ptr().cast::<f64>();
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_pd(p, value[0]);
            _mm256_storeu_pd(p.add(4), value[1]);
        }
    }

    #[inline(always)]
    fn min(self, a: [__m256d; 2], b: [__m256d; 2]) -> [__m256d; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_min_pd(a[0], b[0]), _mm256_min_pd(a[1], b[1])] }
    }

    #[inline(always)]
    fn max(self, a: [__m256d; 2], b: [__m256d; 2]) -> [__m256d; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_max_pd(a[0], b[0]), _mm256_max_pd(a[1], b[1])] }
    }

    #[inline(always)]
    fn join(self, high: &[u32; 8], low: u32) -> [__m256d; 2] {
        let p = high.as_ptr().cast::<__m128i>();
        // SAFETY: see above.
        unsafe {
            let low = _mm256_set1_epi64x(i64::from(low));
            let join = |high| {
                let high = _mm256_slli_epi64::<32>(_mm256_cvtepu32_epi64(high));
                _mm256_castsi256_pd(_mm256_or_si256(high, low))
            };
            [join(_mm_loadu_si128(p)), join(_mm_loadu_si128(p.add(1)))]
        }
    }

    #[inline(always)]
    fn split(self, value: [__m256d; 2], to: &mut [u32; 16]) {
        let p = to.as_mut_ptr().cast::<__m256i>();
        // SAFETY: see above.
        unsafe {
            let (a, b) = (_mm256_castpd_ps(value[0]), _mm256_castpd_ps(value[1]));
            // The odd and the even words of both, in the order 0 1 4 5 2 3 6 7.
            let high = _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(a, b));
            let low = _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(a, b));
            _mm256_storeu_si256(p, _mm256_permute4x64_epi64::<0xd8>(high));
            _mm256_storeu_si256(p.add(1), _mm256_permute4x64_epi64::<0xd8>(low));
        }
    }
}

impl Simd for Avx512 {
    const FUSED: bool = true;
    const LARGE_TILE: bool = true;
    type F32 = __m512;
    type F64 = __m512d;

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, value: __m512, to: &mut [f32; 16]) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn splat_f64(self, value: f64) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_set1_pd(value) }
    }

    #[inline(always)]
    fn load_f64(self, from: &[u32; 16]) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_loadu_pd(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store_f64(self, value: __m512d, to: &mut [u32; 16]) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr().cast(), value) }
    }

    #[inline(always)]
    fn min(self, a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_min_pd(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_max_pd(a, b) }
    }

    #[inline(always)]
    fn join(self, high: &[u32; 8], low: u32) -> __m512d {
        // SAFETY: see above.
        unsafe {
            let high = _mm512_cvtepu32_epi64(_mm256_loadu_si256(high.as_ptr().cast()));
            let low = _mm512_set1_epi64(i64::from(low));
            _mm512_castsi512_pd(_mm512_or_si512(_mm512_slli_epi64::<32>(high), low))
        }
    }

    #[inline(always)]
    fn split(self, value: __m512d, to: &mut [u32; 16]) {
        let p = to.as_mut_ptr().cast::<__m256i>();
        // SAFETY: see above.
        unsafe {
            let bits = _mm512_castpd_si512(value);
            _mm256_storeu_si256(p, _mm512_cvtepi64_epi32(_mm512_srli_epi64::<32>(bits)));
            _mm256_storeu_si256(p.add(1), _mm512_cvtepi64_epi32(bits));
        }
    }
}
