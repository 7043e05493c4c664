//! What may be typed: one definition for `e2mc` and `e2mc-engine`.
//!
//! Nothing here computes, and nothing is checked that the text alone does not tell: names of layouts,
//! outputs and recipes are text until a library looks them up.

mod adapt;
mod augment;
mod checkpoint;
mod compare;
mod convert;
mod demo;
mod embed;
mod embeddings;
mod finetune;
mod images;
mod improve;
mod inspect;
mod knn;
mod machine;
mod preparation;
mod probe;
mod processes;
mod recipes;
mod record;
mod report;
mod results;
mod resume;
mod score;
mod svm;
mod sweep;
mod throughput;
mod train;
mod value;
mod watch;

pub use adapt::{AdaptOptions, MethodName, UseName};
pub use augment::AugmentOptions;
pub use checkpoint::{CheckpointOptions, LAYOUTS};
pub use compare::CompareOptions;
pub use convert::{ConvertOptions, NamesName};
pub use demo::DemoOptions;
pub use embed::{DtypeName, EmbedOptions, SplitName};
pub use embeddings::EmbeddingsOptions;
pub use finetune::{FinetuneOptions, FinetunePresetName};
pub use images::ImageOptions;
pub use improve::ImproveOptions;
pub use inspect::InspectOptions;
pub use knn::{KnnOptions, VoteName};
pub use machine::MachineOptions;
pub use preparation::PreparationOptions;
pub use probe::{FeaturesName, OptimizerName, PresetName, ProbeName, ProbeOptions};
pub use processes::ProcessOptions;
pub use recipes::RecipesOptions;
pub use record::RecordOptions;
pub use report::ReportOptions;
pub use results::{ResultsOptions, TableFormat};
pub use score::{ScoreOptions, TransformName};
pub use svm::{AveragePrecisionName, ScaleName, SvmOptions};
pub use sweep::SweepOptions;
pub use throughput::ThroughputOptions;
pub use train::{ContinueOptions, CriterionName, GuardAction, PretrainOptions, TrainOptions};
pub use watch::WatchOptions;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Improve a pre-trained self-supervised model by effective entropy maximisation (E2MC).
#[derive(Debug, Parser)]
#[command(
    name = "e2mc",
    version,
    max_term_width = 100,
    args_override_self = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// Reads the program's arguments; ends the program where they are wrong or ask for help.
    ///
    /// # Errors
    /// Where an option does not go with the `--resume` beside it.
    pub fn read() -> Result<Self, WrongUse> {
        let mut command = Self::command();
        let mut matches = command.get_matches_mut();
        resume::check(&command, &matches)?;
        Ok(Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit()))
    }
}

/// Options that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WrongUse {
    /// Which.
    pub message: String,
    /// What goes instead.
    pub hint: String,
}

/// The commands with their options.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Improve a checkpoint within a time, verify the gain on held-out images, or keep it as it is
    Improve(ImproveOptions),
    /// Train a self-supervised model from scratch
    Pretrain(PretrainOptions),
    /// Train a checkpoint for some more epochs, with the entropy criterion or without
    Continue(ContinueOptions),
    /// Continue a checkpoint once for every combination of settings, and compare the runs
    Sweep(SweepOptions),
    /// Measure frozen features: linear probes at several label fractions, and k-NN
    Probe(ProbeOptions),
    /// Learn from few labels with all layers: the semi-supervised protocol
    Finetune(FinetuneOptions),
    /// Classify by nearest neighbours
    Knn(KnnOptions),
    /// Classify by linear support vector machines, one or several labels an image
    Svm(SvmOptions),
    /// Write the features of images to a file
    Embed(EmbedOptions),
    /// Fit a map for frozen embeddings, chosen and verified on held-out rows, or apply one
    Adapt(AdaptOptions),
    /// Say whether two evaluations differ beyond chance
    Compare(CompareOptions),
    /// Tabulate the results of evaluations
    Results(ResultsOptions),
    /// List the built-in recipes, or print one
    Recipes(RecipesOptions),
    /// Compute the criterion on a file of embeddings
    Score(ScoreOptions),
    /// Look at embeddings: dimensions, directions, neighbours and pairs, with pictures
    Inspect(InspectOptions),
    /// Put training runs on one page
    Report(ReportOptions),
    /// Watch a run while it trains
    Watch(WatchOptions),
    /// Write a checkpoint's network for PyTorch, torchvision or timm, or take theirs
    Convert(ConvertOptions),
    /// Measure how fast images are decoded and augmented, without a model
    Throughput(ThroughputOptions),
    /// Apply one operation to an image, or show what a recipe makes of it
    Augment(AugmentOptions),
    /// Show the whole job on the sample that comes with the source
    Demo(DemoOptions),
}

impl Command {
    /// The device that the network is to be on; none where the command takes none.
    pub fn device(&self) -> Option<&str> {
        let machine = match self {
            Self::Pretrain(options) => &options.train.machine,
            Self::Continue(options) => &options.train.machine,
            Self::Sweep(options) => &options.from.train.machine,
            Self::Probe(options) => &options.machine,
            Self::Finetune(options) => &options.machine,
            Self::Knn(options) => &options.machine,
            Self::Svm(options) => &options.machine,
            Self::Embed(options) => &options.machine,
            Self::Inspect(options) => &options.machine,
            Self::Demo(options) => &options.machine,
            Self::Improve(options) => &options.machine,
            Self::Adapt(options) => return Some(&options.device),
            Self::Compare(_)
            | Self::Results(_)
            | Self::Recipes(_)
            | Self::Score(_)
            | Self::Report(_)
            | Self::Watch(_)
            | Self::Convert(_)
            | Self::Throughput(_)
            | Self::Augment(_) => return None,
        };
        Some(&machine.device)
    }

    /// Whether a network is needed, and so `e2mc-engine`; files alone need none.
    pub fn needs_network(&self) -> bool {
        match self {
            Self::Improve(_)
            | Self::Pretrain(_)
            | Self::Continue(_)
            | Self::Sweep(_)
            | Self::Finetune(_)
            | Self::Embed(_)
            | Self::Convert(_)
            | Self::Demo(_) => true,
            Self::Probe(options) => options.embeddings.needs_network(),
            Self::Knn(options) => options.embeddings.needs_network(),
            Self::Svm(options) => options.embeddings.needs_network(),
            Self::Inspect(options) => !options.checkpoint.is_empty(),
            Self::Adapt(options) => options.checkpoint.is_some(),
            Self::Compare(_)
            | Self::Results(_)
            | Self::Recipes(_)
            | Self::Score(_)
            | Self::Report(_)
            | Self::Watch(_)
            | Self::Throughput(_)
            | Self::Augment(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("e2mc").chain(line.split_whitespace());
        Arguments::try_parse_from(words).map(|arguments| arguments.command)
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_option_says_what_it_does_on_one_line() {
        for command in Arguments::command().get_subcommands() {
            for option in command.get_arguments() {
                let place = format!("{} {}", command.get_name(), option.get_id());
                let help = option.get_help().map(ToString::to_string);
                let help = help.unwrap_or_else(|| panic!("{place} has no help"));
                assert!(
                    !help.ends_with('.') && !help.contains('\n'),
                    "{place}: {help}"
                );
                assert!(
                    help.starts_with(|c: char| !c.is_lowercase()),
                    "{place}: {help}"
                );
            }
        }
    }

    #[test]
    fn files_of_embeddings_need_no_network() {
        let files = "--train a.npy --train-labels b.npy --test c.npy --test-labels d.npy";
        let images = "--checkpoint a.safetensors --data images";
        for command in ["probe", "knn", "svm"] {
            assert!(
                !parse(&format!("{command} {files}"))
                    .unwrap()
                    .needs_network()
            );
            assert!(
                parse(&format!("{command} {images}"))
                    .unwrap()
                    .needs_network()
            );
        }
        for line in [
            "inspect a.npy",
            "inspect a.npy b.npy --view c.npy",
            "score a.npy",
            "adapt a.npy --labels b.npy --out m.safetensors",
            "adapt --apply m.safetensors a.npy --out b.npy",
        ] {
            assert!(!parse(line).unwrap().needs_network(), "{line}");
        }
        for line in [
            format!("inspect {images}"),
            format!("adapt {images} --out m.safetensors"),
        ] {
            assert!(parse(&line).unwrap().needs_network(), "{line}");
        }
    }

    #[test]
    fn the_device_is_that_of_the_command() {
        let line = "embed --checkpoint a --data b --out c.npy --device cuda:1";
        assert_eq!(parse(line).unwrap().device(), Some("cuda:1"));
        assert_eq!(parse("demo").unwrap().device(), Some("cpu"));
        assert_eq!(parse("score a.npy").unwrap().device(), None);
    }

    #[test]
    fn older_names_of_options_are_still_understood() {
        let line = "embed --checkpoint a --data b --out c.npy --part test";
        let Command::Embed(embed) = parse(line).unwrap() else {
            panic!("embed was typed");
        };
        assert_eq!(embed.split, SplitName::Test);
        let line = "svm --checkpoint a --data b --precision voc07";
        let Command::Svm(svm) = parse(line).unwrap() else {
            panic!("svm was typed");
        };
        assert_eq!(svm.average_precision, AveragePrecisionName::Voc07);
    }
}
