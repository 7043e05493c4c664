"""Images and their nearest neighbours, side by side, as a section of the page."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from e2mc._arrays import Floats, Integers, dense
from e2mc._settings import wrong_kind

Pixels = npt.NDArray[np.uint8]

#: Images that ask for their neighbours, and neighbours that are shown.
QUERIES, NEIGHBOURS = 6, 7
#: Side of a cell, space between cells, and space after the image that asks, in pixels.
SIDE, GAP, APART = 96, 6, 18


@dataclass(frozen=True)
class Sheet:
    """Some images with their nearest neighbours.

    Attributes
    ----------
    rows : numpy.ndarray
        The images that ask ``(q,)``.
    neighbours : tuple of numpy.ndarray
        Their neighbours ``(q, k)`` in each embedding, the nearest first.
    pixels : numpy.ndarray
        Everything drawn, uint8 ``(height, width, 3)``.
    """

    rows: Integers
    neighbours: tuple[Integers, ...]
    pixels: Pixels


def sheet(images: Any, embeddings: Sequence[Floats]) -> Sheet:
    """Draw evenly spread images, and below each other their neighbours in each embedding.

    Raises
    ------
    ValueError
        Not one image a row, or something else than images.
    """
    n = embeddings[0].shape[0]
    if not hasattr(images, "__len__") or isinstance(images, (str, bytes)):
        raise wrong_kind(images, "images", "a sequence of images, one a row of z")
    if len(images) != n:
        raise ValueError(f"there are {len(images)} images, expected {n}: one a row of z")
    count = min(QUERIES, n)
    rows = np.linspace(0, n - 1, count).astype(np.int64)
    neighbours = tuple(_nearest(z, rows) for z in embeddings)
    lines = [
        [rows[at], *found[at]] for at in range(count) for found in neighbours
    ]
    width = GAP + (1 + neighbours[0].shape[1]) * (SIDE + GAP) + APART
    drawn = np.full((GAP + len(lines) * (SIDE + GAP), width, 3), 255, dtype=np.uint8)
    for line, members in enumerate(lines):
        for place, index in enumerate(members):
            cell = _cell(images[int(index)], int(index))
            top = GAP + line * (SIDE + GAP) + (SIDE - cell.shape[0]) // 2
            left = GAP + place * (SIDE + GAP) + (APART if place else 0) + (SIDE - cell.shape[1]) // 2
            drawn[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return Sheet(rows, neighbours, drawn)


def with_sheet(page: str, drawn: Sheet, names: Sequence[str]) -> str:
    """The page with one more section; the image lies in the page itself."""
    lines = "one line an image" if len(names) == 1 else f"{len(names)} lines an image: {', then '.join(names)}"
    heading = "Neighbours in images"
    data = base64.b64encode(_png(drawn.pixels)).decode("ascii")
    section = (
        f'<section id="neighbours-in-images">\n<h2>{heading}</h2>\n'
        f"<p>On the left {len(drawn.rows)} images, evenly spread over the rows; beside each its nearest by cosine "
        f"similarity, {lines}.</p>\n"
        f'<img alt="{len(drawn.rows)} images, each with its nearest neighbours" style="max-width: 100%" '
        f'src="data:image/png;base64,{data}"/>\n</section>\n'
    )
    for anchor, replacement in (
        ("default-src 'none';", "default-src 'none'; img-src data:;"),
        ("</ul></nav>", f'<li><a href="#neighbours-in-images">{heading}</a></li></ul></nav>'),
        ("</main>", section + "</main>"),
    ):
        before, found, after = page.partition(anchor)
        if not found:
            raise RuntimeError(f"the page has no {anchor}")
        page = before + replacement + after
    return page


def _nearest(z: Floats, rows: Integers) -> Integers:
    """The nearest other rows by cosine similarity, of equal ones the lower row."""
    lengths = np.linalg.norm(z, axis=1, keepdims=True)
    unit = np.divide(z, lengths, out=np.zeros_like(z), where=lengths > 0)
    similarities = unit[rows] @ unit.T
    similarities[np.arange(len(rows)), rows] = -np.inf
    count = min(NEIGHBOURS, z.shape[0] - 1)
    found: Integers = np.argsort(-similarities, axis=1, kind="stable")[:, :count].astype(np.int64)
    return found


def _cell(image: Any, index: int) -> Pixels:
    """An image in colour whose longer side is the cell's, by the nearest pixel."""
    pixels = dense(image, f"image {index}")
    shape = pixels.shape
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise ValueError(
            f"image {index} has the shape {shape}, expected (height, width) or (height, width, channels) "
            "with 1, 3 or 4 channels"
        )
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(np.clip(pixels, 0.0, 1.0)) * 255.0 + 0.5
    elif pixels.dtype != np.uint8:
        raise ValueError(f"image {index} has the dtype {pixels.dtype}, expected uint8, or floats from 0 to 1")
    pixels = pixels.astype(np.uint8)[..., :3]
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    down = np.minimum((np.arange(size[0]) / scale).astype(int), height - 1)
    right = np.minimum((np.arange(size[1]) / scale).astype(int), width - 1)
    shown: Pixels = pixels[down[:, None], right]
    return shown


def _png(pixels: Pixels) -> bytes:
    """The pixels as a PNG file."""
    height, width = pixels.shape[:2]

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    # Each line begins with the number of its filter, which is none.
    lines = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
    lines[:, 1:] = pixels.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
