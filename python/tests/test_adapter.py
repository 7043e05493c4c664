"""Maps fitted on frozen embeddings."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import e2mc


def stretched(rows: int = 600, dims: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Classes in weak directions below strong noise: whitening helps neighbours."""
    random = np.random.default_rng(11)
    labels = np.arange(rows) % 6
    z = random.normal(size=(rows, dims))
    z[:, :6] += 5.0 * np.eye(6)[labels]
    z[:, 6:12] *= 30.0
    return z.astype(np.float32), labels


def test_a_map_that_helps_is_verified_and_kept():
    z, labels = stretched()
    adapter = e2mc.Adapter(seed=1).fit(z, labels)
    outcome = adapter.outcome_
    assert outcome.verdict == "gain" and outcome.use == "neighbours"
    assert outcome.verified.gain > 0.2 and outcome.verified.interval[0] > 0
    assert outcome.candidates[0].method == "none" and outcome.chosen > 0
    assert outcome.train + outcome.choose + outcome.verify == 600
    mapped = adapter.transform(z)
    plain = e2mc.knn(z[:400], labels[:400], z[400:], labels[400:], vote="weighted")
    better = e2mc.knn(mapped[:400], labels[:400], mapped[400:], labels[400:], vote="weighted")
    assert better.rows[0].mean > plain.rows[0].mean + 20
    names = np.array(list("abcdef"))[labels]
    again = e2mc.Adapter(seed=1).fit(z, names)
    assert (again.transform(z) == mapped).all()


def test_without_a_gain_embeddings_stay_bit_for_bit():
    random = np.random.default_rng(2)
    labels = np.arange(300) % 3
    z = random.normal(size=(300, 8)).astype(np.float32)
    adapter = e2mc.Adapter().fit(z, labels)
    assert adapter.outcome_.verdict in {"not-verified", "nothing-better"}
    assert (adapter.transform(z) == z).all() and adapter.method_ == "none"
    with pytest.warns(UserWarning, match="neither was given"):
        alone = e2mc.Adapter().fit(z)
    assert alone.outcome_.verdict == "not-judged"
    view = z + 0.01 * random.normal(size=z.shape)
    second = e2mc.Adapter().fit(z, second_view=view)
    assert second.outcome_.verdict != "gain"


def test_whitening_is_linear_algebra():
    z, _ = stretched()
    covariance = pytest.importorskip("sklearn.covariance").LedoitWolf().fit(z.astype(np.float64))
    values, vectors = np.linalg.eigh(covariance.covariance_)
    for strength in (0.5, 1.0):
        whitened = e2mc.Adapter("whiten", strength=strength).fit_transform(z)
        weight = vectors * values ** (-strength / 2) @ vectors.T
        assert whitened == pytest.approx((z - z.mean(axis=0)) @ weight, abs=1e-4)
    adapter = e2mc.Adapter("whiten", strength=0.0).fit(z)
    assert adapter.transform(z) == pytest.approx(z - z.mean(axis=0), abs=1e-3)
    standard = e2mc.Adapter("standardise").fit(z)
    assert standard.transform(z) == pytest.approx((z - z.mean(0)) / z.std(0), abs=1e-4)
    folded = z @ standard.weight_.T + standard.bias_
    assert folded == pytest.approx(standard.transform(z), abs=1e-4)
    unit = e2mc.Adapter("center", unit_length=True).fit_transform(z)
    assert np.linalg.norm(unit, axis=1) == pytest.approx(np.ones(600), abs=1e-5)


def test_maps_survive_files_and_pickles(tmp_path):
    z, _ = stretched()
    adapter = e2mc.Adapter("whiten", strength=0.25, unit_length=True).fit(z)
    adapter.save(tmp_path / "map.safetensors")
    for other in (e2mc.Adapter.load(tmp_path / "map.safetensors"), pickle.loads(pickle.dumps(adapter))):
        assert (other.transform(z) == adapter.transform(z)).all()
        assert other.method_ == adapter.method_ and other.n_features_in_ == 24
        assert other.get_params() == adapter.get_params()
    with pytest.raises(FileNotFoundError):
        e2mc.Adapter.load(tmp_path / "none.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="x.safetensors"):
        e2mc.Adapter.load(tmp_path / "x.safetensors")


def test_what_cannot_be_fitted_is_named():
    z, labels = stretched(100, 8)
    for settings, words in (
        ({"method": "pca"}, "method is 'pca', expected 'auto', 'none'"),
        ({"use": "fun"}, "use of the embeddings is fun"),
        ({"method": "whiten", "strength": 2.0}, "strength of whitening is 2"),
    ):
        with pytest.raises(ValueError, match=words):
            e2mc.Adapter(**settings).fit(z, labels)
    with pytest.raises(TypeError):
        e2mc.Adapter(power=2)
    bad = z.copy()
    bad[3, 5] = np.nan
    with pytest.raises(ValueError, match="NaN at row 3, column 5"):
        e2mc.Adapter("center").fit(bad)
    adapter = e2mc.Adapter("center").fit(z)
    with pytest.raises(ValueError, match="NaN at row 3, column 5"):
        adapter.transform(bad)
    with pytest.raises(ValueError, match="features|dimensions"):
        adapter.transform(z[:, :7])
    with pytest.raises(ValueError, match="not fitted"):
        e2mc.Adapter().transform(z)
    with pytest.raises(ValueError, match="second view was asked|expected labels"):
        e2mc.Adapter(use="classifier").fit(z, second_view=z)


@pytest.mark.filterwarnings("ignore:choosing a map needs labels:UserWarning")
@pytest.mark.parametrize("method", ["auto", "whiten", "standardise", "abtt", "e2mc"])
def test_scikit_learns_checks_pass(method):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    checks.check_estimator(e2mc.Adapter(method))


def test_it_stands_in_a_pipeline():
    pipeline = pytest.importorskip("sklearn.pipeline")
    neighbors = pytest.importorskip("sklearn.neighbors")
    z, labels = stretched()
    steps = pipeline.make_pipeline(
        e2mc.Adapter("whiten", strength=1.0), neighbors.KNeighborsClassifier(5)
    )
    assert steps.fit(z[:400], labels[:400]).score(z[400:], labels[400:]) > 0.9
    assert steps[0].get_params()["strength"] == 1.0


def test_it_works_without_scikit_learn():
    code = """
import sys
sys.modules["sklearn"] = None
import numpy as np, e2mc
z = np.random.default_rng(0).normal(size=(50, 4))
adapter = e2mc.Adapter("standardise").set_params(unit_length=True)
assert adapter.get_params()["unit_length"] and adapter.fit(z).n_features_in_ == 4
assert np.allclose(np.linalg.norm(adapter.transform(z), axis=1), 1, atol=1e-5)
for wrong in (lambda: adapter.set_params(power=1), lambda: e2mc.Adapter().transform(z),
              lambda: adapter.fit(z[0]), lambda: adapter.transform(z[:, :3])):
    try:
        wrong()
    except ValueError as error:
        print(error)
    else:
        raise AssertionError("nothing was raised")
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for words in ("no setting 'power'", "not fitted yet", "shape (4,)", "takes embeddings of 4 dimensions, found 3"):
        assert words in done.stdout
