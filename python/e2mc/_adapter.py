"""A map fitted on frozen embeddings, as a scikit-learn transformer."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from e2mc import _native
from e2mc._arrays import Floats, classes, dense, matrix
from e2mc._settings import flag, place, real, text, whole

if TYPE_CHECKING:

    class _Base:
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Adapter: ...

else:
    try:
        from sklearn.base import BaseEstimator, TransformerMixin

        class _Base(TransformerMixin, BaseEstimator):
            pass

    except ImportError:

        class _Base:
            """What of an estimator works without scikit-learn."""

            _NAMES = ("method", "strength", "use", "unit_length", "seed", "looks")

            def get_params(self, deep=True):
                """Give the settings by name."""
                return {name: getattr(self, name) for name in self._NAMES}

            def set_params(self, **params):
                """Set settings by name."""
                for name, value in params.items():
                    if name not in self._NAMES:
                        raise ValueError(f"Adapter has no setting {name!r}, expected one of {self._NAMES}")
                    setattr(self, name, value)
                return self


@dataclass(frozen=True)
class Candidate:
    """A map that was compared on held-out rows A.

    Attributes
    ----------
    method : str
        The method and its settings.
    unit_length : bool
        Whether every mapped row is scaled to length 1.
    accuracy : float
        Accuracy on A, as a fraction.
    """

    method: str
    unit_length: bool
    accuracy: float


@dataclass(frozen=True)
class Verified:
    """The chosen map against none, on held-out rows B that took no part in the choice.

    Attributes
    ----------
    without, with_map : float
        Accuracy on B without the map and with it, as fractions.
    gain : float
        The difference of the two.
    interval : tuple of float
        The interval of the gain.
    confidence : float
        The probability of the interval, as a fraction.
    p : float
        The one-sided p-value of the permutation test.
    looks : int or None
        The number of evaluations on B, if counted.
    """

    without: float
    with_map: float
    gain: float
    interval: tuple[float, float]
    confidence: float
    p: float
    looks: int | None


@dataclass(frozen=True)
class Outcome:
    """How ``method="auto"`` came to its map.

    Attributes
    ----------
    use : str
        The use of the embeddings.
    verdict : str
        ``"gain"``: the map gains on B. ``"not-verified"``, ``"nothing-better"``, ``"not-judged"``: the identity
        is kept, because B did not confirm the choice, because nothing was better on A, or because there are too
        few rows, or no labels or second view.
    candidates : tuple of Candidate
        What was compared on A, the identity first.
    chosen : int or None
        Index of the chosen candidate.
    verified : Verified or None
        The result on B, if B was evaluated.
    detectable : float or None
        The smallest gain that B would show with probability 80 %, as a fraction.
    train, choose, verify : int
        Rows that maps were fitted on, chosen on (A) and verified on (B).
    fingerprint : str
        Fingerprint of the data, by which evaluations on B are counted.
    """

    use: str
    verdict: str
    candidates: tuple[Candidate, ...] = field(repr=False)
    chosen: int | None
    verified: Verified | None
    detectable: float | None
    train: int
    choose: int
    verify: int
    fingerprint: str = field(repr=False)


class Adapter(_Base):
    """A map of frozen embeddings, fitted without labels: ``y = W (x - m)``.

    ``method="auto"`` fits every method, chooses the best on held-out rows A, and verifies it on other held-out
    rows B. If the gain on B is not significant at 5 %, the embeddings stay unchanged. Labels, or a second
    view of the same images, are used only for evaluation; no map is fitted to them.

    Parameters
    ----------
    method : str
        ``"auto"``; ``"none"``, the identity; ``"center"``; ``"standardise"``; ``"whiten"``, with Ledoit and Wolf's
        shrinkage; ``"abtt"``, all but the top directions (Mu and Viswanath 2018); ``"e2mc"``, trained by the
        criterion.
    strength : float
        For ``"whiten"`` only, from 0 to 1: a direction of variance ``l`` is divided by ``l**(strength / 2)``.
    use : {"neighbours", "sgd-head", "classifier"}
        Use of the embeddings. ``"auto"`` evaluates maps for it: by 20 weighted neighbours, by a linear layer
        trained by SGD on few labels, or by a tuned logistic regression on few labels.
    unit_length : bool
        Scale every mapped row to length 1. ``"auto"`` chooses this by itself.
    seed : int
        For the split into rows to fit, A and B, and for training.
    looks : path, optional
        A JSON file that counts evaluations on B over many fits.

    Attributes
    ----------
    outcome_ : Outcome or None
        How ``"auto"`` came to its map.
    weight_ : numpy.ndarray
        ``W``, float32 ``(d_out, d)``.
    bias_ : numpy.ndarray
        ``-W m``, float64 ``(d_out,)``: ``y = W x + bias``, before unit length.
    method_ : str
        The method of the map and its settings.
    n_features_in_ : int
        ``d``.

    Raises
    ------
    TypeError
        An unknown keyword. Settings are checked by :meth:`fit`.

    Notes
    -----
    Source: whitening with the shrinkage of Ledoit and Wolf 2004; all but the top of Mu and Viswanath 2018; ``"e2mc"``
    by the criterion of :func:`score`. ``docs/adapt.md`` says how ``"auto"`` chooses and verifies.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> z = np.random.default_rng(0).normal(size=(200, 8)) * np.arange(1, 9)
    >>> mapped = e2mc.Adapter("whiten", strength=1.0).fit_transform(z)
    >>> mapped.dtype, mapped.shape
    (dtype('float32'), (200, 8))
    """

    def __init__(
        self,
        method: str = "auto",
        strength: float = 0.5,
        use: str = "neighbours",
        *,
        unit_length: bool = False,
        seed: int = 0,
        looks: str | os.PathLike[str] | None = None,
    ) -> None:
        self.method = method
        self.strength = strength
        self.use = use
        self.unit_length = unit_length
        self.seed = seed
        self.looks = looks

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: npt.ArrayLike | None = None,
        *,
        second_view: npt.ArrayLike | None = None,
    ) -> Adapter:
        """Fit the map.

        Parameters
        ----------
        X : array_like
            Embeddings ``(n, d)``, at least 2 rows.
        y : array_like, optional
            Class numbers ``(n,)``, or names of classes. Only ``"auto"`` looks at them, to judge.
        second_view : array_like, optional
            Embeddings ``(n, d)`` of another view of the same images, for evaluation instead of labels.

        Returns
        -------
        Adapter
            Itself.

        Raises
        ------
        ValueError
            A value that is not finite (its row and column are named), fewer than 2 rows, an unknown method or
            use, labels of one class only, a setting out of its range.
        TypeError
            A setting of another kind, a sparse matrix.
        """
        method, use, seed = text(self.method, "method"), text(self.use, "use"), whole(self.seed, "seed")
        strength, unit_length = real(self.strength, "strength"), flag(self.unit_length, "unit_length")
        looks = None if self.looks is None else place(self.looks, "looks")
        _native.check_adapter(method, use)
        rows = self._rows(X, reset=True)
        if method != "auto":
            found = _native.fit_map(rows, method, strength, unit_length, seed)
            self.map_, self.outcome_ = found, None
            return self
        labels = None if y is None else _class_numbers(y, rows.shape[0])
        second = None if second_view is None else matrix(second_view, "second_view")
        self.map_, found_text = _native.auto_map(rows, labels, second, use, seed, looks)
        self.outcome_ = _outcome(found_text)
        if labels is None and second is None:
            warnings.warn(
                "choosing a map needs labels or a second view, and neither was given: the identity is kept",
                stacklevel=2,
            )
        return self

    def transform(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Map embeddings.

        Parameters
        ----------
        X : array_like
            Embeddings ``(n, d)``.

        Returns
        -------
        numpy.ndarray
            Mapped rows, float32 ``(n, d_out)``.

        Raises
        ------
        ValueError
            Rows of another width, a value that is not finite (its row and column are named).
        """
        self._check_fitted()
        return self.map_.apply(self._rows(X, reset=False))

    def fit_transform(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike | None = None,
        *,
        second_view: npt.ArrayLike | None = None,
    ) -> Floats:
        """Fit the map and map the same rows; see :meth:`fit` and :meth:`transform`."""
        return self.fit(X, y, second_view=second_view).transform(X)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted map to `path`, a ``.safetensors`` file that ``e2mc`` reads too.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        self._check_fitted()
        self.map_.save(place(path, "path"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Adapter:
        """Read a fitted map.

        Raises
        ------
        ValueError
            The file holds something else.
        FileNotFoundError
            There is no such file.
        """
        found = _native.Map.load(place(path, "path"))
        adapter = cls(found.method.partition(",")[0], unit_length=found.unit_length)
        if found.strength is not None:
            adapter.strength = found.strength
        adapter.map_, adapter.outcome_ = found, None
        adapter.n_features_in_ = found.input_dims
        return adapter

    map_: _native.Map
    outcome_: Outcome | None
    n_features_in_: int

    @property
    def weight_(self) -> Floats:
        """``W``, float32 ``(d_out, d)``."""
        self._check_fitted()
        return self.map_.weight

    @property
    def bias_(self) -> npt.NDArray[np.float64]:
        """``-W m``, float64 ``(d_out,)``."""
        self._check_fitted()
        return self.map_.bias

    @property
    def method_(self) -> str:
        """The method of the map, with what sets it apart."""
        self._check_fitted()
        return self.map_.method

    def _check_fitted(self) -> None:
        if hasattr(self, "map_"):
            return
        if not TYPE_CHECKING:
            try:
                from sklearn.utils.validation import check_is_fitted
            except ImportError:
                pass
            else:
                check_is_fitted(self, "map_")
        raise ValueError("this Adapter is not fitted yet, expected fit or load first")

    def _rows(self, values: Any, *, reset: bool) -> Floats:
        """The embeddings, after scikit-learn's own checks of names and shapes where it is there."""
        if isinstance(values, (list, tuple)):
            values = dense(values, "X")
        if getattr(getattr(values, "dtype", None), "kind", "f") in "SUMmV":
            # These are refused, in our words.
            matrix(values, "X")
        if not TYPE_CHECKING:
            try:
                from sklearn.utils.validation import validate_data
            except ImportError:
                pass
            else:
                # What is not finite is told by row and column later.
                values = validate_data(
                    self,
                    values,
                    reset=reset,
                    dtype=[np.float32, np.float64, np.float16],
                    ensure_all_finite=False,
                    ensure_min_samples=2 if reset else 1,
                    # Where directions are removed, one has to be left.
                    ensure_min_features=2 if reset and self.method in {"auto", "abtt"} else 1,
                )
        rows = matrix(values, "X")
        if reset:
            self.n_features_in_ = rows.shape[1]
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _class_numbers(labels: npt.ArrayLike, rows: int) -> npt.NDArray[np.int64]:
    """Class numbers; other labels are numbered in sorted order."""
    array = dense(labels, "y")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.ravel()
    if array.ndim != 1 or array.shape[0] != rows:
        raise ValueError(f"y has the shape {array.shape}, expected ({rows},): one class a row of X")
    if array.dtype.kind in "iu" and array.size and array.min() >= 0:
        return classes(array, "y")
    if array.dtype.kind == "f":
        quantities = ~np.isfinite(array) | (array != np.floor(array))
        if quantities.any():
            row = int(np.argmax(quantities))
            raise ValueError(f"y holds {array[row]} at row {row}, expected classes, not quantities")
    try:
        return np.unique(array, return_inverse=True)[1].astype(np.int64).ravel()
    except TypeError:
        raise ValueError("y holds labels of several kinds, expected all numbers or all names") from None


def _outcome(text: str) -> Outcome:
    found = json.loads(text)
    verified = found["verified"]
    if verified is not None:
        verified = Verified(
            without=verified["without"],
            with_map=verified["with"],
            gain=verified["gain"],
            interval=(verified["interval"][0], verified["interval"][1]),
            confidence=verified["confidence"],
            p=verified["p"],
            looks=verified["looks"],
        )
    parts = found["parts"]
    return Outcome(
        use=found["use"],
        verdict=found["verdict"],
        candidates=tuple(Candidate(**candidate) for candidate in found["candidates"]),
        chosen=found["chosen"],
        verified=verified,
        detectable=found["detectable"],
        train=parts["train"],
        choose=parts["choose"],
        verify=parts["verify"],
        fingerprint=found["fingerprint"],
    )
