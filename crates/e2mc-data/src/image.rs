//! An image in memory.

/// An image of bytes, row by row, the channels of a pixel together: `(height, width, channels)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// The `height * width * channels` samples.
    pub pixels: Vec<u8>,
}

impl Image {
    /// A black image.
    pub fn black(width: usize, height: usize, channels: usize) -> Self {
        let mut image = Self::default();
        image.reshape(width, height, channels);
        image
    }

    /// Takes another shape and keeps the buffer; what the pixels hold afterwards is unspecified.
    pub fn reshape(&mut self, width: usize, height: usize, channels: usize) {
        self.width = width;
        self.height = height;
        self.channels = channels;
        self.pixels.resize(width * height * channels, 0);
    }

    /// Writes this image into `out` with 1 or 3 channels: grey is repeated, colour becomes its
    /// luma (ITU-R 601, rounded as Pillow rounds its mode `L`).
    pub fn with_channels(&self, channels: usize, out: &mut Self) {
        out.reshape(self.width, self.height, channels);
        match (self.channels, channels) {
            (1, 3) => {
                for (rgb, &grey) in out.pixels.chunks_exact_mut(3).zip(&self.pixels) {
                    rgb.fill(grey);
                }
            }
            (3, 1) => {
                for (grey, rgb) in out.pixels.iter_mut().zip(self.pixels.chunks_exact(3)) {
                    *grey = luma(rgb[0], rgb[1], rgb[2]);
                }
            }
            _ => out.pixels.copy_from_slice(&self.pixels),
        }
    }
}

/// ITU-R 601 luma in 16-bit fixed point, rounded to nearest.
#[inline]
pub(crate) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}
