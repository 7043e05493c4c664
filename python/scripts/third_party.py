"""The licences of what is linked into a wheel's programs, from cargo's metadata and the crates' sources."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

PATTERNS = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "UNLICENSE*", "license*")


def metadata(manifest: Path) -> dict:
    """What cargo knows of a workspace on this platform."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", str(manifest)]
    host = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    command += ["--filter-platform", host.split("host: ")[1].split()[0]]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def linked(known: dict, root: str) -> list[dict]:
    """The packages from elsewhere that the package `root` links."""
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    waiting = [id_ for id_, package in packages.items() if package["name"] == root]
    if not waiting:
        raise SystemExit(f"error: cargo knows no package {root}")
    seen = set(waiting)
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            usual = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if usual and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return [packages[id_] for id_ in seen if packages[id_]["source"]]


def texts(package: dict) -> list[str]:
    """The licence texts in a package's sources."""
    folder = Path(package["manifest_path"]).parent
    files = sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()})
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


def licences(packages: list[dict]) -> str:
    """One text for all packages; equal licences come once."""
    by_name = {f"{package['name']} {package['version']}": package for package in packages}
    users: dict[str, list[str]] = {}
    lines = ["Software of others that is linked into the programs of this wheel, and its licences.", ""]
    for name, package in sorted(by_name.items()):
        lines.append(f"{name}: {package['license'] or 'see below'}")
        for text in texts(package):
            users.setdefault(text, []).append(name)
    for text, names in users.items():
        lines += ["", "=" * 80, "Of " + ", ".join(names), "-" * 80, "", text]
    return "\n".join(lines) + "\n"
