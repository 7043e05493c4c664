//! Where the tests run, and where their files are: on the CPU and beside the sources, unless the
//! environment says otherwise. `scripts/gpu-check.sh` takes the test programs to another machine.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

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

/// `count` numbers in [-1, 1] of number `k`.
pub(crate) fn series(count: i64, k: f64) -> Tensor {
    let place = Tensor::arange(count, (Kind::Double, Device::Cpu));
    let u = (place * 12.9898 + 78.233 * k).sin() * 43758.5453;
    (&u - u.floor()) * 2.0 - 1.0
}

/// Numbers spread like N(0, 1), by a formula: libtorch's generator is one for all tests of a program,
/// and a test that draws from it changes what others that run beside it draw.
pub(crate) fn noise(shape: &[i64], (kind, device): (Kind, Device)) -> Tensor {
    let count: i64 = shape.iter().product();
    let even = |k: f64| ((series(count, k) + 1.0) / 2.0).clamp(1e-9, 1.0);
    let radius = (even(1.0).log() * -2.0).sqrt();
    let angle = even(2.0) * std::f64::consts::TAU;
    let noise = (radius * angle.cos()).reshape(shape);
    noise.to_kind(kind).to_device(device)
}
