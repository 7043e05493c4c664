"""Evaluations of labelled embeddings and their comparison."""

from __future__ import annotations

import gc
import json

import numpy as np
import pytest

import e2mc

sklearn_neighbors = pytest.importorskip("sklearn.neighbors")


def test_neighbours_agree_with_scikit_learn(blobs):
    train, labels, test, truth = blobs
    found = e2mc.knn(train, labels, test, truth, k=[5, 1], vote="majority")
    assert [(fit.k, fit.vote) for fit in found.neighbours] == [(5, "majority"), (1, "majority")]
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (train, test)]
    for fit in found.neighbours:
        other = sklearn_neighbors.KNeighborsClassifier(fit.k).fit(unit[0], labels)
        assert fit.figures.top1 == pytest.approx(100 * other.score(unit[1], truth))
        kept = fit.load_predictions()
        assert (kept["label"] == truth).all()
        assert (kept["prediction"] == other.predict(unit[1])).all()
    assert found.protocol == "knn" and found.classes == 5
    assert found.settings["k"] == [5, 1]
    assert found.rows[0].name == "5-NN majority" and found.rows[0].mean == found.neighbours[0].figures.top1
    assert "5-NN majority  top-1" in str(found)


def test_a_result_of_its_own_folder_takes_it_along(blobs, tmp_path):
    train, labels, test, truth = blobs
    found = e2mc.knn(train, labels, test, truth)
    folder = found.folder
    assert json.loads((folder / "result.json").read_text()) == found.record
    del found
    gc.collect()
    assert not folder.exists()
    out = tmp_path / "knn"
    kept = e2mc.knn(train, labels, test, truth, out=out)
    assert (out / "predictions.npz").exists() and kept.folder == out
    with pytest.raises(FileExistsError, match="already holds a result"):
        e2mc.knn(train, labels, test, truth, out=out)
    e2mc.knn(train, labels, test, truth, out=out, overwrite=True)
    # A failed evaluation leaves nothing behind.
    with pytest.raises(ValueError, match="401 neighbours"):
        e2mc.knn(train, labels, test, truth, k=401)


def test_logistic_regression_learns_and_says_how_sure_it_is(blobs):
    train, labels, test, truth = blobs
    found = e2mc.logistic(train, labels, test, truth, fractions=[0.05, 1.0], seeds=3)
    few, all_ = found.probes
    assert (few.images, all_.images) == (20, 400)
    assert len(few.runs) == 3 and len(all_.runs) == 1
    assert few.spans == "label-subsets" and few.standard_error > 0
    assert all_.accuracy > few.accuracy > 30
    linear = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scale = pytest.importorskip("sklearn.preprocessing")
    (run,) = all_.runs
    model = linear.LogisticRegression(C=1 / (run.l2 * 400), max_iter=2000)
    other = pipeline.make_pipeline(scale.StandardScaler(), model).fit(train, labels)
    assert (run.load_predictions()["prediction"] == other.predict(test)).mean() > 0.98


def test_support_vector_machines_of_one_class_and_of_several_labels(blobs):
    train, labels, test, truth = blobs
    found = e2mc.svm(train, labels, test, truth, cost=0.1, scale="standard")
    assert found.svm.figures.top1 > 60 and len(found.svm.svms) == 5
    assert all(unit.cost == 0.1 and unit.converged for unit in found.svm.svms)
    columns, wanted = np.eye(5)[labels], np.eye(5)[truth]
    columns[::7, 0] = -1
    several = e2mc.svm(train, columns, test, wanted, cost=[0.01, 0.1], average_precision="voc07")
    assert several.svm.figures is None and several.svm.precisions.interpolation == "voc07"
    metrics = pytest.importorskip("sklearn.metrics")
    area = e2mc.svm(train, columns, test, wanted, cost=0.1)
    scores = area.svm.load_predictions()["scores"]
    for label, precision in enumerate(area.svm.precisions.average_precision):
        expected = metrics.average_precision_score(wanted[:, label], scores[:, label])
        assert precision == pytest.approx(100 * expected, abs=1e-6)
    with pytest.raises(ValueError, match="different forms"):
        e2mc.svm(train, labels, test, wanted, cost=0.1)


def test_labels_that_are_no_classes_are_named(blobs):
    train, labels, test, truth = blobs
    for wrong, words in (
        (labels[:-1], "400 rows, but 399 labels"),
        (np.where(np.arange(400) == 3, -1, labels), "train_labels holds -1 at row 3"),
        (labels + 0.5, r"train_labels holds 0.5 at row 0"),
        (labels.astype(str), "expected whole numbers"),
        (labels[:, None], r"shape \(400, 1\), expected \(n,\)"),
        (np.zeros(400, int), "expected at least 2 classes"),
    ):
        for call in (e2mc.knn, e2mc.logistic):
            with pytest.raises(ValueError, match=words):
                call(train, wrong, test, truth)
    bad = train.copy()
    bad[9, 3] = np.nan
    with pytest.raises(ValueError, match="NaN at row 9, column 3"):
        e2mc.knn(bad, labels, test, truth)
    with pytest.raises(TypeError):
        e2mc.knn(train, labels, test, truth, neighbours=3)
    with pytest.raises(ValueError, match="vote is 'some'"):
        e2mc.knn(train, labels, test, truth, vote="some")


def test_rows_on_both_sides_are_warned_of(blobs):
    train, labels, _, _ = blobs
    with pytest.warns(UserWarning, match="400 of 400 test rows equal a training row"):
        found = e2mc.knn(train, labels, train, labels)
    assert len(found.warnings) == 1


def test_two_results_are_compared_fit_by_fit(blobs):
    train, labels, test, truth = blobs
    noise = np.random.default_rng(1)
    results = []
    for scale in (0.0, 4.0):
        shaken = [rows + scale * noise.normal(size=rows.shape) for rows in (train, test)]
        results.append(
            e2mc.logistic(shaken[0], labels, shaken[1], truth, fractions=[0.1, 1.0], seeds=3)
        )
    good, bad = results
    found = e2mc.compare(bad, good)
    assert len(found.lines) == 3 and found.unmatched == ()
    by_name = {line.name: line for line in found.lines}
    few = by_name["logistic, 10 % of labels"]
    assert few.seeds == (0, 1, 2) and few.samples == 100
    assert few.accuracy_a == pytest.approx(bad.probes[0].accuracy / 100)
    assert few.difference == pytest.approx(few.accuracy_b - few.accuracy_a) and few.differs
    assert few.interval[0] < few.difference < few.interval[1] and few.p <= few.p_corrected
    assert "10 % of labels: +" in str(found)
    assert not any(line.differs for line in e2mc.compare(good, good).lines)
    # By folder it is the same.
    assert e2mc.compare(str(bad.folder), good.folder) == found
    other = e2mc.logistic(train, labels, test, truth, fractions=[0.1], seeds=2)
    with pytest.raises(ValueError, match="no counterpart"):
        e2mc.compare(good, other)
    assert e2mc.compare(good, other, common=True).unmatched


def test_predictions_are_compared_row_by_row():
    truth = np.arange(200) % 4
    first, second = truth.copy(), truth.copy()
    first[:60] = (first[:60] + 1) % 4
    second[:10] = (second[:10] + 1) % 4
    (line,) = e2mc.compare(first, second, truth).lines
    assert (line.accuracy_a, line.accuracy_b) == (0.7, 0.95)
    stats = pytest.importorskip("scipy.stats")
    assert line.p == pytest.approx(stats.binomtest(0, 50).pvalue)
    with pytest.raises(ValueError, match="199"):
        e2mc.compare(first[:-1], second, truth)
    with pytest.raises(TypeError, match="expected a result"):
        e2mc.compare(first, second)
    with pytest.raises(FileNotFoundError):
        e2mc.compare("nowhere", "nowhere")
