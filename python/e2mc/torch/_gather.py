"""The rows of all processes, differentiable."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from e2mc.torch._analytic import without_second_derivative


def world_size() -> int:
    """Processes that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(z: Tensor) -> Tensor:
    """The rows ``(world * n, d)`` of all processes, in order of rank.

    In the backward pass each process gets the sum of all processes' gradients of its own rows, so that after the
    averaging of DDP the gradient is that of one process with all rows.

    Raises
    ------
    ValueError
        Processes with different shapes.
    """
    if world_size() == 1:
        return z
    return _Gather.apply(z)  # type: ignore[no-any-return, no-untyped-call]


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        world = dist.get_world_size()
        shape = torch.tensor(list(z.shape), device=z.device)
        shapes = [torch.empty_like(shape) for _ in range(world)]
        dist.all_gather(shapes, shape)
        found = torch.stack(shapes).tolist()
        if any(other != list(z.shape) for other in found):
            listed = ", ".join(f"{rows} x {cols}" for rows, cols in found)
            raise ValueError(f"processes have embeddings of {listed}, expected the same shape on all")
        rows = [torch.empty_like(z, memory_format=torch.contiguous_format) for _ in range(world)]
        dist.all_gather(rows, z.contiguous())
        ctx.first = dist.get_rank() * z.shape[0]
        ctx.count = z.shape[0]
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        with torch.no_grad():
            total = gradient.clone(memory_format=torch.contiguous_format)
            dist.all_reduce(total)
            own = total[ctx.first : ctx.first + ctx.count]
        return without_second_derivative(own, gradient)
