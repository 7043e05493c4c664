//! From what was typed to what the lab takes.

use std::path::Path;

use anyhow::{Context, Result};
use e2mc_cli::failure::Failure;
use e2mc_cli::options::{
    CheckpointOptions, CriterionName, EmbeddingsOptions, GuardAction, ImageOptions, MachineOptions,
    PreparationOptions, ProbeName, TrainOptions,
};
use e2mc_cli::output::command_line;
use e2mc_data::PreprocessingChanges;
use e2mc_eval::protocol::MapFile;
use e2mc_lab::checkpoint::Reading;
use e2mc_lab::machine::Machine;
use e2mc_lab::protocol::{NetworkSource, ProbeChoice};
use e2mc_lab::recipe::CriterionChoice;
use e2mc_lab::run;
use e2mc_recipe::{Change, parse_change};
use e2mc_record::{DataOptions, RunSettings};
use e2mc_train::Output;
use e2mc_train::checkpoint::Layout;

/// How a checkpoint is read.
pub(crate) fn reading(options: &CheckpointOptions) -> Reading {
    let layout = options.layout.as_ref().map(|name| {
        let layout = name.parse::<Layout>();
        layout.expect("the parser takes only names of layouts")
    });
    Reading {
        layout,
        network: options.network.clone(),
        heads: options.heads.map(usize::from),
        images: PreprocessingChanges::default(),
        allow_missing: options.allow_missing.clone(),
        allow_unexpected: options.allow_unexpected.clone(),
    }
}

/// How a checkpoint is read that images are shown to, and how they are prepared for it.
pub(crate) fn reading_for(options: &CheckpointOptions, images: &PreparationOptions) -> Reading {
    Reading {
        images: images.into(),
        ..reading(options)
    }
}

/// How a data set is opened.
pub(crate) fn taken(options: ImageOptions) -> DataOptions {
    DataOptions {
        max_bad_images: options.max_bad_images,
        val_fraction: options.val_fraction,
        val_seed: options.val_seed,
    }
}

/// Where to compute.
pub(crate) fn machine(options: &MachineOptions) -> Machine {
    Machine {
        device: options.device.clone(),
        threads: options.threads(),
        seed: options.seed,
    }
}

/// What is taken from a network.
pub(crate) fn output(name: &str) -> Output {
    match name.parse() {
        Ok(output) => output,
        Err(never) => match never {},
    }
}

pub(crate) fn guard(action: GuardAction) -> e2mc_record::GuardAction {
    match action {
        GuardAction::Warn => e2mc_record::GuardAction::Warn,
        GuardAction::Stop => e2mc_record::GuardAction::Stop,
    }
}

pub(crate) fn criterion(name: CriterionName) -> CriterionChoice {
    match name {
        CriterionName::None => CriterionChoice::None,
        CriterionName::E2mc => CriterionChoice::E2mc,
        CriterionName::Vcreg => CriterionChoice::Vcreg,
        CriterionName::Uniformity => CriterionChoice::Uniformity,
        CriterionName::Mmcr => CriterionChoice::Mmcr,
        CriterionName::Sigreg => CriterionChoice::Sigreg,
    }
}

/// The changes that `--set` and flags make to a recipe, flags last.
pub(crate) fn changes(options: &TrainOptions) -> Result<Vec<Change>> {
    let typed = options.set.iter().map(|text| parse_change(text));
    let mut changes = typed.collect::<Result<Vec<_>, _>>().context("--set")?;
    let numbers = [
        ("training.epochs", options.epochs),
        ("training.batch", options.batch.map(|batch| batch as u64)),
        (
            "training.accumulate",
            options.accumulate.map(|slices| slices as u64),
        ),
    ];
    for (key, number) in numbers {
        let number = number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        changes.extend(number.map(|number| (key.to_owned(), toml::Value::Integer(number))));
    }
    Ok(changes)
}

/// The settings of a new run.
pub(crate) fn run_settings(options: &TrainOptions) -> RunSettings {
    let data = options.data.as_ref();
    let data = data.expect("the parser demands --data without --resume");
    let mut settings = run::new_settings(data);
    settings.seed = options.machine.seed;
    settings.data.max_images = options.max_images;
    settings.data.held_out = options.held_out;
    settings.data.knn_every = options.knn_every;
    settings.data.data_options = taken(options.images);
    settings.guard = options.guard.map_or(settings.guard, guard);
    settings.log_every = options.log_every.unwrap_or(settings.log_every);
    settings.save_every = options.save_every;
    settings.half = options.half;
    settings.device = Some(options.machine.device.clone());
    settings.command = Some(command_line());
    settings
}

/// What was typed now for a run that goes on.
pub(crate) fn run_changes(options: &TrainOptions) -> run::Changes {
    run::Changes {
        data: options.data.clone(),
        max_bad_images: options.images.max_bad_images,
        guard: options.guard.map(guard),
        log_every: options.log_every,
        save_every: options.save_every,
        half: options.half,
        device: Some(options.machine.device.clone()),
        command: Some(command_line()),
    }
}

/// Which linear classifiers are fitted.
pub(crate) fn probe(name: ProbeName) -> Result<ProbeChoice> {
    Ok(match name {
        ProbeName::Logistic => ProbeChoice::Logistic,
        ProbeName::Sgd => ProbeChoice::Sgd,
        ProbeName::Both => ProbeChoice::Both,
        ProbeName::Attentive => {
            return Err(Failure::usage(
                "the runs of a sweep are measured by linear classifiers, not by the attentive \
                 probe",
                "give --probe logistic, sgd or both",
            ));
        }
    })
}

/// The checkpoint and the images that are evaluated.
pub(crate) fn source(options: &EmbeddingsOptions, machine: Machine) -> Result<NetworkSource> {
    let (Some(checkpoint), Some(data)) = (&options.checkpoint, &options.data) else {
        return Err(Failure::usage(
            "there is neither a checkpoint with images nor a set of embedding files",
            "give --checkpoint and --data, or --train, --train-labels, --test and --test-labels",
        ));
    };
    Ok(NetworkSource {
        reading: reading_for(&options.reading, &options.preparation),
        taken: taken(options.images),
        output: output(&options.output),
        batch: options.batch.map(|batch| batch as usize),
        machine,
        map: map(options.map.as_deref())?,
        ..NetworkSource::new(checkpoint, data)
    })
}

/// What embeddings are seen through, if a map was named.
pub(crate) fn map(path: Option<&Path>) -> Result<Option<MapFile>, e2mc_eval::protocol::Error> {
    path.map(MapFile::open).transpose()
}
