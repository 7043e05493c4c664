//! Where the engine finds libtorch, and what has to be set so that it does.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::before;
use super::pytorch::{self, SERIES};
use crate::failure::Failure;

/// The folder with libtorch's `lib/` that the user chose.
const CHOICE: &str = "E2MC_LIBTORCH";
/// The same, as libtorch's own tools know it.
const COMMON_CHOICE: &str = "LIBTORCH";
/// What `make setup` prepares, from where cargo puts the programs.
const PREPARED: &str = "../../.libtorch/lib";

#[cfg(target_os = "macos")]
const LIBRARY_PATH: &str = "DYLD_LIBRARY_PATH";
#[cfg(not(target_os = "macos"))]
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The library that the engine cannot start without.
#[cfg(target_os = "macos")]
const LIBRARY: &str = "libtorch_cpu.dylib";
#[cfg(not(target_os = "macos"))]
const LIBRARY: &str = "libtorch_cpu.so";
/// What makes a CUDA device visible: nothing links to it, it registers itself when it is loaded.
const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// Folders of libraries.
pub(super) struct Libtorch {
    /// What the user chose, which goes before what the engine knows.
    chosen: Option<PathBuf>,
    /// What the engine knows by itself: beside it, and where it was built.
    known: Vec<PathBuf>,
    /// What the user's own library path names.
    on_path: Vec<PathBuf>,
    /// Those of the PyTorch that was installed with the engine.
    installed: Vec<PathBuf>,
}

impl Libtorch {
    /// Looks where the user, the engine and Python say.
    ///
    /// # Errors
    /// Where the user chose a folder without libtorch, or with another version of it.
    pub(super) fn find(engine: &Path) -> Result<Self> {
        let lib = |name| Some(PathBuf::from(env::var_os(name)?).join("lib"));
        let chosen = match lib(CHOICE) {
            Some(folder) if !serves(&folder) => {
                let wrong = misfit(&folder)
                    .unwrap_or_else(|| format!("there is no {LIBRARY} in {}", folder.display()));
                return Err(Failure::new(
                    format!("{CHOICE}: {wrong}"),
                    "set it to the folder with libtorch's lib/, such as Python's torch folder",
                ));
            }
            None => lib(COMMON_CHOICE).filter(|folder| serves(folder)),
            chosen => chosen,
        };
        let path = env::var_os(LIBRARY_PATH).unwrap_or_default();
        // Where the engine is linked to look: beside itself, then where it was built.
        let own = engine.parent().unwrap_or(Path::new("."));
        let mut known = vec![own.to_owned(), own.join("libtorch").join("lib")];
        known.extend(own.parent().map(|above| above.join("lib")));
        known.extend(own.join(PREPARED).canonicalize());
        let named = env::split_paths(&path).filter(|folder| !folder.as_os_str().is_empty());
        let mut found = Self {
            chosen,
            known,
            on_path: named.collect(),
            installed: pytorch::beside(own),
        };
        if !found.is_found() {
            found.installed.extend(pytorch::imported(own));
        }
        Ok(found)
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        let found = self.chosen.iter().chain(&self.on_path);
        found.chain(&self.known).chain(&self.installed)
    }

    /// Where the libraries are that the engine will run on.
    fn used(&self) -> Option<&PathBuf> {
        self.folders().find(|folder| serves(folder))
    }

    /// Whether libtorch is in one of the folders. Where it is not, the system may still know one.
    pub(super) fn is_found(&self) -> bool {
        self.used().is_some()
    }

    /// Whether the libraries can compute on a GPU.
    pub(super) fn has_cuda(&self) -> bool {
        self.used()
            .is_some_and(|folder| holds(folder, CUDA_LIBRARY))
    }

    /// Why none of the folders serves: another version is there, or none is.
    pub(super) fn lack(&self) -> String {
        self.folders()
            .find_map(|folder| misfit(folder))
            .unwrap_or_else(|| {
                let places = self.folders().map(|folder| folder.display().to_string());
                let places = places.collect::<Vec<_>>().join(", ");
                format!("there is no {LIBRARY} of PyTorch {SERIES} in {places}")
            })
    }

    /// What has to be set: the path to the libraries, unless the loader takes them by itself, and,
    /// for a CUDA device, the library of a CUDA torch. `given` is what the user set.
    pub(super) fn environment(
        &self,
        given: impl Fn(&str) -> Option<OsString>,
        cuda: bool,
    ) -> Vec<(&'static str, OsString)> {
        let mut set = Vec::new();
        let Some(folder) = self.used() else {
            return set;
        };
        let mut loaded = self.on_path.iter().chain(&self.known);
        if loaded.find(|folder| holds(folder, LIBRARY)) != Some(folder) {
            set.push((LIBRARY_PATH, before(folder, given(LIBRARY_PATH))));
        }
        if cuda && holds(folder, CUDA_LIBRARY) {
            let library = folder.join(CUDA_LIBRARY);
            set.push(("LD_PRELOAD", before(&library, given("LD_PRELOAD"))));
        }
        set
    }
}

fn holds(folder: &Path, library: &str) -> bool {
    folder.join(library).is_file()
}

/// Whether the engine can run on what is in the folder.
fn serves(folder: &Path) -> bool {
    holds(folder, LIBRARY) && pytorch::fits(folder)
}

/// What is wrong with the version in the folder, if libtorch is there.
fn misfit(folder: &Path) -> Option<String> {
    let version =
        pytorch::version(folder).filter(|_| holds(folder, LIBRARY) && !pytorch::fits(folder))?;
    Some(format!(
        "PyTorch {version} in {} is not {SERIES}",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(libraries: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for library in libraries {
            std::fs::write(folder.path().join(library), "").unwrap();
        }
        folder
    }

    fn libtorch(chosen: Option<&Path>, known: &Path) -> Libtorch {
        Libtorch {
            chosen: chosen.map(Path::to_owned),
            known: vec![known.to_owned()],
            on_path: Vec::new(),
            installed: Vec::new(),
        }
    }

    #[test]
    fn nothing_is_set_where_the_engine_finds_its_own() {
        let own = folder(&[LIBRARY]);
        let libtorch = libtorch(None, own.path());
        assert!(libtorch.is_found());
        assert_eq!(libtorch.environment(|_| None, true), []);
    }

    #[test]
    fn a_choice_goes_before_the_users_path() {
        let (own, chosen) = (folder(&[LIBRARY]), folder(&[LIBRARY]));
        let libtorch = libtorch(Some(chosen.path()), own.path());
        let given = |name: &str| (name == LIBRARY_PATH).then(|| "/elsewhere".into());
        let mut path = chosen.path().as_os_str().to_owned();
        path.push(":/elsewhere");
        assert_eq!(libtorch.environment(given, false), [(LIBRARY_PATH, path)]);
    }

    #[test]
    fn cuda_is_loaded_for_a_cuda_device_alone() {
        let both = folder(&[LIBRARY, CUDA_LIBRARY]);
        let libtorch = libtorch(None, both.path());
        assert_eq!(libtorch.environment(|_| None, false), []);
        let library = both.path().join(CUDA_LIBRARY).into_os_string();
        assert_eq!(
            libtorch.environment(|_| None, true),
            [("LD_PRELOAD", library)]
        );
    }

    #[test]
    fn what_is_missing_is_said_with_its_places() {
        let empty = folder(&[]);
        let libtorch = libtorch(None, empty.path());
        assert!(!libtorch.is_found());
        let place = empty.path().display().to_string();
        assert!(libtorch.lack().ends_with(&place), "{}", libtorch.lack());
    }
}
