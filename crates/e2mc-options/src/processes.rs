//! How many processes train together.

use clap::Args;

/// How many processes train together, and how patient they are with each other.
#[derive(Args, Clone, Copy, Debug)]
pub struct ProcessOptions {
    /// Processes on this machine that train together, each with a part of every batch; with cuda one a
    /// device. torchrun and srun start their own: leave it out there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub nproc: Option<u16>,
    /// Seconds that processes wait for each other before they give up
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
}
