//! A whole run: bags read one after the other on this thread, their frames worked on by others, lines
//! written in the bags' order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame_work::{Finished, Piece};
use super::pictures::{DEPTH, IMAGES, METRIC};
use super::report::{BagReport, BagStatus, Report};
use super::request::DatasetRequest;
use super::scene::MAX_POINTS;
use super::source::{Drawn, Source};
use super::tally::Tally;
use super::target::{PROVENANCE, ROWS};
use crate::error::{Error, Result};
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::progress::{OnProgress, Progress, Unit};

/// Takes a frame, with its stamp, to be worked on.
type Submit<'a> = &'a mut dyn FnMut(i64, Piece) -> Result<()>;

/// The bags, as they are read.
pub(crate) struct Reading<'a> {
    request: &'a DatasetRequest<'a>,
    taken: BTreeSet<String>,
    /// What became of those that were read, but for their counts.
    pub bags: Vec<BagReport>,
}

impl<'a> Reading<'a> {
    /// Before the first bag.
    pub(crate) fn new(request: &'a DatasetRequest<'a>) -> Self {
        Self {
            request,
            taken: BTreeSet::new(),
            bags: Vec::new(),
        }
    }

    /// Read all bags and submit their frames.
    ///
    /// # Errors
    /// Those of the work, and a stop. What is wrong with a bag is kept in its report.
    pub(crate) fn all(&mut self, estimator: &dyn Estimator, submit: Submit<'_>) -> Result<()> {
        for path in self.request.sources {
            let name = self.name_of(path);
            let mut bag = BagReport {
                bag: name,
                path: path.display().to_string(),
                status: BagStatus::Used,
                why: None,
                remedy: None,
                topics: BTreeMap::new(),
                unreadable_messages: 0,
                tally: Tally::default(),
            };
            let work = self.request.work();
            let opened = Source::open(path, self.request.topics, work);
            let opened = opened.and_then(|source| {
                let drawn = source.drawn(work, estimator)?;
                Ok((source, drawn))
            });
            match opened {
                Ok((source, drawn)) => self.one(source, &drawn, &mut bag, submit)?,
                Err(interrupted @ Error::Interrupted { .. }) => return Err(interrupted),
                Err(error) => bag.stop(&error),
            }
            self.bags.push(bag);
        }
        Ok(())
    }

    fn one(
        &self,
        mut source: Source<'_>,
        drawn: &Drawn<'_>,
        bag: &mut BagReport,
        submit: Submit<'_>,
    ) -> Result<()> {
        bag.topics = source.topics.clone();
        let name: Arc<str> = bag.bag.as_str().into();
        let mut placing = drawn.placing();
        loop {
            self.request.work().stop_if_asked()?;
            let joined = match source.next_frame(&mut placing) {
                Ok(Some(joined)) => joined,
                Ok(None) => break,
                Err(error) => {
                    bag.stop(&error);
                    // What was read before is used.
                    if bag.status == BagStatus::Unreadable {
                        bag.status = BagStatus::Damaged;
                    }
                    break;
                }
            };
            if joined.index % self.request.options.every != 0 {
                continue;
            }
            let stamp_nanos = joined.frame.info.stamp_nanos;
            let piece = Piece {
                bag: self.bags.len(),
                progress: self.bags.len() as f64 + source.progress(),
                name: Arc::clone(&name),
                decoders: Arc::clone(&source.decoders),
                joined,
            };
            submit(stamp_nanos, piece)?;
        }
        bag.unreadable_messages = source.unreadable();
        if let Some(loss) = source.loss() {
            tracing::warn!("{} is damaged: {loss}", bag.path);
            bag.status = BagStatus::Damaged;
            bag.why = Some(loss.to_string());
        }
        Ok(())
    }

    /// The bag's own name; where several have one, with a number.
    fn name_of(&mut self, path: &Path) -> String {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let endings = [".zstd", ".mcap", ".db3"];
        let name = match path.is_dir() {
            true => &name,
            false => endings.iter().fold(&*name, |name, ending| {
                name.strip_suffix(ending).unwrap_or(name)
            }),
        };
        let name = name.to_owned();
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find(|name| !self.taken.contains(name));
        let free = free.unwrap_or(name);
        self.taken.insert(free.clone());
        free
    }
}

/// The data set as it grows.
pub(crate) struct Writing<'a> {
    request: &'a DatasetRequest<'a>,
    folder: PathBuf,
    rows: BufWriter<File>,
    /// By the bags' places.
    tallies: BTreeMap<usize, Tally>,
    counts: Tally,
}

impl<'a> Writing<'a> {
    /// Begin the files in the data set's folder.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(crate) fn begin(request: &'a DatasetRequest<'a>, folder: &Path) -> Result<Self> {
        for name in [IMAGES, DEPTH, METRIC] {
            let path = folder.join(name);
            fs::create_dir(&path).map_err(|error| Error::output(&path, error))?;
        }
        let path = folder.join(ROWS);
        let rows = File::create(&path).map_err(|error| Error::output(&path, error))?;
        Ok(Self {
            request,
            folder: folder.to_owned(),
            rows: BufWriter::new(rows),
            tallies: BTreeMap::new(),
            counts: Tally::default(),
        })
    }

    /// Take the next frame's result.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(crate) fn take(&mut self, finished: Finished, progress: OnProgress<'_>) -> Result<()> {
        if let Some((reason, why)) = &finished.why {
            // Once in a run; the counts tell how often.
            let Tally {
                skipped_frames,
                skipped_regions,
                ..
            } = &self.counts;
            let is_of_frame = finished.tally.skipped_frames.contains_key(*reason);
            match is_of_frame {
                true if !skipped_frames.contains_key(*reason) => {
                    tracing::warn!("a frame is left out: {why}");
                }
                false if !skipped_regions.contains_key(*reason) => {
                    tracing::warn!("a region is left out: {why}");
                }
                _ => {}
            }
        }
        self.tallies
            .entry(finished.bag)
            .or_default()
            .add(&finished.tally);
        self.counts.add(&finished.tally);
        if let Some(line) = finished.line {
            let written = writeln!(self.rows, "{line}");
            written.map_err(|error| Error::output(self.folder.join(ROWS), error))?;
        }
        progress(Progress {
            subject: "",
            done: finished.progress,
            total: Some(self.request.sources.len() as f64),
            unit: Unit::Bags,
            figure: Some(("rows", self.counts.rows as f64)),
        });
        Ok(())
    }

    /// Write what came of it beside the rows.
    ///
    /// # Errors
    /// `Error::NoRows` if there is not one row; `Error::Output`.
    pub(crate) fn finish(mut self, mut bags: Vec<BagReport>) -> Result<Report> {
        for (place, tally) in self.tallies {
            if let Some(bag) = bags.get_mut(place) {
                bag.tally = tally;
            }
        }
        if self.counts.rows == 0 {
            let only = match bags.as_slice() {
                [only] => only.remedy.clone(),
                _ => None,
            };
            return Err(Error::NoRows {
                path: self.request.target.to_owned(),
                message: nothing(&self.counts, &bags),
                remedy: only,
            });
        }
        let flushed = self.rows.flush();
        flushed.map_err(|error| Error::output(self.folder.join(ROWS), error))?;
        let report = Report {
            crate_version: env!("CARGO_PKG_VERSION"),
            command: self.request.command.to_owned(),
            options: self.request.options,
            cloud_points: MAX_POINTS,
            config_digest: self.request.settings.digest()?,
            counts: self.counts,
            bags,
        };
        if report.counts.rows_without_gravity > 0 {
            tracing::info!(
                "{} rows have no gravity (no accelerometer in the camera's optical frame): nothing is asked of \
                 them that needs to know which way is up",
                report.counts.rows_without_gravity
            );
        }
        let path = self.folder.join(PROVENANCE);
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::output(&path, e))?;
        fs::write(&path, text + "\n").map_err(|error| Error::output(&path, error))?;
        Ok(report)
    }
}

/// Why not one frame became a row.
fn nothing(counts: &Tally, bags: &[BagReport]) -> String {
    let listed = |counts: &BTreeMap<String, u64>| {
        let items = counts
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"));
        items.collect::<Vec<_>>().join(", ")
    };
    if counts.frames > 0 {
        return format!(
            "not one of {} frames has two regions with depth (frames left out: {}; regions left out: {}), so \
             nothing is written",
            counts.frames,
            listed(&counts.skipped_frames),
            listed(&counts.skipped_regions)
        );
    }
    match bags {
        [BagReport { why: Some(why), .. }] => why.clone(),
        _ => format!(
            "none of {} bags gives a frame, so nothing is written",
            bags.len()
        ),
    }
}
