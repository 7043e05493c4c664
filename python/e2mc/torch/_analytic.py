"""Values and gradients of the Rust core as one step of autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from e2mc._arrays import Floats

#: A loss by arrays ``(n, d)``, one a view, and its gradients if they are asked for.
Evaluate = Callable[[Sequence[Floats], bool], tuple[float, Sequence[Floats]]]


def analytic(evaluate: Evaluate, views: Sequence[Tensor]) -> Tensor:
    """The loss of float32 `views` on the CPU; the gradient comes with the value."""
    wanted = torch.is_grad_enabled() and any(view.requires_grad for view in views)
    try:
        return _Analytic.apply(evaluate, wanted, *views)  # type: ignore[no-any-return, no-untyped-call]
    except RuntimeError as error:
        if "setup_context" not in str(error):
            raise
    raise RuntimeError(
        "torch.func cannot transform this loss, whose float32 values on the CPU come from the Rust core: "
        "give the embeddings in float64, which are judged in torch operations"
    )


def without_second_derivative(value: Tensor, *origins: Tensor) -> Tensor:
    """`value`, which came from `origins` in a way that cannot be differentiated again."""
    if torch.is_grad_enabled() and any(origin.requires_grad for origin in origins):
        return _First.apply(value, *origins)  # type: ignore[no-any-return, no-untyped-call]
    return value


class _Analytic(Function):
    @staticmethod
    def forward(ctx: Any, evaluate: Evaluate, wanted: bool, *views: Tensor) -> Tensor:
        arrays = [view.detach().contiguous().numpy() for view in views]
        loss, gradients = evaluate(arrays, wanted)
        if wanted:
            # The views are kept for a second derivative to find its way to them, and to be refused.
            ctx.save_for_backward(*views, *map(torch.from_numpy, gradients))
        return views[0].new_tensor(loss)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (outer,) = gradients
        count = len(ctx.saved_tensors) // 2
        views, own = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        found: list[Tensor | None] = [None, None]
        for gradient, wanted in zip(own, ctx.needs_input_grad[2:]):
            if not wanted:
                found.append(None)
                continue
            with torch.no_grad():
                scaled = gradient * outer
            found.append(without_second_derivative(scaled, outer, *views))
        return tuple(found)


class _First(Function):
    """Hands a first derivative on, and refuses a second."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *origins: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        raise RuntimeError(
            "this loss has a first derivative only, but a second was asked for: "
            "give the embeddings in float64, which are judged in torch operations, to differentiate twice"
        )
