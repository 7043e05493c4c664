"""Checks the documents: every link to a file of the repository leads to one, every link to a heading
leads to one, and docs/SUMMARY.md, the contents of the book, names every page of docs/ once.

Ends with 1 and one line for each problem.
"""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent


def without_code(text):
    """The text with code left out, in which brackets are no links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def anchors(page):
    """The names by which links lead to the headings of a page, as GitHub and mdBook make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    names = set()
    for heading in re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        names.add(words.replace(" ", "-"))
    return names


def problems(page):
    """What is wrong with the links of one document."""
    text = without_code(page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, heading = unquote(target).partition("#")
        file = (page.parent / place).resolve() if place else page
        if not file.exists():
            yield f"{page.relative_to(ROOT)}: {target} does not exist"
        elif heading and file.suffix == ".md" and heading not in anchors(file):
            yield f"{page.relative_to(ROOT)}: {target} names no heading"


def summary():
    """What is wrong with the contents of the book."""
    docs = ROOT / "docs"
    listed = re.findall(r"\]\(([^)]+)\)", (docs / "SUMMARY.md").read_text())
    for name in sorted({name for name in listed if listed.count(name) > 1}):
        yield f"docs/SUMMARY.md: {name} is listed more than once"
    pages = {path.name for path in docs.glob("*.md")} - {"SUMMARY.md"}
    for name in sorted(pages - set(listed)):
        yield f"docs/SUMMARY.md: {name} is not listed"


def main():
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    pages = [ROOT / name for name in names.split()]
    found = [problem for page in pages if page.exists() for problem in problems(page)]
    found.extend(summary())
    if found:
        sys.exit("\n".join(f"error: {problem}" for problem in found))
    print(f"{len(pages)} documents: all links lead to files and headings of the repository")


if __name__ == "__main__":
    main()
