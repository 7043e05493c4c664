//! JPEG files of every kind, through the `zune-jpeg` crate.
//!
//! Its samples may differ from libjpeg's by a few levels: another inverse transform and another
//! interpolation of the chroma, both within the standard.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::super::foreign::guarded;
use super::super::{Failure, check_size};
use super::segments::{START_OF_SCAN, Segments};
use crate::Image;

pub(super) fn decode(bytes: &[u8], image: &mut Image) -> Result<(), Failure> {
    guarded(|| decode_by_library(bytes, image))
}

fn decode_by_library(bytes: &[u8], image: &mut Image) -> Result<(), Failure> {
    let fail =
        |error: &dyn ToString| Failure::Damaged(error.to_string().trim_matches('"').to_owned());
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| fail(&error))?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    check_size(width, height)?;
    let (output, channels) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
        Some(ColorSpace::CMYK) => (ColorSpace::CMYK, 4),
        Some(ColorSpace::YCbCr | ColorSpace::RGB | ColorSpace::YCCK) => (ColorSpace::RGB, 3),
        other => {
            return Err(Failure::Damaged(format!(
                "expected grey, RGB or CMYK, found {other:?}"
            )));
        }
    };
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let mut samples = vec![0; width * height * channels];
    decoder
        .decode_into(&mut samples)
        .map_err(|error| fail(&error))?;
    if channels == 4 {
        drop_ink(&mut samples, has_adobe(bytes));
    }
    image.take_interleaved(width, height, channels, &samples);
    Ok(())
}

/// CMYK to the light that the inks leave, in the place of the first three, as Pillow has it.
/// `inverted`: what is stored is that of each ink.
fn drop_ink(samples: &mut [u8], inverted: bool) {
    for inks in samples.chunks_exact_mut(4) {
        let ink = |sample: u8| u32::from(if inverted { 255 - sample } else { sample });
        let white = 255 - ink(inks[3]);
        for sample in &mut inks[..3] {
            // An eight-bit product, rounded.
            let product = ink(*sample) * white + 128;
            *sample = (white - ((product + (product >> 8)) >> 8)) as u8;
        }
    }
}

/// Whether a segment says that Adobe wrote the file: then CMYK is stored inverted.
fn has_adobe(bytes: &[u8]) -> bool {
    const ADOBE: u8 = 0xee;
    Segments::new(bytes)
        .take_while(|segment| segment.marker != START_OF_SCAN)
        .any(|segment| segment.marker == ADOBE && segment.content.starts_with(b"Adobe"))
}
