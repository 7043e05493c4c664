"""Judge embeddings, follow the criterion's gradient, and look at what came out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import e2mc


def descend(z: npt.NDArray[np.float32], steps: int, rate: float) -> npt.NDArray[np.float32]:
    """Plain gradient descent on the embeddings themselves."""
    for _ in range(steps):
        _, gradient = e2mc.value_and_grad(z)
        z = z - np.float32(rate) * gradient
    return z


def main(out: Path) -> float:
    random = np.random.default_rng(0)
    labels = np.arange(300) % 3
    z = (random.normal(size=(300, 8)) + 2.0 * labels[:, None]).astype(np.float32)
    before: e2mc.Score = e2mc.score(z)
    moved = descend(z, steps=20, rate=1e-3)
    after = e2mc.score(moved)

    seen = e2mc.inspect(z, moved)
    assert seen.after is not None
    print(f"RankMe from {seen.rankme:.2f} to {seen.after.rankme:.2f}")
    seen.to_html(out / "embeddings.html")

    split = (z[:200], labels[:200], z[200:], labels[200:])
    plain = e2mc.logistic(*split, fractions=0.1, seeds=3)
    mapped = e2mc.Adapter("whiten", strength=1.0).fit(z[:200])
    other = e2mc.logistic(mapped.transform(z[:200]), labels[:200], mapped.transform(z[200:]), labels[200:],
                          fractions=0.1, seeds=3)  # fmt: skip
    for line in e2mc.compare(plain, other).lines:
        print(line.name, line.difference, line.interval, line.differs)
    return after.loss - before.loss


if __name__ == "__main__":
    print(main(Path(".")))
