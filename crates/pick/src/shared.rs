//! What both sides know: the work tells how it stands, the server what is asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use spatial_reward_offline::pick::{HeldPictures, Progress};
use tokio::sync::watch;

/// What the page asks for.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Show this bag.
    Open(usize),
    /// These are the boxes of a bag.
    Boxes(usize, Boxes),
}

/// What a request says about the page that sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is closed, or loaded again.
    ToLeave,
    /// It is open, and will ask again.
    ToStay,
    /// Nothing: what a page has asked for may arrive after its farewell.
    Else,
}

/// The boxes of a bag, as the page has them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Boxes {
    /// The fingertip's.
    pub fingertip: Vec<Drawn>,
    /// The target's.
    pub target: Vec<Drawn>,
}

/// A box and the picture that it is drawn in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drawn {
    /// The picture, counted from 0.
    pub frame: usize,
    /// Left, top, right, bottom in pixels.
    pub corners: [f64; 4],
}

/// How things stand, as the page is told.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct State {
    pub bags: Vec<BagState>,
    /// The bag that is shown.
    pub current: Option<usize>,
    pub open: Option<OpenState>,
    /// The file of the boxes.
    pub file: String,
    /// Why it cannot be written.
    pub file_error: Option<String>,
    /// What is typed to label the bags.
    pub command: String,
    /// Which of both regions are drawn here, the fingertip first.
    pub draws: [bool; 2],
    /// Nothing more will come.
    pub ended: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BagState {
    pub name: String,
    pub path: String,
    /// All of its boxes are in the file.
    pub done: bool,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// The bag that is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OpenState {
    pub width: u32,
    pub height: u32,
    /// When each picture was taken, in seconds.
    pub times_s: Vec<f64>,
    pub boxes: Boxes,
    /// Those that a detector proposes.
    pub proposed: Boxes,
    /// Grows with each curve.
    pub curve: u64,
    /// A curve is being made.
    pub works: bool,
    /// Why the boxes cannot be followed.
    pub error: Option<String>,
}

/// What both sides hold.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
    wishes: Sender<Wish>,
    /// Set when what is worked on is not wanted any more.
    pub interrupt: AtomicBool,
}

pub(crate) struct Inner {
    pub state: State,
    /// The curve, ready to be sent.
    pub curve: Arc<str>,
    pub pictures: Option<(usize, Arc<HeldPictures>)>,
    pub progress: Arc<Progress>,
    /// When somebody last asked.
    pub asked: Instant,
    /// The page was left, and will not ask again unless it is loaded again.
    pub left: bool,
    pub finished: bool,
}

impl Shared {
    pub(crate) fn new(state: State) -> (Self, Receiver<Wish>) {
        let (wishes, wished) = channel();
        let shared = Self {
            inner: Mutex::new(Inner {
                state,
                curve: Arc::from("null"),
                pictures: None,
                progress: Arc::default(),
                asked: Instant::now(),
                left: false,
                finished: false,
            }),
            changes: watch::Sender::new(1),
            wishes,
            interrupt: AtomicBool::new(false),
        };
        (shared, wished)
    }

    /// Look at it without changing what the page knows.
    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Change it, and tell; which change this is.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Inner)) -> u64 {
        let mut inner = self.inner();
        change(&mut inner);
        // While it is held: who knows of a change sees it.
        self.changes.send_modify(|count| *count += 1);
        *self.changes.borrow()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Somebody asked for something.
    pub(crate) fn ask(&self, asked: Asked) {
        let mut inner = self.inner();
        inner.asked = Instant::now();
        match asked {
            Asked::ToLeave => inner.left = true,
            Asked::ToStay => inner.left = false,
            Asked::Else => {}
        }
    }

    /// The user is done.
    pub(crate) fn finish(&self) {
        self.change(|inner| inner.finished = true);
        self.interrupt.store(true, Ordering::Relaxed);
    }

    /// Ask for something, in the place of what is worked on.
    pub(crate) fn wish(&self, wish: Wish) {
        self.interrupt.store(true, Ordering::Relaxed);
        // Whoever would hear it has ended, and the page learns that.
        let _ = self.wishes.send(wish);
    }
}
