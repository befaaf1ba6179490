//! From settings to a loaded checkpoint.

use std::path::PathBuf;

use tch::{Device, Kind};

use super::hub::{self, HubOptions};
use super::reasoner::Reasoner;
use super::weights::Placement;
use crate::config::{Dtype, Model};
use crate::error::{Error, Result};
use crate::prompt::Template;

/// Loads the checkpoint that the settings name.
///
/// # Errors
/// `Error::NoModel` where they name none; else what is wrong with it, by name.
pub fn reasoner(settings: &Model) -> Result<Reasoner> {
    let path = settings.path.as_deref().ok_or(Error::NoModel)?;
    let placement = placement(settings)?;
    let template = settings.template.as_deref().map(Template::from_name);
    let folder = folder(path)?;
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
    let device = device(&settings.device)?;
    let kind = match settings.dtype {
        // A processor gets the exact type; a GPU the one it is made for.
        Dtype::Auto if device == Device::Cpu => Kind::Float,
        Dtype::Auto | Dtype::Bfloat16 => Kind::BFloat16,
        Dtype::Float32 => Kind::Float,
        Dtype::Float16 => Kind::Half,
    };
    Ok(Placement { kind, device })
}

/// The folder of a model, from the hub if it is none yet.
///
/// # Errors
/// As [`hub::resolve`].
pub fn folder(model: &str) -> Result<PathBuf> {
    // The hub's own variables, which every tool around it reads.
    let options = HubOptions::from_variables(|name| std::env::var(name).ok());
    let style = indicatif::ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec}",
    );
    let bar = indicatif::ProgressBar::hidden();
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    let folder = hub::resolve(model, &options, &bar);
    bar.finish_and_clear();
    folder
}

/// `auto`, `cpu`, `cuda` or `cuda:N`, checked against what is there.
fn device(name: &str) -> Result<Device> {
    let index = match name {
        "auto" => return Ok(Device::cuda_if_available()),
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name
            .strip_prefix("cuda:")
            .and_then(|n| n.parse::<usize>().ok()),
    };
    let gpus = tch::Cuda::device_count();
    match index {
        Some(index) if (index as i64) < gpus => Ok(Device::Cuda(index)),
        Some(_) => Err(Error::NoDevice {
            device: name.into(),
            gpus,
        }),
        None => Err(Error::ConfigValue {
            key: "model.device",
            value: name.into(),
            expected: "auto, cpu or cuda:N",
        }),
    }
}
