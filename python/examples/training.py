"""Continue a small network with the criterion beside VICReg's invariance, in PyTorch."""

from __future__ import annotations

import torch
from torch import nn

from e2mc.torch import E2MCLoss


def main(steps: int = 30) -> tuple[float, float]:
    torch.manual_seed(0)
    images = torch.randn(512, 32)
    network = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 16))
    criterion = E2MCLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    entropies: list[float] = []
    for _ in range(steps):
        a, b = (network(images + 0.1 * torch.randn_like(images)) for _ in range(2))
        loss = 25.0 * nn.functional.mse_loss(a, b) + criterion(a, b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        entropies.append(float(criterion.components["entropy"]))
    return entropies[0], entropies[-1]


if __name__ == "__main__":
    first, last = main()
    print(f"mean marginal entropy: from {first:.4f} to {last:.4f} nats")
