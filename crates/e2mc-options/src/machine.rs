//! Where, with how many threads and with what randomness to compute.

use clap::Args;

use super::heading;
use super::value::device;

/// Device, threads and seed.
#[derive(Args, Clone, Debug)]
pub struct MachineOptions {
    /// Device of the network: cpu or cuda:N
    #[arg(help_heading = heading::MACHINE, long, default_value = "cpu", value_parser = device)]
    pub device: String,
    /// Threads that prepare images [default: the number of cores]
    #[arg(
        help_heading = heading::MACHINE,
        value_name = "N",
        long,
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub threads: Option<u16>,
    /// Seed of all random choices
    #[arg(help_heading = heading::MACHINE, long, default_value_t = 0)]
    pub seed: u64,
}

impl MachineOptions {
    /// The number of threads: what was typed, or one for each core that the process may use.
    pub fn threads(&self) -> usize {
        threads(self.threads)
    }

    /// The seeds of `count` label subsets, from `--seed` on.
    pub fn seeds(&self, count: u64) -> Vec<u64> {
        (0..count)
            .map(|seed| self.seed.wrapping_add(seed))
            .collect()
    }
}

/// What was typed, or one for each core that the process may use.
pub(super) fn threads(typed: Option<u16>) -> usize {
    typed.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    )
}
