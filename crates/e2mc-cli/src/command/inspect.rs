//! `e2mc inspect`: what embeddings in files look like.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use e2mc::{Matrix, Transform};
use e2mc_cli::failure::Failure;
use e2mc_cli::inspection;
use e2mc_cli::options::InspectOptions;
use e2mc_data::subset::labels;
use e2mc_eval::diagnostics::Surroundings;
use e2mc_eval::protocol::{self, rows_through};
use e2mc_eval::{EmbeddingFile, read_embeddings};
use e2mc_record::RunFolder;
use e2mc_report::pages::embedding::Subject;
use e2mc_report::pages::images::{Images, Model, WITHOUT};

use super::map_of;
use crate::pictures;

pub(crate) fn run(options: &InspectOptions) -> Result<ExitCode> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.machine.threads())
        .build_global()?;
    let transform = options.transform.map_or(Transform::Gaussian, Into::into);
    let (map, origin) = map_of(options.map.as_ref())?;
    let (mut subjects, mut models) = (Vec::new(), Vec::new());
    let mut dataset = None;
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
        if let Some(data) = &options.data
            && dataset.is_none()
        {
            dataset = Some(pictures::of_rows(data, rows.rows(), options)?);
        }
        if let Some(images) = dataset.as_ref().filter(|_| inspection::has_page(options)) {
            let labels = labels(&**images).ok();
            let surroundings = Surroundings::within(&*rows, labels.as_deref());
            models.push(Model {
                name: name.clone(),
                identity: RunFolder::name_of(Path::new(path)),
                surroundings: Some(surroundings.map_err(about)?),
            });
        }
    }
    if !options.view.is_empty() {
        let [subject] = &mut subjects[..] else {
            return Err(Failure::usage(
                "--view can be given with one file of embeddings, not with two",
                "inspect the two separately to compare their alignment and LiDAR",
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
    let images = dataset.zip(options.data.as_ref()).map(|(dataset, data)| {
        let mut images = Images::of_surroundings(models, dataset.classes().to_vec());
        if options.no_thumbnails {
            images.missing = WITHOUT.to_owned();
        }
        images.show(|id| pictures::picture((data, &*dataset), id.row, !options.no_thumbnails));
        images
    });
    inspection::show(&subjects, origin.as_ref(), images.as_ref(), options)?;
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
                "check for a diverged model or a damaged file",
            ));
        }
        views.push(view);
    }
    Ok(views)
}
