//! `e2mc compare`: whether evaluations on the same test images differ beyond chance.

mod files;
mod results;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::CompareOptions;
use e2mc_cli::output;
use e2mc_record::{PREDICTIONS, RESULT};
use e2mc_report::pages::comparison::{self, Comparison, Line, Other};
use e2mc_report::pages::images::Images;
use serde_json::{Value, json};

use crate::pictures;

pub(crate) fn run(options: &CompareOptions) -> Result<ExitCode> {
    let all = || std::iter::once(&options.first).chain(&options.others);
    if let Some(missing) = all().find(|path| !path.exists()) {
        return Err(Failure::new(
            format!("{}: no such result folder", missing.display()),
            "give a folder that `probe --out` or `knn --out` wrote",
        ));
    }
    let results = all().map(|path| result_file(path)).collect::<Vec<_>>();
    let known = results.iter().flatten().count();
    let page_wanted = options.report.is_some();
    let (value, text, others, (left_out, preprocessing), images) = if known == results.len() {
        let paths: Vec<PathBuf> = results.into_iter().flatten().collect();
        let found = results::compare_results(options, &paths)?;
        (
            found.json(),
            found.text(),
            found.others(),
            (found.left_out.clone(), found.preprocessing.clone()),
            found.images(page_wanted),
        )
    } else if known == 0 {
        let found = files::compare_files(options)?;
        warn_of_several(options, found.count);
        let images = found.images();
        (
            found.json(),
            found.text(),
            found.others(),
            Default::default(),
            images,
        )
    } else {
        let bare = all().zip(&results).find(|(_, result)| result.is_none());
        let bare = bare.map_or(Path::new(""), |(path, _)| path);
        return Err(Failure::usage(
            format!(
                "{}: expected a folder with {RESULT}, as the others have",
                bare.display()
            ),
            format!("give a result of each model, or one {PREDICTIONS} of each"),
        ));
    };
    let mut value = value;
    if let Some(path) = &options.report {
        let mut images = images;
        pictures::add(&mut images, !options.no_thumbnails);
        let mut report = comparison::report(&Comparison {
            left_out,
            preprocessing,
            ..page(options, others, &images)
        });
        report.insert(images.sections());
        report.save(path)?;
        value["report"] = json!(path);
    }
    output::result(options.json, &value, || match &options.report {
        Some(path) => format!("{text}\nreport: {}", path.display()),
        None => text,
    });
    Ok(ExitCode::SUCCESS)
}

/// The `result.json` that a path names; none of bare predictions.
fn result_file(path: &Path) -> Option<PathBuf> {
    let inside = path.join(RESULT);
    match path.file_name() == Some(RESULT.as_ref()) {
        true => Some(path.to_owned()),
        false => inside.exists().then_some(inside),
    }
}

/// Bare predictions are one fit of many: how many were looked at is the user's to say.
fn warn_of_several(options: &CompareOptions, count: usize) {
    if count > 1 {
        output::warning(&format!(
            "{count} comparisons: at the level {} one in {:.0} would differ by chance alone; use \
             the corrected p-values",
            options.level,
            1.0 / options.level
        ));
    }
}

fn page(
    options: &CompareOptions,
    others: Vec<(PathBuf, Vec<Line>)>,
    images: &Images,
) -> Comparison {
    let identity = |name: &str| {
        let model = images.models.iter().find(|model| model.name == name);
        model.map_or_else(String::new, |model| model.identity.clone())
    };
    let paths = std::iter::once(&options.first).chain(others.iter().map(|(path, _)| path));
    let mut names = short_names(paths).into_iter();
    let first = names.next().unwrap_or_default();
    let others = names.zip(others).map(|(name, (_, lines))| Other {
        identity: identity(&name),
        name,
        lines,
    });
    let made = [
        ("e2mc", e2mc_record::VERSION.to_owned()),
        ("level, of all lines together", options.level.to_string()),
        ("bootstrap samples", options.config().bootstraps.to_string()),
        ("seed", options.seed.to_string()),
    ];
    Comparison {
        first,
        others: others.collect(),
        level: options.level,
        made: made.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        command: output::command_line(),
        ..Comparison::default()
    }
}

/// What a page calls results: their paths without the folders that all have in common.
fn short_names(paths: impl Iterator<Item = impl AsRef<Path>>) -> Vec<String> {
    let paths: Vec<PathBuf> = paths.map(|path| path.as_ref().to_owned()).collect();
    let mut rest: Vec<_> = paths.iter().map(|path| path.components()).collect();
    loop {
        let heads: Vec<_> = rest.iter().map(|path| path.clone().next()).collect();
        let alike = heads.windows(2).all(|pair| pair[0] == pair[1]);
        // A name is left to each.
        if !alike || rest.iter().any(|path| path.clone().count() < 2) {
            break;
        }
        for path in &mut rest {
            path.next();
        }
    }
    let name = |path: &std::path::Components<'_>| path.as_path().display().to_string();
    rest.iter().map(name).collect()
}

/// A probability in percent, to two digits at most: `95`, `99.17`.
fn confidence(probability: f64) -> String {
    let text = format!("{:.2}", 100.0 * probability);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A JSON list, or its only entry.
fn one_or_all(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.remove(0),
        _ => Value::Array(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_tells_paths_apart() {
        for (paths, names) in [
            (
                vec!["runs/a/probe", "runs/b/probe"],
                vec!["a/probe", "b/probe"],
            ),
            (
                vec!["/x/base", "/x/new", "/x/y/new"],
                vec!["base", "new", "y/new"],
            ),
            (vec!["a", "b"], vec!["a", "b"]),
            (vec!["a/b", "a"], vec!["a/b", "a"]),
            (vec!["x/same", "x/same"], vec!["same", "same"]),
        ] {
            assert_eq!(short_names(paths.iter()), names);
        }
    }
}
