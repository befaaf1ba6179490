//! The digest that tells one checkpoint from another.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use spatial_reward_core::digest::hex;

/// The folders of a checkpoint; the empty one is its top.
const PARTS: [&str; 5] = [
    "",
    "llm",
    "mm_projector",
    "region_extractor",
    "vision_tower",
];

/// SHA-256, in hex, over the names and contents of a checkpoint's JSON, tokenizer and weight files.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn of_folder(folder: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for part in PARTS {
        let folder = folder.join(part);
        if !folder.is_dir() {
            continue;
        }
        let entries = std::fs::read_dir(&folder).map_err(Error::io("list", &folder))?;
        let mut files: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file() && belongs(path))
            .collect();
        files.sort();
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            hasher.update(format!("{part}/{name}\0").as_bytes());
            let mut file = File::open(&path).map_err(Error::io("open", &path))?;
            loop {
                let count = file.read(&mut buffer).map_err(Error::io("read", &path))?;
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
            }
        }
    }
    Ok(hex(&hasher.finalize()))
}

fn belongs(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("json" | "safetensors" | "model"))
}
