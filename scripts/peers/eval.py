"""scikit-learn's evaluation of embeddings, timed as crates/e2mc-eval/benches/peers.rs times ours.

    eval.py data DIR [IDX_DIR]   write the data; with a folder of Fashion-MNIST's IDX files its pixels too
    eval.py DIR CASE...          time the cases, one JSON object each; the accuracies go to standard error too

Cases: knn-cosine, knn-euclidean (on rows of length 1, which gives the same neighbours), svm-C, logistic; with
-fashion before what follows (knn-fashion-cosine, svm-fashion-C, logistic-fashion) on Fashion-MNIST; logistic-cv, the
penalty chosen by five folds, for scripts/bench-python.sh."""

import gzip
import json
import sys
import time
import warnings

import numpy as np


def clusters(rows, tests, dims, classes, spread, seed):
    """Gaussian clusters around random centres, float32."""
    rng = np.random.default_rng(seed)
    centres = spread * rng.standard_normal((classes, dims)).astype(np.float32)
    for part, count in (("train", rows), ("test", tests)):
        labels = rng.integers(0, classes, count)
        yield part, centres[labels] + rng.standard_normal((count, dims)).astype(np.float32), labels


def save(folder, name, parts):
    for part, x, labels in parts:
        np.save(f"{folder}/{name}_{part}.npy", np.ascontiguousarray(x, np.float32))
        np.save(f"{folder}/{name}_{part}_labels.npy", labels.astype(np.int64))


def fashion(idx):
    for part, prefix in (("train", "train"), ("test", "t10k")):
        pixels = gzip.open(f"{idx}/{prefix}-images-idx3-ubyte.gz").read()
        labels = gzip.open(f"{idx}/{prefix}-labels-idx1-ubyte.gz").read()
        x = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 784)
        yield part, x.astype(np.float32) / 255, np.frombuffer(labels, np.uint8, offset=8)


def data(folder, idx=None):
    save(folder, "knn", clusters(60_000, 10_000, 512, 10, 0.15, 1))
    save(folder, "svm", clusters(10_000, 2_000, 512, 10, 0.1, 2))
    save(folder, "logistic", clusters(10_000, 2_000, 512, 10, 0.1, 3))
    if idx:
        save(folder, "fashion", fashion(idx))


def run(folder, case):
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    warnings.simplefilter("ignore")
    kind, name = case.split("-")[0], "fashion" if "fashion" in case else case.split("-")[0]
    load = lambda part: np.load(f"{folder}/{name}_{part}.npy")
    x, y, x_test, y_test = load("train"), load("train_labels"), load("test"), load("test_labels")
    start = time.perf_counter()
    detail = {}
    if kind == "knn":
        metric = case.split("-")[-1]
        if metric == "euclidean":
            x, x_test = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (x, x_test))
        model = KNeighborsClassifier(20, algorithm="brute", metric=metric).fit(x, y)
        predictions = model.predict(x_test)
    elif kind == "svm":
        model = LinearSVC(C=float(case.split("-")[-1]), dual=True, tol=1e-4, max_iter=1000, random_state=0)
        predictions = model.fit(x, y).predict(x_test)
        detail = {"iterations": int(model.n_iter_)}
    else:
        scaler = StandardScaler().fit(x)
        if case.endswith("-cv"):
            # e2mc's penalties of the mean loss, 1e-4 to 1, on four of five folds.
            penalties = [10.0**power / (0.8 * len(x)) for power in range(5)]
            model = LogisticRegressionCV(Cs=penalties, cv=5, tol=1e-4, max_iter=1000)
        else:
            model = LogisticRegression(C=1.0, tol=1e-4, max_iter=1000)
        model.fit(scaler.transform(x), y)
        predictions = model.predict(scaler.transform(x_test))
        detail = {"iterations": int(np.max(model.n_iter_))}
    ms = 1e3 * (time.perf_counter() - start)
    accuracy = 100 * float((predictions == y_test).mean())
    print(f"scikit-learn {case}: {accuracy:.2f} %", file=sys.stderr)
    print(json.dumps({"case": case, "time_ms": round(ms, 1), "accuracy": round(accuracy, 3), **detail}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "data":
        data(*sys.argv[2:])
    else:
        for case in sys.argv[2:]:
            run(sys.argv[1], case)
