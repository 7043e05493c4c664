//! Whole evaluations of the golden embeddings: the first 400 rows train, the last 100 test. The
//! numbers are those of the program before these protocols were a library, to the last digit that
//! JSON has.

use std::fs;

use e2mc::Matrix;
use e2mc_record::{
    EvaluationResult, FileOrigin, LabelSubsets, Protocol, RESULT, ResultFolder, Spans,
};
use tempfile::TempDir;

use super::*;
use crate::adapt::{self, Method, Whiten};
use crate::testing::golden_embeddings;
use crate::{Column, KnnConfig, Vote, npz_names, read_labels, write_labels, write_npz};

fn labelled() -> Labelled {
    let (embeddings, labels) = golden_embeddings();
    let part = |from: usize, to: usize| {
        let rows: Vec<usize> = (from..to).collect();
        rows_of(embeddings.view(), &rows)
    };
    Labelled {
        train: part(0, 400),
        train_labels: labels[..400].to_vec(),
        test: part(400, 500),
        test_labels: labels[400..].to_vec(),
        classes: 5,
    }
}

fn empty(command: &str, evaluation: Protocol) -> EvaluationResult {
    EvaluationResult::new(command, "golden", evaluation)
}

fn folder() -> (TempDir, ResultFolder) {
    let outside = tempfile::tempdir().unwrap();
    let folder = ResultFolder::create(outside.path(), false).unwrap();
    (outside, folder)
}

fn near(found: f64, expected: f64) {
    let close = (found - expected).abs() <= 1e-6 * expected.abs();
    assert!(close, "{found} {expected}");
}

fn plan() -> ProbePlan {
    ProbePlan {
        subsets: Subsets::of_fractions(&[0.05, 1.0]).unwrap(),
        seeds: vec![4, 5],
        settings: ProbeSettings {
            epochs: Some(3),
            learning_rate: Some(1.0),
            ..ProbeSettings::default()
        },
        k: 7,
        ..ProbePlan::default()
    }
}

#[test]
fn the_preset_is_that_of_the_method_unless_one_is_asked_for() {
    let of = |asked, method| {
        let settings = ProbeSettings::choose(asked, method);
        (settings.preset, settings.origin)
    };
    use crate::LinearPreset::{Dino, Inat18, Simsiam, Swav, Vicreg};
    assert_eq!(of(None, Some("dino")), (Dino, PresetOrigin::Method));
    assert_eq!(of(None, Some("swav")), (Swav, PresetOrigin::Method));
    assert_eq!(of(None, Some("simsiam")), (Simsiam, PresetOrigin::Method));
    assert_eq!(of(None, Some("vicreg")), (Vicreg, PresetOrigin::Method));
    assert_eq!(
        of(Some(Inat18), Some("swav")),
        (Inat18, PresetOrigin::Given)
    );
    for unknown in [None, Some("none")] {
        assert_eq!(of(None, unknown), (Vicreg, PresetOrigin::Unknown));
    }
    let rate = ProbeSettings::choose(None, Some("swav"))
        .config(0.01)
        .learning_rate;
    assert_eq!(rate, 0.3);
}

fn is_of_short_fits(warning: &str) -> bool {
    warning.contains("ended while the loss was still falling")
}

#[test]
fn probes_have_the_numbers_that_they_had() {
    let (outside, mut folder) = folder();
    let result = empty("probe", Protocol::Linear);
    let result = evaluate_probes(result, &labelled(), &plan(), &mut folder).unwrap();
    assert_eq!((result.k, result.knn), (Some(7), Some(30.0)));
    assert_eq!(
        (result.train_images, result.test_images, result.classes),
        (400, 100, 5)
    );
    // Three epochs are too few for one of the fits.
    assert_eq!(result.warnings.len(), 1, "{:?}", result.warnings);
    assert!(result.warnings.iter().all(|text| is_of_short_fits(text)));

    let rows: Vec<_> = result
        .probes
        .iter()
        .map(|row| {
            (
                row.probe.as_str(),
                row.fraction,
                row.images,
                row.accuracies.as_slice(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("logistic", 0.05, 20, &[40.0, 36.0][..]),
            ("sgd", 0.05, 20, &[31.0, 27.0]),
            ("logistic", 1.0, 400, &[67.0]),
            ("sgd", 1.0, 400, &[20.0, 22.0]),
        ]
    );
    let errors: Vec<_> = result
        .probes
        .iter()
        .map(|row| (row.standard_error, row.spans))
        .collect();
    assert_eq!(
        errors,
        [
            (Some(2.0), Some(Spans::LabelSubsets)),
            (Some(2.0), Some(Spans::LabelSubsets)),
            (None, None),
            (Some(1.0), Some(Spans::FitSeeds)),
        ]
    );
    let runs: Vec<_> = result.probes.iter().flat_map(|row| &row.runs).collect();
    let logistic = [
        (0, 0.1, 41.98694059563625),
        (1, 1.0, 35.59573180442746),
        (4, 1e-4, 67.59328980198546),
    ];
    for (at, l2, per_class) in logistic {
        assert_eq!((runs[at].l2, runs[at].converged), (Some(l2), Some(true)));
        near(runs[at].figures.mean_per_class, per_class);
    }
    let sgd = [
        (2, 4.15692606325001, 34.551489090619526),
        (3, 5.799775255903631, 23.56330625895843),
        (5, 13.622328187404424, 24.566969262621434),
        (6, 17.141724773183558, 27.425237564368),
    ];
    for (at, loss, per_class) in sgd {
        near(runs[at].loss.unwrap(), loss);
        near(runs[at].figures.mean_per_class, per_class);
    }
    let subsets = LabelSubsets {
        fractions: vec![0.05, 1.0],
        images: vec![20, 400],
        seeds: vec![4, 5],
        list: None,
    };
    assert_eq!(result.label_subsets, Some(subsets));
    // Same labels, same fingerprint; other seeds of a fraction see others.
    assert_eq!(runs[0].subset, runs[2].subset);
    assert_ne!(runs[0].subset, runs[1].subset);
    assert_eq!(runs[5].subset, runs[6].subset);
    assert_eq!(result.settings["sgd"][0]["weight_decay"], 1e-4);
    assert_eq!(result.settings["sgd"][1]["weight_decay"], 1e-6);

    folder.write(&result).unwrap();
    // Every fit has left its predictions, the first in the folder itself.
    assert_eq!(
        runs[0].predictions.as_deref().unwrap().to_str(),
        Some("predictions.npz")
    );
    let places: Vec<_> = result.predictions().collect();
    assert_eq!(places.len(), 8);
    for fit in result.fits() {
        let path = outside.path().join(fit.predictions.unwrap());
        let predicted = read_labels(format!("{}:prediction", path.display())).unwrap();
        let right = predicted
            .iter()
            .zip(&labelled().test_labels)
            .filter(|(a, b)| a == b)
            .count();
        near(fit.figures.unwrap().top1, right as f64);
    }
    // What is written is read back equal.
    let read = EvaluationResult::read(&outside.path().join(RESULT)).unwrap();
    let without = |mut result: EvaluationResult| {
        let runs = result.probes.iter_mut().flat_map(|row| &mut row.runs);
        runs.for_each(|run| run.missing = 0);
        result
    };
    assert_eq!(read, without(result));
}

#[test]
fn a_list_of_rows_is_one_subset_for_all_seeds() {
    let outside = tempfile::tempdir().unwrap();
    let list = outside.path().join("list.txt");
    fs::write(&list, "3\n9\n\n200\n17\n5\n9\n301\n88\n").unwrap();
    let plan = ProbePlan {
        subsets: Subsets::read_rows(&list, 400).unwrap(),
        seeds: vec![0, 1],
        settings: ProbeSettings {
            epochs: Some(3),
            ..ProbeSettings::default()
        },
        ..ProbePlan::default()
    };
    let result = empty("probe", Protocol::Linear);
    let mut nowhere = ResultFolder::nowhere();
    let result = evaluate_probes(result, &labelled(), &plan, &mut nowhere).unwrap();
    assert_eq!((result.knn, result.probes[0].images), (Some(26.0), 7));
    assert_eq!(result.probes[0].accuracies, [27.0]);
    assert_eq!(result.probes[1].accuracies, [26.0, 25.0]);
    near(result.probes[1].runs[1].loss.unwrap(), 0.48962527140975);
    assert_eq!(result.probes[1].spans, Some(Spans::FitSeeds));
    let missing = "1 of 5 classes have no image among 1.75 % of the labels";
    let [first, second] = &result.warnings[..] else {
        panic!("{:?}", result.warnings)
    };
    assert!(first == missing && is_of_short_fits(second), "{second}");
    assert!(result.predictions().next().is_none());
    assert_eq!(result.settings["list"], list.to_str().unwrap());
}

#[test]
fn neighbours_have_the_numbers_that_they_had() {
    let (outside, mut folder) = folder();
    let data = labelled();
    let plan = NeighbourPlan {
        config: KnnConfig {
            ks: vec![5, 1],
            votes: vec![Vote::Weighted, Vote::Majority],
            temperature: 0.07,
        },
        memory: None,
    };
    let sets = NeighbourData {
        train: &data.train.view(),
        train_labels: &data.train_labels,
        test: &data.test.view(),
        test_labels: &data.test_labels,
        classes: 5,
    };
    let result = empty("knn", Protocol::Knn);
    let result = evaluate_neighbours(result, &sets, &plan, &mut folder).unwrap();
    let found: Vec<_> = result
        .results
        .iter()
        .map(|fit| {
            (
                fit.k,
                fit.vote.as_str(),
                fit.figures.top1,
                fit.figures.top5.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (5, "weighted", 30.0, 77.0),
            (5, "majority", 28.000000000000004, 77.0),
            (1, "weighted", 31.0, 31.0),
            (1, "majority", 31.0, 31.0),
        ]
    );
    near(result.results[1].figures.mean_per_class, 30.165525295960077);
    folder.write(&result).unwrap();
    let names = npz_names(outside.path().join("predictions.npz")).unwrap();
    assert_eq!(names, ["label", "prediction", "ranked"]);
    assert!(
        outside
            .path()
            .join("knn-1-majority/predictions.npz")
            .exists()
    );
    assert_eq!(result.settings["vote"][1], "majority");
    assert!(result.settings["memory"].is_null());
    let limited = NeighbourPlan {
        memory: Some(8 << 20),
        ..plan
    };
    let again = empty("knn", Protocol::Knn);
    let again = evaluate_neighbours(again, &sets, &limited, &mut ResultFolder::nowhere()).unwrap();
    assert_eq!(again.results[0].figures, result.results[0].figures);
}

#[test]
fn machines_have_the_numbers_that_they_had() {
    let (outside, mut folder) = folder();
    let plan = MachinePlan {
        costs: vec![0.1],
        scale: Scale::Standard,
        ..MachinePlan::default()
    };
    let result = empty("svm", Protocol::Svm);
    let result = evaluate_machines(result, labelled().into(), &plan, &mut folder).unwrap();
    let found = result.svm.as_ref().unwrap();
    let figures = found.figures.as_ref().unwrap();
    assert_eq!((figures.top1, figures.top5), (43.0, Some(100.0)));
    near(figures.mean_per_class, 43.752019960715614);
    let epochs: Vec<_> = found.svms.iter().map(|unit| unit.epochs).collect();
    assert_eq!(epochs, [69, 79, 95, 95, 78]);
    assert!(found.precisions.is_none() && result.warnings.is_empty());
    assert_eq!(result.settings["C"], serde_json::json!([0.1]));
    assert_eq!(result.settings["scale"], "standard");
    folder.write(&result).unwrap();
    let text = fs::read_to_string(outside.path().join(RESULT)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["top1"], &json["predictions"]),
        (&43.0.into(), &"predictions.npz".into())
    );
    let read = EvaluationResult::read(&outside.path().join(RESULT)).unwrap();
    assert_eq!(read, result);
}

#[test]
fn machines_of_several_labels_give_average_precisions() {
    let golden = crate::testing::golden("multilabel.npz");
    let source = |name| format!("{}:{name}", golden.display());
    let x = crate::read_embeddings(source("x")).unwrap();
    let y = crate::read_targets(source("y")).unwrap();
    let data = MachineData::new((x.clone(), y.clone()), (x, y.clone())).unwrap();
    assert_eq!(data.classes, 4);
    let plan = MachinePlan {
        costs: vec![0.01],
        ..MachinePlan::default()
    };
    let (outside, mut folder) = folder();
    let result = empty("svm", Protocol::Svm);
    let result = evaluate_machines(result, data.clone(), &plan, &mut folder).unwrap();
    folder.write(&result).unwrap();
    let read = EvaluationResult::read(&outside.path().join(RESULT)).unwrap();
    assert_eq!(read, result);
    let precisions = read.svm.unwrap().precisions.unwrap();
    let mean = precisions.average_precision.iter().flatten().sum::<f64>() / 4.0;
    near(precisions.mean_average_precision, mean);
    assert_eq!(precisions.interpolation, "area");
    let overlap = "300 of 300 test rows equal a training row";
    assert!(read.warnings[0].starts_with(overlap), "{:?}", read.warnings);
    let names = npz_names(outside.path().join("predictions.npz")).unwrap();
    assert_eq!(names, ["label", "scores"]);

    let classes = crate::Targets::Classes(vec![0; data.test.rows()]);
    let error = MachineData::new((data.train, y), (data.test, classes)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "training and test labels have different forms: 4 column(s) of 0/1, class numbers"
    );
}

#[test]
fn files_are_opened_and_checked() {
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name);
    let data = labelled();
    let floats = |matrix: &e2mc::Matrix| matrix.data().to_vec();
    for (name, matrix, labels) in [
        ("train", &data.train, &data.train_labels),
        ("test", &data.test, &data.test_labels),
    ] {
        write_npz(
            path(&format!("{name}.npz")),
            &[("x", Column::Floats(&floats(matrix), 16))],
        )
        .unwrap();
        write_labels(path(&format!("{name}.npy")), labels).unwrap();
    }
    let name = |file: &str| path(file).display().to_string();
    let origin = FileOrigin {
        train: name("train.npz:x"),
        train_labels: name("train.npy"),
        test: name("test.npz:x"),
        test_labels: name("test.npy"),
    };
    let files = EmbeddingFiles::open(&origin, None).unwrap();
    assert_eq!(files.labelled().unwrap(), data);
    // Seen through a map, they are what the map makes of them.
    let whiten = Method::Whiten(Whiten::default());
    let map = adapt::fit(&data.train.view(), &whiten, false, 0).unwrap();
    map.save(path("map.safetensors")).unwrap();
    let map = MapFile::open(&path("map.safetensors")).unwrap();
    assert_eq!(map.origin.sha256.len(), 64);
    let files = EmbeddingFiles::open(&origin, Some(map.clone())).unwrap();
    let mapped = files.labelled().unwrap();
    assert_ne!(mapped.test, data.test);
    assert_eq!(mapped, map.labelled(data.clone()).unwrap());
    let narrow = Matrix::new(vec![1.0, 2.0, 3.0, 5.0], 2, 2).unwrap();
    let narrow = adapt::fit(&narrow.view(), &Method::Center, false, 0).unwrap();
    narrow.save(path("narrow.safetensors")).unwrap();
    let narrow = MapFile::open(&path("narrow.safetensors")).unwrap();
    let error = EmbeddingFiles::open(&origin, Some(narrow)).unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("the map takes embeddings of 2 dimensions, found"),
        "{said}"
    );
    let swapped = FileOrigin {
        train_labels: origin.test_labels.clone(),
        ..origin.clone()
    };
    let error = EmbeddingFiles::open(&swapped, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("has 400 rows, but ") && error.ends_with("has 100 labels"),
        "{error}"
    );
    let columns = vec![1; 200];
    write_npz(path("y.npz"), &[("y", Column::Integers(&columns, 2))]).unwrap();
    let several = FileOrigin {
        test_labels: name("y.npz:y"),
        ..origin
    };
    let error = EmbeddingFiles::open(&several, None)
        .unwrap()
        .labelled()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("two dimensions") && error.contains("y.npz:y holds 2 column(s)"),
        "{error}"
    );
}

#[test]
fn subsets_that_cannot_be_are_named() {
    let text = |fractions: &[f64]| Subsets::of_fractions(fractions).unwrap_err().to_string();
    assert_eq!(
        text(&[0.5, 0.1234, 0.1231]),
        "the fractions 0.1234 and 0.1231 both round to 12.3 %"
    );
    assert_eq!(
        text(&[2.0]),
        "a fraction of 2, expected a fraction above 0 and at most 1"
    );
    assert!(text(&[]).contains("no fraction of the labels"));
    let outside = tempfile::tempdir().unwrap();
    let list = outside.path().join("list");
    fs::write(&list, "1\nx\n").unwrap();
    let error = Subsets::read_rows(&list, 9).unwrap_err().to_string();
    assert!(
        error.ends_with("list: expected row numbers below 9, found \"x\""),
        "{error}"
    );
    fs::write(&list, "\n").unwrap();
    let error = Subsets::read_rows(&list, 9).unwrap_err();
    assert!(matches!(error, Error::EmptyList { .. }), "{error}");
}

#[test]
fn odd_labels_are_warned_of_or_refused() {
    let mut data = labelled();
    data.train_labels
        .iter_mut()
        .for_each(|label| *label = (*label).min(3));
    let plan = ProbePlan {
        probes: vec![ProbeKind::Logistic],
        subsets: Subsets::of_fractions(&[1.0]).unwrap(),
        ..plan()
    };
    let run = |data: &Labelled| {
        let result = empty("probe", Protocol::Linear);
        evaluate_probes(result, data, &plan, &mut ResultFolder::nowhere())
    };
    let lost = data.test_labels.iter().filter(|&&label| label == 4).count();
    assert_eq!(
        run(&data).unwrap().warnings,
        [
            format!(
                "{lost} of 100 test rows are of classes without training rows and are always wrong"
            ),
            "1 of 5 classes have no image among 100 % of the labels".into(),
        ]
    );
    data.train_labels[7] = 5;
    let error = run(&data).unwrap_err().to_string();
    assert_eq!(
        error,
        "training label 5 at row 7 is out of range for 5 classes"
    );
    data.train_labels.fill(1);
    let sets = NeighbourData {
        train: &data.train.view(),
        train_labels: &data.train_labels,
        test: &data.test.view(),
        test_labels: &data.test_labels,
        classes: 5,
    };
    let result = empty("knn", Protocol::Knn);
    let plan = NeighbourPlan::default();
    let error = evaluate_neighbours(result, &sets, &plan, &mut ResultFolder::nowhere());
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        "all 400 training labels are class 1, expected at least 2 classes"
    );
}
