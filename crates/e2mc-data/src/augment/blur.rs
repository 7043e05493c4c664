//! Gaussian blur as Pillow has it: three extended box filters in each direction.
//!
//! An extended box of radius `r + f` weighs the `2 r + 1` pixels around the centre alike and the
//! two beyond them by the fraction `f` of that; three in a row have the variance that was asked for
//! (Gwosdek et al., *Theoretical Foundations of Gaussian Convolution by Extended Box Filtering*, SSVM
//! 2011). Every pass rounds to bytes; the border pixel is repeated outwards.

use crate::Image;

/// Box filters in each direction.
const PASSES: usize = 3;

/// Blurs images; keeps its buffers.
#[derive(Debug, Default)]
pub struct Blurrer {
    turned: Vec<u8>,
    other: Vec<u8>,
    sums: Vec<u32>,
}

impl Blurrer {
    /// Blurs with this standard deviation in pixels, from 0 (nothing happens) up.
    pub fn blur(&mut self, image: &mut Image, sigma: f32) {
        let kernel = Kernel::new(box_radius(sigma));
        if kernel.is_identity() {
            return;
        }
        let Image {
            width,
            height,
            channels,
            ref mut pixels,
        } = *image;
        self.turned.resize(pixels.len(), 0);
        // Both directions are filtered down the rows, where whole rows are added at once.
        transpose(pixels, &mut self.turned, width, channels);
        for _ in 0..PASSES {
            self.other.resize(pixels.len(), 0);
            kernel.filter_columns(
                &self.turned,
                &mut self.other,
                height * channels,
                &mut self.sums,
            );
            std::mem::swap(&mut self.turned, &mut self.other);
        }
        transpose(&self.turned, pixels, height, channels);
        for _ in 0..PASSES {
            kernel.filter_columns(pixels, &mut self.other, width * channels, &mut self.sums);
            std::mem::swap(pixels, &mut self.other);
        }
    }
}

/// The radius, whole and fraction, of the three boxes whose variance together is `sigma` squared.
fn box_radius(sigma: f32) -> f32 {
    let variance = f64::from(sigma) * f64::from(sigma) / PASSES as f64;
    let whole = (((12.0 * variance + 1.0).sqrt() - 1.0) / 2.0).floor();
    let fraction = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
        / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
    (whole + fraction) as f32
}

/// An extended box filter with weights in 24-bit fixed point.
struct Kernel {
    radius: usize,
    /// Of each pixel within the radius.
    inner: u32,
    /// Of the two pixels just outside.
    outer: u32,
}

impl Kernel {
    fn new(radius: f32) -> Self {
        const ONE: u32 = 1 << 24;
        let inner = (ONE as f32 / (radius * 2.0 + 1.0)) as u32;
        let whole = radius as u32;
        Self {
            radius: whole as usize,
            inner,
            outer: (ONE - (whole * 2 + 1) * inner) / 2,
        }
    }

    fn is_identity(&self) -> bool {
        self.radius == 0 && self.outer == 0
    }

    /// Filters down the columns of `source`, whose rows are `stride` bytes, into `target`.
    /// `sums` holds, for each column, the sum over the radius.
    fn filter_columns(&self, source: &[u8], target: &mut [u8], stride: usize, sums: &mut Vec<u32>) {
        let last = source.len() / stride - 1;
        let row = |y: isize| &source[y.clamp(0, last as isize) as usize * stride..][..stride];
        let radius = self.radius as isize;
        sums.clear();
        sums.resize(stride, 0);
        for y in -radius..=radius {
            for (sum, &sample) in sums.iter_mut().zip(row(y)) {
                *sum += u32::from(sample);
            }
        }
        for (y, target) in target.chunks_exact_mut(stride).enumerate() {
            let y = y as isize;
            let (above, below) = (row(y - radius - 1), row(y + radius + 1));
            let leaving = row(y - radius);
            let samples = above.iter().zip(below).zip(leaving);
            for ((target, sum), ((&above, &below), &leaving)) in
                target.iter_mut().zip(sums.iter_mut()).zip(samples)
            {
                let (above, below) = (u32::from(above), u32::from(below));
                let bulk = *sum * self.inner + (above + below) * self.outer;
                *target = ((bulk + (1 << 23)) >> 24) as u8;
                *sum = *sum + below - u32::from(leaving);
            }
        }
    }
}

/// Exchanges rows and columns of pixels; `width` is that of the source.
fn transpose(source: &[u8], target: &mut [u8], width: usize, channels: usize) {
    match channels {
        1 => transpose_pixels(source, target, width),
        _ => transpose_pixels(
            source.as_chunks::<3>().0,
            target.as_chunks_mut::<3>().0,
            width,
        ),
    }
}

fn transpose_pixels<P: Copy>(source: &[P], target: &mut [P], width: usize) {
    let height = source.len() / width;
    for (x, column) in target.chunks_exact_mut(height).enumerate() {
        for (target, row) in column.iter_mut().zip(source.chunks_exact(width)) {
            *target = row[x];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    /// The same by its definition, one sample at a time.
    fn slow(image: &Image, sigma: f32) -> Image {
        let Kernel {
            radius,
            inner,
            outer,
        } = Kernel::new(box_radius(sigma));
        let mut image = image.clone();
        for (dx, dy) in [(1, 0), (1, 0), (1, 0), (0, 1), (0, 1), (0, 1)] {
            let source = image.clone();
            let sample = |x: usize, y: usize, channel: usize, step: isize| {
                let x = (x as isize + step * dx).clamp(0, source.width as isize - 1) as usize;
                let y = (y as isize + step * dy).clamp(0, source.height as isize - 1) as usize;
                u64::from(source.pixels[(y * source.width + x) * source.channels + channel])
            };
            for (index, out) in image.pixels.iter_mut().enumerate() {
                let (pixel, channel) = (index / source.channels, index % source.channels);
                let (x, y) = (pixel % source.width, pixel / source.width);
                let reach = radius as isize;
                let near: u64 = (-reach..=reach)
                    .map(|step| sample(x, y, channel, step))
                    .sum();
                let far = sample(x, y, channel, -reach - 1) + sample(x, y, channel, reach + 1);
                *out = ((near * u64::from(inner) + far * u64::from(outer) + (1 << 23)) >> 24) as u8;
            }
        }
        image
    }

    #[test]
    fn it_is_what_it_is_defined_as() {
        let mut blurrer = Blurrer::default();
        let mut random = stream(9, 0, 0, 0);
        for (width, height) in [(1, 1), (1, 9), (9, 1), (2, 2), (28, 28), (17, 5)] {
            for channels in [1, 3] {
                for sigma in [0.1, 0.5, 0.817, 1.0, 2.0, 5.0, 40.0] {
                    let mut image = Image::black(width, height, channels);
                    image
                        .pixels
                        .iter_mut()
                        .for_each(|sample| *sample = random.below(256) as u8);
                    let want = slow(&image, sigma);
                    blurrer.blur(&mut image, sigma);
                    assert_eq!(image, want, "{width} x {height} x {channels}, {sigma}");
                }
            }
        }
    }

    #[test]
    fn three_boxes_have_the_variance_asked_for() {
        for sigma in [0.3_f64, 0.7, 1.0, 1.9, 4.0] {
            let Kernel {
                radius,
                inner,
                outer,
            } = Kernel::new(box_radius(sigma as f32));
            let one = f64::from(1 << 24);
            let near: f64 = (1..=radius).map(|step| 2.0 * (step * step) as f64).sum();
            let far = 2.0 * ((radius + 1) * (radius + 1)) as f64;
            let variance = (near * f64::from(inner) + far * f64::from(outer)) / one;
            let ratio = PASSES as f64 * variance / (sigma * sigma);
            assert!((ratio - 1.0).abs() < 1e-3, "{sigma}: {ratio}");
        }
    }

    #[test]
    fn flat_images_stay_flat_and_no_width_does_nothing() {
        for shade in [0, 1, 127, 255] {
            let mut image = Image {
                width: 12,
                height: 7,
                channels: 1,
                pixels: vec![shade; 84],
            };
            Blurrer::default().blur(&mut image, 1.7);
            assert_eq!(image.pixels, [shade; 84]);
        }
        let mut image = Image {
            width: 3,
            height: 1,
            channels: 1,
            pixels: vec![0, 255, 0],
        };
        Blurrer::default().blur(&mut image, 0.0);
        assert_eq!(image.pixels, [0, 255, 0]);
    }
}
