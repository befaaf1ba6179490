//! As what and where a network's numbers live.

use tch::{Device, Kind};

use crate::error::{Error, Result};
use spatial_reward_core::settings::{DeviceChoice, Dtype};

/// As what and where tensors are wanted, whatever they are stored as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// `Kind::Float`, `Kind::Half` or `Kind::BFloat16`.
    pub kind: Kind,
    /// The processor or a GPU.
    pub device: Device,
}

impl Placement {
    /// Where and as what the numbers of a network live that somebody chose. On a processor `auto` is the exact type, on a GPU
    /// the one it is made for.
    ///
    /// # Errors
    /// A device that this machine or this libtorch does not have.
    pub fn chosen(device: DeviceChoice, dtype: Dtype) -> Result<Self> {
        let device = device_of(device)?;
        let kind = match dtype {
            Dtype::Auto if device == Device::Cpu => Kind::Float,
            Dtype::Auto | Dtype::Bfloat16 => Kind::BFloat16,
            Dtype::Float32 => Kind::Float,
            Dtype::Float16 => Kind::Half,
        };
        Ok(Self { kind, device })
    }

    /// Whether the device is there. libtorch's own words on one that is not are a list of everything it was built with.
    ///
    /// # Errors
    /// `Error::Torch` for a GPU that libtorch does not see.
    pub(super) fn check(&self) -> Result<()> {
        let Device::Cuda(wanted) = self.device else {
            return Ok(());
        };
        let present = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
        if wanted < present {
            return Ok(());
        }
        Err(Error::torch(
            format!("use cuda:{wanted}"),
            format!(
                "it sees {present} CUDA devices. Take another device, or build with a libtorch that has CUDA and \
                 check the driver with nvidia-smi"
            ),
        ))
    }
}

/// The device of a choice, if it is there.
fn device_of(choice: DeviceChoice) -> Result<Device> {
    let gpus = tch::Cuda::device_count();
    match choice {
        DeviceChoice::Auto => Ok(Device::cuda_if_available()),
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(index) if (index as i64) < gpus => Ok(Device::Cuda(index)),
        DeviceChoice::Cuda(index) => Err(Error::NoDevice { index, gpus }),
    }
}
