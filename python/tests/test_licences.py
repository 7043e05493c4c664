"""The licences of what is linked travel in the wheels: one text at least for every package."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from third_party import licences  # noqa: E402


def travelling(wheel: str) -> str:
    """The licences in an installed wheel."""
    (file,) = (file for file in metadata.files(wheel) if file.name == "THIRD-PARTY-LICENSES.txt")
    return Path(str(file.locate())).read_text(encoding="utf-8")


def sections(text: str) -> tuple[set[str], dict[str, list[str]]]:
    """The packages that are listed, and the texts of each."""
    head, *rest = re.split(r"^={80}\nOf (.*)\n-{80}\n", text, flags=re.MULTILINE)
    listed = {line.partition(": ")[0] for line in head.splitlines()[2:] if line}
    found: dict[str, list[str]] = {}
    for names, body in zip(rest[::2], rest[1::2]):
        for name in names.split(", "):
            found.setdefault(name, []).append(body.strip())
    return listed, found


def check(wheel: str, *expected: str) -> None:
    listed, found = sections(travelling(wheel))
    assert len(listed) > 100
    for name in listed:
        # Some have short notices beside it.
        assert max(map(len, found.get(name, [""]))) > 500, name
    names = {name.partition(" ")[0] for name in listed}
    assert names >= {"faer", "faer-traits", "nano-gemm", "equator", *expected}, names
    assert "Rust's standard library" in listed and "Unicode" in found["Rust's standard library"][0]
    # Where a crate has no text its licence's own stands, with the crate's authors.
    (mit,) = (text for name, (text, *_) in found.items() if name.startswith("nano-gemm "))
    assert "Copyright (c) the authors of nano-gemm" in mit and "Permission is hereby granted" in mit
    # What the standard library is made of comes with it.
    assert any(name.startswith("hashbrown-") and name.endswith("standard library") for name in found)


def test_the_licences_of_the_extension_and_the_program_travel_along():
    check("e2mc", "pyo3", "numpy", "clap")


@pytest.mark.engine
def test_the_licences_of_the_engine_travel_along():
    check("e2mc-engine", "tch", "torch-sys", "safetensors")


@pytest.fixture
def rust(tmp_path):
    """What rustup installs beside the compiler."""
    folder = tmp_path / "rust"
    (folder / "licenses").mkdir(parents=True)
    (folder / "licenses" / "MIT.txt").write_text("MIT License\n\nCopyright (c) <year> <copyright holders>\n\nGranted.\n")
    (folder / "licenses" / "Apache-2.0.txt").write_text("Apache License\n")
    (folder / "licenses" / "Unicode-3.0.txt").write_text("UNICODE LICENSE\n")
    (folder / "COPYRIGHT-library.html").write_text(
        '<h1>Copyright</h1><h2>Table</h2><h2 id="short-version">Short</h2>\n\n \n<p>Apache 2.0 and MIT &amp; others</p>\n'
        "<h3>\N{PACKAGE} hashbrown-0.16</h3><pre>\nHash &lt;table&gt;\n</pre><pre>Second</pre><h3>\N{PACKAGE} none-1</h3>\n",
        encoding="utf-8",
    )
    return folder


def package(folder: Path, name: str, licence: str | None, *authors: str, **files: str) -> dict:
    place = folder / name
    place.mkdir()
    for file, text in files.items():
        (place / file).write_text(text)
    manifest = str(place / "Cargo.toml")
    return {"name": name, "version": "1.0", "license": licence, "authors": authors, "manifest_path": manifest}


def test_a_package_without_a_text_gets_the_standard_one(tmp_path, rust):
    packages = [
        package(tmp_path, "own", "MIT", LICENSE="Own words\n", NOTICE="Beside"),
        package(tmp_path, "bare", "MIT", "A <a@b.c>", "B <>"),
        package(tmp_path, "unknown", "Zlib OR MIT/Apache-2.0", LICENSE=" \n"),
        package(tmp_path, "apache", "Apache-2.0", NOTICE="Beside"),
    ]
    listed, found = sections(licences(packages, rust))
    assert listed == {"own 1.0", "bare 1.0", "unknown 1.0", "apache 1.0", "Rust's standard library"}
    assert sorted(found["own 1.0"]) == ["Beside", "Own words"]
    assert found["bare 1.0"] == ["MIT License\n\nCopyright (c) A <a@b.c>, B\n\nGranted."]
    assert found["unknown 1.0"] == ["MIT License\n\nCopyright (c) the authors of unknown\n\nGranted."]
    assert sorted(found["apache 1.0"]) == ["Apache License", "Beside"]
    prose, mit, unicode = found["Rust's standard library"]
    assert prose == "Short\n\nApache 2.0 and MIT & others" and unicode == "UNICODE LICENSE"
    assert "Copyright (c) The Rust Project Developers" in mit
    assert found["hashbrown-0.16 of Rust's standard library"] == ["Hash <table>", "Second"]


@pytest.mark.parametrize("licence", ["Zlib", "MIT AND Zlib", None])
def test_a_licence_without_a_text_ends_the_build(tmp_path, rust, licence):
    with pytest.raises(SystemExit, match="package bare 1.0 has no licence text"):
        licences([package(tmp_path, "bare", licence, NOTICE="Beside")], rust)


def test_without_the_notices_of_rust_the_build_ends(tmp_path, rust):
    own = package(tmp_path, "own", "MIT", LICENSE="Own words")
    (rust / "COPYRIGHT-library.html").write_text("<p>moved</p>")
    with pytest.raises(SystemExit, match="another form"):
        licences([own], rust)
    (rust / "COPYRIGHT-library.html").unlink()
    with pytest.raises(SystemExit, match="install Rust by rustup"):
        licences([own], rust)
