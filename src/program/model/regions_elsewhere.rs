//! Networks that find and follow regions, in a process of their own: a build of this program that has them answers. Python has
//! them so, as it has the model.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use spatial_reward_core::finding::{Candidate, Detector};
use spatial_reward_core::following::Both;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::mask_following::{MaskVideo, Seen, Segmenter};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::{Error, Result};

use super::process::Process;
use super::wire::{
    AnsweredOfRegions, AskedOfRegions, HelloOfRegions, WorkOnRegions, drawn_edges, receive, send,
};

/// A process that has one of the networks.
pub(super) struct RegionsElsewhere {
    process: Mutex<Process>,
    videos: AtomicU64,
}

impl RegionsElsewhere {
    /// The detector of that program.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub(super) fn detector(program: &Path, settings: &Settings) -> Result<Arc<dyn Detector>> {
        Ok(Arc::new(Self::open(
            program,
            settings,
            WorkOnRegions::Find,
        )?))
    }

    /// The segmenter of that program.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub(super) fn segmenter(program: &Path, settings: &Settings) -> Result<Arc<dyn Segmenter>> {
        let process = Self::open(program, settings, WorkOnRegions::Follow)?;
        Ok(Arc::new(SegmenterElsewhere(Arc::new(process))))
    }

    fn open(program: &Path, settings: &Settings, work: WorkOnRegions) -> Result<Self> {
        // Not as it was typed: of a pair of a task the regions stand in the places of fingertip and target.
        let config = settings.config().changed_yaml()?;
        let started = Process::start(program, "regions", &HelloOfRegions { config, work });
        let (process, ()) = started.map_err(failed)?;
        Ok(Self {
            process: Mutex::new(process),
            videos: AtomicU64::new(0),
        })
    }

    fn ask(&self, asked: &AskedOfRegions, color: &ColorImage) -> anyhow::Result<AnsweredOfRegions> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let exchange = |process: &mut Process| -> io::Result<Option<AnsweredOfRegions>> {
            send(&mut process.out, asked)?;
            process.out.write_all(&color.rgb)?;
            process.out.flush()?;
            receive(&mut process.input)
        };
        let answered =
            exchange(&mut process).context("the process that has the network is gone")?;
        answered.context("the process that has the network has ended")
    }
}

impl Detector for RegionsElsewhere {
    fn detect(&self, picture: &ColorImage) -> Result<Both<Vec<Candidate>>> {
        let size = (picture.width, picture.height);
        let answered = self.ask(&AskedOfRegions::Find { size }, picture);
        answered.and_then(AnsweredOfRegions::found).map_err(failed)
    }
}

struct SegmenterElsewhere(Arc<RegionsElsewhere>);

impl Segmenter for SegmenterElsewhere {
    fn video(&self) -> Box<dyn MaskVideo> {
        Box::new(VideoElsewhere {
            process: Arc::clone(&self.0),
            video: self.0.videos.fetch_add(1, Ordering::Relaxed),
        })
    }
}

struct VideoElsewhere {
    process: Arc<RegionsElsewhere>,
    video: u64,
}

impl MaskVideo for VideoElsewhere {
    fn see(&mut self, picture: &ColorImage, drawn: Both<BoundingBox>) -> Result<Both<Seen>> {
        let asked = AskedOfRegions::See {
            video: self.video,
            size: (picture.width, picture.height),
            drawn: drawn_edges(&drawn),
        };
        let answered = self.process.ask(&asked, picture);
        answered.and_then(AnsweredOfRegions::seen).map_err(failed)
    }
}

impl Drop for VideoElsewhere {
    fn drop(&mut self) {
        let process = self.process.process.lock();
        let mut process = process.unwrap_or_else(PoisonError::into_inner);
        // A process that is gone has no video any more.
        let _ = send(&mut process.out, &AskedOfRegions::End { video: self.video });
    }
}

fn failed(error: anyhow::Error) -> Error {
    Error::Estimator(error.into())
}
