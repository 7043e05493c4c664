"""Whether two evaluations differ by more than chance."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from e2mc import _native
from e2mc._arrays import classes
from e2mc._results import Evaluation
from e2mc._settings import flag, real, whole, wrong_kind


@dataclass(frozen=True)
class ComparedLine:
    """One classifier at one fraction of the labels, the second model against the first.

    Attributes
    ----------
    name : str
        Such as ``"logistic, 1 % of labels"``.
    seeds : tuple of int
        The label subsets' seeds.
    samples : int
        Test rows.
    accuracy_a, accuracy_b : float
        Accuracy as a fraction, mean over the label subsets.
    difference : float
        ``accuracy_b - accuracy_a``.
    interval : tuple of float
        The interval of the difference, with the probability `confidence`.
    confidence : float
        ``1 - level / m`` for `m` lines.
    p : float
        The two-sided p-value of the line alone.
    p_corrected : float
        The same after Holm's method over all lines.
    differs : bool
        Whether the interval excludes 0 and the corrected p-value is below the level.
    """

    name: str
    seeds: tuple[int, ...]
    samples: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    interval: tuple[float, float]
    confidence: float
    p: float
    p_corrected: float
    differs: bool


@dataclass(frozen=True)
class Comparison:
    """Two evaluations, line by line.

    Attributes
    ----------
    lines : tuple of ComparedLine
        What both have.
    unmatched : tuple of str
        Fits without a partner, and why; empty unless they were allowed for.
    """

    lines: tuple[ComparedLine, ...]
    unmatched: tuple[str, ...]

    def __str__(self) -> str:
        texts = [
            f"{line.name}: {100 * line.difference:+.2f} points, from {100 * line.interval[0]:+.2f} to "
            f"{100 * line.interval[1]:+.2f} at {100 * line.confidence:.4g} %, p {line.p_corrected:.3g}"
            + (" (differs)" if line.differs else "")
            for line in self.lines
        ]
        return "\n".join(texts + [f"left out: {fit}" for fit in self.unmatched])


def compare(
    first: Evaluation | str | os.PathLike[str] | npt.ArrayLike,
    second: Evaluation | str | os.PathLike[str] | npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    *,
    common: bool = False,
    level: float = 0.05,
    bootstraps: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Test whether two models differ by more than chance on the same test rows.

    Fits of two results are partners where classifier, fraction of the labels and seed are the same; they must
    have learned from the same label subset. Differences are judged over rows and label subsets at once.

    Parameters
    ----------
    first, second : Evaluation, path or array_like
        Two results of :func:`knn`, :func:`logistic` or :func:`svm`; folders that hold results; or, with
        `labels`, predicted class numbers ``(n,)``.
    labels : array_like, optional
        The class of each row ``(n,)``, for predictions.
    common : bool
        Leave out fits without a partner instead of refusing them.
    level : float
        The probability of a false claim of a difference in any line.
    bootstraps : int
        Draws of the crossed bootstrap that gives the intervals.
    seed : int
        Of the draws.

    Returns
    -------
    Comparison
        One line a classifier and fraction.

    Raises
    ------
    ValueError
        Fits without a partner, results without predictions, lists of different lengths, a setting out of its
        range.
    TypeError
        Something else than a result, a folder or predictions; a setting of another kind.
    FileNotFoundError
        No result is in a folder.

    Notes
    -----
    The p-value is McNemar's exact one for a single subset, else of a t statistic with the variances over subsets
    and rows. The crossed bootstrap is Owen's (2007), its part of the subsets widened for their small number. Source:
    McNemar 1947; Holm 1979; Owen 2007; ``docs/evaluation.md`` has the formulas.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> truth = np.arange(200) % 4
    >>> first = np.where(np.arange(200) < 60, (truth + 1) % 4, truth)
    >>> (line,) = e2mc.compare(first, truth, truth).lines
    >>> line.accuracy_a, line.accuracy_b, line.differs
    (0.7, 1.0, True)
    """
    settings = real(level, "level"), whole(bootstraps, "bootstraps"), whole(seed, "seed")
    if labels is not None:
        text = _native.compare_predictions(
            classes(_array(first, "first"), "first"),
            classes(_array(second, "second"), "second"),
            classes(labels, "labels"),
            *settings,
        )
    else:
        text = _native.compare_results(
            _folder(first, "first"), _folder(second, "second"), flag(common, "common"), *settings
        )
    found = json.loads(text)
    lines = tuple(
        ComparedLine(
            **{**line, "seeds": tuple(line["seeds"]), "interval": (line["interval"][0], line["interval"][1])}
        )
        for line in found["lines"]
    )
    return Comparison(lines, tuple(found["unmatched"]))


def _folder(result: Any, name: str) -> str:
    if isinstance(result, Evaluation):
        return os.fspath(result.folder)
    if isinstance(result, (str, os.PathLike)):
        return os.fspath(result)
    raise wrong_kind(result, name, "a result, its folder, or labels beside it")


def _array(predictions: Any, name: str) -> Any:
    if isinstance(predictions, (Evaluation, str, os.PathLike)):
        raise wrong_kind(predictions, name, "predictions: labels were given")
    return predictions
