"""Finds circles of files: files of a crate that name items of each other, directly or by way of others.

A file that declares modules and only hands their items on (`pub use`) does not count as naming them.
Tests are left out. Prints the largest circle of each crate; ends with 1 if one has more than LARGEST
files, and lists it.
"""

import re
import sys
from pathlib import Path

LARGEST = 3
ROOT = Path(__file__).resolve().parent.parent


def code(path):
    """The text without comments, strings and tests."""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    return text.split("#[cfg(test)]\nmod tests")[0]


def paths(tree):
    """The paths of a `use`, without braces."""
    tree = re.sub(r"\s+as\s+\w+", "", tree).strip()
    before, brace, body = tree.partition("{")
    if not brace:
        return [tree]
    parts, depth = [""], 0
    for letter in body.rstrip().removesuffix("}"):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [re.sub(r"::self$", "", before + path) for part in parts if part.strip() for path in paths(part)]


class Crate:
    def __init__(self, source):
        self.files = {}
        for path in source.rglob("*.rs"):
            module = path.relative_to(source).with_suffix("").parts
            if module[-1] in ("mod", "lib", "main"):
                module = module[:-1]
            self.files[module] = code(path)
        self.handed_on = {
            module: [path for use in re.findall(r"\bpub(?:\([^)]*\))?\s+use\s+([^;]+);", text) for path in paths(use)]
            for module, text in self.files.items()
        }

    def file_of(self, module, path, depth=0):
        """The file in which a path of another file ends; None outside of the crate."""
        parts = [part.strip() for part in path.split("::")]
        if parts[0] == "crate":
            base, parts = (), parts[1:]
        elif parts[0] in ("self", "super"):
            base = module
            while parts and parts[0] in ("self", "super"):
                base = base[:-1] if parts[0] == "super" else base
                parts = parts[1:]
        elif (*module, parts[0]) in self.files:
            base = module
        else:
            return None
        while parts and (*base, parts[0]) in self.files:
            base, parts = (*base, parts[0]), parts[1:]
        for path in self.handed_on.get(base, []) if parts and depth < 6 else []:
            if path.split("::")[-1] == parts[0] and (found := self.file_of(base, path, depth + 1)) is not None:
                return found
        return base

    def named_by(self, module):
        text = self.files[module]
        uses = re.findall(r"\buse\s+([^;]+);", text)
        found = [path for use in uses for path in paths(use)]
        found += re.findall(r"\b(?:crate|super|self)(?:::\w+)+", re.sub(r"\buse\s+[^;]+;", "", text))
        named = {self.file_of(module, path) for path in found} & set(self.files)
        handed_on = {self.file_of(module, path) for path in self.handed_on[module]}
        return named - {module} - {other for other in handed_on if other and other[: len(module)] == module}

    def circles(self):
        """Sets of files that all lead to each other."""
        edges = {module: self.named_by(module) for module in self.files}

        def reached(start):
            seen, open_ = set(), [start]
            while open_:
                for other in edges[open_.pop()] - seen:
                    seen.add(other)
                    open_.append(other)
            return seen

        reach = {module: reached(module) for module in edges}
        circles = {frozenset(other for other in reach[module] if module in reach[other]) for module in edges}
        return sorted((circle for circle in circles if len(circle) > 1), key=len, reverse=True)


def main():
    failed = False
    for source in sorted([*ROOT.glob("crates/*/src"), ROOT / "python/src"]):
        circles = Crate(source).circles()
        name = source.parent.name
        largest = len(circles[0]) if circles else 1
        failed |= largest > LARGEST
        print(f"{name}: the largest circle has {largest} files" if circles else f"{name}: no circle of files")
        for circle in circles:
            if len(circle) > LARGEST:
                print("  " + ", ".join(sorted("::".join(module) or "(root)" for module in circle)))
    return failed


if __name__ == "__main__":
    sys.exit(main())
