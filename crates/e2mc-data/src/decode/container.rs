//! PNG and WebP, through the `image` crate.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ImageDecoder, ImageError, Limits};

use super::failure::{Failure, PIXEL_LIMIT, check_size};
use super::foreign::guarded;
use crate::Image;

/// Bytes that a PNG file may unpack to beside its pixels.
const SPARE: u64 = 16 << 20;
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(PNG_SIGNATURE)
}

pub(super) fn is_webp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")
}

pub(super) fn decode_png(bytes: &[u8], image: &mut Image) -> Result<(), Failure> {
    let mut limits = Limits::default();
    // Up to 8 bytes a pixel of those that the header promises: neither the pixels nor a colour
    // profile may unpack to more.
    let header = bytes.get(16..24).unwrap_or(&[0; 8]);
    let side = |at: usize| {
        header[at..at + 4]
            .iter()
            .fold(0, |n, &byte| n << 8 | u64::from(byte))
    };
    let pixels = (side(0) * side(4)).min(PIXEL_LIMIT as u64);
    limits.max_alloc = Some(8 * pixels + SPARE);
    let result = guarded(|| {
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(failure)?;
        read(decoder, image)
    });
    match result {
        Err(Failure::Damaged(_)) if !has_end(bytes) => {
            let length = bytes.len();
            Err(Failure::Damaged(format!(
                "the file is cut off after {length} bytes: no IEND chunk"
            )))
        }
        result => result,
    }
}

/// Whether the chunks of a PNG file lead to its last.
fn has_end(bytes: &[u8]) -> bool {
    let mut rest = &bytes[PNG_SIGNATURE.len()..];
    while let Some((head, content)) = rest.split_first_chunk::<8>() {
        let [length @ .., _, _, _, _] = head;
        let length = u32::from_be_bytes(*length) as usize;
        // The chunk's check sum follows.
        let after = content.get(length.saturating_add(4)..);
        match (head.ends_with(b"IEND"), after) {
            (true, after) => return after.is_some(),
            (false, Some(after)) => rest = after,
            (false, None) => return false,
        }
    }
    false
}

/// Decodes a WebP file; of an animation, its first picture.
pub(super) fn decode_webp(bytes: &[u8], image: &mut Image) -> Result<(), Failure> {
    guarded(|| {
        let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(failure)?;
        read(decoder, image)
    })
}

fn failure(error: ImageError) -> Failure {
    Failure::Damaged(error.to_string().trim_end_matches('.').to_owned())
}

/// Takes the colours, drops transparency and all but the higher 8 of 16 bits. Palettes and fewer
/// than 8 bits were expanded by the decoder.
fn read(decoder: impl ImageDecoder, image: &mut Image) -> Result<(), Failure> {
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height)?;
    let color = decoder.color_type();
    let stored = usize::from(color.channel_count());
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut samples).map_err(failure)?;
    if usize::from(color.bytes_per_pixel()) == 2 * stored {
        for index in 0..samples.len() / 2 {
            let wide = u16::from_ne_bytes([samples[2 * index], samples[2 * index + 1]]);
            samples[index] = wide.to_be_bytes()[0];
        }
    }
    image.take_interleaved(width, height, stored, &samples);
    Ok(())
}
