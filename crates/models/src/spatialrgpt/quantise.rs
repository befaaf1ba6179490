//! A checkpoint once more with few bits a weight (`spatial-reward quantise`): the linear layers of its language model, and on
//! request of its vision tower. Everything else is copied as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::config::{ModelConfig, QuantizationConfig, read_json, write_json};
use crate::error::{Error, Result};
use crate::nn::layers::quantised;
use crate::nn::panels::{Bits, Groups};
use crate::nn::torch::torch_error;
use crate::nn::weights::{LEAST, NUMBERS, Placement, SCALES, Weights, is_linear};
use spatial_reward_core::progress::{OnProgress, Progress, Unit};
use spatial_reward_core::whole_folder::WholeFolder;

/// What is brought to few bits.
#[derive(Debug, Clone, Copy)]
pub struct FewBits {
    /// The language model's linear layers. Its head, which tells all tokens apart, keeps 8.
    pub llm: Bits,
    /// The vision tower's, if they are.
    pub vision_tower: Option<Bits>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Quantised {
    /// The new checkpoint.
    pub model: PathBuf,
    /// Bytes of weights in files before.
    pub bytes_before: u64,
    /// And now.
    pub bytes: u64,
}

/// A file of weights is ended when it has so many bytes.
const SHARD_BYTES: usize = 1 << 30;

/// Writes the checkpoint in `folder` to `output`, whole or not at all.
///
/// # Errors
/// What is wrong with the checkpoint, one that is quantised already, or an output that is there or cannot be written.
pub fn quantise(
    folder: &Path,
    output: &Path,
    bits: FewBits,
    progress: OnProgress<'_>,
) -> Result<Quantised> {
    let config = ModelConfig::read(folder)?;
    check_is_exact(&config)?;
    let whole = WholeFolder::create(output)?;
    if fs::symlink_metadata(output).is_ok() {
        let refused = spatial_reward_core::Error::output_refused(output, "it is there already");
        return Err(refused.into());
    }
    let parts = [("llm", Some(bits.llm)), ("vision_tower", bits.vision_tower)];
    let parts = parts.map(|(part, bits)| Some((part, bits?)));
    let parts: Vec<(&str, Bits)> = parts.into_iter().flatten().collect();
    copy(folder, whole.path(), &|path| {
        parts.iter().any(|(part, _)| path.starts_with(part)) && is_weights(path)
    })?;
    let mut told = Told {
        done: 0,
        total: weights_bytes(folder, &parts)?,
        progress,
    };
    let mut bytes = 0;
    for (part, bits) in &parts {
        let is_tied = *part == "llm" && config.llm.tie_word_embeddings;
        let (from, to) = (folder.join(part), whole.path().join(part));
        bytes += quantise_part(&from, &to, *bits, is_tied, &mut told)?;
        add_config(&to.join("config.json"), *bits)?;
    }
    whole.finish()?;
    Ok(Quantised {
        model: output.to_owned(),
        bytes_before: told.total,
        bytes,
    })
}

/// Writes a part's weights; how many bytes they are. `is_tied` where its head is the table of embeddings: in few bits it is one
/// of its own.
fn quantise_part(
    from: &Path,
    to: &Path,
    bits: Bits,
    is_tied: bool,
    told: &mut Told<'_>,
) -> Result<u64> {
    const HEAD: &str = "lm_head.weight";
    let placement = Placement {
        kind: Kind::Float,
        device: Device::Cpu,
    };
    let weights = Weights::open_in_pieces(from, placement)?;
    let mut shards = Shards::begin(to);
    for name in weights.names() {
        let tensor = weights.scope().get_stored(name)?;
        told.add(bytes_of(&tensor) as u64);
        if is_tied && name == "model.embed_tokens.weight" {
            shards.put_groups("lm_head", &quantised(&tensor, Bits::Eight)?)?;
        }
        match name.strip_suffix(".weight") {
            Some(_) if is_tied && name == HEAD => {}
            Some(layer) if is_linear(name, &tensor.size()) => {
                let bits = if name == HEAD { Bits::Eight } else { bits };
                shards.put_groups(layer, &quantised(&tensor, bits)?)?;
            }
            _ => shards.put(name.to_owned(), tensor)?,
        }
    }
    shards.finish()
}

/// How far it is.
struct Told<'a> {
    done: u64,
    total: u64,
    progress: OnProgress<'a>,
}

impl Told<'_> {
    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        (self.progress)(Progress {
            subject: "",
            done: self.done as f64,
            total: Some(self.total as f64),
            unit: Unit::Bytes,
            figure: None,
        });
    }
}

/// Files of weights, each ended when it is long enough, so that never all of them are in memory.
struct Shards {
    folder: PathBuf,
    /// Those of the file that is begun.
    tensors: Vec<(String, Tensor)>,
    tensors_bytes: usize,
    /// Which file has which tensor.
    files: BTreeMap<String, String>,
    count: usize,
    bytes: u64,
}

impl Shards {
    fn begin(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            tensors: Vec::new(),
            tensors_bytes: 0,
            files: BTreeMap::new(),
            count: 0,
            bytes: 0,
        }
    }

    fn put_groups(&mut self, layer: &str, groups: &Groups) -> Result<()> {
        let [outputs, _] = groups.shape();
        let [scales, least] = groups.shared();
        let numbers = tensor(groups.numbers(), outputs, Kind::Uint8)?;
        self.put(format!("{layer}.{NUMBERS}"), numbers)?;
        for (name, shared) in [(SCALES, scales), (LEAST, least)] {
            if !shared.is_empty() {
                let bytes: Vec<u8> = shared.iter().flat_map(|word| word.to_le_bytes()).collect();
                let shared = tensor(&bytes, outputs, Kind::BFloat16)?;
                self.put(format!("{layer}.{name}"), shared)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, name: String, tensor: Tensor) -> Result<()> {
        let bytes = bytes_of(&tensor);
        if !self.tensors.is_empty() && self.tensors_bytes + bytes > SHARD_BYTES {
            self.end_file()?;
        }
        self.tensors_bytes += bytes;
        self.tensors.push((name, tensor));
        Ok(())
    }

    fn end_file(&mut self) -> Result<()> {
        self.count += 1;
        let file = format!("model-{:05}.safetensors", self.count);
        let path = self.folder.join(&file);
        Tensor::write_safetensors(&self.tensors, &path)
            .map_err(torch_error(format!("write {}", path.display())))?;
        self.bytes += self.tensors_bytes as u64;
        self.tensors_bytes = 0;
        let names = self.tensors.drain(..).map(|(name, _)| name);
        self.files.extend(names.map(|name| (name, file.clone())));
        Ok(())
    }

    /// Ends the last file and names them all; how many bytes of tensors they hold.
    fn finish(mut self) -> Result<u64> {
        self.end_file()?;
        if self.count == 1 {
            let only = self.folder.join("model-00001.safetensors");
            let named = self.folder.join("model.safetensors");
            fs::rename(&only, &named).map_err(Error::io("name", &named))?;
        } else {
            let path = self.folder.join("model.safetensors.index.json");
            let index = json!({"metadata": {"total_size": self.bytes}, "weight_map": self.files});
            write_json(&path, &index)?;
        }
        Ok(self.bytes)
    }
}

fn bytes_of(tensor: &Tensor) -> usize {
    tensor.numel() * tensor.kind().elt_size_in_bytes()
}

/// Bytes of so many rows as a tensor (rows, ...).
fn tensor(bytes: &[u8], rows: usize, kind: Kind) -> Result<Tensor> {
    let columns = bytes.len() / kind.elt_size_in_bytes() / rows.max(1);
    let shape = [rows as i64, columns as i64];
    Tensor::f_from_data_size(bytes, &shape, kind).map_err(torch_error("store a layer"))
}

/// Says in a part's configuration how its weights are stored.
fn add_config(path: &Path, bits: Bits) -> Result<()> {
    let mut config: Map<String, Value> = read_json(path)?;
    config.insert(
        "quantization_config".into(),
        json!(QuantizationConfig::of(bits)),
    );
    write_json(path, &Value::Object(config))
}

fn is_weights(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json")
}

/// How long the parts' tensors are.
fn weights_bytes(folder: &Path, parts: &[(&str, Bits)]) -> Result<u64> {
    let placement = Placement {
        kind: Kind::Float,
        device: Device::Cpu,
    };
    let bytes = parts.iter().map(|(part, _)| {
        let weights = Weights::open_in_pieces(&folder.join(part), placement)?;
        Ok(weights.stored_bytes())
    });
    bytes.sum()
}

/// Copies a folder's files, but for those that are left out by their path within it.
fn copy(from: &Path, to: &Path, leave_out: &dyn Fn(&Path) -> bool) -> Result<()> {
    copy_within(from, to, Path::new(""), leave_out)
}

fn copy_within(
    from: &Path,
    to: &Path,
    within: &Path,
    leave_out: &dyn Fn(&Path) -> bool,
) -> Result<()> {
    let folder = from.join(within);
    for entry in fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
        let entry = entry.map_err(Error::io("list", &folder))?;
        let within = within.join(entry.file_name());
        let (source, target) = (from.join(&within), to.join(&within));
        // Hubs keep files elsewhere and link to them.
        let metadata = fs::metadata(&source).map_err(Error::io("examine", &source))?;
        if metadata.is_dir() {
            fs::create_dir(&target).map_err(Error::io("make", &target))?;
            copy_within(from, to, &within, leave_out)?;
        } else if metadata.is_file() && !leave_out(&within) {
            fs::copy(&source, &target).map_err(Error::io("copy", &source))?;
        }
    }
    Ok(())
}

/// Whether all of its weights are stored in a type of numbers.
///
/// # Errors
/// `Error::Checkpoint` that names what is not.
pub(super) fn check_is_exact(config: &ModelConfig) -> Result<()> {
    if let Some((part, stored)) = config.stored_in_bits().next() {
        return Err(Error::checkpoint(
            config.folder.join(part),
            format!("its weights are stored in {} bits", stored.bits),
            "Take the checkpoint that it was made from",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::model::{Forms, SpatialRgpt};
    use super::*;
    use crate::nn::weights::LinearForm;

    fn fixture(name: &str) -> PathBuf {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
        fixtures.join("spatialrgpt").join(name).join("checkpoint")
    }

    const PLACEMENT: Placement = Placement {
        kind: Kind::Float,
        device: Device::Cpu,
    };

    fn forms(bits: Option<Bits>) -> Forms {
        let form = bits.map_or(LinearForm::Tensor, LinearForm::Quantised);
        Forms {
            llm: form,
            vision_tower: form,
            region_extractor: LinearForm::Tensor,
        }
    }

    /// What the decoder and the tower make of some numbers.
    fn outputs(network: &SpatialRgpt) -> Vec<f32> {
        let ids = Tensor::arange(20, (Kind::Int64, Device::Cpu)).unsqueeze(0);
        let outputs = || {
            let embeds = network.llm.embed(&ids)?;
            let mut cache = network.llm.cache(1, 20)?;
            let logits = network.llm.forward(&embeds, &mut cache, None)?;
            let side = network.config.image_size();
            // Not drawn: the generator is one for all tests.
            let pixels = Tensor::f_arange(3 * side * side, (Kind::Float, Device::Cpu))?;
            let pixels = pixels.f_sin()?.f_reshape([1, 3, side, side])?;
            let features = network.seen(&pixels)?;
            let both = [logits.f_reshape([-1])?, features.f_reshape([-1])?];
            Vec::<f32>::try_from(Tensor::f_cat(&both, 0)?)
        };
        tch::no_grad(outputs).unwrap()
    }

    #[test]
    fn a_folder_of_few_bits_is_what_loading_in_few_bits_gives() {
        for name in ["a", "clip"] {
            for bits in [Bits::Eight, Bits::Four] {
                // given
                let scratch = tempfile::tempdir().unwrap();
                let out = scratch.path().join("out");
                let few = FewBits {
                    llm: bits,
                    vision_tower: Some(bits),
                };
                // when
                let done = quantise(&fixture(name), &out, few, &mut |_| {}).unwrap();
                // then
                assert!(done.bytes < done.bytes_before, "{done:?}");
                let stored = SpatialRgpt::load(&out, PLACEMENT, forms(None)).unwrap();
                let loaded = SpatialRgpt::load(&fixture(name), PLACEMENT, forms(Some(bits)));
                assert_eq!(
                    outputs(&stored),
                    outputs(&loaded.unwrap()),
                    "{name} {bits:?}"
                );
                // and neither other bits nor a training can be had of it
                let other = match bits {
                    Bits::Eight => Bits::Four,
                    Bits::Four => Bits::Eight,
                };
                let refused = SpatialRgpt::load(&out, PLACEMENT, forms(Some(other)))
                    .err()
                    .unwrap();
                assert!(refused.to_string().contains("bits"), "{refused}");
                let again = quantise(&out, &scratch.path().join("again"), few, &mut |_| {});
                assert!(again.unwrap_err().to_string().contains("made from"));
            }
        }
    }

    #[test]
    fn a_table_that_is_the_head_too_stays_exact_as_a_table() {
        // given a checkpoint whose head is its table of embeddings
        let scratch = tempfile::tempdir().unwrap();
        let (tied, out) = (scratch.path().join("tied"), scratch.path().join("out"));
        fs::create_dir(&tied).unwrap();
        copy(&fixture("a"), &tied, &|_| false).unwrap();
        let config = tied.join("llm/config.json");
        let mut values: Map<String, Value> = read_json(&config).unwrap();
        values.insert("tie_word_embeddings".into(), true.into());
        write_json(&config, &Value::Object(values)).unwrap();
        let few = FewBits {
            llm: Bits::Eight,
            vision_tower: None,
        };
        // when
        quantise(&tied, &out, few, &mut |_| {}).unwrap();
        // then
        let llm = |bits: Option<Bits>| Forms {
            vision_tower: LinearForm::Tensor,
            ..forms(bits)
        };
        let exact = SpatialRgpt::load(&tied, PLACEMENT, llm(None)).unwrap();
        let stored = SpatialRgpt::load(&out, PLACEMENT, llm(None)).unwrap();
        let loaded = SpatialRgpt::load(&tied, PLACEMENT, llm(Some(Bits::Eight))).unwrap();
        assert_eq!(outputs(&stored), outputs(&loaded));
        let ids = Tensor::arange(20, (Kind::Int64, Device::Cpu));
        let [table, same] = [&exact, &stored].map(|it| it.llm.embed(&ids).unwrap());
        assert!(table.equal(&same));
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("mine.txt");
        fs::write(&file, "mine").unwrap();
        let few = FewBits {
            llm: Bits::Eight,
            vision_tower: None,
        };

        let refused = quantise(&fixture("a"), scratch.path(), few, &mut |_| {}).unwrap_err();

        assert!(refused.to_string().contains("already"), "{refused}");
        assert_eq!(fs::read_to_string(file).unwrap(), "mine");
    }
}
