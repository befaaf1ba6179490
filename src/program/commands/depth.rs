//! `depth`: metres of every pixel of one picture, as a file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use spatial_reward_core::imaging::{self, to_millimetre_png, to_npy};
use spatial_reward_core::settings::DeviceChoice;

use super::output::{self, print, print_json, write_whole};
use crate::program::cli::{Depth, DepthFile};
use crate::program::logging::Terminal;
use crate::program::model::{DepthEstimate, MetricDepth};
use crate::program::outcome::Outcome;

/// What `--json` prints. The keys are a public interface.
#[derive(Debug, Serialize)]
struct Report {
    /// `metre`: a model whose depth is relative is refused.
    unit: &'static str,
    /// In pixels of the picture; null where the model does not tell it.
    focal_px: Option<f64>,
    min_m: f32,
    max_m: f32,
    width: u32,
    height: u32,
    output: PathBuf,
    /// Pixels of a PNG that are 0 because their distance does not fit into it; null for other files.
    left_out_px: Option<usize>,
}

pub(super) fn run(options: &Depth, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let (DepthFile::Npy(file) | DepthFile::Png(file)) = &options.output;
    // Nothing is begun that could not be finished, and the model is what takes long.
    check_target(file, options)?;
    let device = DeviceChoice::parse(&options.network.device)?;
    let picture = imaging::open_color(&options.image)?;
    let network = MetricDepth::open(
        &options.network.model,
        device,
        options.network.dtype,
        terminal,
    )?;
    let depth = network.estimate(&picture)?;
    let (width, height) = (picture.width, picture.height);
    let (bytes, left_out_px) = match &options.output {
        DepthFile::Npy(_) => (to_npy(width, height, &depth.metres)?, None),
        DepthFile::Png(_) => {
            let png = to_millimetre_png(width, height, &depth.metres)?;
            (png.bytes, Some(png.left_out))
        }
    };
    match write_whole(file, &bytes, options.network.overwrite) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_target(file, options)?,
        written => written.with_context(|| format!("cannot write {}", file.display()))?,
    }
    if let Some(left_out @ 1..) = left_out_px {
        tracing::warn!(
            "{left_out} of {} pixels are 0 in {}: their distance does not fit into 16 bits of millimetres. A .npy file \
             holds them",
            depth.metres.len(),
            file.display()
        );
    }
    let report = report(&depth, (width, height), file, left_out_px);
    match options.network.json {
        true => print_json(&report)?,
        false => print(&in_words(&report))?,
    }
    Ok(Outcome::Fine)
}

fn check_target(file: &Path, options: &Depth) -> anyhow::Result<()> {
    output::check_target(
        file,
        options.network.overwrite,
        [&options.image],
        "the picture itself, which is",
    )
}

fn report(
    depth: &DepthEstimate,
    (width, height): (u32, u32),
    file: &Path,
    left_out_px: Option<usize>,
) -> Report {
    let metres = depth.metres.iter().copied();
    Report {
        unit: "metre",
        focal_px: depth.focal_px,
        min_m: metres.clone().fold(f32::INFINITY, f32::min),
        max_m: metres.fold(f32::NEG_INFINITY, f32::max),
        width,
        height,
        output: file.to_path_buf(),
        left_out_px,
    }
}

fn in_words(report: &Report) -> String {
    let camera = match report.focal_px {
        Some(focal_px) => format!("focal length {focal_px:.1} px"),
        None => "the model tells no focal length".to_owned(),
    };
    format!(
        "{}: {} x {} pixels, {:.3} to {:.3} m, {camera}",
        report.output.display(),
        report.width,
        report.height,
        report.min_m,
        report.max_m,
    )
}
