"""Times the rival criteria in PyTorch: value and gradient, as `cargo bench -p e2mc --bench rivals` does.

python scripts/peers/rivals.py [THREADS (2) [REPEATS (5)]] prints one JSON object a line.
"""

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F


def vcreg(z, space):
    target = 1.0
    if space == "hypersphere":
        z, target = F.normalize(z, dim=1), z.shape[1] ** -0.5
    n, d = z.shape
    z = z - z.mean(dim=0)
    lack = F.relu(target - torch.sqrt(z.var(dim=0) + 1e-4)).mean()
    covariance = z.T @ z / (n - 1)
    off_diagonal = covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()
    return 0.1 * lack + 0.001 * off_diagonal / d


def uniformity(z, t=2.0):
    return torch.pdist(F.normalize(z, dim=1)).pow(2).mul(-t).exp().mean().log()


def mmcr(views):
    return -torch.linalg.svdvals(F.normalize(views, dim=2).mean(dim=0)).sum()


def sigreg(z, slices=1024, knots=17, t_max=3.0):
    t = torch.linspace(0, t_max, knots)
    weights = torch.full((knots,), 2 * t_max / (knots - 1))
    weights[[0, -1]] /= 2
    normal = torch.exp(-t.square() / 2)
    directions = F.normalize(torch.randn(z.shape[1], slices), dim=0)
    angles = (z @ directions).unsqueeze(-1) * t
    squares = (angles.cos().mean(0) - normal).square() + angles.sin().mean(0).square()
    return (squares @ (weights * normal)).mean() * z.shape[0]


CASES = {
    "vcreg hypersphere": lambda views: vcreg(views[0], "hypersphere"),
    "vcreg projector": lambda views: vcreg(views[0], "projector"),
    "uniformity": lambda views: uniformity(views[0]),
    "mmcr": mmcr,
    "sigreg": lambda views: sigreg(views[0]),
}


def main():
    threads, repeats = [int(word) for word in sys.argv[1:]] + [2, 5][len(sys.argv) - 1 :]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    for n, d in [(512, 128), (512, 2048)]:
        views = torch.randn(2, n, d, requires_grad=True)
        for name, criterion in CASES.items():
            times = []
            for _ in range(repeats + 1):
                views.grad = None
                start = time.perf_counter()
                criterion(views).backward()
                times.append(1e3 * (time.perf_counter() - start))
            median = statistics.median(times[1:])
            case = f"{n}x{d} {name}"
            print(json.dumps({"peer": "pytorch", "case": case, "threads": threads, "median_ms": round(median, 3)}))


if __name__ == "__main__":
    main()
