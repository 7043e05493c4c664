//! `e2mc embed`: the features of images in a file, for evaluation here or anywhere else.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use e2mc_data::{Dataset, Pipeline, Split};
use e2mc_eval::{RowWriter, Stored, read_images, write_labels};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{EmbedOptions, Model, Output, device, embed_batches, embed_images};
use serde_json::json;

use crate::checkpoint::{Reading, check_output, output_named};
use crate::data;
use crate::evaluation::source::sha256;
use crate::failure::Failure;
use crate::output;
use e2mc_cli::options;

pub(crate) fn run(options: &options::EmbedOptions) -> Result<ExitCode> {
    let device = device(&options.machine.device)?;
    let (checkpoint, model) = options.reading.open(&options.checkpoint, device)?;
    check_output(&output_named(&options.output), &checkpoint)?;
    let stored = match options.dtype {
        options::DtypeName::Float32 => Stored::F32,
        options::DtypeName::Float16 => Stored::F16,
    };
    let (rows, cols, beside) = match (&options.tensor, &options.data) {
        (Some(tensor), _) => {
            let (images, shape) = read_images(tensor)?;
            let batch = options.batch as usize;
            // Before the work, so that a place that cannot be written to is noticed in time.
            let mut writer = RowWriter::open(&options.out, shape[0], stored, "tensor")?;
            if writer.done() > 0 {
                return Err(Failure::new(
                    format!("{}: an earlier run was interrupted", options.out.display()),
                    "remove its .part and .part.json",
                ));
            }
            let rows = embed_images(
                &model,
                images.data(),
                shape,
                &output_named(&options.output),
                batch,
            )?;
            writer.append(rows.data(), rows.cols())?;
            writer.finish()?;
            (rows.rows(), rows.cols(), Vec::new())
        }
        (None, Some(data)) => stream(options, &checkpoint, &model, stored, data)?,
        (None, None) => {
            return Err(Failure::usage(
                "nothing to embed",
                "give --data or --tensor",
            ));
        }
    };
    let result = json!({
        "out": options.out, "rows": rows, "dims": cols, "output": options.output.to_string(),
        "checkpoint": options.checkpoint, "beside": beside,
    });
    output::result(options.json, &result, || {
        format!("{rows} rows of {cols} numbers in {}", options.out.display())
    });
    Ok(ExitCode::SUCCESS)
}

/// Embeds a data set batch by batch, after those that an interrupted run left.
fn stream(
    options: &options::EmbedOptions,
    checkpoint: &Checkpoint,
    model: &Model,
    stored: Stored,
    data: &Path,
) -> Result<(usize, usize, Vec<PathBuf>)> {
    let split = match options.split {
        options::SplitName::Train => Split::Train,
        options::SplitName::Test => Split::Test,
    };
    let dataset = data::open(data, split, options.images)?;
    let (rows, batch) = (dataset.len(), options.batch as usize);
    // Everything that a row depends on: with another, rows of an earlier run are of no use. The last
    // bits of a product may depend on how many images it takes.
    let work = json!({
        "checkpoint": sha256(&options.checkpoint)?, "data": std::path::absolute(data)?,
        "part": format!("{:?}", options.split), "output": options.output.to_string(), "batch": batch,
        "device": options.machine.device, "reading": format!("{:?}", options.reading),
        "max_bad_images": options.images.max_bad_images(), "val": options.images.val_fraction,
        "val_seed": options.images.val_seed,
    });
    let mut writer = RowWriter::open(&options.out, rows, stored, &work.to_string())?;
    // Whole batches, so that what follows is cut as it would have been.
    let done = writer.done();
    if done > 0 {
        output::note(&format!("going on after {done} of {rows} images"));
    }
    if !done.is_multiple_of(batch) && done != rows {
        return Err(Failure::new(
            format!(
                "{}: the interrupted part holds no whole batches",
                options.out.display()
            ),
            "remove its .part and .part.json and run again",
        ));
    }
    let embed = EmbedOptions {
        output: output_named(&options.output),
        pipeline: Pipeline::Evaluate(checkpoint.recipe.evaluation.clone()),
        batch,
        threads: options.machine.threads(),
        seed: 0,
        epoch: 0,
        skip_batches: done.div_ceil(batch),
    };
    if done < rows {
        embed_batches(model, dataset.clone(), &embed, |values, cols| {
            writer.append(values, cols)?;
            anyhow::Ok(())
        })?;
    }
    let cols = writer.cols().unwrap_or(0);
    let beside = beside(&options.out, &*dataset)?;
    writer.finish()?;
    Ok((rows, cols, beside))
}

/// Writes the images' names, and their classes where all have one.
fn beside(out: &Path, dataset: &dyn Dataset) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let labels: Option<Vec<usize>> = (0..dataset.len()).map(|i| dataset.label(i)).collect();
    if let Some(labels) = labels {
        let path = out.with_extension("labels.npy");
        write_labels(&path, &labels)?;
        written.push(path);
    }
    let path = out.with_extension("names.txt");
    let failed = || format!("cannot write {}", path.display());
    // Many names: written piece by piece, and renamed when whole.
    let part = out.with_extension("names.txt.part");
    let file = std::fs::File::create(&part).with_context(failed)?;
    let mut file = BufWriter::new(file);
    for index in 0..dataset.len() {
        writeln!(file, "{}", dataset.name(index)).with_context(failed)?;
    }
    file.flush().with_context(failed)?;
    std::fs::rename(&part, &path).with_context(failed)?;
    written.push(path);
    Ok(written)
}
