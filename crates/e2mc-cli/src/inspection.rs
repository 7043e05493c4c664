//! What `inspect` shows of embeddings, wherever they come from: files, or a checkpoint's of images.

use std::path::Path;

use anyhow::Result;
use e2mc::Transform;
use e2mc_base::counted;
use e2mc_eval::diagnostics::Config;
use e2mc_record::{MapOrigin, RunFolder, RunSettings, sha256};
use e2mc_report::pages::embedding::{self, Subject};
use e2mc_report::pages::images::Images;
use e2mc_report::{Finding, legible, save_figures};
use serde_json::json;

use crate::failure::Failure;
use crate::hint;
use crate::options::InspectOptions;
use crate::output;

/// Short names of what is inspected: "before" and "after" where the second is known to be the first
/// trained on, otherwise the files' own.
pub fn names(sources: &[String]) -> Vec<String> {
    let short = |source: &String| {
        let path = Path::new(source);
        let run = RunFolder::name_of(path);
        let is_run = path.file_stem().is_some_and(|stem| *stem != *run);
        let file = path.file_name().filter(|_| !is_run);
        let name = file.map_or(run, |name| name.to_string_lossy().into_owned());
        match name.is_empty() {
            true => source.clone(),
            false => name,
        }
    };
    let shorts: Vec<String> = sources.iter().map(short).collect();
    let named = match &shorts[..] {
        [first, second] if first == second => sources.to_vec(),
        _ => shorts,
    };
    match (sources, &named[..]) {
        ([first, second], [before, after]) if is_continuation(first, second) => {
            vec![format!("before: {before}"), format!("after: {after}")]
        }
        _ => named,
    }
}

/// Whether the run that `after` is the outcome of says that it began with `before`.
fn is_continuation(before: &str, after: &str) -> bool {
    let (before, after) = (Path::new(before), Path::new(after));
    let run = RunFolder::new(after.parent().unwrap_or(Path::new("")));
    if ![run.model(), run.checkpoint()].contains(&after.to_owned()) {
        return false;
    }
    let base = RunSettings::read(&run).ok().and_then(|run| run.base);
    base.is_some_and(|base| sha256(before).is_ok_and(|found| found == base.sha256))
}

/// How embeddings of `cols` dimensions are measured.
pub fn config(options: &InspectOptions, transform: Transform, cols: usize) -> Config {
    Config {
        seed: options.machine.seed,
        queries: options.queries as usize,
        ..Config::new(transform, cols)
    }
}

/// Whether a page or figures are asked for.
pub fn has_page(options: &InspectOptions) -> bool {
    options.report.is_some() || options.figures.is_some()
}

/// Names the embeddings at fault in an error about their values; errors of files name them already.
pub fn about(source: &str, error: e2mc_eval::Error) -> anyhow::Error {
    match error {
        e2mc_eval::Error::Io { .. }
        | e2mc_eval::Error::Overflow { .. }
        | e2mc_eval::Error::Setting { .. } => error.into(),
        error => {
            let hint = hint::of(&error).unwrap_or_default();
            Failure::new(format!("{source}: {error}"), hint)
        }
    }
}

/// Writes the page and the figures that were asked for, and prints what stands out. `map` is what
/// the embeddings were seen through, `images` what they put next to single images.
///
/// # Errors
/// Where two embeddings are not of the same images, or a file cannot be written.
pub fn show(
    subjects: &[Subject],
    map: Option<&MapOrigin>,
    images: Option<&Images>,
    options: &InspectOptions,
) -> Result<()> {
    check_shapes(subjects)?;
    let findings = embedding::findings(subjects);
    if has_page(options) {
        let mut page = embedding::report(subjects, &output::command_line());
        page.insert(images.map_or_else(Vec::new, Images::sections));
        if let Some(path) = &options.report {
            page.save(path)?;
        }
        if let Some(folder) = &options.figures {
            let saved = save_figures(&page, folder)?;
            for remark in &saved.remarks {
                output::warning(&remark.to_string());
            }
        }
    }
    let mut result = embedding::json(subjects, &findings);
    if let Some(map) = map {
        result["map"] = json!(map);
    }
    for (key, path) in [("report", &options.report), ("figures", &options.figures)] {
        if let Some(path) = path {
            result[key] = json!(path);
        }
    }
    output::result(options.json, &result, || text(subjects, &findings, options));
    Ok(())
}

fn check_shapes(subjects: &[Subject]) -> Result<()> {
    let [before, after] = subjects else {
        return Ok(());
    };
    let shape = |subject: &Subject| (subject.diagnostics.rows, subject.diagnostics.dims);
    let ((rows, dims), (other_rows, other_dims)) = (shape(before), shape(after));
    if (rows, dims) == (other_rows, other_dims) {
        return Ok(());
    }
    Err(Failure::new(
        format!(
            "{} has {rows} rows of {dims} dimensions, {} has {other_rows} of {other_dims}: \
             expected the same of both",
            before.source, after.source
        ),
        "embed the same images in the same order with both models, or inspect them separately",
    ))
}

/// Findings, then numbers.
fn text(subjects: &[Subject], findings: &[Finding], options: &InspectOptions) -> String {
    let mut text = String::new();
    for subject in subjects {
        let d = &subject.diagnostics;
        text.push_str(&format!(
            "{}: {}, {}; --transform {}\n",
            subject.source,
            counted(d.rows, "row"),
            counted(d.dims, "dimension"),
            format!("{:?}", subject.transform).to_lowercase()
        ));
    }
    if let Some(path) = &options.map {
        text.push_str(&format!("after the map {}\n", path.display()));
    }
    text.push('\n');
    text.push_str(&output::findings(findings));
    let mut rows = Vec::new();
    if subjects.len() > 1 {
        let names = subjects.iter().map(|subject| subject.name.clone());
        rows.push(std::iter::once(String::new()).chain(names).collect());
    }
    let columns: Vec<_> = subjects.iter().map(embedding::quantities).collect();
    for (index, (name, ..)) in columns[0].iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let (_, _, value, decimals) = column[index];
            value.map_or("–".into(), |value| legible(value, decimals))
        });
        rows.push(std::iter::once((*name).to_owned()).chain(cells).collect());
    }
    text.push_str(&format!("\n{}", output::fitting_table(&rows)));
    text.push_str(&beside_the_same_spread(subjects));
    if let Some(path) = &options.report {
        text.push_str(&format!("\nreport: {}\n", path.display()));
    }
    if let Some(path) = &options.figures {
        text.push_str(&format!("figures: {}\n", path.display()));
    }
    text
}

/// Before, before with the spread of after, and after; nothing for one subject.
fn beside_the_same_spread(subjects: &[Subject]) -> String {
    let rows = embedding::scaled(subjects);
    let Some(first) = subjects.first().filter(|_| !rows.is_empty()) else {
        return String::new();
    };
    let head = format!("beside the same spread, of {} rows", first.picture.rows());
    let heads = [&*head, "deviation", "entropy", "without scale"].map(str::to_owned);
    let cells = rows.into_iter().map(|row| {
        let numbers = [row.deviation, row.entropy, row.entropy_shape];
        std::iter::once(row.name)
            .chain(numbers.map(|number| legible(number, 4)))
            .collect()
    });
    let table: Vec<Vec<String>> = std::iter::once(heads.to_vec()).chain(cells).collect();
    format!("\n{}", output::table(&table))
}

#[cfg(test)]
mod tests {
    use e2mc_record::{BaseCheckpoint, DataOptions, DataSettings, RunFolder, RunSettings, sha256};

    use super::names;

    fn of(sources: &[&str]) -> Vec<String> {
        let sources: Vec<String> = sources.iter().map(|&name| name.to_owned()).collect();
        names(&sources)
    }

    #[test]
    fn two_files_go_by_their_names() {
        assert_eq!(of(&["runs/a.npy"]), ["a.npy"]);
        assert_eq!(of(&["x/a.npy", "x/b.npy"]), ["a.npy", "b.npy"]);
        assert_eq!(of(&["x/a.npy", "y/a.npy"]), ["x/a.npy", "y/a.npy"]);
        let runs = [
            "runs/vicreg/model.safetensors",
            "runs/swav/model.safetensors",
        ];
        assert_eq!(of(&runs), ["vicreg", "swav"]);
    }

    #[test]
    fn before_and_after_are_a_checkpoint_and_the_run_that_began_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().join("base.pth");
        std::fs::write(&base, "weights").expect("a file");
        let other = folder.path().join("other.pth");
        std::fs::write(&other, "other weights").expect("a file");
        let run = RunFolder::new(folder.path().join("run"));
        std::fs::create_dir(run.root()).expect("a folder");
        let data = DataSettings {
            data: "data".into(),
            max_images: None,
            held_out: 0,
            knn_every: 0,
            data_options: DataOptions::default(),
            images: None,
            fingerprint: None,
        };
        let settings = RunSettings {
            base: Some(BaseCheckpoint {
                path: "elsewhere.pth".into(),
                sha256: sha256(&base).expect("a file"),
            }),
            ..RunSettings::new(data, 0)
        };
        settings.write(&run).expect("a file");
        let text = |path: &std::path::Path| path.display().to_string();
        let (base, other, model) = (text(&base), text(&other), text(&run.model()));
        assert_eq!(of(&[&base, &model]), ["before: base.pth", "after: run"]);
        assert_eq!(of(&[&model, &base]), ["run", "base.pth"]);
        assert_eq!(of(&[&other, &model]), ["other.pth", "run"]);
    }
}
