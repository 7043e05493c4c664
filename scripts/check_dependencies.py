"""Checks the dependencies by the rules of deny.toml without a network and without cargo-deny: the
licences that are allowed, the crates that are not, and one source for all. `make deny` runs
cargo-deny itself, which knows more.

Needs Python 3.11. Ends with 1 and one line for each problem.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def allows(expression, allowed):
    """Whether an SPDX expression holds with the allowed licences."""
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|\bAND\b|\bOR\b|(?:(?!\bAND\b|\bOR\b)[^()])+", expression)
    tokens = [token.strip() for token in tokens if token.strip()]
    words = {"(": "(", ")": ")", "AND": "and", "OR": "or"}
    # Only brackets, `and`, `or`, True and False are left to evaluate.
    terms = [words.get(token) or str(token in allowed) for token in tokens]
    return eval(" ".join(terms))  # noqa: S307


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(rules["licenses"]["allow"])
    denied = {entry["name"] for entry in rules["bans"]["deny"]}
    command = ["cargo", "metadata", "--format-version", "1", "--offline", "--locked"]
    for target in rules["graph"]["targets"]:
        command += ["--filter-platform", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    metadata = json.loads(done.stdout)
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    packages = [package for package in metadata["packages"] if package["id"] in used]
    found = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"]
        if licence is None:
            found.append(f"{name} names no licence")
        elif not allows(licence, allowed):
            found.append(f"{name}: the licence {licence} is not allowed")
        if package["name"] in denied:
            found.append(f"{name} is denied")
    sources = {package["source"] for package in packages if package["source"]}
    if len(sources) > 1 or not all(source.startswith("registry+") for source in sources):
        found.append(f"expected one registry as the source of all, found {sorted(sources)}")
    if found:
        sys.exit("\n".join(f"error: {problem}" for problem in found))
    print(f"{len(packages)} packages: licences, bans and sources as deny.toml demands")


if __name__ == "__main__":
    main()
