//! The making of parts of a run: by all threads of this process, kept one by one. Whose run it is matters to nobody here: a
//! process that began it makes all that is missing, and others make those that they are given.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use spatial_reward_core::digest;
use spatial_reward_core::progress::{OnProgress, Progress, Unit};
use spatial_reward_core::whole_folder::Claim;

use super::list::{Listed, listed};
use super::parts::{Done, PHOTOS, Parts};
use super::request::PhotosRequest;
use super::sidecars::Reader;
use super::words;
use super::work::Workshop;
use crate::error::{Error, Result};
use crate::ordered::Ordered;

/// What came of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Photos in it.
    pub photos: u64,
    /// Those that gave a row.
    pub rows: u64,
    /// Those that are rows of `errors.jsonl`.
    pub errors: u64,
}

/// Makes parts of a run that another process has begun, on this machine or on another one that sees its folder.
#[derive(Debug)]
pub struct PartMaker {
    folder: PathBuf,
    photos: Vec<Listed>,
    parts: Parts,
}

impl PartMaker {
    /// For the run of this request.
    ///
    /// # Errors
    /// `Error::Core` where no such run is begun; `Error::OtherRun` where it is one of other photos, settings or of another
    /// seed, and so where other photos are seen from here.
    pub fn open(request: &PhotosRequest<'_>) -> Result<Self> {
        let folder = unfinished(request.target);
        let photos = of_shard(request)?;
        let parts = Parts::begun(&folder, &identity(request, &photos)?)?;
        let parts = parts.ok_or_else(|| Error::OtherRun {
            path: folder.clone(),
        })?;
        Ok(Self {
            folder,
            photos,
            parts,
        })
    }

    /// Make a part, unless it is made. One process at a time does: one that was taken for dead may still be at work on it.
    ///
    /// # Errors
    /// `Error::Core` where another process has it, or a picture cannot be written; `Error::Paused` on a stop.
    pub fn make(&self, request: &PhotosRequest<'_>, part: usize) -> Result<Made> {
        let _claim = Claim::take(&self.parts.path(part))?;
        if !self.parts.has(part) {
            let making = Making {
                request,
                folder: &self.folder,
                parts: &self.parts,
                photos: &self.photos,
            };
            making.make(&[part], &mut |_| {})?;
        }
        let done = self.parts.read(part)?;
        Ok(Made {
            photos: done.len() as u64,
            rows: done.iter().map(|done| done.tally.rows).sum(),
            errors: done.iter().filter(|done| done.error.is_some()).count() as u64,
        })
    }
}

/// A run's photos and where its parts are kept.
pub(super) struct Making<'a> {
    pub request: &'a PhotosRequest<'a>,
    /// The data set as it grows.
    pub folder: &'a Path,
    pub parts: &'a Parts,
    /// All of the run.
    pub photos: &'a [Listed],
}

impl Making<'_> {
    /// Make these parts, in order.
    ///
    /// # Errors
    /// `Error::Output`; `Error::Paused` on a stop.
    pub(super) fn make(&self, wanted: &[usize], progress: OnProgress<'_>) -> Result<()> {
        let request = self.request;
        let vocabulary = request.vocabulary.map(words::parse);
        let workshop = Workshop {
            folder: self.folder,
            photos: &request.settings.photos,
            reader: Reader {
                networks: request.networks,
                vocabulary: vocabulary.as_deref(),
                max_depth_m: request.settings.photos.max_depth_m,
            },
            seed: request.seed,
        };
        let (mut seen, mut rows, mut begun) = (0_usize, 0_u64, Vec::new());
        let mut take = |(number, done): (usize, Done)| {
            seen += 1;
            rows += done.tally.rows;
            begun.push(done);
            let is_last = number + 1 == self.photos.len();
            if begun.len() == PHOTOS || is_last {
                self.parts.keep(number / PHOTOS, &begun)?;
                begun.clear();
            }
            progress(Progress {
                subject: "",
                done: seen as f64,
                total: Some(self.photos.len() as f64),
                unit: Unit::Photos,
                figure: Some(("rows", rows as f64)),
            });
            Ok(())
        };
        thread::scope(|scope| {
            let mut ordered =
                Ordered::start(scope, request.jobs, |(number, photo): (usize, &Listed)| {
                    Ok((number, workshop.work(photo)?))
                });
            for part in wanted {
                let photos = self.photos.iter().enumerate();
                for (number, photo) in photos.skip(part * PHOTOS).take(PHOTOS) {
                    if request.stop.load(Ordering::Relaxed) {
                        return Err(Error::Paused {
                            path: request.target.into(),
                        });
                    }
                    ordered.submit(number as i64, (number, photo), &mut take)?;
                }
            }
            ordered.finish(&mut take)
        })
    }
}

/// The folder in which a data set grows, beside its own.
pub(super) fn unfinished(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.unfinished"))
}

/// The photos that are taken, in the order of their rows.
///
/// # Errors
/// `Error::Core` for a folder that cannot be read.
pub(super) fn of_shard(request: &PhotosRequest<'_>) -> Result<Vec<Listed>> {
    let (part, of) = request.shard.unwrap_or((1, 1));
    let every = request.every.max(1) as usize;
    let taken = listed(request.sources)?
        .into_iter()
        .step_by(every)
        .enumerate();
    let taken = taken.filter(|(at, _)| at % of.max(1) + 1 == part);
    Ok(taken.map(|(_, photo)| photo).collect())
}

/// What a run is of: parts of two that differ in it are not joined.
///
/// # Errors
/// `Error::Core` for settings without a digest.
pub(super) fn identity(request: &PhotosRequest<'_>, photos: &[Listed]) -> Result<String> {
    let mut names = Sha256::new();
    for photo in photos {
        names.update(photo.name.as_bytes());
        names.update([0]);
    }
    let identity = json!({
        "config_digest": request.settings.digest()?,
        "vocabulary": request.vocabulary,
        "depth_model": request.depth_model,
        "seed": request.seed,
        "photos": photos.len(),
        "names": digest::hex(&names.finalize()),
    });
    Ok(identity.to_string())
}
