"""The losses: one module each, and what they share."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from e2mc import _native
from e2mc._arrays import Floats, check_tensor
from e2mc._settings import flag, real, text, whole
from e2mc.torch import _formulas
from e2mc.torch._analytic import analytic
from e2mc.torch._gather import gather, world_size

Views = Sequence[Tensor]


class _Loss(nn.Module):
    """A criterion of one view or several, on the CPU by the Rust core and elsewhere in torch operations."""

    def __init__(self, gather_distributed: bool) -> None:
        super().__init__()
        self.gather_distributed = flag(gather_distributed, "gather_distributed")
        self._components: dict[str, Tensor] = {}
        self._warned = False

    @property
    def components(self) -> dict[str, Tensor]:
        """The unweighted parts of the last loss, detached scalars by name; empty before the first."""
        return dict(self._components)

    @torch.compiler.disable  # type: ignore[untyped-decorator, misc, unused-ignore]
    def forward(self, *views: Tensor | Views) -> Tensor:
        """Judge embeddings.

        Parameters
        ----------
        *views : torch.Tensor
            Embeddings ``(n, d)`` of one view, or of several views of the same images in the same order; also as one
            tuple.

        Returns
        -------
        torch.Tensor
            The loss, a scalar in float32 (float64 for float64 embeddings).

        Raises
        ------
        ValueError
            Fewer than two rows, no columns, views of different shapes; on the CPU also a value that is not finite
            (its row and column are named).
        TypeError
            Something else than tensors of floating point.
        """
        tensors = _tensors(views)
        if self.gather_distributed:
            tensors = [gather(view) for view in tensors]
        elif not self._warned and (world := world_size()) > 1:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__} sees the rows of this process alone, of {world} processes; "
                "gather_distributed=True judges all rows together",
                stacklevel=3,
            )
        device = tensors[0].device.type
        with torch.autocast(device_type=device, enabled=False):
            working = [view if view.dtype == torch.float64 else view.float() for view in tensors]
            if device == "cpu":
                if all(view.dtype == torch.float32 for view in working):
                    return self._analytic(working)
                # Elsewhere looking at values would wait for the device.
                _check_finite(working)
            loss, components = self._formula(working)
        self._components = {name: value.detach() for name, value in components.items()}
        return loss

    def _analytic(self, views: Views) -> Tensor:
        components: dict[str, float] = {}

        def evaluate(arrays: Sequence[Floats], wanted: bool) -> tuple[float, Sequence[Floats]]:
            loss, parts, gradients = self._core(arrays, wanted)
            components.update(parts)
            return loss, gradients

        loss = analytic(evaluate, views)
        self._components = {name: views[0].new_tensor(value) for name, value in components.items()}
        return loss

    @abstractmethod
    def _core(
        self, views: Sequence[Floats], wanted: bool
    ) -> tuple[float, dict[str, float], Sequence[Floats]]:
        """Loss and parts by the Rust core, and one gradient a view if wanted."""

    @abstractmethod
    def _formula(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and parts in torch operations."""


def _tensors(views: Sequence[Any]) -> list[Tensor]:
    """The views, checked without looking at values."""
    if len(views) == 1 and isinstance(views[0], (tuple, list)):
        views = views[0]
    if not views:
        raise ValueError("no view was given, expected at least one tensor (n, d)")
    first = views[0]
    for index, view in enumerate(views):
        if not (isinstance(view, Tensor) and view.is_floating_point()):
            kind = f"tensor of {view.dtype}" if isinstance(view, Tensor) else type(view).__name__
            raise TypeError(f"view {index} is a {kind}, expected a floating-point tensor (n, d)")
        check_tensor(view, f"view {index}")
        if view.ndim != 2:
            raise ValueError(
                f"view {index} has the shape {tuple(view.shape)}, expected (n, d): one row an image"
            )
        if view.shape != first.shape:
            raise ValueError(
                f"view {index} has {view.shape[0]} x {view.shape[1]} embeddings, expected "
                f"{first.shape[0]} x {first.shape[1]} as view 0"
            )
        if (view.dtype == torch.float64) != (first.dtype == torch.float64) or view.device != first.device:
            raise ValueError(
                f"view {index} is {view.dtype} on {view.device}, expected {first.dtype} on {first.device} as view 0"
            )
    if first.shape[0] < 2:
        raise ValueError(f"embedding has {first.shape[0]} row(s), expected at least 2")
    if first.shape[1] == 0:
        raise ValueError(f"embedding of {first.shape[0]} rows has no columns, expected at least 1")
    return list(views)


def _check_finite(views: Views) -> None:
    for index, view in enumerate(views):
        wrong = ~view.detach().isfinite()
        try:
            some = bool(wrong.any())
        except RuntimeError:
            # Inside torch.func.vmap there are no values to look at.
            return
        if some:
            row, column = wrong.nonzero()[0].tolist()
            value = float(view[row, column].detach())
            shown = "NaN" if math.isnan(value) else f"{value}"
            raise ValueError(
                f"view {index} holds {shown} at row {row}, column {column}, expected a finite number"
            )


def _check(name: str, value: float, *, least: float | None = None, above: float | None = None) -> float:
    value = real(value, name)
    good = math.isfinite(value)
    expected = "a finite number"
    if least is not None:
        good, expected = good and value >= least, f"a number of at least {least:g}"
    if above is not None:
        good, expected = good and value > above, f"a number above {above:g}"
    if not good:
        raise ValueError(f"criterion has {name} = {value}, expected {expected}")
    return value


def _at_least(name: str, value: int, least: int) -> int:
    value = whole(value, name)
    if value < least:
        raise ValueError(f"criterion has {name} = {value}, expected a number of at least {least}")
    return value


def _one_of(name: str, value: str, names: Sequence[str]) -> str:
    if text(value, name) not in names:
        raise ValueError(f"{name} is {value!r}, expected {' or '.join(map(repr, names))}")
    return value


class E2MCLoss(_Loss):
    """Effective entropy maximisation: ``gamma * covariance - beta * entropy``.

    Of one view it is exactly the loss of :func:`e2mc.score`. Of several views the authors' convention holds, to
    which the published weights belong: the entropy is averaged over the views, the covariance summed.

    Parameters
    ----------
    transform : {"sigmoid", "gaussian"}
        The map to the unit interval: the logistic function, for embeddings that fill a hypercube (VICReg), or the
        normal distribution function, for embeddings before they are normalised (SwAV, SimSiam).
    beta : float
        Weight of the mean marginal entropy.
    gamma : float
        Weight of the covariance. The defaults are VICReg's; SwAV's are 1 and 25, SimSiam's 0.001 and 0.01.
    epsilon : float, optional
        Added to each spacing inside the logarithm; by default 1e-7 for the sigmoid, 2**-23 for the Gaussian.
    gather_distributed : bool
        Judge the rows of all processes together. The gradient, averaged by DDP, is then that of one process with
        all rows. Off by default; with more than one process a warning says so once.

    Raises
    ------
    ValueError
        A setting out of its range.
    TypeError
        A setting of another kind, such as a text for a number.

    Notes
    -----
    `components` has ``entropy`` (nats, mean over the views) and ``covariance`` (sum over the views). Source: Chakraborty
    et al., AISTATS 2025, Eq. 6 to 8 and appendix B.1.

    Examples
    --------
    >>> import torch
    >>> from e2mc.torch import E2MCLoss
    >>> z = torch.randn(256, 32, requires_grad=True)
    >>> loss = E2MCLoss()(z)
    >>> loss.backward()
    >>> z.grad.shape
    torch.Size([256, 32])
    """

    def __init__(
        self,
        transform: str = "sigmoid",
        beta: float = 1000.0,
        gamma: float = 100.0,
        epsilon: float | None = None,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__(gather_distributed)
        published = _native.default_epsilon(text(transform, "transform"))
        self.transform = transform
        self.beta = _check("beta", beta)
        self.gamma = _check("gamma", gamma)
        self.epsilon = published if epsilon is None else _check("epsilon", epsilon, above=0.0)

    def _core(
        self, views: Sequence[Floats], wanted: bool
    ) -> tuple[float, dict[str, float], Sequence[Floats]]:
        beta = self.beta / len(views)
        evaluate = _native.value_and_grad if wanted else _without_gradient
        loss = entropy = covariance = 0.0
        gradients: list[Floats] = []
        for view in views:
            found, gradient = evaluate(view, self.transform, beta, self.gamma, self.epsilon)
            entropy += found[0] / len(views)
            covariance += found[1]
            loss += found[2]
            gradients.append(gradient)
        return loss, {"entropy": entropy, "covariance": covariance}, gradients

    def _formula(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        units = [_formulas.unit_interval(view, self.transform) for view in views]
        entropies = [_formulas.mean_marginal_entropy(u, self.epsilon) for u in units]
        covariances = [_formulas.off_diagonal_covariance(u) for u in units]
        entropy, covariance = torch.stack(entropies).mean(), torch.stack(covariances).sum()
        loss = self.gamma * covariance - self.beta * entropy
        return loss, {"entropy": entropy, "covariance": covariance}

    def extra_repr(self) -> str:
        return (
            f"transform={self.transform!r}, beta={self.beta:g}, gamma={self.gamma:g}, "
            f"epsilon={self.epsilon:g}, gather_distributed={self.gather_distributed}"
        )


def _divided(gradient: Floats, count: int) -> Floats:
    return gradient if count == 1 else np.divide(gradient, np.float32(count), out=gradient)


def _without_gradient(
    z: Floats, transform: str, beta: float, gamma: float, epsilon: float | None
) -> tuple[tuple[float, float, float, Floats], Floats]:
    return _native.value(z, transform, beta, gamma, epsilon), z


class VCRegLoss(_Loss):
    """Variance and covariance regularisation: VICReg's two terms without its invariance; a mean over the views.

    Parameters
    ----------
    space : {"hypersphere", "projector"}
        Where the statistics are taken: on rows of unit length, with the target deviation ``1 / sqrt(d)``, or on the
        embedding as it is, with the target 1.
    variance, covariance : float
        Weights of the two terms; the defaults are those of the paper's ablation (Table 3).
    gather_distributed : bool
        As of :class:`E2MCLoss`.

    Raises
    ------
    ValueError
        A setting out of its range.
    TypeError
        A setting of another kind, such as a text for a number.

    Notes
    -----
    `components` has ``variance`` and ``covariance``. Source: Bardes et al. 2022; Zhu et al. 2023.

    Examples
    --------
    >>> import torch
    >>> from e2mc.torch import VCRegLoss
    >>> criterion = VCRegLoss("projector", variance=25.0, covariance=1.0)
    >>> bool(criterion(torch.randn(64, 8), torch.randn(64, 8)) > 0), sorted(criterion.components)
    (True, ['covariance', 'variance'])
    """

    def __init__(
        self,
        space: str = "hypersphere",
        variance: float = 0.1,
        covariance: float = 0.001,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__(gather_distributed)
        self.space = _one_of("space", space, ("hypersphere", "projector"))
        self.variance = _check("variance weight", variance, least=0.0)
        self.covariance = _check("covariance weight", covariance, least=0.0)

    def _core(
        self, views: Sequence[Floats], wanted: bool
    ) -> tuple[float, dict[str, float], Sequence[Floats]]:
        count = len(views)
        weights = self.variance / count, self.covariance / count
        parts = {"variance": 0.0, "covariance": 0.0}
        total, gradients = 0.0, []
        for view in views:
            (variance, covariance, loss), gradient = _native.vcreg(view, self.space, *weights, wanted)
            parts["variance"] += variance / count
            parts["covariance"] += covariance / count
            total += loss
            gradients.append(view if gradient is None else gradient)
        return total, parts, gradients

    def _formula(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        pairs = [_formulas.vcreg(view, self.space) for view in views]
        variance = torch.stack([pair[0] for pair in pairs]).mean()
        covariance = torch.stack([pair[1] for pair in pairs]).mean()
        loss = self.variance * variance + self.covariance * covariance
        return loss, {"variance": variance, "covariance": covariance}

    def extra_repr(self) -> str:
        return f"space={self.space!r}, variance={self.variance:g}, covariance={self.covariance:g}"


class UniformityLoss(_Loss):
    """Uniformity on the hypersphere: ``log mean_{i<j} exp(-t |x_i - x_j|**2)``; a mean over the views.

    Parameters
    ----------
    t : float
        The kernel's sharpness, above 0.
    gather_distributed : bool
        As of :class:`E2MCLoss`.

    Raises
    ------
    ValueError
        A setting out of its range.
    TypeError
        A setting of another kind, such as a text for a number.

    Notes
    -----
    From ``-4 t`` to 0; lower is more uniform. `components` has ``uniformity``. Source: Wang and Isola 2020.

    Examples
    --------
    >>> import torch
    >>> from e2mc.torch import UniformityLoss
    >>> bool(-8.0 < UniformityLoss()(torch.randn(64, 8)) < 0.0)
    True
    """

    def __init__(self, t: float = 2.0, gather_distributed: bool = False) -> None:
        super().__init__(gather_distributed)
        self.t = _check("t", t, above=0.0)

    def _core(
        self, views: Sequence[Floats], wanted: bool
    ) -> tuple[float, dict[str, float], Sequence[Floats]]:
        value, gradients = 0.0, []
        for view in views:
            found, gradient = _native.uniformity(view, self.t, wanted)
            value += found / len(views)
            gradients.append(view if gradient is None else _divided(gradient, len(views)))
        return value, {"uniformity": value}, gradients

    def _formula(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        loss = torch.stack([_formulas.uniformity(view, self.t) for view in views]).mean()
        return loss, {"uniformity": loss}

    def extra_repr(self) -> str:
        return f"t={self.t:g}"


class MMCRLoss(_Loss):
    """Maximum manifold capacity: minus the nuclear norm of the mean view, rows at unit length.

    Parameters
    ----------
    gather_distributed : bool
        As of :class:`E2MCLoss`.

    Raises
    ------
    TypeError
        A setting of another kind.

    Notes
    -----
    From ``-sqrt(n min(n, d))`` to 0. `components` has ``mmcr``. Source: Yerxa et al. 2023.

    Examples
    --------
    >>> import torch
    >>> from e2mc.torch import MMCRLoss
    >>> bool(MMCRLoss()(torch.randn(64, 8), torch.randn(64, 8)) < 0.0)
    True
    """

    def __init__(self, gather_distributed: bool = False) -> None:
        super().__init__(gather_distributed)

    def _core(
        self, views: Sequence[Floats], wanted: bool
    ) -> tuple[float, dict[str, float], Sequence[Floats]]:
        value, gradients = _native.mmcr(list(views), wanted)
        return value, {"mmcr": value}, gradients

    def _formula(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        loss = _formulas.mmcr(views)
        return loss, {"mmcr": loss}


class SIGRegLoss(_Loss):
    """Sketched isotropic Gaussian regularisation: a normality test along random directions; a mean over the views.

    Parameters
    ----------
    slices : int
        Random directions, at least 1.
    knots : int
        Points of the trapezoid rule from 0 to `t_max`, at least 2.
    t_max : float
        Where the integral ends, above 0.
    seed : int
        Of the directions: the same on every device for the same seed and step.
    gather_distributed : bool
        As of :class:`E2MCLoss`.

    Attributes
    ----------
    step : int
        Steps done; each draws new directions. It counts in training mode alone, and ``state_dict`` keeps it.

    Raises
    ------
    ValueError
        A setting out of its range.
    TypeError
        A setting of another kind, such as a text for a number.

    Notes
    -----
    About 1 for a standard normal sample. `components` has ``sigreg``. Source: Balestriero and LeCun, LeJEPA, 2025.

    Examples
    --------
    >>> import torch
    >>> from e2mc.torch import SIGRegLoss
    >>> criterion = SIGRegLoss(slices=64, seed=3)
    >>> bool(criterion(torch.randn(64, 8)) < criterion(torch.full((64, 8), 5.0))), criterion.step
    (True, 2)
    """

    def __init__(
        self,
        slices: int = 1024,
        knots: int = 17,
        t_max: float = 3.0,
        seed: int = 0,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__(gather_distributed)
        self.slices = _at_least("slices", slices, 1)
        self.knots = _at_least("knots", knots, 2)
        self.t_max = _check("t_max", t_max, above=0.0)
        self.seed = whole(seed, "seed")
        self.step = 0

    def get_extra_state(self) -> dict[str, int]:
        """What ``state_dict`` keeps."""
        return {"step": self.step}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Go on where the state was kept."""
        self.step = state["step"]

    def _advance(self) -> int:
        step = self.step
        if self.training:
            self.step += 1
        return step

    def _core(
        self, views: Sequence[Floats], wanted: bool
    ) -> tuple[float, dict[str, float], Sequence[Floats]]:
        step = self._advance()
        settings = (self.slices, self.knots, self.t_max, self.seed, step, wanted)
        value, gradients = 0.0, []
        for view in views:
            found, gradient = _native.sigreg(view, *settings)
            value += found / len(views)
            gradients.append(view if gradient is None else _divided(gradient, len(views)))
        return value, {"sigreg": value}, gradients

    def _formula(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = _native.sigreg_directions(views[0].shape[1], self.slices, self.seed, self._advance())
        directions = torch.from_numpy(drawn).to(views[0])
        values = [_formulas.sigreg(view, directions, self.knots, self.t_max) for view in views]
        loss = torch.stack(values).mean()
        return loss, {"sigreg": loss}

    def extra_repr(self) -> str:
        return f"slices={self.slices}, knots={self.knots}, t_max={self.t_max:g}, seed={self.seed}"
