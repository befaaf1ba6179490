//! The files of a data set of photos that grow line by line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::parts::Done;
use crate::dataset::target::ROWS;
use crate::error::{Error, Result};

/// The rows in the form of the published file.
const PUBLISHED: &str = "published.json";
/// The scenes before anything is asked.
const SCENES: &str = "scenes.jsonl";
/// What is wrong with photos.
pub(super) const ERRORS: &str = "errors.jsonl";

/// The files that grow line by line.
pub(super) struct Lines {
    rows: BufWriter<File>,
    scenes: BufWriter<File>,
    errors: BufWriter<File>,
    published: BufWriter<File>,
    published_rows: u64,
    folder: PathBuf,
}

impl Lines {
    /// Begin them in a folder.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let file = |name: &str| {
            let path = folder.join(name);
            let file = File::create(&path).map_err(|error| Error::output(&path, error));
            file.map(BufWriter::new)
        };
        Ok(Self {
            rows: file(ROWS)?,
            scenes: file(SCENES)?,
            errors: file(ERRORS)?,
            published: file(PUBLISHED)?,
            published_rows: 0,
            folder: folder.to_owned(),
        })
    }

    /// What came of a photo.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(super) fn write(&mut self, done: &Done) -> Result<()> {
        let cannot = |error: std::io::Error| Error::output(&self.folder, error);
        for (file, line) in [
            (&mut self.rows, &done.row),
            (&mut self.scenes, &done.scene),
            (&mut self.errors, &done.error),
        ] {
            if let Some(line) = line {
                writeln!(file, "{line}").map_err(cannot)?;
            }
        }
        if let Some(row) = &done.published {
            let before = if self.published_rows == 0 {
                "[\n"
            } else {
                ",\n"
            };
            write!(self.published, "{before}{row}").map_err(cannot)?;
            self.published_rows += 1;
        }
        Ok(())
    }

    /// End them.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(super) fn finish(mut self) -> Result<()> {
        let end = if self.published_rows == 0 {
            "[]\n"
        } else {
            "\n]\n"
        };
        let ended = self.published.write_all(end.as_bytes());
        let files = [
            &mut self.rows,
            &mut self.scenes,
            &mut self.errors,
            &mut self.published,
        ];
        let flushed = files.into_iter().try_for_each(Write::flush);
        ended
            .and(flushed)
            .map_err(|error| Error::output(&self.folder, error))
    }
}
