//! The twin of `scripts/peers/eval.py`: evaluations of the files that it wrote, timed as it times
//! scikit-learn's.
//!
//! `cargo bench -p e2mc-eval --bench peers -- DIR CASE...`, see `scripts/bench-eval.sh`; without a
//! case nothing is done. Prints one JSON object a case: milliseconds without reading files, and the
//! accuracy in percent, that also to standard error.

use std::path::Path;
use std::time::Instant;

use e2mc_eval::{
    Cost, FitReport, KnnConfig, L2, LogisticConfig, Probe, SvmConfig, Targets, Vote, knn,
    read_embeddings, read_labels, svm, top1,
};

fn main() -> Result<(), e2mc_eval::Error> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if let Some((folder, cases)) = arguments.split_first() {
        cases.iter().try_for_each(|case| run(folder, case))?;
    }
    Ok(())
}

fn run(folder: &str, case: &str) -> Result<(), e2mc_eval::Error> {
    let file = |name: &str| Path::new(folder).join(format!("{}_{name}.npy", data(case)));
    let (train, labels) = (
        read_embeddings(file("train"))?,
        read_labels(file("train_labels"))?,
    );
    let (test, truth) = (
        read_embeddings(file("test"))?,
        read_labels(file("test_labels"))?,
    );
    let classes = labels.iter().max().map_or(0, |most| most + 1);

    let start = Instant::now();
    let (predictions, detail) = match case.split('-').next().unwrap_or_default() {
        "knn" => {
            let config = KnnConfig {
                ks: vec![20],
                votes: vec![Vote::Majority],
                ..KnnConfig::default()
            };
            let mut results = knn(train.view(), &labels, test.view(), &config)?;
            (results.remove(0).predictions, String::new())
        }
        "svm" => {
            let cost: f64 = case
                .rsplit('-')
                .next()
                .and_then(|c| c.parse().ok())
                .unwrap_or(1.0);
            let config = SvmConfig {
                cost: Cost::Fixed(cost),
                ..SvmConfig::default()
            };
            let fit = svm(train.view(), &Targets::Classes(labels), classes, &config, 0)?;
            let epochs = fit.classes.iter().map(|class| class.epochs).max();
            let detail = format!(
                ",\"iterations\":{},\"converged\":{}",
                epochs.unwrap_or(0),
                fit.classes.iter().all(|class| class.converged)
            );
            (fit.classifier.predict(test.view())?, detail)
        }
        _ => {
            // scikit-learn's C = 1.
            let config = LogisticConfig {
                l2: L2::Fixed(1.0 / labels.len() as f64),
                ..LogisticConfig::default()
            };
            let fit = Probe::Logistic(config).fit(train.view(), &labels, classes, 0)?;
            let detail = match fit.report {
                FitReport::Logistic(report) => format!(
                    ",\"iterations\":{},\"gradient\":{:e}",
                    report.iterations, report.gradient_norm
                ),
                FitReport::Sgd { .. } => String::new(),
            };
            (fit.classifier.predict(test.view())?, detail)
        }
    };
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let accuracy = 100.0 * top1(&predictions, &truth)?;
    eprintln!("e2mc         {case}: {accuracy:.2} %");
    println!("{{\"case\":\"{case}\",\"time_ms\":{ms:.1},\"accuracy\":{accuracy:.3}{detail}}}");
    Ok(())
}

/// The data of a case: `fashion` if its name says so.
fn data(case: &str) -> &str {
    if case.contains("fashion") {
        "fashion"
    } else {
        case.split('-').next().unwrap_or_default()
    }
}
