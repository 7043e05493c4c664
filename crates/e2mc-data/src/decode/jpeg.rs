//! JPEG, through the `zune-jpeg` crate.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Failure, check_size};
use crate::Image;

pub(super) const SIGNATURE: &[u8] = b"\xff\xd8\xff";

pub(super) fn decode(bytes: &[u8], image: &mut Image) -> Result<(), Failure> {
    let outline = Outline::of(bytes);
    let fail =
        |error: &dyn ToString| Failure::Damaged(error.to_string().trim_matches('"').to_owned());
    // The decoder is as lenient as libjpeg with what cameras get wrong, which also means that it
    // fills what is missing with grey.
    if !outline.has_end {
        let length = bytes.len();
        return Err(fail(&format!(
            "the file is cut off after {length} bytes: no end marker"
        )));
    }
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| fail(&error))?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    check_size(width, height)?;
    let (output, channels) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
        Some(ColorSpace::CMYK) if !outline.has_adobe => (ColorSpace::CMYK, 4),
        Some(ColorSpace::YCbCr | ColorSpace::RGB | ColorSpace::CMYK | ColorSpace::YCCK) => {
            (ColorSpace::RGB, 3)
        }
        other => {
            return Err(Failure::Damaged(format!(
                "expected grey, RGB or CMYK, found {other:?}"
            )));
        }
    };
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    image.reshape(width, height, channels);
    decoder
        .decode_into(&mut image.pixels)
        .map_err(|error| fail(&error))?;
    if channels == 4 {
        drop_ink(image);
    }
    Ok(())
}

/// Plain CMYK (as opposed to Adobe's, which is stored inverted) to RGB, in place.
fn drop_ink(image: &mut Image) {
    let pixels = image.width * image.height;
    for pixel in 0..pixels {
        let light: [u32; 4] =
            std::array::from_fn(|ink| u32::from(255 - image.pixels[4 * pixel + ink]));
        for channel in 0..3 {
            image.pixels[3 * pixel + channel] = ((light[channel] * light[3] + 127) / 255) as u8;
        }
    }
    image.reshape(image.width, image.height, 3);
}

/// What the segments of a file tell without decoding it.
struct Outline {
    /// An Adobe segment: CMYK is stored inverted.
    has_adobe: bool,
    /// An end marker follows the first scan. (Within the compressed data it cannot occur; in
    /// the segments before, a thumbnail may have its own.)
    has_end: bool,
}

impl Outline {
    fn of(bytes: &[u8]) -> Self {
        const ADOBE: u8 = 0xee;
        const START_OF_SCAN: u8 = 0xda;
        let mut outline = Self {
            has_adobe: false,
            has_end: false,
        };
        let mut rest = &bytes[2..];
        while let [0xff, marker, after @ ..] = rest {
            // Fill bytes may precede a marker.
            if *marker == 0xff {
                rest = &rest[1..];
                continue;
            }
            let [high, low, ..] = after else {
                return outline;
            };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(segment) = after.get(2..length.max(2)) else {
                return outline;
            };
            outline.has_adobe |= *marker == ADOBE && segment.starts_with(b"Adobe");
            rest = &after[length.max(2)..];
            if *marker == START_OF_SCAN {
                break;
            }
        }
        outline.has_end = rest.windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
        outline
    }
}
