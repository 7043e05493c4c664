"""The criterion on NumPy arrays: stored cases, every kind of array, and what cannot be judged."""

from __future__ import annotations

import math
import multiprocessing
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import e2mc


def gradient_error(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape and np.isfinite(found).all()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_values_agree_with_the_authors_code(case):
    found = e2mc.score(case.values["z"], **case.settings)
    for name in ("entropy", "covariance", "loss"):
        assert getattr(found, name) == pytest.approx(float(case.values[name].ravel()[0]), rel=1e-5)
    expected = case.values["marginal_entropy"]
    tolerance = 1e-5 * np.maximum(np.abs(expected), 0.01)
    assert (np.abs(found.marginal_entropy - expected) <= tolerance).all()


def test_gradients_agree_with_the_authors_code(case):
    if case.degenerate:
        # Equal values get their parts in any order, so each column is compared as a set. In the column that is
        # saturated spacings are a few units in the last place: there single gradients only have to be finite.
        score, gradient = e2mc.value_and_grad(case.values["z"], **case.settings)
        usual = np.abs(case.values["z"]).max(axis=0) <= 20.0
        expected = case.values["grad_loss"][:, usual]
        assert np.isfinite(gradient).all() and usual.sum() == usual.size - 1
        for found, wanted in zip(gradient[:, usual].T, expected.T):
            assert gradient_error(np.sort(found), np.sort(wanted)) < 1e-3
        assert score.loss == e2mc.score(case.values["z"], **case.settings).loss
        return
    for name, weights in (
        ("grad_loss", {}),
        ("grad_entropy", {"beta": -1.0, "gamma": 0.0}),
        ("grad_covariance", {"beta": 0.0, "gamma": 1.0}),
    ):
        _, gradient = e2mc.value_and_grad(case.values["z"], **{**case.settings, **weights})
        assert gradient.dtype == np.float32 and gradient.flags.c_contiguous
        assert gradient_error(gradient, case.values[name]) < 1e-4, name


@pytest.fixture
def z():
    return np.random.default_rng(3).normal(size=(60, 7)).astype(np.float32)


def test_the_epsilon_of_a_transform_is_the_published_one(z):
    for transform, epsilon in (("sigmoid", 1e-7), ("gaussian", 2.0**-23)):
        z[10:30, 2] = 0.5  # ties, where the epsilon decides
        default = e2mc.score(z, transform=transform)
        assert default.loss == e2mc.score(z, transform=transform, epsilon=epsilon).loss
        assert default.loss != e2mc.score(z, transform=transform, epsilon=1e-3).loss


def test_the_shape_knows_no_scale(z):
    plain = e2mc.score(z, transform="gaussian")
    moved = e2mc.score(3.0 * z + 1.0, transform="gaussian")
    assert plain.entropy_shape == pytest.approx(moved.entropy_shape, abs=1e-4)
    assert plain.covariance_shape == pytest.approx(moved.covariance_shape, abs=1e-6)
    assert abs(plain.entropy - moved.entropy) > 0.1
    assert math.isnan(e2mc.value_and_grad(z)[0].entropy_shape)
    assert "marginal_entropy" not in repr(plain) and "entropy=" in repr(plain)


def unaligned(array: np.ndarray) -> np.ndarray:
    """The array in C order one byte behind where its values would lie, as a view of a file's bytes may be."""
    content = np.frombuffer(b"x" + array.tobytes(), dtype=np.uint8)[1:]
    moved = content.view(array.dtype).reshape(array.shape)
    assert moved.flags.c_contiguous and not moved.flags.aligned
    return moved


def arrays(z: np.ndarray):
    wide = np.zeros((60, 14), dtype=np.float32)
    wide[:, ::2] = z
    fixed = z.copy()
    fixed.flags.writeable = False
    yield "list", z.tolist()
    yield "Fortran", np.asfortranarray(z)
    yield "every second column", wide[:, ::2]
    yield "reversed", np.ascontiguousarray(z[::-1])[::-1]
    yield "read-only", fixed
    yield "float64", z.astype(np.float64)
    yield "long double", z.astype(np.longdouble)
    yield "big-endian", z.astype(">f4")
    yield "not aligned", unaligned(z)


def test_every_layout_and_type_gives_the_same(z):
    expected, slope = e2mc.value_and_grad(z)
    for name, array in arrays(z):
        found, gradient = e2mc.value_and_grad(array)
        assert found.loss == expected.loss, name
        assert (gradient == slope).all(), name
    half = z.astype(np.float16)
    assert e2mc.score(half).loss == e2mc.score(half.astype(np.float32)).loss
    whole = np.random.default_rng(0).integers(-3, 4, size=(50, 3))
    assert e2mc.score(whole).loss == e2mc.score(whole.astype(np.float32)).loss


def test_bfloat16_is_judged_as_its_values(z):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    short = z.astype(ml_dtypes.bfloat16)
    assert e2mc.score(short).loss == e2mc.score(short.astype(np.float32)).loss


def test_float32_in_c_order_is_not_copied(z):
    from e2mc._arrays import matrix

    assert matrix(z, "z") is z
    assert matrix(z[5:], "z").base is z
    before = z.copy()
    e2mc.value_and_grad(z)
    assert (z == before).all()


def test_arrays_go_in_and_out_without_copies():
    """NumPy allocates nothing of an array's size, and results lie in the core's own memory."""
    random = np.random.default_rng(2)
    z = random.normal(size=(4000, 128)).astype(np.float32)
    labels = np.arange(4000) % 3
    adapter = e2mc.Adapter("standardise").fit(z)
    for name, call, copies in (
        ("score", lambda: e2mc.score(z), False),
        ("value_and_grad", lambda: e2mc.value_and_grad(z), False),
        ("knn", lambda: e2mc.knn(z, labels, z[:10] + 1.0, labels[:10]), False),
        ("transform", lambda: adapter.transform(z), False),
        # What is converted is a copy: the measure sees one.
        ("score of float64", lambda: e2mc.score(z.astype(np.float64)), True),
    ):
        call()
        tracemalloc.start()
        call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (peak >= z.nbytes) if copies else (peak < z.nbytes / 4), (name, peak)
    for found in (e2mc.value_and_grad(z)[1], e2mc.score(z).marginal_entropy, adapter.transform(z)):
        owner = found
        while isinstance(owner, np.ndarray) and owner.base is not None:
            owner = owner.base
        assert not isinstance(owner, np.ndarray), "copied into memory of NumPy"


def wrong(z: np.ndarray):
    def at(value, dtype=np.float32):
        bad = z.astype(dtype)
        bad[4, 2] = value
        return bad

    yield at(np.nan), "NaN at row 4, column 2"
    yield at(-np.inf), "-inf at row 4, column 2"
    yield np.asfortranarray(at(np.nan)), "NaN at row 4, column 2"
    yield at(np.nan, np.float64), "NaN at row 4, column 2"
    yield at(np.inf, np.float16), "inf at row 4, column 2"
    yield at(1e300, np.float64), r"1e\+300 at row 4, column 2, beyond the range of float32"
    yield z[0], r"shape \(7,\), expected \(n, d\)"
    yield z[None], r"shape \(1, 60, 7\), expected \(n, d\)"
    yield np.float32(1.0), r"shape \(\), expected \(n, d\)"
    yield z[:0], "0 row"
    yield z[:1], "1 row"
    yield z[:, :0], "no columns"
    yield z.astype(complex), "complex128, expected real numbers"
    yield np.full((3, 2), "x"), "expected real numbers"
    yield np.ma.masked_less(z, 0.0), "masked at"


def test_what_cannot_be_judged_is_one_value_error(z):
    for array, words in wrong(z):
        for call in (e2mc.score, e2mc.value_and_grad):
            with pytest.raises(ValueError, match=words):
                call(array)
    sparse = type("Sparse", (), {"toarray": lambda self: z})()
    with pytest.raises(TypeError, match="sparse"):
        e2mc.score(sparse)


def test_settings_out_of_range_are_named(z):
    for settings, words in (
        ({"transform": "tanh"}, "transform is 'tanh', expected 'sigmoid' or 'gaussian'"),
        ({"beta": math.nan}, "beta = NaN"),
        ({"gamma": math.inf}, "gamma = inf"),
        ({"epsilon": 0.0}, "epsilon = 0"),
        ({"epsilon": -1e-7}, "epsilon = -"),
    ):
        with pytest.raises(ValueError, match=words):
            e2mc.score(z, **settings)
    for call in (e2mc.score, e2mc.value_and_grad):
        with pytest.raises(TypeError):
            call(z, weight=1.0)
        with pytest.raises(TypeError):
            call(z, "sigmoid")


def test_threads_that_score_at_once_are_right():
    random = np.random.default_rng(5)
    inputs = [random.normal(size=(200, 90)).astype(np.float32) for _ in range(8)]
    expected = [e2mc.value_and_grad(z) for z in inputs]
    found: list = [None] * 8

    def work(index: int) -> None:
        for _ in range(5):
            found[index] = e2mc.value_and_grad(inputs[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (score, gradient), (other, slope) in zip(found, expected):
        assert score.loss == other.loss and (gradient == slope).all()


def test_other_threads_run_on_while_the_core_works():
    """The interpreter's lock is released: a thread of Python counts on during one large call."""
    z = np.random.default_rng(1).normal(size=(8192, 512)).astype(np.float32)
    e2mc.value_and_grad(z[:64])
    counts, done = [0], threading.Event()
    working = threading.Event()

    def count() -> None:
        while not done.is_set():
            if working.is_set():
                counts[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    interval = sys.getswitchinterval()
    try:
        for call in (e2mc.score, e2mc.value_and_grad):
            counts[0] = 0
            working.set()
            # The lock is not handed over between lines of Python: what is counted was counted in the call.
            sys.setswitchinterval(60.0)
            call(z)
            working.clear()
            assert counts[0] > 5, call.__name__
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join()


def _score_in_child(z, queue):
    queue.put(e2mc.score(z).loss)


def test_a_forked_process_has_threads_of_its_own(z):
    expected = e2mc.score(z).loss
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    child = fork.Process(target=_score_in_child, args=(z, queue))
    child.start()
    assert queue.get(timeout=60) == expected
    child.join(60)
    assert child.exitcode == 0
