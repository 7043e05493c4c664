//! Cropping, resizing, flipping.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions};

use super::recipe::Filter;
use crate::{Image, Stream};

/// How often a crop is drawn before the centre is taken, as in torchvision.
const TRIES: usize = 10;

/// A part of an image, in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Columns to the left of it.
    pub left: usize,
    /// Rows above it.
    pub top: usize,
    /// Its width, at least 1.
    pub width: usize,
    /// Its height, at least 1.
    pub height: usize,
}

impl Region {
    /// All of an image.
    pub fn whole(image: &Image) -> Self {
        Self {
            left: 0,
            top: 0,
            width: image.width,
            height: image.height,
        }
    }

    /// The region of a random resized crop: a part of the area uniform in `scale`, an aspect
    /// (width over height) log-uniform in `ratio`, a uniform position. If ten draws do not fit
    /// into the image: the largest centred region whose aspect is nearest to the allowed.
    pub fn random(
        width: usize,
        height: usize,
        scale: [f32; 2],
        ratio: [f32; 2],
        stream: &mut Stream,
    ) -> Self {
        let area = (width * height) as f64;
        let log_ratio = ratio.map(f32::ln);
        for _ in 0..TRIES {
            let area = area * f64::from(stream.range(scale[0], scale[1]));
            let aspect = f64::from(stream.range(log_ratio[0], log_ratio[1])).exp();
            let w = (area * aspect).sqrt().round_ties_even() as usize;
            let h = (area / aspect).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let top = stream.below(height - h + 1);
                let left = stream.below(width - w + 1);
                return Self {
                    left,
                    top,
                    width: w,
                    height: h,
                };
            }
        }
        let [low, high] = ratio.map(f64::from);
        let aspect = width as f64 / height as f64;
        let (w, h) = if aspect < low {
            (
                width,
                ((width as f64 / low).round_ties_even() as usize).clamp(1, height),
            )
        } else if aspect > high {
            (
                ((height as f64 * high).round_ties_even() as usize).clamp(1, width),
                height,
            )
        } else {
            (width, height)
        };
        Self {
            left: (width - w) / 2,
            top: (height - h) / 2,
            width: w,
            height: h,
        }
    }
}

/// Resizes parts of images; keeps its buffers.
#[derive(Debug, Default)]
pub struct Resizer {
    inner: fast_image_resize::Resizer,
}

impl Resizer {
    /// Crops `region` out of `image` and resizes it to `width` x `height`, as torchvision's
    /// `resized_crop`: the filter sees no pixel outside the region.
    pub fn resize(
        &mut self,
        image: &Image,
        region: Region,
        filter: Filter,
        width: usize,
        height: usize,
        out: &mut Image,
    ) {
        out.reshape(width, height, image.channels);
        match image.channels {
            1 => self.resize_pixels::<U8>(image, region, filter, out),
            _ => self.resize_pixels::<U8x3>(image, region, filter, out),
        }
    }

    fn resize_pixels<P: PixelTrait + InnerPixel>(
        &mut self,
        image: &Image,
        region: Region,
        filter: Filter,
        out: &mut Image,
    ) {
        let filter = match filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        let fits = "an image's buffer fits its size";
        let source =
            TypedImageRef::<P>::from_buffer(image.width as u32, image.height as u32, &image.pixels)
                .expect(fits);
        let source = TypedCroppedImage::from_ref(
            &source,
            region.left as u32,
            region.top as u32,
            region.width as u32,
            region.height as u32,
        )
        .expect("a region lies inside its image");
        let (width, height) = (out.width as u32, out.height as u32);
        let mut target = TypedImage::<P>::from_buffer(width, height, &mut out.pixels).expect(fits);
        self.inner
            .resize_typed(&source, &mut target, &options)
            .expect("a view without a crop box resizes");
    }
}

/// Copies a region.
pub fn crop(image: &Image, region: Region, out: &mut Image) {
    let channels = image.channels;
    out.reshape(region.width, region.height, channels);
    let rows = image
        .pixels
        .chunks_exact(image.width * channels)
        .skip(region.top);
    for (out, row) in out
        .pixels
        .chunks_exact_mut(region.width * channels)
        .zip(rows)
    {
        out.copy_from_slice(&row[region.left * channels..][..region.width * channels]);
    }
}

/// Mirrors left and right.
pub fn flip(image: &mut Image) {
    let channels = image.channels;
    for row in image.pixels.chunks_exact_mut(image.width * channels) {
        if channels == 1 {
            row.reverse();
        } else {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    const RATIO: [f32; 2] = [3.0 / 4.0, 4.0 / 3.0];

    #[test]
    fn regions_have_the_distribution_asked_for() {
        let draws = 20_000;
        let scale = [0.2, 0.4];
        let (mut areas, mut aspects, mut lefts) = (0.0, 0.0, 0.0);
        for index in 0..draws {
            // Large and with little in the way, so that rounding and refusals do not matter.
            let region = Region::random(4000, 4000, scale, RATIO, &mut stream(7, 0, index, 0));
            let area = (region.width * region.height) as f64 / 16e6;
            let aspect = (region.width as f64 / region.height as f64).ln();
            assert!((0.1999..0.4001).contains(&area), "{area}");
            assert!(aspect.abs() < (4.0f64 / 3.0).ln() + 1e-3, "{aspect}");
            areas += area;
            aspects += aspect;
            lefts += region.left as f64 / (4000 - region.width) as f64;
        }
        // Five standard errors of the uniform distributions' means.
        let n = draws as f64;
        assert!((areas / n - 0.3).abs() < 5.0 * 0.2 / (12.0 * n).sqrt());
        assert!((aspects / n).abs() < 5.0 * 0.576 / (12.0 * n).sqrt());
        assert!((lefts / n - 0.5).abs() < 5.0 / (12.0 * n).sqrt());
    }

    #[test]
    fn regions_lie_inside_images_of_every_shape() {
        for (width, height) in [(1, 1), (1, 500), (500, 1), (2, 3), (28, 28), (33, 400)] {
            for index in 0..500 {
                let stream = &mut stream(0, 0, index, 0);
                let r = Region::random(width, height, [0.05, 1.0], RATIO, stream);
                assert!(
                    r.width > 0 && r.left + r.width <= width,
                    "{r:?} in {width} x {height}"
                );
                assert!(
                    r.height > 0 && r.top + r.height <= height,
                    "{r:?} in {width} x {height}"
                );
            }
        }
    }

    #[test]
    fn what_does_not_fit_becomes_the_centre() {
        let region = |width, height| {
            Region::random(width, height, [1.0, 1.0], RATIO, &mut stream(0, 0, 0, 0))
        };
        assert_eq!(
            region(300, 100),
            Region {
                left: 83,
                top: 0,
                width: 133,
                height: 100
            }
        );
        assert_eq!(
            region(100, 300),
            Region {
                left: 0,
                top: 83,
                width: 100,
                height: 133
            }
        );
    }

    /// A picture without symmetry.
    fn picture(width: usize, height: usize, channels: usize) -> Image {
        let mut image = Image::black(width, height, channels);
        let mut stream = stream(3, 0, 0, 0);
        image
            .pixels
            .iter_mut()
            .for_each(|sample| *sample = stream.below(256) as u8);
        image
    }

    #[test]
    fn the_filter_sees_nothing_outside_the_region() {
        let region = Region {
            left: 5,
            top: 3,
            width: 11,
            height: 17,
        };
        for channels in [1, 3] {
            let image = picture(31, 29, channels);
            let mut cut = Image::default();
            crop(&image, region, &mut cut);
            let whole = Region::whole(&cut);
            assert_eq!((whole.width, whole.height), (11, 17));
            let (mut direct, mut copied) = (Image::default(), Image::default());
            let mut resizer = Resizer::default();
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                for size in [4, 11, 28] {
                    resizer.resize(&image, region, filter, size, size, &mut direct);
                    resizer.resize(&cut, whole, filter, size, size, &mut copied);
                    assert_eq!(direct, copied);
                }
            }
        }
    }

    #[test]
    fn resizing_to_the_same_size_copies() {
        let image = picture(9, 7, 3);
        let mut out = Image::default();
        Resizer::default().resize(
            &image,
            Region::whole(&image),
            Filter::Bicubic,
            9,
            7,
            &mut out,
        );
        assert_eq!(out, image);
    }

    #[test]
    fn flipping_mirrors_pixels_and_keeps_channels_in_order() {
        let mut image = Image {
            width: 2,
            height: 2,
            channels: 3,
            pixels: (0..12).collect(),
        };
        flip(&mut image);
        assert_eq!(image.pixels, [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]);
        let mut image = Image {
            width: 3,
            height: 1,
            channels: 1,
            pixels: vec![1, 2, 3],
        };
        flip(&mut image);
        assert_eq!(image.pixels, [3, 2, 1]);
    }
}
