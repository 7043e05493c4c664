//! Gaussian blur as Pillow has it: three extended box filters in each direction.
//!
//! An extended box of radius `r + f` weighs the `2 r + 1` pixels around the centre alike and the
//! two beyond them by the fraction `f` of that; three in a row have the variance that was asked for
//! (Gwosdek et al., *Theoretical Foundations of Gaussian Convolution by Extended Box Filtering*,
//! SSVM 2011). Every pass rounds to bytes; the border pixel is repeated outwards.

use super::transpose::transpose;
use crate::Image;
use crate::vectorised::vectorised;

/// Box filters in each direction.
const PASSES: usize = 3;

/// Blurs images; keeps its buffers.
#[derive(Debug, Default)]
pub struct Blurrer {
    turned: Image,
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
        // Both directions are filtered down the rows, where whole rows are added at once.
        transpose(image, &mut self.turned);
        let Self {
            turned,
            other,
            sums,
        } = self;
        kernel.filter(turned, other, sums);
        transpose(turned, image);
        kernel.filter(image, other, sums);
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
    /// Weight of each pixel within the radius.
    inner: u32,
    /// Weight of the two pixels just outside.
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

    /// Filters down the columns of all planes, three times.
    fn filter(&self, image: &mut Image, other: &mut Vec<u8>, sums: &mut Vec<u32>) {
        let width = image.width;
        for plane in image.planes_mut() {
            other.resize(2 * plane.len(), 0);
            let (first, second) = other.split_at_mut(plane.len());
            self.filter_columns(plane, first, width, sums);
            self.filter_columns(first, second, width, sums);
            self.filter_columns(second, plane, width, sums);
        }
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
            let (inner, outer) = (self.inner, self.outer);
            match self.radius {
                // The usual widths (up to 2.2 pixels), without running sums.
                0 => filter_row_0(above, row(y), below, target, inner, outer),
                1 => {
                    let (before, after) = (row(y - 1), row(y + 1));
                    filter_row_1(above, before, row(y), after, below, target, inner, outer);
                }
                _ => filter_row(above, row(y - radius), below, sums, target, inner, outer),
            }
        }
    }
}

/// One sample of 24-bit fixed point, rounded.
#[inline(always)]
fn mix(near: u32, far: u32, inner: u32, outer: u32) -> u8 {
    ((near * inner + far * outer + (1 << 23)) >> 24) as u8
}

vectorised! {
    fn filter_row_0(above: &[u8], here: &[u8], below: &[u8], out: &mut [u8], inner: u32, outer: u32) {
        for (((out, &above), &here), &below) in out.iter_mut().zip(above).zip(here).zip(below) {
            *out = mix(u32::from(here), u32::from(above) + u32::from(below), inner, outer);
        }
    }
}

vectorised! {
    fn filter_row_1(
        above: &[u8],
        before: &[u8],
        here: &[u8],
        after: &[u8],
        below: &[u8],
        out: &mut [u8],
        inner: u32,
        outer: u32,
    ) {
        let near = before.iter().zip(here).zip(after);
        for (((out, &above), &below), ((&a, &b), &c)) in
            out.iter_mut().zip(above).zip(below).zip(near)
        {
            let near = u16::from(a) + u16::from(b) + u16::from(c);
            let far = u16::from(above) + u16::from(below);
            *out = mix(u32::from(near), u32::from(far), inner, outer);
        }
    }
}

vectorised! {
    fn filter_row(
        above: &[u8],
        leaving: &[u8],
        below: &[u8],
        sums: &mut [u32],
        out: &mut [u8],
        inner: u32,
        outer: u32,
    ) {
        let samples = above.iter().zip(below).zip(leaving);
        for ((out, sum), ((&above, &below), &leaving)) in
            out.iter_mut().zip(sums.iter_mut()).zip(samples)
        {
            let (above, below) = (u32::from(above), u32::from(below));
            *out = mix(*sum, above + below, inner, outer);
            *sum = *sum + below - u32::from(leaving);
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
                u64::from(source.pixels[(channel * source.height + y) * source.width + x])
            };
            for (index, out) in image.pixels.iter_mut().enumerate() {
                let size = source.width * source.height;
                let (pixel, channel) = (index % size, index / size);
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
