//! The device a run uses, from its name.

use tch::{Cuda, Device};

use crate::Error;

/// Parses `cpu`, `cuda` or `cuda:N` and checks that the device is there.
///
/// # Errors
/// Where the name is another, or libtorch does not see that device.
pub fn device(name: &str) -> Result<Device, Error> {
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name
            .strip_prefix("cuda:")
            .and_then(|index| index.parse().ok()),
    };
    let Some(index) = index else {
        return Err(Error::Device {
            device: name.into(),
            found: "no such name; expected cpu or cuda:N".into(),
        });
    };
    let count = Cuda::device_count();
    if !Cuda::is_available() || index as i64 >= count {
        return Err(Error::Device {
            device: name.into(),
            found: format!("this libtorch sees {count} CUDA devices"),
        });
    }
    Ok(Device::Cuda(index))
}

/// Whether the device has instructions for products in bfloat16: Nvidia's from Ampere on (compute
/// capability 8.0).
pub(crate) fn has_bfloat16(device: Device) -> bool {
    match device {
        Device::Cuda(index) => cuda_generation(index).is_some_and(|major| major >= 8),
        _ => false,
    }
}

/// The major number of a GPU's compute capability, as the driver knows it; none without a driver.
/// libtorch counts devices as the driver does, and does not tell what they can.
#[cfg(unix)]
fn cuda_generation(index: usize) -> Option<i32> {
    use std::ffi::{CStr, c_int, c_void};

    const MAJOR: c_int = 75;
    type Init = unsafe extern "C" fn(c_int) -> c_int;
    type GetDevice = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
    type GetAttribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;

    // SAFETY: the name is a C string; the library stays loaded, so what it gives stays valid.
    let library = unsafe { libc::dlopen(c"libcuda.so.1".as_ptr(), libc::RTLD_LAZY) };
    let find = |name: &CStr| -> Option<*mut c_void> {
        if library.is_null() {
            return None;
        }
        // SAFETY: the library is open and the name is a C string.
        let found = unsafe { libc::dlsym(library, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    };
    let (init, get_device) = (find(c"cuInit")?, find(c"cuDeviceGet")?);
    let get_attribute = find(c"cuDeviceGetAttribute")?;
    // SAFETY: these are the driver's functions of those names, whose types are fixed by its ABI;
    // the numbers that they write to live until they return.
    unsafe {
        let init = std::mem::transmute::<*mut c_void, Init>(init);
        let get_device = std::mem::transmute::<*mut c_void, GetDevice>(get_device);
        let get_attribute = std::mem::transmute::<*mut c_void, GetAttribute>(get_attribute);
        let (mut device, mut major) = (0, 0);
        let done = init(0) == 0
            && get_device(&mut device, c_int::try_from(index).ok()?) == 0
            && get_attribute(&mut major, MAJOR, device) == 0;
        done.then_some(major)
    }
}

/// Nobody is asked.
#[cfg(not(unix))]
fn cuda_generation(_: usize) -> Option<i32> {
    None
}
