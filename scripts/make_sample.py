#!/usr/bin/env python3
"""Makes the demo's sample from Fashion-MNIST, and a validation set to choose the demo's settings on.

usage: make_sample.py FASHION_MNIST_DIR OUT_DIR [--validation]

The sample: the first 10,000 training and the first 2,000 test images. With --validation the test part
is the last 2,000 *training* images instead, which the sample does not hold: settings are chosen there,
never on test images. Needs nothing but Python 3.
"""
import gzip
import pathlib
import struct
import sys

IMAGES, LABELS, PIXELS = 0x803, 0x801, 28 * 28


def read(path, magic):
    raw = gzip.open(path).read()
    found, count = struct.unpack(">II", raw[:8])
    assert found == magic, f"{path}: magic {found:#x}, expected {magic:#x}"
    size = PIXELS if magic == IMAGES else 1
    body = raw[len(raw) - count * size :]
    return [body[i * size : (i + 1) * size] for i in range(count)]


def write(path, magic, items):
    header = struct.pack(">II", magic, len(items))
    if magic == IMAGES:
        header += struct.pack(">II", 28, 28)
    # No time stamp: the same bytes whenever it is made.
    path.write_bytes(gzip.compress(header + b"".join(items), 9, mtime=0))


def main():
    source, out = map(pathlib.Path, sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    for kind, magic in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
        train = read(source / f"train-{kind}-ubyte.gz", magic)
        write(out / f"train-{kind}-ubyte.gz", magic, train[:10000])
        test = train[-2000:]
        if "--validation" not in sys.argv:
            test = read(source / f"t10k-{kind}-ubyte.gz", magic)[:2000]
        write(out / f"t10k-{kind}-ubyte.gz", magic, test)


main()
