//! The results found below the folders of runs, model by model.

use e2mc_record::{
    CheckpointOrigin, EvaluationResult, FoundResult, Origin, Protocol, RowView, Run, RunLog,
};

use super::super::{BASE, rows};
use crate::chart::dots::{AxisStart, Dots};
use crate::number::with_error;
use crate::verdict::{Draft, Finding};

/// A model with everything that is known of its worth.
pub(super) struct Model<'a> {
    /// What tables and charts call it.
    pub(super) name: String,
    is_base: bool,
    /// What was evaluated; results of the same are of one model.
    judged: String,
    pub(super) results: Vec<&'a FoundResult>,
    rows: Vec<RowView>,
}

/// The models of all results, the base first, then by run.
pub(super) fn models<'a>(runs: &'a [Run], logs: &[RunLog]) -> Vec<Model<'a>> {
    let mut models: Vec<Model<'a>> = Vec::new();
    for (run, log) in runs.iter().zip(logs) {
        let own = own_checkpoint(run);
        for found in &run.results.results {
            let is_base = is_base(run, &found.result);
            let judged = judged(&found.result);
            let rows = rows::rows(&found.result);
            let free = |model: &&mut Model<'a>| {
                let differs = |row: &RowView| {
                    rows::find(&model.rows, row).is_some_and(|known| known.values != row.values)
                };
                model.judged == judged && model.is_base == is_base && !rows.iter().any(differs)
            };
            if let Some(model) = models.iter_mut().find(free) {
                // `probe` and `knn` both give the k-NN: once is enough.
                for row in rows {
                    if rows::find(&model.rows, &row).is_none() {
                        model.rows.push(row);
                    }
                }
                model.results.push(found);
                continue;
            }
            let named = match (is_base, own.as_ref()) {
                (true, _) => BASE.to_owned(),
                (false, Some(own)) if *own != judged => place(run, log, found),
                (false, _) => log.name.clone(),
            };
            let taken = models.iter().any(|model| model.name == named);
            models.push(Model {
                name: if taken { place(run, log, found) } else { named },
                is_base,
                judged,
                results: vec![found],
                rows,
            });
        }
    }
    models.sort_by_key(|model| !model.is_base);
    models
}

/// What the run's own results judge: what its first result that is not of the base does, unless one
/// names a model file of this folder.
fn own_checkpoint(run: &Run) -> Option<String> {
    let of_run = run.results.results.iter().map(|found| &found.result);
    let mut of_run: Vec<&EvaluationResult> =
        of_run.filter(|result| !is_base(run, result)).collect();
    // What was seen through a map is the run's own only where there is nothing else.
    of_run.sort_by_key(|result| result.map.is_some());
    let files = [run.folder.model(), run.folder.checkpoint()];
    let in_folder = |result: &&&EvaluationResult| {
        let root = run.folder.root().file_name();
        checkpoint(result).is_some_and(|origin| {
            let path = &origin.checkpoint;
            let named = files
                .iter()
                .any(|file| file.file_name() == path.file_name());
            named && path.parent().and_then(|parent| parent.file_name()) == root
        })
    };
    let own = of_run.iter().find(in_folder).or(of_run.first());
    own.map(|result| judged(result))
}

/// `run, probe/late`: the run and the result's folder within it.
fn place(run: &Run, log: &RunLog, found: &FoundResult) -> String {
    let folder = found.folder();
    let within = folder.strip_prefix(run.folder.root()).unwrap_or(folder);
    format!("{}, {}", log.name, within.display())
}

fn checkpoint(result: &EvaluationResult) -> Option<&CheckpointOrigin> {
    match &result.origin {
        Origin::Checkpoint(origin) => Some(origin),
        _ => None,
    }
}

/// A text that is the same for results of the same model.
fn judged(result: &EvaluationResult) -> String {
    let model = judged_without_map(result);
    match &result.map {
        Some(map) => format!("{model}\n{}", map.sha256),
        None => model,
    }
}

fn judged_without_map(result: &EvaluationResult) -> String {
    match &result.origin {
        Origin::Checkpoint(origin) => {
            let path = || origin.checkpoint.display().to_string();
            origin.checkpoint_sha256.clone().unwrap_or_else(path)
        }
        Origin::Files(files) => format!("{}\n{}", files.train, files.test),
        _ => result.model.clone(),
    }
}

/// Whether a result is of the weights that the run began with.
fn is_base(run: &Run, result: &EvaluationResult) -> bool {
    let untouched = result.training.as_ref();
    let untouched = untouched.is_some_and(|training| training.outcome == "untouched");
    let settings = run.settings.as_ref();
    let base = settings.and_then(|settings| settings.base.as_ref());
    let began = checkpoint(result).zip(base).is_some_and(|(origin, base)| {
        match &origin.checkpoint_sha256 {
            Some(sha256) => *sha256 == base.sha256,
            None => origin.checkpoint == base.path,
        }
    });
    (untouched || began) && result.map.is_none()
}

/// All figures as dots, a panel a classifier and fraction; none without results.
pub(super) fn dots(models: &[Model<'_>]) -> Option<Dots> {
    let mut kinds: Vec<&RowView> = Vec::new();
    for row in models.iter().flat_map(|model| &model.rows) {
        let same = |known: &&RowView| known.key == row.key && known.measure == row.measure;
        if !kinds.iter().any(same) {
            kinds.push(row);
        }
    }
    if kinds.is_empty() {
        return None;
    }
    let all = models.iter().flat_map(|model| &model.rows);
    let caption = format!(
        "From the results below the runs' folders. {}",
        rows::spans(all)
    );
    let panel = |kind: &&RowView| rows::panel(kind, models.iter().map(|m| &m.rows[..]));
    Some(Dots {
        title: "Accuracy by protocol".to_owned(),
        caption: caption.trim_end().to_owned(),
        series: models.iter().map(|model| model.name.clone()).collect(),
        panels: kinds.iter().map(panel).collect(),
        start: AxisStart::AroundValues,
    })
}

/// What the section is called.
pub(super) fn heading(models: &[Model<'_>]) -> &'static str {
    let mut rows = models.iter().flat_map(|model| &model.rows);
    if rows.any(|row| row.key.protocol == Protocol::SemiSupervised) {
        "Accuracy of frozen features and after fine-tuning"
    } else {
        "Accuracy of the frozen features"
    }
}

/// A sentence for each figure that the base has too.
pub(super) fn drafts(models: &[Model<'_>]) -> Vec<Draft> {
    let Some((base, others)) = models.split_first().filter(|(first, _)| first.is_base) else {
        return Vec::new();
    };
    let mut drafts = Vec::new();
    for model in others.iter().filter(|model| !model.is_base) {
        for row in &model.rows {
            let Some(before) = rows::find(&base.rows, row) else {
                continue;
            };
            let text = format!(
                "{}: {} {} %, {BASE} {} %",
                rows::name(row),
                model.name,
                with_error(row.mean, row.standard_error, 2),
                with_error(before.mean, before.standard_error, 2)
            );
            let change = rows::change(before, row);
            let usable = comparable(base, model) && change.interval(1).is_some();
            drafts.push(match usable {
                true => Draft::Claim {
                    change,
                    text,
                    over: " over the same label subsets",
                },
                false => Draft::Settled(Finding::note(format!("{text}."))),
            });
        }
    }
    drafts
}

/// Whether both models learned from the same labels and were evaluated on the same images, as far
/// as that is known.
fn comparable(a: &Model<'_>, b: &Model<'_>) -> bool {
    let pairs = || {
        let all = a.results.iter();
        all.flat_map(|a| b.results.iter().map(move |b| (&a.result, &b.result)))
    };
    pairs().all(|(a, b)| {
        a.test_images == b.test_images && a.splits.test == b.splits.test && a.classes == b.classes
    }) && pairs().any(|(a, b)| a.label_subsets.is_some() && a.label_subsets == b.label_subsets)
}
