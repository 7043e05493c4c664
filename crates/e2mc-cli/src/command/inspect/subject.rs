//! The embeddings that are looked at, from files or from checkpoints, and what is measured of them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use e2mc::{Matrix, MatrixView, Transform};
use e2mc_data::{Dataset, Split};
use e2mc_eval::diagnostics::{Config, Diagnostics, alignment, diagnose, lidar, sample_rows};
use e2mc_eval::{EmbeddingFile, Rows, read_embeddings};
use e2mc_train::{Output, device, embed, embed_views};

use super::InspectOptions;
use crate::checkpoint::{Reading, check_output, output_named};
use crate::data::{self, ImageOptions};
use crate::failure::Failure;
use crate::output;
use e2mc_cli::options::TransformName;

/// Rows that charts show, at most.
const PICTURED: usize = 1500;

/// Embeddings with everything that is known of them.
pub(crate) struct Subject {
    /// What tables and charts call them.
    pub(crate) name: String,
    /// Where they come from.
    pub(crate) source: String,
    pub(crate) transform: Transform,
    pub(crate) diagnostics: Diagnostics,
    /// Some of the rows, for charts; the same rows of two files of equal length.
    pub(crate) picture: Matrix,
    /// Views of each image, if there are several.
    pub(crate) views: usize,
    pub(crate) alignment: Option<f64>,
    pub(crate) lidar: Option<f64>,
}

impl Subject {
    /// Measures embeddings that are in memory.
    pub(crate) fn of_matrix(name: &str, z: MatrixView<'_>, transform: Transform) -> Result<Self> {
        Self::measure(name, name, &z, &Config::new(transform, z.cols()))
    }

    fn measure(name: &str, source: &str, rows: &dyn Rows, config: &Config) -> Result<Self> {
        let about = |error: e2mc_eval::Error| {
            let hint = error.hint().unwrap_or_default();
            // Errors of files name them already.
            match error {
                e2mc_eval::Error::Io { .. } | e2mc_eval::Error::Overflow { .. } => error.into(),
                error => Failure::new(format!("{source}: {error}"), hint),
            }
        };
        let diagnostics = diagnose(rows, config).map_err(about)?;
        let picture = sample_rows(rows, PICTURED, config.seed).map_err(about)?;
        Ok(Self {
            name: name.to_owned(),
            source: source.to_owned(),
            transform: config.transform,
            diagnostics,
            picture,
            views: 1,
            alignment: None,
            lidar: None,
        })
    }

    fn add_views(&mut self, views: &[Matrix]) -> Result<()> {
        let views: Vec<MatrixView<'_>> = views.iter().map(Matrix::view).collect();
        self.views = views.len();
        self.alignment = alignment(&views)?;
        self.lidar = lidar(&views)?;
        Ok(())
    }
}

/// All that the options name: one, or before and after.
pub(super) fn all(options: &InspectOptions) -> Result<Vec<Subject>> {
    let subjects = if options.checkpoint.is_empty() {
        of_files(options)?
    } else {
        of_checkpoints(options)?
    };
    if let [before, after] = &subjects[..] {
        let shape = |subject: &Subject| (subject.diagnostics.rows, subject.diagnostics.dims);
        if shape(before) != shape(after) {
            return Err(Failure::new(
                format!(
                    "{} has {} rows of {} dimensions, {} has {} of {}: expected the same of before and after",
                    before.source,
                    shape(before).0,
                    shape(before).1,
                    after.source,
                    shape(after).0,
                    shape(after).1
                ),
                "embed the same images in the same order with both models; or inspect one at a time",
            ));
        }
    }
    Ok(subjects)
}

fn of_files(options: &InspectOptions) -> Result<Vec<Subject>> {
    let transform = match options.transform {
        Some(TransformName::Sigmoid) => Transform::Sigmoid,
        Some(TransformName::Gaussian) | None => Transform::Gaussian,
    };
    let names = names(&options.files);
    let mut subjects = Vec::new();
    for (name, path) in names.iter().zip(&options.files) {
        let file = EmbeddingFile::open(path)?;
        let config = config(options, transform, file.cols());
        subjects.push(Subject::measure(name, path, &file, &config)?);
    }
    if let [subject] = &mut subjects[..]
        && !options.view.is_empty()
    {
        let mut views = vec![read_embeddings(&options.files[0])?];
        for path in &options.view {
            let view = read_embeddings(path)?;
            let (wanted, found) = (&views[0], (view.rows(), view.cols()));
            if (wanted.rows(), wanted.cols()) != found {
                return Err(Failure::new(
                    format!(
                        "{path}: expected {} rows of {} dimensions as in {}, found {} of {}",
                        wanted.rows(),
                        wanted.cols(),
                        options.files[0],
                        found.0,
                        found.1
                    ),
                    "embed the same images in the same order for every view",
                ));
            }
            if let Some(at) = view.data().iter().position(|value| !value.is_finite()) {
                return Err(Failure::new(
                    format!(
                        "{path}: row {}, column {} is not a finite number",
                        at / view.cols(),
                        at % view.cols()
                    ),
                    "look for a diverged model or a damaged file",
                ));
            }
            views.push(view);
        }
        subject.add_views(&views)?;
    } else if !options.view.is_empty() {
        return Err(Failure::usage(
            "--view goes with one file of embeddings, not with before and after",
            "inspect the two one at a time to compare their alignment and LiDAR",
        ));
    }
    Ok(subjects)
}

fn config(options: &InspectOptions, transform: Transform, cols: usize) -> Config {
    Config {
        seed: options.machine.seed,
        queries: options.queries as usize,
        ..Config::new(transform, cols)
    }
}

/// Short names, by which before and after can be told apart.
fn names(sources: &[String]) -> Vec<String> {
    let short = |source: &String| {
        let name = Path::new(source).file_name();
        name.map_or_else(
            || source.clone(),
            |name| name.to_string_lossy().into_owned(),
        )
    };
    match sources {
        [before, after] if short(before) == short(after) => {
            vec![format!("before: {before}"), format!("after: {after}")]
        }
        [before, after] => vec![
            format!("before: {}", short(before)),
            format!("after: {}", short(after)),
        ],
        _ => sources.iter().map(short).collect(),
    }
}

fn of_checkpoints(options: &InspectOptions) -> Result<Vec<Subject>> {
    if options.checkpoint.len() > 2 {
        return Err(Failure::usage(
            format!(
                "{} checkpoints, expected one or two",
                options.checkpoint.len()
            ),
            "give one to look at, or two for before and after",
        ));
    }
    let data = options.data.as_deref().expect("required with --checkpoint");
    let dataset = open(data, options.images)?;
    let sources: Vec<String> = options
        .checkpoint
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let device = device(&options.machine.device)?;
    let threads = options.machine.threads();
    let mut subjects = Vec::new();
    for (name, path) in names(&sources).iter().zip(&options.checkpoint) {
        let (checkpoint, model) = options.reading.open(path, device)?;
        let recipe = &checkpoint.recipe;
        let output = match &options.output {
            Some(name) => output_named(name),
            None if checkpoint.is_headless() => Output::Backbone,
            None => Output::Projector,
        };
        check_output(&output, &checkpoint)?;
        output::note(&format!(
            "{}: {output} of {} images",
            path.display(),
            dataset.len()
        ));
        let z = embed(
            &model,
            dataset.clone(),
            &recipe.evaluation,
            output.clone(),
            256,
            threads,
        )?;
        let transform = match options.transform {
            Some(TransformName::Sigmoid) => Transform::Sigmoid,
            Some(TransformName::Gaussian) => Transform::Gaussian,
            None => recipe.transform(),
        };
        let config = config(options, transform, z.cols());
        let mut subject = Subject::measure(name, &path.display().to_string(), &z.view(), &config)?;
        if options.views >= 2 {
            let views = embed_views(
                &model,
                &dataset,
                &recipe.augmentation,
                &output,
                options.views.into(),
                options.machine.seed,
                threads,
            )?;
            subject.add_views(&views)?;
        }
        subjects.push(subject);
    }
    Ok(subjects)
}

/// The test part, or the training part where there is no other.
fn open(folder: &Path, taken: ImageOptions) -> Result<Arc<dyn Dataset>> {
    data::open(folder, Split::Test, taken).or_else(|error| match error.downcast_ref() {
        Some(e2mc_data::Error::MissingSplit { .. }) => data::open(folder, Split::Train, taken),
        _ => Err(error),
    })
}
