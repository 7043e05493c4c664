"""scikit-learn's whitening, timed as crates/e2mc-eval/benches/adapt.rs times ours.

    adapt.py data DIR [ROWS [DIMS]]   write adapt.npy: float32 rows of a falling spectrum (100,000 x 2048)
    adapt.py DIR CASE...              time the cases, one JSON object each

Cases: memory (PCA(whiten=True) as it comes, rows in memory), stream (the same, reading counts)."""

import json
import sys
import time

import numpy as np


def data(folder, rows=100_000, dims=2048):
    rows, dims = int(rows), int(dims)
    rng = np.random.default_rng(1)
    spectrum = (1.0 + np.arange(dims, dtype=np.float32)) ** -0.5
    mix = np.linalg.qr(rng.standard_normal((dims, dims)))[0].astype(np.float32)
    out = np.lib.format.open_memmap(f"{folder}/adapt.npy", "w+", np.float32, (rows, dims))
    for first in range(0, rows, 4096):
        count = min(4096, rows - first)
        x = rng.standard_normal((count, dims), dtype=np.float32) * spectrum
        out[first : first + count] = x @ mix + 1.0
    out.flush()


def run(folder, case):
    from sklearn.decomposition import PCA

    start = time.perf_counter()
    x = np.load(f"{folder}/adapt.npy")
    if case != "stream":
        start = time.perf_counter()
    model = PCA(whiten=True).fit(x)
    fit_ms = 1e3 * (time.perf_counter() - start)
    start = time.perf_counter()
    mapped = model.transform(x)
    apply_ms = 1e3 * (time.perf_counter() - start)
    rows, dims = x.shape
    result = {"case": case, "rows": rows, "dims": dims, "time_ms": round(fit_ms, 1)}
    result |= {"apply_ms": round(apply_ms, 1), "mean_variance": round(float(mapped[:4000].var(0).mean()), 4)}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "data":
        data(*sys.argv[2:])
    else:
        for case in sys.argv[2:]:
            run(sys.argv[1], case)
