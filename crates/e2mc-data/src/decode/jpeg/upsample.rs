//! Components to the image's resolution, as libjpeg does it, bit for bit.
//!
//! Half resolution is interpolated with weights 3/4 and 1/4 in each direction, rounding alternately
//! up and down. Half the columns of half the rows or of all, where they are no more than two, are
//! repeated instead, and so is every other resolution.

use super::colour;
use super::frame::Colours;
use super::plane::Plane;
use crate::Image;
use crate::geometry::Region;
use crate::vectorised::vectorised;

/// Upsamples row by row; keeps its buffers.
#[derive(Default)]
pub(super) struct Rows {
    /// Vertically interpolated samples, with one more at each end.
    sums: Vec<i16>,
    /// A row of each component.
    stored: [Vec<u8>; 4],
    scratch: [Vec<u8>; 3],
}

impl Rows {
    /// Writes a region of an image.
    pub(super) fn write(
        &mut self,
        planes: &[Plane],
        colours: Colours,
        region: Region,
        image: &mut Image,
    ) {
        let width = image.width;
        let size = width * image.height;
        for y in region.top..region.top + region.height {
            let mut stored = [&[][..]; 4];
            let buffers = planes.iter().zip(&mut self.stored);
            for ((plane, buffer), out) in buffers.zip(&mut stored) {
                *out = row(plane, y, region, &mut self.sums, buffer);
            }
            let place = y * width + region.left;
            let mut channels = image.pixels.chunks_exact_mut(size);
            let channels = [(); 3].map(|()| match channels.next() {
                Some(channel) => &mut channel[place..][..region.width],
                None => &mut [],
            });
            colour::convert(colours, stored, channels, &mut self.scratch);
        }
    }
}

/// The samples of a component that belong to row `y`, as far as the region reaches, of the image.
fn row<'a>(
    plane: &'a Plane,
    y: usize,
    region: Region,
    sums: &mut Vec<i16>,
    buffer: &'a mut Vec<u8>,
) -> &'a [u8] {
    if plane.across == 1 && plane.down == 1 {
        return &plane.samples[y * plane.stride..][region.left..][..region.width];
    }
    // From a whole sample on.
    let first = region.left / plane.across;
    let count = (region.left + region.width - 1) / plane.across + 1 - first;
    upsample(plane, y, first, count, sums, buffer);
    &buffer[region.left - first * plane.across..][..region.width]
}

/// The row of a component that belongs to row `y` of the image: `count` columns from `first` on,
/// and for each of them its columns of the image.
fn upsample(
    plane: &Plane,
    y: usize,
    first: usize,
    count: usize,
    sums: &mut Vec<i16>,
    out: &mut Vec<u8>,
) {
    let (h, v) = (plane.across, plane.down);
    out.resize(count * h, 0);
    let row = |y: usize| &plane.samples[y.min(plane.height - 1) * plane.stride..][..plane.width];
    let near = row(y / v);
    let smooth = match (h, v) {
        (1, 2) => true,
        (2, 1 | 2) => plane.width > 2,
        _ => false,
    };
    if !smooth {
        for (pixels, &sample) in out.chunks_exact_mut(h).zip(&near[first..]) {
            pixels.fill(sample);
        }
        return;
    }
    // The other row lies above the first of a pair and below the second.
    let below = v == 2 && y % 2 == 1;
    let far = match v {
        1 => near,
        _ if below => row(y / v + 1),
        _ => row((y / v).saturating_sub(1)),
    };
    if h == 1 {
        let bias = if below { 2 } else { 1 };
        blend_rows(&near[first..][..count], &far[first..][..count], bias, out);
        return;
    }
    // One more column at each end, repeated at the border.
    let (start, end) = (
        first.saturating_sub(1),
        (first + count + 1).min(plane.width),
    );
    sums.resize(count + 2, 0);
    let inner = usize::from(first == 0);
    let filled = inner + end - start;
    // Alone, a row is taken as it is: four times would only be divided out again.
    weigh_rows(
        &near[start..end],
        &far[start..end],
        v == 2,
        &mut sums[inner..filled],
    );
    if first == 0 {
        sums[0] = sums[1];
    }
    if filled < count + 2 {
        sums[count + 1] = sums[count];
    }
    if v == 2 {
        spread(sums, 4, 8, 7, out);
    } else {
        spread(sums, 2, 1, 2, out);
    }
}

vectorised! {
    fn blend_rows(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
        for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
            *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
        }
    }
}

vectorised! {
    fn weigh_rows(near: &[u8], far: &[u8], two: bool, sums: &mut [i16]) {
        if two {
            for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
                *sum = 3 * i16::from(near) + i16::from(far);
            }
        } else {
            for (sum, &near) in sums.iter_mut().zip(near) {
                *sum = i16::from(near);
            }
        }
    }
}

vectorised! {
    /// Two samples between each and its neighbours.
    fn spread(sums: &[i16], shift: u32, even: i16, odd: i16, out: &mut [u8]) {
        let count = out.len() / 2;
        let (before, here, after) = (&sums[..count], &sums[1..][..count], &sums[2..][..count]);
        let (pairs, _) = out.as_chunks_mut::<2>();
        for (((pair, &before), &here), &after) in
            pairs.iter_mut().zip(before).zip(here).zip(after)
        {
            pair[0] = ((3 * here + before + even) >> shift) as u8;
            pair[1] = ((3 * here + after + odd) >> shift) as u8;
        }
    }
}
