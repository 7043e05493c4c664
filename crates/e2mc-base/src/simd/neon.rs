//! NEON, which every 64-bit ARM processor has.

use super::Simd;
use std::arch::aarch64::*;
use std::array::from_fn;

/// The baseline of aarch64.
#[derive(Clone, Copy)]
pub(super) struct Neon;

// Every block below is sound for one reason: NEON is part of the target's baseline, and loads and
// stores take references to arrays of the full width.
impl Simd for Neon {
    const FUSED: bool = true;
    const LARGE_TILE: bool = false;
    type F32 = [float32x4_t; 4];
    type F64 = [float64x2_t; 4];

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> [float32x4_t; 4] {
        // SAFETY: see above.
        from_fn(|i| unsafe { vld1q_f32(from[4 * i..][..4].as_ptr()) })
    }

    #[inline(always)]
    fn store(self, value: [float32x4_t; 4], to: &mut [f32; 16]) {
        for (to, value) in to.chunks_exact_mut(4).zip(value) {
            // SAFETY: see above.
            unsafe { vst1q_f32(to.as_mut_ptr(), value) }
        }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [float32x4_t; 4] {
        // SAFETY: see above.
        [unsafe { vdupq_n_f32(value) }; 4]
    }

    #[inline(always)]
    fn add(self, a: [float32x4_t; 4], b: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: see above.
        from_fn(|i| unsafe { vaddq_f32(a[i], b[i]) })
    }

    #[inline(always)]
    fn mul_add(
        self,
        a: [float32x4_t; 4],
        b: [float32x4_t; 4],
        c: [float32x4_t; 4],
    ) -> [float32x4_t; 4] {
        // SAFETY: see above.
        from_fn(|i| unsafe { vfmaq_f32(c[i], a[i], b[i]) })
    }

    #[inline(always)]
    fn splat_f64(self, value: f64) -> [float64x2_t; 4] {
        // SAFETY: see above.
        [unsafe { vdupq_n_f64(value) }; 4]
    }

    #[inline(always)]
    fn load_f64(self, from: &[u32; 16]) -> [float64x2_t; 4] {
        // SAFETY: see above.
        from_fn(|i| unsafe { vld1q_f64(from[4 * i..][..4].as_ptr().cast()) })
    }

    #[inline(always)]
    fn store_f64(self, value: [float64x2_t; 4], to: &mut [u32; 16]) {
        for (to, value) in to.chunks_exact_mut(4).zip(value) {
            // SAFETY: see above.
            unsafe { vst1q_f64(to.as_mut_ptr().cast(), value) }
        }
    }

    #[inline(always)]
    fn min(self, a: [float64x2_t; 4], b: [float64x2_t; 4]) -> [float64x2_t; 4] {
        // SAFETY: see above.
        from_fn(|i| unsafe { vminq_f64(a[i], b[i]) })
    }

    #[inline(always)]
    fn max(self, a: [float64x2_t; 4], b: [float64x2_t; 4]) -> [float64x2_t; 4] {
        // SAFETY: see above.
        from_fn(|i| unsafe { vmaxq_f64(a[i], b[i]) })
    }

    #[inline(always)]
    fn join(self, high: &[u32; 8], low: u32) -> [float64x2_t; 4] {
        // SAFETY: see above.
        from_fn(|i| unsafe {
            let high = vmovl_u32(vld1_u32(high[2 * i..][..2].as_ptr()));
            let low = vdupq_n_u64(u64::from(low));
            vreinterpretq_f64_u64(vorrq_u64(vshlq_n_u64::<32>(high), low))
        })
    }

    #[inline(always)]
    fn split(self, value: [float64x2_t; 4], to: &mut [u32; 16]) {
        for i in 0..4 {
            // SAFETY: see above.
            unsafe {
                let bits = vreinterpretq_u64_f64(value[i]);
                vst1_u32(to[2 * i..][..2].as_mut_ptr(), vshrn_n_u64::<32>(bits));
                vst1_u32(to[8 + 2 * i..][..2].as_mut_ptr(), vmovn_u64(bits));
            }
        }
    }
}
