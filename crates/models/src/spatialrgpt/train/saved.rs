//! What a training leaves on disk: the model in the original's layout (`model/`) and its state (`state/`),
//! from which it goes on. Each is a folder that is there whole or not at all.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::{Kind, Tensor};

use super::optimizer::AdamW;
use super::parameters::{PARTS, Parameters};
use crate::error::{Error, Result};
use crate::nn::torch::torch_error;
use crate::spatialrgpt::config::{Trained, read_json, write_json};
use spatial_reward_core::whole_folder::WholeFolder;

const NUMBERS: &str = "state.safetensors";
const FACTS: &str = "state.json";

/// What must agree for a training to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Facts {
    /// Steps that are done.
    step: u64,
    /// Steps that have learned; the others were skipped.
    updates: u64,
    crate_version: String,
    /// The trained tensors in their order.
    trained: Vec<String>,
}

/// How far a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Done {
    /// Steps that are done.
    pub step: u64,
    /// Steps that have learned; the others were skipped.
    pub updates: u64,
}

/// Puts the folder that `fill` makes in the place of `folder`.
fn replace(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let whole = WholeFolder::create(folder)?;
    fill(whole.path())?;
    Ok(whole.finish()?)
}

/// Whether there is a state to go on from.
pub(super) fn exists(folder: &Path) -> bool {
    folder.join(FACTS).is_file() && folder.join(NUMBERS).is_file()
}

/// Saves the state in `folder`.
///
/// # Errors
/// `Error::Io` or `Error::Torch`, of which a full disk is the one to expect.
pub(super) fn save(
    folder: &Path,
    parameters: &Parameters,
    optimizer: &AdamW,
    done: Done,
) -> Result<()> {
    let facts = Facts {
        step: done.step,
        updates: done.updates,
        crate_version: env!("CARGO_PKG_VERSION").into(),
        trained: parameters.trained_names(),
    };
    replace(folder, |folder| {
        let tensors = [
            ("values", &parameters.values),
            ("mean", &optimizer.mean),
            ("square", &optimizer.square),
        ];
        let path = folder.join(NUMBERS);
        Tensor::write_safetensors(&tensors, &path)
            .map_err(torch_error(format!("write {}", path.display())))?;
        let path = folder.join(FACTS);
        let text = serde_json::to_string_pretty(&facts).map_err(|e| Error::output(&path, e))?;
        fs::write(&path, text).map_err(Error::io("write", &path))
    })
}

/// Takes over the state in `folder`; gives how far it is.
///
/// # Errors
/// `Error::OtherTraining` if it is the state of another network, `Error::Io`, `Error::Torch`.
pub(super) fn load(
    folder: &Path,
    parameters: &mut Parameters,
    optimizer: &mut AdamW,
) -> Result<Done> {
    let path = folder.join(FACTS);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let other = |what: String| Error::OtherTraining {
        path: folder.to_owned(),
        what,
    };
    let facts: Facts = serde_json::from_str(&text).map_err(|error| other(error.to_string()))?;
    if facts.trained != parameters.trained_names() {
        return Err(other("the state is of another network".into()));
    }
    let path = folder.join(NUMBERS);
    let read =
        Tensor::read_safetensors(&path).map_err(torch_error(format!("read {}", path.display())))?;
    let targets = [
        ("values", &mut parameters.values),
        ("mean", &mut optimizer.mean),
        ("square", &mut optimizer.square),
    ];
    for (name, target) in targets {
        let found = read.iter().find(|(known, _)| known == name);
        let (_, tensor) = found.ok_or_else(|| other(format!("it has no '{name}'")))?;
        if tensor.size() != target.size() {
            let (found, expected) = (tensor.numel(), target.numel());
            return Err(other(format!(
                "'{name}' has {found} numbers, not {expected}"
            )));
        }
        tch::no_grad(|| target.f_copy_(tensor)).map_err(torch_error("take over the state"))?;
    }
    Ok(Done {
        step: facts.step,
        updates: facts.updates,
    })
}

/// Writes the model as it is now into `folder`, in bfloat16. `files` has its configuration and tokenizer, but for what it
/// is trained to answer.
///
/// # Errors
/// `Error::Io` or `Error::Torch`, of which a full disk is the one to expect.
pub(super) fn export(
    folder: &Path,
    files: &Path,
    trained: &Trained,
    parameters: &Parameters,
) -> Result<()> {
    replace(folder, |folder| {
        copy_small_files(files, folder)?;
        say_trained(&folder.join("config.json"), trained)?;
        for part in PARTS {
            let into = folder.join(part);
            fs::create_dir_all(&into).map_err(Error::io("create", &into))?;
            copy_small_files(&files.join(part), &into)?;
            let tensors: Vec<(&str, Tensor)> = tch::no_grad(|| {
                let written = |tensor: &Tensor| {
                    tensor
                        .f_detach()?
                        .f_to_device(tch::Device::Cpu)?
                        .f_to_kind(Kind::BFloat16)?
                        .f_contiguous()
                };
                let of = parameters.of_part(part);
                of.map(|named| Ok((named.name.as_str(), written(&named.tensor)?)))
                    .collect::<std::result::Result<_, tch::TchError>>()
            })
            .map_err(torch_error("round the model"))?;
            if tensors.is_empty() {
                continue;
            }
            let path = into.join("model.safetensors");
            Tensor::write_safetensors(&tensors, &path)
                .map_err(torch_error(format!("write {}", path.display())))?;
        }
        Ok(())
    })
}

/// Puts into a configuration what its model is trained to answer; one that says so already stays byte for byte.
fn say_trained(path: &Path, trained: &Trained) -> Result<()> {
    const KEY: &str = "spatial_reward";
    let mut config: Map<String, Value> = read_json(path)?;
    let said = serde_json::to_value(trained).map_err(|e| Error::output(path, e))?;
    let said = Some(said).filter(|said| said.as_object().is_some_and(|said| !said.is_empty()));
    if config.get(KEY) == said.as_ref() {
        return Ok(());
    }
    match said {
        Some(said) => config.insert(KEY.to_owned(), said),
        None => config.remove(KEY),
    };
    write_json(path, &Value::Object(config))
}

/// Everything in a folder that holds no weights.
fn copy_small_files(from: &Path, to: &Path) -> Result<()> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        // A projector without weights may have no folder.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", from)(error)),
    };
    for entry in entries {
        let path = entry.map_err(Error::io("read", from))?.path();
        let name = path.file_name().unwrap_or_default();
        let is_weights = name.to_string_lossy().contains(".safetensors");
        if path.is_file() && !is_weights {
            fs::copy(&path, to.join(name)).map_err(Error::io("copy", &path))?;
        }
    }
    Ok(())
}
