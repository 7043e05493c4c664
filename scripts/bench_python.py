"""The package e2mc, timed as its peers in scripts/peers/ are; see scripts/bench-python.sh.

    bench_python.py criterion THREADS REPEATS CASE...   E2MCLoss, value and gradient; the peer is criterion.py
    bench_python.py eval DIR CASE...                    knn, svm and logistic; the peer is eval.py
    bench_python.py adapt DIR CASE...                   Adapter, whitening; the peer is adapt.py
    bench_python.py calls together|apart REPEATS CASE...  two calls of value_and_grad, from two Python threads or from one

One JSON object a case. Cases are the peer's. e2mc works on RAYON_NUM_THREADS threads."""

import json
import sys
import threading
import time
import warnings

import numpy as np

import e2mc


def criterion(threads, repeats, *cases):
    import torch

    from e2mc.torch import E2MCLoss

    torch.set_num_threads(int(threads))
    for case in cases:
        shape, transform = case.split()
        n, d = map(int, shape.split("x"))
        loss = E2MCLoss(transform, beta=1.0, gamma=25.0)
        z = torch.randn(n, d, generator=torch.Generator().manual_seed(0), requires_grad=True)
        times = []
        for _ in range(int(repeats) + 1):
            z.grad = None
            start = time.perf_counter()
            loss(z).backward()
            times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps({"case": case, "median_ms": round(sorted(times[1:])[int(repeats) // 2], 3)}), flush=True)


def evaluation(folder, *cases):
    warnings.simplefilter("ignore")
    for case in cases:
        kind = case.split("-")[0]
        name = "fashion" if "fashion" in case else kind
        data = [np.load(f"{folder}/{name}_{part}.npy") for part in ("train", "train_labels", "test", "test_labels")]
        start = time.perf_counter()
        if kind == "knn":
            found = e2mc.knn(*data, k=20, vote="majority")
            accuracy = found.neighbours[0].figures.top1
        elif kind == "svm":
            found = e2mc.svm(*data, cost=float(case.split("-")[-1]))
            accuracy = found.svm.figures.top1
        else:
            found = e2mc.logistic(*data, fractions=1.0, seeds=1)
            accuracy = found.probes[0].accuracy
        ms = 1e3 * (time.perf_counter() - start)
        print(f"e2mc {case}: {accuracy:.2f} %", file=sys.stderr)
        print(json.dumps({"case": case, "time_ms": round(ms, 1), "accuracy": round(accuracy, 3)}), flush=True)


def adaptation(folder, *cases):
    for case in cases:
        rows = np.load(f"{folder}/adapt.npy")
        # The first Adapter imports scikit-learn, as its peer has done.
        adapter = e2mc.Adapter("whiten", strength=1.0)
        start = time.perf_counter()
        adapter.fit(rows)
        fit_ms = 1e3 * (time.perf_counter() - start)
        start = time.perf_counter()
        mapped = adapter.transform(rows)
        apply_ms = 1e3 * (time.perf_counter() - start)
        result = {"case": case, "time_ms": round(fit_ms, 1), "apply_ms": round(apply_ms, 1)}
        print(json.dumps({**result, "mean_variance": round(float(mapped[:4000].var(0).mean()), 4)}), flush=True)


def calls(how, repeats, *cases):
    for case in cases:
        shape, transform = case.split()
        random = np.random.default_rng(0)
        arrays = [random.standard_normal(tuple(map(int, shape.split("x"))), dtype=np.float32) for _ in range(2)]

        def work(z, times=int(repeats), transform=transform):
            for _ in range(times):
                e2mc.value_and_grad(z, transform=transform)

        work(arrays[0], 1)
        start = time.perf_counter()
        if how == "together":
            threads = [threading.Thread(target=work, args=(z,)) for z in arrays]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for z in arrays:
                work(z)
        ms = 1e3 * (time.perf_counter() - start) / int(repeats)
        print(json.dumps({"case": case, "time_ms": round(ms, 3)}), flush=True)


if __name__ == "__main__":
    {"criterion": criterion, "eval": evaluation, "adapt": adaptation, "calls": calls}[sys.argv[1]](*sys.argv[2:])
