//! Pages from records: what is shown, in which order, with which claims, and names that would break
//! them.

use std::path::{Path, PathBuf};

use e2mc::{Matrix, Transform};
use e2mc_eval::CrossedComparison;
use e2mc_record::{
    CheckpointOrigin, EvaluationResult, Figures, FoundResult, FoundResults, ImprovementVerdict,
    LabelSubsets, NeighbourFit, Origin, ProbeRow, Protocol, Run, RunFolder, RunLog, Spans,
    SvmResult,
};
use roxmltree::Document;

use super::comparison::{Comparison, Line, Other};
use super::demo::{Demonstration, Row};
use super::embedding::{Subject, changes_of};
use super::sweep::{Axis, Point, Recipe, Sweep};
use super::{BASE, demo, embedding, improve, run, sweep};
use crate::sample::HOSTILE;
use crate::tests::as_xml;
use crate::{Block, Chart, Finding, Report, Verdict};

/// A log of two epochs, as a run writes it.
fn log(name: &str) -> RunLog {
    let text = r#"{"event":"start","recipe":{"training":{"epochs":2}}}
{"event":"epoch","epoch":0,"step":0,"knn":0.5}
{"event":"step","step":5,"epoch":1,"loss":3.5,"terms":{"invariance":1.0,"entropy":-0.4},"images_per_s":10.0,"waiting":0.1,"learning_rate":0.1}
{"event":"epoch","epoch":1,"step":5,"loss":3.5,"knn":0.75,"knn_change":0.25,"knn_change_error":0.01}
{"event":"step","step":10,"epoch":2,"loss":2.5,"terms":{"invariance":0.5,"entropy":-0.2},"images_per_s":10.0,"waiting":0.1,"learning_rate":0.1}
{"event":"epoch","epoch":2,"step":10,"loss":2.5,"knn":0.75,"knn_change":0.25,"knn_change_error":0.01,"collapse":{"dims":8,"spread":0.9,"least_spread":0.5,"dead_dims":2,"entropy":-0.1,"least_entropy":-1,"entropy_shape":-0.0625,"covariance_shape":0.03125}}
{"event":"end","outcome":"finished","seconds":12.0}
"#;
    RunLog {
        name: name.to_owned(),
        folder: PathBuf::from("runs").join(name),
        ..RunLog::parse(text, Path::new("metrics.jsonl")).unwrap()
    }
}

fn run_of(name: &str, results: Vec<(&str, EvaluationResult)>) -> Run {
    let log = log(name);
    let found = results.into_iter().map(|(folder, result)| FoundResult {
        path: log.folder.join(folder).join("result.json"),
        result,
    });
    Run {
        folder: RunFolder::new(&log.folder),
        settings: None,
        recipe: Some("beta = 1000 # <paper>".to_owned()),
        results: FoundResults {
            results: found.collect(),
            unread: vec!["other/result.json: expected a result, found <b>".to_owned()],
        },
        log,
    }
}

fn result(protocol: Protocol, sha256: &str) -> EvaluationResult {
    EvaluationResult {
        origin: Origin::Checkpoint(CheckpointOrigin {
            checkpoint: PathBuf::from("model.safetensors"),
            checkpoint_sha256: Some(sha256.to_owned()),
            ..CheckpointOrigin::default()
        }),
        test_images: 100,
        label_subsets: Some(LabelSubsets {
            seeds: vec![0, 1, 2, 3, 4],
            ..LabelSubsets::default()
        }),
        ..EvaluationResult::new("probe", "model", protocol)
    }
}

fn untouched(mut result: EvaluationResult) -> EvaluationResult {
    result.training = Some(e2mc_record::Training {
        outcome: "untouched".to_owned(),
        epochs: 0,
    });
    result
}

/// Five fits around `mean`, each `spread` further.
fn probe(name: &str, fraction: f64, mean: f64, spread: f64) -> ProbeRow {
    let accuracies: Vec<f64> = (-2..=2).map(|i| mean + spread * f64::from(i)).collect();
    ProbeRow {
        probe: name.to_owned(),
        fraction,
        images: 10,
        accuracy: mean,
        standard_error: Some(spread / 2f64.sqrt()),
        spans: Some(Spans::LabelSubsets),
        accuracies,
        top5: None,
        runs: Vec::new(),
    }
}

fn figures(top1: f64) -> Figures {
    Figures {
        top1,
        top5: None,
        mean_per_class: top1,
        per_class: Vec::new(),
        confusion: None,
    }
}

fn neighbours(top1: f64, sha256: &str) -> EvaluationResult {
    EvaluationResult {
        results: vec![NeighbourFit {
            k: 20,
            vote: "weighted".to_owned(),
            figures: figures(top1),
            predictions: None,
        }],
        ..result(Protocol::Knn, sha256)
    }
}

fn linear(mean: f64, spread: f64, sha256: &str) -> EvaluationResult {
    EvaluationResult {
        k: Some(20),
        knn: Some(mean - 10.0),
        probes: vec![
            probe("logistic", 0.01, mean, spread),
            probe("logistic", 0.1, mean + 5.0, spread),
        ],
        ..result(Protocol::Linear, sha256)
    }
}

/// One run with a result of every protocol, of the base too.
fn evaluated() -> Run {
    let tuned = EvaluationResult {
        probes: vec![probe("finetune", 0.01, 88.25, 0.2)],
        ..result(Protocol::SemiSupervised, "after")
    };
    let svm = EvaluationResult {
        svm: Some(SvmResult {
            svms: Vec::new(),
            figures: Some(figures(71.75)),
            precisions: None,
            predictions: None,
        }),
        ..result(Protocol::Svm, "after")
    };
    // Every fit gains 2, so the paired change has hardly any noise; the base is found last.
    let mut after = linear(82.0, 1.0, "after");
    after.probes[0].accuracies[0] += 0.01;
    run_of(
        "tuned",
        vec![
            ("finetune", tuned),
            ("knn", neighbours(66.5, "after")),
            ("probe", after),
            ("svm", svm),
            ("zero", untouched(linear(80.0, 1.0, "before"))),
        ],
    )
}

fn text_of(findings: &[Finding]) -> Vec<(Verdict, &str)> {
    let texts = findings.iter().map(|f| (f.verdict, f.text.as_str()));
    texts.collect()
}

fn verdict_of(findings: &[Finding], start: &str) -> Verdict {
    let found = findings.iter().find(|f| f.text.starts_with(start));
    found
        .unwrap_or_else(|| panic!("{start} is not among {:?}", text_of(findings)))
        .verdict
}

fn dots(report: &Report) -> &crate::Dots {
    let blocks = report.sections.iter().flat_map(|s| &s.blocks);
    let mut dots = blocks.filter_map(|block| match block {
        Block::Chart(Chart::Dots(dots)) => Some(dots),
        _ => None,
    });
    dots.next().expect("a dot chart")
}

#[test]
fn a_run_shows_every_result_below_its_folder_and_the_base_first() {
    let report = run::report(&[evaluated()], "report");
    let dots = dots(&report);
    assert_eq!(dots.series, [BASE, "tuned"]);
    let titles: Vec<&str> = dots.panels.iter().map(|p| p.title.as_str()).collect();
    for title in [
        "20-NN",
        "logistic, 1 % of labels",
        "logistic, 10 % of labels",
        "finetune, 1 % of labels",
        "20-NN weighted",
        "SVM",
    ] {
        assert!(titles.contains(&title), "{title} is not among {titles:?}");
    }
    let html = report.to_html();
    for value in [
        "88.25 ± 0.14",
        ">66.50<",
        ">71.75<",
        "82.00 ± 0.71",
        ">70.00<",
    ] {
        assert!(html.contains(value), "{value}");
    }
    // The base is grey, wherever it was found.
    let figure = Chart::from(dots.clone()).figure(&report.inks);
    assert_eq!(figure.legend[0], crate::Entry::Marker(0, BASE.to_owned()));
    assert!(matches!(figure.legend[1], crate::Entry::Marker(1.., _)));
    assert!(html.contains("Standard errors (±) are over label subsets, not training seeds."));
}

#[test]
fn claims_have_intervals_and_what_could_not_be_read_is_said() {
    let findings = run::findings(&[evaluated()]);
    assert_eq!(
        verdict_of(&findings, "Finished after 2 of 2"),
        Verdict::Good
    );
    assert_eq!(verdict_of(&findings, "k-NN on held-out"), Verdict::Better);
    let paired = verdict_of(
        &findings,
        "logistic, 1 % of labels: tuned 82.00 ± 0.71 %, base",
    );
    assert_eq!(paired, Verdict::Better);
    // One number of each model: nothing is known of its noise.
    assert_eq!(verdict_of(&findings, "20-NN: tuned 72.00 %"), Verdict::Note);
    // A rescaling moves it, too.
    assert_eq!(
        verdict_of(&findings, "The mean marginal entropy"),
        Verdict::Note
    );
    assert_eq!(
        verdict_of(&findings, "2 of 8 embedding dim"),
        Verdict::Concern
    );
    assert_eq!(
        verdict_of(&findings, "A result is not shown"),
        Verdict::Concern
    );
    // Other label subsets cannot be paired.
    let mut other = evaluated();
    for found in &mut other.results.results {
        if found.result.training.is_some() {
            found.result.label_subsets = None;
        }
    }
    let findings = run::findings(&[other]);
    assert_eq!(
        verdict_of(&findings, "logistic, 1 % of labels"),
        Verdict::Note
    );
}

#[test]
fn a_second_result_of_the_same_kind_is_shown_by_its_folder() {
    let runs = [run_of(
        "tuned",
        vec![
            ("probe", linear(82.0, 1.0, "after")),
            ("probe-late", linear(83.0, 1.0, "after")),
        ],
    )];
    let report = run::report(&runs, "report");
    assert_eq!(dots(&report).series, ["tuned", "tuned, probe-late"]);
}

#[test]
fn a_figure_on_which_two_results_agree_does_not_split_the_model() {
    let others = EvaluationResult {
        probes: vec![probe("sgd", 0.01, 60.0, 1.0)],
        ..linear(82.0, 1.0, "after")
    };
    let results = vec![("knn", linear(82.0, 1.0, "after")), ("probe", others)];
    let report = run::report(&[run_of("tuned", results)], "report");
    let dots = dots(&report);
    assert_eq!(dots.series, ["tuned"]);
    let titles = dots.panels.iter().map(|panel| panel.title.as_str());
    assert_eq!(titles.filter(|&title| title == "20-NN").count(), 1);
}

#[test]
fn a_run_without_results_or_steps_has_no_empty_panel() {
    let full = run::report(&[evaluated()], "report").to_html();
    assert!(!full.contains("no values to draw"));
    let mut young = run_of("young", vec![]);
    young.log = RunLog {
        steps: Vec::new(),
        epochs: Vec::new(),
        end: None,
        ..young.log
    };
    let html = run::report(&[young], "report").to_html();
    assert!(!html.contains("no values to draw") && !html.contains("class=\"panel\""));
    assert!(html.contains("Not finished: 0 of 2 epochs are done"));
}

/// The page is well-formed, and the hostile name is text in it.
fn survives(report: &Report, name: &str) {
    let xml = as_xml(report);
    let document = Document::parse(&xml).expect("well-formed");
    let scripts = document.descendants().filter(|n| n.has_tag_name("script"));
    assert_eq!(scripts.count(), 1, "the page's own");
    assert!(!xml.contains("<script>alert"));
    let shown = name.replace('\0', "\u{FFFD}").replace('`', "");
    let bold = document.descendants().filter(|n| n.has_tag_name("b"));
    assert!(bold.filter_map(|n| n.text()).all(|text| text != "bold"));
    let texts = document.descendants().filter_map(|n| n.text());
    let start: String = shown.chars().take(8).collect();
    assert!(
        texts.into_iter().any(|text| text.contains(&start)),
        "{start}"
    );
    for figure in report.figures() {
        Document::parse(&figure.to_svg()).expect("well-formed");
    }
}

#[test]
fn hostile_names_stay_text_on_every_page() {
    let name = format!("<b>bold</b>`x{HOSTILE}");
    let mut evaluated = evaluated();
    evaluated.log.name.clone_from(&name);
    let two = [
        evaluated,
        run_of(&name, vec![("probe", linear(80.0, 1.0, &name))]),
    ];
    survives(&run::report(&two, &name), &name);
    let subjects =
        ["before", "after", "third"].map(|state| subject(&format!("{state}: {name}"), 1.0));
    for count in 1..=3 {
        survives(&embedding::report(&subjects[..count], &name), "before: ");
    }
    let mut grid = grid([79.0, 81.0, 80.5, 80.2], 1.0);
    grid.axes[0].name.clone_from(&name);
    grid.axes[1].labels[0].clone_from(&name);
    grid.made = vec![(name.clone(), name.clone())];
    survives(&sweep::report(&grid), &name);
    let screen = crate::plot::screen(&log("a\u{1b}]0;b\u{7}"), 80);
    assert!(!screen.contains('\u{1b}') && !screen.contains('\u{7}'));
}

/// Rows whose spread is `scale`.
fn subject(name: &str, scale: f32) -> Subject {
    let (rows, cols) = (240, 4);
    let value = |i: usize| {
        let uniform = (i as f64 * 0.618_033_988_75 + (i % cols) as f64 * 0.37).fract();
        scale * ((uniform / (1.0 - uniform).max(1e-3)).max(1e-3).ln() as f32)
    };
    let z = Matrix::new((0..rows * cols).map(value).collect(), rows, cols).unwrap();
    Subject::of_matrix(name, z.view(), Transform::Sigmoid).unwrap()
}

#[test]
fn a_rise_of_the_entropy_by_rescaling_is_no_claim_and_is_said() {
    let (before, after) = (subject("before: a", 0.5), subject("after: a", 0.8));
    let findings = changes_of(&before, &after);
    let (from, to) = (
        before.diagnostics.marginals.mean_entropy,
        after.diagnostics.marginals.mean_entropy,
    );
    assert!(to > from, "{from} {to}");
    let better = [Verdict::Better, Verdict::Worse];
    assert!(findings.iter().all(|f| !better.contains(&f.verdict)));
    let start = "Rescaling alone explains 100 % of the rise in entropy";
    assert_eq!(verdict_of(&findings, start), Verdict::Note);
    assert_eq!(
        verdict_of(&findings, "Mean marginal entropy (0 is uniform): "),
        Verdict::Note
    );
}

#[test]
fn several_embeddings_go_by_their_names_and_the_control_is_among_them() {
    let subjects = [
        subject(BASE, 0.5),
        subject("continued", 0.6),
        subject("+ E2MC", 0.8),
    ];
    let report = embedding::report(&subjects, "inspect");
    let html = report.to_html();
    assert!(html.contains("in continued") && html.contains("in + E2MC"));
    assert!(!html.contains("before and after") && !html.contains("no values to draw"));
    for figure in report.figures() {
        let names: Vec<&str> = figure.legend.iter().map(crate::Entry::name).collect();
        if names.contains(&BASE) {
            assert!(names.contains(&"continued"), "{}", figure.title);
        }
    }
    let json = embedding::json(&subjects, &embedding::findings(&subjects));
    assert_eq!(json["embeddings"].as_array().unwrap().len(), 3);
    let two = embedding::json(&subjects[..2], &[]);
    assert_eq!(two["after"]["rows"], 240);
}

/// A grid of two by two whose logistic figures are `means`.
fn grid(means: [f64; 4], spread: f64) -> Sweep {
    let axis = |name: &str, labels: [&str; 2]| Axis {
        name: name.to_owned(),
        labels: labels.map(str::to_owned).to_vec(),
    };
    let points = means.iter().enumerate().map(|(i, mean)| Point {
        indices: vec![i / 2, i % 2],
        result: Some(linear(*mean, spread, &i.to_string())),
    });
    Sweep {
        axes: vec![axis("beta", ["1", "1000"]), axis("gamma", ["0", "25"])],
        base: untouched(linear(80.0, 1.0, "base")),
        points: points.collect(),
        recipe: Recipe {
            epochs: 1,
            criterion: "e2mc".to_owned(),
            text: "beta = 1".to_owned(),
        },
        made: Vec::new(),
        command: "sweep".to_owned(),
    }
}

#[test]
fn a_best_cell_within_the_noise_of_the_base_is_not_framed() {
    // The best gains one point, and its fits spread by one more than the base's.
    let noisy = grid([79.0, 81.0, 80.5, 80.2], 2.0);
    let html = sweep::report(&noisy).to_html();
    assert!(!html.contains("class=\"best\""));
    assert!(
        html.contains("<th scope=\"row\">base</th>"),
        "the base is in the table"
    );
    assert!(html.contains("base: 80.00."), "and in the scale");
    let found = sweep::findings(&noisy);
    let start = "logistic, 1 % of labels: the highest is 81.00 ± 1.41 %, with beta 1, gamma 25";
    assert_eq!(verdict_of(&found, start), Verdict::NoDifference);
    // The same gain of nearly every fit is beyond the noise.
    let mut clear = grid([79.0, 81.0, 80.5, 80.2], 1.0);
    let best = clear.points[1].result.as_mut().unwrap();
    best.probes[0].accuracies[0] += 0.01;
    let html = sweep::report(&clear).to_html();
    assert!(html.contains("class=\"best\""));
    assert_eq!(
        verdict_of(&sweep::findings(&clear), start.split(" ± ").next().unwrap()),
        Verdict::Better
    );
    // What is not measured yet leaves a hole, and no error.
    clear.points[2].result = None;
    assert!(sweep::report(&clear).to_html().contains("3 of 4 runs"));
}

#[test]
fn the_demo_says_what_was_gained_and_shows_every_row() {
    let row = |name: &str, mean: f64, steps| Row {
        name: name.to_owned(),
        mapped: name.ends_with("map"),
        steps,
        result: linear(mean, 1.0, name),
    };
    let compared = |first: &str, second: &str, gain: f64| Comparison {
        first: first.into(),
        others: vec![Other {
            name: second.into(),
            identity: String::new(),
            lines: vec![Line {
                name: "20-NN weighted".into(),
                difference: CrossedComparison {
                    subsets: 1,
                    samples: 3000,
                    accuracy_a: 0.7,
                    accuracy_b: 0.7 + gain,
                    mean_difference: gain,
                    interval: (gain - 0.01, gain + 0.01),
                    p: 0.001,
                },
                confidence: 0.95,
                p: 0.001,
            }],
        }],
        level: 0.05,
        ..Comparison::default()
    };
    let mut shown = Demonstration {
        outcome: improve::tests::outcome(),
        rows: vec![
            row(BASE, 80.0, None),
            row("base, map", 81.0, None),
            row("continued", 80.5, Some(300)),
            row("+ E2MC", 82.0, Some(300)),
            row("given back", 83.25, Some(300)),
        ],
        map: "whiten, strength 1".into(),
        compared: vec![
            compared(BASE, "given back", 0.05),
            compared("continued", "+ E2MC", -0.02),
        ],
        subjects: vec![subject(BASE, 0.5), subject("+ E2MC", 0.8)],
    };
    let report = demo::report(&shown);
    let html = report.to_html();
    Document::parse(&as_xml(&report)).expect("well-formed");
    for part in [
        "What was gained",
        "Every model on the test images",
        "What was tried",
        "Marginal distributions",
        "83.25",
        "± 0.71",
        "base, rescaled to",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let findings = demo::findings(&shown);
    let gained = "Neighbours and retrieval, all labels (20-NN weighted): 75.00 % with the new \
                  model, 70.00 %";
    assert_eq!(verdict_of(&findings, gained), Verdict::Better);
    let second = "Effect of the entropy criterion, compared with the same training without it, in \
                  points: 20-NN weighted";
    assert_eq!(verdict_of(&findings, second), Verdict::Worse);
    // Where the old model stays, nothing is said to be gained.
    shown.outcome.verdict = ImprovementVerdict::NotVerified;
    let findings = demo::findings(&shown);
    assert_eq!(
        verdict_of(&findings, "The old model stays"),
        Verdict::NoDifference
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.verdict != Verdict::Better)
    );
}

#[test]
fn a_runs_embedding_is_also_shown_without_scale() {
    let titles = |log: &RunLog| {
        let charts = run::quality(std::slice::from_ref(log)).charts;
        charts
            .into_iter()
            .map(|chart| chart.title)
            .collect::<Vec<_>>()
    };
    let mut log = log("new");
    for wanted in ["Its entropy without scale", "Its covariance without scale"] {
        assert!(titles(&log).iter().any(|title| title == wanted), "{wanted}");
    }
    // Logs of earlier versions have neither.
    for epoch in &mut log.epochs {
        if let Some(collapse) = &mut epoch.collapse {
            (collapse.entropy_shape, collapse.covariance_shape) = (None, None);
        }
    }
    assert!(
        titles(&log)
            .iter()
            .all(|title| !title.contains("without scale"))
    );
}
