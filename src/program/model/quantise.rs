//! `quantise`: a checkpoint once more with fewer bits a weight.

use anyhow::Context;
use spatial_reward_models::nn::panels::Bits;
use spatial_reward_models::spatialrgpt::quantise::{self, Quantised};

use super::located;
use crate::program::cli::{FewBits, Quantise};
use crate::program::commands::output::{print, print_json};
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;

/// Writes it as it was typed.
///
/// # Errors
/// What is wrong with the checkpoint or the output, by name.
pub(crate) fn quantise(typed: &Quantise, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let model = located(typed.model.clone(), terminal)?;
    let bits = quantise::FewBits {
        llm: bits(typed.weights),
        vision_tower: typed.tower_weights.map(bits),
    };
    let bar = terminal.bar(&typed.output.display().to_string());
    let quantised = quantise::quantise(&model, &typed.output, bits, &mut |progress| {
        Terminal::show(&bar, progress);
    });
    bar.finish_and_clear();
    let quantised = quantised.with_context(|| format!("{} is not quantised", model.display()))?;
    match typed.json {
        true => print_json(&quantised)?,
        false => print(&to_text(&quantised))?,
    }
    Ok(Outcome::Fine)
}

fn bits(few: FewBits) -> Bits {
    match few {
        FewBits::Int8 => Bits::Eight,
        FewBits::Int4 => Bits::Four,
    }
}

fn to_text(quantised: &Quantised) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    format!(
        "{}: {:.1} MB of weights instead of {:.1} MB",
        quantised.model.display(),
        megabytes(quantised.bytes),
        megabytes(quantised.bytes_before),
    )
}
