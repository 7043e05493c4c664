"""The program that travels in the wheel: the command `e2mc`, and `python -m e2mc`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from elf import needed

import e2mc
from e2mc import _native

PROGRAM = Path(sysconfig.get_path("scripts")) / ("e2mc.exe" if os.name == "nt" else "e2mc")
AS_MODULE = [sys.executable, "-m", "e2mc"]


def run(*words: object, code: int = 0, program: list[str] | None = None, **environment: str) -> subprocess.CompletedProcess:
    """Runs the program without what this process knows of libraries, in the current folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2MC_", "LIBTORCH", "LD_"))}
    command = [*(program or [str(PROGRAM)]), *map(str, words)]
    done = subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def files(tmp_path, monkeypatch, blobs):
    """Files of embeddings and labels in the current folder, and the options that name them."""
    monkeypatch.chdir(tmp_path)
    words = []
    for name, array in zip(("train", "train-labels", "test", "test-labels"), blobs):
        np.save(f"{name}.npy", array)
        words += [f"--{name}", f"{name}.npy"]
    return words


@pytest.mark.parametrize("program", [[str(PROGRAM)], AS_MODULE], ids=["command", "module"])
def test_both_ways_to_start_it_are_the_same(program, files):
    assert run("--version", program=program).stdout == f"e2mc {e2mc.__version__}\n"
    found = json.loads(run("score", "train.npy", "--json", program=program).stdout)
    expected = e2mc.score(np.load("train.npy"), transform="gaussian", beta=1.0, gamma=25.0)
    assert found["loss"] == pytest.approx(expected.loss, rel=1e-6)
    # Exit codes are its own: a failure is 1, a wrong option 2.
    failed = run("score", "nowhere.npy", program=program, code=1)
    assert failed.stderr.startswith("error: ") and "nowhere.npy" in failed.stderr
    run("score", "train.npy", "--nonsense", program=program, code=2)


def test_evaluations_of_files_are_those_of_the_functions(files, blobs):
    found = json.loads(run("knn", *files, "--k", 5, "--vote", "majority", "--out", "knn", "--json").stdout)
    same = e2mc.knn(*blobs, k=5, vote="majority")
    assert found["results"] == same.record["results"]
    run("svm", *files, "-C", 0.1, "--out", "svm")
    run("probe", *files, "--fractions", "0.1,1", "--seeds", 3, "--out", "probe")
    run("adapt", "train.npy", "--method", "whiten", "--out", "map.safetensors")
    run("adapt", "test.npy", "--apply", "map.safetensors", "--out", "mapped.npy")
    mapped = e2mc.Adapter.load("map.safetensors").transform(blobs[2])
    assert np.allclose(np.load("mapped.npy"), mapped, atol=1e-5)
    run("probe", *files, "--map", "map.safetensors", "--fractions", "0.1,1", "--seeds", 3, "--out", "mapped")
    compared = json.loads(run("compare", "probe", "mapped", "--json").stdout)
    assert compared["lines"][0]["name"] == "logistic, 10 % of labels"
    assert "linear 10 % (logistic)" in run("results", ".").stdout
    run("inspect", "train.npy", "--report", "page.html")
    assert Path("page.html").stat().st_size > 50_000


def test_a_run_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = {"event": "step", "epoch": 1, "learning_rate": 0.1, "images_per_s": 9.0, "waiting": 0.0, "terms": {"entropy": 0.5}}
    events = [{"event": "start", "recipe": {"training": {"epochs": 1}}}]
    events += [{**step, "step": count, "loss": 1.0 / count} for count in range(1, 9)]
    Path("run").mkdir()
    Path("run/metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    run("report", "run")
    assert "<svg" in Path("run/report.html").read_text()


def test_without_the_engine_one_sentence_says_what_to_install():
    if (PROGRAM.parent / "e2mc-engine").exists():
        pytest.skip("the engine is installed here: what a missing one says is NOT tested")
    failed = run("demo", code=1)
    assert failed.stderr.count("\n") == 2 and 'pip install "e2mc[train]"' in failed.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads ELF files: NOT tested here")
def test_the_extension_and_the_program_need_no_libtorch():
    for binary in (Path(_native.__file__), PROGRAM):
        libraries = needed(binary)
        assert any(name.startswith("libc.so") for name in libraries), libraries
        # Nothing but what every Linux with glibc has: no libtorch, no CUDA, no C++.
        allowed = ("libc.so", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libgcc_s.so", "ld-linux")
        assert all(name.startswith(allowed) for name in libraries), libraries


def test_a_missing_program_is_told(monkeypatch):
    from e2mc import __main__ as module

    monkeypatch.setattr(module, "places", lambda: iter([Path("nowhere/e2mc")]))
    with pytest.raises(SystemExit, match="looked for nowhere/e2mc"):
        module.main()
