//! Options of `watch`.

use std::path::PathBuf;

use clap::Args;

use super::value::seconds;

/// Options of `watch`.
#[derive(Args, Debug)]
pub struct WatchOptions {
    /// Folder of a run of `pretrain` or `continue`
    ///
    /// The run folders of a sweep and of `improve` can be watched, too: SWEEP/runs/NAME and
    /// OUT/search/NAME.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Port of a live page, shown instead of printing
    ///
    /// The address is http://127.0.0.1:PORT, reachable from this machine only. 0 takes a free port.
    #[arg(long, value_name = "PORT")]
    pub serve: Option<u16>,
    /// Seconds between updates
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub every: f64,
    /// Print once and exit
    ///
    /// This is the default when standard output is not a terminal.
    #[arg(long)]
    pub once: bool,
}
