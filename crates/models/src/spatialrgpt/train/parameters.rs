//! The tensors of a network in training. Those that are trained lie in one float32 vector, so that the
//! optimiser is a few operations on it; the network is put together out of them anew at each step, by the
//! very code that loads a checkpoint, in the type it runs in. The gradients flow back through that.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::nn::tokenizer::Tokenizer;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{Placement, Weights};
use crate::spatialrgpt::config::ModelConfig;
use crate::spatialrgpt::model::SpatialRgpt;
use crate::spatialrgpt::quantise::check_is_exact;

/// The folders of a checkpoint that hold weights, and the heads that only training has.
pub(super) const PARTS: [&str; 4] = ["vision_tower", "region_extractor", "mm_projector", "llm"];
/// The part that the heads' tensors are named by.
pub(super) const HEADS: &str = "heads";

/// A tensor by the part it belongs to and its name there.
pub(super) struct Named {
    /// One of [`PARTS`], or [`HEADS`].
    pub part: &'static str,
    /// Within the part.
    pub name: String,
    /// Its values.
    pub tensor: Tensor,
}

/// A network's tensors, with what else makes a network of them.
pub(super) struct Parameters {
    /// The network's shape.
    pub config: ModelConfig,
    /// The network's own.
    pub tokenizer: Arc<Tokenizer>,
    /// As what and where the network runs.
    pub placement: Placement,
    /// All trained numbers: matrices first, then vectors.
    pub values: Tensor,
    /// How many of them belong to matrices, which weight decay is for.
    pub in_matrices: i64,
    trained: Vec<Named>,
    frozen: Vec<Named>,
}

impl Parameters {
    /// `is_trained` tells from a part's name whether it learns.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub(super) fn new(
        config: ModelConfig,
        tokenizer: Arc<Tokenizer>,
        placement: Placement,
        tensors: Vec<Named>,
        is_trained: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let (trained, frozen): (Vec<_>, Vec<_>) = tensors
            .into_iter()
            .partition(|named| is_trained(named.part));
        let (mut matrices, vectors): (Vec<_>, Vec<_>) = trained
            .into_iter()
            .partition(|named| named.tensor.dim() > 1);
        let in_matrices = matrices
            .iter()
            .map(|named| named.tensor.numel() as i64)
            .sum();
        matrices.extend(vectors);
        let made = tch::no_grad(|| -> TchResult<_> {
            let flat: Vec<Tensor> = matrices
                .iter()
                .map(|named| {
                    let there = named.tensor.f_to_device(placement.device)?;
                    there.f_to_kind(Kind::Float)?.f_flatten(0, -1)
                })
                .collect::<TchResult<_>>()?;
            let values = Tensor::f_cat(&flat, 0)?;
            let trained = leaves(&values, &matrices)?;
            Ok((values, trained))
        });
        let (values, trained) = made.map_err(torch_error("hold the parameters"))?;
        Ok(Self {
            config,
            tokenizer,
            placement,
            values,
            in_matrices,
            trained,
            frozen,
        })
    }

    /// The same parameters with gradients of their own.
    ///
    /// # Errors
    /// libtorch's.
    pub(super) fn replica(&self) -> Result<Self> {
        let trained = tch::no_grad(|| leaves(&self.values, &self.trained));
        let same = |named: &Named| Named {
            part: named.part,
            name: named.name.clone(),
            tensor: named.tensor.shallow_clone(),
        };
        Ok(Self {
            config: self.config.clone(),
            tokenizer: Arc::clone(&self.tokenizer),
            placement: self.placement,
            values: self.values.shallow_clone(),
            in_matrices: self.in_matrices,
            trained: trained.map_err(torch_error("hold the parameters"))?,
            frozen: self.frozen.iter().map(same).collect(),
        })
    }

    /// Every tensor of the checkpoint in `folder`, in the type that it will run in.
    ///
    /// # Errors
    /// As for loading the model.
    pub(super) fn of_checkpoint(folder: &Path, placement: Placement) -> Result<Vec<Named>> {
        check_is_exact(&ModelConfig::read(folder)?)?;
        let mut tensors = Vec::new();
        for part in PARTS {
            let path = folder.join(part);
            // The identity projector has no weights.
            if part == "mm_projector" && !path.join("model.safetensors").is_file() {
                continue;
            }
            let weights = Weights::open(&path, placement)?;
            let names: Vec<String> = weights.names().map(str::to_owned).collect();
            for name in names {
                let tensor = weights.scope().get_any(&name)?;
                tensors.push(Named { part, name, tensor });
            }
        }
        Ok(tensors)
    }

    /// The network as the parameters are now.
    ///
    /// # Errors
    /// `Error::Checkpoint` where the tensors are not those that the configuration asks for.
    pub(super) fn network(&self) -> Result<SpatialRgpt> {
        let (config, tokenizer) = (self.config.clone(), Arc::clone(&self.tokenizer));
        let folder: PathBuf = self.config.folder.clone();
        SpatialRgpt::assemble(config, tokenizer, self.placement, |part| {
            Ok(Weights::in_memory(
                &folder.join(part),
                self.placement,
                self.of_part(part)
                    .map(|named| (named.name.clone(), named.tensor.shallow_clone())),
                None,
            ))
        })
    }

    /// A tensor of a part, as it is trained.
    ///
    /// # Errors
    /// `Error::Checkpoint` if there is none of that name.
    pub(super) fn get<'a>(&'a self, part: &'a str, name: &str) -> Result<&'a Tensor> {
        let found = self.of_part(part).find(|named| named.name == name);
        found.map(|named| &named.tensor).ok_or_else(|| {
            Error::checkpoint(
                self.config.folder.join(part),
                format!("no tensor '{name}'"),
                "The training state belongs to another version of this program: begin anew",
            )
        })
    }

    /// The tensors of a part.
    pub(super) fn of_part<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a Named> {
        let all = self.trained.iter().chain(&self.frozen);
        all.filter(move |named| named.part == part)
    }

    /// The names of the trained tensors in the order in which they lie in `values`.
    pub(super) fn trained_names(&self) -> Vec<String> {
        let name = |named: &Named| format!("{}/{}", named.part, named.name);
        self.trained.iter().map(name).collect()
    }

    /// The gradient of all trained numbers, as they lie in `values`, and forgets it. What took no part in
    /// the loss has zeros.
    pub(super) fn take_gradient(&mut self) -> TchResult<Tensor> {
        tch::no_grad(|| {
            let parts: Vec<Tensor> = self
                .trained
                .iter_mut()
                .map(|named| {
                    let gradient = named.tensor.grad();
                    let flat = match gradient.defined() {
                        true => gradient.f_flatten(0, -1)?.f_to_kind(Kind::Float)?,
                        false => named.tensor.f_zeros_like()?.f_flatten(0, -1)?,
                    };
                    Ok(flat)
                })
                .collect::<TchResult<_>>()?;
            let all = Tensor::f_cat(&parts, 0)?;
            for named in &mut self.trained {
                named.tensor.zero_grad();
            }
            Ok(all)
        })
    }
}

/// Tensors that learn, of the shapes of `like`: windows onto `values`, one after the other.
fn leaves(values: &Tensor, like: &[Named]) -> TchResult<Vec<Named>> {
    let mut start = 0;
    let leaf = |named: &Named| {
        let (shape, count) = (named.tensor.size(), named.tensor.numel() as i64);
        let window = values.f_narrow(0, start, count)?.f_view(shape.as_slice())?;
        start += count;
        Ok(Named {
            part: named.part,
            name: named.name.clone(),
            tensor: window.f_detach()?.set_requires_grad(true),
        })
    };
    like.iter().map(leaf).collect()
}
