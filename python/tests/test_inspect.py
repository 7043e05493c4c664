"""What embeddings look like."""

from __future__ import annotations

import base64
import html
import io
import subprocess
import sys

import numpy as np
import pytest

import e2mc


@pytest.fixture(scope="module")
def z():
    random = np.random.default_rng(4)
    z = random.normal(size=(300, 12)).astype(np.float32)
    z[:, 5] = 1.0
    z[:, 7] = z[:, 6]
    return z


def test_figures_are_attributes(z):
    found = e2mc.inspect(z)
    assert (found.rows, found.dims, found.dead, found.redundant) == (300, 12, 1, 1)
    assert found.dead_dimensions == (5,)
    assert 1 < found.rankme < 12 and found.after is None and found.alignment is None
    usual = [0, 1, 2]
    assert found.mean[usual] == pytest.approx(z.mean(axis=0)[usual], abs=1e-5)
    assert found.deviation[usual] == pytest.approx(z.std(axis=0)[usual], rel=1e-2)
    score = e2mc.score(z, transform="gaussian")
    assert found.entropy == pytest.approx(score.entropy, rel=1e-5)
    assert found.marginal_entropy == pytest.approx(score.marginal_entropy, rel=1e-4)
    assert found.findings and all(finding.text for finding in found.findings)
    assert "eigenvalues" not in repr(found)


def test_the_page_is_whole_and_loads_nothing(z, tmp_path):
    found = e2mc.inspect(z)
    found.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "</html>" in page and "RankMe" in page
    assert "<svg" in page and "src=" not in page
    frame = found._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and html.unescape(frame.split('"')[1]) == page
    remarks = found.save_figures(tmp_path / "figures")
    assert any((tmp_path / "figures").glob("*.svg")) and isinstance(remarks, tuple)


def test_before_after_and_views(z):
    after = np.random.default_rng(5).normal(size=z.shape)
    both = e2mc.inspect(z, after)
    assert both.after.dead == 0 and both.dead == 1
    assert both.after.entropy == pytest.approx(e2mc.score(after, transform="gaussian").entropy, rel=1e-5)
    assert "Two embeddings of the same images" in both.html
    view = z + np.random.default_rng(6).normal(size=z.shape) * 0.1
    several = e2mc.inspect(z, views=[view, z])
    assert several.views == 3 and several.alignment > 0 and several.lidar > 1


def test_images_are_shown_with_their_neighbours(tmp_path):
    random = np.random.default_rng(8)
    classes = np.arange(40) % 4
    z = (3.0 * np.eye(4)[classes] + 0.1 * random.normal(size=(40, 4))).astype(np.float32)
    grey = np.repeat(np.repeat((60 * classes)[:, None, None], 20, axis=1), 30, axis=2).astype(np.uint8)
    found = e2mc.inspect(z, images=grey)
    assert found.sheet.rows.tolist() == [0, 7, 15, 23, 31, 39]
    (neighbours,) = found.sheet.neighbours
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    for row, near in zip(found.sheet.rows, neighbours):
        order = [other for other in np.argsort(-unit @ unit[row]) if other != row]
        assert near.tolist() == order[:7] and (classes[near] == classes[row]).all()
    # Every cell of a line has the class's grey.
    middle = found.sheet.pixels[6 + 102 + 48]
    assert set(map(tuple, middle.tolist())) == {(255, 255, 255), (60 * int(classes[7]),) * 3}
    page = found.html
    assert "img-src data:" in page and "Neighbours in images" in page
    encoded = page.split("data:image/png;base64,")[1].split('"')[0]
    content = base64.b64decode(encoded)
    pillow = pytest.importorskip("PIL.Image")
    assert (np.asarray(pillow.open(io.BytesIO(content))) == found.sheet.pixels).all()
    colour = [np.ones((5 + index, 9, 3)) * 0.5 for index in range(40)]
    both = e2mc.inspect(z, z[::-1], images=colour)
    assert len(both.sheet.neighbours) == 2 and "before, then after" in both.html
    for images, words in (
        (grey[1:], "39 images, expected 40"),
        (grey.astype(np.int64), "image 0 has the dtype int64"),
        (grey[..., None, None], "image 0 has the shape"),
    ):
        with pytest.raises(ValueError, match=words):
            e2mc.inspect(z, images=images)


def test_what_cannot_be_inspected_is_named(z):
    bad = z.copy()
    bad[8, 1] = np.inf
    with pytest.raises(ValueError, match="inf at row 8, column 1"):
        e2mc.inspect(bad)
    with pytest.raises(ValueError, match="view 1 holds inf at row 8, column 1"):
        e2mc.inspect(z, views=[bad])
    with pytest.raises(ValueError, match="after has 299 rows"):
        e2mc.inspect(z, z[1:])
    with pytest.raises(ValueError, match="together with after"):
        e2mc.inspect(z, z, views=[z])
    with pytest.raises(ValueError, match="at least 2"):
        e2mc.inspect(z[:, :1])


def test_adapters_alone_import_scikit_learn():
    code = (
        "import sys, e2mc; assert 'sklearn' not in sys.modules and 'torch' not in sys.modules; "
        "e2mc.Adapter; assert set(e2mc.__all__) <= set(dir(e2mc))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
