"""The licences of what is linked into a wheel's programs, from cargo's metadata and the crates' sources."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path

#: Files of a crate that hold its licence, and those that only go with one.
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*", "UNLICENSE*", "license*")
BESIDE = ("NOTICE*", "COPYRIGHT*")
#: Licences whose standard text is enough, by the name of its file in Rust's documentation.
STANDARD = ("MIT", "Apache-2.0")


def metadata(manifest: Path) -> dict:
    """What cargo knows of a workspace on this platform."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", str(manifest)]
    host = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    command += ["--filter-platform", host.split("host: ")[1].split()[0]]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def documentation() -> Path:
    """The folder in which the compiler's installation keeps the notices of Rust itself."""
    found = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True)
    return Path(found.stdout.strip()) / "share" / "doc" / "rust"


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


def texts(package: dict, rust: Path) -> list[str]:
    """The licence texts in a package's sources; where it has none, the standard text of its licence.

    Ends the build for a package whose licence has no text here either.
    """
    folder = Path(package["manifest_path"]).parent

    def read(patterns: tuple[str, ...]) -> list[str]:
        files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
        found = [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]
        return [text for text in found if text]

    return (read(LICENCES) or [standard(package, rust)]) + read(BESIDE)


def standard(package: dict, rust: Path) -> str:
    """The standard text of a package's licence, with its authors where it has a place for them."""
    choices = re.split(r"\s+OR\s+|\s*/\s*", package["license"] or "")
    name = next((name for name in STANDARD if name in choices), None)
    if name is None:
        raise SystemExit(
            f"error: the package {package['name']} {package['version']} has no licence text, and no standard one is "
            f"known for {package['license'] or 'a package that names no licence'}"
        )
    holders = ", ".join(author.removesuffix(" <>") for author in package["authors"])
    return spdx(rust, name, holders or f"the authors of {package['name']}")


def spdx(rust: Path, name: str, holders: str) -> str:
    """The standard text of a licence, with the holders of the copyright in their place, if it has one."""
    text = read_of_rust(rust / "licenses" / f"{name}.txt").strip()
    return text.replace("<year> <copyright holders>", holders)


def read_of_rust(file: Path) -> str:
    """A file of Rust's documentation."""
    if not file.is_file():
        raise SystemExit(f"error: {file} is missing, where rustup puts the licences of Rust: install Rust by rustup")
    return file.read_text(encoding="utf-8")


def standard_library(rust: Path) -> dict[str, list[str]]:
    """The notices of Rust's standard library, which every program links, and of each package inside it."""
    page = read_of_rust(rust / "COPYRIGHT-library.html")
    start, *others = re.split(r"<h3>[^<\w]*([^<]+)</h3>", page.partition('<h2 id="short-version">')[2])
    prose = html.unescape(re.sub(r"<[^>]+>", "", f"<h2>{start}"))
    # Its tables of characters are Unicode's.
    own = [spdx(rust, name, "The Rust Project Developers") for name in ("MIT", "Unicode-3.0")]
    found = {"Rust's standard library": [re.sub(r"\s*\n\s*\n\s*", "\n\n", prose).strip(), *own]}
    for name, section in zip(others[::2], others[1::2]):
        notices = re.findall(r"<pre>(.*?)</pre>", section, flags=re.DOTALL)
        found[f"{name.strip()} of Rust's standard library"] = [html.unescape(text).strip() for text in notices]
    if "MIT" not in prose or len(found) < 2:
        raise SystemExit("error: COPYRIGHT-library.html of Rust has another form than expected")
    return found


def licences(packages: list[dict], rust: Path | None = None) -> str:
    """One text for all packages and Rust's standard library; equal licences come once."""
    rust = rust or documentation()
    by_name = {f"{package['name']} {package['version']}": package for package in packages}
    users: dict[str, list[str]] = {}
    lines = ["Software of others that is linked into the programs of this wheel, and its licences.", ""]
    for name, package in sorted(by_name.items()):
        lines.append(f"{name}: {package['license'] or 'see below'}")
        for text in texts(package, rust):
            users.setdefault(text, []).append(name)
    lines.append("Rust's standard library: Apache-2.0 OR MIT")
    for name, notices in standard_library(rust).items():
        for text in notices:
            users.setdefault(text, []).append(name)
    for text, names in users.items():
        lines += ["", "=" * 80, "Of " + ", ".join(names), "-" * 80, "", text]
    return "\n".join(lines) + "\n"
