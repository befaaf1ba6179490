//! From settings to a loaded checkpoint.

use std::path::PathBuf;

use tch::{Device, Kind};

use super::bundled;
use super::hub::{self, HubOptions};
use super::reasoner::Reasoner;
use super::weights::Placement;
use crate::config::{DeviceChoice, Dtype, Model, RelativeDepth};
use crate::error::{Error, Result};
use crate::prompt::Template;

/// Loads the checkpoint that the settings name.
///
/// # Errors
/// `Error::NoModel` where they name none and the bundled one is missing; else what is wrong with it, by name.
pub fn reasoner(settings: &Model) -> Result<Reasoner> {
    let folder = folder(settings)?;
    let placement = placement(settings)?;
    let template = settings.template.as_deref().map(Template::from_name);
    Reasoner::load(
        &folder,
        placement,
        template.transpose()?,
        settings.max_new_tokens as usize,
    )
}

/// Where and as what the network's numbers live.
///
/// # Errors
/// A device that this machine or this libtorch does not have.
pub fn placement(settings: &Model) -> Result<Placement> {
    let device = device(settings)?;
    let kind = match settings.dtype {
        // The model that comes with this program was trained in bfloat16, and takes half the time in it.
        Dtype::Auto if device == Device::Cpu && settings.path.is_none() && has_bfloat16() => {
            Kind::BFloat16
        }
        // A processor gets the exact type; a GPU the one it is made for.
        Dtype::Auto if device == Device::Cpu => Kind::Float,
        Dtype::Auto | Dtype::Bfloat16 => Kind::BFloat16,
        Dtype::Float32 => Kind::Float,
        Dtype::Float16 => Kind::Half,
    };
    Ok(Placement { kind, device })
}

/// Finds the models that the settings name on this machine, downloading what a hub has and this machine
/// has not; `bar` shows how far that is. `variable` gives the value of an environment variable: those of
/// the hub's own tools say where the hub is and where its files are kept.
///
/// # Errors
/// As [`hub::resolve`].
pub fn locate(
    settings: &mut Model,
    variable: impl Fn(&str) -> Option<String>,
    bar: &indicatif::ProgressBar,
) -> Result<()> {
    let options = HubOptions::from_variables(variable);
    let find = |model: &Option<String>| match model {
        Some(model) => hub::resolve(model, &options, bar).map(Some),
        None => Ok(None),
    };
    settings.folder = find(&settings.path)?;
    settings.depth_folder = match settings.depth_source() {
        RelativeDepth::DepthAnything => find(&settings.depth_model)?,
        _ => None,
    };
    Ok(())
}

/// The folder of the checkpoint: where [`locate`] found it, else its name taken as a path, else the model
/// that comes with this program.
///
/// # Errors
/// `Error::NoModel` where the settings name none and that one is not there.
pub fn folder(settings: &Model) -> Result<PathBuf> {
    let named = || settings.path.as_ref().map(PathBuf::from);
    let folder = settings.folder.clone().or_else(named);
    folder.map_or_else(bundled::folder, Ok)
}

/// The same of the depth network.
pub(super) fn depth_folder(settings: &Model) -> Result<PathBuf> {
    let named = || settings.depth_model.as_ref().map(PathBuf::from);
    let folder = settings.depth_folder.clone().or_else(named);
    folder.ok_or(Error::ConfigValue {
        key: "model.depth_model",
        value: "not given".into(),
        expected: "a Depth Anything checkpoint's folder or hub id",
    })
}

/// Whether this processor multiplies bfloat16 itself.
fn has_bfloat16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The device that the settings name, if it is there.
fn device(settings: &Model) -> Result<Device> {
    let gpus = tch::Cuda::device_count();
    match settings.device_choice()? {
        DeviceChoice::Auto => Ok(Device::cuda_if_available()),
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(index) if (index as i64) < gpus => Ok(Device::Cuda(index)),
        DeviceChoice::Cuda(_) => Err(Error::NoDevice {
            device: settings.device.clone(),
            gpus,
        }),
    }
}
