"""The libraries that a program for Linux asks the loader for."""

from __future__ import annotations

import struct
from pathlib import Path

#: Kinds of segments, and of entries of the dynamic section.
LOAD, DYNAMIC = 1, 2
NEEDED, STRINGS = 1, 5


def needed(binary: Path) -> list[str]:
    """The names of the libraries that a 64-bit little-endian ELF file needs."""
    content = binary.read_bytes()
    assert content[:6] == b"\x7fELF\x02\x01", f"{binary} is no 64-bit ELF file"
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    segments = []
    for at in range(table, table + size * count, size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", content, at)
        segments.append((kind, offset, address, length))
    entries = [
        struct.unpack_from("<QQ", content, at)
        for kind, offset, _, length in segments
        if kind == DYNAMIC
        for at in range(offset, offset + length, 16)
    ]
    (strings,) = (value for tag, value in entries if tag == STRINGS)
    (start,) = (
        strings - address + offset
        for kind, offset, address, length in segments
        if kind == LOAD and address <= strings < address + length
    )
    names = [start + value for tag, value in entries if tag == NEEDED]
    return [content[name : content.index(b"\0", name)].decode() for name in names]
