//! A run from its list of photos to the finished folder: it is begun by one process, its parts are made by that one or by
//! others, and the one joins them in order.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use spatial_reward_core::digest;
use spatial_reward_core::progress::{OnProgress, Progress, Unit};
use spatial_reward_core::whole_folder::{Claim, put_in_place, recover};

use super::lines::{ERRORS, Lines};
use super::list::Listed;
use super::making::{Making, identity, of_shard, unfinished};
use super::parts::{Done, PHOTOS, Parts};
use super::request::{PhotosReport, PhotosRequest};
use crate::dataset::pictures::{DEPTH, IMAGES, METRIC};
use crate::dataset::rephrase::Session;
use crate::dataset::tally::Tally;
use crate::dataset::target::{PROVENANCE, check_target};
use crate::error::{Error, Result};
use crate::label::output::check_apart;

/// What there is of a data set when a run for it begins.
pub enum Begun {
    /// All.
    Finished(Box<PhotosReport>),
    /// Parts, or none yet.
    Open(Run),
}

/// A run that is not finished. While it lives, no other process begins or joins the same.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    identity: String,
    photos: Vec<Listed>,
    parts: Parts,
    _claim: Claim,
}

impl Run {
    /// Begin, or go on where a run was ended.
    ///
    /// # Errors
    /// A target that cannot be written, or that another process is at work on; `Error::OtherRun` for one of something else.
    pub fn begin(request: &PhotosRequest<'_>) -> Result<Begun> {
        for source in request.sources {
            check_apart(request.target, source)?;
        }
        let claim = Claim::take(request.target)?;
        recover(request.target)?;
        let photos = of_shard(request)?;
        let identity = identity(request, &photos)?;
        if request.resume
            && let Some(report) = finished(request.target)
        {
            let rephrased = report.rephrased.as_ref().map(|it| it.model.as_str());
            let is_same = report.identity == digest::sha256(identity.as_bytes())
                && rephrased == request.rephrase.map(|it| it.model);
            return match is_same {
                true => Ok(Begun::Finished(Box::new(report))),
                false => Err(Error::OtherRun {
                    path: request.target.into(),
                }),
            };
        }
        check_target(request.target, request.overwrite)?;
        let folder = unfinished(request.target);
        let parts = prepare(request, &folder, &identity)?;
        Ok(Begun::Open(Self {
            folder,
            identity,
            photos,
            parts,
            _claim: claim,
        }))
    }

    /// Where its parts are kept until they are joined.
    pub fn parts_folder(&self) -> &Path {
        self.parts.folder()
    }

    /// How many photos it is of.
    pub fn photos(&self) -> usize {
        self.photos.len()
    }

    /// The parts that are to be made, each with the numbers of its photos, from 0.
    pub fn missing(&self) -> Vec<(usize, Range<usize>)> {
        let photos = self.photos.len();
        let all = (0..photos.div_ceil(PHOTOS)).filter(|part| !self.parts.has(*part));
        let with_photos = all.map(|part| (part, part * PHOTOS..photos.min((part + 1) * PHOTOS)));
        with_photos.collect()
    }

    /// Make all that is missing, in this process.
    ///
    /// # Errors
    /// `Error::Output`; `Error::Paused` on a stop.
    pub(super) fn make_all(
        &self,
        request: &PhotosRequest<'_>,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let making = Making {
            request,
            folder: &self.folder,
            parts: &self.parts,
            photos: &self.photos,
        };
        let missing: Vec<usize> = self.missing().into_iter().map(|(part, _)| part).collect();
        making.make(&missing, progress)
    }

    /// Make the data set of the parts, of which none is missing: ask for other words where that is wanted, and give the
    /// folder its name.
    ///
    /// # Errors
    /// `Error::Output`, `Error::NoRows`; `Error::Paused` on a stop and `Error::Endpoint` where nobody rephrases, with what is
    /// done kept for `resume`.
    pub fn join(
        self,
        request: &PhotosRequest<'_>,
        progress: OnProgress<'_>,
    ) -> Result<PhotosReport> {
        let session = match request.rephrase {
            Some(rephrase) => Some(Session::open(rephrase, request.target, request.stop)?),
            None => None,
        };
        if let Some(session) = &session {
            self.ask(session, progress)?;
        }
        let report = self.joined(request, session.as_ref())?;
        self.parts.remove()?;
        put_in_place(&self.folder, request.target)?;
        Ok(report)
    }

    /// Ask for other words for what all parts ask. They are done by then: nothing waits for an endpoint, and where it is away
    /// nothing of them is lost.
    fn ask(&self, session: &Session<'_>, progress: OnProgress<'_>) -> Result<()> {
        let photos = self.photos.len();
        for part in 0..photos.div_ceil(PHOTOS) {
            let done = self.parts.read(part)?;
            session.ask(done.iter().filter_map(|done| done.row.as_deref()))?;
            progress(Progress {
                subject: "rephrasing",
                done: photos.min((part + 1) * PHOTOS) as f64,
                total: Some(photos as f64),
                unit: Unit::Photos,
                figure: Some(("requests", session.counts().requests as f64)),
            });
        }
        Ok(())
    }

    /// The files of the data set, from all parts in order; a photo's questions in other words behind those of the templates.
    fn joined(
        &self,
        request: &PhotosRequest<'_>,
        session: Option<&Session<'_>>,
    ) -> Result<PhotosReport> {
        let mut lines = Lines::create(&self.folder)?;
        let (mut counts, mut errors) = (Tally::default(), 0);
        for part in 0..self.photos.len().div_ceil(PHOTOS) {
            for done in self.parts.read(part)? {
                counts.add(&done.tally);
                errors += u64::from(done.error.is_some());
                lines.write(&done)?;
                if let (Some(session), Some(row)) = (session, &done.row)
                    && let Some(reworded) = session.reworded(row)?
                {
                    lines.write(&Done {
                        row: Some(reworded.row),
                        published: Some(reworded.published),
                        ..Done::default()
                    })?;
                }
            }
        }
        lines.finish()?;
        if counts.rows == 0 {
            return Err(self.without_rows(request, &counts));
        }
        let folder = self.folder.as_path();
        let photos =
            serde_json::to_value(&request.settings.photos).map_err(|e| Error::output(folder, e))?;
        let report = PhotosReport {
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: request.command.to_owned(),
            every: request.every,
            seed: request.seed,
            shard: request.shard,
            photos,
            config_digest: request.settings.digest()?,
            identity: digest::sha256(self.identity.as_bytes()),
            counts,
            errors,
            rephrased: session.map(Session::counts),
        };
        let path = folder.join(PROVENANCE);
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| Error::output(&path, error))?;
        fs::write(&path, text + "\n").map_err(|error| Error::output(&path, error))?;
        Ok(report)
    }

    /// Why there is no data set, of which nothing is worth going on from.
    fn without_rows(&self, request: &PhotosRequest<'_>, counts: &Tally) -> Error {
        let reasons = counts.skipped_frames.iter();
        let reasons = reasons.map(|(reason, count)| format!("{reason} {count}"));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let first = fs::read_to_string(self.folder.join(ERRORS)).unwrap_or_default();
        let first = first
            .lines()
            .next()
            .map(|line| format!(". The first error: {line}"))
            .unwrap_or_default();
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            return Error::output(&self.folder, error);
        }
        let photos = self.photos.len();
        Error::NoRows {
            path: request.target.to_owned(),
            message: format!("not one of {photos} photos gave a row ({reasons}){first}"),
            remedy: None,
        }
    }
}

fn finished(target: &Path) -> Option<PhotosReport> {
    let text = fs::read_to_string(target.join(PROVENANCE)).ok()?;
    serde_json::from_str(&text).ok()
}

/// The folder to work in, as far as it was filled before.
fn prepare(request: &PhotosRequest<'_>, folder: &Path, identity: &str) -> Result<Parts> {
    if folder.is_dir() && !request.resume {
        if !request.overwrite {
            return Err(Error::OutputExists {
                path: folder.into(),
                can_resume: true,
            });
        }
        fs::remove_dir_all(folder).map_err(|error| Error::output(folder, error))?;
    }
    for name in [IMAGES, DEPTH, METRIC] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|error| Error::output(&path, error))?;
    }
    Parts::open(folder, identity)?.ok_or_else(|| Error::OtherRun {
        path: folder.into(),
    })
}
