//! `e2mc adapt`: a map for frozen embeddings, chosen and verified on held-out rows; or a map
//! applied.

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use e2mc_base::counted;
use e2mc_cli::adaptation::{self, Embedded};
use e2mc_cli::failure::Failure;
use e2mc_cli::inspection::about;
use e2mc_cli::options::{AdaptOptions, DtypeName};
use e2mc_cli::output;
use e2mc_eval::adapt::Evidence;
use e2mc_eval::protocol::{self, MapFile};
use e2mc_eval::{EmbeddingFile, RowWriter, Rows, Stored, Targets, read_targets};
use serde_json::json;

pub(crate) fn run(options: &AdaptOptions) -> Result<ExitCode> {
    adaptation::keep_inputs(options)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads())
        .build_global()?;
    let name = options.file.as_ref();
    let name = name.expect("the parser demands embeddings without --checkpoint");
    match &options.apply {
        Some(map) => apply(options, name, map)?,
        None => of_file(options, name)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Fits a map to the embeddings in a file.
fn of_file(options: &AdaptOptions, name: &str) -> Result<()> {
    adaptation::check(options)?;
    adaptation::keep_outputs(options)?;
    let file = EmbeddingFile::open(name)?;
    let labels = options.labels.as_ref();
    let labels = labels.map(|labels| classes((name, &file), labels));
    let labels = labels.transpose()?;
    let second = options.second_view.as_ref().map(EmbeddingFile::open);
    let second = second.transpose()?;
    let evidence = match (&labels, &second) {
        (Some(labels), _) => Evidence::Labels(labels),
        (None, Some(second)) => Evidence::SecondView(second),
        (None, None) => Evidence::Nothing,
    };
    let (labels, second_view) = (&options.labels, &options.second_view);
    let mut origin = json!({ "file": name });
    if options.method().is_none() {
        origin["labels"] = json!(labels);
        origin["second_view"] = json!(second_view);
    }
    let embedded = Embedded {
        name,
        rows: &file,
        evidence,
    };
    adaptation::run(options, embedded, origin)
}

/// One class number for each row of `file`, which is called `name`.
fn classes((name, file): (&str, &EmbeddingFile), labels: &str) -> Result<Vec<usize>> {
    let targets = read_targets(labels)?;
    if targets.rows() != file.rows() {
        return Err(protocol::Error::RowsAndLabels {
            embeddings: name.to_owned(),
            rows: file.rows(),
            labels: labels.to_owned(),
            found: targets.rows(),
        }
        .into());
    }
    match targets {
        Targets::Classes(classes) => Ok(classes),
        Targets::Multi(several) => Err(Failure::new(
            format!(
                "{labels} holds {} column(s) of 0/1, expected one class number a row",
                several.labels()
            ),
            "flatten class numbers with .ravel(); `adapt` cannot use several labels a row",
        )),
    }
}

/// Opens the map to apply to the embeddings called `name`, which may have been given in its place.
fn open_map(map: &Path, name: &str) -> Result<MapFile> {
    MapFile::open(map).map_err(|error| match MapFile::open(Path::new(name)) {
        Ok(_) => Failure::usage(
            format!("{name} is a map, {} is not", map.display()),
            format!(
                "exchange the two: --apply {} {}",
                output::for_a_shell(name),
                output::for_a_shell(&map.to_string_lossy())
            ),
        ),
        Err(_) => error.into(),
    })
}

/// Writes the embeddings as they are after a map, a block at a time.
fn apply(options: &AdaptOptions, name: &str, map: &Path) -> Result<()> {
    adaptation::keep_outputs(options)?;
    let MapFile { map, origin } = open_map(map, name)?;
    let file = EmbeddingFile::open(name)?;
    map.over(&file).map_err(|error| about(name, error))?;
    let stored = match options.dtype {
        DtypeName::Float32 => Stored::F32,
        DtypeName::Float16 => Stored::F16,
    };
    // A pass is short and the input may have changed: what an interrupted one left is written anew.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos());
    let work = json!({ "map": origin.sha256, "at": format!("{now}"), "by": std::process::id() });
    let mut writer = RowWriter::open(&options.out, file.rows(), stored, &work.to_string())?;
    let written = map.stream(&file, |_, block| writer.append(block.data(), block.cols()));
    written.map_err(|error| match error {
        error @ e2mc_eval::Error::TooLargeForHalf { .. } => error.into(),
        error => about(name, error),
    })?;
    writer.finish()?;
    let result = json!({
        "file": name, "rows": file.rows(), "dims": map.output_dims(), "out": options.out,
        "map": adaptation::with_origin(&map, &origin),
    });
    output::result(options.json, &result, || {
        format!(
            "{} of {} in {}, after {}",
            counted(file.rows(), "row"),
            counted(map.output_dims(), "number"),
            options.out.display(),
            output::map_name(map.method(), map.unit_length())
        )
    });
    Ok(())
}
