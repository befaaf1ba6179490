//! One safetensors file: mapped, its header checked before anything relies on it, its tensors copied out
//! in pieces whose pages are given back at once.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use tch::{Device, Kind, Tensor};

use super::placement::Placement;
use crate::error::{Error, Result};
use crate::nn::torch::torch_error;

/// The file begins with the header's length: 8 bytes, little endian.
const LENGTH_BYTES: usize = 8;
/// The format's own limit, so that a wrong file does not make us parse all of it.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Copied before its pages are given back.
const PIECE_BYTES: usize = 1 << 20;
/// Copied by one call on the CPU: fewer than libtorch shares out among threads, which on a busy machine
/// spend ten times as long waiting for each other as copying.
const SERIAL_ELEMENTS: usize = 32_000;
const FETCH_AGAIN: &str = "Copy or download the file again";

/// A mapped file.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    map: Mmap,
    /// Where the tensors' bytes begin in `map`.
    data_start: usize,
}

/// Where and how a tensor lies in its file.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its sizes.
    pub shape: Vec<i64>,
    dtype: Dtype,
    /// Bytes from the beginning of the tensors, end-exclusive.
    begin: usize,
    end: usize,
}

impl Stored {
    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        (self.end - self.begin) as u64
    }

    /// How many numbers it has.
    pub(super) fn elements(&self) -> u64 {
        // Exact for the types that can be read; the header was checked to agree with itself.
        (self.end - self.begin) as u64 * 8 / self.dtype.bitsize() as u64
    }
}

impl Shard {
    /// Maps the file and checks its header; reads no tensor.
    ///
    /// # Errors
    /// `Error::Checkpoint` for a file that is cut off, too long, or no safetensors file.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<(String, Stored)>)> {
        let broken = |what: String| Error::checkpoint(path, what, FETCH_AGAIN);
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("examine", path))?;
        if !metadata.is_file() {
            return Err(broken("not a file".into()));
        }
        if metadata.len() < LENGTH_BYTES as u64 {
            return Err(broken(format!(
                "cut off: {} bytes are too few for a safetensors header",
                metadata.len()
            )));
        }
        // SAFETY: the mapping is read-only and only ever read through slices that are copied at once. That
        // nobody changes the file meanwhile cannot be enforced; the module's documentation asks for it.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        let header = header(&map).map_err(broken)?;
        let data_start = LENGTH_BYTES + header.len();
        if let Some(name) = repeated_key(header) {
            return Err(Error::checkpoint(
                path,
                format!("the header has the tensor '{name}' twice"),
                "The program that wrote the file is at fault: write it again with another",
            ));
        }
        let metadata: Metadata = serde_json::from_slice(header)
            .map_err(|error| broken(format!("the safetensors header is broken: {error}")))?;
        check_length(&metadata, map.len() - data_start).map_err(broken)?;
        let tensors = stored(&metadata)
            .map_err(|name| broken(format!("tensor '{name}' has a dimension beyond all sizes")))?;
        let shard = Self {
            path: path.to_path_buf(),
            map,
            data_start,
        };
        Ok((shard, tensors))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies a tensor out, converted and on the wanted device.
    ///
    /// # Errors
    /// `Error::Checkpoint` for a type that no model weight has, `Error::Torch` if libtorch has no room.
    pub(super) fn read(&self, name: &str, stored: &Stored, placement: Placement) -> Result<Tensor> {
        let kind = self.kind(name, stored.dtype)?;
        let tensor = Tensor::f_empty(&stored.shape, (placement.kind, placement.device))
            .map_err(torch_error(format!("make room for tensor '{name}'")))?;
        let bytes_per_element = kind.elt_size_in_bytes();
        let bytes_per_call = match placement.device {
            Device::Cpu => SERIAL_ELEMENTS * bytes_per_element,
            _ => PIECE_BYTES,
        };
        let range = self.data_start + stored.begin..self.data_start + stored.end;
        let bytes = self.map.get(range).unwrap_or_default();
        let copy = || {
            let flat = tensor.f_view(-1)?;
            let mut element = 0;
            for piece in bytes.chunks(PIECE_BYTES) {
                for part in piece.chunks(bytes_per_call) {
                    let count = (part.len() / bytes_per_element) as i64;
                    // Copies the bytes, so it does not matter how they are aligned in the file.
                    let source = Tensor::f_from_data_size(part, &[count], kind)?;
                    flat.f_narrow(0, element, count)?.f_copy_(&source)?;
                    element += count;
                }
                self.release(piece);
            }
            Ok(())
        };
        if !bytes.is_empty() {
            copy().map_err(torch_error(format!("copy tensor '{name}'")))?;
        }
        Ok(tensor)
    }

    /// A tensor's bytes as they are stored.
    pub(super) fn bytes(&self, stored: &Stored) -> Vec<u8> {
        let range = self.data_start + stored.begin..self.data_start + stored.end;
        let bytes = self.map.get(range).unwrap_or_default();
        let mut copied = Vec::with_capacity(bytes.len());
        for piece in bytes.chunks(PIECE_BYTES) {
            copied.extend_from_slice(piece);
            self.release(piece);
        }
        copied
    }

    /// The type that a tensor is stored in.
    ///
    /// # Errors
    /// `Error::Checkpoint` for one that no model weight has.
    pub(super) fn kind_of(&self, name: &str, stored: &Stored) -> Result<Kind> {
        self.kind(name, stored.dtype)
    }

    fn kind(&self, name: &str, dtype: Dtype) -> Result<Kind> {
        match dtype {
            Dtype::F32 => Ok(Kind::Float),
            Dtype::F16 => Ok(Kind::Half),
            Dtype::BF16 => Ok(Kind::BFloat16),
            other => Err(Error::checkpoint(
                &self.path,
                format!(
                    "tensor '{name}' is stored as {other}, but weights are read as F32, F16 or BF16 only"
                ),
                "This checkpoint was quantised by another program: take the one it was made from",
            )),
        }
    }

    /// Gives back the pages of a piece that was copied, so that the mapping never counts as this process's
    /// memory for more than a few pieces.
    fn release(&self, piece: &[u8]) {
        #[cfg(unix)]
        {
            // Reading a page maps its neighbours too, also those behind it that were given back before.
            let start = piece.as_ptr().addr() - self.map.as_ptr().addr();
            let end = (start + piece.len() + PIECE_BYTES).min(self.map.len());
            let start = start.saturating_sub(PIECE_BYTES);
            // SAFETY: the mapping is of a file and read-only, so pages given back hold nothing that the file
            // does not, and come back from it when read again. Refusal costs memory, nothing else.
            let _ = unsafe {
                self.map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    start,
                    end - start,
                )
            };
        }
        #[cfg(not(unix))]
        let _ = piece;
    }
}

/// The JSON header's bytes, or what is wrong with the file's beginning.
fn header(bytes: &[u8]) -> std::result::Result<&[u8], String> {
    if bytes.starts_with(b"version https://git-lfs") {
        return Err("a git-lfs pointer, not the file itself: run `git lfs pull`".into());
    }
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err("cut off in the first 8 bytes".into());
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(format!(
            "no safetensors file: its first 8 bytes promise a header of {length} bytes"
        ));
    }
    let header = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length));
    header.ok_or_else(|| {
        format!(
            "cut off in its header: {length} bytes promised, {found} there",
            found = rest.len(),
        )
    })
}

/// A tensor's name that the header has twice; the parser behind `Metadata` would keep the last.
fn repeated_key(header: &[u8]) -> Option<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Option<String>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
            formatter.write_str("a map from names to tensors")
        }

        fn visit_map<A: MapAccess<'de>>(
            self,
            mut map: A,
        ) -> std::result::Result<Self::Value, A::Error> {
            let mut seen = HashSet::new();
            let mut repeated = None;
            while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(key.clone()) {
                    repeated.get_or_insert(key);
                }
            }
            Ok(repeated)
        }
    }
    // A header that is no map at all is reported by the parser that comes next.
    serde_json::Deserializer::from_slice(header)
        .deserialize_map(Keys)
        .ok()
        .flatten()
}

fn check_length(metadata: &Metadata, found: usize) -> std::result::Result<(), String> {
    let promised = metadata.data_len();
    match found.cmp(&promised) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(format!(
            "cut off: the header promises {promised} bytes of tensors, {found} are there"
        )),
        std::cmp::Ordering::Greater => Err(format!(
            "{surplus} bytes too long for its header",
            surplus = found - promised,
        )),
    }
}

/// Every tensor of the header by name; the name of one whose shape cannot be is the error.
fn stored(metadata: &Metadata) -> std::result::Result<Vec<(String, Stored)>, String> {
    let mut tensors = Vec::new();
    for (name, info) in metadata.tensors() {
        let shape: std::result::Result<Vec<i64>, _> =
            info.shape.iter().map(|&size| i64::try_from(size)).collect();
        let Ok(shape) = shape else {
            return Err(name);
        };
        let (begin, end) = info.data_offsets;
        let stored = Stored {
            shape,
            dtype: info.dtype,
            begin,
            end,
        };
        tensors.push((name, stored));
    }
    // By name, so that of several faults the same one is reported every time.
    tensors.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(tensors)
}
