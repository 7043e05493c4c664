"""What embeddings look like, without labels."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from e2mc import _native
from e2mc._arrays import Floats, matrix
from e2mc._settings import listed, place, text, whole
from e2mc._sheet import Sheet, sheet, with_sheet


@dataclass(frozen=True)
class Finding:
    """What stands out.

    Attributes
    ----------
    kind : str
        ``"Better"``, ``"Worse"`` or ``"Within noise"`` of a comparison; ``"Good"``, ``"Look here"`` or ``"Note"``.
    text : str
        The finding as a sentence.
    """

    kind: str
    text: str


@dataclass(frozen=True, eq=False)
class EmbeddingFigures:
    """What one embedding ``(n, d)`` looks like. ``docs/diagnostics.md`` defines each figure.

    Attributes
    ----------
    rows, dims : int
        ``n`` and ``d``.
    zero_rows : int
        Rows of nothing but zeros.
    dead : int
        Nearly constant dimensions; ``dead_dimensions`` lists them.
    redundant : int
        Copies of other dimensions.
    entropy : float
        Mean marginal entropy after the transform, in nats; 0 is uniform.
    divergence_from_uniform : float
        Its negative.
    gap_from_uniform : float
        Mean distance of the marginals from uniform, 0 to 1.
    covariance, raw_covariance : float
        Squared off-diagonal covariances over ``d``, after the transform and as the embedding is.
    mean_absolute_correlation : float
        Mean correlation of two dimensions, in size.
    rankme, participation_ratio : float
        Effective ranks, from 1 to ``d``.
    directions_99 : int
        Directions that hold 99 % of the variance.
    alpha : float or None
        Decay of the spectrum.
    alignment, lidar : float or None
        Of several views: how far views of one image are apart, and in how many directions images differ by more
        than their views do.
    uniformity, mean_cosine : float or None
        Uniformity at t = 2 (Wang and Isola 2020), and the mean cosine of two rows.
    neighbour_1_mean, neighbour_100_mean : float or None
        Mean distance to the first and the hundredth neighbour; `neighbour_1_error`, `neighbour_100_error` are the
        standard errors.
    neighbour_overlap : float or None
        Shared area of the two distances' distributions, 0 to 1.
    neighbour_queries, neighbour_copies : int
        Rows that asked, and those with an equal row.
    dependent_pairs, mean_mutual_information : float or None
        Share of dependent pairs of dimensions, and their mutual information in nats.
    marginal_rows : int
        Rows of the sample for the marginals.
    marginal_entropy, marginal_gap, mean, deviation : numpy.ndarray
        Of each dimension, float64 ``(d,)``.
    eigenvalues : numpy.ndarray
        Of the covariance, falling.
    views : int
        Views of each image.
    transform : str
        The map to the unit interval.
    record : dict
        Everything, as ``e2mc inspect --json`` prints it.
    """

    rows: int
    dims: int
    zero_rows: int
    dead: int
    redundant: int
    entropy: float
    divergence_from_uniform: float
    gap_from_uniform: float
    covariance: float
    raw_covariance: float
    mean_absolute_correlation: float
    rankme: float
    participation_ratio: float
    directions_99: int
    alpha: float | None
    lidar: float | None
    alignment: float | None
    uniformity: float | None
    mean_cosine: float | None
    neighbour_1_mean: float | None
    neighbour_1_error: float | None
    neighbour_100_mean: float | None
    neighbour_100_error: float | None
    neighbour_overlap: float | None
    neighbour_queries: int
    neighbour_copies: int
    dependent_pairs: float | None
    mean_mutual_information: float | None
    marginal_rows: int
    views: int
    transform: str
    dead_dimensions: tuple[int, ...] = field(repr=False)
    marginal_entropy: npt.NDArray[np.float64] = field(repr=False)
    marginal_gap: npt.NDArray[np.float64] = field(repr=False)
    mean: npt.NDArray[np.float64] = field(repr=False)
    deviation: npt.NDArray[np.float64] = field(repr=False)
    eigenvalues: npt.NDArray[np.float64] = field(repr=False)
    record: dict[str, Any] = field(repr=False)


_ARRAYS = ("marginal_entropy", "marginal_gap", "mean", "deviation", "eigenvalues")


def _values(record: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"record": dict(record)}
    for known in fields(EmbeddingFigures):
        if known.name in _ARRAYS:
            column = [np.nan if value is None else value for value in record[known.name]]
            values[known.name] = np.array(column, dtype=np.float64)
        elif known.name == "dead_dimensions":
            values[known.name] = tuple(record[known.name])
        elif known.name != "record":
            values[known.name] = record[known.name]
    return values


@dataclass(frozen=True, eq=False)
class Inspection(EmbeddingFigures):
    """What :func:`inspect` found: the figures of `z` as attributes, and the page.

    Attributes
    ----------
    after : EmbeddingFigures or None
        The figures of the other embeddings of the same images.
    findings : tuple of Finding
        What stands out, a sentence each.
    sheet : Sheet or None
        Some images with their nearest neighbours, where images were given: `rows`, `neighbours`, and `pixels`, uint8
        ``(height, width, 3)``.
    html : str
        The page: one self-contained document.
    rows, dims, entropy, ...
        All figures of `z`, as of :class:`EmbeddingFigures`.
    """

    after: EmbeddingFigures | None = None
    findings: tuple[Finding, ...] = ()
    sheet: Sheet | None = field(default=None, repr=False)
    _measured: Any = field(default=None, repr=False)

    @property
    def html(self) -> str:
        """The page: one self-contained document that loads nothing."""
        page = str(self._measured.html())
        if self.sheet is None:
            return page
        return with_sheet(page, self.sheet, ["z"] if self.after is None else ["before", "after"])

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page to `path`.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        Path(place(path, "path")).write_text(self.html, encoding="utf-8")

    def save_figures(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Write each chart as SVG into `folder`, which is made if need be.

        Returns
        -------
        tuple of str
            What should be known of the files, such as what could not be drawn.

        Raises
        ------
        OSError
            A file cannot be written.
        """
        return tuple(self._measured.save_figures(place(folder, "folder")))

    def _repr_html_(self) -> str:
        """The page in a frame, as notebooks show it."""
        page = html.escape(self.html, quote=True)
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts" title="What the embedding looks like" '
            'style="width: 100%; height: 40rem; border: 0"></iframe>'
        )


def inspect(
    z: npt.ArrayLike,
    after: npt.ArrayLike | None = None,
    views: Sequence[npt.ArrayLike] = (),
    images: Sequence[npt.ArrayLike] | npt.NDArray[Any] | None = None,
    *,
    transform: str = "gaussian",
    queries: int = 5000,
    seed: int = 0,
) -> Inspection:
    """Look at embeddings: their dimensions, directions, neighbours and pairs.

    Parameters
    ----------
    z : array_like
        Embeddings ``(n, d)``, at least 2 rows and 2 columns.
    after : array_like, optional
        Embeddings of the same images by another model, ``(n, d)``, to compare `z` with.
    views : sequence of array_like
        Embeddings of other views of the same images by the same model, each ``(n, d)``; for alignment and
        LiDAR. Not together with `after`.
    images : sequence of array_like, optional
        The images, one a row: uint8, or floats from 0 to 1, ``(height, width)`` or ``(height, width, channels)``. The page
        then shows some of them with their nearest neighbours.
    transform : {"gaussian", "sigmoid"}
        The map to the unit interval for entropies.
    queries : int
        Query rows whose neighbours are searched among all rows.
    seed : int
        Of the samples.

    Returns
    -------
    Inspection
        Figures as attributes, findings as sentences, the page by ``to_html(path)``; notebooks show the page.

    Raises
    ------
    ValueError
        A value that is not finite (its row and column are named), too few rows or columns, embeddings or views
        of different shapes, not one image a row, a setting out of its range.
    TypeError
        A setting of another kind, views or images that are no sequence.

    Notes
    -----
    Source: RankMe of Garrido et al. 2023, LiDAR of Thilak et al. 2024, alignment and uniformity of Wang and Isola 2020,
    entropies of :func:`score`; ``docs/diagnostics.md`` has every formula and its source.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> z = np.random.default_rng(0).normal(size=(300, 16))
    >>> z[:, 5] = 1.0
    >>> found = e2mc.inspect(z)
    >>> found.dead_dimensions, bool(13 < found.rankme < 16)
    ((5,), True)
    """
    settings = text(transform, "transform"), whole(queries, "queries"), whole(seed, "seed")
    first = matrix(z, "z")
    several = listed(views, "views", "a sequence of embeddings (n, d)")
    embeddings = [("z", first)]
    if after is not None:
        second = matrix(after, "after")
        _check_same(second, first, "after")
        embeddings = [("before", first), ("after", second)]
        if several:
            raise ValueError(
                "views were given together with after, expected one of them\n"
                "hint: inspect the two separately to compare their alignment and LiDAR"
            )
    others = [matrix(view, f"view {index}") for index, view in enumerate(several, 1)]
    for index, view in enumerate(others, 1):
        _check_same(view, first, f"view {index}")
        finite = np.isfinite(view)
        if not finite.all():
            row, column = (int(place) for place in np.argwhere(~finite)[0])
            raise ValueError(
                f"view {index} holds {view[row, column]} at row {row}, column {column}, expected a finite number"
            )
    measured = _native.measure(embeddings, others, *settings)
    found = json.loads(measured.json())
    drawn = None if images is None else sheet(images, [array for _, array in embeddings])
    findings = tuple(Finding(finding["kind"], finding["text"]) for finding in found["findings"])
    if after is None:
        return Inspection(**_values(found), findings=findings, sheet=drawn, _measured=measured)
    return Inspection(
        **_values(found["before"]),
        after=EmbeddingFigures(**_values(found["after"])),
        findings=findings,
        sheet=drawn,
        _measured=measured,
    )


def _check_same(other: Floats, first: Floats, name: str) -> None:
    if other.shape != first.shape:
        raise ValueError(
            f"{name} has {other.shape[0]} rows of {other.shape[1]} dimensions, expected "
            f"{first.shape[0]} of {first.shape[1]} as z\n"
            "hint: embed the same images in the same order"
        )
