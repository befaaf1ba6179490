//! As what and where a network's numbers live.

use tch::{Device, Kind};

use crate::error::{Error, Result};

/// As what and where tensors are wanted, whatever they are stored as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// `Kind::Float`, `Kind::Half` or `Kind::BFloat16`.
    pub kind: Kind,
    /// The processor or a GPU.
    pub device: Device,
}

impl Placement {
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
