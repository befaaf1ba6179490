//! A page on which somebody draws the boxes of fingertip and target in recordings, sees at once how they are followed and
//! what distances come of them, and corrects what is wrong. It is served on loopback to who knows its address.
//!
//! Three parts: the work on the bags, on the calling thread (`work`); the server, on another (`serve`); and between them
//! what is known (`shared`). The page is in `page/`, compiled in.

mod door;
mod error;
mod serve;
mod shared;
mod told;
mod work;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use self::error::{Error, Result};
pub use self::work::pick;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::finding::Finder;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_offline::Error as OfflineError;

/// What to pick in, and how.
pub struct Request<'a> {
    /// Bag folders or bag files.
    pub bags: Vec<PathBuf>,
    /// The settings in force. Regions of which they do not say where they are will be drawn.
    pub settings: &'a Settings,
    /// Who measures.
    pub estimator: &'a dyn Estimator,
    /// Who decodes video.
    pub video: &'a VideoDecoders,
    /// Proposes boxes of regions that are named by words or by an example.
    pub finder: Option<&'a Finder>,
    /// The file of the boxes. What it has of the bags is gone on with.
    pub regions: PathBuf,
    /// On loopback; 0 for any that is free.
    pub port: u16,
    /// The page ends when nobody has asked for anything for so long.
    pub idle: Duration,
    /// Threads that measure.
    pub threads: usize,
    /// Set from elsewhere to end it.
    pub stop: &'a AtomicBool,
    /// What is typed to label the bags, for the page.
    pub command: String,
    /// An error with its way out, in words.
    pub explain: &'a dyn Fn(&OfflineError) -> String,
    /// Told the page's address.
    pub ready: &'a dyn Fn(&str),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Who ended it.
    pub end: End,
    /// The bags with all of their boxes in the file.
    pub done: Vec<PathBuf>,
    /// The others.
    pub left: Vec<PathBuf>,
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The user, on the page.
    Finished,
    /// Nobody asked for anything any more.
    Idle,
    /// Somebody stopped the program.
    Stopped,
}
