//! Results of every protocol, written and read; folders, replaced and refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::{FoundResults, PREDICTIONS, RESULT, ResultFolder, find_results};

fn figures(top1: f64) -> Figures {
    Figures {
        top1,
        top5: Some(100.0),
        mean_per_class: top1,
        per_class: vec![Some(top1), None],
        confusion: Some(vec![vec![3, 1], vec![0, 0]]),
    }
}

fn probe() -> EvaluationResult {
    let fit = |seed: u64, place: &str| ProbeFit {
        seed,
        subset: Some(format!("{seed:x}")),
        l2: Some(0.1),
        converged: Some(true),
        loss: None,
        figures: figures(50.0 + seed as f64),
        predictions: Some(place.into()),
        missing: 0,
    };
    let mut result = EvaluationResult::new("probe", "base", Protocol::Linear);
    result.origin = Origin::Checkpoint(CheckpointOrigin {
        checkpoint: "base.safetensors".into(),
        checkpoint_sha256: Some("ab".into()),
        data: Some("sample".into()),
        val_fraction: None,
        val_seed: 3,
        output: Some("backbone".into()),
    });
    result.preprocessing = Some(Preprocessing {
        squash: false,
        channels: 1,
        resize: None,
        crop: 28,
        filter: None,
        mean: vec![0.286],
        std: vec![0.353],
    });
    result.splits.test = Some(SplitRecord {
        split: "test".into(),
        images: 4,
        fingerprint: Some("cd".into()),
    });
    result.settings.insert("preset".into(), json!("vicreg"));
    result.label_subsets = Some(LabelSubsets {
        fractions: vec![0.01],
        images: vec![12],
        seeds: vec![0, 1],
        list: None,
    });
    (result.train_images, result.test_images, result.classes) = (1200, 4, 2);
    (result.k, result.knn) = (Some(20), Some(40.0));
    result.results.push(NeighbourFit {
        k: 20,
        vote: "majority".into(),
        figures: figures(40.0),
        predictions: Some("knn-20-majority/predictions.npz".into()),
    });
    result.probes.push(ProbeRow {
        probe: "logistic".into(),
        fraction: 0.01,
        images: 12,
        accuracy: 50.5,
        standard_error: Some(0.5),
        spans: Some(Spans::LabelSubsets),
        accuracies: vec![50.0, 51.0],
        top5: Some(100.0),
        runs: vec![
            fit(0, "predictions.npz"),
            fit(1, "logistic-1pct-seed1/predictions.npz"),
        ],
    });
    result.warnings.push("few images".into());
    result
}

fn machines(several: bool) -> EvaluationResult {
    let mut result = EvaluationResult::new("svm", "base", Protocol::Svm);
    result.origin = Origin::Files(FileOrigin {
        train: "train.npz:x".into(),
        train_labels: "train.npy".into(),
        test: "test.npz:x".into(),
        test_labels: "test.npy".into(),
    });
    result.svm = Some(SvmResult {
        svms: vec![SvmUnit {
            class: 0,
            cost: 0.1,
            held_out: None,
            epochs: 7,
            converged: true,
        }],
        figures: (!several).then(|| figures(60.0)),
        precisions: several.then(|| Precisions {
            mean_average_precision: 70.0,
            average_precision: vec![Some(70.0), None],
            interpolation: "area".into(),
        }),
        predictions: Some(PREDICTIONS.into()),
    });
    result
}

fn written(result: &EvaluationResult) -> (EvaluationResult, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(RESULT);
    result.write(&path).unwrap();
    let json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    (EvaluationResult::read(&path).unwrap(), json)
}

#[test]
fn every_result_comes_back_as_it_was_written() {
    let mut tuned = probe();
    tuned.evaluation = Protocol::SemiSupervised;
    tuned.training = Some(Training {
        outcome: "finished".into(),
        epochs: 5,
    });
    tuned.origin = Origin::default();
    for result in [probe(), tuned, machines(false), machines(true)] {
        let (read, _) = written(&result);
        assert_eq!(read, result);
    }
}

#[test]
fn the_keys_of_the_file_stay() {
    let (_, json) = written(&probe());
    for (pointer, expected) in [
        ("/format", json!(1)),
        ("/e2mc", json!(crate::VERSION)),
        ("/command", json!("probe")),
        ("/model", json!("base")),
        ("/checkpoint_sha256", json!("ab")),
        ("/output", json!("backbone")),
        ("/evaluation", json!("linear")),
        ("/settings/preset", json!("vicreg")),
        ("/knn", json!(40.0)),
        ("/results/0/top1", json!(40.0)),
        ("/probes/0/accuracy", json!(50.5)),
        ("/probes/0/standard_error", json!(0.5)),
        ("/probes/0/spans", json!("label-subsets")),
        ("/probes/0/runs/1/top1", json!(51.0)),
        ("/probes/0/runs/0/predictions", json!("predictions.npz")),
        ("/splits/test/fingerprint", json!("cd")),
        ("/warnings/0", json!("few images")),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}: {json}");
    }
    let (_, json) = written(&machines(true));
    assert_eq!(json["mean_average_precision"], 70.0);
    assert_eq!(json["svms"][0]["cost"], 0.1);
    assert_eq!(json["train_labels"], "train.npy");
    assert!(
        json.get("top1").is_none() && json.get("probes").is_none(),
        "{json}"
    );
}

#[test]
fn rows_and_fits_of_all_protocols_are_seen_alike() {
    let result = probe();
    let fits: Vec<String> = result.fits().map(|fit| fit.key.to_string()).collect();
    assert_eq!(
        fits,
        [
            "20-NN majority",
            "logistic, 1 % of labels, seed 0",
            "logistic, 1 % of labels, seed 1"
        ]
    );
    let rows: Vec<(String, f64)> = result
        .rows()
        .map(|row| (row.key.row_name(), row.mean))
        .collect();
    let expected = [("20-NN majority", 40.0), ("logistic, 1 % of labels", 50.5)];
    assert_eq!(rows, expected.map(|(name, mean)| (name.to_owned(), mean)));
    let several = machines(true);
    let row = several.rows().next().unwrap();
    assert_eq!((row.mean, row.measure, row.values.len()), (70.0, "mAP", 1));
    assert!(several.fits().next().unwrap().figures.is_none());
    let places: Vec<_> = result.predictions().collect();
    assert_eq!(places.len(), 3);
}

#[test]
fn a_result_without_what_earlier_ones_lacked_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(RESULT);
    let row = json!({ "probe": "sgd", "fraction": 0.01, "accuracy": 50.0 });
    let file = json!({
        "command": "probe", "model": "a", "evaluation": "linear", "probes": [row], "later": { "x": 1 },
    });
    fs::write(&path, file.to_string()).unwrap();
    let result = EvaluationResult::read(&path).unwrap();
    assert_eq!((result.format, result.probes[0].accuracy), (1, 50.0));
    assert_eq!(result.origin, Origin::default());
    assert!(result.svm.is_none());
}

#[test]
fn files_that_are_no_results_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(RESULT);
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        let error = EvaluationResult::read(&path).unwrap_err().to_string();
        error.split_once("result.json: ").unwrap().1.to_owned()
    };
    for (text, expected) in [
        ("", "expected a result, found EOF"),
        ("[1]", "expected a result, found invalid"),
        ("{}", "expected a result, found missing field"),
        (
            r#"{"format":1,"command":"probe","model":"a","evaluation":"linear"}"#,
            "expected a result, found no figures",
        ),
        (
            r#"{"command":"probe","model":"a","evaluation":"linear","probes":[{"probe":1}]}"#,
            "expected a result, found invalid type: integer",
        ),
        (
            r#"{"format":2,"anything":true}"#,
            "expected a result of format 1 or lower, found format 2",
        ),
    ] {
        let found = error(text);
        assert!(found.starts_with(expected), "{found}");
    }
    let missing = EvaluationResult::read(&folder.path().join("no")).unwrap_err();
    assert!(matches!(missing, crate::Error::Io { .. }), "{missing}");
}

/// Writes a result with a file for each of its predictions.
fn leave(folder: &ResultFolder, result: &EvaluationResult) {
    for (fit, place) in [("first", ""), ("other", "other/")] {
        let (path, found) = folder.predictions(fit).unwrap().unwrap();
        assert_eq!(found, Path::new(&format!("{place}{PREDICTIONS}")));
        fs::write(path, fit).unwrap();
    }
    let mut result = result.clone();
    result.probes[0].runs[1].predictions = Some("other/predictions.npz".into());
    result.results.clear();
    folder.write(&result).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[test]
fn an_evaluation_that_ends_early_leaves_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().join("out");
    let folder = ResultFolder::create(&out, false).unwrap();
    let (path, _) = folder.predictions("fit").unwrap().unwrap();
    fs::write(path, "half").unwrap();
    let error = ResultFolder::create(&out, false).unwrap_err();
    assert!(matches!(error, crate::Error::Lock(_)), "{error}");
    drop(folder);
    assert!(!out.exists());
    // As a kill leaves it.
    fs::create_dir_all(out.join(".e2mc-unfinished/fit")).unwrap();
    fs::write(out.join(".lock"), "process 1").unwrap();
    drop(ResultFolder::create(&out, false).unwrap());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

/// A signal's thread removes what is aside while others still ask for places.
#[test]
fn what_was_removed_does_not_come_back() {
    let out = tempfile::tempdir().unwrap();
    let mut folder = ResultFolder::create(out.path(), false).unwrap();
    folder.set_first("first");
    fs::remove_dir(out.path().join(".e2mc-unfinished")).unwrap();
    assert!(folder.predictions("first").unwrap().is_some());
    assert!(folder.surroundings().unwrap().is_some());
    assert!(folder.predictions("other").is_err());
    assert!(!out.path().join(".e2mc-unfinished").exists());
}

#[test]
fn an_older_result_is_refused_or_replaced_without_a_rest() {
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().join("out");
    let create = |overwrite| ResultFolder::create(&out, overwrite);
    let mut folder = create(false).unwrap();
    folder.set_first("first");
    leave(&folder, &probe());
    drop(folder);
    fs::write(out.join("notes.txt"), "mine").unwrap();
    assert_eq!(names(&out), ["notes.txt", "other", PREDICTIONS, RESULT]);

    let error = create(false).unwrap_err();
    assert!(matches!(error, crate::Error::ResultThere { .. }), "{error}");
    // An evaluation that fails before it writes anything leaves the older result.
    drop(create(true).unwrap());
    assert_eq!(names(&out), ["notes.txt", "other", PREDICTIONS, RESULT]);
    let mut folder = create(true).unwrap();
    folder.set_first("svm");
    let (path, _) = folder.predictions("svm").unwrap().unwrap();
    fs::write(path, "new").unwrap();
    let old = ["notes.txt", "other", PREDICTIONS, RESULT];
    assert_eq!(names(&out), old, "until the new result is whole");
    folder.write(&machines(false)).unwrap();
    assert_eq!(names(&out), ["notes.txt", PREDICTIONS, RESULT]);
    assert_eq!(fs::read_to_string(out.join(PREDICTIONS)).unwrap(), "new");
}

#[test]
fn replacing_never_removes_what_the_older_result_did_not_write() {
    let outside = tempfile::tempdir().unwrap();
    let (out, away) = (outside.path().join("out"), outside.path().join("away"));
    for folder in [&out, &away] {
        fs::create_dir(folder).unwrap();
    }
    let foreign = away.join(PREDICTIONS);
    fs::write(&foreign, "foreign").unwrap();
    fs::create_dir(out.join("kept")).unwrap();
    for file in ["kept/predictions.npz", "kept/notes.txt", "weights.bin"] {
        fs::write(out.join(file), "x").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&away, out.join("link")).unwrap();
    let mut result = probe();
    result.results.clear();
    for place in [
        "../away/predictions.npz",
        foreign.to_str().unwrap(),
        "link/predictions.npz",
        "weights.bin",
        "kept/predictions.npz",
    ] {
        let mut fit = result.probes[0].runs[0].clone();
        fit.predictions = Some(place.into());
        result.probes[0].runs.push(fit);
    }
    result.write(&out.join(RESULT)).unwrap();
    let folder = ResultFolder::create(&out, true).unwrap();
    folder.write(&machines(true)).unwrap();
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "foreign");
    assert_eq!(names(&out.join("kept")), ["notes.txt"]);
    assert!(out.join("weights.bin").exists());
}

#[test]
fn a_folder_is_tried_before_the_work() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("occupied"), "").unwrap();
    for place in ["occupied", "occupied/below"] {
        let error = ResultFolder::create(&outside.path().join(place), false).unwrap_err();
        assert!(error.to_string().starts_with("cannot make "), "{error}");
    }
    let torn = outside.path().join("torn");
    fs::create_dir(&torn).unwrap();
    fs::write(torn.join(RESULT), "{").unwrap();
    // Nobody knows which files are the older result's.
    let error = ResultFolder::create(&torn, true).unwrap_err().to_string();
    assert!(error.contains("expected a result"), "{error}");
    let nowhere = ResultFolder::nowhere();
    assert_eq!(nowhere.predictions("fit").unwrap(), None);
    nowhere.write(&probe()).unwrap();
}

#[test]
fn results_below_a_folder_are_found_in_order() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path();
    for folder in ["b/deep", "a", "c"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    probe().write(&root.join("b/deep").join(RESULT)).unwrap();
    machines(true).write(&root.join("a").join(RESULT)).unwrap();
    fs::write(root.join("c").join(RESULT), "{\"of\":\"another program\"}").unwrap();
    fs::write(root.join("result.json.bak"), "no").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root, root.join("a/back")).unwrap();
    let FoundResults { results, unread } = find_results(root).unwrap();
    let commands: Vec<_> = results
        .iter()
        .map(|found| found.result.command.as_str())
        .collect();
    assert_eq!(commands, ["svm", "probe"]);
    assert_eq!(results[1].folder(), root.join("b/deep"));
    assert_eq!(unread.len(), 1);
    assert!(
        unread[0].contains("c/result.json: expected a result"),
        "{unread:?}"
    );
    assert!(find_results(&root.join("nowhere")).is_err());
}

#[test]
fn images_prepared_otherwise_are_told_by_what_differs() {
    let own = Preprocessing {
        channels: 3,
        resize: Some(96),
        crop: 96,
        squash: false,
        filter: Some("bilinear".into()),
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
    };
    let other = Preprocessing {
        resize: None,
        filter: Some("bicubic".into()),
        mean: vec![0.5, 0.5, 0.4],
        ..own.clone()
    };
    assert!(own.differences(&own).is_empty());
    let expected = [
        "resize 96 and none",
        "filter bilinear and bicubic",
        "mean 0.5 0.5 0.5 and 0.5 0.5 0.4",
    ];
    assert_eq!(own.differences(&other), expected);
}
