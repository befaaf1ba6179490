//! From settings to a loaded checkpoint.

use std::path::{Path, PathBuf};

use tch::{Device, Kind};

use super::model::Forms;
use super::reasoner::Reasoner;
use crate::error::{Error, Result};
use crate::nn::hub::{self, HubOptions};
use crate::nn::panels::Bits;
use crate::nn::weights::{LinearForm, Placement};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::{DeviceChoice, Dtype, RelativeDepth, Settings, Weights};

/// Where the models that settings name lie on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The checkpoint's folder.
    pub model: PathBuf,
    /// Depth Anything's, where the settings take relative depth from it.
    pub depth_model: Option<PathBuf>,
}

/// Finds the models that the settings name on this machine, downloading what a hub has and this machine has not.
/// `bundled` gives the folder of the model that comes with the program.
///
/// # Errors
/// As [`hub::resolve`] and as `bundled`.
pub fn locate(
    settings: &Settings,
    hub: &HubOptions,
    bundled: impl FnOnce() -> Result<PathBuf>,
    progress: OnProgress<'_>,
) -> Result<Located> {
    let model = match &settings.model.path {
        Some(name) => hub::resolve(name, hub, progress)?,
        None => bundled()?,
    };
    let depth_model = match (settings.model().relative_depth, &settings.model.depth_model) {
        (RelativeDepth::DepthAnything, Some(name)) => Some(hub::resolve(name, hub, progress)?),
        _ => None,
    };
    Ok(Located { model, depth_model })
}

/// Loads the checkpoint in a folder as the settings want it.
///
/// # Errors
/// What is wrong with it, or a device that is not there, by name.
pub fn reasoner(settings: &Settings, folder: &Path) -> Result<Reasoner> {
    let placement = placement_of(settings)?;
    Reasoner::load_as(
        folder,
        placement,
        forms(settings, placement)?,
        settings.model().template,
        settings.model.max_new_tokens as usize,
    )
}

/// What becomes of the weights of these settings' network.
///
/// # Errors
/// Few bits a weight where they cannot be multiplied with.
fn forms(settings: &Settings, placement: Placement) -> Result<Forms> {
    let exact = Forms::exact(placement);
    let of = |weights: Weights, exact: LinearForm| {
        let bits = match weights {
            Weights::Stored => return Ok(exact),
            Weights::Int8 => Bits::Eight,
            Weights::Int4 => Bits::Four,
        };
        match placement.device {
            Device::Cpu => Ok(LinearForm::Quantised(bits)),
            _ => Err(Error::FewBitsOnGpu),
        }
    };
    Ok(Forms {
        llm: of(settings.model.weights, exact.llm)?,
        vision_tower: of(settings.model.tower_weights, exact.vision_tower)?,
        ..exact
    })
}

/// Where and as what the numbers of these settings' networks live.
///
/// # Errors
/// A device that this machine or this libtorch does not have.
pub(super) fn placement_of(settings: &Settings) -> Result<Placement> {
    let is_bundled = settings.model.path.is_none();
    placement(settings.model().device, settings.model.dtype, is_bundled)
}

/// Where and as what a network's numbers live; `is_bundled` for the one that comes with the program and those of its
/// kind.
///
/// # Errors
/// A device that this machine or this libtorch does not have.
pub(super) fn placement(device: DeviceChoice, dtype: Dtype, is_bundled: bool) -> Result<Placement> {
    let placement = Placement::chosen(device, dtype)?;
    let kind = match dtype {
        // The model that comes with this program was trained in bfloat16, and takes half the time in it.
        Dtype::Auto if placement.device == Device::Cpu && is_bundled && has_bfloat16() => {
            Kind::BFloat16
        }
        _ => placement.kind,
    };
    Ok(Placement { kind, ..placement })
}

/// Whether this processor multiplies bfloat16 itself.
fn has_bfloat16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
