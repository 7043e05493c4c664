//! Resizing as Pillow does it, bit for bit: along the rows, then down the columns, with weights of
//! 22 bits and bytes in between. A filter widens its support when it shrinks (antialias).
//!
//! Both directions run down whole rows of samples, the first on the image with rows and columns
//! exchanged. Cost: a multiplication for each weight and sample, 16 at once with AVX-512.

use super::recipe::Filter;
use super::transpose::transpose_plane;
use crate::Image;
use crate::geometry::Region;
use crate::vectorised::vectorised;

/// Bits of a weight after the point.
const PRECISION: u32 = 22;
/// Samples of a row whose sums are kept in registers and nearest cache.
const STRIP: usize = 256;

impl Filter {
    /// How far it reaches, in samples of the coarser grid.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
            _ => 0.0,
        }
    }
}

/// Resizes regions of images; keeps its buffers.
#[derive(Debug, Default)]
pub struct Resizer {
    across: Taps,
    down: Taps,
    turned: Vec<u8>,
    wide: Vec<u8>,
    narrow: Vec<u8>,
}

/// For each new sample of a row the old ones that it is made from.
#[derive(Debug, Default)]
struct Taps {
    /// The first old sample and where the weights start.
    spans: Vec<(usize, usize)>,
    weights: Vec<i32>,
    precise: Vec<f64>,
}

impl Taps {
    /// For the new samples from `first` on, `count` of the `new` that `old` ones become.
    fn prepare(&mut self, filter: Filter, old: usize, new: usize, first: usize, count: usize) {
        let scale = old as f64 / new as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        self.spans.clear();
        self.weights.clear();
        for place in first..first + count {
            let centre = (place as f64 + 0.5) * scale;
            let from = (centre - support + 0.5).max(0.0) as usize;
            let to = ((centre + support + 0.5) as usize).min(old);
            self.precise.clear();
            self.precise.extend(
                (from..to)
                    .map(|sample| filter.weight((sample as f64 - centre + 0.5) * (1.0 / stretch))),
            );
            let sum: f64 = self.precise.iter().sum();
            self.spans.push((from, self.weights.len()));
            self.weights.extend(self.precise.iter().map(|&weight| {
                let scaled = weight / sum * f64::from(1 << PRECISION);
                (scaled + 0.5_f64.copysign(scaled)) as i32
            }));
        }
        self.spans.push((0, self.weights.len()));
    }

    /// The first old sample and the weights of new sample `place`.
    fn of(&self, place: usize) -> (usize, &[i32]) {
        let (first, start) = self.spans[place];
        (first, &self.weights[start..self.spans[place + 1].1])
    }

    /// The first and the last old sample that have a weight, the last excluded.
    fn reach(&self) -> (usize, usize) {
        let places = self.spans.len() - 1;
        let (last, weights) = self.of(places - 1);
        (self.of(0).0, last + weights.len())
    }
}

/// A resize: the size of the result, and which region of that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Width of the whole result.
    pub width: usize,
    /// Height of the whole result.
    pub height: usize,
    /// The region that is made.
    pub region: Region,
    /// Whether it is mirrored left and right.
    pub mirrored: bool,
}

impl Target {
    /// All of a result of this size.
    pub fn whole(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            region: Region::of_size(width, height),
            mirrored: false,
        }
    }
}

impl Resizer {
    /// Crops `region` out of `image` and resizes it, as torchvision's `resized_crop`: the filter
    /// sees no pixel outside the region.
    pub fn resize(
        &mut self,
        image: &Image,
        region: Region,
        filter: Filter,
        target: Target,
        out: &mut Image,
    ) {
        let Region {
            left,
            top,
            width,
            height,
        } = target.region;
        out.reshape(width, height, image.channels);
        self.down
            .prepare(filter, region.height, target.height, top, height);
        self.across
            .prepare(filter, region.width, target.width, left, width);
        // The rows and columns that are needed.
        let (first, last) = self.down.reach();
        let (start, end) = self.across.reach();
        let (rows, columns) = (last - first, end - start);
        self.turned.resize(columns * rows, 0);
        self.wide.resize(width * rows, 0);
        self.narrow.resize(image.channels * rows * width, 0);
        let place = (region.top + first) * image.width + region.left + start;
        let narrow = self.narrow.chunks_exact_mut(rows * width);
        for (plane, narrow) in image.planes().zip(narrow) {
            transpose_plane(
                &plane[place..],
                image.width,
                columns,
                rows,
                &mut self.turned,
            );
            for x in 0..width {
                let (from, weights) = self.across.of(x);
                // Mirroring is writing in the other order.
                let x = if target.mirrored { width - 1 - x } else { x };
                let from = &self.turned[(from - start) * rows..];
                weigh(from, rows, weights, &mut self.wide[x * rows..][..rows]);
            }
            transpose_plane(&self.wide, rows, rows, width, narrow);
        }
        let planes = out.pixels.chunks_exact_mut(width * height);
        for (narrow, plane) in self.narrow.chunks_exact(rows * width).zip(planes) {
            for (y, out) in plane.chunks_exact_mut(width).enumerate() {
                let (from, weights) = self.down.of(y);
                weigh(&narrow[(from - first) * width..], width, weights, out);
            }
        }
    }
}

vectorised! {
    /// Adds up rows of `stride` samples by their weights.
    fn weigh(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
        // Rows of no weight at the ends cost as much as any.
        let mut weights = weights;
        let mut rows = rows;
        while let [0, rest @ ..] = weights {
            weights = rest;
            rows = &rows[stride..];
        }
        while let [rest @ .., 0] = weights {
            weights = rest;
        }
        if weights == [1 << PRECISION] {
            out.copy_from_slice(&rows[..out.len()]);
            return;
        }
        let mut start = 0;
        for out in out.chunks_mut(STRIP) {
            let length = out.len();
            let mut sums = [1_i32 << (PRECISION - 1); STRIP];
            let sums = &mut sums[..length];
            let mut rest = &rows[start..];
            let mut left = weights;
            // Four rows at a time keep the sums in registers.
            while let [a, b, c, d, behind @ ..] = left {
                let (ra, rb) = (&rest[..length], &rest[stride..][..length]);
                let (rc, rd) = (&rest[2 * stride..][..length], &rest[3 * stride..][..length]);
                for i in 0..length {
                    sums[i] += a * i32::from(ra[i])
                        + b * i32::from(rb[i])
                        + c * i32::from(rc[i])
                        + d * i32::from(rd[i]);
                }
                left = behind;
                rest = rest.get(4 * stride..).unwrap_or_default();
            }
            for weight in left {
                for (sum, &sample) in sums.iter_mut().zip(&rest[..length]) {
                    *sum += weight * i32::from(sample);
                }
                rest = rest.get(stride..).unwrap_or_default();
            }
            for (out, &sum) in out.iter_mut().zip(sums.iter()) {
                *out = (sum >> PRECISION).clamp(0, 255) as u8;
            }
            start += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::crop;
    use crate::stream;

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

    /// The same by its definition: one sample at a time, along the rows, then down the columns.
    fn slow(image: &Image, region: Region, filter: Filter, width: usize, height: usize) -> Image {
        let weights = |old: usize, new: usize, place: usize| -> Vec<(usize, i64)> {
            let scale = old as f64 / new as f64;
            let (centre, stretch) = ((place as f64 + 0.5) * scale, scale.max(1.0));
            let reach = filter.support() * stretch;
            let near = (0..old).filter(|&sample| {
                (sample as f64) >= (centre - reach + 0.5).floor().max(0.0)
                    && (sample as f64) < (centre + reach + 0.5).floor()
            });
            let near: Vec<_> = near
                .map(|sample| {
                    (
                        sample,
                        filter.weight((sample as f64 + 0.5 - centre) / stretch),
                    )
                })
                .collect();
            let sum: f64 = near.iter().map(|(_, weight)| weight).sum();
            near.into_iter()
                .map(|(sample, weight)| (sample, (weight / sum * 4_194_304.0).round() as i64))
                .collect()
        };
        let add = |taps: &[(usize, i64)], sample: &dyn Fn(usize) -> u8| {
            let sum: i64 = taps
                .iter()
                .map(|&(place, weight)| weight * i64::from(sample(place)))
                .sum();
            ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
        };
        let mut out = Image::black(width, height, image.channels);
        for (plane, out) in image.planes().zip(out.planes_mut()) {
            let mut middle = vec![0; region.height * width];
            for y in 0..region.height {
                for x in 0..width {
                    let row = &plane[(region.top + y) * image.width + region.left..];
                    middle[y * width + x] =
                        add(&weights(region.width, width, x), &|place| row[place]);
                }
            }
            for y in 0..height {
                let taps = weights(region.height, height, y);
                for x in 0..width {
                    out[y * width + x] = add(&taps, &|place| middle[place * width + x]);
                }
            }
        }
        out
    }

    #[test]
    fn it_is_what_it_is_defined_as() {
        let region = Region {
            left: 5,
            top: 3,
            width: 31,
            height: 47,
        };
        for channels in [1, 3] {
            let image = picture(61, 59, channels);
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                for (width, height) in [(4, 4), (31, 20), (47, 47), (28, 90), (1, 3)] {
                    let mut out = Image::default();
                    let target = Target::whole(width, height);
                    Resizer::default().resize(&image, region, filter, target, &mut out);
                    assert_eq!(
                        out,
                        slow(&image, region, filter, width, height),
                        "{width} x {height}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_region_is_cut_out_of_the_whole_and_a_mirror_image_flips_it() {
        let image = picture(53, 41, 3);
        let region = Region {
            left: 2,
            top: 7,
            width: 50,
            height: 33,
        };
        let wanted = Region {
            left: 3,
            top: 9,
            width: 17,
            height: 8,
        };
        let (mut whole, mut cut, mut found) = Default::default();
        let mut resizer = Resizer::default();
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let target = Target::whole(26, 39);
            resizer.resize(&image, region, filter, target, &mut whole);
            crop::crop(&whole, wanted, &mut cut);
            let partly = Target {
                region: wanted,
                ..target
            };
            resizer.resize(&image, region, filter, partly, &mut found);
            assert_eq!(found, cut);
            crop::flip(&mut cut);
            let mirrored = Target {
                mirrored: true,
                ..partly
            };
            resizer.resize(&image, region, filter, mirrored, &mut found);
            assert_eq!(found, cut);
        }
    }

    #[test]
    fn resizing_to_the_same_size_copies() {
        let image = picture(9, 7, 3);
        let mut out = Image::default();
        let whole = Region::whole(&image);
        Resizer::default().resize(
            &image,
            whole,
            Filter::Bicubic,
            Target::whole(9, 7),
            &mut out,
        );
        assert_eq!(out, image);
    }
}
