"""Writes shrinkage.json: scikit-learn's Ledoit-Wolf and OAS covariances of rows made by a formula.

Sizes: more rows than dimensions, about as many, fewer, and very few. The rows are exact in
float32, correlated, and far from normal, so that both estimates shrink by an amount of their own.

    python shrinkage.py        (scikit-learn 1.9.1, NumPy 2.4.6)"""

import json
from pathlib import Path

import numpy as np
from sklearn.covariance import ledoit_wolf, oas


def rows(n, d):
    def mix(a, b):
        return (a * 7919 + b * 104_729 + 13) % 1009 - 504

    row, column = np.arange(n)[:, None], np.arange(d)[None, :]
    return (mix(row, 0) * (column % 4) + mix(row, column + 1)) / 512.0 + column


cases = []
for n, d in [(400, 7), (64, 60), (25, 40), (9, 3)]:
    x = rows(n, d)
    assert (x == x.astype(np.float32)).all()
    case = {"rows": n, "dims": d}
    for name, estimate in [("ledoit_wolf", ledoit_wolf), ("oas", oas)]:
        covariance, shrinkage = estimate(x)
        values = np.linalg.eigvalsh(np.atleast_2d(covariance))
        case[name] = {"shrinkage": float(shrinkage), "largest": values[-1], "smallest": values[0]}
    cases.append(case)
path = Path(__file__).with_name("shrinkage.json")
path.write_text(json.dumps(cases, indent=1) + "\n")
