//! Plain arrays: every processor, and the twin that the other levels are tested against.

use super::Simd;
use std::array::from_fn;

/// No instructions beyond the target's baseline.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Simd for Portable {
    const FUSED: bool = false;
    const LARGE_TILE: bool = false;
    type F32 = [f32; 16];
    type F64 = [f64; 8];

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> [f32; 16] {
        *from
    }

    #[inline(always)]
    fn store(self, value: [f32; 16], to: &mut [f32; 16]) {
        *to = value;
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 16] {
        [value; 16]
    }

    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn splat_f64(self, value: f64) -> [f64; 8] {
        [value; 8]
    }

    #[inline(always)]
    fn load_f64(self, from: &[u32; 16]) -> [f64; 8] {
        from_fn(|i| f64::from_bits(u64::from(from[2 * i + 1]) << 32 | u64::from(from[2 * i])))
    }

    #[inline(always)]
    fn store_f64(self, value: [f64; 8], to: &mut [u32; 16]) {
        for i in 0..8 {
            to[2 * i] = value[i].to_bits() as u32;
            to[2 * i + 1] = (value[i].to_bits() >> 32) as u32;
        }
    }

    #[inline(always)]
    fn min(self, a: [f64; 8], b: [f64; 8]) -> [f64; 8] {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn max(self, a: [f64; 8], b: [f64; 8]) -> [f64; 8] {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn join(self, high: &[u32; 8], low: u32) -> [f64; 8] {
        from_fn(|i| f64::from_bits(u64::from(high[i]) << 32 | u64::from(low)))
    }

    #[inline(always)]
    fn split(self, value: [f64; 8], to: &mut [u32; 16]) {
        for i in 0..8 {
            to[i] = (value[i].to_bits() >> 32) as u32;
            to[8 + i] = value[i].to_bits() as u32;
        }
    }
}
