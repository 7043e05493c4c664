//! An image in memory.

/// An image of bytes, channel by channel: `(channels, height, width)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// The `channels * height * width` samples.
    pub pixels: Vec<u8>,
}

impl Image {
    /// A black image.
    pub fn black(width: usize, height: usize, channels: usize) -> Self {
        let mut image = Self::default();
        image.reshape(width, height, channels);
        image
    }

    /// An image from samples that are stored pixel by pixel, `(height, width, channels)`. What is
    /// missing at the end stays black.
    pub fn from_interleaved(width: usize, height: usize, channels: usize, samples: &[u8]) -> Self {
        let mut image = Self::black(width, height, channels);
        image.take_interleaved(width, height, channels, samples);
        image
    }

    /// As [`from_interleaved`](Self::from_interleaved), in this buffer. `samples` may hold more
    /// channels than are taken: `stored` of them for each pixel.
    pub(crate) fn take_interleaved(
        &mut self,
        width: usize,
        height: usize,
        stored: usize,
        samples: &[u8],
    ) {
        let channels = if stored < 3 { 1 } else { 3 };
        self.reshape(width, height, channels);
        let planes = self.pixels.chunks_exact_mut((width * height).max(1));
        for (channel, plane) in planes.enumerate() {
            for (out, pixel) in plane.iter_mut().zip(samples.chunks_exact(stored)) {
                *out = pixel[channel];
            }
        }
    }

    /// The samples pixel by pixel, `(height, width, channels)`.
    pub fn to_interleaved(&self) -> Vec<u8> {
        let size = self.width * self.height;
        let mut samples = vec![0; self.pixels.len()];
        for (channel, plane) in self.pixels.chunks_exact(size.max(1)).enumerate() {
            for (out, &sample) in samples[channel..]
                .iter_mut()
                .step_by(self.channels)
                .zip(plane)
            {
                *out = sample;
            }
        }
        samples
    }

    /// Takes another shape and keeps the buffer; what the pixels hold afterwards is unspecified.
    pub fn reshape(&mut self, width: usize, height: usize, channels: usize) {
        self.width = width;
        self.height = height;
        self.channels = channels;
        self.pixels.resize(width * height * channels, 0);
    }

    /// The channels, each `height` rows of `width` samples.
    pub fn planes(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact((self.width * self.height).max(1))
    }

    /// The channels, to be changed.
    pub fn planes_mut(&mut self) -> std::slice::ChunksExactMut<'_, u8> {
        self.pixels
            .chunks_exact_mut((self.width * self.height).max(1))
    }

    /// Writes this image into `out` with 1 or 3 channels: grey is repeated, colour becomes its
    /// luma (ITU-R 601, rounded as Pillow rounds its mode `L`).
    pub fn with_channels(&self, channels: usize, out: &mut Self) {
        out.reshape(self.width, self.height, channels);
        match (self.channels, channels) {
            (1, 3) => {
                for plane in out.planes_mut() {
                    plane.copy_from_slice(&self.pixels);
                }
            }
            (3, 1) => {
                let size = self.width * self.height;
                let (red, rest) = self.pixels.split_at(size);
                let (green, blue) = rest.split_at(size);
                for (grey, ((&red, &green), &blue)) in
                    out.pixels.iter_mut().zip(red.iter().zip(green).zip(blue))
                {
                    *grey = luma(red, green, blue);
                }
            }
            _ => out.pixels.copy_from_slice(&self.pixels),
        }
    }
}

/// ITU-R 601 luma in 16-bit fixed point, rounded to nearest.
#[inline(always)]
pub(crate) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}
