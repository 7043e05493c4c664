//! `e2mc inspect`: what embeddings in files look like.

use std::process::ExitCode;

use anyhow::Result;
use e2mc::{Matrix, Transform};
use e2mc_cli::failure::Failure;
use e2mc_cli::inspection;
use e2mc_cli::options::InspectOptions;
use e2mc_eval::protocol::{self, rows_through};
use e2mc_eval::{EmbeddingFile, read_embeddings};
use e2mc_report::pages::embedding::Subject;

use super::map_of;

pub(crate) fn run(options: &InspectOptions) -> Result<ExitCode> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.machine.threads())
        .build_global()?;
    let transform = options.transform.map_or(Transform::Gaussian, Into::into);
    let (map, origin) = map_of(options.map.as_ref())?;
    let mut subjects = Vec::new();
    for (name, path) in inspection::names(&options.files).iter().zip(&options.files) {
        let file = EmbeddingFile::open(path)?;
        let about = |error| inspection::about(path, error);
        let rows = rows_through(&file, map.as_ref()).map_err(|error| match error {
            protocol::Error::Evaluation(error) => about(error),
            error => error.into(),
        })?;
        let config = inspection::config(options, transform, rows.cols());
        let subject = Subject::measure(name, path, &*rows, &config);
        subjects.push(subject.map_err(about)?);
    }
    if !options.view.is_empty() {
        let [subject] = &mut subjects[..] else {
            return Err(Failure::usage(
                "--view goes with one file of embeddings, not with before and after",
                "inspect the two one at a time to compare their alignment and LiDAR",
            ));
        };
        let mut views = views(options)?;
        if let Some(map) = &map {
            for view in &mut views {
                *view = map.matrix(view)?;
            }
        }
        subject.add_views(&views)?;
    }
    inspection::show(&subjects, origin.as_ref(), options)?;
    Ok(ExitCode::SUCCESS)
}

/// The first file and the other views of its images.
fn views(options: &InspectOptions) -> Result<Vec<Matrix>> {
    let mut views = vec![read_embeddings(&options.files[0])?];
    for path in &options.view {
        let view = read_embeddings(path)?;
        let (rows, cols) = (views[0].rows(), views[0].cols());
        if (view.rows(), view.cols()) != (rows, cols) {
            return Err(Failure::new(
                format!(
                    "{path}: expected {rows} rows of {cols} dimensions as in {}, found {} of {}",
                    options.files[0],
                    view.rows(),
                    view.cols()
                ),
                "embed the same images in the same order for every view",
            ));
        }
        if let Some(at) = view.data().iter().position(|value| !value.is_finite()) {
            return Err(Failure::new(
                format!(
                    "{path}: row {}, column {} is not a finite number",
                    at / cols,
                    at % cols
                ),
                "look for a diverged model or a damaged file",
            ));
        }
        views.push(view);
    }
    Ok(views)
}
