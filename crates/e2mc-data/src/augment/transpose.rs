//! Exchanging rows and columns, so that every filter can work down whole rows at once.

use crate::Image;

/// Side of the squares that are exchanged at once.
const SIDE: usize = 16;

/// Writes the image with rows and columns exchanged into `out`.
pub(super) fn transpose(image: &Image, out: &mut Image) {
    out.reshape(image.height, image.width, image.channels);
    let planes = image
        .planes()
        .zip(out.pixels.chunks_exact_mut(image.width * image.height));
    for (from, to) in planes {
        transpose_plane(from, image.width, image.width, image.height, to);
    }
}

/// Writes `width` x `height` samples, whose rows start `stride` apart, as `width` rows of `height`.
pub(super) fn transpose_plane(
    from: &[u8],
    stride: usize,
    width: usize,
    height: usize,
    to: &mut [u8],
) {
    assert!(height == 0 || from.len() >= (height - 1) * stride + width);
    assert!(to.len() >= width * height);
    let (wide, high) = (width - width % SIDE, height - height % SIDE);
    for top in (0..high).step_by(SIDE) {
        for left in (0..wide).step_by(SIDE) {
            square(
                &from[top * stride + left..],
                stride,
                &mut to[left * height + top..],
                height,
            );
        }
    }
    for y in 0..height {
        let rest = if y < high { wide } else { 0 };
        for x in rest..width {
            to[x * height + y] = from[y * stride + x];
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn square(from: &[u8], from_stride: usize, to: &mut [u8], to_stride: usize) {
    use std::arch::x86_64::{
        __m128i, _mm_loadu_si128, _mm_storeu_si128, _mm_unpackhi_epi8, _mm_unpacklo_epi8,
    };
    assert!(from.len() >= (SIDE - 1) * from_stride + SIDE);
    assert!(to.len() >= (SIDE - 1) * to_stride + SIDE);
    // SAFETY: SSE2 belongs to the architecture; the lengths were checked, so that each of the
    // sixteen rows of sixteen bytes lies within its slice.
    unsafe {
        let mut rows: [__m128i; SIDE] =
            std::array::from_fn(|row| _mm_loadu_si128(from.as_ptr().add(row * from_stride).cast()));
        // Four perfect shuffles of all 256 bytes turn row * 16 + column into column * 16 + row.
        for _ in 0..4 {
            rows = std::array::from_fn(|row| {
                let (low, high) = (rows[row / 2], rows[row / 2 + SIDE / 2]);
                if row % 2 == 0 {
                    _mm_unpacklo_epi8(low, high)
                } else {
                    _mm_unpackhi_epi8(low, high)
                }
            });
        }
        for (row, value) in rows.into_iter().enumerate() {
            _mm_storeu_si128(to.as_mut_ptr().add(row * to_stride).cast(), value);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn square(from: &[u8], from_stride: usize, to: &mut [u8], to_stride: usize) {
    for row in 0..SIDE {
        for column in 0..SIDE {
            to[column * to_stride + row] = from[row * from_stride + column];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    #[test]
    fn columns_become_rows() {
        let mut random = stream(1, 0, 0, 0);
        for (width, height) in [(1, 1), (3, 40), (16, 16), (47, 33), (64, 17)] {
            let mut image = Image::black(width, height, 3);
            image
                .pixels
                .iter_mut()
                .for_each(|sample| *sample = random.below(256) as u8);
            let mut turned = Image::default();
            transpose(&image, &mut turned);
            assert_eq!((turned.width, turned.height), (height, width));
            for (from, to) in image.planes().zip(turned.planes()) {
                for x in 0..width {
                    for y in 0..height {
                        assert_eq!(from[y * width + x], to[x * height + y]);
                    }
                }
            }
        }
    }
}
