//! What checkpoints make of images, to be looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use e2mc::Transform;
use e2mc_data::{Dataset, Split, subset};
use e2mc_eval::diagnostics::{Config, Surroundings};
use e2mc_eval::protocol::MapFile;
use e2mc_record::{DataOptions, RunFolder};
use e2mc_report::pages::embedding::Subject;
use e2mc_report::pages::images::{self, Images, WITHOUT};
use e2mc_train::world::SOLO;
use e2mc_train::{Output, device, embed_views};

use crate::checkpoint::{Reading, check_output};
use crate::error::Error;
use crate::features::Seen;
use crate::images::{open as open_images, picture, preprocessing};
use crate::machine::Machine;
use crate::notice::{Notice, Notices};

/// Checkpoints, and the images that they are looked at on.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// One checkpoint, or before and after, each with what pages call it.
    pub checkpoints: Vec<(String, PathBuf)>,
    /// How they are read.
    pub reading: Reading,
    /// The images; of a data set with a test split, that.
    pub data: PathBuf,
    /// How they are taken.
    pub taken: DataOptions,
    /// What is taken from the network; the projector's embedding if `None`, or the backbone's
    /// features where there are no heads.
    pub output: Option<Output>,
    /// What the embeddings are seen through.
    pub map: Option<MapFile>,
    /// The map to the unit interval; the recipe's if `None`.
    pub transform: Option<Transform>,
    /// Augmented views of each image, 0 or at least 2.
    pub views: u64,
    /// Rows that ask for their neighbours; all rows may answer.
    pub queries: usize,
    /// Whether single images are looked at, for a page; with `thumbnails` pictures of them.
    pub pictures: bool,
    /// Whether pictures are made.
    pub thumbnails: bool,
    /// Where it is computed.
    pub machine: Machine,
}

/// Embeds the images with every checkpoint, and measures what comes out; with pictures, too, what
/// each puts next to single images.
///
/// # Errors
/// More than two checkpoints, one that cannot be opened or has no such output, an image that cannot
/// be read, or an embedding that is not finite.
pub fn inspect(
    inspection: &Inspection,
    notices: &Arc<dyn Notices>,
) -> Result<(Vec<Subject>, Option<Images>), Error> {
    if !(1..=2).contains(&inspection.checkpoints.len()) {
        return Err(Error::Checkpoints {
            found: inspection.checkpoints.len(),
        });
    }
    if inspection.views == 1 {
        return Err(Error::OneView);
    }
    let dataset = open(&inspection.data, inspection.taken, notices)?;
    let (mut subjects, mut models) = (Vec::new(), Vec::new());
    for (name, path) in &inspection.checkpoints {
        let (subject, surroundings) = one(inspection, (name, path), &dataset, notices)?;
        subjects.push(subject);
        models.push(images::Model {
            name: name.clone(),
            identity: RunFolder::name_of(path),
            surroundings,
        });
    }
    let images = inspection
        .pictures
        .then(|| pictures(inspection, models, &*dataset));
    Ok((subjects, images))
}

/// What the models put next to single images, with their names and pictures.
fn pictures(inspection: &Inspection, models: Vec<images::Model>, dataset: &dyn Dataset) -> Images {
    let mut images = Images::of_surroundings(models, dataset.classes().to_vec());
    if !inspection.thumbnails {
        images.missing = WITHOUT.to_owned();
    }
    let place = (&*inspection.data, dataset);
    images.show(|id| picture(place, id.row, inspection.thumbnails));
    images
}

fn one(
    inspection: &Inspection,
    (name, path): (&str, &Path),
    dataset: &Arc<dyn Dataset>,
    notices: &Arc<dyn Notices>,
) -> Result<(Subject, Option<Surroundings>), Error> {
    let Machine {
        device: place,
        threads,
        seed,
    } = &inspection.machine;
    let device = device(place)?;
    let (checkpoint, model) = inspection.reading.open(path, device, &**notices)?;
    let recipe = &checkpoint.recipe;
    let output = match &inspection.output {
        Some(output) => output.clone(),
        // Maps are fitted to the backbone's features.
        None if checkpoint.is_headless()
            || checkpoint.folded.is_some()
            || inspection.map.is_some() =>
        {
            Output::Backbone
        }
        None => Output::Projector,
    };
    check_output(&output, &checkpoint)?;
    notices.tell(&Notice::Embedding {
        checkpoint: path.to_owned(),
        output: output.clone(),
        images: dataset.len(),
    });
    let (images, evaluation) = (dataset.clone(), &recipe.evaluation);
    let seen = Seen {
        checkpoint: path,
        model: &model,
        map: inspection.map.as_ref(),
        batch: None,
        world: &SOLO,
    };
    let z = seen.evaluated(images, evaluation, &output, *threads)?;
    let transform = inspection.transform.unwrap_or(recipe.transform());
    let config = Config {
        seed: *seed,
        queries: inspection.queries,
        ..Config::new(transform, z.cols())
    };
    let place = path.display().to_string();
    let mut subject =
        Subject::measure(name, &place, &z.view(), &config).map_err(|source| Error::Measure {
            place: place.clone(),
            source,
        })?;
    subject.preprocessing = Some(preprocessing(evaluation));
    let labels = subset::labels(&**dataset).ok();
    let surroundings = inspection
        .pictures
        .then(|| Surroundings::within(&z.view(), labels.as_deref()))
        .transpose()
        .map_err(|source| Error::Measure {
            place: place.clone(),
            source,
        })?;
    if inspection.views >= 2 {
        let views = embed_views(
            &model,
            dataset,
            &recipe.augmentation,
            &output,
            inspection.views,
            *seed,
            *threads,
        )?;
        let views = views.into_iter().map(|view| seen.matrix(view, &output));
        subject.add_views(&views.collect::<Result<Vec<_>, _>>()?)?;
    }
    Ok((subject, surroundings))
}

/// The test split, or the training split where there is no other.
fn open(
    path: &Path,
    taken: DataOptions,
    notices: &Arc<dyn Notices>,
) -> Result<Arc<dyn Dataset>, Error> {
    match open_images(path, Split::Test, taken, notices) {
        Err(Error::Data(e2mc_data::Error::MissingSplit { .. })) => {
            open_images(path, Split::Train, taken, notices)
        }
        opened => opened,
    }
}
