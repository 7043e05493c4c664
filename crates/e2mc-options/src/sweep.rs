//! Options of `sweep`.

use clap::{Arg, Args};

use super::heading;
use super::value::fraction;
use super::{ContinueOptions, ProbeName};

/// Options of `sweep`.
#[derive(Args, Debug)]
pub struct SweepOptions {
    /// Setting and its values: criterion.beta=1,10 (required without --resume)
    ///
    /// Repeat it for several settings: every combination is run.
    #[arg(long, value_name = "KEY=VALUE,…", required_unless_present = "resume")]
    pub grid: Vec<String>,
    /// Replace an existing sweep in --out, instead of refusing
    #[arg(help_heading = heading::RUN, long, conflicts_with_all = ["resume", "resume_or_start"])]
    pub overwrite: bool,
    /// How each run is continued from the checkpoint.
    #[command(flatten)]
    pub from: ContinueOptions,
    /// Fractions of the training labels, above 0 and at most 1
    #[arg(
        help_heading = heading::PROBES,
        value_name = "F,…",
        long,
        value_delimiter = ',',
        default_value = "0.01,0.1",
        value_parser = fraction
    )]
    pub fractions: Vec<f64>,
    /// Label subsets drawn for each fraction, one per seed
    #[arg(
        help_heading = heading::PROBES,
        value_name = "N",
        long,
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=1000)
    )]
    pub seeds: u64,
    /// Classifiers to fit
    #[arg(help_heading = heading::PROBES, long, value_enum, default_value_t = ProbeName::Logistic)]
    pub probe: ProbeName,
    /// Epochs of the SGD probe [default: the preset's]
    #[arg(
        help_heading = heading::PROBES,
        long,
        value_name = "EPOCHS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub sgd_epochs: Option<u32>,
    /// Learning rate of the SGD probe for a batch of 256 [default: the preset's]
    ///
    /// The preset is that of the checkpoint's method.
    #[arg(help_heading = heading::PROBES, long, value_name = "RATE")]
    pub sgd_rate: Option<f64>,
    /// Number of neighbours in the k-NN vote
    #[arg(
        help_heading = heading::PROBES,
        long,
        default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub k: u16,
}

/// What options that are those of `continue` mean for a sweep.
pub(super) fn of_a_sweep(option: Arg) -> Arg {
    let (first, rest) = match option.get_id().as_str() {
        "out" => (
            "Folder of the sweep [default: runs/RECIPE, or the next free runs/RECIPE-N]",
            "It receives sweep.json, report.html, results.csv, results.json, and a folder runs/ \
             with the folder of each run. Required with --resume and --resume-or-start.",
        ),
        "resume" => (
            "Resume the sweep in --out, with its own data and settings",
            "Finished runs are kept. With --resume, only these may change: --data, and the device, \
             threads and processes.",
        ),
        "resume_or_start" => (
            "Start the sweep, or resume it if --out holds it already",
            "The same command can be queued again. Settings that differ from the sweep's are \
             refused.",
        ),
        _ => return option,
    };
    option.help(first).long_help(format!("{first}\n\n{rest}"))
}
