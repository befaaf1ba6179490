//! A network that begins: the files of a checkpoint in the original's layout for a shape of one's choice,
//! a tokenizer learned from the dataset's words, and the first values of every tensor. Which tensors there
//! are, the modules say themselves: they are loaded from weights that make what is asked for.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rayon::ThreadPool;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, SplitDelimiterBehavior, TokenizerBuilder};

use super::parameters::Named;
use crate::error::{Error, Result};
use crate::nn::tokenizer::Tokenizer;
use crate::nn::weights::{Begin, Placement, Weights};
use crate::spatialrgpt::config::ModelConfig;
use crate::spatialrgpt::model::SpatialRgpt;
use crate::spatialrgpt::train::options::Shape;
use spatial_reward_core::prompt::format::{DEPTH, MASK};

/// The tokens that LLaMA 3's template and the regions need, in the order of their ids.
const SPECIAL: [&str; 8] = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "[PAD]",
    MASK,
    DEPTH,
];

/// Words with the space before them, single digits, punctuation, white space. LLaMA 3 takes up to three
/// digits together; a small model learns numbers from single ones.
const PIECES: &str =
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Shape {
    /// Writes the checkpoint's files but for the weights into `folder`. `words` is what the tokenizer learns
    /// from, in `pool`.
    ///
    /// # Errors
    /// `Error::Io`, `Error::Tokenizer`.
    pub(super) fn write(
        &self,
        folder: &Path,
        words: impl Iterator<Item = String> + Send,
        pool: &ThreadPool,
    ) -> Result<()> {
        let llm = folder.join("llm");
        for part in super::parameters::PARTS {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(Error::io("create", &part))?;
        }
        let tokens = learn_tokenizer(&llm, self.vocabulary, words, pool)?;
        let files = [
            ("config.json", self.top()),
            ("llm/config.json", self.llm(tokens)),
            ("llm/generation_config.json", generation(tokens)),
            ("llm/tokenizer_config.json", tokenizer_config(tokens)),
            ("vision_tower/config.json", self.vision_tower()),
            ("vision_tower/preprocessor_config.json", self.preprocessor()),
            (
                "mm_projector/config.json",
                json!({"architectures": ["MultimodalProjector"], "mm_projector_type": "mlp_downsample",
                       "model_type": "v2l_projector", "torch_dtype": "bfloat16"}),
            ),
            (
                "region_extractor/config.json",
                json!({"architectures": ["RegionExtractor"], "region_extractor_type": "regiongpt",
                       "model_type": "region_extractor", "torch_dtype": "bfloat16"}),
            ),
        ];
        for (name, content) in files {
            let path = folder.join(name);
            let text = format!("{content:#}\n");
            fs::write(&path, text).map_err(Error::io("write", &path))?;
        }
        Ok(())
    }

    fn top(&self) -> Value {
        json!({
            "architectures": ["LlavaLlamaModel"],
            "model_type": "llava_llama",
            "enable_region": true,
            "enable_depth": self.depth,
            "image_aspect_ratio": "resize",
            "mm_vision_select_feature": "cls_patch",
            // Every layer is used: a layer that nobody reads would only be carried along.
            "mm_vision_select_layer": -1,
            "mm_use_im_start_end": false,
            "mm_use_im_patch_token": false,
            "hidden_size": self.llm_hidden_size,
            "mm_hidden_size": self.vision_hidden_size,
            "s2": false,
            "vision_resolution": -1,
        })
    }

    fn llm(&self, tokens: usize) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": tokens,
            "hidden_size": self.llm_hidden_size,
            "intermediate_size": self.llm_intermediate_size,
            "num_hidden_layers": self.llm_layers,
            "num_attention_heads": self.llm_heads,
            "num_key_value_heads": self.llm_key_value_heads,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "attention_bias": false,
            "tie_word_embeddings": false,
            "max_position_embeddings": 2048,
            "tokenizer_model_max_length": 2048,
            "bos_token_id": tokens - SPECIAL.len(),
            "eos_token_id": tokens - SPECIAL.len() + 4,
            "torch_dtype": "bfloat16",
        })
    }

    fn vision_tower(&self) -> Value {
        json!({
            "architectures": ["SiglipVisionModel"],
            "model_type": "siglip_vision_model",
            "hidden_size": self.vision_hidden_size,
            "intermediate_size": self.vision_intermediate_size,
            "num_hidden_layers": self.vision_layers,
            "num_attention_heads": self.vision_heads,
            "num_channels": 3,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-6,
            "torch_dtype": "bfloat16",
        })
    }

    fn preprocessor(&self) -> Value {
        json!({
            "image_processor_type": "SiglipImageProcessor",
            "do_normalize": true,
            "do_rescale": true,
            "do_resize": true,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 3,
            "rescale_factor": 1.0 / 255.0,
            "size": {"height": self.image_size, "width": self.image_size},
        })
    }
}

fn generation(tokens: usize) -> Value {
    let first = tokens - SPECIAL.len();
    json!({"bos_token_id": first, "eos_token_id": [first + 1, first + 4], "do_sample": false,
           "max_length": 2048})
}

fn tokenizer_config(tokens: usize) -> Value {
    let first = tokens - SPECIAL.len();
    let added = SPECIAL.iter().enumerate().map(|(index, content)| {
        let token = json!({"content": content, "lstrip": false, "normalized": false, "rstrip": false,
                           "single_word": false, "special": true});
        ((first + index).to_string(), token)
    });
    json!({
        "added_tokens_decoder": Value::Object(added.collect()),
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>",
        "pad_token": "[PAD]",
        "clean_up_tokenization_spaces": false,
        "model_max_length": 2048,
        "tokenizer_class": "PreTrainedTokenizerFast",
    })
}

/// Learns a byte-level BPE from `words`, writes it to `tokenizer.json` and gives how many tokens it has.
fn learn_tokenizer(
    llm: &Path,
    vocabulary: usize,
    words: impl Iterator<Item = String> + Send,
    pool: &ThreadPool,
) -> Result<usize> {
    let path = llm.join("tokenizer.json");
    let broken = |error: tokenizers::Error| Error::Tokenizer {
        path: path.clone(),
        message: error.to_string(),
    };
    let pieces = SplitPattern::Regex(PIECES.into());
    let split = Split::new(pieces, SplitDelimiterBehavior::Isolated, false).map_err(broken)?;
    let bytes = ByteLevel::new(false, true, false);
    let mut tokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None::<NFC>)
        .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])))
        .with_post_processor(None::<TemplateProcessing>)
        .with_decoder(Some(ByteLevel::default()))
        .build()
        .map_err(broken)?;
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(vocabulary)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    pool.install(|| tokenizer.train(&mut trainer, words).map(drop))
        .map_err(broken)?;
    let special = SPECIAL.map(|content| AddedToken::from(content, true));
    tokenizer.add_special_tokens(special).map_err(broken)?;
    let begin = tokenizer.token_to_id(SPECIAL[0]).unwrap_or_default();
    let template = TemplateProcessing::builder()
        .try_single(format!("{} $A", SPECIAL[0]))
        .and_then(|builder| {
            builder
                .special_tokens(vec![(SPECIAL[0], begin)])
                .build()
                .map_err(|error| error.to_string())
        })
        .map_err(|message| Error::Tokenizer {
            path: path.clone(),
            message,
        })?;
    let tokenizer = tokenizer.with_post_processor(Some(template));
    tokenizer.save(&path, true).map_err(broken)?;
    Ok(tokenizer.get_vocab_size(true))
}

/// The first values of every tensor that the network asks for.
///
/// # Errors
/// What the configuration has that no network can have.
pub(super) fn tensors(
    config: &ModelConfig,
    tokenizer: &Arc<Tokenizer>,
    seed: i64,
) -> Result<Vec<Named>> {
    let placement = Placement {
        kind: Kind::Float,
        device: Device::Cpu,
    };
    tch::manual_seed(seed);
    let tensors: Rc<RefCell<Vec<Named>>> = Rc::default();
    let layers = (config.vision_layers(), config.llm.num_hidden_layers);
    let folder = &config.folder;
    SpatialRgpt::assemble(config.clone(), Arc::clone(tokenizer), placement, |part| {
        let part = super::parameters::PARTS
            .into_iter()
            .find(|known| *known == part);
        let part = part.unwrap_or_default();
        let into = Rc::clone(&tensors);
        let depth = if part == "llm" { layers.1 } else { layers.0 };
        let begin: Begin = Box::new(move |name, shape| {
            let tensor = first_values(name, shape, depth);
            let name = name.to_owned();
            let kept = tensor.shallow_clone();
            into.borrow_mut().push(Named {
                part,
                name,
                tensor: kept,
            });
            tensor
        });
        Ok(Weights::in_memory(
            &folder.join(part),
            placement,
            [],
            Some(begin),
        ))
    })?;
    Ok(tensors.take())
}

/// Norms begin as the identity, biases at zero, matrices with a variance that keeps that of their inputs;
/// the last matrix of each residual branch is smaller, the more of them add up (GPT-2's rule).
fn first_values(name: &str, shape: &[i64], layers: i64) -> Tensor {
    let options = (Kind::Float, Device::Cpu);
    if name.ends_with("bias") {
        return Tensor::zeros(shape, options);
    }
    if name.ends_with("position_embedding.weight") {
        return waves(shape);
    }
    let inputs = match shape {
        [_] => return Tensor::ones(shape, options),
        // An embedding is looked up, not multiplied.
        [_, width] if name.ends_with("embed_tokens.weight") => *width,
        // A deconvolution's kernel is (in, out, 2, 2), the patches' is (out, in, P, P).
        [inputs, _, 2, 2] => *inputs,
        [_, rest @ ..] => rest.iter().product(),
        [] => 1,
    };
    let last = [
        "out_proj.weight",
        "fc2.weight",
        "o_proj.weight",
        "down_proj.weight",
    ];
    let branches = match last.iter().any(|end| name.ends_with(end)) {
        true => (2 * layers) as f64,
        false => 1.0,
    };
    Tensor::randn(shape, options) * (1.0 / (inputs as f64 * branches)).sqrt()
}

/// Sines and cosines of a patch's column and row at falling frequencies, (N, C): where a patch lies need not
/// be discovered first (Vaswani et al. 2017, in two dimensions).
fn waves(shape: &[i64]) -> Tensor {
    let (patches, channels) = match shape {
        [patches, channels] => (*patches, *channels),
        _ => return Tensor::zeros(shape, (Kind::Float, Device::Cpu)),
    };
    let side = (patches as f64).sqrt().round().max(1.0) as i64;
    let quarter = (channels / 4).max(1);
    let value = |patch: i64, channel: i64| {
        let (kind, index) = (channel / quarter, channel % quarter);
        let at = if kind < 2 { patch % side } else { patch / side };
        let angle = at as f64 / 10_000_f64.powf(index as f64 / quarter as f64);
        let wave = if kind % 2 == 0 {
            angle.sin()
        } else {
            angle.cos()
        };
        (0.5 * wave) as f32
    };
    let values: Vec<f32> = (0..patches)
        .flat_map(|patch| (0..channels).map(move |channel| value(patch, channel)))
        .collect();
    Tensor::from_slice(&values).reshape(shape)
}
