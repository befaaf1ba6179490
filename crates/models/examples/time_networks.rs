//! Times a network on a drawn picture and prints JSON, with the keys that benchmarks/networks_vs_pytorch.py prints of eager
//! PyTorch. A network is a row of `load`.
//!
//! `cargo run --release -p spatial-reward-models --example time_networks -- depth_pro --model DIR`

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use serde_json::json;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::settings::{DeviceChoice, Dtype};
use spatial_reward_core::statistics::median;
use spatial_reward_models::metric_depth::MetricDepthNetwork;
use spatial_reward_models::nn::weights::Placement;
use spatial_reward_models::sam2::{ObjectId, Segmenter};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

#[derive(Parser)]
struct Options {
    /// Which network: depth_pro or sam2.
    network: String,
    /// The checkpoint's folder.
    #[arg(long)]
    model: PathBuf,
    #[arg(long, default_value_t = 2)]
    pictures: usize,
    #[arg(long, default_value_t = 2)]
    threads: i32,
    #[arg(long, default_value = "float32", value_parser = dtype)]
    dtype: Dtype,
}

fn dtype(name: &str) -> Result<Dtype, serde_json::Error> {
    serde_json::from_value(name.into())
}

/// What is done with a picture: its result as one number, which is compared.
type See = Box<dyn Fn(&ColorImage) -> anyhow::Result<f64>>;

fn load(network: &str, folder: &Path, placement: Placement) -> anyhow::Result<See> {
    match network {
        "depth_pro" => {
            let network = MetricDepthNetwork::load(folder, placement)?;
            Ok(Box::new(move |picture| {
                let metres = network.estimate(picture)?.metres;
                let sum: f64 = metres.iter().copied().map(f64::from).sum();
                Ok(sum / metres.len().max(1) as f64)
            }))
        }
        "sam2" => follow(folder, placement),
        other => anyhow::bail!("there is no network '{other}': take depth_pro or sam2"),
    }
}

/// One object, drawn in the first picture, in the frames of a video; each call is the next one.
fn follow(folder: &Path, placement: Placement) -> anyhow::Result<See> {
    let video = RefCell::new(Segmenter::load(folder, placement)?.video()?);
    let drawn = RefCell::new(vec![(
        ObjectId(0),
        BoundingBox::new(128.0, 96.0, 384.0, 336.0),
    )]);
    Ok(Box::new(move |picture| {
        let found = video.borrow_mut().frame(picture, &drawn.take())?;
        let found = found.first().context("no object is followed")?;
        // How sure it is that the object is seen is what both sides have; a mask of random weights has no edge that would say more.
        Ok(found.occlusion)
    }))
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tch::set_num_threads(options.threads);
    let placement = Placement::chosen(DeviceChoice::Cpu, options.dtype)?;
    let picture = picture();
    let begin = Instant::now();
    let see = load(&options.network, &options.model, placement)?;
    let load_s = begin.elapsed().as_secs_f64();
    let (mut picture_s, mut processor_s, mut mean) = (Vec::new(), Vec::new(), f64::NAN);
    for _ in 0..options.pictures {
        let (begin, used) = (Instant::now(), processor_seconds());
        mean = see(&picture)?;
        picture_s.push(begin.elapsed().as_secs_f64());
        processor_s.push(processor_seconds() - used);
    }
    let result = json!({
        "picture_s": median(&picture_s),
        "processor_s": median(&processor_s),
        "load_s": load_s,
        "peak_rss_mb": peak_rss_mb(),
        "mean": mean,
    });
    println!("{result}");
    Ok(())
}

/// The same numbers as the peer draws.
fn picture() -> ColorImage {
    let mut rgb = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            rgb.extend((0..3).map(|channel| (x * 7 + y * 13 + channel * 50) as u8));
        }
    }
    ColorImage {
        width: WIDTH,
        height: HEIGHT,
        rgb: rgb.into(),
    }
}

/// What all threads of this process used, as the kernel counts it, in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_the_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = behind_the_name.split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// The most memory that this process held, as the kernel counts it.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}
