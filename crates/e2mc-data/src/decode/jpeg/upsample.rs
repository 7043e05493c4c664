//! Chroma to the luma's resolution, and YCbCr to RGB: as libjpeg does both, bit for bit.
//!
//! Half resolution is interpolated with weights 3/4 and 1/4 in each direction, rounding alternately
//! up and down. Channels of no more than two columns are repeated instead.

use super::baseline::Plane;
use crate::Image;
use crate::augment::crop::Region;
use crate::vectorised::vectorised;

/// Upsamples row by row; keeps its buffers.
#[derive(Default)]
pub(super) struct Rows {
    /// Vertically interpolated samples, with one more at each end.
    near: Vec<i16>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

impl Rows {
    /// Writes a region of an image whose luma has `h` times the columns and `v` times the rows of
    /// its chroma.
    pub(super) fn write(
        &mut self,
        planes: &[Plane],
        h: usize,
        v: usize,
        region: Region,
        image: &mut Image,
    ) {
        let width = image.width;
        let columns = region.left..region.left + region.width;
        let size = width * image.height;
        for y in region.top..region.top + region.height {
            let luma = &planes[0].samples[y * planes[0].stride..][columns.clone()];
            let place = y * width + region.left;
            let [_, blue, red] = planes else {
                image.pixels[place..][..region.width].copy_from_slice(luma);
                continue;
            };
            // From an even column on.
            let first = columns.start / h;
            let count = (columns.end - 1) / h + 1 - first;
            upsample(blue, h, v, y, first, count, &mut self.near, &mut self.blue);
            upsample(red, h, v, y, first, count, &mut self.near, &mut self.red);
            let offset = columns.start - first * h;
            let (r, rest) = image.pixels.split_at_mut(size);
            let (g, b) = rest.split_at_mut(size);
            to_rgb(
                luma,
                &self.blue[offset..],
                &self.red[offset..],
                &mut r[place..][..region.width],
                &mut g[place..][..region.width],
                &mut b[place..][..region.width],
            );
        }
    }
}

/// The row of a channel that belongs to row `y` of the image: `count` columns from `first` on,
/// and as many as `h` times that of the image.
#[expect(clippy::too_many_arguments, reason = "a row and where it goes")]
fn upsample(
    plane: &Plane,
    h: usize,
    v: usize,
    y: usize,
    first: usize,
    count: usize,
    sums: &mut Vec<i16>,
    out: &mut Vec<u8>,
) {
    out.resize(count * h, 0);
    let row = |y: usize| &plane.samples[y.min(plane.height - 1) * plane.stride..][..plane.width];
    if h == 1 && v == 1 {
        out.copy_from_slice(&row(y)[first..first + count]);
        return;
    }
    if h == 2 && plane.width <= 2 {
        for (pair, &sample) in out.chunks_exact_mut(2).zip(&row(y / v)[first..]) {
            pair.fill(sample);
        }
        return;
    }
    let near = row(y / v);
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

vectorised! {
    /// ITU-R 601 with full range, in 16-bit fixed point.
    fn to_rgb(luma: &[u8], blue: &[u8], red: &[u8], r: &mut [u8], g: &mut [u8], b: &mut [u8]) {
        let count = luma.len();
        let (blue, red) = (&blue[..count], &red[..count]);
        let (r, g, b) = (&mut r[..count], &mut g[..count], &mut b[..count]);
        for i in 0..count {
            let y = i32::from(luma[i]);
            let (cb, cr) = (i32::from(blue[i]) - 128, i32::from(red[i]) - 128);
            let half = 1 << 15;
            let red = y + ((91_881 * cr + half) >> 16);
            let green = y + ((-22_554 * cb - 46_802 * cr + half) >> 16);
            let blue = y + ((116_130 * cb + half) >> 16);
            r[i] = red.clamp(0, 255) as u8;
            g[i] = green.clamp(0, 255) as u8;
            b[i] = blue.clamp(0, 255) as u8;
        }
    }
}
