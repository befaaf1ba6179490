//! Times the model's stages on a folder of inputs and prints JSON, with the keys that
//! benchmarks/spatialrgpt_peer.py prints of eager PyTorch. benchmarks/spatialrgpt_vs_pytorch.py runs both.
//!
//! `cargo run --release -p spatial-reward-models --example time_stages -- --model DIR --inputs DIR`

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use serde_json::json;
use spatial_reward_core::estimator::Profile;
use spatial_reward_core::settings::{Config, Dtype, Model, Settings, Weights};
use spatial_reward_models::spatialrgpt::{self, StageSeconds};

#[derive(Parser)]
struct Options {
    /// The checkpoint's folder.
    #[arg(long)]
    model: PathBuf,
    /// A folder with meta.json and the pictures that it names.
    #[arg(long)]
    inputs: PathBuf,
    #[arg(long, default_value_t = 3)]
    frames: usize,
    #[arg(long, default_value_t = 64)]
    new_tokens: usize,
    #[arg(long, default_value = "float32", value_parser = dtype)]
    dtype: Dtype,
    #[arg(long, default_value = "stored", value_parser = weights)]
    weights: Weights,
    #[arg(long, default_value = "stored", value_parser = weights)]
    tower_weights: Weights,
    #[arg(long, default_value = "cpu")]
    device: String,
    #[arg(long, default_value_t = 2)]
    threads: i32,
}

fn dtype(name: &str) -> Result<Dtype, serde_json::Error> {
    serde_json::from_value(name.into())
}

fn weights(name: &str) -> Result<Weights, serde_json::Error> {
    serde_json::from_value(name.into())
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tch::set_num_threads(options.threads);
    let model = Model {
        device: options.device.clone(),
        dtype: options.dtype,
        weights: options.weights,
        tower_weights: options.tower_weights,
        max_new_tokens: options.new_tokens as u32,
        ..Model::default()
    };
    let config = Config {
        model,
        ..Config::default()
    };
    let settings = Settings::new(config, Profile::GEOMETRY)?;
    let begin = Instant::now();
    let reasoner = spatialrgpt::reasoner(&settings, &options.model)?;
    let load_s = begin.elapsed().as_secs_f64();
    let runs = spatialrgpt::time_stages(
        &reasoner,
        &options.inputs,
        options.frames,
        options.new_tokens,
    )?;
    let mut result = stages(&runs, options.new_tokens, median);
    result["best"] = stages(&runs, options.new_tokens, best);
    result["load_s"] = json!(load_s);
    result["frames"] = json!(runs.len());
    result["prompt_tokens"] = json!(median(
        runs.iter().map(|run| run.prompt_tokens as f64).collect()
    ));
    result["passes"] =
        json!(runs.iter().map(|run| run.passes as f64).sum::<f64>() / runs.len().max(1) as f64);
    result["threads"] = json!(options.threads);
    result["peak_rss_mb"] = json!(peak_rss_mb());
    println!("{result}");
    Ok(())
}

/// One figure a stage, chosen from all runs.
fn stages(
    runs: &[StageSeconds],
    new_tokens: usize,
    choose: fn(Vec<f64>) -> f64,
) -> serde_json::Value {
    let of = |stage: fn(&StageSeconds) -> f64| choose(runs.iter().map(stage).collect());
    json!({
        "prepare_ms": 1e3 * of(|run| run.prepare),
        "vision_per_image_ms": 1e3 * of(|run| run.vision) / 2.0,
        "regions_ms": 1e3 * of(|run| run.regions),
        "prefill_ms": 1e3 * of(|run| run.words + run.prefill),
        "decode_tokens_per_s": (new_tokens - 1) as f64 / of(|run| run.decode),
        "frame_ms": 1e3 * of(|run| run.frame),
    })
}

fn best(values: Vec<f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// The most memory that this process held, as the kernel counts it.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}
