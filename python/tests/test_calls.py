"""What a user meets: the last lines of a traceback, what `help` shows, keywords that no function has."""

from __future__ import annotations

import pydoc
import subprocess
import sys

import numpy as np
import pytest
from test_criterion import unaligned

import e2mc

FAILURES = {
    "a value": (
        "z[3, 1] = np.nan; e2mc.score(z)",
        "ValueError: embedding holds NaN at row 3, column 1, expected a finite number",
    ),
    "a value of float64": (
        "z = z.astype(float); z[3, 1] = 1e300; e2mc.value_and_grad(z)",
        "ValueError: z holds 1e+300 at row 3, column 1, beyond the range of float32",
    ),
    "a shape": (
        "e2mc.inspect(z[0])",
        "ValueError: z has the shape (4,), expected (n, d): one row an image, one column a dimension",
    ),
    "labels": (
        "e2mc.knn(z, labels[1:], z, labels)",
        "ValueError: training embeddings have 20 rows, but 19 labels were given",
    ),
    "a setting": (
        "e2mc.Adapter('pca').fit(z)",
        "ValueError: method is 'pca', expected 'auto', 'none'",
    ),
    "a file": (
        "e2mc.Adapter.load('nowhere.safetensors')",
        "FileNotFoundError: ",
    ),
    "a keyword": (
        "e2mc.score(z, weight=1.0)",
        "TypeError: score() got an unexpected keyword argument 'weight'",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_traceback_ends_in_one_sentence(name, tmp_path):
    code, sentence = FAILURES[name]
    start = "import numpy as np, e2mc\nz = np.arange(80, dtype=np.float32).reshape(20, 4)\nlabels = np.arange(20) % 2\n"
    done = subprocess.run([sys.executable, "-c", start + code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    if lines[-1].startswith("hint: "):
        lines.pop()
    assert lines[-1].startswith(sentence), done.stderr
    # One traceback, of one error, and nothing of the core's inside.
    assert done.stderr.count("Traceback") == 1 and "panicked" not in done.stderr


def wrong_arguments(z, labels):
    """Calls by what of them is wrong, the error and its sentence."""
    data = (z, labels, z + 0.1, labels)
    mixed = np.array([1, "a"] * 10, dtype=object)
    huge = labels.astype(np.uint64) + np.uint64(2**63)
    fit, logistic, svm, knn = e2mc.Adapter("whiten").fit(z), e2mc.logistic, e2mc.svm, e2mc.knn
    yield lambda: e2mc.score([[1.0, 2.0], [3.0]]), ValueError, "z has parts of different lengths, expected an array"
    yield lambda: e2mc.score(z, beta="a"), TypeError, "beta is a str, expected a number"
    yield lambda: e2mc.score(z, beta=10**400), ValueError, "beta is beyond the range of floats"
    yield lambda: e2mc.score(z, transform=None), TypeError, "transform is None, expected a text"
    yield lambda: e2mc.value_and_grad(z, epsilon=[1.0]), TypeError, "epsilon is a list, expected a number"
    yield lambda: knn(*data, k=5.0), TypeError, "k is a float, expected a whole number"
    yield lambda: knn(*data, k="5"), TypeError, "k is a str, expected a whole number"
    yield lambda: knn(*data, k=[5, None]), TypeError, "k is None, expected a whole number"
    yield lambda: knn(*data, k=-1), ValueError, "k is -1, expected a whole number of at least 0"
    yield lambda: knn(*data, k=2**64), ValueError, "k is 18446744073709551616, expected a whole number of at most"
    yield lambda: knn(*data, temperature=None), TypeError, "temperature is None, expected a number"
    yield lambda: knn(*data, memory=-1), ValueError, "memory is -1"
    yield lambda: knn(*data, vote=1), TypeError, "vote is an int, expected a text"
    yield lambda: knn(*data, model=1), TypeError, "model is an int, expected a text"
    yield lambda: knn(*data, out=1), TypeError, "out is an int, expected a path"
    yield lambda: knn(*data, out=b"folder"), TypeError, "out is a bytes, expected a path"
    yield lambda: knn(*data, overwrite="no"), TypeError, "overwrite is a str, expected True or False"
    yield lambda: knn(z, huge, z, labels), ValueError, "train_labels holds 9223372036854775808 at row 0, expected at most"
    yield lambda: knn(z, labels + 2.0**63, z, labels), ValueError, r"train_labels holds 9.22\d*e\+18 at row 0, expected at most"
    yield lambda: knn(z, [[1], [2, 3]], z, labels), ValueError, "train_labels has parts of different lengths"
    yield lambda: logistic(*data, fractions="a"), TypeError, "fractions is a str, expected a number"
    yield lambda: logistic(*data, seeds=-1), ValueError, "seeds is -1"
    yield lambda: logistic(*data, seeds=[0, -1]), ValueError, "seeds is -1"
    yield lambda: logistic(*data, seeds=2.0), TypeError, "seeds is a float, expected a whole number"
    yield lambda: logistic(*data, seeds=10**12), ValueError, "seeds is 1000000000000, expected a whole number of at most"
    yield lambda: svm(*data, cost="a"), TypeError, "cost is a str, expected a number"
    yield lambda: svm(*data, folds=2.5), TypeError, "folds is a float"
    yield lambda: svm(*data, positive_weight=1j), TypeError, "positive_weight is a complex"
    yield lambda: svm(*data, scale=None), TypeError, "scale is None, expected a text"
    yield lambda: svm(*data, average_precision=1), TypeError, "average_precision is an int"
    yield lambda: svm(*data, tolerance="a"), TypeError, "tolerance is a str"
    yield lambda: svm(*data, max_epochs=-1), ValueError, "max_epochs is -1"
    yield lambda: svm(*data, seed=-1), ValueError, "seed is -1"
    yield lambda: e2mc.compare(labels, labels, labels, level="a"), TypeError, "level is a str"
    yield lambda: e2mc.compare(labels, labels, labels, bootstraps=-1), ValueError, "bootstraps is -1"
    yield lambda: e2mc.compare(labels, labels, labels, seed=1.5), TypeError, "seed is a float"
    yield lambda: e2mc.compare(".", ".", common=2), TypeError, "common is an int, expected True or False"
    yield lambda: e2mc.compare(3, "."), TypeError, "first is an int, expected a result"
    yield lambda: e2mc.inspect(z, transform=3), TypeError, "transform is an int"
    yield lambda: e2mc.inspect(z, queries=-1), ValueError, "queries is -1"
    yield lambda: e2mc.inspect(z, seed="a"), TypeError, "seed is a str"
    yield lambda: e2mc.inspect(z, views=5), TypeError, "views is an int, expected a sequence of embeddings"
    yield lambda: e2mc.inspect(z, views=z), ValueError, r"view 1 has the shape \(4,\)"
    yield lambda: e2mc.inspect(z, images=4), TypeError, "images is an int, expected a sequence of images"
    yield lambda: e2mc.inspect(z, images=[[[1, 2], [3]]] * 20), ValueError, "image 0 has parts of different lengths"
    yield lambda: e2mc.inspect(z).to_html(None), TypeError, "path is None, expected a path"
    yield lambda: e2mc.inspect(z).save_figures(1.5), TypeError, "folder is a float, expected a path"
    yield lambda: e2mc.Adapter(None).fit(z), TypeError, "method is None, expected a text"
    yield lambda: e2mc.Adapter(use=1).fit(z), TypeError, "use is an int, expected a text"
    yield lambda: e2mc.Adapter(strength="a").fit(z), TypeError, "strength is a str, expected a number"
    yield lambda: e2mc.Adapter(unit_length=2).fit(z), TypeError, "unit_length is an int, expected True or False"
    yield lambda: e2mc.Adapter(seed=-1).fit(z), ValueError, "seed is -1"
    yield lambda: e2mc.Adapter(looks=4).fit(z), TypeError, "looks is an int, expected a path"
    yield lambda: e2mc.Adapter().fit([[1.0, 2.0], [3.0]]), ValueError, "X has parts of different lengths"
    yield lambda: e2mc.Adapter().fit([["a", "b"]] * 3), ValueError, "X has the dtype <U1, expected real numbers"
    yield lambda: e2mc.Adapter().fit(z, mixed), ValueError, "y holds labels of several kinds"
    yield lambda: e2mc.Adapter().fit(z, np.where(labels == 1, np.inf, 0.0)), ValueError, "y holds inf at row 1"
    yield lambda: fit.transform([[1.0], [2.0, 3.0]]), ValueError, "X has parts of different lengths"
    yield lambda: fit.save(4), TypeError, "path is an int, expected a path"
    yield lambda: e2mc.Adapter.load(4), TypeError, "path is an int, expected a path"
    yield lambda: e2mc.read_run(None), TypeError, "path is None, expected a path"


def test_every_wrong_argument_ends_in_one_sentence_of_ours():
    z = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    for number, (call, kind, sentence) in enumerate(wrong_arguments(z, np.arange(20) % 2)):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert caught.type is kind, (number, caught.value)
        assert caught.match("^" + sentence), (number, caught.value)


def test_numbers_of_numpy_are_numbers(blobs):
    """Settings are accepted as NumPy's scalars, and mean the same."""
    data = blobs
    for call, plain, other in (
        (e2mc.knn, {"k": 5, "temperature": 0.5}, {"k": np.int64(5), "temperature": np.float32(0.5)}),
        (e2mc.knn, {"k": [1, 5]}, {"k": np.array([1, 5])}),
        (e2mc.logistic, {"fractions": 0.5, "seeds": 2}, {"fractions": np.float32(0.5), "seeds": np.uint8(2)}),
        (e2mc.logistic, {"fractions": [0.5], "seeds": [0, 3]}, {"fractions": np.array([0.5]), "seeds": np.array([0, 3])}),
        (e2mc.svm, {"cost": 0.5, "folds": 2, "seed": 1}, {"cost": np.float64(0.5), "folds": np.int8(2), "seed": np.int64(1)}),
    ):
        assert call(*data, **plain).record == call(*data, **other).record
    settings = {"beta": np.float32(2.0), "gamma": np.int64(3), "epsilon": np.float64(1e-6)}
    assert e2mc.score(data[0], **settings).loss == e2mc.score(data[0], beta=2.0, gamma=3.0, epsilon=1e-6).loss
    few = data[1] % 2
    settings = {"level": np.float32(0.5), "bootstraps": np.int64(50), "seed": np.int64(1)}
    assert e2mc.compare(few, 1 - few, few, **settings) == e2mc.compare(few, 1 - few, few, level=0.5, bootstraps=50, seed=1)
    first, second = (
        e2mc.Adapter("whiten", strength=strength, seed=seed, unit_length=unit).fit_transform(data[0])
        for strength, seed, unit in ((0.5, 1, True), (np.float32(0.5), np.int64(1), np.bool_(True)))
    )
    assert (first == second).all()
    assert e2mc.inspect(data[0], queries=np.int64(50), seed=np.int64(1)).record == e2mc.inspect(data[0], queries=50, seed=1).record


def test_keywords_that_no_function_has_are_type_errors(blobs):
    train, labels, test, truth = blobs
    data = (train, labels, test, truth)
    for call, arguments in (
        (e2mc.score, (train,)),
        (e2mc.value_and_grad, (train,)),
        (e2mc.inspect, (train,)),
        (e2mc.knn, data),
        (e2mc.logistic, data),
        (e2mc.svm, data),
        (e2mc.compare, (labels, labels, labels)),
        (e2mc.Adapter, ()),
        (e2mc.read_run, (".",)),
    ):
        with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
            call(*arguments, nonsense=1)


def test_every_kind_of_embedding_is_judged_or_named(blobs):
    """The evaluations take the same arrays as the criterion, and name the same places."""
    train, labels, test, truth = blobs
    short = train.astype(np.float16).astype(np.float32), test.astype(np.float16).astype(np.float32)
    expected = e2mc.knn(short[0], labels, short[1], truth).record["results"]
    fixed = short[0].copy()
    fixed.flags.writeable = False
    wide = np.zeros((400, 32), dtype=np.float32)
    wide[:, ::2] = short[0]
    assert e2mc.knn(short[0], unaligned(labels), short[1], unaligned(truth)).record["results"] == expected
    for rows in (short[0].astype(np.float16), short[0].astype(float), np.asfortranarray(short[0]), wide[:, ::2], fixed):
        assert e2mc.knn(rows, labels, short[1], truth).record["results"] == expected
    bad = test.copy()
    bad[7, 2] = np.nan
    for call in (e2mc.knn, e2mc.logistic, e2mc.svm):
        for rows, words in (
            (bad, "NaN at row 7, column 2"),
            (np.asfortranarray(bad), "NaN at row 7, column 2"),
            (test[:, :9], "9 columns|9 dimensions|100 x 9"),
            (test[:, 0], r"test has the shape \(100,\), expected \(n, d\)"),
        ):
            with pytest.raises(ValueError, match=words):
                call(train, labels, rows, truth)
        with pytest.raises(ValueError):
            call(train[:0], labels[:0], test, truth)


def test_help_reads_as_a_page():
    page = pydoc.plain(pydoc.render_doc(e2mc.score))
    # Python 3.13 gives each parameter a line of its own.
    page = page.replace("(\n    z: ", "(z: ")
    for words in (
        "score(z: ",
        "transform: 'str' = 'sigmoid'",
        "epsilon: 'float | None' = None",
        "-> 'Score'",
        "Judge embeddings by the criterion ``gamma * covariance - beta * entropy``.",
        "Embeddings ``(n, d)``: one row an image, at least 2.",
        "Entropies in nats",
        "Source: Chakraborty et al., AISTATS 2025",
    ):
        assert words in page, page
    sections = ["Parameters", "Returns", "Raises", "Notes", "Examples"]
    places = [page.index(f"{section}\n    {'-' * len(section)}") for section in sections]
    assert places == sorted(places)
    # Below the signature lines fit a terminal of 120 columns.
    assert max(map(len, page.splitlines()[3:])) <= 120
