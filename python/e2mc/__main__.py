"""``python -m e2mc``: the program ``e2mc`` that was installed with this package."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

NAME = "e2mc" + (sysconfig.get_config_var("EXE") or "")


def places() -> Iterator[Path]:
    """Where the program may be, the most certain place first."""
    try:
        installed = metadata.files("e2mc") or []
    except metadata.PackageNotFoundError:
        installed = []
    yield from (Path(str(file.locate())) for file in installed if file.name == NAME)
    yield Path(sysconfig.get_path("scripts"), NAME)
    yield Path(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")), NAME)
    # After `pip install --target`.
    yield Path(__file__).resolve().parents[1] / "bin" / NAME
    yield Path(sys.executable).parent / NAME


def main() -> None:
    """Become the program, with the same arguments; its exit code is this one's."""
    looked = list(dict.fromkeys(places()))
    program = next((place for place in looked if place.is_file()), None)
    if program is None:
        listed = ", ".join(map(str, looked))
        sys.exit(f"error: cannot find the program e2mc: looked for {listed}\nhint: install the wheel e2mc again")
    arguments = [str(program), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(program, arguments)
    sys.exit(subprocess.run(arguments).returncode)


if __name__ == "__main__":
    main()
