//! `e2mc knn`: classification by nearest neighbours in cosine similarity.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_eval::{KnnConfig, KnnResult, Rows, Vote, knn_within};
use serde_json::json;

use crate::evaluation::linear::check_classes;
use crate::evaluation::record::{self, Figures, Recorder};
use crate::evaluation::source::{Opening, Source, overlap, unseen};
use crate::output;
use e2mc_cli::options::{KnnOptions, VoteName};

fn vote_name(vote: Vote) -> &'static str {
    match vote {
        Vote::Majority => "majority",
        Vote::Weighted => "weighted",
    }
}

fn place(k: usize, vote: Vote) -> String {
    format!("knn-{k}-{}", vote_name(vote))
}

pub(crate) fn run(options: &KnnOptions) -> Result<ExitCode> {
    let config = KnnConfig {
        ks: options.k.clone(),
        votes: match options.vote {
            VoteName::Majority => vec![Vote::Majority],
            VoteName::Weighted => vec![Vote::Weighted],
            VoteName::Both => vec![Vote::Weighted, Vote::Majority],
        },
        temperature: options.temperature,
    };
    // From files only the pieces that are needed are in memory.
    let source = options.embeddings.open(&options.machine)?;
    let mut recorder = Recorder::new(&options.record)?;
    recorder.first(place(options.k[0], config.votes[0]));
    let train_images = source.train_images();
    let (results, labels, classes, mut warnings) = match &source {
        Source::Files(files) => {
            let (train_labels, labels, classes) = files.classes()?;
            check_classes(train_labels.iter().copied(), classes)?;
            let results = search(&files.train, train_labels, &files.test, &config, options)?;
            let equal = overlap(&files.train, &files.test)?;
            let warnings: Vec<String> = equal
                .into_iter()
                .chain(unseen(train_labels, labels, classes))
                .collect();
            (results, labels.to_vec(), classes, warnings)
        }
        Source::Network(_) => {
            let (data, warnings) = source.labelled(&options.embeddings, &options.machine)?;
            check_classes(data.train_labels.iter().copied(), data.classes)?;
            let (train, test) = (data.train.view(), data.test.view());
            let results = search(&train, &data.train_labels, &test, &config, options)?;
            (results, data.test_labels, data.classes, warnings)
        }
    };
    warnings.dedup();
    for warning in &warnings {
        output::warning(warning);
    }

    let mut rows = Vec::new();
    for result in &results {
        let mut figures = Figures::new(&result.predictions, &labels, classes, None)?;
        figures.top5 = Some(100.0 * result.top5(&labels)?);
        let predictions = recorder.votes(&place(result.k, result.vote), &labels, result)?;
        let mut row = json!({ "k": result.k, "vote": vote_name(result.vote) });
        if let Some(row) = row.as_object_mut() {
            if let serde_json::Value::Object(figures) = serde_json::to_value(&figures)? {
                row.extend(figures);
            }
            if let Some(place) = predictions {
                row.insert("predictions".into(), json!(place));
            }
        }
        rows.push(row);
    }
    let settings = json!({
        "k": config.ks, "vote": config.votes.iter().map(|&v| vote_name(v)).collect::<Vec<_>>(),
        "temperature": config.temperature, "memory": options.memory,
    });
    let model = options.record.model(options.embeddings.model());
    let entries = json!({
        "evaluation": "knn", "train_images": train_images, "test_images": labels.len(),
        "classes": classes, "results": rows, "warnings": warnings,
    });
    let result = record::result(
        "knn",
        model,
        options.embeddings.describe()?,
        settings,
        entries,
    );
    recorder.result(&result)?;
    output::result(options.record.json, &result, || text(&rows, labels.len()));
    Ok(ExitCode::SUCCESS)
}

fn search(
    train: &dyn Rows,
    train_labels: &[usize],
    test: &dyn Rows,
    config: &KnnConfig,
    options: &KnnOptions,
) -> Result<Vec<KnnResult>> {
    Ok(knn_within(
        train,
        train_labels,
        test,
        config,
        options.memory,
    )?)
}

fn text(results: &[serde_json::Value], tests: usize) -> String {
    let header = ["neighbours", "vote", "top-1, %", "top-5, %", "per class, %"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for result in results {
        let percent = |key: &str| format!("{:.2}", result[key].as_f64().unwrap_or(f64::NAN));
        rows.push(vec![
            result["k"].to_string(),
            result["vote"].as_str().unwrap_or_default().to_owned(),
            percent("top1"),
            percent("top5"),
            percent("mean_per_class"),
        ]);
    }
    format!(
        "{}\nCosine similarity, exact; {tests} test rows.",
        output::table(&rows)
    )
}
