"""Stored cases, and the marks of tests that need PyTorch or the engine."""

from __future__ import annotations

import importlib.util
import json
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "crates" / "e2mc" / "tests" / "golden"
HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_ENGINE = HAS_TORCH and (Path(sysconfig.get_path("scripts")) / "e2mc-engine").exists()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="PyTorch is not installed: the losses of e2mc.torch are NOT tested here")
    without = pytest.mark.skip(reason="the wheel e2mc-engine is not installed with PyTorch: it is NOT tested here")
    for item in items:
        if item.get_closest_marker("torch") and not HAS_TORCH:
            item.add_marker(skip)
        if item.get_closest_marker("engine") and not HAS_ENGINE:
            item.add_marker(without)


def pytest_report_header() -> str:
    torch = "found" if HAS_TORCH else "NOT FOUND, tests of e2mc.torch are skipped"
    engine = "found" if HAS_ENGINE else "NOT FOUND, its tests are skipped"
    return f"PyTorch: {torch}; e2mc-engine: {engine}"


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The float32 tensors of a safetensors file."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    found = {}
    for name, entry in json.loads(content[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32"
        first, last = (8 + size + offset for offset in entry["data_offsets"])
        found[name] = np.frombuffer(content[first:last], dtype="<f4").reshape(entry["shape"])
    return found


@dataclass(frozen=True)
class Case:
    """A stored case of the criterion: its settings, its input, and what is expected of it."""

    name: str
    settings: dict[str, object]
    values: dict[str, np.ndarray]

    @property
    def degenerate(self) -> bool:
        return self.name.startswith("degenerate")


def cases() -> list[Case]:
    listed = json.loads((GOLDEN / "cases.json").read_text())
    assert len(listed) == 8
    names = ("transform", "beta", "gamma", "epsilon")
    return [
        Case(name, {key: entry[key] for key in names}, tensors(GOLDEN / f"{name}.safetensors"))
        for name, entry in listed.items()
    ]


def criterion_case(name: str) -> dict[str, np.ndarray]:
    """A stored case of a rival."""
    return tensors(GOLDEN / "criteria" / f"{name}.safetensors")


@pytest.fixture(scope="session")
def blobs() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Five classes that overlap: training rows, labels, test rows, labels."""
    random = np.random.default_rng(7)
    centres = 1.2 * random.normal(size=(5, 16))
    labels = np.arange(500) % 5
    rows = (centres[labels] + random.normal(size=(500, 16))).astype(np.float32)
    return rows[:400], labels[:400], rows[400:], labels[400:]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        all_cases = cases()
        metafunc.parametrize("case", all_cases, ids=[case.name for case in all_cases])
