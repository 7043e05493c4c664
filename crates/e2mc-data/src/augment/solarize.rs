//! Solarization.

use crate::Image;
use crate::vectorised::vectorised;

/// The first sample value that the recipes invert.
pub const THRESHOLD: u8 = 128;

/// Inverts every sample from `threshold` up, as an overexposed film does.
pub fn solarize(image: &mut Image, threshold: u8) {
    invert_from(&mut image.pixels, threshold);
}

vectorised! {
    fn invert_from(samples: &mut [u8], threshold: u8) {
        for sample in samples {
            *sample = if *sample < threshold { *sample } else { 255 - *sample };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_part_is_inverted() {
        let mut image = Image {
            width: 4,
            height: 1,
            channels: 1,
            pixels: vec![0, 127, 128, 255],
        };
        solarize(&mut image, THRESHOLD);
        assert_eq!(image.pixels, [0, 127, 127, 0]);
        solarize(&mut image, 0);
        assert_eq!(image.pixels, [255, 128, 128, 255]);
    }
}
