//! The result of an evaluation: as the JSON that `result.json` holds, or as a table.

use e2mc_record::{EvaluationResult, Figures, Precisions, ProbeRow, SvmResult, percent};

use super::{note, plus_minus, result, table, warning};

/// Prints the warnings of an evaluation, then what it found: as one JSON object or as text.
/// `labels` names the labels of several-label data; they are numbered where there are no names.
pub fn evaluation(json: bool, found: &EvaluationResult, labels: &[&str]) {
    found.warnings.iter().for_each(|text| warning(text));
    if let Some(hint) = hint(found) {
        note(&format!("hint: {hint}"));
    }
    result(json, found, || text(found, labels));
}

/// The options that a warning is about, where they can help.
fn hint(found: &EvaluationResult) -> Option<&'static str> {
    let mut sgd = found.probes.iter().filter(|row| row.probe == "sgd");
    let unfinished = sgd.any(|row| row.runs.iter().any(|run| run.converged == Some(false)));
    (unfinished && found.command == "probe").then_some(
        "train the sgd probe longer with --sgd-epochs, or at a higher rate with --sgd-rate",
    )
}

fn text(found: &EvaluationResult, labels: &[&str]) -> String {
    match (found.command.as_str(), &found.svm) {
        ("knn", _) => neighbours(found),
        ("finetune", _) => finetuned(found),
        (_, Some(svm)) => machines(found, svm, labels),
        _ => probes(found),
    }
}

/// Rows of text with a header of plain words.
fn with_header<const N: usize>(header: [&str; N]) -> Vec<Vec<String>> {
    vec![header.map(str::to_owned).to_vec()]
}

fn or_empty(percent: Option<f64>) -> String {
    percent.map_or(String::new(), |percent| format!("{percent:.2}"))
}

fn probes(found: &EvaluationResult) -> String {
    let header = [
        "probe",
        "labels",
        "images",
        "top-1, %",
        "top-5, %",
        "per class, %",
    ];
    let mut rows = with_header(header);
    if let (Some(k), Some(knn)) = (found.k, found.knn) {
        let cells = [
            format!("{k}-NN"),
            "100 %".into(),
            String::new(),
            format!("{knn:.2}"),
        ];
        rows.push(cells.to_vec());
    }
    for row in &found.probes {
        let per_class = row.runs.iter().map(|run| run.figures.mean_per_class);
        let mut cells = vec![row.probe.clone()];
        cells.extend(of_row(row));
        cells.push(format!(
            "{:.2}",
            per_class.sum::<f64>() / row.runs.len() as f64
        ));
        rows.push(cells);
    }
    let features = found
        .settings
        .get("features")
        .and_then(|text| text.as_str());
    let features = features.map_or(String::new(), |features| {
        format!("Features of sgd {features}; of logistic and k-NN cached.\n")
    });
    format!(
        "{}\nlogistic: L-BFGS on standardised features; sgd: the paper's linear layer on raw \
         features{}.\n\
         {features}{}{} test images; last epoch, not the best.",
        table(&rows),
        preset(found),
        spans(&found.probes),
        found.test_images
    )
}

/// The preset of the SGD probe, and why it was chosen.
fn preset(found: &EvaluationResult) -> String {
    let word = |key: &str| found.settings.get(key).and_then(|value| value.as_str());
    let Some(preset) = word("preset").filter(|_| found.probes.iter().any(|row| row.probe == "sgd"))
    else {
        return String::new();
    };
    match word("preset_from") {
        Some(from) => format!(",\nwith the settings of {preset} ({from})"),
        None => format!(",\nwith the settings of {preset}"),
    }
}

/// What ± spans, as a sentence; nothing where no row has it.
fn spans(rows: &[ProbeRow]) -> &'static str {
    match rows.iter().any(|row| row.noise().is_some()) {
        true => {
            "± is the standard error over label subsets; it does not cover other training seeds.\n"
        }
        false => "",
    }
}

/// Labels, images, top-1 and top-5 of one classifier at one fraction.
fn of_row(row: &ProbeRow) -> [String; 4] {
    [
        format!("{} %", percent(row.fraction)),
        row.images.to_string(),
        plus_minus(row.accuracy, row.noise()),
        or_empty(row.top5),
    ]
}

fn finetuned(found: &EvaluationResult) -> String {
    let mut rows = with_header(["labels", "images", "top-1, %", "top-5, %"]);
    rows.extend(found.probes.iter().map(|row| of_row(row).to_vec()));
    format!(
        "{}\nAll layers trained, random crops and flips.\n{}{} test images; last epoch, not the \
         best.",
        table(&rows),
        spans(&found.probes),
        found.test_images
    )
}

fn neighbours(found: &EvaluationResult) -> String {
    let mut rows = with_header(["neighbours", "vote", "top-1, %", "top-5, %", "per class, %"]);
    for fit in &found.results {
        let Figures {
            top1,
            top5,
            mean_per_class,
            ..
        } = &fit.figures;
        rows.push(vec![
            fit.k.to_string(),
            fit.vote.clone(),
            format!("{top1:.2}"),
            or_empty(*top5),
            format!("{mean_per_class:.2}"),
        ]);
    }
    format!(
        "{}\nCosine similarity, exact; {} test rows. One model, one set of labels: no ± is known.",
        table(&rows),
        found.test_images
    )
}

fn machines(found: &EvaluationResult, svm: &SvmResult, labels: &[&str]) -> String {
    if let Some(precisions) = &svm.precisions {
        return average_precisions(svm, precisions, labels);
    }
    let Some(figures) = &svm.figures else {
        return String::new();
    };
    let cost = svm.svms.first().map_or(f64::NAN, |unit| unit.cost);
    format!(
        "top-1 {:.2} %, per class {:.2} %, {} test rows, C {cost}",
        figures.top1, figures.mean_per_class, found.test_images
    )
}

fn average_precisions(svm: &SvmResult, precisions: &Precisions, labels: &[&str]) -> String {
    let mut rows = with_header(["label", "AP, %", "C"]);
    for (label, precision) in precisions.average_precision.iter().enumerate() {
        let own = svm.svms.iter().find(|unit| unit.class == label);
        let name = labels.get(label).map(|&name| name.to_owned());
        rows.push(vec![
            name.unwrap_or_else(|| label.to_string()),
            precision.map_or("-".into(), |precision| format!("{precision:.2}")),
            own.map_or("-".into(), |unit| unit.cost.to_string()),
        ]);
    }
    let mean = format!("{:.2}", precisions.mean_average_precision);
    rows.push(vec!["mean".into(), mean]);
    table(&rows)
}

#[cfg(test)]
mod tests {
    use e2mc_record::{NeighbourFit, ProbeFit, Protocol, Spans, SvmUnit};

    use super::*;

    fn figures(top1: f64, top5: Option<f64>) -> Figures {
        Figures {
            top1,
            top5,
            mean_per_class: top1,
            per_class: Vec::new(),
            confusion: None,
        }
    }

    #[test]
    fn probes_stand_below_the_neighbours() {
        let mut found = EvaluationResult::new("probe", "a", Protocol::Linear);
        found.settings.insert("preset".into(), "swav".into());
        (found.k, found.knn, found.test_images) = (Some(20), Some(71.25), 60);
        let run = ProbeFit {
            seed: 0,
            subset: None,
            l2: None,
            converged: None,
            loss: Some(0.5),
            figures: figures(75.0, Some(99.0)),
            predictions: None,
            missing: 0,
        };
        found.probes = vec![ProbeRow {
            probe: "sgd".into(),
            fraction: 0.1,
            images: 20,
            accuracy: 75.0,
            standard_error: Some(0.5),
            spans: None,
            accuracies: vec![75.0],
            top5: Some(99.0),
            runs: vec![run],
        }];
        assert_eq!(hint(&found), None);
        found.probes[0].runs[0].converged = Some(false);
        assert!(hint(&found).is_some_and(|hint| hint.contains("--sgd-epochs")));
        let text = text(&found, &[]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "20-NN    100 %                   71.25");
        assert_eq!(
            lines[2],
            "sgd       10 %       20   75.00 ± 0.50      99.00          75.00"
        );
        assert!(text.contains("60 test images"), "{text}");
        assert!(text.contains("with the settings of swav."), "{text}");
        assert!(
            text.contains("± is the standard error over label subsets"),
            "{text}"
        );
    }

    #[test]
    fn with_the_same_labels_no_noise_is_shown() {
        let row = |spans| ProbeRow {
            probe: "sgd".into(),
            fraction: 1.0,
            images: 200,
            accuracy: 75.0,
            standard_error: Some(0.5),
            spans,
            accuracies: vec![74.5, 75.5],
            top5: None,
            runs: Vec::new(),
        };
        for (spans, shown) in [
            (Some(Spans::FitSeeds), false),
            (None, false),
            (Some(Spans::LabelSubsets), true),
        ] {
            let mut found = EvaluationResult::new("finetune", "a", Protocol::SemiSupervised);
            found.probes = vec![row(spans)];
            let text = text(&found, &[]);
            assert_eq!(text.contains("75.00 ± 0.50"), shown, "{text}");
            assert_eq!(text.contains("training seeds"), shown, "{text}");
        }
    }

    #[test]
    fn every_number_of_neighbours_has_a_line() {
        let mut found = EvaluationResult::new("knn", "a", Protocol::Knn);
        let fit = |k, vote: &str| NeighbourFit {
            k,
            vote: vote.into(),
            figures: figures(50.0, None),
            predictions: None,
        };
        found.results = vec![fit(5, "weighted"), fit(5, "majority")];
        assert_eq!(text(&found, &[]).lines().count(), 5);
    }

    #[test]
    fn labels_without_names_are_numbered() {
        let mut found = EvaluationResult::new("svm", "a", Protocol::Svm);
        let unit = SvmUnit {
            class: 1,
            cost: 0.1,
            held_out: None,
            epochs: 3,
            converged: true,
        };
        found.svm = Some(SvmResult {
            svms: vec![unit],
            figures: None,
            precisions: Some(Precisions {
                mean_average_precision: 30.0,
                average_precision: vec![None, Some(30.0)],
                interpolation: "area".into(),
            }),
            predictions: None,
        });
        let text = text(&found, &["cat"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "cat         -     -");
        assert_eq!(lines[2], "1       30.00   0.1");
    }
}
