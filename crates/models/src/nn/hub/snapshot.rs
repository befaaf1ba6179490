//! Which of a repository's files make up a model: what to download, and what a cached snapshot lacks.

use std::fs;
use std::path::Path;

use super::failure::hub_error;
use crate::error::Result;
use crate::nn::weights;

/// The folders of a composite model, and the key of the top `config.json` that tells of each.
const PARTS: [(&str, &str); 4] = [
    ("llm", "llm_cfg"),
    ("vision_tower", "vision_tower_cfg"),
    ("mm_projector", "mm_projector_cfg"),
    ("region_extractor", "region_extractor_cfg"),
];

/// What a single model may have beside its weights: how pictures are prepared, and its tokenizer.
const BESIDE: [&str; 9] = [
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
];

/// The files to download out of those a repository has. A repository with a folder `llm` is a composite
/// model; any other is a single one (Depth Anything, OWLv2), whose files lie at the top.
///
/// # Errors
/// `Error::Hub` if there is no `config.json`, or no safetensors file where weights belong.
pub(super) fn needed<'a>(model: &str, files: &'a [String]) -> Result<Vec<&'a str>> {
    let composite = files.iter().any(|file| file.starts_with("llm/"));
    let needed: Vec<&str> = files
        .iter()
        .map(String::as_str)
        .filter(|file| match file.split_once('/') {
            None => {
                let of_a_single_model = BESIDE.contains(file)
                    || file.ends_with(".safetensors")
                    || file.ends_with(".safetensors.index.json");
                *file == "config.json" || (!composite && of_a_single_model)
            }
            Some((folder, name)) => {
                let kinds = [".json", ".model", ".safetensors"];
                composite
                    && PARTS.iter().any(|(part, _)| *part == folder)
                    && !name.contains(['/', '\\'])
                    && kinds.iter().any(|kind| name.ends_with(kind))
            }
        })
        .collect();
    if !needed.contains(&"config.json") {
        return Err(hub_error(
            model,
            "the repository has no config.json at its top",
            "Give the id of a SpatialRGPT or Depth Anything model in the layout that it was published in",
        ));
    }
    let folders = PARTS.iter().map(|(part, _)| *part);
    let folders: Vec<&str> = if composite {
        folders
            .filter(|part| needed.iter().any(|file| folder(file) == *part))
            .collect()
    } else {
        vec![""]
    };
    let bare = folders.into_iter().find(|part| {
        !needed
            .iter()
            .any(|file| folder(file) == *part && file.ends_with(".safetensors"))
    });
    match bare {
        None => Ok(needed),
        Some(part) => Err(hub_error(
            model,
            &format!("the repository has no safetensors weights in '{part}/'"),
            "Take a variant with safetensors files, or download it yourself and convert its pickled weights",
        )),
    }
}

fn folder(file: &str) -> &str {
    file.split_once('/').map_or("", |(folder, _)| folder)
}

/// What a snapshot lacks to be loaded, if anything.
pub(super) fn gap(snapshot: &Path) -> Option<String> {
    let config = fs::read(snapshot.join("config.json")).ok();
    let config: Option<serde_json::Value> =
        config.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(config) = config else {
        return Some("a readable config.json".into());
    };
    let parts: Vec<&str> = PARTS
        .iter()
        .filter(|(_, key)| config.get(key).is_some_and(|value| !value.is_null()))
        .map(|(part, _)| *part)
        .collect();
    let parts = if parts.is_empty() { vec![""] } else { parts };
    parts.into_iter().find_map(|part| {
        let error = weights::present(&snapshot.join(part)).err()?;
        Some(format!("weights ({error})"))
    })
}
