"""Make the matrix of JPEG files that e2mc-data's decoder is tested on, with Pillow's pixels.

Runs `cjpeg` of libjpeg-turbo over its options (sampling, scan scripts, restarts, progressive and arithmetic
coding, optimised tables, quality, grey and RGB, sizes from 1 x 1 to 200 x 200) and alters some files by hand
(colour markers, stuffing between segments). Each file is stored with what
`Image.open(file).convert("RGB")` gives, or with the fact that Pillow refuses it.

    python scripts/make_jpeg_matrix.py [FOLDER]     (Pillow with libjpeg-turbo, numpy; cjpeg in PATH or CJPEG)

Writes one file, `matrix.bin`, compressed by gzip: for each case, little-endian, the length of its name (u16), the
name, the length of the JPEG file (u32), the file, width and height (u16 each; 0 x 0: refused by Pillow), and the pixels
(height, width, 3), each row as differences to the row above, modulo 256, which compress better.
"""

import gzip
import io
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

CJPEG = os.environ.get("CJPEG", "cjpeg")
DEFAULT = Path(__file__).parent.parent / "crates/e2mc-data/tests/fixtures/jpeg"

# Scan scripts of cjpeg: components, then for progressive files coefficients and bits.
SCRIPTS = {
    "each": "0; 1; 2;",
    "luma-chroma": "0; 1 2;",
    "chroma-luma": "1 2; 0;",
    "mixed": "0 2; 1;",
    "backwards": "2; 1; 0;",
    "spectral": "0: 0-0, 0, 0; 1: 0-0, 0, 0; 2: 0-0, 0, 0; 0: 1-5, 0, 0; 0: 6-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;",
    "bits": "0 1 2: 0-0, 0, 2; 0: 1-63, 0, 2; 1: 1-63, 0, 2; 2: 1-63, 0, 2; 0 1 2: 0-0, 2, 1; 0: 1-63, 2, 1;"
    " 1: 1-63, 2, 1; 2: 1-63, 2, 1; 0 1 2: 0-0, 1, 0; 0: 1-63, 1, 0; 1: 1-63, 1, 0; 2: 1-63, 1, 0;",
    "bits-alone": "0: 0-0, 0, 1; 1: 0-0, 0, 1; 2: 0-0, 0, 1; 0: 1-9, 0, 3; 0: 10-63, 0, 1; 1: 1-63, 0, 1; 2: 1-63, 0, 0;"
    " 0: 1-9, 3, 2; 0: 1-9, 2, 1; 0: 1-63, 1, 0; 1: 1-63, 1, 0; 0: 0-0, 1, 0; 1: 0-0, 1, 0; 2: 0-0, 1, 0;",
    # Cut short: libjpeg invents what is missing (smooths), or leaves high frequencies out.
    "first-only": "0 1 2: 0-0, 0, 0;",
    "coarse": "0 1 2: 0-0, 0, 0; 0: 1-63, 0, 2; 1: 1-63, 0, 2; 2: 1-63, 0, 2;",
    "low-only": "0 1 2: 0-0, 0, 0; 0: 1-20, 0, 0; 1: 1-20, 0, 0; 2: 1-20, 0, 0;",
}
SEQUENTIAL = ("each", "luma-chroma", "chroma-luma", "mixed", "backwards")
PROGRESSIVE = ("spectral", "bits", "bits-alone", "first-only", "coarse", "low-only")
# Luma and chroma finer than each other, in thirds, in quarters; some that libjpeg refuses.
SAMPLINGS = ("1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "4x4", "3x1", "1x3", "3x2", "1x1,2x2,1x1", "1x1,2x1,1x2",
             "2x2,2x1,1x2", "2x2,1x2,2x1", "1x2,2x2,1x1", "2x1,1x1,2x1", "1x1,1x2,1x2", "4x2,2x2,1x1", "4x1,2x1,1x1",
             "1x4,1x2,1x1", "3x1,2x1,1x1", "1x1,4x1,2x1", "2x4,2x2,1x1")
SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5), (4, 4), (5, 3), (7, 8), (8, 8), (9, 7), (15, 16), (16, 17), (17, 15), (31, 33),
         (40, 10), (33, 9), (64, 64), (97, 61)]


def picture(width, height, seed=0, noise=20.0):
    """Waves and some noise, every channel another."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    waves = [128 + 90 * np.sin(x / (3 + 2 * c) + y / (9 - c) + c) + 30 * np.cos(y / 2.5 - c) for c in range(3)]
    return (np.dstack(waves) + random.normal(0, noise, (height, width, 3))).clip(0, 255).astype(np.uint8)


def cjpeg(pixels, *options, script=None):
    """The file that cjpeg makes, or None where it refuses the options."""
    header = f"P6\n{pixels.shape[1]} {pixels.shape[0]}\n255\n".encode()
    with tempfile.TemporaryDirectory() as folder:
        if script:
            path = Path(folder) / "script"
            path.write_text(script)
            options = (*options, "-scans", str(path))
        done = subprocess.run([CJPEG, *options], input=header + pixels.tobytes(), capture_output=True)
    return done.stdout if done.returncode == 0 else None


def segments(data):
    """The marker segments of a file, the last with all that follows."""
    at = 2
    while data[at + 1] != 0xDA:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        yield data[at + 1], data[at : at + 2 + length]
        at += 2 + length
    yield 0xDA, data[at:]


def altered(data, drop=(), add=b"", between=b""):
    """A file without some segments, with others in front, and with bytes between all."""
    return b"\xff\xd8" + add + between.join(part for marker, part in segments(data) if marker not in drop)


def adobe(transform):
    return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


def pillow(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def cases():
    for number, sampling in enumerate(SAMPLINGS):
        for mode in ("", "-progressive"):
            options = ["-quality", "60", "-sample", sampling, *([mode] if mode else [])]
            for width, height in ((1, 1), (5, 3), (35, 29), (40, 10)):
                name = f"{sampling}{mode}-{width}x{height}"
                yield name, cjpeg(picture(width, height, number), *options)
        for script in ("each", "luma-chroma", "bits"):
            options = ["-quality", "60", "-sample", sampling]
            yield f"{sampling}-{script}", cjpeg(picture(37, 26, number), *options, script=SCRIPTS[script])
    for script in SEQUENTIAL + PROGRESSIVE:
        for sampling in ("1x1", "2x1", "1x2", "2x2", "1x1,2x2,1x1"):
            for restart in ((), ("-restart", "1"), ("-restart", "3B")):
                name = f"{script}-{sampling}{'-restart' + restart[1] if restart else ''}"
                options = ["-quality", "75", "-sample", sampling, *restart]
                yield name, cjpeg(picture(43, 27, 5), *options, script=SCRIPTS[script])
    for width, height in SIZES:
        for sampling in ("1x1", "2x1", "1x2", "2x2"):
            for mode in ("", "-optimize", "-progressive"):
                options = ["-quality", "70", "-sample", sampling, *([mode] if mode else [])]
                if (width, height) in ((64, 64), (97, 61)) and mode == "-optimize":
                    continue
                yield f"size{width}x{height}-{sampling}{mode}", cjpeg(picture(width, height, width), *options)
    for mode in ("", "-progressive"):
        options = ["-quality", "50", *([mode] if mode else [])]
        yield f"large{mode}", cjpeg(picture(200, 200, 1, noise=2), *options)
    for quality in (1, 10, 95, 100):
        for mode in ("", "-progressive"):
            for sampling in ("1x1", "2x2"):
                options = ["-quality", str(quality), "-sample", sampling, *([mode] if mode else [])]
                yield f"quality{quality}-{sampling}{mode}", cjpeg(picture(26, 21, quality), *options)
    for option in ("-grayscale", "-rgb"):
        for extra in ((), ("-progressive",), ("-restart", "1B"), ("-optimize",), ("-arithmetic",)):
            yield option[1:] + "".join(extra), cjpeg(picture(29, 22, 3), "-quality", "80", option, *extra)
    yield "gray-sampled", cjpeg(picture(29, 22, 3), "-grayscale", "-sample", "2x2")
    for extra in ((), ("-progressive",), ("-restart", "2B")):
        for sampling in ("1x1", "2x2"):
            name = "arithmetic" + "".join(extra) + "-" + sampling
            yield name, cjpeg(picture(30, 20, 4), "-arithmetic", "-sample", sampling, *extra)
    noise = np.random.default_rng(9).integers(0, 256, (10, 40, 3), dtype=np.uint8)
    for sampling in ("2x1", "2x2", "1x2"):
        yield f"noise-{sampling}", cjpeg(noise, "-quality", "60", "-progressive", "-sample", sampling)
    # Colours that the markers tell.
    base = cjpeg(picture(24, 18, 6), "-quality", "85", "-sample", "2x2")
    red = cjpeg(picture(24, 18, 6), "-quality", "85", "-rgb")
    for name, data in (("ycc", base), ("rgb", red)):
        for transform in (0, 1, 2):
            yield f"{name}-adobe{transform}", altered(data, (0xE0, 0xEE), adobe(transform))
        yield f"{name}-bare", altered(data, (0xE0, 0xEE))
    inks = Image.fromarray(np.dstack([picture(24, 18, 7), picture(24, 18, 8)[:, :, :1]]), "CMYK")
    for mode in (False, True):
        data = pillow(inks, quality=85, progressive=mode)
        name = "cmyk" + ("-progressive" if mode else "")
        yield name, data
        yield name + "-bare", altered(data, (0xEE,))
        for transform in (0, 2):
            yield f"{name}-adobe{transform}", altered(data, (0xEE,), adobe(transform))
    # Bytes between segments, which libjpeg passes over; a table too few.
    yield "bytes-between", altered(base, between=b"\0\x11\xff\0")
    yield "fill-between", altered(base, between=b"\xff\xff")
    yield "no-quantisation", altered(base, (0xDB,))
    # A restart marker behind the last MCU, as some encoders write it.
    data = cjpeg(picture(32, 16, 2), "-sample", "2x2", "-restart", "1B")
    yield "restart-at-end", data[:-2] + b"\xff\xd1\xff\xd9"


def pixels_of(data):
    """Pillow's pixels, or None where it refuses the file."""
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except Exception as error:
        print(f"  refused by Pillow: {error}")
        return None


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    folder.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    count = 0
    for name, data in cases():
        if data is None:
            print(f"{name}: refused by cjpeg")
            continue
        print(name, len(data))
        pixels = pixels_of(data)
        height, width = (0, 0) if pixels is None else pixels.shape[:2]
        out.write(struct.pack("<H", len(name)) + name.encode() + struct.pack("<I", len(data)) + data)
        out.write(struct.pack("<HH", width, height))
        if pixels is not None:
            out.write(np.diff(pixels, axis=0, prepend=np.zeros_like(pixels[:1])).tobytes())
        count += 1
    with open(folder / "matrix.bin", "wb") as file:
        file.write(gzip.compress(out.getvalue(), 9, mtime=0))
    print(count, "cases,", (folder / "matrix.bin").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
