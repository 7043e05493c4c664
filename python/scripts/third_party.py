#!/usr/bin/env python3
"""Write the licences of everything that is linked into the wheel: THIRD-PARTY-LICENSES.txt beside pyproject.toml.

Reads `cargo metadata` of the extension and the licence files in the crates' sources. Equal texts come once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
OUT = HERE / "THIRD-PARTY-LICENSES.txt"
PATTERNS = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "UNLICENSE*", "license*")
ROOT = "e2mc-python"


def linked(metadata: dict) -> list[dict]:
    """The packages from elsewhere that the extension links, by name and version."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [id_ for id_, package in packages.items() if package["name"] == ROOT]
    seen = set(waiting)
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            usual = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if usual and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    found = [packages[id_] for id_ in seen if packages[id_]["source"]]
    return sorted(found, key=lambda package: (package["name"], package["version"]))


def texts(package: dict) -> list[str]:
    """The licence texts in a package's sources."""
    folder = Path(package["manifest_path"]).parent
    files = sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()})
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


def main() -> int:
    command = ["cargo", "metadata", "--format-version", "1", "--manifest-path", str(HERE / "Cargo.toml")]
    command += ["--filter-platform", "x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    packages = linked(metadata)
    users: dict[str, list[str]] = {}
    lines = ["Software of others that is linked into this wheel, and its licences.", ""]
    for package in packages:
        name = f"{package['name']} {package['version']}"
        lines.append(f"{name}: {package['license'] or 'see below'}")
        for text in texts(package):
            users.setdefault(text, []).append(name)
    for text, names in users.items():
        lines += ["", "=" * 80, "Of " + ", ".join(names), "-" * 80, "", text]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{OUT.name}: {len(packages)} packages, {len(users)} texts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
