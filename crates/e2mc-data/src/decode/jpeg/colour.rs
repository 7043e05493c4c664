//! What is stored to red, green and blue, as libjpeg and Pillow do it, bit for bit.

use super::frame::Colours;
use crate::vectorised::vectorised;

/// Turns a row of stored samples into a row of the image's channels: one for grey, else three.
/// `scratch` holds what lies between.
pub(super) fn convert(
    colours: Colours,
    stored: [&[u8]; 4],
    [r, g, b]: [&mut [u8]; 3],
    scratch: &mut [Vec<u8>; 3],
) {
    let [first, second, third, fourth] = stored;
    match colours {
        Colours::Grey => r.copy_from_slice(first),
        Colours::YCbCr => to_rgb(first, second, third, r, g, b),
        Colours::Rgb => {
            r.copy_from_slice(first);
            g.copy_from_slice(second);
            b.copy_from_slice(third);
        }
        Colours::Cmyk => {
            for (out, stored) in [r, g, b].into_iter().zip([first, second, third]) {
                // Inks are stored inverted, by Adobe and so by all.
                let ink = stored.iter().map(|&sample| 255 - sample);
                drop_ink(ink, fourth, out);
            }
        }
        Colours::Ycck => {
            let [c, m, y] = scratch;
            for ink in [&mut *c, &mut *m, &mut *y] {
                ink.resize(first.len(), 0);
            }
            to_rgb(first, second, third, c, m, y);
            for (out, ink) in [r, g, b].into_iter().zip([c, m, y]) {
                drop_ink(ink.iter().copied(), fourth, out);
            }
        }
    }
}

/// The light that an ink leaves of what black leaves; `white`: black, inverted.
fn drop_ink(ink: impl Iterator<Item = u8>, white: &[u8], out: &mut [u8]) {
    for ((out, ink), &white) in out.iter_mut().zip(ink).zip(white) {
        // An eight-bit product, rounded.
        let product = u32::from(ink) * u32::from(white) + 128;
        *out = (u32::from(white) - ((product + (product >> 8)) >> 8)) as u8;
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
