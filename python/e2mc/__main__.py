"""``python -m e2mc``: the command ``e2mc`` of this installation."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


def command() -> Path:
    """Where the command was installed.

    Raises
    ------
    FileNotFoundError
        This installation has none.
    """
    try:
        listed = files("e2mc") or []
    except PackageNotFoundError:
        listed = []
    for file in listed:
        if file.name in {"e2mc", "e2mc.exe"} and file.parent.name in {"bin", "Scripts"}:
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError("the command e2mc is not part of this installation: install the wheel of make wheel")


def main() -> None:
    """Become the command."""
    try:
        path = command()
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    os.execv(path, [str(path), *sys.argv[1:]])


if __name__ == "__main__":
    main()
