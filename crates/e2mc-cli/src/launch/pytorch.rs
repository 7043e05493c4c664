//! The PyTorch beside an engine that pip installed: where its libraries are, and of which version.
//!
//! The engine has no path to them of its own. A path relative to it would list versions of Python,
//! miss environments that share packages, and not tell one version of PyTorch from another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The series of PyTorch that the engine is compiled for: its libraries change with every series.
pub(super) const SERIES: &str = "2.11";

/// Prints where `import torch` would find PyTorch, without loading it. The current folder does not
/// count.
const ASK: &str = "import importlib.util, sys\n\
    sys.path = [place for place in sys.path if place]\n\
    found = importlib.util.find_spec('torch')\n\
    print(*(found.submodule_search_locations or []) if found else [], sep='\\n')";

/// The libraries of each PyTorch in the environment whose programs are in `bin`: one for each
/// version of Python, or beside `bin` after `pip install --target`.
pub(super) fn beside(bin: &Path) -> Vec<PathBuf> {
    let Some(prefix) = bin.parent() else {
        return Vec::new();
    };
    let mut pythons: Vec<PathBuf> = ["lib", "lib64"]
        .iter()
        .filter_map(|lib| fs::read_dir(prefix.join(lib)).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("python3"))
        })
        .collect();
    pythons.sort();
    let packages = pythons
        .iter()
        .flat_map(|python| ["site-packages", "dist-packages"].map(|kind| python.join(kind)));
    packages
        .chain([prefix.to_owned()])
        .map(|packages| packages.join("torch").join("lib"))
        .filter(|lib| lib.is_dir())
        .collect()
}

/// The libraries of the PyTorch that the Python in `bin` imports, else of the one that `python3`
/// imports.
pub(super) fn imported(bin: &Path) -> Option<PathBuf> {
    let pythons = [bin.join("python3"), bin.join("python"), "python3".into()];
    pythons.iter().find_map(|python| {
        let mut ask = Command::new(python);
        ask.args(["-c", ASK])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let answer = String::from_utf8(ask.output().ok()?.stdout).ok()?;
        let lib = Path::new(answer.lines().next()?).join("lib");
        lib.is_dir().then_some(lib)
    })
}

/// The version of the libraries in `lib`, as the package or the headers around them say.
pub(super) fn version(lib: &Path) -> Option<String> {
    let around = lib.parent()?;
    let package = fs::read_to_string(around.join("version.py")).unwrap_or_default();
    let package = package
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))
        .map(|version| version.trim_matches(['\'', '"']).to_owned());
    package.or_else(|| {
        let header = around.join("include/torch/headeronly/version.h");
        let header = fs::read_to_string(header).ok()?;
        let number = |name: &str| {
            let lines = header
                .lines()
                .filter_map(|line| line.strip_prefix("#define TORCH_VERSION_"));
            lines
                .filter_map(|line| line.split_once(' '))
                .find(|line| line.0 == name)
        };
        Some(format!(
            "{}.{}",
            number("MAJOR")?.1.trim(),
            number("MINOR")?.1.trim()
        ))
    })
}

/// Whether the engine can run on the libraries in `lib`. Those that do not tell their version are
/// tried.
pub(super) fn fits(lib: &Path) -> bool {
    version(lib).is_none_or(|version| {
        let rest = version.strip_prefix(SERIES);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PyTorch of a version, below `place`.
    fn torch(place: &Path, version: &str) -> PathBuf {
        let lib = place.join("torch/lib");
        fs::create_dir_all(&lib).unwrap();
        let package =
            format!("from typing import Optional\n__version__ = '{version}'\ndebug = False\n");
        fs::write(place.join("torch/version.py"), package).unwrap();
        lib
    }

    #[test]
    fn every_python_of_the_environment_is_looked_at() {
        let prefix = tempfile::tempdir().unwrap();
        let bin = prefix.path().join("bin");
        assert_eq!(beside(&bin), [] as [PathBuf; 0]);
        let places = [
            "lib/python3.12/site-packages",
            "lib64/python3.9/dist-packages",
            "",
        ];
        let libs = places.map(|place| torch(&prefix.path().join(place), "2.11.0"));
        torch(&prefix.path().join("lib/other/site-packages"), "2.11.0");
        assert_eq!(beside(&bin), libs);
    }

    #[test]
    fn a_version_fits_by_its_series() {
        let place = tempfile::tempdir().unwrap();
        for (version, expected) in [
            ("2.11.0+cu130", true),
            ("2.11.1", true),
            ("2.11", true),
            ("2.1.2", false),
            ("2.110.0", false),
            ("2.12.0.dev20260101", false),
        ] {
            let lib = torch(place.path(), version);
            assert_eq!(super::version(&lib).as_deref(), Some(version));
            assert_eq!(fits(&lib), expected, "{version}");
        }
    }

    #[test]
    fn headers_tell_the_version_where_no_package_does() {
        let place = tempfile::tempdir().unwrap();
        let lib = place.path().join("lib");
        assert_eq!(version(&lib), None);
        assert!(fits(&lib));
        let header = place.path().join("include/torch/headeronly");
        fs::create_dir_all(&header).unwrap();
        let text = "#pragma once\n#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 9\n";
        fs::write(header.join("version.h"), text).unwrap();
        assert_eq!(version(&lib).as_deref(), Some("2.9"));
        assert!(!fits(&lib));
    }

    #[test]
    fn the_series_is_the_one_that_is_fetched_and_required() {
        let fetched = include_str!("../../../../scripts/libtorch.sh");
        assert!(fetched.contains(&format!("\nversion={SERIES}.")));
        let required = include_str!("../../../../python/pyproject.toml");
        assert!(required.contains(&format!("\"torch=={SERIES}.*\"")));
    }
}
