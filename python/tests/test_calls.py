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
