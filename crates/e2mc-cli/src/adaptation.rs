//! What `adapt` does with embeddings, wherever they come from: a file, or a checkpoint's of images.

use std::path::{Path, PathBuf};

use anyhow::Result;
use e2mc_base::{counted, refuse_to_replace};
use e2mc_eval::Rows;
use e2mc_eval::adapt::{Evidence, Map, Method, Use, auto, fit};
use e2mc_record::MapOrigin;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::inspection::about;
use crate::options::{AdaptOptions, MethodName};
use crate::output::{self, Adaptation};

/// Embeddings that a map is fitted to.
#[derive(Clone, Copy)]
pub struct Embedded<'a> {
    /// What messages call them.
    pub name: &'a str,
    /// The embeddings `(n, d)`.
    pub rows: &'a dyn Rows,
    /// What a map is chosen by.
    pub evidence: Evidence<'a>,
}

impl std::fmt::Debug for Embedded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is read is not written over.
///
/// # Errors
/// Where it would be.
pub fn keep_inputs(options: &AdaptOptions) -> Result<()> {
    let out = options.out.to_string_lossy();
    let is_out = |input: &&String| {
        let rest = input.strip_prefix(&*out);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    let map = options.apply.as_ref().map(path);
    let checkpoint = options.checkpoint.as_ref().map(path);
    let inputs = [
        options.file.as_ref(),
        options.labels.as_ref(),
        options.second_view.as_ref(),
        map.as_ref(),
        checkpoint.as_ref(),
    ];
    match inputs.into_iter().flatten().find(is_out) {
        Some(input) => Err(Failure::usage(
            format!("--out would overwrite the input {input}"),
            "choose another --out",
        )),
        None => Ok(()),
    }
}

/// Options that do not go together, before anything is read.
///
/// # Errors
/// Where they do not, or the map's folder is not there.
pub fn check(options: &AdaptOptions) -> Result<()> {
    let extension = options.out.extension();
    if extension.is_none_or(|extension| extension != "safetensors") {
        return Err(Failure::usage(
            format!("{} is not a name for a map", options.out.display()),
            "give an --out that ends in .safetensors, or add --apply MAP to map embeddings",
        ));
    }
    let whitening = options.method == MethodName::Whiten;
    if !whitening && (options.strength.is_some() || options.floor.is_some()) {
        return Err(Failure::usage(
            "--strength and --floor apply only to whitening",
            "add --method whiten, or omit them",
        ));
    }
    let judged = options.labels.is_some() || options.second_view.is_some();
    if options.method == MethodName::Auto {
        if options.unit_length {
            return Err(Failure::usage(
                "--unit-length cannot be given with --method auto, which tries both",
                "omit it, or name a method",
            ));
        }
        if !judged && options.checkpoint.is_none() {
            return Err(Failure::usage(
                "choosing a map needs labels, and none were given",
                "give --labels FILE or --second-view FILE, or name a --method, whose gain is then \
                 not verified",
            ));
        }
    } else if judged || options.uses.len() > 1 {
        return Err(Failure::usage(
            "--labels, --second-view and --for apply only to --method auto: a named method is not \
             verified",
            "omit --method to compare all methods, or omit --labels, --second-view and --for",
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
            "create the folder first, or choose another --out",
        ));
    }
    Ok(())
}

/// What lies at the names of the files to write is not replaced, unless that is asked for.
///
/// # Errors
/// Where something lies there.
pub fn keep_outputs(options: &AdaptOptions) -> Result<()> {
    let files = match options.apply {
        Some(_) => vec![options.out.clone()],
        None => {
            let uses = options.config().uses.into_iter();
            uses.map(|usage| options.map_file(usage)).collect()
        }
    };
    for file in &files {
        refuse_to_replace(file, options.overwrite)?;
    }
    Ok(())
}

/// A second view judges neighbours alone.
///
/// # Errors
/// Where another use is asked for.
pub fn check_uses_of_views(options: &AdaptOptions) -> Result<()> {
    let uses = options.config().uses;
    match uses.iter().find(|usage| **usage != Use::Neighbours) {
        Some(usage) => Err(Failure::new(
            format!("choosing a map for {usage} needs labels, and the images have none"),
            "give labelled images, or only --for neighbours",
        )),
        None => Ok(()),
    }
}

/// Fits the map, or chooses one for each use and verifies it, and writes it. `origin` is what the
/// result says of where the embeddings are from.
///
/// # Errors
/// Embeddings that no map can be fitted to or evaluated on, or a file that cannot be written.
pub fn run(options: &AdaptOptions, embedded: Embedded<'_>, origin: Value) -> Result<()> {
    let mut result = origin;
    result["rows"] = json!(embedded.rows.rows());
    result["dims"] = json!(embedded.rows.cols());
    match options.method() {
        Some(method) => fit_one(options, embedded, &method, result),
        None => choose(options, embedded, result),
    }
}

/// Fits the method that was named to all rows.
fn fit_one(
    options: &AdaptOptions,
    Embedded { name, rows, .. }: Embedded<'_>,
    method: &Method,
    mut result: Value,
) -> Result<()> {
    let map = fit(rows, method, options.unit_length, options.seed);
    let map = map.map_err(|error| about(name, error))?;
    map.save(&options.out)?;
    result["map"] = described(&map, &options.out)?;
    output::result(options.json, &result, || {
        format!(
            "{name}: {} of {}\n{} in {}; the gain was not verified",
            counted(rows.rows(), "row"),
            counted(rows.cols(), "dimension"),
            output::map_name(map.method(), map.unit_length()),
            options.out.display()
        )
    });
    Ok(())
}

/// Chooses a map for each use and verifies it.
fn choose(
    options: &AdaptOptions,
    Embedded {
        name,
        rows,
        evidence,
    }: Embedded<'_>,
    mut result: Value,
) -> Result<()> {
    let outcomes = auto(rows, evidence, &options.config());
    let outcomes = outcomes.map_err(|error| about(name, error))?;
    let mut written = Vec::new();
    for outcome in &outcomes {
        let path = options.map_file(outcome.usage);
        outcome.map.save(&path)?;
        let mut value = json!(outcome);
        value["map"] = described(&outcome.map, &path)?;
        written.push(value);
    }
    result["level"] = json!(options.level);
    result["looks"] = json!(options.looks());
    result["outcomes"] = json!(written);
    let adaptation = Adaptation {
        name,
        rows: rows.rows(),
        dims: rows.cols(),
        outcomes: &outcomes,
        maps: (outcomes.iter())
            .map(|outcome| options.map_file(outcome.usage))
            .collect(),
        labelled: matches!(evidence, Evidence::Labels(_)),
    };
    output::result(options.json, &result, || adaptation.text());
    Ok(())
}

/// A map that was just written to `path`.
fn described(map: &Map, path: &Path) -> Result<Value> {
    Ok(with_origin(map, &MapOrigin::of(path)?))
}

/// What a result says of a map in a file.
pub fn with_origin(map: &Map, origin: &MapOrigin) -> Value {
    let mut value = json!(map.description());
    value["path"] = json!(origin.path);
    value["sha256"] = json!(origin.sha256);
    value
}
