//! What is done of a run, as it is kept until all is: a file for some photos in a row, there whole or not at all, so that a
//! run that was ended goes on where it was.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dataset::tally::Tally;
use crate::error::{Error, Result};

/// Photos in one file.
pub(super) const PHOTOS: usize = 32;
/// The folder of the files.
const FOLDER: &str = "parts";
/// What the run is of.
const RUN: &str = "run.json";

/// What came of one photo.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// A line of `dataset.jsonl`.
    pub row: Option<String>,
    /// A row of `published.json`.
    pub published: Option<String>,
    /// A line of `scenes.jsonl`.
    pub scene: Option<String>,
    /// A line of `errors.jsonl`.
    pub error: Option<String>,
    /// Its counts.
    pub tally: Tally,
}

/// The kept parts of a run.
#[derive(Debug)]
pub(super) struct Parts {
    folder: PathBuf,
}

impl Parts {
    /// Those in a data set's folder, of a run that is `identity`. `None` if the folder has those of another run.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(super) fn open(data_set: &Path, identity: &str) -> Result<Option<Self>> {
        let folder = data_set.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|error| Error::output(&folder, error))?;
        let run = folder.join(RUN);
        match fs::read_to_string(&run) {
            Ok(known) => Ok((known == identity).then_some(Self { folder })),
            Err(_) => {
                write_whole(&run, identity.as_bytes())?;
                Ok(Some(Self { folder }))
            }
        }
    }

    /// Those of a run that was begun, as [`open`](Self::open) tells of them.
    ///
    /// # Errors
    /// `Error::Core` where none was.
    pub(super) fn begun(data_set: &Path, identity: &str) -> Result<Option<Self>> {
        let folder = data_set.join(FOLDER);
        let run = folder.join(RUN);
        let known = fs::read_to_string(&run).map_err(Error::io("read", &run))?;
        Ok((known == identity).then_some(Self { folder }))
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A part's file.
    pub(super) fn path(&self, part: usize) -> PathBuf {
        self.folder.join(format!("{part:08}.jsonl"))
    }

    /// Whether a part is done.
    pub(super) fn has(&self, part: usize) -> bool {
        self.path(part).is_file()
    }

    /// Keep a part.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(super) fn keep(&self, part: usize, done: &[Done]) -> Result<()> {
        let path = self.path(part);
        let mut bytes = Vec::new();
        for one in done {
            serde_json::to_writer(&mut bytes, one).map_err(|error| Error::output(&path, error))?;
            bytes.push(b'\n');
        }
        write_whole(&path, &bytes)
    }

    /// What came of the photos of a part, in order.
    ///
    /// # Errors
    /// `Error::Output` for a part that does not read.
    pub(super) fn read(&self, part: usize) -> Result<Vec<Done>> {
        let path = self.path(part);
        let file = File::open(&path).map_err(|error| Error::output(&path, error))?;
        let line = |line: std::io::Result<String>| {
            let line = line.map_err(|error| Error::output(&path, error))?;
            serde_json::from_str(&line).map_err(|error| Error::output(&path, error))
        };
        BufReader::new(file).lines().map(line).collect()
    }

    /// Take them away.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(super) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).map_err(|error| Error::output(&self.folder, error))
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let begun = path.with_extension("begun");
    let written = File::create(&begun).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&begun, path));
    moved.map_err(|error| Error::output(path, error))
}
