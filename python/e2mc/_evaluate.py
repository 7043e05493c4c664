"""What labelled embeddings are worth, by three classifiers."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy.typing as npt

from e2mc import _native
from e2mc._arrays import classes, matrix, targets
from e2mc._results import Evaluation, evaluation
from e2mc._settings import flag, is_whole, place, real, several, text, whole

_PathLike = str | os.PathLike[str]

#: More fits than anyone waits for; their seeds alone would fill the memory before a sentence could be told.
MOST_SEEDS = 1_000_000


def knn(
    train: npt.ArrayLike,
    train_labels: npt.ArrayLike,
    test: npt.ArrayLike,
    test_labels: npt.ArrayLike,
    *,
    k: int | Sequence[int] = 20,
    vote: str = "both",
    temperature: float = 0.07,
    memory: int | None = None,
    model: str = "embeddings",
    out: _PathLike | None = None,
    overwrite: bool = False,
) -> Evaluation:
    """Classify test rows by their nearest training rows in cosine similarity.

    Parameters
    ----------
    train, test : array_like
        Embeddings ``(n, d)`` and ``(n_test, d)``.
    train_labels, test_labels : array_like
        Class numbers from 0, ``(n,)`` and ``(n_test,)``.
    k : int or sequence of int
        Numbers of neighbours, all from one search.
    vote : {"both", "weighted", "majority"}
        How much each neighbour's vote counts: ``exp(similarity / temperature)``, or one each.
    temperature : float
        Of the weighted vote.
    memory : int, optional
        Bytes for the search; no limit by default.
    model : str
        What tables call the model.
    out : path, optional
        Folder for ``result.json`` and the predictions, as the command leaves them. By default a temporary
        one, removed with the result.
    overwrite : bool
        Replace an older result in `out`.

    Returns
    -------
    Evaluation
        Its `neighbours` have one entry for each k and vote, accuracies in percent.

    Raises
    ------
    ValueError
        Not one label a row, training labels of one class only, a value that is not finite (its row and
        column are named), a setting out of its range.
    TypeError
        A setting of another kind, such as a text for a number.
    FileExistsError
        A result is in `out`.

    Notes
    -----
    Source: the weighted vote is DINO's (Caron et al. 2021, section 4.1). Ties go to the lower row and class. Cost:
    ``2 n n_test d`` operations on all cores.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> labels = np.arange(300) % 3
    >>> z = 3.0 * np.eye(3, 16)[labels] + np.random.default_rng(0).normal(size=(300, 16))
    >>> found = e2mc.knn(z[:200], labels[:200], z[200:], labels[200:], k=5, vote="majority")
    >>> bool(found.neighbours[0].figures.top1 > 90)
    True
    """
    arguments = (
        matrix(train, "train"),
        classes(train_labels, "train_labels"),
        matrix(test, "test"),
        classes(test_labels, "test_labels"),
        several(k, "k", whole),
        text(vote, "vote"),
        real(temperature, "temperature"),
        None if memory is None else whole(memory, "memory"),
    )
    return _written(lambda *where: _native.knn(*arguments, *where), out, overwrite, model)


def logistic(
    train: npt.ArrayLike,
    train_labels: npt.ArrayLike,
    test: npt.ArrayLike,
    test_labels: npt.ArrayLike,
    *,
    fractions: float | Sequence[float] = (0.01, 0.1, 1.0),
    seeds: int | Iterable[int] = 5,
    k: int = 20,
    model: str = "embeddings",
    out: _PathLike | None = None,
    overwrite: bool = False,
) -> Evaluation:
    """Classify test rows by logistic regression on fractions of the labels.

    Features are standardised; the penalty is chosen by five-fold cross-validation on the labels learned from.
    Nothing has to be tuned.

    Parameters
    ----------
    train, train_labels, test, test_labels : array_like
        As for :func:`knn`.
    fractions : float or sequence of float
        Fractions of the training labels, in (0, 1]; each is drawn stratified by class.
    seeds : int or iterable of int
        One label subset and fit a seed; a number `m` stands for ``range(m)``. With all labels one fit is
        enough.
    k : int
        Neighbours of the majority vote beside it.
    model, out, overwrite
        As for :func:`knn`.

    Returns
    -------
    Evaluation
        Its `probes` have one row a fraction, mean and standard error over the seeds in percent.

    Raises
    ------
    ValueError
        As :func:`knn`; a fraction of less than one row.
    TypeError
        A setting of another kind.
    FileExistsError
        A result is in `out`.

    Notes
    -----
    Minimises ``1/n sum_i cross_entropy(W x_i + b, y_i) + l2/2 |W|**2`` by L-BFGS; scikit-learn's ``C`` is
    ``1 / (l2 n)``. Source: L-BFGS of Liu and Nocedal 1989; ``docs/evaluation.md`` describes the protocol.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> labels = np.arange(300) % 3
    >>> z = 3.0 * np.eye(3, 16)[labels] + np.random.default_rng(0).normal(size=(300, 16))
    >>> found = e2mc.logistic(z[:200], labels[:200], z[200:], labels[200:], fractions=[0.1, 1.0], seeds=3)
    >>> [(row.fraction, row.images, len(row.runs)) for row in found.probes]
    [(0.1, 20, 3), (1.0, 200, 1)]
    """
    arguments = (
        matrix(train, "train"),
        classes(train_labels, "train_labels"),
        matrix(test, "test"),
        classes(test_labels, "test_labels"),
        several(fractions, "fractions", real),
        _seeds(seeds),
        whole(k, "k"),
    )
    return _written(lambda *where: _native.logistic(*arguments, *where), out, overwrite, model)


def svm(
    train: npt.ArrayLike,
    train_labels: npt.ArrayLike,
    test: npt.ArrayLike,
    test_labels: npt.ArrayLike,
    *,
    cost: float | Sequence[float] = (),
    folds: int = 3,
    positive_weight: float = 1.0,
    scale: str = "raw",
    average_precision: str = "area",
    tolerance: float = 1e-4,
    max_epochs: int = 1000,
    seed: int = 0,
    model: str = "embeddings",
    out: _PathLike | None = None,
    overwrite: bool = False,
) -> Evaluation:
    """Classify test rows by linear support vector machines, one against the rest.

    Parameters
    ----------
    train, test : array_like
        Embeddings ``(n, d)`` and ``(n_test, d)``.
    train_labels, test_labels : array_like
        Class numbers ``(n,)``, or for several labels a row one column a label ``(n, labels)``: 1 present, 0
        absent, -1 ignored.
    cost : float or sequence of float
        ``C``, the weight of errors; several are chosen from by cross-validation, by default 1e-6 to 1000 in
        factors of 10.
    folds : int
        Folds of the cross-validation.
    positive_weight : float
        Weight of positive rows relative to negative rows.
    scale : {"raw", "unit", "standard"}
        What is done to features first: nothing, rows at length 1, or columns at mean 0 and deviation 1.
    average_precision : {"area", "voc07"}
        Of several labels a row: the area under the steps, or VOC 2007's eleven points.
    tolerance : float
        Largest difference of projected gradients at the end.
    max_epochs : int
        Most passes over the training rows.
    seed : int
        Of folds and orders.
    model, out, overwrite
        As for :func:`knn`.

    Returns
    -------
    Evaluation
        Its `svm` has accuracies, or average precisions of several labels a row, in percent.

    Raises
    ------
    ValueError
        As :func:`knn`; training and test labels of different kinds.
    TypeError
        A setting of another kind.
    FileExistsError
        A result is in `out`.

    Notes
    -----
    The squared hinge loss with a penalised bias, by dual coordinate descent, as LIBLINEAR has it. Source: Hsieh et al.
    2008; Fan et al. 2008.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> labels = np.arange(300) % 3
    >>> z = 3.0 * np.eye(3, 16)[labels] + np.random.default_rng(0).normal(size=(300, 16))
    >>> found = e2mc.svm(z[:200], labels[:200], z[200:], labels[200:], cost=0.1)
    >>> bool(found.svm.figures.top1 > 90), len(found.svm.svms)
    (True, 3)
    """
    arguments = (
        matrix(train, "train"),
        targets(train_labels, "train_labels"),
        matrix(test, "test"),
        targets(test_labels, "test_labels"),
        several(cost, "cost", real),
        whole(folds, "folds"),
        real(positive_weight, "positive_weight"),
        text(scale, "scale"),
        text(average_precision, "average_precision"),
        real(tolerance, "tolerance"),
        whole(max_epochs, "max_epochs"),
        whole(seed, "seed"),
    )
    return _written(lambda *where: _native.svm(*arguments, *where), out, overwrite, model)


def _seeds(seeds: int | Iterable[int]) -> list[int]:
    """The seeds; a number stands for as many from 0 on."""
    return list(range(whole(seeds, "seeds", most=MOST_SEEDS))) if is_whole(seeds) else several(seeds, "seeds", whole)


def _written(
    evaluate: Callable[[str, bool, str], str], out: _PathLike | None, overwrite: bool, model: str
) -> Evaluation:
    """Evaluates into a folder; one of its own lives as long as the result."""
    how = flag(overwrite, "overwrite"), text(model, "model")
    if out is not None:
        folder = place(out, "out")
        return _told(evaluation(evaluate(folder, *how), Path(folder)))
    folder = tempfile.mkdtemp(prefix="e2mc-")
    try:
        found = evaluation(evaluate(folder, *how), Path(folder))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return _told(found)


def _told(found: Evaluation) -> Evaluation:
    for warning in found.warnings:
        warnings.warn(warning, stacklevel=4)
    return found
