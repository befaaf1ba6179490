//! Dumps what is inside SpatialRGPT for a folder of inputs, under the names that the golden tensors
//! have, as caseN.safetensors and caseN.json.
//!
//! `cargo run --release --features torch --example trace -- --model DIR --inputs DIR --out DIR`

use std::path::PathBuf;

use clap::Parser;
use spatial_reward::config::{Dtype, Model};
use spatial_reward::spatialrgpt;

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
    #[arg(long, value_enum, default_value_t = Dtype::Float32)]
    dtype: Dtype,
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The conversation template [default: as the checkpoint's tokenizer tells].
    #[arg(long)]
    template: Option<String>,
    /// The longest answer in tokens.
    #[arg(long, default_value_t = 24)]
    max_new_tokens: u32,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let settings = Model {
        path: Some(options.model.to_string_lossy().into_owned()),
        device: options.device,
        dtype: options.dtype,
        template: options.template,
        max_new_tokens: options.max_new_tokens,
        ..Model::default()
    };
    let reasoner = spatialrgpt::reasoner(&settings)?;
    let cases = spatialrgpt::trace(&reasoner, &options.inputs, &options.out)?;
    println!("{cases} cases in {}", options.out.display());
    Ok(())
}
