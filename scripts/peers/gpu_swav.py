"""SwAV + E2MC on a ResNet-50 as its authors train it, in plain PyTorch: see gpu_step.py."""
import torch, torch.nn as nn, torch.nn.functional as F
from gpu_step import covariance, entropy, main, mlp


@torch.no_grad()
def codes(scores):
    """Three rounds of Sinkhorn-Knopp."""
    q = torch.exp(scores / .05).t()
    q /= q.sum()
    for _ in range(3):
        q /= q.sum(1, keepdim=True) * q.shape[0]
        q /= q.sum(0, keepdim=True) * q.shape[1]
    return (q * q.shape[1]).t()


def to_sphere(x):
    """Unit rows, scaled to unit variance and mapped to the cube by the Gaussian distribution."""
    x = F.normalize(x, dim=1) * x.shape[1] ** .5
    return .5 * (1 + torch.erf(x / 2 ** .5))


class Swav(nn.Module):
    """Head 2048-128, 3000 prototypes; two views of 224 and six of 96."""

    def __init__(self, features, small):
        super().__init__()
        self.head = mlp([features, 64, 32] if small else [features, 2048, 128])
        self.prototypes = nn.Linear(32 if small else 128, 30 if small else 3000, bias=False)
        self.sizes = [32] * 2 + [24] * 6 if small else [224] * 2 + [96] * 6

    def embed(self, backbone, views):
        # Views of one size go through the network together.
        features = [backbone(torch.cat(views[:2])), backbone(torch.cat(views[2:]))]
        return self.head(torch.cat(features)).chunk(len(views))

    def loss(self, z):
        with torch.no_grad():
            self.prototypes.weight.copy_(F.normalize(self.prototypes.weight, dim=1))
        scores = [self.prototypes(F.normalize(x, dim=1)) for x in z]
        loss = 0.
        for i in range(2):
            q = codes(scores[i].detach().float())
            others = [s for j, s in enumerate(scores) if j != i]
            loss = loss - sum((q * F.log_softmax(s / .1, 1)).sum(1).mean() for s in others) / len(others)
        return loss / 2

    def criterion(self, z):
        loss = 0.
        for x in z[:2]:
            u = to_sphere(x)
            loss = loss - entropy(u, 1e-7) / 2 + 25 * covariance(u)
        return loss


main('swav', Swav)
