"""The notebooks run from top to bottom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"


def run(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Executes the code cells in one namespace, as a kernel would, in the notebook's folder."""
    monkeypatch.chdir(FOLDER)
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    namespace: dict[str, object] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 3 and not any(cell["outputs"] for cell in cells)
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"{name}.ipynb, code cell {number}", "exec"), namespace)
    return namespace


@pytest.mark.torch
def test_the_criterion_in_a_training_loop(monkeypatch):
    found = run("criterion", monkeypatch)
    assert found["entropies"][-1] > found["entropies"][0]


def test_judging_and_adapting_texts(monkeypatch):
    found = run("judge_and_adapt", monkeypatch)
    assert len(found["texts"]) > 300 and found["plain"].rows[-1].mean > 20


def test_runs_are_read_and_plotted(monkeypatch):
    pytest.importorskip("matplotlib")
    found = run("runs", monkeypatch)
    assert len(found["figure"].axes) == 3
