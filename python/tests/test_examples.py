"""The examples run and do what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_descent_lowers_the_loss_and_leaves_a_page(tmp_path, capsys):
    assert load("criterion").main(tmp_path) < 0
    assert (tmp_path / "embeddings.html").stat().st_size > 50_000
    assert "10 % of labels" in capsys.readouterr().out


@pytest.mark.torch
def test_training_raises_the_entropy():
    first, last = load("training").main(steps=30)
    assert last > first + 0.5
