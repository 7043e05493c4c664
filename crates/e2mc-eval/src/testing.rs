//! What the tests share: seeded toy data, the golden embeddings, thread pools of a given size.

use std::path::{Path, PathBuf};

use e2mc::Matrix;

/// A small generator of its own, so that tests do not depend on the code under test.
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Roughly normal: the sum of twelve uniform numbers, minus six.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12)
            .map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32)
            .sum::<f32>()
            - 6.0
    }

    pub(crate) fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut keyed: Vec<(u64, usize)> = (0..len).map(|i| (self.next(), i)).collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, i)| i).collect()
    }
}

/// `rows` samples around one centre for each class; the centres depend on the width alone, the
/// samples on the seed. The classes overlap.
pub(crate) fn embeddings_and_labels(
    rows: usize,
    dims: usize,
    classes: usize,
    seed: u64,
) -> (Matrix, Vec<usize>) {
    around_centres(rows, dims, classes, seed, 1.0)
}

/// The same with centres so far apart that the classes do not overlap.
pub(crate) fn separable(
    rows: usize,
    dims: usize,
    classes: usize,
    seed: u64,
) -> (Matrix, Vec<usize>) {
    around_centres(rows, dims, classes, seed, 4.0)
}

fn around_centres(
    rows: usize,
    dims: usize,
    classes: usize,
    seed: u64,
    spread: f32,
) -> (Matrix, Vec<usize>) {
    let mut centres = SplitMix(dims as u64);
    let centres: Vec<f32> = (0..classes * dims).map(|_| centres.normal()).collect();
    let mut random = SplitMix(seed << 32);
    let labels: Vec<usize> = (0..rows)
        .map(|_| random.next() as usize % classes)
        .collect();
    let data = labels
        .iter()
        .flat_map(|&label| centres[label * dims..][..dims].to_vec())
        .map(|centre| spread * centre + random.normal())
        .collect();
    (Matrix::new(data, rows, dims).unwrap(), labels)
}

/// The file of that name in `tests/golden`.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// 500 x 16 embeddings and their labels; see `tests/golden/README.md`.
pub(crate) fn golden_embeddings() -> (Matrix, Vec<usize>) {
    let embeddings = crate::read_embeddings(golden("embeddings.npy")).unwrap();
    (embeddings, crate::read_labels(golden("label.npy")).unwrap())
}

/// Runs `work` on a pool of that many threads.
pub(crate) fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}
