//! PNG, through the `image` crate.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{ColorType, ImageDecoder, Limits};

use super::{Failure, PIXEL_LIMIT, check_size};
use crate::Image;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn decode(bytes: &[u8], image: &mut Image) -> Result<(), Failure> {
    let fail = |error: image::ImageError| {
        Failure::Damaged(error.to_string().trim_end_matches('.').to_owned())
    };
    let mut limits = Limits::default();
    // Up to 8 bytes a pixel.
    limits.max_alloc = Some(8 * PIXEL_LIMIT as u64);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(fail)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height)?;
    // Palettes and fewer than 8 bits are expanded by the decoder.
    let color = decoder.color_type();
    let stored = usize::from(color.channel_count());
    let channels = if color.has_color() { 3 } else { 1 };
    image.reshape(width, height, channels);
    if matches!(color, ColorType::L8 | ColorType::Rgb8) {
        return decoder.read_image(&mut image.pixels).map_err(fail);
    }
    let mut raw = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut raw).map_err(fail)?;
    let wide = usize::from(color.bytes_per_pixel()) == 2 * stored;
    let pixels = image.pixels.chunks_exact_mut(channels);
    if wide {
        for (out, pixel) in pixels.zip(raw.chunks_exact(2 * stored)) {
            for (out, sample) in out.iter_mut().zip(pixel.chunks_exact(2)) {
                *out = u16::from_ne_bytes([sample[0], sample[1]]).to_be_bytes()[0];
            }
        }
    } else {
        for (out, pixel) in pixels.zip(raw.chunks_exact(stored)) {
            out.copy_from_slice(&pixel[..channels]);
        }
    }
    Ok(())
}
