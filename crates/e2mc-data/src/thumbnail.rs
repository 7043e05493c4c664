//! Thumbnails: images made small and encoded, for pages that people look at.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};

use crate::augment::Filter;
use crate::augment::resize::{Resizer, Target};
use crate::geometry::Region;
use crate::{Dataset, Error, Image};

/// The longer side of a thumbnail in pixels; smaller images stay unchanged.
pub const SIDE: usize = 56;
/// The quality of JPEG, 1 to 100: artefacts do not show at this size.
const QUALITY: u8 = 80;

/// A small image in a file's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `image/png` or `image/jpeg`.
    pub mime: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Thumbnail {
    /// The image `index` of a data set.
    ///
    /// # Errors
    /// The image cannot be read or decoded; the error names it.
    pub fn of(dataset: &dyn Dataset, index: usize) -> Result<Self, Error> {
        let mut image = Image::default();
        dataset.read(index, &mut image)?;
        Self::of_image(&image).ok_or_else(|| Error::Decode {
            name: dataset.name(index),
            reason: "it cannot be encoded as a thumbnail".to_owned(),
        })
    }

    /// An image in memory; `None` of one without pixels.
    #[must_use]
    pub fn of_image(image: &Image) -> Option<Self> {
        let longer = image.width.max(image.height);
        if longer == 0 || image.width.min(image.height) == 0 {
            return None;
        }
        let mut small = Image::default();
        let small = if longer > SIDE {
            let side = |length: usize| (length * SIDE / longer).max(1);
            let target = Target::whole(side(image.width), side(image.height));
            let whole = Region::whole(image);
            Resizer::default().resize(image, whole, Filter::Bilinear, target, &mut small);
            &small
        } else {
            image
        };
        let (width, height) = (small.width as u32, small.height as u32);
        let colour = match small.channels {
            1 => ExtendedColorType::L8,
            _ => ExtendedColorType::Rgb8,
        };
        let samples = small.to_interleaved();
        let mut png = Cursor::new(Vec::new());
        let format = ImageFormat::Png;
        image::write_buffer_with_format(&mut png, &samples, width, height, colour, format).ok()?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
            .encode(&samples, width, height, colour)
            .ok()?;
        // Drawings are smaller as PNG, photographs as JPEG.
        let (mime, bytes) = match jpeg.len() < png.get_ref().len() {
            true => ("image/jpeg", jpeg),
            false => ("image/png", png.into_inner()),
        };
        Some(Self {
            width: small.width,
            height: small.height,
            mime,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;

    fn noise(width: usize, height: usize, channels: usize) -> Image {
        let mut image = Image::black(width, height, channels);
        let mut state = 1_u32;
        for sample in &mut image.pixels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = (state >> 24) as u8;
        }
        image
    }

    fn decoded(thumbnail: &Thumbnail) -> Image {
        let mut image = Image::default();
        decode(&thumbnail.bytes, &"thumbnail", &mut image).unwrap();
        assert_eq!(
            (image.width, image.height),
            (thumbnail.width, thumbnail.height)
        );
        image
    }

    #[test]
    fn small_drawings_keep_their_pixels() {
        let mut image = Image::black(28, 20, 1);
        image.pixels[28 * 3..28 * 9].fill(200);
        let thumbnail = Thumbnail::of_image(&image).unwrap();
        assert_eq!(thumbnail.mime, "image/png");
        assert_eq!(decoded(&thumbnail), image);
    }

    #[test]
    fn large_images_fit_into_the_square_and_into_few_bytes() {
        for (width, height, size) in [(600, 300, (SIDE, SIDE / 2)), (1, 4000, (1, SIDE))] {
            let thumbnail = Thumbnail::of_image(&noise(width, height, 3)).unwrap();
            assert_eq!((thumbnail.width, thumbnail.height), size);
            assert!(thumbnail.bytes.len() < 8192, "{}", thumbnail.bytes.len());
            decoded(&thumbnail);
        }
        let photograph = Thumbnail::of_image(&noise(SIDE, SIDE, 3)).unwrap();
        assert_eq!(photograph.mime, "image/jpeg");
        assert!(Thumbnail::of_image(&Image::black(0, 5, 3)).is_none());
    }
}
