//! Snapshots of the errors of the libraries with a network, with the hints that users read. After a
//! change that is meant, run the tests with `INSTA_UPDATE=always` and look at what changed.

use std::io::ErrorKind;

use e2mc_lab::run::Difference;
use e2mc_lab::{
    Error as LabError, ImproveError, ProcessError, ProtocolError, RecipeError, RunError, SweepError,
};
use e2mc_train::world::WorldError;
use e2mc_train::{Advice, Error as TrainError, Output};
use insta::assert_snapshot;

use crate::hint;

#[path = "../../e2mc-cli/tests/cli/catalogue.rs"]
mod catalogue;

use catalogue::catalogue;

/// The hint for an error that the lab passes on.
fn of_lab(error: impl Into<LabError>) -> Option<String> {
    hint::of(&error.into())
}

#[test]
fn errors_of_training() {
    let checkpoint = |advice| TrainError::Checkpoint {
        path: "a.pth".into(),
        expected: "a whole file".into(),
        found: "half of one".into(),
        advice,
    };
    let io = |kind: ErrorKind| TrainError::Io {
        action: "write",
        path: "run/checkpoint.safetensors".into(),
        source: kind.into(),
    };
    let errors = [
        TrainError::config("training.epochs", "at least 1", 0),
        TrainError::argument("batch", "at least 1", 0),
        checkpoint(Advice::words("copy the file again")),
        checkpoint(Advice::ChangeSetting("method.projector".into())),
        checkpoint(Advice::ChangeArgument("image size")),
        checkpoint(Advice::AllowDifferences),
        checkpoint(Advice::LeaveHeadsOut),
        checkpoint(Advice::ChooseNetwork),
        checkpoint(Advice::StartFromWeights),
        checkpoint(Advice::WriteElsewhere),
        checkpoint(Advice::FreeSpace),
        checkpoint(Advice::LowerRates),
        checkpoint(Advice::LessMemory),
        checkpoint(Advice::OtherDevice),
        TrainError::Tensors {
            path: "a.pth".into(),
            summary: "1 missing, 0 unexpected, 0 mis-shaped".into(),
            table: "  missing  backbone.conv1.weight [64, 3, 7, 7]".into(),
        },
        io(ErrorKind::NotFound),
        io(ErrorKind::PermissionDenied),
        io(ErrorKind::StorageFull),
        TrainError::NonFinite {
            term: "entropy".into(),
            step: 12,
            epoch: 2,
            detail: "NaN".into(),
            last_good: "the last good state is in run/checkpoint.safetensors".into(),
        },
        TrainError::TooLarge { limit: 1000 },
        TrainError::Device {
            device: "cuda:7".into(),
            found: "1 CUDA device".into(),
        },
        TrainError::Data(e2mc_data::Error::MaxBad { found: 2.0 }),
        TrainError::World(WorldError::NoNccl { size: 2 }),
        TrainError::Observer("the disk is full".into()),
    ];
    let source = include_str!("../../e2mc-train/src/error.rs");
    // Errors of the criterion have a snapshot of their own; those of libtorch are not ours.
    let left_out = ["Criterion", "Torch"];
    let text = catalogue(source, "pub enum Error", errors, &left_out, of_lab);
    assert_snapshot!(text);
}

#[test]
fn errors_between_processes() {
    let (host, port) = ("10.0.0.1".to_owned(), 29500);
    let errors = [
        WorldError::Variable {
            variable: "RANK",
            expected: "a number below 4".into(),
            found: "4".into(),
        },
        WorldError::Port {
            host: host.clone(),
            port,
            found: "address in use".into(),
        },
        WorldError::NoStore {
            rank: 2,
            host: host.clone(),
            port,
            found: "no answer".into(),
        },
        WorldError::Taken {
            rank: 1,
            host: host.clone(),
            port,
        },
        WorldError::Missing {
            ranks: vec![1, 3],
            size: 4,
            host,
            port,
            seconds: 300,
        },
        WorldError::Program {
            rank: 2,
            found: "permission denied".into(),
        },
        WorldError::Other {
            rank: 2,
            what: "recipe".into(),
            expected: "beta 1".into(),
            found: "beta 10".into(),
        },
        WorldError::Failed {
            rank: 3,
            message: "cannot read a.jpg".into(),
        },
        WorldError::Lost {
            ranks: vec![3],
            size: 4,
            doing: "summing gradients",
        },
        WorldError::Exchange {
            rank: 1,
            doing: "summing gradients",
            message: "connection closed".into(),
        },
        WorldError::NoNccl { size: 2 },
    ];
    let source = include_str!("../../e2mc-train/src/world/error.rs");
    let hint = |error| of_lab(TrainError::World(error));
    assert_snapshot!(catalogue(source, "pub enum WorldError", errors, &[], hint));
}

#[test]
fn errors_of_recipes() {
    let errors = [
        RecipeError::Text(e2mc_recipe::Error::Change {
            found: "beta".into(),
        }),
        RecipeError::Settings {
            recipe: "mine.toml".into(),
            message: "unknown field `epoch`".into(),
        },
        RecipeError::Change {
            key: "training.bacth".into(),
            message: "unknown field `bacth`".into(),
            nearest: Some("training.batch".into()),
        },
        RecipeError::Change {
            key: "no.such.key".into(),
            message: "unknown field `no`".into(),
            nearest: None,
        },
        RecipeError::Range(TrainError::config("training.epochs", "at least 1", 0)),
        RecipeError::Write {
            what: "the recipe",
            source: toml::to_string("text").unwrap_err(),
        },
    ];
    let source = include_str!("../../e2mc-lab/src/error/recipe.rs");
    assert_snapshot!(catalogue(
        source,
        "pub enum RecipeError",
        errors,
        &[],
        of_lab
    ));
}

#[test]
fn errors_of_runs() {
    let difference = |key: &str, own: &str, asked: &str| Difference {
        key: key.into(),
        own: own.into(),
        asked: asked.into(),
    };
    let errors = [
        RunError::NothingToResume {
            path: "run/checkpoint.safetensors".into(),
        },
        RunError::OtherImages {
            data: "photos".into(),
            expected: 40,
            found: 1,
        },
        RunError::LargeBatch {
            data: "photos".into(),
            batch: 64,
            images: 40,
            held_out: 8,
        },
        RunError::OtherSettings {
            folder: "run".into(),
            differences: vec![
                difference("recipe.training.batch", "256", "512"),
                difference("recipe.criterion.beta", "1", "10"),
                difference("seed", "0", "1"),
            ],
        },
        RunError::OtherNetwork {
            checkpoint: "a.pth".into(),
            expected: "resnet50".into(),
            recipe: "vicreg-imagenet".into(),
            found: "resnet18".into(),
        },
    ];
    let source = include_str!("../../e2mc-lab/src/error/run.rs");
    assert_snapshot!(catalogue(source, "pub enum RunError", errors, &[], of_lab));
}

#[test]
fn errors_of_sweeps() {
    let settings = || "criterion.beta = 10".to_owned();
    let errors = [
        SweepError::Axis {
            problem: "expected KEY=VALUE,VALUE,…".into(),
            found: "criterion.beta".into(),
        },
        SweepError::SettingTwice {
            key: "criterion.beta".into(),
        },
        SweepError::Settings {
            settings: settings(),
            source: Box::new(RecipeError::Settings {
                recipe: "mine.toml".into(),
                message: "unknown field `epoch`".into(),
            }),
        },
        SweepError::Run {
            settings: settings(),
            source: Box::new(LabError::OneView),
        },
        SweepError::SweepThere {
            folder: "sweep".into(),
        },
        SweepError::Other {
            path: "base.safetensors".into(),
            what: "checkpoint",
        },
        SweepError::NothingToResume {
            plan: "sweep/plan.json".into(),
        },
    ];
    let source = include_str!("../../e2mc-lab/src/error/sweep.rs");
    assert_snapshot!(catalogue(
        source,
        "pub enum SweepError",
        errors,
        &[],
        of_lab
    ));
}

#[test]
fn errors_of_improvements_protocols_and_launched_processes() {
    let improvements = [
        ImproveError::Other {
            folder: "better".into(),
            what: "checkpoint".into(),
        },
        ImproveError::Taken {
            folder: "better".into(),
            file: "better/notes.txt".into(),
        },
        ImproveError::OverInput {
            path: "better/model.safetensors".into(),
        },
        ImproveError::SeveralLabels {
            data: "VOC2007".into(),
        },
    ];
    let protocols = [
        ProtocolError::SeveralLabels {
            data: "VOC2007".into(),
        },
        ProtocolError::TokensTooLarge {
            images: 1000,
            needed: 8 << 30,
            free: 4 << 30,
        },
        ProtocolError::TokensThroughMap,
        ProtocolError::NeedsMap {
            found: "backbone".into(),
        },
    ];
    let processes = [
        ProcessError::Start {
            rank: 1,
            size: 4,
            source: ErrorKind::PermissionDenied.into(),
        },
        ProcessError::Listen(ErrorKind::AddrInUse.into()),
        ProcessError::Ended {
            rank: 1,
            size: 4,
            how: "was ended by signal 9".into(),
        },
    ];
    let source = include_str!("../../e2mc-lab/src/error/improve.rs");
    let mut text = catalogue(source, "pub enum ImproveError", improvements, &[], of_lab);
    let source = include_str!("../../e2mc-lab/src/error/protocol.rs");
    text += &catalogue(source, "pub enum ProtocolError", protocols, &[], of_lab);
    let source = include_str!("../../e2mc-lab/src/error/process.rs");
    text += &catalogue(source, "pub enum ProcessError", processes, &[], of_lab);
    assert_snapshot!(text);
}

#[test]
fn errors_of_the_lab() {
    let io = |action, kind: ErrorKind| LabError::Io {
        action,
        path: "run".into(),
        source: kind.into(),
    };
    let list = || "list.txt".into();
    let name = || "cat/a.jpg".to_owned();
    let errors = [
        LabError::TestImageListed {
            list: list(),
            name: name(),
        },
        LabError::NotListed {
            list: list(),
            name: name(),
        },
        LabError::AmbiguousName {
            list: list(),
            name: "a.jpg".into(),
        },
        LabError::NoHeads {
            checkpoint: "a.pth".into(),
            output: Output::Projector,
        },
        LabError::Folded {
            checkpoint: "a.pth".into(),
        },
        LabError::FileThere(e2mc_base::FileThere {
            path: "model.pth".into(),
        }),
        LabError::MapWidth {
            map: "map.safetensors".into(),
            takes: 128,
            checkpoint: "a.pth".into(),
            output: Output::Backbone,
            gives: 512,
        },
        LabError::Shapes {
            before: "a.npy".into(),
            before_shape: (10, 4),
            after: "b.npy".into(),
            after_shape: (9, 4),
        },
        LabError::Measure {
            place: "a.pth".into(),
            source: e2mc_eval::Error::TooFewRows { rows: 1 },
        },
        LabError::Checkpoints { found: 3 },
        LabError::OneView,
        LabError::NoSample {
            folder: "sample".into(),
        },
        LabError::NoDemo {
            path: "demo-run/notes.txt".into(),
        },
        LabError::Stopped {
            state: "nothing was changed".into(),
        },
        io("read", ErrorKind::NotFound),
        io("write", ErrorKind::PermissionDenied),
        io("write", ErrorKind::StorageFull),
        LabError::Json {
            path: "sweep/plan.json".into(),
            problem: "is not the plan of a sweep",
            source: serde_json::from_str::<u32>("x").unwrap_err(),
        },
    ];
    let source = include_str!("../../e2mc-lab/src/error/mod.rs");
    // What is passed on has a snapshot where it comes from.
    let passed_on = [
        "Recipe",
        "Run",
        "Protocol",
        "Process",
        "Sweep",
        "Improve",
        "Train",
        "Data",
        "Eval",
        "Evaluation",
        "Criterion",
        "Record",
        "Report",
    ];
    assert_snapshot!(catalogue(
        source,
        "pub enum Error",
        errors,
        &passed_on,
        of_lab
    ));
}
