"""VICReg + E2MC on a ResNet-50 as its authors train it, in plain PyTorch: see gpu_step.py."""
import torch, torch.nn as nn, torch.nn.functional as F
from gpu_step import covariance, entropy, main, mlp


class Vicreg(nn.Module):
    """Expander 8192-8192-8192; two views; the paper's weights for ImageNet."""

    def __init__(self, features, small):
        super().__init__()
        width = 64 if small else 8192
        self.head = mlp([features, width, width, width], last_bias=False)
        self.sizes = [32 if small else 224] * 2

    def embed(self, backbone, views):
        # The authors' loop takes one view after the other.
        return [self.head(backbone(view)) for view in views]

    def loss(self, z):
        a, b = z
        loss = 25 * F.mse_loss(a, b)
        for x in z:
            loss = loss + 25 * F.relu(1 - torch.sqrt(x.var(0) + 1e-4)).mean() / 2 + covariance(x)
        return loss

    def criterion(self, z):
        loss = 0.
        for x in z:
            u = torch.sigmoid(x)
            loss = loss - 1000 * entropy(u, 1e-7) / 2 + 100 * covariance(u)
        return loss


main('vicreg', Vicreg)
