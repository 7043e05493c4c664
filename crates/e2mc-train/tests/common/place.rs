//! Where the tests run, and where their files are: on the CPU and beside the sources, unless the
//! environment says otherwise. `scripts/gpu-check.sh` takes the test programs to another machine.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use tch::Device;

/// The device that `E2MC_TEST_DEVICE` names; without it the CPU.
pub(crate) fn device() -> Device {
    let name = std::env::var("E2MC_TEST_DEVICE");
    e2mc_train::device(name.as_deref().unwrap_or("cpu")).unwrap()
}

/// A folder of golden files: in `E2MC_TEST_FILES`, or beside the tests.
pub(crate) fn golden(folder: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::env::var_os("E2MC_TEST_FILES").map_or_else(beside, PathBuf::from);
    files.join(folder)
}
