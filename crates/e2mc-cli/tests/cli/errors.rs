//! Snapshots of texts: the help of every command, the errors of every library without a network,
//! and errors as the program prints them. After a change that is meant, run the tests with
//! `INSTA_UPDATE=always` and look at what changed.

use std::fs;
use std::io::{Error as IoError, ErrorKind};

use e2mc_base::{lock::LockError, subset::SubsetError};
use e2mc_cli::hint;
use e2mc_eval::protocol::{Error as ProtocolError, Unmatched};
use e2mc_record::{FitKey, Protocol};
use insta::assert_snapshot;

use super::catalogue::catalogue;
use super::common::World;

/// The error of a file that is not there.
fn missing() -> IoError {
    ErrorKind::NotFound.into()
}

fn hint_of(error: impl std::error::Error + 'static) -> Option<String> {
    hint::of(&error)
}

#[test]
fn the_help_of_every_command() {
    let world = World::new();
    let help = |name: &str| {
        let mut command = world.command();
        command.env("COLUMNS", "100").env("NO_COLOR", "1");
        let ran = command.args(name.split_whitespace()).arg("--help");
        String::from_utf8(ran.output().unwrap().stdout).unwrap()
    };
    let all = help("");
    assert_snapshot!("help", all);
    let commands = all
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("Options:")
        .next();
    let names = commands.unwrap().lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then_some(name)
    });
    for name in names {
        assert_snapshot!(format!("help-{name}"), help(name));
    }
}

#[test]
fn errors_of_the_criterion() {
    use e2mc::Error;
    let errors = [
        Error::Shape {
            rows: 2,
            cols: 3,
            found: 5,
        },
        Error::TooFewRows { rows: 1 },
        Error::NoColumns { rows: 4 },
        Error::TooManyRows { rows: 9, limit: 8 },
        Error::NotFinite {
            row: 1,
            column: 2,
            value: f32::NAN,
        },
        Error::GradientLength {
            rows: 2,
            cols: 3,
            expected: 6,
            found: 5,
        },
        Error::Coefficient {
            name: "beta",
            value: -1.0,
            expected: "a number of at least 0",
        },
        Error::NoViews,
        Error::ViewShape {
            view: 1,
            rows: 2,
            cols: 3,
            expected_rows: 4,
            expected_cols: 5,
        },
        Error::ViewGradients {
            expected: 2,
            found: 1,
        },
        Error::Directions {
            expected: 8,
            found: 4,
        },
        Error::Eigenvalues { order: 4 },
    ];
    let source = include_str!("../../../e2mc/src/error.rs");
    assert_snapshot!(catalogue(source, "pub enum Error", errors, &[], hint_of));
}

#[test]
fn errors_of_recipes() {
    use e2mc_recipe::Error;
    let recipe = || "mine.toml".to_owned();
    let errors = [
        Error::Unknown {
            recipe: "vicreg-smal".into(),
            nearest: Some("vicreg-small"),
        },
        Error::Read {
            recipe: recipe(),
            source: missing(),
        },
        Error::Syntax {
            recipe: recipe(),
            message: "line 3: expected `=`".into(),
        },
        Error::Extends {
            recipe: recipe(),
            found: "a number".into(),
        },
        Error::ExtendsItself {
            recipe: "a.toml".into(),
            extended: "b.toml".into(),
        },
        Error::Change {
            found: "beta".into(),
        },
        Error::NoKeys {
            key: "name.beta".into(),
            part: "name".into(),
        },
        Error::NoElement {
            key: "augmentation.views.3.size".into(),
            list: "augmentation.views".into(),
            length: 2,
        },
        Error::NotAnAugmentation {
            names: "vicreg, swav".into(),
            source: Box::new(Error::Unknown {
                recipe: "byol".into(),
                nearest: None,
            }),
        },
        Error::NoAugmentation {
            recipe: "vicreg-small".into(),
            whole: Some("vicreg-small-pretrain".into()),
        },
        Error::NoAugmentation {
            recipe: recipe(),
            whole: None,
        },
        Error::Augmentation {
            recipe: recipe(),
            message: "unknown field `siz`".into(),
        },
    ];
    let source = include_str!("../../../e2mc-recipe/src/error.rs");
    let text = catalogue(source, "pub enum Error", errors, &[], hint_of);
    // The list of recipes has a test of its own.
    let names: Vec<_> = e2mc_recipe::names().collect();
    assert_snapshot!(text.replace(&names.join(", "), "[NAMES]"));
}

#[test]
fn errors_of_records() {
    use e2mc_record::Error;
    let path = || "run/run.json".into();
    let io = |action, kind: ErrorKind| Error::Io {
        action,
        path: "run/run.json".into(),
        source: kind.into(),
    };
    let lock = |error| Error::Lock(error);
    let errors = [
        io("read", ErrorKind::NotFound),
        io("read", ErrorKind::PermissionDenied),
        io("write", ErrorKind::PermissionDenied),
        io("write", ErrorKind::StorageFull),
        Error::Format {
            path: path(),
            expected: "settings of a run",
            found: "a list".into(),
        },
        Error::Newer {
            path: path(),
            what: "settings of a run",
            found: 9,
            known: 2,
        },
        Error::Line {
            path: "run/metrics.jsonl".into(),
            line: 3,
            found: "a number".into(),
        },
        Error::NoRun {
            folder: "run".into(),
        },
        Error::RunThere {
            folder: "run".into(),
            checkpoint: true,
        },
        Error::RunThere {
            folder: "run".into(),
            checkpoint: false,
        },
        Error::ResultThere {
            folder: "result".into(),
        },
        lock(LockError::Busy {
            folder: "run".into(),
            owner: Some("process 7".into()),
        }),
        lock(LockError::Io {
            action: "write to",
            path: "run".into(),
            source: ErrorKind::PermissionDenied.into(),
        }),
        Error::Json {
            what: "a result",
            found: "a number that is not finite".into(),
        },
    ];
    let source = include_str!("../../../e2mc-record/src/error.rs");
    assert_snapshot!(catalogue(source, "pub enum Error", errors, &[], hint_of));
}

#[test]
fn errors_of_pages() {
    use e2mc_report::Error;
    let errors = [
        Error::Write {
            what: "report",
            path: "a.html".into(),
            source: ErrorKind::PermissionDenied.into(),
        },
        Error::MakeFolder {
            path: "figures".into(),
            source: ErrorKind::NotADirectory.into(),
        },
        Error::Paint {
            title: "Loss".into(),
            reason: "no font".into(),
        },
        Error::Listen {
            port: 8000,
            reason: "address in use".into(),
        },
        Error::Record(e2mc_record::Error::NoRun {
            folder: "run".into(),
        }),
    ];
    let source = include_str!("../../../e2mc-report/src/error.rs");
    assert_snapshot!(catalogue(source, "pub enum Error", errors, &[], hint_of));
}

#[test]
fn errors_of_protocols() {
    use ProtocolError as Error;
    let fit = |seed| FitKey::new(Protocol::Linear, "logistic", 0.01, seed);
    let errors = [
        Error::Evaluation(e2mc_eval::Error::NoSamples { set: "training" }),
        Error::Matrix(e2mc::Error::TooFewRows { rows: 1 }),
        Error::Record(e2mc_record::Error::ResultThere { folder: "a".into() }),
        Error::NeedsTokens,
        Error::SameFraction {
            first: 0.01,
            second: 0.0100001,
            percent: "1".into(),
        },
        Error::Subset(SubsetError::Fraction { fraction: 2.0 }),
        Error::Subset(SubsetError::Nothing {
            fraction: 0.01,
            rows: 20,
        }),
        Error::ListedRow {
            path: "rows.txt".into(),
            rows: 40,
            found: "41".into(),
        },
        Error::EmptyList {
            path: "rows.txt".into(),
        },
        Error::RowsAndLabels {
            embeddings: "a.npy".into(),
            rows: 4,
            labels: "b.npy".into(),
            found: 3,
        },
        Error::SeveralLabels {
            kinds: "b.npy holds 4 column(s) of 0/1".into(),
        },
        Error::KindsOfLabels {
            kinds: "b.npy holds class numbers, d.npy holds 4 column(s) of 0/1".into(),
        },
        Error::Unmatched {
            fits: vec![
                Unmatched::OnlyFirst(fit(0)),
                Unmatched::OnlySecond(fit(1)),
                Unmatched::OtherSubset(fit(2)),
                Unmatched::OtherTestSet {
                    fit: fit(3),
                    first: 10,
                    second: 9,
                },
                Unmatched::NoPredictions(fit(4)),
            ],
            common: 1,
        },
        Error::Unmatched {
            fits: vec![Unmatched::OnlyFirst(fit(0)), Unmatched::OnlySecond(fit(1))],
            common: 0,
        },
        Error::NoLabelPresent,
    ];
    let source = include_str!("../../../e2mc-eval/src/protocol/error.rs");
    assert_snapshot!(catalogue(source, "pub enum Error", errors, &[], hint_of));
}

#[test]
fn errors_of_evaluations() {
    use e2mc_eval::Error;
    let (set, rows, cols) = ("training", 6, 4);
    let io = |action, kind: ErrorKind| Error::Io {
        action,
        path: "a.npy".into(),
        cause: kind.into(),
    };
    let errors = [
        Error::NoSamples { set },
        Error::NoColumns { set, rows },
        Error::NotFinite {
            set,
            row: 1,
            column: 2,
            value: f32::INFINITY,
        },
        Error::DimensionMismatch { train: 8, test: 4 },
        Error::TooManyRows { rows, limit: 5 },
        Error::LabelCount {
            set,
            rows,
            labels: 5,
        },
        Error::LabelOutOfRange {
            set,
            row: 1,
            label: 7,
            classes: 3,
        },
        Error::TooManyClasses {
            classes: 9,
            limit: 8,
        },
        Error::OneClass { class: 1, rows },
        Error::TooFewToHoldOut { classes: 1 },
        Error::Length {
            what: "the second list",
            found: 3,
            expected: 4,
        },
        Error::TooFewRows { rows: 1 },
        Error::TooFewColumns { rows, cols: 1 },
        Error::TooManyColumns { cols, limit: 3 },
        Error::Eigenvalues { order: 8 },
        Error::NoVariance { rows, cols },
        Error::FewerRowsThanDimensions { rows: 3, cols },
        Error::MapWidth { map: 8, rows: 4 },
        Error::NeedsLabels { usage: "sgd-head" },
        Error::ViewShape {
            view: 1,
            rows,
            cols,
            expected_rows: 7,
            expected_cols: 5,
        },
        Error::Nothing { what: "fractions" },
        Error::NeighbourCount { k: 20, rows },
        Error::Setting {
            name: "floor",
            value: "2".into(),
            expected: "0 to 1",
        },
        Error::Memory {
            found: 1024,
            needed: 4096,
        },
        Error::Diverged {
            epoch: 3,
            learning_rate: 9.0,
        },
        Error::MapDiverged {
            step: 7,
            learning_rate: 9.0,
        },
        io("open", ErrorKind::NotFound),
        io("write", ErrorKind::PermissionDenied),
        io("write", ErrorKind::StorageFull),
        Error::Format {
            path: "a.npy".into(),
            expected: "a matrix of shape (rows, dims)".into(),
            found: "one dimension".into(),
            hint: "save one row per image",
        },
        Error::NoTensor {
            path: "a.safetensors".into(),
            name: "z".into(),
            available: "x, y".into(),
        },
        Error::Overflow {
            path: "a.npy".into(),
            row: 1,
            column: 2,
            value: 1e40,
        },
        Error::TooLargeForHalf {
            path: "a.npy".into(),
            row: 1,
            column: 2,
            value: 7e4,
        },
        Error::BadLabel {
            path: "a.npy".into(),
            row: 1,
            value: -1,
        },
        Error::LabelTooLarge {
            path: "a.npy".into(),
            row: 1,
            label: 100_000,
            limit: 100_000,
        },
        Error::Busy {
            path: "a.npy".into(),
        },
    ];
    let source = include_str!("../../../e2mc-eval/src/error.rs");
    assert_snapshot!(catalogue(source, "pub enum Error", errors, &[], hint_of));
}

#[test]
fn errors_of_data() {
    use e2mc_data::Error;
    let (images, extensions) = (40, "jpg, png, webp");
    let name = || "cat/a.jpg".to_owned();
    let read = |kind: ErrorKind| Error::Read {
        path: "photos".into(),
        source: kind.into(),
    };
    let errors = [
        read(ErrorKind::NotFound),
        read(ErrorKind::PermissionDenied),
        read(ErrorKind::Other),
        Error::NoImages {
            path: "photos".into(),
            extensions,
        },
        Error::EmptyClass {
            path: "photos/cat".into(),
            extensions,
        },
        Error::MixedFolder {
            path: "photos".into(),
            image: "a.jpg".into(),
            class: "cat".into(),
        },
        Error::MissingSplit {
            path: "photos".into(),
            split: "test",
            expected: "val/ or test/",
        },
        Error::DanglingLink {
            path: "photos/a.jpg".into(),
            target: "b.jpg".into(),
        },
        Error::LeftOut {
            path: "a.tar".into(),
            expected: "JPEG, PNG or WebP files stored as they are",
            found: "2 of other formats".into(),
        },
        Error::LinkCycle {
            path: "photos/up".into(),
        },
        Error::OnePicture {
            path: "sheet.png".into(),
        },
        Error::Idx {
            path: "train-images-idx3-ubyte".into(),
            expected: "60000 images".into(),
            found: "10 bytes".into(),
        },
        Error::List {
            path: "train.txt".into(),
            line: 3,
            expected: "a label".into(),
            found: "a.jpg".into(),
        },
        Error::Voc {
            path: "Annotations/1.xml".into(),
            expected: "an object of a VOC class",
            found: "unicorn".into(),
        },
        Error::Shard {
            path: "a.tar".into(),
            source: ErrorKind::UnexpectedEof.into(),
        },
        Error::Label {
            name: name(),
            expected: "a number, as on other lines".into(),
            found: "cat".into(),
        },
        Error::Ambiguous {
            path: "photos".into(),
            first: "class folders".into(),
            second: "tar files".into(),
            expected: "one or the other",
        },
        Error::LabelCount {
            path: "labels".into(),
            images_path: "images".into(),
            images,
            labels: 39,
        },
        Error::Decode {
            name: name(),
            reason: "the file is cut off".into(),
        },
        Error::ImageTooLarge {
            name: name(),
            width: 99_999,
            height: 99_999,
            limit: 178_956_970,
        },
        Error::FileTooLarge {
            name: name(),
            found: 1 << 31,
            limit: 1 << 30,
        },
        Error::ImageSize {
            name: name(),
            expected: (28, 28),
            found: (32, 28),
        },
        Error::Recipe {
            field: "views[1].jitter.hue".into(),
            expected: "0 to 0.5".into(),
            found: "0.7".into(),
        },
        Error::Loader {
            field: "batch",
            expected: "at least 1".into(),
            found: 0,
        },
        Error::BatchTooLarge { batch: 64, images },
        Error::Unlabelled { name: name() },
        Error::Subset {
            what: "a fraction of 2".into(),
            images,
            expected: "a fraction between 0 and 1",
        },
        Error::TestSplit {
            path: "photos".into(),
        },
        Error::Names {
            list: "1percent.txt".into(),
            names: 3,
            count: 2,
            first: "a.jpg".into(),
            found: 0,
        },
        Error::MaxBad { found: 2.0 },
        Error::TooManyBad {
            count: 3,
            images,
            allowed: 2,
            last: "cannot decode cat/a.jpg".into(),
        },
        Error::NoSubstitute {
            name: name(),
            others: 4,
            last: "cannot decode cat/b.jpg".into(),
        },
        Error::Thread {
            thread: 7,
            source: ErrorKind::WouldBlock.into(),
        },
    ];
    let source = include_str!("../../../e2mc-data/src/error.rs");
    assert_snapshot!(catalogue(source, "pub enum Error", errors, &[], hint_of));
}

#[test]
fn errors_as_the_program_prints_them() {
    let world = World::new();
    fs::write(world.path("text.npy"), "1 2 3").unwrap();
    fs::write(world.path("broken.toml"), "name = ").unwrap();
    fs::create_dir(world.path("empty")).unwrap();
    let mut text = String::new();
    for line in [
        "",
        "improv",
        "score",
        "score missing.npy",
        "score text.npy",
        "score text.npy --beta high",
        "score text.npy --betta 1",
        "knn",
        "knn --train a.npy",
        "knn --k 0 --train a.npy --train-labels b.npy --test c.npy --test-labels d.npy",
        "probe --checkpoint model.pth",
        "adapt text.npy --out map.npy",
        "adapt text.npy --out map.safetensors",
        "adapt text.npy --out map.safetensors --method whiten --for sgd-head,classifier",
        "adapt text.npy --out none/map.safetensors --method whiten",
        "adapt --apply text.npy text.npy --out text.npy",
        "inspect text.npy",
        "compare empty empty",
        "compare empty missing",
        "adapt",
        "inspect",
        "probe --model model.pth",
        "improve model.pth --data images --out better --budget 8",
        "probe --checkpoint model.pth --data images --device gpu",
        "recipes vicreg",
        "recipes swav",
        "results empty",
        "report empty",
        "watch missing",
        "recipes swav-imagenett",
        "throughput empty",
        "throughput missing --recipe broken.toml",
        "augment text.npy --op turn --out a.png",
        "augment missing.jpg --op hflip --out a.png",
        "augment missing.jpg --op hflip --out a.jpg",
        "pretrain --data images",
        "pretrain --resume",
        "pretrain --resume --out run --batch 8 --seed 1",
        "sweep --resume --out run --grid criterion.beta=1",
    ] {
        let mut command = world.command();
        command.env("COLUMNS", "100").env("NO_COLOR", "1");
        let output = command.args(line.split_whitespace()).output().unwrap();
        let code = output.status.code().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        text.push_str(&format!("$ e2mc {line}\n{said}exit code {code}\n\n"));
    }
    let names: Vec<_> = e2mc_recipe::names().collect();
    assert_snapshot!(text.replace(&names.join(", "), "[NAMES]"));
}
