"""The results of evaluations: the types of ``result.json``, read-only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Figures:
    """How good predictions are, in percent.

    Attributes
    ----------
    top1 : float
        Test rows classified correctly.
    top5 : float or None
        Test rows whose class is among the first five.
    mean_per_class : float
        Mean of the classes' accuracies.
    per_class : tuple
        Accuracy of each class; None for a class without test rows.
    confusion : tuple or None
        Test rows of each class (outer) by predicted class; left out where there are many classes.
    """

    top1: float
    top5: float | None
    mean_per_class: float
    per_class: tuple[float | None, ...] = field(repr=False)
    confusion: tuple[tuple[int, ...], ...] | None = field(repr=False)

    @classmethod
    def _of(cls, record: Json) -> Figures:
        confusion = record.get("confusion")
        return cls(
            top1=record["top1"],
            top5=record.get("top5"),
            mean_per_class=record["mean_per_class"],
            per_class=tuple(record.get("per_class", ())),
            confusion=None if confusion is None else tuple(tuple(row) for row in confusion),
        )


@dataclass(frozen=True)
class _Fit:
    #: The file of the predictions, if they were kept.
    predictions: Path | None = field(repr=False)

    def load_predictions(self) -> dict[str, npt.NDArray[Any]]:
        """Read what the fit said of each test row.

        Returns
        -------
        dict
            Arrays ``label`` and ``prediction`` ``(n_test,)``, and ``scores`` ``(n_test, classes)`` or, of
            neighbours, ``ranked`` ``(n_test, 5)`` with -1 where fewer classes have a vote.

        Raises
        ------
        ValueError
            The predictions were not kept.
        """
        if self.predictions is None:
            raise ValueError("the predictions of this fit were not kept")
        with np.load(self.predictions) as arrays:
            return dict(arrays)


def _place(record: Json, folder: Path) -> Path | None:
    place = record.get("predictions")
    return None if place is None else folder / place


@dataclass(frozen=True)
class NeighbourFit(_Fit):
    """What the nearest neighbours say.

    Attributes
    ----------
    k : int
        The number of neighbours.
    vote : str
        ``"majority"`` or ``"weighted"``.
    figures : Figures
        How good they are, in percent.
    predictions : pathlib.Path or None
        The file of the predictions, if they were kept; ``load_predictions()`` reads it.
    """

    k: int
    vote: str
    figures: Figures

    @classmethod
    def _of(cls, record: Json, folder: Path) -> NeighbourFit:
        return cls(_place(record, folder), record["k"], record["vote"], Figures._of(record))


@dataclass(frozen=True)
class ProbeFit(_Fit):
    """One linear classifier.

    Attributes
    ----------
    seed : int
        Of the label subset and of the fit.
    subset : str or None
        The fingerprint of the labels that were learned from.
    l2 : float or None
        The logistic probe's penalty.
    converged : bool or None
        Whether the logistic probe met its tolerance.
    loss : float or None
        Mean cross-entropy over the last epoch, of what is trained by SGD.
    figures : Figures
        How good it is, in percent.
    predictions : pathlib.Path or None
        The file of the predictions, if they were kept; ``load_predictions()`` reads it.
    """

    seed: int
    subset: str | None
    l2: float | None
    converged: bool | None
    loss: float | None
    figures: Figures

    @classmethod
    def _of(cls, record: Json, folder: Path) -> ProbeFit:
        names = ("subset", "l2", "converged", "loss")
        known = {name: record.get(name) for name in names}
        place = _place(record, folder)
        return cls(predictions=place, seed=record["seed"], figures=Figures._of(record), **known)


@dataclass(frozen=True)
class ProbeRow:
    """One classifier at one fraction of the labels.

    Attributes
    ----------
    probe : str
        ``"logistic"``, ``"sgd"`` or ``"finetune"``.
    fraction : float
        The fraction of the training labels, in (0, 1].
    images : int
        Labelled rows that the classifier saw.
    accuracy : float
        Top-1 in percent, mean over the runs.
    standard_error : float or None
        Of that mean, in percentage points; None of a single run.
    spans : str or None
        What the standard error spans: ``"label-subsets"`` or ``"fit-seeds"``.
    accuracies : tuple of float
        Top-1 in percent, one a run.
    top5 : float or None
        Top-5 in percent, mean over the runs.
    runs : tuple of ProbeFit
        One fit a seed.
    """

    probe: str
    fraction: float
    images: int
    accuracy: float
    standard_error: float | None
    spans: str | None
    accuracies: tuple[float, ...]
    top5: float | None
    runs: tuple[ProbeFit, ...] = field(repr=False)

    @classmethod
    def _of(cls, record: Json, folder: Path) -> ProbeRow:
        return cls(
            probe=record["probe"],
            fraction=record["fraction"],
            images=record.get("images", 0),
            accuracy=record["accuracy"],
            standard_error=record.get("standard_error"),
            spans=record.get("spans"),
            accuracies=tuple(record.get("accuracies", ())),
            top5=record.get("top5"),
            runs=tuple(ProbeFit._of(run, folder) for run in record.get("runs", ())),
        )


@dataclass(frozen=True)
class SvmUnit:
    """How the machine of one class was fitted.

    Attributes
    ----------
    cls : int
        The class or label.
    cost : float
        ``C``, chosen or given.
    held_out : float or None
        Accuracy or average precision of that ``C`` on held-out folds, as a fraction, if it was chosen.
    epochs : int
        Passes over the training rows.
    converged : bool
        Whether the tolerance was met.
    """

    cls: int
    cost: float
    held_out: float | None
    epochs: int
    converged: bool


@dataclass(frozen=True)
class Precisions:
    """Average precisions of several labels a row, in percent.

    Attributes
    ----------
    mean_average_precision : float
        Mean over the labels that some test row has.
    average_precision : tuple
        Of each label; None of one that no test row has.
    interpolation : str
        ``"area"`` under the steps, or ``"voc07"``'s eleven points.
    """

    mean_average_precision: float
    average_precision: tuple[float | None, ...]
    interpolation: str


@dataclass(frozen=True)
class SvmResult(_Fit):
    """Support vector machines.

    Attributes
    ----------
    svms : tuple of SvmUnit
        How the machine of each class was fitted.
    figures : Figures or None
        How good they are at one class a row, in percent.
    precisions : Precisions or None
        How good they are at several labels a row, in percent.
    predictions : pathlib.Path or None
        The file of the predictions, if they were kept; ``load_predictions()`` reads it.
    """

    svms: tuple[SvmUnit, ...]
    figures: Figures | None
    precisions: Precisions | None

    @classmethod
    def _of(cls, record: Json, folder: Path) -> SvmResult:
        units = tuple(
            SvmUnit(unit["class"], unit["cost"], unit.get("held_out"), unit["epochs"], unit["converged"])
            for unit in record["svms"]
        )
        precisions = None
        if "mean_average_precision" in record:
            precisions = Precisions(
                number(record["mean_average_precision"]),
                tuple(record["average_precision"]),
                record["interpolation"],
            )
        figures = Figures._of(record) if "top1" in record else None
        return cls(_place(record, folder), units, figures, precisions)


@dataclass(frozen=True)
class Row:
    """One line of the result's table.

    Attributes
    ----------
    name : str
        Such as ``"20-NN weighted"`` or ``"logistic, 1 % of labels"``.
    mean : float
        Mean over the fits, in percent.
    measure : str
        ``"top-1"`` or ``"mAP"``.
    standard_error : float or None
        Of that mean, in percentage points; None of a single fit.
    values : tuple of float
        One value a fit, in percent.
    """

    name: str
    mean: float
    measure: str
    standard_error: float | None
    values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of an evaluation, as the command ``e2mc`` writes it to ``result.json``.

    Attributes
    ----------
    command : str
        ``"knn"``, ``"probe"``, ``"svm"``, ``"finetune"``.
    model : str
        What tables call the model.
    protocol : str
        ``"knn"``, ``"linear"``, ``"svm"``, ``"semi-supervised"``.
    rows : tuple of Row
        The result as a table, one line a classifier and fraction of the labels.
    neighbours : tuple of NeighbourFit
        Nearest neighbours with all labels, one for each k and vote.
    probes : tuple of ProbeRow
        Linear layers and fine-tuning.
    svm : SvmResult or None
        Support vector machines.
    train_images, test_images, classes : int
        Sizes.
    settings : dict
        The settings of each classifier.
    warnings : tuple of str
        What a reader of the figures should know.
    folder : pathlib.Path
        Where ``result.json`` and the predictions are. A folder of its own is removed with the object.
    record : dict
        ``result.json`` as it is.
    """

    command: str
    model: str
    protocol: str
    rows: tuple[Row, ...]
    neighbours: tuple[NeighbourFit, ...] = field(repr=False)
    probes: tuple[ProbeRow, ...] = field(repr=False)
    svm: SvmResult | None = field(repr=False)
    train_images: int
    test_images: int
    classes: int
    settings: dict[str, Any] = field(repr=False)
    warnings: tuple[str, ...]
    folder: Path = field(repr=False)
    record: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        width = max((len(row.name) for row in self.rows), default=0)
        lines = [f"{self.model}: {self.train_images} training and {self.test_images} test rows"]
        for row in self.rows:
            error = "" if row.standard_error is None else f" ± {row.standard_error:.2f}"
            lines.append(f"  {row.name:<{width}}  {row.measure} {row.mean:.2f}{error} %")
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])


def evaluation(text: str | Json, folder: Path) -> Evaluation:
    """The result that the extension gave as JSON."""
    found = json.loads(text) if isinstance(text, str) else text
    record = found["result"]
    return Evaluation(
        command=record["command"],
        model=record["model"],
        protocol=record["evaluation"],
        rows=tuple(
            Row(
                row["name"],
                number(row["mean"]),
                row["measure"],
                row["standard_error"],
                tuple(number(value) for value in row["values"]),
            )
            for row in found["rows"]
        ),
        neighbours=tuple(NeighbourFit._of(fit, folder) for fit in record.get("results", ())),
        probes=tuple(ProbeRow._of(row, folder) for row in record.get("probes", ())),
        svm=SvmResult._of(record, folder) if "svms" in record else None,
        train_images=record.get("train_images", 0),
        test_images=record.get("test_images", 0),
        classes=record.get("classes", 0),
        settings=record.get("settings", {}),
        warnings=tuple(record.get("warnings", ())),
        folder=folder,
        record=record,
    )


def number(value: float | None) -> float:
    """JSON has no word for NaN and infinity; they are written as null."""
    return float("nan") if value is None else float(value)
