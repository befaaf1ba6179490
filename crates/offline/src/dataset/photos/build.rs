//! The making of a data set from photos: they are listed, worked on by all threads, kept part by part, and joined at the end.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use spatial_reward_core::progress::{OnProgress, Progress, Unit};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::whole_folder::{Claim, put_in_place, recover};

use super::list::{Listed, listed};
use super::networks::Networks;
use super::parts::{Done, PHOTOS, Parts};
use super::sidecars::Reader;
use super::words;
use super::work::Workshop;
use crate::dataset::pictures::{DEPTH, IMAGES, METRIC};
use crate::dataset::rephrase::{Rephrase, Rephrased, Session};
use crate::dataset::tally::Tally;
use crate::dataset::target::{PROVENANCE, ROWS, check_target};
use crate::error::{Error, Result};
use crate::label::output::check_apart;
use crate::ordered::Ordered;

/// The rows in the form of the published file.
const PUBLISHED: &str = "published.json";
/// The scenes before anything is asked.
const SCENES: &str = "scenes.jsonl";
/// What is wrong with photos.
const ERRORS: &str = "errors.jsonl";

/// What to make of which photos.
#[derive(Debug, Clone, Copy)]
pub struct PhotosRequest<'a> {
    /// Photos, and folders of photos, in the order of their rows.
    pub sources: &'a [PathBuf],
    /// The folder to make.
    pub target: &'a Path,
    /// Replace it where it is there already, and begin anew where a run was ended.
    pub overwrite: bool,
    /// Go on where a run was ended.
    pub resume: bool,
    /// Of so many parts of the photos the part (from 1) to take.
    pub shard: Option<(usize, usize)>,
    /// The settings in force.
    pub settings: &'a Settings,
    /// A text of words to look for, where the user has one.
    pub vocabulary: Option<&'a str>,
    /// Asked where a file is not there.
    pub networks: Networks<'a>,
    /// What its depth is of, beside the settings: rows of two networks are not mixed.
    pub depth_model: Option<&'a str>,
    /// Who gives other words for what is asked, if anybody.
    pub rephrase: Option<Rephrase<'a>>,
    /// Every so manieth photo; at least 1.
    pub every: u64,
    /// What chance begins with: the same seed gives the same data set.
    pub seed: u64,
    /// Threads; at least one.
    pub jobs: usize,
    /// The command line, for the record.
    pub command: &'a str,
    /// Set from elsewhere to stop: what is done is kept.
    pub stop: &'a AtomicBool,
}

/// What came of it all; `dataset.json` is this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhotosReport {
    /// Of the program that made it.
    pub crate_version: String,
    /// The command line.
    pub command: String,
    /// Every so manieth photo.
    pub every: u64,
    /// What chance began with.
    pub seed: u64,
    /// The part, and of how many.
    pub shard: Option<(usize, usize)>,
    /// The settings of photos.
    pub photos: Value,
    /// Digest of the settings in force.
    pub config_digest: String,
    /// Over all photos; a photo is a frame.
    pub counts: Tally,
    /// Photos that are rows of `errors.jsonl`.
    pub errors: u64,
    /// What rephrasing gave and cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rephrased: Option<Rephrased>,
}

/// Make a data set of photos. What is wrong with one is a row of `errors.jsonl`, and the others go on.
///
/// # Errors
/// A target that cannot be written, `Error::NoRows`; `Error::Paused` on a stop and `Error::Endpoint` where nobody rephrases,
/// with what is done kept for `resume`.
pub fn build(request: &PhotosRequest<'_>, progress: OnProgress<'_>) -> Result<PhotosReport> {
    for source in request.sources {
        check_apart(request.target, source)?;
    }
    let _claim = Claim::take(request.target)?;
    recover(request.target)?;
    if request.resume
        && let Some(report) = finished(request.target)
    {
        let digest = request.settings.digest()?;
        let own = (report.config_digest.as_str(), report.seed, report.shard);
        let rephrased = report.rephrased.as_ref().map(|it| it.model.as_str());
        let is_same = own == (digest.as_str(), request.seed, request.shard)
            && rephrased == request.rephrase.map(|it| it.model);
        return is_same.then_some(report).ok_or_else(|| Error::OtherRun {
            path: request.target.into(),
        });
    }
    check_target(request.target, request.overwrite)?;
    let photos = of_shard(request)?;
    let folder = unfinished(request.target);
    let parts = begin(request, &folder, &photos)?;
    work(request, &folder, &parts, &photos, progress)?;
    let session = match request.rephrase {
        Some(rephrase) => Some(Session::open(rephrase, request.target, request.stop)?),
        None => None,
    };
    if let Some(session) = &session {
        ask(session, &parts, photos.len(), progress)?;
    }
    let report = join(request, &folder, &parts, photos.len(), session.as_ref())?;
    parts.remove()?;
    put_in_place(&folder, request.target)?;
    Ok(report)
}

/// The folder in which a data set grows, beside its own.
fn unfinished(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.unfinished"))
}

fn finished(target: &Path) -> Option<PhotosReport> {
    let text = fs::read_to_string(target.join(PROVENANCE)).ok()?;
    serde_json::from_str(&text).ok()
}

fn of_shard(request: &PhotosRequest<'_>) -> Result<Vec<Listed>> {
    let (part, of) = request.shard.unwrap_or((1, 1));
    let every = request.every.max(1) as usize;
    let taken = listed(request.sources)?
        .into_iter()
        .step_by(every)
        .enumerate();
    let taken = taken.filter(|(at, _)| at % of.max(1) + 1 == part);
    Ok(taken.map(|(_, photo)| photo).collect())
}

/// The folder to work in, as far as it was filled before.
fn begin(request: &PhotosRequest<'_>, folder: &Path, photos: &[Listed]) -> Result<Parts> {
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
        "names": names.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    });
    let other = || Error::OtherRun {
        path: folder.into(),
    };
    Parts::open(folder, &identity.to_string())?.ok_or_else(other)
}

fn work(
    request: &PhotosRequest<'_>,
    folder: &Path,
    parts: &Parts,
    photos: &[Listed],
    progress: OnProgress<'_>,
) -> Result<()> {
    let vocabulary = request.vocabulary.map(words::parse);
    let workshop = Workshop {
        folder,
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
        let is_last = number + 1 == photos.len();
        if begun.len() == PHOTOS || is_last {
            parts.keep(number / PHOTOS, &begun)?;
            begun.clear();
        }
        progress(Progress {
            subject: "",
            done: seen as f64,
            total: Some(photos.len() as f64),
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
        for (number, photo) in photos.iter().enumerate() {
            if request.stop.load(Ordering::Relaxed) {
                return Err(Error::Paused {
                    path: request.target.into(),
                });
            }
            if !parts.has(number / PHOTOS) {
                ordered.submit(number as i64, (number, photo), &mut take)?;
            }
        }
        ordered.finish(&mut take)
    })
}

/// Ask for other words for what all parts ask. They are done by then: nothing waits for an endpoint, and where it is away
/// nothing of them is lost.
fn ask(
    session: &Session<'_>,
    parts: &Parts,
    photos: usize,
    progress: OnProgress<'_>,
) -> Result<()> {
    for part in 0..photos.div_ceil(PHOTOS) {
        let done = parts.read(part)?;
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
fn join(
    request: &PhotosRequest<'_>,
    folder: &Path,
    parts: &Parts,
    photos: usize,
    session: Option<&Session<'_>>,
) -> Result<PhotosReport> {
    let mut lines = Lines::create(folder)?;
    let (mut counts, mut errors) = (Tally::default(), 0);
    for part in 0..photos.div_ceil(PHOTOS) {
        for done in parts.read(part)? {
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
        let reasons = counts
            .skipped_frames
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let first = fs::read_to_string(folder.join(ERRORS)).unwrap_or_default();
        let first = first
            .lines()
            .next()
            .map(|line| format!(". The first error: {line}"))
            .unwrap_or_default();
        // Nothing of it is worth going on from.
        fs::remove_dir_all(folder).map_err(|error| Error::output(folder, error))?;
        return Err(Error::NoRows {
            path: request.target.to_owned(),
            message: format!("not one of {photos} photos gave a row ({reasons}){first}"),
            remedy: None,
        });
    }
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

/// The files that grow line by line.
struct Lines {
    rows: BufWriter<File>,
    scenes: BufWriter<File>,
    errors: BufWriter<File>,
    published: BufWriter<File>,
    published_rows: u64,
    folder: PathBuf,
}

impl Lines {
    fn create(folder: &Path) -> Result<Self> {
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

    fn write(&mut self, done: &Done) -> Result<()> {
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

    fn finish(mut self) -> Result<()> {
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
