//! How many processes share the work.

use clap::Args;

use super::heading;

/// How many processes share the work, and how patient they are with each other.
#[derive(Args, Clone, Copy, Debug)]
pub struct ProcessOptions {
    /// Number of processes on this machine, each with a part of the images
    ///
    /// With cuda, one process per device. Leave it out under torchrun and srun, which start the
    /// processes themselves.
    #[arg(
        long,
        value_name = "N",
        help_heading = heading::MACHINE,
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub nproc: Option<u16>,
    /// Seconds to wait for another process before giving up
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = heading::MACHINE,
        default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub timeout: u64,
}
