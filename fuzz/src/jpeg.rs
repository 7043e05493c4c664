//! Our decoder of JPEG files against libjpeg: what ours takes, libjpeg takes too, and the pixels
//! are the same ones. Ours may refuse more, for libjpeg makes up what is missing in damaged files.

use std::panic::{AssertUnwindSafe, catch_unwind};

use e2mc_data::Image;

use crate::targets;

/// What came of a file that both were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both took it, with the same pixels.
    Same,
    /// Ours refused it.
    Refused,
}

/// Decodes a file with both.
///
/// # Panics
/// Where ours takes a file that libjpeg refuses, or the pixels differ.
pub fn compare(bytes: &[u8]) -> Outcome {
    let Some(image) = targets::jpeg(bytes) else {
        return Outcome::Refused;
    };
    let other = libjpeg(bytes, image.channels == 1).expect("libjpeg takes what ours takes");
    assert_eq!(
        (image.width, image.height, image.channels),
        (other.width, other.height, other.channels)
    );
    let differs = image
        .pixels
        .iter()
        .zip(&other.pixels)
        .position(|(a, b)| a != b);
    assert_eq!(differs, None, "the first sample that differs");
    Outcome::Same
}

/// libjpeg's image; `None` where it refuses.
fn libjpeg(bytes: &[u8], grey: bool) -> Option<Image> {
    // Its fatal errors unwind.
    let decoded = catch_unwind(AssertUnwindSafe(|| -> std::io::Result<Image> {
        let start = mozjpeg::Decompress::new_mem(bytes)?;
        let (width, height) = start.size();
        let channels = if grey { 1 } else { 3 };
        let cmyk = matches!(
            start.color_space(),
            mozjpeg::ColorSpace::JCS_CMYK | mozjpeg::ColorSpace::JCS_YCCK
        );
        if cmyk {
            let mut started = start.to_colorspace(mozjpeg::ColorSpace::JCS_CMYK)?;
            let inks: Vec<[u8; 4]> = started.read_scanlines()?;
            started.finish()?;
            let samples: Vec<u8> = inks.into_iter().flat_map(without_inks).collect();
            return Ok(Image::from_interleaved(width, height, 3, &samples));
        }
        let samples = if grey {
            let mut started = start.grayscale()?;
            let samples: Vec<[u8; 1]> = started.read_scanlines()?;
            started.finish()?;
            samples.into_flattened()
        } else {
            let mut started = start.rgb()?;
            let samples: Vec<[u8; 3]> = started.read_scanlines()?;
            started.finish()?;
            samples.into_flattened()
        };
        Ok(Image::from_interleaved(width, height, channels, &samples))
    }));
    decoded.ok()?.ok()
}

/// Pillow's colours of four inks, which files store inverted.
fn without_inks([c, m, y, white]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|stored| {
        let product = u32::from(255 - stored) * u32::from(white) + 128;
        (u32::from(white) - ((product + (product >> 8)) >> 8)) as u8
    })
}
