"""Two processes under DDP have the gradient of one with all rows."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch

try:
    import torch
    import torch.distributed as dist
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    from e2mc.torch import E2MCLoss, MMCRLoss, SIGRegLoss, UniformityLoss, VCRegLoss
except ImportError:  # The mark skips all tests, and says so.
    torch = None


def criteria(gather: bool):
    return [
        E2MCLoss(gather_distributed=gather),
        VCRegLoss("projector", gather_distributed=gather),
        UniformityLoss(gather_distributed=gather),
        MMCRLoss(gather_distributed=gather),
        SIGRegLoss(slices=16, gather_distributed=gather),
    ]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 5))


def data():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 24, 6, generator=generator)


def gradients(model, criterion, views):
    model.zero_grad()
    loss = criterion(*(model(view) for view in views))
    loss.backward()
    return loss.detach(), [parameter.grad.clone() for parameter in model.parameters()]


def train(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    model = DistributedDataParallel(network())
    views = data()[:, 12 * rank : 12 * rank + 12]
    found = [gradients(model, criterion, views) for criterion in criteria(True)]
    problems = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        alone = E2MCLoss()
        for _ in range(2):
            gradients(model, alone, views)
    problems += [str(warning.message) for warning in caught if "gather" in str(warning.message)]
    try:
        E2MCLoss(gather_distributed=True)(torch.randn(4 + rank, 3))
    except ValueError as error:
        problems.append(str(error))
    z = torch.randn(6, 3, requires_grad=True)
    (first,) = torch.autograd.grad(E2MCLoss(gather_distributed=True)(z), z, create_graph=True)
    try:
        first.sum().backward()
    except RuntimeError as error:
        problems.append(str(error))
    torch.save((found, problems), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_gradient_of_one(tmp_path: Path):
    context = torch.multiprocessing.spawn(train, (str(tmp_path),), nprocs=2, join=False)
    while not context.join(timeout=120):
        pass
    model = network()
    expected = [gradients(model, criterion, data()) for criterion in criteria(False)]
    for rank in (0, 1):
        found, problems = torch.load(tmp_path / f"{rank}.pt")
        for (loss, slopes), (whole, wanted) in zip(found, expected):
            assert float(loss) == pytest.approx(float(whole), rel=1e-5)
            scale = max(float(want.abs().max()) for want in wanted)
            for slope, want in zip(slopes, wanted):
                assert (slope - want).abs().max() <= 1e-4 * scale
        warning, shapes, second = problems
        assert "sees the rows of this process alone, of 2 processes" in warning
        assert "4 x 3, 5 x 3" in shapes
        assert "first derivative only" in second
