//! The features of images in a file, for evaluation here or anywhere else. An interrupted file goes
//! on where it was left.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use e2mc_base::stop::{Phase, Stop};
use e2mc_base::{refuse_to_replace, write_atomically_with};
use e2mc_data::dataset::escaped_name;
use e2mc_data::{Dataset, Pipeline, Split};
use e2mc_eval::protocol::MapFile;
use e2mc_eval::{RowWriter, Stored, read_images, write_labels};
use e2mc_record::{DataOptions, MapOrigin, Preprocessing};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{EmbedOptions, Model, Output, Recipe, World, device, embed_images};
use serde::Serialize;
use serde_json::json;

use crate::checkpoint::{Reading, check_output, digest};
use crate::error::Error;
use crate::features::Seen;
use crate::images::{self, max_bad_images};
use crate::machine::{Machine, batch, batch_of};
use crate::notice::{Notice, Notices};

/// What is embedded.
#[derive(Clone, Debug)]
pub enum Pictures {
    /// A split of a data set.
    Split {
        /// The data set.
        data: PathBuf,
        /// How it is taken.
        taken: DataOptions,
        /// Which split.
        split: Split,
    },
    /// Images `(n, c, h, w)` that are normalised already, in a file of arrays.
    Tensor {
        /// `FILE.npy`, `FILE.npz:ARRAY` or `FILE.safetensors:TENSOR`.
        file: String,
    },
}

/// What to embed, with what, and where to.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// The checkpoint or model file.
    pub checkpoint: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// What is embedded.
    pub pictures: Pictures,
    /// The file to write, `.npy` or `.safetensors`; labels and image names go beside it.
    pub out: PathBuf,
    /// Whether files that lie there are replaced.
    pub overwrite: bool,
    /// What is taken from the network.
    pub output: Output,
    /// What the features are seen through before they are written.
    pub map: Option<MapFile>,
    /// How numbers are stored.
    pub stored: Stored,
    /// Images at a time, at least 1; as many as suit the images and the memory if `None`.
    pub batch: Option<usize>,
    /// Where it is computed.
    pub machine: Machine,
    /// The processes that share the work; the first one writes.
    pub world: World,
}

impl Embedding {
    /// The backbone's features in float32, on the CPU.
    pub fn new(
        checkpoint: impl Into<PathBuf>,
        pictures: Pictures,
        out: impl Into<PathBuf>,
    ) -> Self {
        Self {
            checkpoint: checkpoint.into(),
            reading: Reading::default(),
            pictures,
            out: out.into(),
            overwrite: false,
            output: Output::Backbone,
            map: None,
            stored: Stored::F32,
            batch: None,
            machine: Machine::default(),
            world: World::solo(),
        }
    }

    fn seen<'a>(&'a self, model: &'a Model) -> Seen<'a> {
        Seen {
            checkpoint: &self.checkpoint,
            model,
            map: self.map.as_ref(),
            batch: self.batch,
            world: &self.world,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Embedded {
    /// The file of features.
    pub out: PathBuf,
    /// One row an image.
    pub rows: usize,
    /// Numbers a row.
    pub dims: usize,
    /// What was taken from the network.
    pub output: String,
    /// The network.
    pub checkpoint: PathBuf,
    /// How images were prepared; none for a tensor of prepared images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
    /// What the features were seen through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<MapOrigin>,
    /// The files of labels and names.
    pub beside: Vec<PathBuf>,
}

/// Embeds, and writes the file. Where a stop is requested the rows that are done are kept, and the
/// same work continues after them.
///
/// # Errors
/// Where something lies at the file's name or beside it and is not to be replaced, the checkpoint or
/// an image cannot be read, or the file cannot be written; [`Error::Stopped`].
pub fn embed_to_file(
    work: &Embedding,
    stop: &Stop,
    notices: &Arc<dyn Notices>,
) -> Result<Embedded, Error> {
    if work.world.is_first() {
        keep_files(work)?;
    }
    let device = device(&work.machine.device)?;
    let (checkpoint, model) = work.reading.open(&work.checkpoint, device, &**notices)?;
    check_output(&work.output, &checkpoint)?;
    let (rows, dims, beside) = match &work.pictures {
        Pictures::Tensor { file } => of_tensor(work, &model, file, stop)?,
        Pictures::Split { data, taken, split } => {
            let dataset = images::open(data, *split, *taken, notices)?;
            of_split(work, (&checkpoint, &model), dataset, (stop, notices))?
        }
    };
    Ok(Embedded {
        out: work.out.clone(),
        rows,
        dims,
        output: work.output.to_string(),
        checkpoint: work.checkpoint.clone(),
        preprocessing: matches!(work.pictures, Pictures::Split { .. })
            .then(|| images::preprocessing(&checkpoint.recipe.evaluation)),
        map: work.map.as_ref().map(|map| map.origin.clone()),
        beside,
    })
}

/// Refuses to write over files; those beside rows that an interrupted run left may be its own.
fn keep_files(work: &Embedding) -> Result<(), Error> {
    refuse_to_replace(&work.out, work.overwrite)?;
    if matches!(work.pictures, Pictures::Split { .. }) && !RowWriter::is_begun(&work.out) {
        for beside in [labels_of(&work.out), names_of(&work.out)] {
            refuse_to_replace(&beside, work.overwrite)?;
        }
    }
    Ok(())
}

/// The file of the rows' class numbers.
fn labels_of(out: &Path) -> PathBuf {
    out.with_extension("labels.npy")
}

/// The file of the rows' names.
fn names_of(out: &Path) -> PathBuf {
    out.with_extension("names.txt")
}

/// Rows, columns and the files beside.
type Written = (usize, usize, Vec<PathBuf>);

fn of_tensor(work: &Embedding, model: &Model, file: &str, stop: &Stop) -> Result<Written, Error> {
    let (images, shape) = read_images(file)?;
    // Before the work, so that a place that cannot be written to is noticed in time.
    let mut writer = RowWriter::create(&work.out, shape[0], work.stored, "tensor")?;
    let [_, c, h, w] = shape;
    let usual = || batch_of(c * h * w * size_of::<f32>(), model.device());
    let batch = work.batch.unwrap_or_else(usual);
    let rows = embed_images(model, images.data(), shape, &work.output, batch)?;
    let rows = work.seen(model).matrix(rows, &work.output)?;
    let _finishing = stop.enter(Phase::Finishing);
    writer.append(rows.data(), rows.cols())?;
    writer.finish()?;
    Ok((rows.rows(), rows.cols(), Vec::new()))
}

/// Embeds a data set batch by batch, after those that an interrupted run left.
fn of_split(
    work: &Embedding,
    (checkpoint, model): (&Checkpoint, &Model),
    dataset: Arc<dyn Dataset>,
    (stop, notices): (&Stop, &Arc<dyn Notices>),
) -> Result<Written, Error> {
    let rows = dataset.len();
    let usual = || batch(&checkpoint.recipe.evaluation, model.device());
    // What suits the memory that is left may differ from process to process.
    let batch = (work.world).as_first(work.batch.unwrap_or_else(usual))?;
    if !work.world.is_first() {
        return help(work, (checkpoint, model), dataset, batch);
    }
    let identity = identity(work, &checkpoint.recipe, batch)?;
    let mut writer = RowWriter::open(&work.out, rows, work.stored, &identity)?;
    // Whole batches, so that what follows is cut as it would have been.
    if !writer.done().is_multiple_of(batch) && writer.done() != rows {
        drop(writer);
        writer = RowWriter::create(&work.out, rows, work.stored, &identity)?;
    }
    let done = writer.done();
    let _ = work.world.all(done.to_string())?;
    if done > 0 {
        notices.tell(&Notice::EmbeddingGoesOn { done, images: rows });
    }
    let options = pass(work, checkpoint, batch, done);
    let heeding = stop.enter(Phase::Heeding);
    if done < rows {
        let seen = work.seen(model);
        seen.batches(dataset.clone(), &options, |values, cols| {
            writer.append(values, cols)?;
            if stop.is_requested() && writer.done() < rows {
                writer.make_safe()?;
                let state = format!("{} of {rows} rows are saved", writer.done());
                return Err(Error::stopped(state));
            }
            Ok(())
        })?;
    }
    drop(heeding);
    let _finishing = stop.enter(Phase::Finishing);
    let cols = writer.cols().unwrap_or(0);
    let beside = beside(&work.out, &*dataset)?;
    writer.finish()?;
    Ok((rows, cols, beside))
}

/// One pass over the images, after the rows that are `done`.
fn pass(work: &Embedding, checkpoint: &Checkpoint, batch: usize, done: usize) -> EmbedOptions {
    let pipeline = Pipeline::Preprocess(checkpoint.recipe.evaluation.clone());
    EmbedOptions {
        batch,
        threads: work.machine.threads,
        skip_batches: done.div_ceil(batch),
        world: work.world.clone(),
        ..EmbedOptions::new(work.output.clone(), pipeline)
    }
}

/// What a process does that is not the first: its share of the rows that are not done, which the
/// first one writes.
fn help(
    work: &Embedding,
    (checkpoint, model): (&Checkpoint, &Model),
    dataset: Arc<dyn Dataset>,
    batch: usize,
) -> Result<Written, Error> {
    let said = work.world.all(String::new())?;
    let done = said[0].parse().expect("the first process's number");
    let rows = dataset.len();
    if done < rows {
        let options = pass(work, checkpoint, batch, done);
        work.seen(model).batches(dataset, &options, |_, _| Ok(()))?;
    }
    Ok((rows, 0, Vec::new()))
}

/// Everything that a row depends on: with another, rows of an earlier run are of no use. The last
/// bits of a product may depend on how many images it takes.
fn identity(work: &Embedding, recipe: &Recipe, batch: usize) -> Result<String, Error> {
    let Pictures::Split { data, taken, split } = &work.pictures else {
        return Ok("tensor".to_owned());
    };
    let absolute = std::path::absolute(data).map_err(|source| Error::read(data, source))?;
    let mut identity = json!({
        "checkpoint": digest(&work.checkpoint)?, "data": absolute, "split": format!("{split:?}"),
        "output": work.output.to_string(), "batch": batch, "device": work.machine.device,
        "reading": work.reading, "max_bad_images": max_bad_images(*taken),
        "val": taken.val_fraction, "val_seed": taken.val_seed,
        // What files beside the weights say.
        "evaluation": recipe.evaluation, "backbone": recipe.backbone,
    });
    if let Some(map) = &work.map {
        identity["map"] = json!(map.origin.sha256);
    }
    Ok(identity.to_string())
}

/// Writes the images' names, and their classes where all have one.
fn beside(out: &Path, dataset: &dyn Dataset) -> Result<Vec<PathBuf>, Error> {
    let mut written = Vec::new();
    let labels: Option<Vec<usize>> = (0..dataset.len()).map(|i| dataset.label(i)).collect();
    if let Some(labels) = labels {
        let path = labels_of(out);
        write_labels(&path, &labels)?;
        written.push(path);
    }
    let path = names_of(out);
    write_atomically_with(&path, |file| {
        // There may be millions.
        let mut file = BufWriter::new(file);
        // One line a row, whatever the name.
        (0..dataset.len())
            .try_for_each(|index| writeln!(file, "{}", escaped_name(&dataset.name(index))))?;
        file.flush()
    })
    .map_err(|source| Error::write(&path, source))?;
    written.push(path);
    Ok(written)
}
