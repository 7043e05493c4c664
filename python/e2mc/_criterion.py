"""The criterion on an array of embeddings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy.typing as npt

from e2mc import _native
from e2mc._arrays import Floats, matrix
from e2mc._settings import real, text


@dataclass(frozen=True, eq=False)
class Score:
    """The criterion's value on embeddings ``(n, d)``.

    Attributes
    ----------
    entropy : float
        Mean of the marginal entropies after the transform, in nats; at most about 0, where all dimensions
        are uniform on the unit interval.
    covariance : float
        Sum of the squared off-diagonal covariances after the transform, over `d`; 0 for ``d = 1``.
    loss : float
        ``gamma * covariance - beta * entropy``.
    marginal_entropy : numpy.ndarray
        The entropy of each dimension, float32 ``(d,)``, in nats.
    entropy_shape : float
        The entropy after each dimension is brought to zero mean and unit variance. It depends on the shape of
        the distributions, not on their spread. NaN in a score of :func:`value_and_grad`.
    covariance_shape : float
        The covariance after the same.
    """

    entropy: float
    covariance: float
    loss: float
    marginal_entropy: Floats = field(repr=False)
    entropy_shape: float = math.nan
    covariance_shape: float = math.nan


def score(
    z: npt.ArrayLike,
    *,
    transform: str = "sigmoid",
    beta: float = 1000.0,
    gamma: float = 100.0,
    epsilon: float | None = None,
) -> Score:
    """Judge embeddings by the criterion ``gamma * covariance - beta * entropy``.

    Each dimension is mapped to the unit interval, where its entropy is estimated from m-spacings. The
    covariance between dimensions measures what they repeat of each other. A lower loss is better.

    Parameters
    ----------
    z : array_like
        Embeddings ``(n, d)``: one row an image, at least 2. float32 in C order is not copied.
    transform : {"sigmoid", "gaussian"}
        The map to the unit interval: the logistic function, for embeddings that are not normalised (VICReg), or
        the normal distribution function, for embeddings that are normalised later (SwAV, SimSiam).
    beta : float
        Weight of the mean marginal entropy.
    gamma : float
        Weight of the covariance. The defaults are the published ones for VICReg; SwAV's are 1 and 25,
        SimSiam's 0.001 and 0.01.
    epsilon : float, optional
        Added to each spacing inside the logarithm. By default the published one: 1e-7 for the sigmoid, 2**-23
        for the Gaussian.

    Returns
    -------
    Score
        Entropies in nats, the covariance, the loss.

    Raises
    ------
    ValueError
        Fewer than two rows, no columns, a value that is NaN or infinite (its row and column are named), a
        setting out of its range.
    TypeError
        A setting of another kind, such as a text for a number.

    Notes
    -----
    Source: Chakraborty et al., AISTATS 2025, Eq. 6 to 8 and appendix B.1. Computed in float32, sums in float64;
    the result does not depend on the number of threads. Cost: ``O(n d log n)`` for the entropies, and the
    smaller of ``n**2 d`` and ``n d**2`` multiplications for the covariance.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> z = np.random.default_rng(0).normal(size=(512, 64))
    >>> found = e2mc.score(z, transform="gaussian", beta=1.0, gamma=25.0)
    >>> bool(-0.1 < found.entropy < 0.0)
    True
    """
    settings = _settings(transform, beta, gamma, epsilon)
    figures, shape = _native.score(matrix(z, "z"), *settings)
    return Score(*figures, *shape)


def value_and_grad(
    z: npt.ArrayLike,
    *,
    transform: str = "sigmoid",
    beta: float = 1000.0,
    gamma: float = 100.0,
    epsilon: float | None = None,
) -> tuple[Score, Floats]:
    """Judge embeddings by the criterion and give the loss's gradient.

    Parameters
    ----------
    z, transform, beta, gamma, epsilon
        As for :func:`score`.

    Returns
    -------
    score : Score
        As of :func:`score`, without the two figures of shape.
    gradient : numpy.ndarray
        ``dloss/dz``, float32 ``(n, d)`` in C order. Equal values of a dimension count as sorted by their row.

    Raises
    ------
    ValueError, TypeError
        As :func:`score`.

    Notes
    -----
    Source: as of :func:`score`; the gradient is the derivative of Eq. 6 to 8 by hand, as automatic differentiation of
    the authors' code gives it.

    Examples
    --------
    >>> import numpy as np, e2mc
    >>> z = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    >>> before, gradient = e2mc.value_and_grad(z)
    >>> after, _ = e2mc.value_and_grad(z - 1e-4 * gradient)
    >>> after.loss < before.loss
    True
    """
    settings = _settings(transform, beta, gamma, epsilon)
    figures, gradient = _native.value_and_grad(matrix(z, "z"), *settings)
    return Score(*figures), gradient


def _settings(
    transform: str, beta: float, gamma: float, epsilon: float | None
) -> tuple[str, float, float, float | None]:
    """The settings as the extension takes them, which checks their ranges."""
    added = None if epsilon is None else real(epsilon, "epsilon")
    return text(transform, "transform"), real(beta, "beta"), real(gamma, "gamma"), added
