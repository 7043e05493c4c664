#!/usr/bin/env python3
"""Draws the demo's sample from a larger set of images in IDX files, every class as often as any other.

usage: make_sample.py IDX_DIR OUT_DIR [--train 12000] [--test 3000] [--seed 0]

IDX_DIR holds train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz and the same of test. The classes
share the images evenly; what does not divide evenly goes to the first classes in the drawn order. The
order of the images is drawn too, so that a part of the sample has all classes. Needs nothing but Python 3.
"""
import argparse
import collections
import gzip
import hashlib
import pathlib
import struct

IMAGES, LABELS, PIXELS = 0x803, 0x801, 28 * 28


def read(path, magic):
    raw = gzip.open(path).read()
    found, count = struct.unpack(">II", raw[:8])
    if found != magic:
        raise SystemExit(f"{path}: expected magic {magic:#x}, found {found:#x}")
    head, size = (16, PIXELS) if magic == IMAGES else (8, 1)
    if magic == IMAGES and struct.unpack(">II", raw[8:16]) != (28, 28):
        raise SystemExit("%s: expected images of 28 x 28, found %d x %d" % (path, *struct.unpack(">II", raw[8:16])))
    if len(raw) != head + count * size:
        raise SystemExit(f"{path}: expected {head + count * size} bytes, found {len(raw)}")
    body = raw[head:]
    return [body[i * size : (i + 1) * size] for i in range(count)]


def write(path, magic, items):
    header = struct.pack(">II", magic, len(items))
    if magic == IMAGES:
        header += struct.pack(">II", 28, 28)
    # No time stamp: the same bytes whenever it is made.
    path.write_bytes(gzip.compress(header + b"".join(items), 9, mtime=0))


def drawn(labels, count, salt):
    """The places of `count` images, balanced, in a drawn order that no version of Python changes."""
    key = lambda item: hashlib.sha256(f"{salt}:{item}".encode()).digest()
    order = sorted(range(len(labels)), key=key)
    classes = sorted(set(labels), key=lambda label: key(label[0]))
    each, more = divmod(count, len(classes))
    left = {label: each + (place < more) for place, label in enumerate(classes)}
    present = collections.Counter(labels)
    for label, wanted in left.items():
        assert present[label] >= wanted, f"class {label[0]}: {present[label]} images, {wanted} wanted"
    taken = []
    for place in order:
        if left[labels[place]] > 0:
            left[labels[place]] -= 1
            taken.append(place)
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--train", type=int, default=12000)
    parser.add_argument("--test", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", options.train), ("test", options.test)):
        names = {magic: f"{part}-{kind}-ubyte.gz" for magic, kind in ((IMAGES, "images-idx3"), (LABELS, "labels-idx1"))}
        found = {magic: read(options.source / name, magic) for magic, name in names.items()}
        places = drawn(found[LABELS], count, f"{options.seed}:{part}")
        for magic, name in names.items():
            write(options.out / name, magic, [found[magic][place] for place in places])


main()
