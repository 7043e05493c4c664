//! Where and with what randomness to compute, and how much at a time.

use e2mc_base::cgroup;
use e2mc_data::Preprocessing;
use e2mc_train::Device;

/// Images that go through a network at a time where it is evaluated, at most.
pub const BATCH: usize = 256;
/// Bytes of images at a time on a processor: larger batches are no faster there.
const IMAGES: usize = 32 << 20;
/// Memory that a network takes for an image at a time, in times the image: what three layers give
/// where the first has many channels, and batches that wait.
const PER_IMAGE: usize = 64;

/// Where and with what randomness to compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Threads that prepare images, at least 1.
    pub threads: usize,
    /// The seed of all randomness.
    pub seed: u64,
}

impl Default for Machine {
    /// The CPU, a thread for each core that the process may use, seed 0.
    fn default() -> Self {
        Self {
            device: "cpu".to_owned(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            seed: 0,
        }
    }
}

/// Images that go through a network at a time where it is evaluated: a power of two up to
/// [`BATCH`]. On a processor large images are taken fewer at a time, and where the machine or the
/// process's group has little memory left, so few that a quarter of it is enough. The last bits of
/// a feature may depend on it: it is the same on every machine with some gigabytes of free memory.
pub fn batch(evaluation: &Preprocessing, device: Device) -> usize {
    let pixels = evaluation.channels * evaluation.crop * evaluation.crop;
    batch_of(pixels * size_of::<f32>(), device)
}

/// As [`batch`], for images of so many bytes.
pub(crate) fn batch_of(image: usize, device: Device) -> usize {
    match device {
        Device::Cpu => of_processor(image, cgroup::memory()),
        _ => BATCH,
    }
}

/// The batch for images of so many bytes where so much memory is free, if that is known.
fn of_processor(image: usize, free: Option<u64>) -> usize {
    let image = image.max(1);
    let free = free.map_or(usize::MAX, |free| {
        usize::try_from(free).unwrap_or(usize::MAX)
    });
    let most = (IMAGES / image).min(free / 4 / PER_IMAGE / image);
    let most = most.clamp(1, BATCH);
    1 << most.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_the_images_and_the_memory() {
        let image = |side: usize, channels: usize| side * side * channels * 4;
        let plenty = Some(16 << 30);
        assert_eq!(of_processor(image(28, 1), plenty), 256);
        assert_eq!(of_processor(image(96, 3), plenty), 256);
        assert_eq!(of_processor(image(224, 3), plenty), 32);
        assert_eq!(of_processor(image(224, 3), None), 32);
        assert_eq!(of_processor(image(224, 3), Some(6 << 30)), 32);
        assert_eq!(of_processor(image(224, 3), Some(2 << 30)), 8);
        assert_eq!(of_processor(image(224, 3), Some(1 << 20)), 1);
        assert_eq!(of_processor(0, plenty), 256);
    }
}
