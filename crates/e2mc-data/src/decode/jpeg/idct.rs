//! The inverse cosine transform of a block: libjpeg's accurate one in integers, bit for bit.
//!
//! Loeffler, Ligtenberg and Moschytz, *Practical Fast 1-D DCT Algorithms with 11 Multiplications*
//! (ICASSP 1989), down the columns and then along the rows, with constants of 13 bits and two more
//! bits kept between the two.
//!
//! Sound files stay within 16 bits everywhere. Of numbers in damaged files that do not, the vector code of
//! libjpeg-turbo, which Pillow uses, wraps some sums and saturates what lies between the two passes; so does
//! this.

use std::num::Wrapping;

const CONSTANT_BITS: u32 = 13;
const KEPT_BITS: u32 = 2;

/// Rounded to `CONSTANT_BITS`.
const fn fixed(value: f64) -> Wrapping<i32> {
    Wrapping((value * (1 << CONSTANT_BITS) as f64 + 0.5) as i32)
}

/// A sum within 16 bits, as vector code has it.
#[inline(always)]
fn short(sum: Wrapping<i32>) -> Wrapping<i32> {
    Wrapping(i32::from(sum.0 as i16))
}

/// Eight samples of 16 bits to eight, scaled by 2^13 * sqrt(8). Nonsense in a file may overflow, silently.
#[inline(always)]
fn transform(x: [Wrapping<i32>; 8]) -> [Wrapping<i32>; 8] {
    // Even part.
    let z = (x[2] + x[6]) * const { fixed(0.541_196_100) };
    let t2 = z - x[6] * const { fixed(1.847_759_065) };
    let t3 = z + x[2] * const { fixed(0.765_366_865) };
    let t0 = short(x[0] + x[4]) << CONSTANT_BITS as usize;
    let t1 = short(x[0] - x[4]) << CONSTANT_BITS as usize;
    let even = [t0 + t3, t1 + t2, t1 - t2, t0 - t3];
    // Odd part.
    let (z3, z4) = (short(x[7] + x[3]), short(x[5] + x[1]));
    let z5 = (z3 + z4) * const { fixed(1.175_875_602) };
    let z1 = (x[7] + x[1]) * const { fixed(0.899_976_223) };
    let z2 = (x[5] + x[3]) * const { fixed(2.562_915_447) };
    let z3 = z5 - z3 * const { fixed(1.961_570_560) };
    let z4 = z5 - z4 * const { fixed(0.390_180_644) };
    let odd = [
        x[1] * const { fixed(1.501_321_110) } - z1 + z4,
        x[3] * const { fixed(3.072_711_026) } - z2 + z3,
        x[5] * const { fixed(2.053_119_869) } - z2 + z4,
        x[7] * const { fixed(0.298_631_336) } - z1 + z3,
    ];
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}

/// Drops this many bits, rounding.
#[inline(always)]
fn descale(value: Wrapping<i32>, bits: u32) -> i32 {
    ((value + Wrapping(1 << (bits - 1))) >> bits as usize).0
}

/// Transforms a block of dequantised coefficients in natural order into samples; the rows of `out`
/// are `stride` apart.
#[inline(always)]
pub(super) fn inverse(block: &[i16; 64], out: &mut [u8], stride: usize) {
    let mut turned = [0_i16; 64];
    let mut columns = [0_i16; 64];
    if block[8..].iter().all(|&value| value == 0) {
        // A block of one row is not transformed down its columns: its numbers wrap.
        for column in 0..8 {
            let flat = block[column] << KEPT_BITS;
            (0..8).for_each(|row| columns[8 * row + column] = flat);
        }
    } else {
        for column in 0..8 {
            let x = std::array::from_fn(|row| Wrapping(i32::from(block[8 * row + column])));
            let y = transform(x);
            for row in 0..8 {
                let value = descale(y[row], CONSTANT_BITS - KEPT_BITS);
                columns[8 * row + column] = value.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            }
        }
    }
    transpose_i16(&columns, &mut turned);
    let mut samples = [0_u8; 64];
    for row in 0..8 {
        let x = std::array::from_fn(|column| Wrapping(i32::from(turned[8 * column + row])));
        let y = transform(x);
        for column in 0..8 {
            let sample = descale(y[column], CONSTANT_BITS + KEPT_BITS + 3) + 128;
            samples[8 * column + row] = sample.clamp(0, 255) as u8;
        }
    }
    let mut rows = [0_u8; 64];
    transpose_u8(&samples, &mut rows);
    for (row, samples) in rows.as_chunks::<8>().0.iter().enumerate() {
        out[row * stride..][..8].copy_from_slice(samples);
    }
}

/// The same for a block that has only its first coefficient: it is flat.
#[inline(always)]
pub(super) fn inverse_flat(first: i16, out: &mut [u8], stride: usize) {
    let kept = i32::from(first << KEPT_BITS);
    let sample = ((kept + (4 << KEPT_BITS)) >> (3 + KEPT_BITS)) + 128;
    for row in 0..8 {
        out[row * stride..][..8].fill(sample.clamp(0, 255) as u8);
    }
}

#[inline(always)]
fn transpose_i16(from: &[i16; 64], to: &mut [i16; 64]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // SAFETY: SSE2 belongs to the architecture; the pointers lead to 64 numbers, of which
        // eight at a time are read and written.
        unsafe {
            let r: [__m128i; 8] =
                std::array::from_fn(|i| _mm_loadu_si128(from.as_ptr().add(8 * i).cast()));
            let (a0, a1) = (
                _mm_unpacklo_epi16(r[0], r[1]),
                _mm_unpackhi_epi16(r[0], r[1]),
            );
            let (a2, a3) = (
                _mm_unpacklo_epi16(r[2], r[3]),
                _mm_unpackhi_epi16(r[2], r[3]),
            );
            let (a4, a5) = (
                _mm_unpacklo_epi16(r[4], r[5]),
                _mm_unpackhi_epi16(r[4], r[5]),
            );
            let (a6, a7) = (
                _mm_unpacklo_epi16(r[6], r[7]),
                _mm_unpackhi_epi16(r[6], r[7]),
            );
            let (b0, b1) = (_mm_unpacklo_epi32(a0, a2), _mm_unpackhi_epi32(a0, a2));
            let (b2, b3) = (_mm_unpacklo_epi32(a1, a3), _mm_unpackhi_epi32(a1, a3));
            let (b4, b5) = (_mm_unpacklo_epi32(a4, a6), _mm_unpackhi_epi32(a4, a6));
            let (b6, b7) = (_mm_unpacklo_epi32(a5, a7), _mm_unpackhi_epi32(a5, a7));
            let out = [
                _mm_unpacklo_epi64(b0, b4),
                _mm_unpackhi_epi64(b0, b4),
                _mm_unpacklo_epi64(b1, b5),
                _mm_unpackhi_epi64(b1, b5),
                _mm_unpacklo_epi64(b2, b6),
                _mm_unpackhi_epi64(b2, b6),
                _mm_unpacklo_epi64(b3, b7),
                _mm_unpackhi_epi64(b3, b7),
            ];
            for (i, row) in out.into_iter().enumerate() {
                _mm_storeu_si128(to.as_mut_ptr().add(8 * i).cast(), row);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for row in 0..8 {
        for column in 0..8 {
            to[8 * row + column] = from[8 * column + row];
        }
    }
}

#[inline(always)]
fn transpose_u8(from: &[u8; 64], to: &mut [u8; 64]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // SAFETY: SSE2 belongs to the architecture; the pointers lead to 64 bytes, of which
        // sixteen at a time are read and written.
        unsafe {
            let r: [__m128i; 4] =
                std::array::from_fn(|i| _mm_loadu_si128(from.as_ptr().add(16 * i).cast()));
            // Each step doubles the distance of what is brought together: rows 0 and 4, ...
            let (a0, a1) = (_mm_unpacklo_epi8(r[0], r[2]), _mm_unpackhi_epi8(r[0], r[2]));
            let (a2, a3) = (_mm_unpacklo_epi8(r[1], r[3]), _mm_unpackhi_epi8(r[1], r[3]));
            let (b0, b1) = (_mm_unpacklo_epi8(a0, a2), _mm_unpackhi_epi8(a0, a2));
            let (b2, b3) = (_mm_unpacklo_epi8(a1, a3), _mm_unpackhi_epi8(a1, a3));
            let out = [
                _mm_unpacklo_epi8(b0, b2),
                _mm_unpackhi_epi8(b0, b2),
                _mm_unpacklo_epi8(b1, b3),
                _mm_unpackhi_epi8(b1, b3),
            ];
            for (i, rows) in out.into_iter().enumerate() {
                _mm_storeu_si128(to.as_mut_ptr().add(16 * i).cast(), rows);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for row in 0..8 {
        for column in 0..8 {
            to[8 * row + column] = from[8 * column + row];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    fn block(seed: u64, coefficients: usize) -> [i16; 64] {
        let mut random = stream(seed, 0, 0, 0);
        let mut block = [0; 64];
        for _ in 0..coefficients {
            block[random.below(64)] = random.range(-300.0, 300.0) as i16;
        }
        block
    }

    #[test]
    fn it_is_the_cosine_transform_within_one_level() {
        for seed in 0..200 {
            let block = block(seed, 1 + seed as usize % 12);
            let mut out = [0; 64];
            inverse(&block, &mut out, 8);
            for (place, &found) in out.iter().enumerate() {
                let (x, y) = ((place % 8) as f64, (place / 8) as f64);
                let mut sum = 128.0;
                for (index, &coefficient) in block.iter().enumerate() {
                    let (u, v) = ((index % 8) as f64, (index / 8) as f64);
                    let norm = |k: f64| if k == 0.0 { 0.5_f64.sqrt() } else { 1.0 };
                    let wave =
                        |k: f64, x: f64| ((2.0 * x + 1.0) * k * std::f64::consts::PI / 16.0).cos();
                    sum +=
                        f64::from(coefficient) * norm(u) * norm(v) * wave(u, x) * wave(v, y) / 4.0;
                }
                let wanted = sum.clamp(0.0, 255.0);
                assert!(
                    (f64::from(found) - wanted).abs() < 0.6,
                    "{seed}: {found} for {wanted}"
                );
            }
        }
    }

    #[test]
    fn flat_blocks_are_a_special_case_of_all() {
        for first in -1100..1100 {
            let mut block = [0; 64];
            block[0] = first;
            let (mut all, mut flat) = ([0; 64], [0; 64]);
            inverse(&block, &mut all, 8);
            inverse_flat(first, &mut flat, 8);
            assert_eq!(all, flat, "{first}");
        }
    }

    #[test]
    fn transposes_exchange_rows_and_columns() {
        let from: [i16; 64] = std::array::from_fn(|i| i as i16 * 300);
        let mut to = [0; 64];
        transpose_i16(&from, &mut to);
        assert!((0..64).all(|i| to[i] == from[i % 8 * 8 + i / 8]));
        let from: [u8; 64] = std::array::from_fn(|i| i as u8 * 3);
        let mut to = [0; 64];
        transpose_u8(&from, &mut to);
        assert!((0..64).all(|i| to[i] == from[i % 8 * 8 + i / 8]));
    }
}
