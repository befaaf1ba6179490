//! A report of steps that come from elsewhere than a bag: two scripted episodes with gaps, written as
//! Parquet, PNG and HTML.
//!
//! `cargo run --example report_of_steps -- OUT [CONFIG]`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spatial_reward::estimator::Estimators;
use spatial_reward::estimator::Origin;
use spatial_reward::frame::{
    BoundingBox, BoxOrigin, BoxSource, ColorImage, DistanceKind, Doubt, Reason,
};
use spatial_reward::report::film_strip::FilmStrip;
use spatial_reward::report::provenance::Provenance;
use spatial_reward::report::{Report, write_all};
use spatial_reward::settings::{Config, Settings};
use spatial_reward::step::{Latency, Step};

const STEPS: u64 = 60;
const EPISODE_STEPS: u64 = 40;
const PERIOD_NANOS: i64 = 66_666_667;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().unwrap_or_else(|| "report".into());
    let config = match arguments.next() {
        Some(path) => Config::from_file(&path)?,
        None => Config::default(),
    };
    let settings = Estimators::default().settings(config)?;
    std::fs::create_dir_all(&out)?;
    let steps: Vec<Step> = (0..STEPS).map(|index| step(index, &settings)).collect();
    let truth_m: Vec<Option<f64>> = steps.iter().map(|step| Some(gap_m(step.frame))).collect();
    let mut strip = FilmStrip::new(settings.output.film_strip_frames, Some(STEPS));
    let plan = strip.plan();
    for step in steps.iter().filter(|step| plan.wants(step.index)) {
        if let Some(frame) = plan.shrink(step.index, &image_of(step)) {
            strip.push(frame);
        }
    }
    let provenance = Provenance::new(
        &settings,
        "scripted",
        Origin::default(),
        "two_episodes",
        BTreeMap::new(),
    )?;
    let report = Report {
        steps: &steps,
        truth_m: &truth_m,
        frames: &strip.finish(),
        camera: "",
        others: &[],
        settings: &settings,
        provenance: &provenance,
        metrics: None,
        command: "report_of_steps",
    };
    let name = Path::new(&out).file_name().unwrap_or(out.as_os_str());
    let files = write_all(&out, &name.to_string_lossy(), &report)?;
    println!("{}", files.html.display());
    Ok(())
}

/// The gap closes from 36 cm to 1 cm over an episode of 40 frames.
fn gap_m(frame: u64) -> f64 {
    0.36 - 0.009 * frame as f64
}

/// Every tenth frame lacks the target's box; the last frames of a whole episode are a success.
fn step(index: u64, settings: &Settings) -> Step {
    let (episode, frame) = (index / EPISODE_STEPS, index % EPISODE_STEPS);
    let reason = (index % 10 == 7).then_some(Reason::NoTargetBox);
    let surface_m = reason.map_or(gap_m(frame), |_| f64::NAN);
    let right = 60.0 + 5.0 * frame as f64;
    Step {
        index,
        episode,
        frame,
        stamp_nanos: 1_760_000_000_000_000_000 + index as i64 * PERIOD_NANOS,
        timeline_nanos: 1_760_000_000_000_000_000 + index as i64 * PERIOD_NANOS,
        log_time_nanos: 0,
        frame_id: "camera".into(),
        fingertip: Some(BoundingBox::new(right - 40.0, 100.0, right, 140.0)),
        target: reason.map_or(Some(BoundingBox::new(262.0, 90.0, 300.0, 150.0)), |_| None),
        fingertip_source: Some(BoxSource {
            origin: match settings.tracker.enabled && index == 5 {
                true => BoxOrigin::Bridged,
                false => BoxOrigin::Seen,
            },
            age_s: 0.0,
            doubt: Doubt::default(),
        }),
        target_source: reason.map_or(Some(BoxSource::SEEN), |_| None),
        distance_kind: DistanceKind::Surface,
        distance_m: surface_m,
        distance_std_m: 0.002 + 0.05 * surface_m,
        center_m: surface_m + 0.04,
        center_std_m: f64::NAN,
        surface_m,
        surface_std_m: 0.002 + 0.05 * surface_m,
        cloud_m: f64::NAN,
        cloud_std_m: f64::NAN,
        tf_m: f64::NAN,
        reward: -surface_m,
        shaped_reward: f64::NAN,
        potential: -surface_m,
        confidence: if reason.is_none() { 0.9 } else { 0.0 },
        reason,
        success: reason.is_none() && surface_m < 0.03,
        terminated: false,
        answer: String::new(),
        latency: Latency::default(),
        task: None,
    }
}

/// The two boxes as plain squares on grey.
fn image_of(step: &Step) -> ColorImage {
    let (width, height) = (320, 240);
    let mut rgb = vec![120; (width * height * 3) as usize];
    let drawn = [(step.fingertip, [40, 40, 48]), (step.target, [170, 40, 30])];
    for (position, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (position as u32 % width, position as u32 / width);
        let (x, y) = (f64::from(x), f64::from(y));
        for (region, color) in drawn {
            let inside =
                |b: BoundingBox| (b.x_min..b.x_max).contains(&x) && (b.y_min..b.y_max).contains(&y);
            if region.is_some_and(inside) {
                pixel.copy_from_slice(&color);
            }
        }
    }
    ColorImage {
        width,
        height,
        rgb: rgb.into(),
    }
}
