//! `detect`: what is named, or what an example shows, in one picture.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use spatial_reward_core::detection::{DetectOptions, Detection};
use spatial_reward_core::imaging::open_color_on_white;
use spatial_reward_core::settings::{DeviceChoice, PixelBox};
use spatial_reward_figures::detections;

use super::output::{self, print, print_json, write_whole};
use crate::program::cli::Detect;
use crate::program::logging::Terminal;
use crate::program::model::Detector;
use crate::program::outcome::Outcome;

/// What `--json` prints. The keys are a public interface.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// Best first.
    detections: Vec<Found<'a>>,
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    /// What it was found by; null for an example.
    words: Option<&'a str>,
    /// Left, top, right, bottom in pixels of the picture; may reach beyond its edges.
    #[serde(rename = "box")]
    bbox: [f64; 4],
    /// 0 to 1.
    score: f64,
}

pub(super) fn run(options: &Detect, terminal: &Terminal) -> anyhow::Result<Outcome> {
    // Nothing is begun that could not be finished, and the model is what takes long.
    if let Some(file) = &options.output {
        check_target(file, options)?;
    }
    let device = DeviceChoice::parse(&options.network.device)?;
    let picture = open_color_on_white(&options.image)?;
    let example = options.example.as_deref().map(open_color_on_white);
    let example = example.transpose()?;
    let detector = Detector::open(
        &options.network.model,
        device,
        options.network.dtype,
        terminal,
    )?;
    let queries = match &example {
        Some(example) => {
            let bbox = options.example_box.map(|PixelBox(bbox)| bbox);
            detector.query_of_example(example, bbox.as_ref())?
        }
        None => detector.queries_of_words(&options.words)?,
    };
    let usual = queries.usual_options();
    let wanted = DetectOptions {
        threshold: options.threshold.unwrap_or(usual.threshold),
        most_overlap: options.nms.or(usual.most_overlap),
    };
    let found = detector.detect(&picture, &queries, &wanted)?;
    if let Some(file) = &options.output {
        let png = detections::png(&picture, &found, &options.words)?;
        match write_whole(file, &png, options.network.overwrite) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => check_target(file, options)?,
            written => written.with_context(|| format!("cannot write {}", file.display()))?,
        }
    }
    let report = Report {
        detections: found.iter().map(|one| told(one, options)).collect(),
    };
    match options.network.json {
        true => print_json(&report)?,
        false => print(&in_words(&report, wanted.threshold))?,
    }
    Ok(Outcome::Fine)
}

fn told<'a>(detection: &Detection, options: &'a Detect) -> Found<'a> {
    let bbox = detection.bbox;
    Found {
        words: options.words.get(detection.query).map(String::as_str),
        bbox: [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max],
        score: detection.score,
    }
}

fn in_words(report: &Report, threshold: f64) -> String {
    if report.detections.is_empty() {
        return format!("nothing found above a score of {threshold}");
    }
    let lines = report.detections.iter().map(|found| {
        let [x_min, y_min, x_max, y_max] = found.bbox;
        let edges = format!("{x_min:.1},{y_min:.1},{x_max:.1},{y_max:.1}");
        let words = found.words.unwrap_or("as the example");
        format!("{:.3}  {edges}  {words}", found.score)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// As [`output::check_target`](super::output::check_target).
fn check_target(file: &Path, options: &Detect) -> anyhow::Result<()> {
    let given = [Some(&options.image), options.example.as_ref()];
    output::check_target(
        file,
        options.network.overwrite,
        given.into_iter().flatten(),
        "a picture that was given, which is",
    )
}
