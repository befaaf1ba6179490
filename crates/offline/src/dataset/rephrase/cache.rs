//! What a model said, by what was asked: a line each in a file beside the data set, appended at once. A run that is killed
//! loses the line that it writes, which the next one passes over.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reply::Worded;
use crate::error::{Error, Result};

/// What came of asking about a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Other words for it; none where all tries were refused.
    #[serde(flatten)]
    pub worded: Option<Worded>,
    /// Why the last try was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Of all tries, as the endpoint counts.
    pub prompt_tokens: u64,
    /// The same.
    pub completion_tokens: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    kept: Kept,
}

/// The file, and what it holds.
#[derive(Debug)]
pub(super) struct Cache {
    known: BTreeMap<String, Kept>,
    file: File,
    path: PathBuf,
}

impl Cache {
    /// Read what is there and go on behind it.
    ///
    /// # Errors
    /// `Error::Core` for a file that cannot be read or written.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let lines = bytes.split(|byte| *byte == b'\n');
        let known = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        let known = known.map(|line| (line.key, line.kept)).collect();
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(path);
        let mut file = file.map_err(|error| Error::output(path, error))?;
        if bytes.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n")
                .map_err(|error| Error::output(path, error))?;
        }
        Ok(Self {
            known,
            file,
            path: path.to_owned(),
        })
    }

    /// What is known.
    pub(super) fn get(&self, key: &str) -> Option<&Kept> {
        self.known.get(key)
    }

    /// Keep what was said.
    ///
    /// # Errors
    /// `Error::Core` for a file that cannot be written.
    pub(super) fn keep(&mut self, key: &str, kept: Kept) -> Result<()> {
        let cannot = |error: std::io::Error| Error::output(&self.path, error);
        let line = Line {
            key: key.to_owned(),
            kept,
        };
        let mut bytes =
            serde_json::to_vec(&line).map_err(|error| Error::output(&self.path, error))?;
        bytes.push(b'\n');
        // One call a line: whoever reads it meanwhile sees all of it or its beginning.
        self.file.write_all(&bytes).map_err(cannot)?;
        self.known.insert(line.key, line.kept);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(question: &str) -> Kept {
        Kept {
            worded: Some(Worded {
                question: question.into(),
                answer: "4.87 inches".into(),
            }),
            refused: None,
            prompt_tokens: 7,
            completion_tokens: 2,
        }
    }

    #[test]
    fn a_line_that_was_cut_is_passed_over_and_the_file_goes_on_behind_it() {
        // Given what was kept, of which the last line is cut, and one that was refused
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.jsonl");
        let refused = Kept {
            worded: None,
            refused: Some("tags".into()),
            ..kept("")
        };
        let mut cache = Cache::open(&path).unwrap();
        cache.keep("a", kept("How far?")).unwrap();
        cache.keep("b", refused.clone()).unwrap();
        cache.keep("c", kept("How wide?")).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        // When it is opened again and goes on
        let mut cache = Cache::open(&path).unwrap();
        assert_eq!(cache.get("c"), None);
        cache.keep("d", kept("How tall?")).unwrap();
        // Then all whole lines are there
        let cache = Cache::open(&path).unwrap();
        assert_eq!(cache.get("a"), Some(&kept("How far?")));
        assert_eq!(cache.get("b"), Some(&refused));
        assert_eq!(cache.get("d"), Some(&kept("How tall?")));
        assert_eq!(cache.get("c"), None);
    }
}
