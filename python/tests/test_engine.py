"""The engine: what needs a network works from an empty folder, on the installed PyTorch alone."""

from __future__ import annotations

import json
import shutil
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from elf import needed
from test_program import PROGRAM, run

ENGINE = PROGRAM.parent / "e2mc-engine"
SAMPLE = Path(__file__).parents[2] / "sample"

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """A run that continues the sample's model for one epoch on some of its images."""
    out = tmp_path_factory.mktemp("run") / "out"
    run("continue", "--recipe", "swav-glyphs", "--checkpoint", SAMPLE / "base.safetensors", "--data", SAMPLE,
        "--max-images", 512, "--held-out", 128, "--epochs", 1, "--out", out)  # fmt: skip
    return out


def test_a_model_is_continued(continued):
    import e2mc

    found = e2mc.read_run(continued)
    assert found.outcome == "finished" and found.steps["loss"].size > 0
    assert (continued / "model.safetensors").stat().st_size > 10_000


def test_a_checkpoint_is_judged(continued, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--checkpoint", continued / "model.safetensors", "--data", SAMPLE]
    found = json.loads(run("probe", *words, "--probe", "logistic", "--fractions", 0.1, "--seeds", 2, "--out", "probe", "--json").stdout)
    assert found["probes"][0]["accuracy"] > 25  # of 129 classes
    assert (tmp_path / "probe" / "result.json").is_file()


def test_a_model_is_improved(tmp_path, monkeypatch):
    """The whole of it from an empty folder: a gain on held-out images, a model, its map and the page."""
    import e2mc

    monkeypatch.chdir(tmp_path)
    words = [SAMPLE / "base.safetensors", "--data", SAMPLE, "--out", "better", "--budget", "30s"]
    # Looks at held-out images are counted in the cache, which is this test's own.
    told = run("improve", *words, XDG_CACHE_HOME=str(tmp_path / "cache"))
    found = json.loads(Path("better/improve.json").read_text())
    verified = found["verified"]
    assert found["verdict"] == "better" and found["looks"] == 1, told.stdout
    assert verified["gain"] > 5 and verified["interval"][0] > 0 and verified["p"] < 0.025
    assert f"a gain of +{verified['gain']:.2f} points" in told.stdout + told.stderr
    assert Path("better/model.safetensors").stat().st_size > 10_000
    assert "<svg" in Path("better/report.html").read_text(encoding="utf-8")
    fitted = e2mc.Adapter.load("better/map.safetensors")
    # Model and map serve what follows.
    run("embed", "--checkpoint", "better/model.safetensors", "--data", SAMPLE, "--split", "test", "--out", "test.npy")
    rows = np.load("test.npy")
    assert rows.shape == (3000, fitted.n_features_in_) and fitted.transform(rows).shape[0] == 3000


def test_the_engine_takes_its_libtorch_from_pytorch():
    libraries = needed(ENGINE)
    assert "libtorch_cpu.so" in libraries and "libtorch_cuda.so" not in libraries


def test_the_engine_knows_no_libtorch_by_itself():
    """The place of the one that it was built with is not in it: the loader finds none."""
    failed = run("--version", program=[str(ENGINE)], code=127)
    assert "libtorch_cpu.so" in failed.stderr


def elsewhere(folder: Path) -> list[str]:
    """Both programs in an environment that has no PyTorch of its own."""
    venv.create(folder, symlinks=True)
    for program in (PROGRAM, ENGINE):
        shutil.copy(program, folder / "bin")
    return [str(folder / "bin" / "e2mc")]


def test_a_missing_and_another_pytorch_are_told_in_one_sentence(tmp_path):
    # No Python of the system may lend its own.
    nowhere = {"program": elsewhere(tmp_path / "env"), "PATH": str(tmp_path / "nothing")}
    failed = run("convert", "a", "b", code=1, **nowhere)
    assert failed.stderr.count("\n") == 2 and "pip install 'torch==2.11.*'" in failed.stderr, failed.stderr
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    torch = tmp_path / "env" / "lib" / version / "site-packages" / "torch"
    (torch / "lib").mkdir(parents=True)
    (torch / "lib" / "libtorch_cpu.so").touch()
    (torch / "version.py").write_text("__version__ = '2.9.1+cu128'\n")
    failed = run("convert", "a", "b", code=1, **nowhere)
    assert "PyTorch 2.9.1+cu128 in " in failed.stderr and "is not 2.11" in failed.stderr, failed.stderr
    assert failed.stderr.count("\n") == 2 and "pip install 'torch==2.11.*'" in failed.stderr


def test_a_pytorch_of_the_shared_packages_is_found(tmp_path):
    """In an environment that sees PyTorch only by a line of a `.pth` file, Python is asked."""
    import torch

    program = elsewhere(tmp_path / "env")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = tmp_path / "env" / "lib" / version / "site-packages"
    (packages / "shared.pth").write_text(str(Path(torch.__path__[0]).parent) + "\n")
    failed = run("convert", "nowhere.pth", "out.safetensors", code=1, program=program, PATH=str(tmp_path / "nothing"))
    assert "nowhere.pth" in failed.stderr and "libtorch" not in failed.stderr, failed.stderr
