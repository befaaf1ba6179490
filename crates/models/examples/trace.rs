//! Dumps what is inside SpatialRGPT for a folder of inputs, under the names that the golden tensors
//! have, as caseN.safetensors and caseN.json. benchmarks/traces.py compares two such folders.
//!
//! `cargo run --release -p spatial-reward-models --example trace -- --model DIR --inputs DIR --out DIR`

use std::path::PathBuf;

use clap::Parser;
use spatial_reward_core::estimator::Profile;
use spatial_reward_core::settings::{Config, Dtype, Model, Settings};
use spatial_reward_models::spatialrgpt;

#[derive(Parser)]
struct Options {
    /// The checkpoint's folder.
    #[arg(long)]
    model: PathBuf,
    /// A folder with meta.json and the pictures that it names.
    #[arg(long)]
    inputs: PathBuf,
    /// Where to write.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value = "float32", value_parser = dtype)]
    dtype: Dtype,
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The conversation template [default: as the checkpoint's tokenizer tells].
    #[arg(long)]
    template: Option<String>,
    /// The longest answer in tokens.
    #[arg(long, default_value_t = 24)]
    max_new_tokens: u32,
    /// Tensors to write, as `d1.first_logits` [default: all].
    #[arg(long, num_args = 1..)]
    names: Vec<String>,
}

fn dtype(name: &str) -> Result<Dtype, serde_json::Error> {
    serde_json::from_value(name.into())
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let model = Model {
        device: options.device,
        dtype: options.dtype,
        template: options.template,
        max_new_tokens: options.max_new_tokens,
        ..Model::default()
    };
    let config = Config {
        model,
        ..Config::default()
    };
    let settings = Settings::new(config, Profile::GEOMETRY)?;
    let reasoner = spatialrgpt::reasoner(&settings, &options.model)?;
    let cases = spatialrgpt::trace(&reasoner, &options.inputs, &options.out, &options.names)?;
    println!("{cases} cases in {}", options.out.display());
    Ok(())
}
