//! Regions: drawing, copying and mirroring them.

use crate::geometry::Region;
use crate::{Image, Stream};

/// How often a crop is drawn before the centre is taken, as in torchvision.
const TRIES: usize = 10;

impl Region {
    /// The region of a random resized crop: a fraction of the area uniform in `scale`, an aspect
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

/// Copies a region.
pub fn crop(image: &Image, region: Region, out: &mut Image) {
    out.reshape(region.width, region.height, image.channels);
    let planes = image.planes().zip(out.planes_mut());
    for (from, to) in planes {
        let rows = from.chunks_exact(image.width).skip(region.top);
        for (to, row) in to.chunks_exact_mut(region.width).zip(rows) {
            to.copy_from_slice(&row[region.left..][..region.width]);
        }
    }
}

/// Mirrors left and right.
pub fn flip(image: &mut Image) {
    for row in image.pixels.chunks_exact_mut(image.width) {
        row.reverse();
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

    #[test]
    fn a_union_holds_both_and_no_more() {
        let region = |left, top, width, height| Region {
            left,
            top,
            width,
            height,
        };
        let both = region(3, 9, 4, 2).union(region(5, 1, 1, 20));
        assert_eq!(both, region(3, 1, 4, 20));
    }

    #[test]
    fn flipping_mirrors_every_row() {
        let mut image = Image {
            width: 3,
            height: 2,
            channels: 3,
            pixels: (0..18).collect(),
        };
        flip(&mut image);
        assert_eq!(image.pixels[..6], [2, 1, 0, 5, 4, 3]);
        assert_eq!(image.pixels[12..], [14, 13, 12, 17, 16, 15]);
    }
}
