//! `e2mc adapt`: a map for frozen embeddings, chosen and verified on held-out rows; or a map applied.

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use e2mc_base::counted;
use e2mc_cli::failure::Failure;
use e2mc_cli::inspection::about;
use e2mc_cli::options::{AdaptOptions, DtypeName, MethodName};
use e2mc_cli::output::{self, Adaptation};
use e2mc_eval::adapt::{Evidence, Map, Method, auto, fit};
use e2mc_eval::protocol::{self, MapFile};
use e2mc_eval::{EmbeddingFile, RowWriter, Rows, Stored, Targets, read_targets};
use e2mc_record::MapOrigin;
use serde_json::{Value, json};

pub(crate) fn run(options: &AdaptOptions) -> Result<ExitCode> {
    keep_inputs(options)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads())
        .build_global()?;
    match (&options.apply, options.method()) {
        (Some(map), _) => apply(options, map),
        (None, method) => {
            check(options)?;
            let file = EmbeddingFile::open(&options.file)?;
            match method {
                Some(method) => fit_one(options, &file, &method),
                None => choose(options, &file),
            }
        }
    }
}

/// What is read is not written over.
fn keep_inputs(options: &AdaptOptions) -> Result<()> {
    let out = options.out.to_string_lossy();
    let is_out = |input: &&String| {
        let rest = input.strip_prefix(&*out);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    let map = options.apply.as_ref();
    let map = map.map(|map| map.to_string_lossy().into_owned());
    let inputs = [
        Some(&options.file),
        options.labels.as_ref(),
        options.second_view.as_ref(),
        map.as_ref(),
    ];
    match inputs.into_iter().flatten().find(is_out) {
        Some(input) => Err(Failure::usage(
            format!("--out would replace {input}, which is read"),
            "choose another --out",
        )),
        None => Ok(()),
    }
}

/// Options that do not go together, before anything is read.
fn check(options: &AdaptOptions) -> Result<()> {
    let extension = options.out.extension();
    if extension.is_none_or(|extension| extension != "safetensors") {
        return Err(Failure::usage(
            format!("{} is no name for a map", options.out.display()),
            "end --out in .safetensors, or add --apply MAP to have embeddings mapped",
        ));
    }
    let whitening = options.method == MethodName::Whiten;
    if !whitening && (options.strength.is_some() || options.floor.is_some()) {
        return Err(Failure::usage(
            "--strength and --floor are settings of whitening",
            "add --method whiten, or leave them out",
        ));
    }
    let judged = options.labels.is_some() || options.second_view.is_some();
    if options.method == MethodName::Auto {
        if options.unit_length {
            return Err(Failure::usage(
                "--unit-length does not go with --method auto, which tries both",
                "leave it out, or name a method",
            ));
        }
        if !judged {
            return Err(Failure::usage(
                "a map is chosen by labels, and none were given",
                "give --labels FILE (or --second-view FILE), or name a --method, whose gain is then \
                 not known",
            ));
        }
    } else if judged || options.uses.len() > 1 {
        return Err(Failure::usage(
            "labels, views and uses are for --method auto: a method that is named is not judged",
            "leave out --method to have it compared with the others, or leave out --labels, \
             --second-view and --for",
        ));
    }
    // A folder that cannot be written to is noticed before the work.
    let folder = options
        .out
        .parent()
        .filter(|folder| *folder != Path::new(""));
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        return Err(Failure::new(
            format!("cannot write {}: no such folder", options.out.display()),
            "make the folder first, or choose another --out",
        ));
    }
    Ok(())
}

/// Fits the method that was named to all rows.
fn fit_one(options: &AdaptOptions, file: &EmbeddingFile, method: &Method) -> Result<ExitCode> {
    let map = fit(file, method, options.unit_length, options.seed)
        .map_err(|error| about(&options.file, error))?;
    map.save(&options.out)?;
    let mut result = head(options, file);
    result["map"] = described(&map, &options.out)?;
    output::result(options.json, &result, || {
        format!(
            "{}: {} of {}\n{} in {}; whether it helps was not judged",
            options.file,
            counted(file.rows(), "row"),
            counted(file.cols(), "dimension"),
            output::map_name(map.method(), map.unit_length()),
            options.out.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// Chooses a map for each use and verifies it.
fn choose(options: &AdaptOptions, file: &EmbeddingFile) -> Result<ExitCode> {
    let labels = options.labels.as_ref();
    let labels = labels.map(|labels| classes(options, file, labels));
    let labels = labels.transpose()?;
    let second = options.second_view.as_ref().map(EmbeddingFile::open);
    let second = second.transpose()?;
    let evidence = match (&labels, &second) {
        (Some(labels), _) => Evidence::Labels(labels),
        (None, Some(second)) => Evidence::SecondView(second),
        (None, None) => Evidence::Nothing,
    };
    let outcomes = auto(file, evidence, &options.config());
    let outcomes = outcomes.map_err(|error| about(&options.file, error))?;
    let mut written = Vec::new();
    for outcome in &outcomes {
        let path = options.map_file(outcome.usage);
        outcome.map.save(&path)?;
        let mut value = json!(outcome);
        value["map"] = described(&outcome.map, &path)?;
        written.push(value);
    }
    let mut result = head(options, file);
    result["labels"] = json!(options.labels);
    result["second_view"] = json!(options.second_view);
    result["level"] = json!(options.level);
    result["looks"] = json!(options.looks());
    result["outcomes"] = json!(written);
    let adaptation = Adaptation {
        file: &options.file,
        rows: file.rows(),
        dims: file.cols(),
        outcomes: &outcomes,
        maps: (outcomes.iter())
            .map(|outcome| options.map_file(outcome.usage))
            .collect(),
        labelled: labels.is_some(),
    };
    output::result(options.json, &result, || adaptation.text());
    Ok(ExitCode::SUCCESS)
}

/// One class number for each row of `file`.
fn classes(options: &AdaptOptions, file: &EmbeddingFile, labels: &str) -> Result<Vec<usize>> {
    let targets = read_targets(labels)?;
    if targets.rows() != file.rows() {
        return Err(protocol::Error::RowsAndLabels {
            embeddings: options.file.clone(),
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
            "flatten class numbers with .ravel(); several labels a row cannot be judged by",
        )),
    }
}

/// Writes the embeddings as they are after a map, a block at a time.
fn apply(options: &AdaptOptions, map: &Path) -> Result<ExitCode> {
    let file = EmbeddingFile::open(&options.file)?;
    let MapFile { map, origin } = MapFile::open(map)?;
    map.over(&file)
        .map_err(|error| about(&options.file, error))?;
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
        error => about(&options.file, error),
    })?;
    writer.finish()?;
    let mut result = head(options, &file);
    result["out"] = json!(options.out);
    result["dims"] = json!(map.output_dims());
    result["map"] = with_origin(&map, &origin);
    output::result(options.json, &result, || {
        format!(
            "{} of {} in {}, after {}",
            counted(file.rows(), "row"),
            counted(map.output_dims(), "number"),
            options.out.display(),
            output::map_name(map.method(), map.unit_length())
        )
    });
    Ok(ExitCode::SUCCESS)
}

fn head(options: &AdaptOptions, file: &EmbeddingFile) -> Value {
    json!({ "file": options.file, "rows": file.rows(), "dims": file.cols() })
}

/// A map that was just written to `path`.
fn described(map: &Map, path: &Path) -> Result<Value> {
    Ok(with_origin(map, &MapOrigin::of(path)?))
}

fn with_origin(map: &Map, origin: &MapOrigin) -> Value {
    let mut value = json!(map.description());
    value["path"] = json!(origin.path);
    value["sha256"] = json!(origin.sha256);
    value
}
