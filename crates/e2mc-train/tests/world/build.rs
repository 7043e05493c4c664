//! What the build script says where something that it compiles from is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The build script as cargo has compiled it last.
fn build_script() -> PathBuf {
    // Each build script, and the output of each, has a folder beside the others.
    let all = Path::new(env!("OUT_DIR")).ancestors().nth(2).unwrap();
    let folders = fs::read_dir(all).unwrap().flatten();
    let scripts = folders
        .filter(|folder| {
            folder
                .file_name()
                .to_string_lossy()
                .starts_with("e2mc-train-")
        })
        .map(|folder| folder.path().join("build-script-build"));
    let age = |script: &PathBuf| fs::metadata(script).and_then(|about| about.modified());
    let script = scripts
        .filter(|script| script.exists())
        .max_by_key(|script| age(script).unwrap());
    script.unwrap_or_else(|| panic!("cargo has compiled no build script in {}", all.display()))
}

/// What it says, with `include` in the place of libtorch's headers.
fn said(libtorch: &Path, include: &Path) -> (bool, String) {
    let output = Command::new(build_script())
        .env("LIBTORCH", libtorch)
        .env("LIBTORCH_INCLUDE", include)
        .env("OUT_DIR", include)
        .env_remove("CUDA_HOME")
        .env_remove("CLIPPY_ARGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said)
}

#[test]
fn a_build_without_a_needed_header_says_what_to_install() {
    const HEADER: &str = "include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (good, text) = said(path, path);
    let expected = format!(
        "cargo::error=libtorch's headers lack {}: run `make setup`",
        path.join(HEADER).display()
    );
    assert!(!good && text.contains(&expected), "{text}");

    // With CUDA's library, but without its headers.
    let header = path.join(HEADER);
    fs::create_dir_all(header.parent().unwrap()).unwrap();
    fs::write(header, "").unwrap();
    fs::create_dir(path.join("lib")).unwrap();
    fs::write(path.join("lib/libtorch_cuda.so"), "").unwrap();
    let (_, text) = said(path, path);
    let expected = "cargo::warning=no nccl.h beside libtorch: several GPUs cannot train together; \
                    run `make gpu`, or set CUDA_HOME";
    assert!(text.contains(expected), "{text}");
}
