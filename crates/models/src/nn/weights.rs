//! The tensors of one part of a checkpoint (decoder, vision tower, projector, region extractor): read
//! out of its folder's safetensors files by name, strictly. A tensor that is missing, has another shape
//! or is left over is an error that names it.
//!
//! Files are mapped, and every tensor is copied out of the mapping into memory of its own, a few
//! megabytes at a time, whose pages are given back at once. So loading peaks at the tensors themselves,
//! whatever type they are stored in, and nothing points into a file that someone may change later.
//! While loading, though, a file that another process cuts short ends this process (SIGBUS), as it does
//! with every mapped file: replace checkpoints by renaming, never in place.

mod layout;
mod memory;
mod placement;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Tensor};

use super::panels::{Bits, Groups};
use super::threads;
use super::torch::torch_error;
use crate::error::{Error, Result};
use shard::{Shard, Stored};

pub use placement::Placement;

/// The tensors of one part of a checkpoint. Take them through [`Weights::scope`], then
/// [`finish`](Weights::finish), which tells what nobody asked for.
#[must_use = "call `finish`, which names the tensors that nobody asked for"]
pub struct Weights {
    folder: PathBuf,
    placement: Placement,
    shards: Vec<Shard>,
    entries: BTreeMap<String, Entry>,
    /// Makes what is asked for and not there: a network that begins.
    begin: Option<Begin>,
    form: LinearForm,
}

/// What becomes of linear layers' matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinearForm {
    /// libtorch's tensors.
    #[default]
    Tensor,
    /// Panels, on a processor: in bfloat16 where that holds their numbers.
    Panels,
    /// Panels of few bits a weight, on a processor.
    Quantised(Bits),
}

impl LinearForm {
    /// That of a language model's head: what it says of every token is told apart by little.
    pub fn of_head(self) -> Self {
        match self {
            Self::Quantised(_) => Self::Quantised(Bits::Eight),
            form => form,
        }
    }
}

/// A tensor of this name and shape, for a network that begins.
pub type Begin = Box<dyn Fn(&str, &[i64]) -> Tensor>;

struct Entry {
    place: Place,
    used: AtomicBool,
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter
            .debug_struct("Weights")
            .field("folder", &self.folder)
            .field("names", &self.entries.keys())
            .finish_non_exhaustive()
    }
}

/// Where a tensor lies.
enum Place {
    /// In a file: an index into `Weights::shards`.
    File {
        shard: usize,
        stored: Stored,
    },
    Memory(Tensor),
}

impl Place {
    fn shape(&self) -> Vec<i64> {
        match self {
            Self::File { stored, .. } => stored.shape.clone(),
            Self::Memory(tensor) => tensor.size(),
        }
    }

    fn elements(&self) -> u64 {
        match self {
            Self::File { stored, .. } => stored.elements(),
            Self::Memory(tensor) => tensor.numel() as u64,
        }
    }

    /// As they are stored.
    fn bytes(&self) -> u64 {
        match self {
            Self::File { stored, .. } => stored.bytes(),
            Self::Memory(tensor) => (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64,
        }
    }
}

impl Weights {
    /// Opens the weights in `folder`: `model.safetensors`, else the shards that
    /// `model.safetensors.index.json` names, else the one safetensors file of another name. Reads the
    /// headers only.
    ///
    /// # Errors
    /// `Error::Checkpoint` if there are no such files, a shard is missing or lacks a tensor that the index
    /// promises, a tensor is there twice, a file is cut off or no safetensors file, or this machine has not
    /// the memory free that the tensors will take (for `Device::Cpu`). `Error::Torch` for a GPU that is not
    /// there, `Error::Io` for what the operating system refuses.
    pub fn open(folder: &Path, placement: Placement) -> Result<Self> {
        Self::open_as(folder, placement, LinearForm::Tensor)
    }

    /// The same where linear layers have this form.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_as(folder: &Path, placement: Placement, form: LinearForm) -> Result<Self> {
        let weights = Self {
            form,
            ..Self::open_in_pieces(folder, placement)?
        };
        if placement.device == Device::Cpu {
            memory::check(folder, weights.bytes())?;
        }
        Ok(weights)
    }

    /// The same for who takes one tensor after the other and keeps none: it needs no memory for all.
    ///
    /// # Errors
    /// As for [`open`](Self::open), but for the memory.
    pub fn open_in_pieces(folder: &Path, placement: Placement) -> Result<Self> {
        threads::settle();
        placement.check()?;
        let layout = layout::find(folder)?;
        let mut shards = Vec::with_capacity(layout.files.len());
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for path in &layout.files {
            let (shard, tensors) = Shard::open(path)?;
            for (name, stored) in tensors {
                let entry = Entry {
                    place: Place::File {
                        shard: shards.len(),
                        stored,
                    },
                    used: AtomicBool::new(false),
                };
                if let Some(earlier) = entries.insert(name.clone(), entry) {
                    let first = match earlier.place {
                        Place::File { shard, .. } => shards.get(shard).map(Shard::path),
                        Place::Memory(_) => None,
                    };
                    return Err(duplicate(path, first, &name));
                }
            }
            shards.push(shard);
        }
        layout.check(
            entries
                .iter()
                .filter_map(|(name, entry)| match entry.place {
                    Place::File { shard, .. } => Some((name.as_str(), shards.get(shard)?.path())),
                    Place::Memory(_) => None,
                }),
        )?;
        Ok(Self {
            folder: folder.to_path_buf(),
            placement,
            shards,
            entries,
            begin: None,
            form: LinearForm::Tensor,
        })
    }

    /// Tensors that are in memory already, such as those in training: each is handed out as it is, or
    /// converted so that gradients flow back to it. `begin` makes those that are asked for and missing.
    /// `folder` is named in errors.
    pub fn in_memory(
        folder: &Path,
        placement: Placement,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        begin: Option<Begin>,
    ) -> Self {
        let entry = |(name, tensor)| {
            let used = AtomicBool::new(false);
            let place = Place::Memory(tensor);
            (name, Entry { place, used })
        };
        Self {
            folder: folder.to_path_buf(),
            placement,
            shards: Vec::new(),
            entries: tensors.into_iter().map(entry).collect(),
            begin,
            form: LinearForm::Tensor,
        }
    }

    /// The names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The root of the tensors' dotted names.
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            weights: self,
            prefix: String::new(),
        }
    }

    /// As what and where tensors are handed out.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// How many bytes all tensors are in their files.
    pub fn stored_bytes(&self) -> u64 {
        self.entries.values().map(|entry| entry.place.bytes()).sum()
    }

    /// How much memory all tensors take in the wanted kind and form, in bytes.
    pub fn bytes(&self) -> u64 {
        let bytes_per_element = self.placement.kind.elt_size_in_bytes() as u64;
        let bytes = self.entries.iter().map(|(name, entry)| {
            let elements = entry.place.elements();
            match self.form {
                _ if is_quantised(name) => entry.place.bytes(),
                LinearForm::Quantised(bits) if is_linear(name, &entry.place.shape()) => {
                    bits.bytes_with_shared(elements)
                }
                _ => elements.saturating_mul(bytes_per_element),
            }
        });
        bytes.fold(0, u64::saturating_add)
    }

    /// Ends the loading.
    ///
    /// # Errors
    /// `Error::Checkpoint` if a tensor was never asked for: the files belong to another model than the
    /// configuration says.
    pub fn finish(self) -> Result<()> {
        self.finish_ignoring(&[])
    }

    /// Like [`finish`](Self::finish), but lets tensors be that the original program leaves unread as well.
    /// A pattern matches where it begins a name or one of a name's dotted parts, so `rotary_emb.inv_freq`
    /// matches in each layer, and `head.` does not match `lm_head.weight`.
    ///
    /// # Errors
    /// `Error::Checkpoint`, as for `finish`.
    pub fn finish_ignoring(self, patterns: &[&str]) -> Result<()> {
        let ignored = |name: &str| {
            patterns.iter().any(|pattern| {
                name.match_indices(pattern)
                    .any(|(at, _)| at == 0 || name.as_bytes().get(at - 1) == Some(&b'.'))
            })
        };
        let unused: Vec<&str> = self
            .entries
            .iter()
            .filter(|(name, entry)| !entry.used.load(Ordering::Relaxed) && !ignored(name))
            .map(|(name, _)| name.as_str())
            .collect();
        if unused.is_empty() {
            return Ok(());
        }
        Err(Error::checkpoint(
            &self.folder,
            format!(
                "{count} tensors that the model has no place for: {names}",
                count = unused.len(),
                names = listed(&unused),
            ),
            "config.json and the weights belong to different models, or to a model that this program does \
             not know: take both from one checkpoint",
        ))
    }

    /// The file that a tensor is in.
    fn path_of(&self, entry: &Entry) -> &Path {
        match entry.place {
            Place::File { shard, .. } => self.shards.get(shard).map(Shard::path),
            Place::Memory(_) => None,
        }
        .unwrap_or(&self.folder)
    }

    fn missing(&self, name: &str, shape: Option<&[i64]>) -> Error {
        let shape = shape.map_or_else(String::new, |shape| format!(" of shape {shape:?}"));
        let path = match self.shards.as_slice() {
            [only] => only.path(),
            _ => &self.folder,
        };
        Error::checkpoint(
            path,
            format!(
                "no tensor '{name}'{shape}; what comes nearest is {nearest}",
                nearest = self.nearest(name),
            ),
            "config.json and the weights belong to different models, or the checkpoint is not complete",
        )
    }

    /// The names that share the longest dotted beginning with `name`.
    fn nearest(&self, name: &str) -> String {
        let mut beginning = name;
        loop {
            beginning = beginning
                .trim_end_matches('.')
                .rfind('.')
                .and_then(|dot| beginning.get(..=dot))
                .unwrap_or("");
            let names: Vec<&str> = self
                .entries
                .keys()
                .map(String::as_str)
                .filter(|name| name.starts_with(beginning))
                .collect();
            if !names.is_empty() {
                return listed(&names);
            }
            if beginning.is_empty() {
                return "nothing: there are no tensors at all".into();
            }
        }
    }
}

/// A place in the dotted names of a part's tensors.
#[derive(Clone)]
pub struct Scope<'a> {
    weights: &'a Weights,
    /// Empty, or ends with a dot.
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The scope `name` within this one: `scope.sub("layers").sub(3)` for `layers.3.`.
    pub fn sub(&self, name: impl Display) -> Scope<'a> {
        Scope {
            weights: self.weights,
            prefix: format!("{prefix}{name}.", prefix = self.prefix),
        }
    }

    /// The tensor `name` of this scope, which must have this shape: a new tensor of the wanted kind on the
    /// wanted device, and marked as used. Asking twice gives two copies.
    ///
    /// # Errors
    /// `Error::Checkpoint` if the tensor is missing, has another shape, or is stored as anything but float32,
    /// float16 or bfloat16; `Error::Torch` if it finds no room on the device.
    pub fn get(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        if let Some(begin) = &self.weights.begin
            && !self.has(name)
        {
            return Ok(begin(&format!("{}{name}", self.prefix), shape));
        }
        let (name, entry) = self.find(name, Some(shape))?;
        let found = entry.place.shape();
        if found != shape {
            return Err(Error::checkpoint(
                self.weights.path_of(entry),
                format!("tensor '{name}' has shape {found:?}, but by config.json it has {shape:?}"),
                "config.json and the weights belong to different models: take both from one checkpoint",
            ));
        }
        self.take(&name, entry, self.weights.placement)
    }

    /// The tensor `name` of this scope in the type that it is stored in.
    ///
    /// # Errors
    /// As for [`get`](Self::get), but for the shape.
    pub fn get_stored(&self, name: &str) -> Result<Tensor> {
        let (name, entry) = self.find(name, None)?;
        let placement = self.weights.placement;
        match &entry.place {
            Place::File { shard, stored } => match self.weights.shards.get(*shard) {
                Some(shard) => {
                    let kind = shard.kind_of(&name, stored)?;
                    self.take(&name, entry, Placement { kind, ..placement })
                }
                None => Err(self.weights.missing(&name, None)),
            },
            Place::Memory(tensor) => {
                let kind = tensor.kind();
                self.take(&name, entry, Placement { kind, ..placement })
            }
        }
    }

    /// The tensor `name` of this scope, whatever its shape.
    ///
    /// # Errors
    /// As for [`get`](Self::get), but for the shape.
    pub fn get_any(&self, name: &str) -> Result<Tensor> {
        let (name, entry) = self.find(name, None)?;
        self.take(&name, entry, self.weights.placement)
    }

    /// Whether the checkpoint has the tensor `name` of this scope.
    pub fn has(&self, name: &str) -> bool {
        let name = format!("{prefix}{name}", prefix = self.prefix);
        self.weights.entries.contains_key(&name)
    }

    /// The stored shape of the tensor `name` of this scope, if the checkpoint has it. Reads nothing and
    /// marks nothing as used.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let name = format!("{prefix}{name}", prefix = self.prefix);
        let entry = self.weights.entries.get(&name)?;
        Some(entry.place.shape())
    }

    /// As what and where tensors are handed out.
    pub fn placement(&self) -> Placement {
        self.weights.placement
    }

    /// What becomes of linear layers' matrices.
    pub fn form(&self) -> LinearForm {
        self.weights.form
    }

    /// The matrix `weight` (outputs, inputs) of this scope where the checkpoint stores it in few bits; `None` where it does
    /// not.
    ///
    /// # Errors
    /// `Error::Checkpoint` for one that is not whole, has another shape or fits no number of bits.
    pub fn quantised(&self, [outputs, inputs]: [i64; 2]) -> Result<Option<Groups>> {
        if !self.has(NUMBERS) {
            return Ok(None);
        }
        let [numbers, scales] = [NUMBERS, SCALES].map(|name| self.bytes_of(name));
        let (numbers, scales) = (numbers?, scales?);
        let least = match self.has(LEAST) {
            true => self.bytes_of(LEAST)?,
            false => Vec::new(),
        };
        let bits = match least.is_empty() {
            true => Bits::Eight,
            false => Bits::Four,
        };
        let shape = [outputs, inputs].map(|size| size as usize);
        let words = |bytes: Vec<u8>| -> Vec<u16> {
            let pairs = bytes.as_chunks::<2>().0.iter();
            pairs.map(|pair| u16::from_le_bytes(*pair)).collect()
        };
        match Groups::stored(bits, shape, numbers, words(scales), words(least)) {
            Some(groups) => Ok(Some(groups)),
            None => {
                let (name, entry) = self.find(NUMBERS, None)?;
                Err(Error::checkpoint(
                    self.weights.path_of(entry),
                    format!(
                        "tensor '{name}' and its scales are not those of a matrix {shape:?} in groups of {group}",
                        group = bits.group(),
                    ),
                    "Make the folder again with the command that made it",
                ))
            }
        }
    }

    /// A tensor's bytes, whatever they are.
    fn bytes_of(&self, name: &str) -> Result<Vec<u8>> {
        let (name, entry) = self.find(name, None)?;
        let bytes = match &entry.place {
            Place::File { shard, stored } => {
                let shard = self.weights.shards.get(*shard);
                shard.map(|shard| shard.bytes(stored))
            }
            Place::Memory(_) => None,
        };
        entry.used.store(true, Ordering::Relaxed);
        bytes.ok_or_else(|| self.weights.missing(&name, None))
    }

    fn find(&self, name: &str, shape: Option<&[i64]>) -> Result<(String, &'a Entry)> {
        let name = format!("{prefix}{name}", prefix = self.prefix);
        match self.weights.entries.get(&name) {
            Some(entry) => Ok((name, entry)),
            None => Err(self.weights.missing(&name, shape)),
        }
    }

    fn take(&self, name: &str, entry: &Entry, placement: Placement) -> Result<Tensor> {
        let tensor = match &entry.place {
            Place::File { shard, stored } => match self.weights.shards.get(*shard) {
                Some(shard) => shard.read(name, stored, placement)?,
                None => return Err(self.weights.missing(name, None)),
            },
            Place::Memory(tensor) => tensor
                .f_to_device(placement.device)
                .and_then(|tensor| tensor.f_to_kind(placement.kind))
                .map_err(torch_error(format!("convert tensor '{name}'")))?,
        };
        entry.used.store(true, Ordering::Relaxed);
        Ok(tensor)
    }
}

/// What a matrix of few bits is stored as: its whole numbers, its scales and, of four bits, the groups' least weights.
pub const NUMBERS: &str = "weight_numbers";
/// See [`NUMBERS`].
pub const SCALES: &str = "weight_scales";
/// See [`NUMBERS`].
pub const LEAST: &str = "weight_least";

fn is_quantised(name: &str) -> bool {
    [NUMBERS, SCALES, LEAST]
        .iter()
        .any(|part| name.ends_with(part))
}

/// Whether a tensor is the matrix of a linear layer: those that are not are tables of embeddings.
pub fn is_linear(name: &str, shape: &[i64]) -> bool {
    shape.len() == 2 && name.ends_with(".weight") && !name.contains("embed")
}

/// Whether the files that `folder`'s weights consist of are there. Reads none of them.
///
/// # Errors
/// `Error::Checkpoint`, as [`Weights::open`] would give it.
pub fn present(folder: &Path) -> Result<()> {
    layout::find(folder).map(drop)
}

fn duplicate(path: &Path, first: Option<&Path>, name: &str) -> Error {
    let first = first
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    Error::checkpoint(
        path,
        format!("tensor '{name}' is in {first} as well"),
        "Nothing says which of the two is meant: remove the files of the other checkpoint from the folder",
    )
}

/// The first five names and how many more there are.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("'{name}'"))
        .collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
