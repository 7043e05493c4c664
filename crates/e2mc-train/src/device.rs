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
