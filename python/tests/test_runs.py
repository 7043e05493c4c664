"""Runs that were written down."""

from __future__ import annotations

import json

import numpy as np
import pytest

import e2mc

LOG = [
    {"event": "start", "recipe": {"training": {"epochs": 2}}},
    {"event": "epoch", "epoch": 0, "step": 0, "knn": 0.5},
    {
        "event": "step", "step": 5, "epoch": 1, "loss": 3.5, "learning_rate": 0.1,
        "images_per_s": 10.0, "waiting": 0.1, "terms": {"invariance": 1.0},
    },
    {
        "event": "step", "step": 10, "epoch": 1, "loss": None, "learning_rate": 0.1,
        "images_per_s": 10.0, "waiting": 0.1, "terms": {"invariance": 0.5, "entropy": -0.25},
    },
    {
        "event": "epoch", "epoch": 1, "step": 10, "loss": 3.5, "knn": 0.75, "seconds": 10.0,
        "collapse": {
            "dims": 2, "spread": 0.9, "least_spread": 0.5, "dead_dims": 0,
            "entropy": None, "least_entropy": -1,
        },
    },
    {"event": "end", "outcome": "finished", "seconds": 12.5},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in LOG))
    (run / "recipe.toml").write_text('name = "x"\n')
    return run


def test_events_are_columns(folder, blobs):
    e2mc.knn(*blobs, out=folder / "knn")
    (folder / "other").mkdir()
    (folder / "other" / "result.json").write_text("?")
    run = e2mc.read_run(folder)
    assert run.name == "run" and run.recipe == {"training": {"epochs": 2}}
    assert run.recipe_text == 'name = "x"\n' and run.settings is None
    assert run.steps["step"].tolist() == [5, 10] and run.steps["step"].dtype == np.int64
    assert run.steps["loss"][0] == 3.5 and np.isnan(run.steps["loss"][1])
    assert np.isnan(run.steps["terms.entropy"][0]) and run.steps["terms.entropy"][1] == -0.25
    assert run.terms == ("invariance", "entropy")
    assert run.epochs["knn"].tolist() == [0.5, 0.75]
    assert run.epochs["collapse.spread"][1] == 0.9 and np.isnan(run.epochs["collapse.entropy"]).all()
    assert (run.outcome, run.seconds, run.guard_epoch) == ("finished", 12.5, None)
    (result,) = run.results
    assert result.protocol == "knn" and result.folder == folder / "knn"
    assert (result.neighbours[0].load_predictions()["label"] == blobs[3]).all()
    assert len(run.unread) == 1


def test_what_is_no_run_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        e2mc.read_run(tmp_path / "nowhere")
    path = folder / "metrics.jsonl"
    path.write_text("nonsense\n" + path.read_text())
    with pytest.raises(ValueError, match="line 1 is not"):
        e2mc.read_run(folder)
