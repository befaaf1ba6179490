//! How long SAM 2 takes for a frame of a video, and how much memory: one object, frames of noise at the network's size.
//!
//! `cargo run --release -p spatial-reward-models --example time_video -- --model DIR --frames 16`

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_models::nn::weights::Placement;
use spatial_reward_models::sam2::{ObjectId, Segmenter};
use tch::{Device, Kind};

#[derive(Parser)]
struct Options {
    /// A checkpoint's folder.
    #[arg(long)]
    model: PathBuf,
    /// How many frames.
    #[arg(long, default_value_t = 16)]
    frames: u32,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let placement = Placement {
        kind: Kind::Float,
        device: Device::Cpu,
    };
    let segmenter = Segmenter::load(&options.model, placement)?;
    let mut video = segmenter.video()?;
    let side = u32::try_from(segmenter.side())?;
    let edge = f64::from(side);
    let prompts = [(
        ObjectId(0),
        BoundingBox::new(edge * 0.2, edge * 0.2, edge * 0.6, edge * 0.7),
    )];
    for frame in 0..options.frames {
        let picture = noise(side, frame);
        let (begun, processors) = (Instant::now(), processor_seconds());
        let prompts = if frame == 0 { prompts.as_slice() } else { &[] };
        video.frame(&picture, prompts)?;
        let seconds = begun.elapsed().as_secs_f64();
        let of_processors = processor_seconds() - processors;
        println!(
            "frame {frame}: {seconds:.3} s, {of_processors:.2} s of processors, {}",
            memory()
        );
    }
    Ok(())
}

/// A picture that no two frames have the same of.
fn noise(side: u32, frame: u32) -> ColorImage {
    let bytes = side as usize * side as usize * 3;
    let byte = |index: usize| {
        let mixed = (index as u64)
            .wrapping_add(u64::from(frame) << 32)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 56) as u8
    };
    ColorImage {
        width: side,
        height: side,
        rgb: (0..bytes).map(byte).collect::<Vec<_>>().into(),
    }
}

/// What all threads have computed for so far, as Linux tells it in hundredths of a second.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// What this process holds now and held at most, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    let words: Vec<String> = lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    words.join(", ")
}
