"""Types: a user's example under mypy's strict rules, and stubs against the extension."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory):
    """What mypy learned of PyTorch in one test serves the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPY_CACHE_DIR", str(tmp_path_factory.mktemp("mypy")))
        yield


def check(*command: str, cwd: Path) -> str:
    pytest.importorskip("mypy")
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_users_example_passes_strict_rules(tmp_path):
    check("mypy", "--strict", str(EXAMPLES / "criterion.py"), cwd=tmp_path)


@pytest.mark.torch
def test_an_example_of_training_passes_strict_rules(tmp_path):
    check("mypy", "--strict", str(EXAMPLES / "training.py"), cwd=tmp_path)


@pytest.mark.torch
def test_the_package_passes_strict_rules(tmp_path):
    """The losses as well, which `make lint-python` leaves out where there is no PyTorch."""
    found = check("mypy", "--strict", "--package", "e2mc", cwd=tmp_path)
    assert int(found.split("no issues found in ")[1].split()[0]) >= 17


def test_a_wrong_type_is_found(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "wrong.py").write_text("import e2mc\nx: int = e2mc.score([[0.0], [1.0]]).loss\n")
    command = [sys.executable, "-m", "mypy", "--strict", "wrong.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and 'expression has type "float"' in done.stdout


def test_stubs_are_those_of_the_extension(tmp_path):
    (tmp_path / "allowed").write_text("e2mc\\._native\\.(__all__|Map|Measured)\n")
    allow = ["--allowlist", "allowed", "--ignore-unused-allowlist"]
    check("mypy.stubtest", "e2mc._native", *allow, cwd=tmp_path)
