//! Bytes to floats.

use crate::Image;
use crate::vectorised::vectorised;

/// Scales samples to `[0, 1]`, subtracts a mean and divides by a standard deviation.
#[derive(Clone, Debug)]
pub struct Normaliser {
    /// For each channel what a sample is multiplied by, and what is then added.
    channels: Vec<(f32, f32)>,
}

impl Normaliser {
    /// For channels with these means and standard deviations, of samples in `[0, 1]`.
    pub fn new(mean: &[f32], std: &[f32]) -> Self {
        let channel = |(&mean, &std): (&f32, &f32)| {
            let (mean, std) = (f64::from(mean), f64::from(std));
            ((1.0 / (255.0 * std)) as f32, (-mean / std) as f32)
        };
        Self {
            channels: mean.iter().zip(std).map(channel).collect(),
        }
    }

    /// Writes `image` as `(channels, height, width)` into `out`, which has exactly that size. The
    /// only channel of a grey image is repeated.
    pub fn normalise(&self, image: &Image, out: &mut [f32]) {
        let size = image.width * image.height;
        assert_eq!(out.len(), size * self.channels.len(), "one float a sample");
        let planes = out.chunks_exact_mut(size.max(1)).zip(&self.channels);
        for (channel, (out, &(scale, shift))) in planes.enumerate() {
            let start = channel % image.channels * size;
            scale_plane(&image.pixels[start..start + size], scale, shift, out);
        }
    }
}

vectorised! {
    fn scale_plane(plane: &[u8], scale: f32, shift: f32, out: &mut [f32]) {
        for (out, &sample) in out.iter_mut().zip(plane) {
            *out = f32::from(sample) * scale + shift;
        }
    }
}
