//! Which safetensors files of a folder hold a part's tensors, as `save_pretrained` lays them out: one
//! file, or shards that an index names. The index's promises are checked against the shards.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const FETCH_AGAIN: &str =
    "The checkpoint is not complete: copy or download it again, with every file of its folder";

/// The files to open, in a fixed order, and what an index promises of them.
pub(super) struct Layout {
    /// In the order in which they are read.
    pub files: Vec<PathBuf>,
    index: Option<Index>,
}

struct Index {
    path: PathBuf,
    /// Tensor name to file name.
    weight_map: BTreeMap<String, String>,
}

/// Finds the files of `folder`.
///
/// # Errors
/// `Error::Checkpoint` if there are none, several without an index, or fewer than the index names.
pub(super) fn find(folder: &Path) -> Result<Layout> {
    let single = folder.join(SINGLE);
    if single.exists() {
        return Ok(Layout {
            files: vec![single],
            index: None,
        });
    }
    let index = folder.join(INDEX);
    if index.exists() {
        return sharded(folder, index);
    }
    let names = file_names(folder)?;
    let mut files: Vec<&String> = names
        .iter()
        .filter(|name| has_extension(name, "safetensors"))
        .collect();
    match (files.pop(), files.is_empty()) {
        (Some(only), true) => Ok(Layout {
            files: vec![folder.join(only)],
            index: None,
        }),
        (Some(_), false) => Err(Error::checkpoint(
            folder,
            format!(
                "{count} safetensors files, but no {INDEX} that says what is in which",
                count = files.len() + 1,
            ),
            format!("Add the index from where the files came from, or join them into one {SINGLE}"),
        )),
        (None, _) => Err(no_weights(folder, &names)),
    }
}

fn sharded(folder: &Path, path: PathBuf) -> Result<Layout> {
    #[derive(Deserialize)]
    struct File {
        weight_map: BTreeMap<String, String>,
    }
    let text = fs::read(&path).map_err(Error::io("read", &path))?;
    let file: File = serde_json::from_slice(&text).map_err(|error| {
        Error::checkpoint(&path, format!("no index of shards: {error}"), FETCH_AGAIN)
    })?;
    let names: BTreeSet<&String> = file.weight_map.values().collect();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        // An index comes from strangers: it may name files of its own folder only.
        let mut components = Path::new(name).components();
        if !matches!(
            (components.next(), components.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Err(Error::checkpoint(
                &path,
                format!("names the shard '{name}', which is no file of this folder"),
                "Do not trust this checkpoint: take it from its publisher",
            ));
        }
        let shard = folder.join(name);
        if !shard.is_file() {
            let promised = file.weight_map.values().filter(|other| *other == name);
            return Err(Error::checkpoint(
                &path,
                format!(
                    "the shard {name} with {count} tensors is not there",
                    count = promised.count(),
                ),
                FETCH_AGAIN,
            ));
        }
        files.push(shard);
    }
    if files.is_empty() {
        return Err(Error::checkpoint(&path, "names no shards", FETCH_AGAIN));
    }
    Ok(Layout {
        files,
        index: Some(Index {
            path,
            weight_map: file.weight_map,
        }),
    })
}

impl Layout {
    /// Checks the tensors found, given as name and file, against the index.
    ///
    /// # Errors
    /// `Error::Checkpoint` if a shard lacks a tensor that the index promises in it.
    pub(super) fn check<'a>(&self, found: impl Iterator<Item = (&'a str, &'a Path)>) -> Result<()> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        let found: BTreeMap<&str, &Path> = found.collect();
        for (name, file) in &index.weight_map {
            let actual = found.get(name.as_str()).and_then(|path| path.file_name());
            if actual != Some(OsStr::new(file)) {
                let actual = actual.map_or_else(
                    || "no shard has it".into(),
                    |actual| format!("it is in {}", actual.to_string_lossy()),
                );
                return Err(Error::checkpoint(
                    &index.path,
                    format!("promises tensor '{name}' in {file}, but {actual}"),
                    "The index and the shards are of different versions: take all of them from one",
                ));
            }
        }
        Ok(())
    }
}

fn no_weights(folder: &Path, names: &[String]) -> Error {
    let pickled = names
        .iter()
        .find(|name| ["bin", "pth", "pt"].iter().any(|e| has_extension(name, e)));
    match pickled {
        Some(name) => Error::checkpoint(
            folder,
            format!(
                "weights in PyTorch's pickle format only ({name}), which can run code when read"
            ),
            format!(
                "Convert every such file where you trust it: python -c \"import torch; from \
                 safetensors.torch import save_file; t = torch.load('{name}', map_location='cpu', \
                 weights_only=True); save_file({{k: v.clone().contiguous() for k, v in t.items()}}, \
                 '{stem}.safetensors')\"; one file is then found by any name, several need {INDEX}",
                stem = Path::new(name)
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy(),
            ),
        ),
        None => Error::checkpoint(
            folder,
            format!("no weights: neither {SINGLE} nor {INDEX}"),
            FETCH_AGAIN,
        ),
    }
}

/// The folder's file names, sorted.
fn file_names(folder: &Path) -> Result<Vec<String>> {
    if !folder.is_dir() {
        return Err(Error::checkpoint(folder, "no such folder", FETCH_AGAIN));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension() == Some(OsStr::new(extension))
}
