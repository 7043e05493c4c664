//! Bytes to floats.

use crate::Image;

/// Subtracts a mean and divides by a standard deviation, through a table for each channel.
#[derive(Clone, Debug)]
pub struct Normaliser {
    tables: Vec<[f32; 256]>,
}

impl Normaliser {
    /// For channels with these means and standard deviations, of samples in `[0, 1]`.
    pub fn new(mean: &[f32], std: &[f32]) -> Self {
        let table = |(&mean, &std): (&f32, &f32)| {
            std::array::from_fn(|sample| (sample as f32 / 255.0 - mean) / std)
        };
        Self {
            tables: mean.iter().zip(std).map(table).collect(),
        }
    }

    /// Writes `image` as `(channels, height, width)` into `out`, which has exactly that size.
    pub fn normalise(&self, image: &Image, out: &mut [f32]) {
        assert_eq!(out.len(), image.pixels.len(), "one float for each sample");
        let planes = out.chunks_exact_mut(image.width * image.height);
        for (channel, (plane, table)) in planes.zip(&self.tables).enumerate() {
            let samples = image.pixels[channel..].iter().step_by(image.channels);
            for (out, &sample) in plane.iter_mut().zip(samples) {
                *out = table[usize::from(sample)];
            }
        }
    }
}
