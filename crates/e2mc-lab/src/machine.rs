//! Where and with what randomness to compute.

/// Images that go through a network at a time where it is judged. The last bits of a feature may
/// depend on it.
pub const BATCH: usize = 256;

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
