"""What a training run wrote down."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from e2mc import _native
from e2mc._results import Evaluation, evaluation
from e2mc._settings import place

Columns = dict[str, npt.NDArray[Any]]

#: Columns of whole numbers that every row has; all others are float64 with NaN for what is missing.
_WHOLE = ("step", "epoch")


@dataclass(frozen=True, eq=False)
class Run:
    """A training run's folder.

    Attributes
    ----------
    name : str
        What tables and charts call it.
    folder : pathlib.Path
        The run's folder.
    recipe : dict
        All settings, as the run resolved them.
    recipe_text : str or None
        ``recipe.toml`` as it is.
    settings : dict or None
        What decides the run beside its recipe: data, seed, base.
    steps : dict of numpy.ndarray
        The logged steps as columns of equal length: ``step``, ``epoch``, ``learning_rate``, ``loss``,
        ``images_per_s``, ``waiting``, and the loss's unweighted parts as ``terms.NAME``. NaN where nothing was
        measured.
    epochs : dict of numpy.ndarray
        The epochs as columns, epoch 0 being the untouched model: ``epoch``, ``step``, ``loss``, ``seconds``,
        ``knn``, ``knn_change``, ``knn_change_error`` (fractions), ``collapse.NAME``, ``terms.NAME`` and others.
    terms : tuple of str
        The names of the loss's parts.
    outcome : str or None
        How the run ended: ``"finished"``, ``"interrupted"``, ``"stopped by the guard"``; None while it goes on.
    seconds : float or None
        Seconds trained, once it has ended.
    guard_epoch : int or None
        The epoch after which the guard stopped it.
    results : tuple of Evaluation
        The evaluations below the folder.
    unread : tuple of str
        What is wrong with each ``result.json`` that could not be read.
    """

    name: str
    folder: Path
    recipe: dict[str, Any] = field(repr=False)
    recipe_text: str | None = field(repr=False)
    settings: dict[str, Any] | None = field(repr=False)
    steps: Columns = field(repr=False)
    epochs: Columns = field(repr=False)
    terms: tuple[str, ...]
    outcome: str | None
    seconds: float | None
    guard_epoch: int | None
    results: tuple[Evaluation, ...] = field(repr=False)
    unread: tuple[str, ...]


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read everything in the folder of a training run, finished or not.

    Parameters
    ----------
    path : path
        The run's folder, with ``metrics.jsonl`` in it.

    Returns
    -------
    Run
        Its log as columns, its settings, and the evaluations below it. ``pandas.DataFrame(run.steps)`` is a
        table of the steps.

    Raises
    ------
    FileNotFoundError
        No run is there.
    ValueError
        A file of the run holds something else, or is of a later version; names the file and line.
    TypeError
        Something else than a path.

    Notes
    -----
    Source: ``docs/runs.md`` describes the files of a run.

    Examples
    --------
    >>> import json, pathlib, tempfile, e2mc
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> event = {"event": "step", "step": 1, "epoch": 1, "learning_rate": 0.1, "loss": 2.5}
    >>> event |= {"images_per_s": 900.0, "waiting": 0.0, "terms": {"entropy": -0.5}}
    >>> _ = (folder / "metrics.jsonl").write_text(json.dumps(event))
    >>> run = e2mc.read_run(folder)
    >>> run.steps["loss"], run.terms, run.outcome
    (array([2.5]), ('entropy',), None)
    """
    found = json.loads(_native.read_run(place(path, "path")))
    end, guard = found["end"] or {}, found["guard"] or {}
    return Run(
        name=found["name"],
        folder=Path(path),
        recipe=found["recipe"] or {},
        recipe_text=found["recipe_text"],
        settings=found["settings"],
        steps=_columns(found["steps"]),
        epochs=_columns(found["epochs"]),
        terms=tuple(found["terms"]),
        outcome=end.get("outcome"),
        seconds=end.get("seconds"),
        guard_epoch=guard.get("epoch"),
        results=tuple(evaluation(result, Path(result["folder"])) for result in found["results"]),
        unread=tuple(found["unread"]),
    )


def _columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Rows of nested values as columns ``a.b``, in the order in which they first come."""
    flat = [dict(_flat(row)) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    columns: Columns = {}
    for name in names:
        values = [row.get(name) for row in flat]
        if name in _WHOLE:
            columns[name] = np.array(values, dtype=np.int64)
        else:
            columns[name] = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return columns


def _flat(row: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in row.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value))
    return pairs
