//! `segment`: which pixels are an object's, in a picture or through a video.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging;
use spatial_reward_core::imaging::rle::Rle;
use spatial_reward_core::settings::{DeviceChoice, PixelBox};
use spatial_reward_figures::masks::{self, Marked};

use super::output::{self, Together, print};
use crate::program::cli::{Segment, is_png};
use crate::program::found_mask::FoundMask;
use crate::program::logging::Terminal;
use crate::program::model::Segmenter;
use crate::program::outcome::Outcome;

/// What `--json` prints. The keys are a public interface.
#[derive(Debug, Serialize)]
struct Report {
    /// One a picture.
    frames: Vec<ReportedFrame>,
}

#[derive(Debug, Serialize)]
struct ReportedFrame {
    /// In the order of the boxes.
    masks: Vec<ReportedMask>,
}

#[derive(Debug, Serialize)]
struct ReportedMask {
    rle: Rle,
    /// How well it is expected to fit, 0 to 1.
    score: f64,
    /// Above 0 the object is seen; of videos only.
    #[serde(skip_serializing_if = "Option::is_none")]
    object_score: Option<f64>,
}

pub(super) fn run(options: &Segment, terminal: &Terminal) -> anyhow::Result<Outcome> {
    // Nothing is begun that could not be finished, and the model is what takes long.
    check_targets(options)?;
    let network = &options.network;
    let device = DeviceChoice::parse(&network.device)?;
    let boxes: Vec<BoundingBox> = options.boxes.iter().map(|PixelBox(bbox)| *bbox).collect();
    let [first, later @ ..] = options.images.as_slice() else {
        bail!("there is no picture");
    };
    let picture = imaging::open_color_on_white(first)?;
    let segmenter = Segmenter::open(&network.model, device, network.dtype, terminal)?;
    let mut drawn = Together::default();
    let mut frames = Vec::with_capacity(options.images.len());
    let mut told = |index: usize, picture: &ColorImage, found: &[FoundMask]| {
        let boxes = if index == 0 { boxes.as_slice() } else { &[] };
        if let Some(file) = target(options, index) {
            let added = drawn.add(&file, &png(picture, found, boxes)?);
            added.with_context(|| format!("cannot write {}", file.display()))?;
        }
        frames.push(ReportedFrame {
            masks: found.iter().map(reported).collect(),
        });
        match network.json {
            true => Ok(()),
            false => print(&in_words(options.images.get(index), found)),
        }
    };
    if later.is_empty() {
        told(0, &picture, &segmenter.segment(&picture, &boxes)?)?;
    } else {
        let mut video = segmenter.video(options.images.len())?;
        told(0, &picture, &video.frame(&picture, &boxes)?)?;
        for (index, image) in (1..).zip(later) {
            let picture = imaging::open_color_on_white(image)?;
            let found = video.frame(&picture, &[]);
            let found = found.with_context(|| format!("{} is not segmented", image.display()))?;
            told(index, &picture, &found)?;
        }
    }
    match drawn.put_in_place(network.overwrite) {
        Err((file, error)) if error.kind() == ErrorKind::AlreadyExists => {
            check_target(&file, options)?;
        }
        Err((file, error)) => {
            return Err(error).with_context(|| format!("cannot write {}", file.display()));
        }
        Ok(()) => {}
    }
    if network.json {
        print(&serde_json::to_string(&Report { frames })?)?;
    }
    Ok(Outcome::Fine)
}

fn reported(found: &FoundMask) -> ReportedMask {
    let mask = &found.mask;
    let inside = |pixel: usize| mask.data.get(pixel).is_some_and(|inside| *inside != 0);
    ReportedMask {
        rle: Rle::encode(mask.width, mask.height, inside),
        score: found.score,
        object_score: found.object_score,
    }
}

fn in_words(image: Option<&PathBuf>, found: &[FoundMask]) -> String {
    let name = image.map_or_else(String::new, |image| image.display().to_string());
    let lines = found.iter().enumerate().map(|(index, found)| {
        let pixels = found
            .mask
            .data
            .iter()
            .filter(|inside| **inside != 0)
            .count();
        let score = found.score;
        match found.object_score {
            Some(seen) if seen <= 0.0 => format!("{name}: box {index}: not seen"),
            _ => format!("{name}: box {index}: {pixels} pixels, score {score:.3}"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the picture of that number is drawn.
fn target(options: &Segment, index: usize) -> Option<PathBuf> {
    let output = options.output.as_ref()?;
    if options.images.len() == 1 {
        return Some(output.clone());
    }
    // Frames of several folders may have the same names.
    let stem = options
        .images
        .get(index)?
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    Some(output.join(format!("{index:05}_{stem}.png")))
}

fn png(
    picture: &ColorImage,
    found: &[FoundMask],
    boxes: &[BoundingBox],
) -> anyhow::Result<Vec<u8>> {
    let marked = found.iter().enumerate().map(|(index, found)| Marked {
        mask: &found.mask,
        bbox: boxes.get(index).copied(),
        name: format!("{index}: {:.2}", found.score),
    });
    Ok(masks::png(picture, &marked.collect::<Vec<_>>())?)
}

/// Files that are there are replaced where that is asked for, and the pictures never.
fn check_targets(options: &Segment) -> anyhow::Result<()> {
    let Some(output) = &options.output else {
        return Ok(());
    };
    let is_video = options.images.len() > 1;
    if is_video && output.exists() && !output.is_dir() {
        bail!(
            "{} is a file, but the pictures of a video go into a folder: give another -o",
            output.display()
        );
    }
    if !is_video && !output.is_dir() && !is_png(output) {
        bail!(
            "{} must end in .png, which is what is written: give another -o",
            output.display()
        );
    }
    let targets = (0..options.images.len()).filter_map(|index| target(options, index));
    targets
        .into_iter()
        .try_for_each(|file| check_target(&file, options))
}

fn check_target(file: &Path, options: &Segment) -> anyhow::Result<()> {
    output::check_target(
        file,
        options.network.overwrite,
        &options.images,
        "one of the pictures, which are",
    )
}
