//! Commands and options: one definition for `e2mc` and `e2mc-engine`.
//!
//! This crate only parses. Names of layouts, outputs and recipes stay text until a library looks
//! them up.

mod adapt;
mod augment;
mod checkpoint;
mod compare;
mod completions;
mod convert;
mod demo;
mod embed;
mod embeddings;
mod examples;
mod finetune;
mod heading;
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
pub use completions::CompletionsOptions;
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

use clap::builder::UnknownArgumentValueParser;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

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
        let mut command = Self::command().mut_subcommands(with_hints);
        let mut words: Vec<_> = std::env::args_os().collect();
        // clap's own `help` takes no options; it says with it what it says without.
        if let [_, help, option] = &words[..]
            && help == "help"
            && (option == "--help" || option == "-h")
        {
            words.pop();
        }
        let matches = command.try_get_matches_from_mut(words);
        let mut matches = matches.unwrap_or_else(|error| error.exit());
        resume::check(&command, &matches)?;
        Ok(Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit()))
    }
}

/// The command with hints for options that it might have been thought to have.
fn with_hints(command: clap::Command) -> clap::Command {
    let has = |long| {
        command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(long))
    };
    if !has("checkpoint") || has("model") {
        return command;
    }
    let unknown = UnknownArgumentValueParser::suggest_arg("--checkpoint");
    let model = Arg::new("model").long("model").hide(true);
    command.arg(model.value_parser(unknown))
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
    /// Search for a better model, verify it on held-out images, or keep the old one
    #[command(after_help = examples::IMPROVE)]
    Improve(ImproveOptions),
    /// Train a self-supervised model from scratch
    #[command(after_help = examples::PRETRAIN)]
    Pretrain(PretrainOptions),
    /// Train a checkpoint for more epochs, with the entropy criterion or without
    #[command(after_help = examples::CONTINUE)]
    Continue(ContinueOptions),
    /// Continue a checkpoint for every combination of settings, and compare the runs
    #[command(after_help = examples::SWEEP, mut_args(sweep::of_a_sweep))]
    Sweep(SweepOptions),
    /// Evaluate frozen features: linear probes at several label fractions, and k-NN
    #[command(after_help = examples::PROBE)]
    Probe(ProbeOptions),
    /// Fine-tune all layers on few labels: the semi-supervised protocol
    #[command(after_help = examples::FINETUNE)]
    Finetune(FinetuneOptions),
    /// Classify by nearest neighbours
    #[command(after_help = examples::KNN)]
    Knn(KnnOptions),
    /// Classify by linear support vector machines, one or several labels per image
    #[command(after_help = examples::SVM)]
    Svm(SvmOptions),
    /// Write the features of images to a file
    #[command(after_help = examples::EMBED)]
    Embed(EmbedOptions),
    /// Fit and verify a map for frozen embeddings, or apply one
    #[command(after_help = examples::ADAPT, override_usage = examples::ADAPT_USAGE)]
    Adapt(AdaptOptions),
    /// Test whether evaluations differ by more than chance
    #[command(after_help = examples::COMPARE)]
    Compare(CompareOptions),
    /// Print a table of the results of evaluations
    #[command(after_help = examples::RESULTS)]
    Results(ResultsOptions),
    /// List the built-in recipes, or print one
    #[command(after_help = examples::RECIPES)]
    Recipes(RecipesOptions),
    /// Compute the criterion on a file of embeddings
    #[command(after_help = examples::SCORE)]
    Score(ScoreOptions),
    /// Analyse embeddings: dimensions, directions, neighbours, pairs and pictures
    #[command(after_help = examples::INSPECT, override_usage = examples::INSPECT_USAGE)]
    Inspect(InspectOptions),
    /// Write a page about one or several training runs
    #[command(after_help = examples::REPORT)]
    Report(ReportOptions),
    /// Watch a run while it trains
    #[command(after_help = examples::WATCH)]
    Watch(WatchOptions),
    /// Convert networks to and from PyTorch, torchvision, timm and Hugging Face
    #[command(after_help = examples::CONVERT)]
    Convert(ConvertOptions),
    /// Measure how fast images are decoded and augmented, without a model
    #[command(after_help = examples::THROUGHPUT)]
    Throughput(ThroughputOptions),
    /// Apply one augmentation to an image, or show the views of a recipe
    #[command(after_help = examples::AUGMENT)]
    Augment(AugmentOptions),
    /// Print a shell script that completes commands and options
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsOptions),
    /// Improve and evaluate the sample model that comes with the source
    #[command(after_help = examples::DEMO)]
    Demo(DemoOptions),
}

impl Command {
    /// The device that the network is to be on; none if the command takes none.
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
            | Self::Completions(_)
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
            | Self::Completions(_)
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

    /// A text of one line that begins a sentence and leaves its stop out.
    fn check_line(place: &str, text: Option<&clap::builder::StyledStr>) {
        let text = text.map(ToString::to_string);
        let text = text.unwrap_or_else(|| panic!("{place} has no help"));
        assert!(text.chars().count() <= 80, "{place} is long: {text}");
        assert!(!text.contains('\n'), "{place} has several lines: {text}");
        assert!(
            !text.ends_with('.'),
            "{place} ends with a full stop: {text}"
        );
        let begins = |c: char| !c.is_lowercase();
        assert!(text.starts_with(begins), "{place} begins small: {text}");
    }

    #[test]
    fn every_command_and_option_says_what_it_does_on_one_line() {
        for command in Arguments::command().get_subcommands() {
            check_line(command.get_name(), command.get_about());
            for option in command.get_arguments() {
                let place = format!("{} {}", command.get_name(), option.get_id());
                check_line(&place, option.get_help());
                if option.get_action().takes_values() {
                    let names = option.get_value_names().unwrap_or_default();
                    let shown = |name: &clap::builder::Str| name.starts_with(char::is_uppercase);
                    assert!(
                        !names.is_empty() && names.iter().all(shown),
                        "{place}: {names:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn required_options_are_marked() {
        for command in Arguments::command().get_subcommands() {
            let required = command
                .get_arguments()
                .filter(|option| option.is_required_set());
            for option in required.filter(|option| option.get_long().is_some()) {
                let help = option.get_help().map(ToString::to_string);
                assert!(
                    help.is_some_and(|help| help.ends_with("(required)")),
                    "{} {}",
                    command.get_name(),
                    option.get_id()
                );
            }
        }
    }

    #[test]
    fn every_help_ends_with_examples_that_parse() {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            let examples = command.get_after_help().map(ToString::to_string);
            let examples = examples.unwrap_or_else(|| panic!("{name} has no examples"));
            let examples = examples.replace("\\\n", "");
            let lines: Vec<_> = examples.lines().skip(1).collect();
            assert!((1..=2).contains(&lines.len()), "{name}: {lines:?}");
            for line in lines {
                let line = line.split(" > ").next().unwrap_or_default();
                let words = line
                    .trim()
                    .strip_prefix("e2mc ")
                    .unwrap_or_else(|| panic!("{line}"));
                parse(words).unwrap_or_else(|error| panic!("{line}: {error}"));
                assert!(words.starts_with(name), "{name}: {line}");
            }
        }
    }

    #[test]
    fn completions_know_the_commands_and_options() {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let Command::Completions(options) = parse(&format!("completions {shell}")).unwrap()
            else {
                panic!("completions was typed");
            };
            let script = options.script();
            for word in ["improve", "sgd-weight-decay"] {
                assert!(script.contains(word), "{shell}: {word}");
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
