//! How long OWLv2 takes to find words in a picture, words to vectors apart, and the most memory that took, as JSON. For
//! benchmarks/owlv2_vs_pytorch.py.
//!
//! `cargo run --release -p spatial-reward-models --example time_detector -- --model DIR --picture FILE --words 'a mug'`

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use spatial_reward_core::imaging::open_color_on_white;
use spatial_reward_core::settings::{DeviceChoice, Dtype};
use spatial_reward_models::owlv2::Detector;

#[derive(Parser)]
struct Options {
    /// The checkpoint's folder.
    #[arg(long)]
    model: PathBuf,
    #[arg(long)]
    picture: PathBuf,
    #[arg(long, required = true)]
    words: Vec<String>,
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let picture = open_color_on_white(&options.picture)?;
    let detector = Detector::open(
        &options.model,
        DeviceChoice::parse(&options.device)?,
        Dtype::Auto,
    )?;
    let begun = Instant::now();
    let queries = detector.queries_of_words(&options.words)?;
    let words_s = begun.elapsed().as_secs_f64();
    let (mut seconds, mut processor_seconds) = (Vec::new(), Vec::new());
    let mut found = 0;
    // The first is no measurement: memory is touched then.
    for _ in 0..=options.repeats {
        let (begun, used) = (Instant::now(), processor_s()?);
        found = detector
            .detect(&picture, &queries, &queries.usual_options())?
            .len();
        seconds.push(begun.elapsed().as_secs_f64());
        processor_seconds.push(processor_s()? - used);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let report = serde_json::json!({
        "words_s": words_s,
        "seconds": seconds.get(1..),
        "processor_seconds": processor_seconds.get(1..),
        "found": found,
        "peak_mb": peak.map(|kilobytes| kilobytes / 1024),
    });
    println!("{report}");
    Ok(())
}

/// What all threads have used so far, in the kernel's hundredths of a second.
fn processor_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The program's name may hold spaces; it stands in parentheses.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}
