//! What the network does not implement, refused by file and field.

use super::files::{QuantizationConfig, VisionFamily};
use super::network::ModelConfig;
use crate::error::{Error, Result};
use crate::nn::panels::Bits;

/// Whether the network can be what the files say.
///
/// # Errors
/// `Error::Checkpoint` with the file, the field and what is supported.
pub(super) fn check(config: &ModelConfig) -> Result<()> {
    check_top(config)?;
    check_llm(config)?;
    check_vision(config)?;
    check_selection(config)
}

fn check_top(config: &ModelConfig) -> Result<()> {
    let top = &config.top;
    let file = "config.json";
    if top.s2 {
        return Err(config.unsupported(file, "s2", "true", "false"));
    }
    if top.mm_use_im_start_end {
        return Err(config.unsupported(file, "mm_use_im_start_end", "true", "false"));
    }
    if top.mm_use_im_patch_token {
        return Err(config.unsupported(file, "mm_use_im_patch_token", "true", "false"));
    }
    if !["patch", "cls_patch"].contains(&top.mm_vision_select_feature.as_str()) {
        return Err(config.unsupported(
            file,
            "mm_vision_select_feature",
            &top.mm_vision_select_feature,
            "patch, cls_patch",
        ));
    }
    if let Some(calibration) = top.spatial_reward.calibration
        && let Err(error) = calibration.check("spatial_reward.calibration")
    {
        return Err(Error::checkpoint(
            config.folder.join(file),
            error.to_string(),
            "Fit it again, or leave it out",
        ));
    }
    if config.resized_from().is_some()
        && top.interpolate_mode.as_deref().unwrap_or("linear") != "linear"
    {
        let mode = top.interpolate_mode.as_deref().unwrap_or_default();
        return Err(config.unsupported(file, "interpolate_mode", mode, "linear"));
    }
    Ok(())
}

/// # Errors
/// Weights that another program brought to few bits.
fn check_quantization(
    config: &ModelConfig,
    file: &str,
    found: Option<&QuantizationConfig>,
) -> Result<()> {
    let Some(found) = found else { return Ok(()) };
    let known = [Bits::Eight, Bits::Four].map(QuantizationConfig::of);
    if known.contains(found) {
        return Ok(());
    }
    let QuantizationConfig {
        quant_method,
        bits,
        group_size,
    } = found;
    Err(config.unsupported(
        file,
        "quantization_config",
        &format!("{quant_method}, {bits} bits in groups of {group_size}"),
        "spatial_reward, 8 bits in groups of 64 or 4 bits in groups of 32",
    ))
}

fn check_llm(config: &ModelConfig) -> Result<()> {
    let llm = &config.llm;
    let file = "llm/config.json";
    check_quantization(config, file, llm.quantization_config.as_ref())?;
    if llm.model_type != "llama" {
        return Err(config.unsupported(file, "model_type", &llm.model_type, "llama"));
    }
    if llm.hidden_act != "silu" {
        return Err(config.unsupported(file, "hidden_act", &llm.hidden_act, "silu"));
    }
    if let Some(scaling) = &llm.rope_scaling
        && (scaling.kind != "linear" || scaling.factor.is_nan() || scaling.factor < 1.0)
    {
        let found = format!("{} by {}", scaling.kind, scaling.factor);
        return Err(config.unsupported(file, "rope_scaling", &found, "linear, by 1 or more"));
    }
    let heads = llm.num_attention_heads;
    let sizes = [
        ("vocab_size", llm.vocab_size),
        ("hidden_size", llm.hidden_size),
        ("intermediate_size", llm.intermediate_size),
        ("num_hidden_layers", llm.num_hidden_layers),
        ("num_attention_heads", heads),
        ("num_key_value_heads", llm.key_value_heads()),
        ("head_dim", llm.head_dim()),
        ("max_position_embeddings", llm.max_position_embeddings),
    ];
    check_sizes(config, file, &sizes)?;
    if heads % llm.key_value_heads() != 0 {
        let found = format!("{} for {heads} heads", llm.key_value_heads());
        return Err(config.unsupported(
            file,
            "num_key_value_heads",
            &found,
            "a divisor of the heads",
        ));
    }
    if llm.head_dim() % 2 != 0 {
        return Err(config.unsupported(
            file,
            "head_dim",
            &llm.head_dim().to_string(),
            "an even number",
        ));
    }
    Ok(())
}

fn check_vision(config: &ModelConfig) -> Result<()> {
    let vision = &config.vision_tower;
    let file = "vision_tower/config.json";
    check_quantization(config, file, vision.quantization_config.as_ref())?;
    let sizes = [
        ("hidden_size", vision.hidden_size),
        ("intermediate_size", vision.intermediate_size),
        ("num_hidden_layers", vision.num_hidden_layers),
        ("num_attention_heads", vision.num_attention_heads),
        ("image_size", vision.image_size),
        ("patch_size", vision.patch_size),
        ("patches along a side", vision.grid()),
    ];
    check_sizes(config, file, &sizes)?;
    if vision.num_channels != 3 {
        let found = vision.num_channels.to_string();
        return Err(config.unsupported(file, "num_channels", &found, "3"));
    }
    if vision.hidden_size % vision.num_attention_heads != 0 {
        let found = vision.num_attention_heads.to_string();
        return Err(config.unsupported(
            file,
            "num_attention_heads",
            &found,
            "a divisor of hidden_size",
        ));
    }
    Ok(())
}

/// Which of the tower's features are taken.
fn check_selection(config: &ModelConfig) -> Result<()> {
    let vision = &config.vision_tower;
    let family = config.vision_family;
    if !config
        .layers_to_run()
        .is_some_and(|n| (0..=vision.num_hidden_layers).contains(&n))
    {
        let found = config.top.mm_vision_select_layer.to_string();
        return Err(config.unsupported(
            "config.json",
            "mm_vision_select_layer",
            &found,
            "a layer that the tower has",
        ));
    }
    let patches_only = config.top.mm_vision_select_feature == "patch";
    if (family == VisionFamily::Clip) != patches_only {
        // A class token among the features makes no square grid, and SigLIP has none to drop.
        return Err(config.unsupported(
            "config.json",
            "mm_vision_select_feature",
            &config.top.mm_vision_select_feature,
            "patch with CLIP, cls_patch with SigLIP",
        ));
    }
    if family == VisionFamily::Clip && config.resized_from().is_some() {
        let found = config.top.vision_resolution.to_string();
        return Err(config.unsupported("config.json", "vision_resolution", &found, "-1 with CLIP"));
    }
    Ok(())
}

fn check_sizes(config: &ModelConfig, file: &str, sizes: &[(&str, i64)]) -> Result<()> {
    // No published model comes near; a product of two of them then fits an i64.
    const LARGEST: i64 = 1 << 24;
    match sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
        Some((field, size)) => {
            Err(config.unsupported(file, field, &size.to_string(), "a positive size"))
        }
        None => Ok(()),
    }
}
