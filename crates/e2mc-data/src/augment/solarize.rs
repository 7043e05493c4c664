//! Solarization.

use crate::Image;

/// The first sample value that is inverted.
const THRESHOLD: u8 = 128;

/// Inverts every sample from 128 up, as an overexposed film does.
pub fn solarize(image: &mut Image) {
    for sample in &mut image.pixels {
        *sample = if *sample < THRESHOLD {
            *sample
        } else {
            255 - *sample
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_half_is_inverted() {
        let mut image = Image {
            width: 4,
            height: 1,
            channels: 1,
            pixels: vec![0, 127, 128, 255],
        };
        solarize(&mut image);
        assert_eq!(image.pixels, [0, 127, 127, 0]);
    }
}
