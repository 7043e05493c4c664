"""The criteria in torch operations; autograd finds the gradients. Embeddings are ``(n, d)``, float32 or float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: Rows shorter than this have no direction.
SHORTEST = 1e-12


def unit_interval(z: Tensor, transform: str) -> Tensor:
    """The map to the unit interval (paper, Eq. C.6)."""
    if transform == "sigmoid":
        return z.sigmoid()
    return 0.5 * (1.0 + torch.erf(z * math.sqrt(0.5)))


def mean_marginal_entropy(u: Tensor, epsilon: float) -> Tensor:
    """The mean over the columns of the m-spacings entropy, in nats (paper, Eq. 7)."""
    n = u.shape[0]
    m = round(math.sqrt(n))
    ordered = u.sort(dim=0).values
    spacings = ordered[m:] - ordered[: n - m]
    return torch.log(spacings * ((n + 1) / m) + epsilon).mean()


def off_diagonal_covariance(u: Tensor) -> Tensor:
    """The squared off-diagonal covariances over ``d``, by the smaller of the two Gram matrices."""
    n, d = u.shape
    u = u - u.mean(dim=0)
    squares = u.square().sum(dim=0).square().sum()
    gram = u @ u.T if n < d else u.T @ u
    return (gram.square().sum() - squares) / (d * (n - 1) ** 2)


def unit_rows(z: Tensor) -> Tensor:
    """Rows divided by their length; rows without direction become zero and get no gradient."""
    short = torch.linalg.vector_norm(z.detach(), dim=1, keepdim=True) < SHORTEST
    z = z.masked_fill(short, 0.0)
    squares = z.square().sum(dim=1, keepdim=True).masked_fill(short, 1.0)
    return z * squares.rsqrt()


def vcreg(z: Tensor, space: str) -> tuple[Tensor, Tensor]:
    """Variance and covariance terms, unweighted (Zhu et al. 2023; Bardes et al. 2022)."""
    target = 1.0
    if space == "hypersphere":
        z, target = unit_rows(z), 1.0 / math.sqrt(z.shape[1])
    deviation = torch.sqrt(z.var(dim=0) + 1e-4)
    return torch.relu(target - deviation).mean(), off_diagonal_covariance(z)


def uniformity(z: Tensor, t: float) -> Tensor:
    """``log mean_{i<j} exp(-t |x_i - x_j|**2)`` on rows of unit length (Wang and Isola 2020)."""
    x = unit_rows(z)
    n = x.shape[0]
    squares = x.square().sum(dim=1)
    distances = (squares[:, None] + squares - 2.0 * (x @ x.T)).clamp_min(0.0)
    own = torch.eye(n, dtype=torch.bool, device=x.device)
    exponents = (-t * distances).masked_fill(own, -math.inf)
    value: Tensor = torch.logsumexp(exponents.flatten(), dim=0) - math.log(n * (n - 1))
    return value


def mmcr(views: Sequence[Tensor]) -> Tensor:
    """Minus the nuclear norm of the mean view, rows at unit length (Yerxa et al. 2023)."""
    mean = torch.stack([unit_rows(view) for view in views]).mean(dim=0)
    value: Tensor = -torch.linalg.svdvals(mean).sum()
    return value


def sigreg(z: Tensor, directions: Tensor, knots: int, t_max: float) -> Tensor:
    """Mean Epps-Pulley statistic along `directions` ``(slices, d)`` (Balestriero and LeCun 2025)."""
    projections = z @ directions.T
    n = projections.shape[0]
    spacing = t_max / (knots - 1)
    value = z.new_zeros(())
    # At t = 0 both characteristic functions are 1; every other knot counts for -t too.
    for knot in range(1, knots):
        t = knot * spacing
        normal = math.exp(-0.5 * t * t)
        width = spacing if knot + 1 == knots else 2.0 * spacing
        real = torch.cos(t * projections).mean(dim=0) - normal
        imaginary = torch.sin(t * projections).mean(dim=0)
        value = value + (n * width * normal) * (real.square() + imaginary.square()).mean()
    return value
