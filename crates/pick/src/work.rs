//! The work on the bags: opens the one that is shown, follows its boxes, keeps the file. One thing at a time, the newest wish
//! first: what a wish makes useless is given up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::error::{Error, Result};
use crate::serve::{patience, serve};
use crate::shared::{BagState, Boxes, OpenState, Shared, State, Wish};
use crate::told::{boxes_of, in_frames, in_seconds, told};
use crate::{End, Outcome, Request};
use spatial_reward_offline::pick::{OpenBag, Progress, Regions, are_drawn};
use spatial_reward_offline::regions_file::RegionsFile;
use spatial_reward_serve::door::Token;

/// How often the end is looked for while nothing is wished.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A page that was left may be loaded again so long.
const RELOAD: Duration = Duration::from_secs(10);

/// Offer the page until it is done with.
///
/// # Errors
/// `Error::Listen` for a port that is taken; a file of boxes that cannot be read or is of other bags.
pub fn pick(request: &Request<'_>) -> Result<Outcome> {
    let file = match request.regions.exists() {
        true => RegionsFile::read(&request.regions)?,
        false => RegionsFile::new(&request.regions),
    };
    let known = Known::of(&file, request)?;
    let token = Token::random()?;
    let listening = |source| Error::Listen {
        port: request.port,
        source,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(listening)?;
    let listener = runtime
        .block_on(TcpListener::bind(("127.0.0.1", request.port)))
        .map_err(listening)?;
    let port = listener.local_addr().map_err(listening)?.port();
    let state = State {
        bags: known.states(request),
        current: None,
        open: None,
        file: request.regions.display().to_string(),
        file_error: None,
        command: request.command.clone(),
        draws: are_drawn(request.settings),
        ended: false,
    };
    let (shared, wishes) = Shared::new(state);
    let shared = Arc::new(shared);
    let address = format!("http://127.0.0.1:{port}/{}/", token.as_str());
    let end = thread::scope(|scope| {
        let serving = Arc::clone(&shared);
        scope.spawn(move || {
            runtime.block_on(async {
                let served = tokio::spawn(serve(listener, Arc::clone(&serving), token));
                ended(&serving).await;
                // Nobody who still waits for an answer keeps the program.
                let _ = tokio::time::timeout(patience(), served).await;
            });
            runtime.shutdown_timeout(patience());
        });
        (request.ready)(&address);
        let mut desk = Desk {
            request,
            shared: &shared,
            file,
            boxes: known.boxes,
            open: None,
            due: false,
            prepared: 0,
        };
        let end = desk.work(&wishes);
        shared.change(|inner| inner.state.ended = true);
        end
    });
    let bags = std::mem::take(&mut shared.inner().state.bags);
    let bags = request.bags.iter().zip(bags);
    let (done, left): (Vec<_>, Vec<_>) = bags.partition(|(_, bag)| bag.done);
    let paths = |bags: Vec<(&PathBuf, BagState)>| -> Vec<PathBuf> {
        bags.into_iter().map(|(path, _)| path.clone()).collect()
    };
    Ok(Outcome {
        end,
        done: paths(done),
        left: paths(left),
    })
}

async fn ended(shared: &Shared) {
    let mut changes = shared.changes();
    while !shared.inner().state.ended {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The boxes that there are before anything is drawn.
struct Known {
    boxes: Vec<Regions>,
    done: Vec<bool>,
}

impl Known {
    /// # Errors
    /// `Error::OtherBag` where the file has boxes of another bag of one of these names.
    fn of(file: &RegionsFile, request: &Request<'_>) -> Result<Self> {
        let typed = &request.settings.regions;
        let typed = Regions {
            fingertip: typed.fingertip.drawn.clone(),
            target: typed.target.drawn.clone(),
        };
        let (mut boxes, mut done) = (Vec::new(), Vec::new());
        for bag in &request.bags {
            match file.of(bag) {
                Ok(entry) => {
                    let regions = Regions {
                        fingertip: entry.fingertip.clone(),
                        target: entry.target.clone(),
                    };
                    done.push(is_complete(&regions, are_drawn(request.settings)));
                    boxes.push(regions);
                }
                Err(error @ spatial_reward_offline::Error::OtherBag { .. }) => {
                    return Err(error.into());
                }
                // What is wrong with a bag is told when its turn comes.
                Err(_) => {
                    done.push(false);
                    boxes.push(typed.clone());
                }
            }
        }
        Ok(Self { boxes, done })
    }

    fn states(&self, request: &Request<'_>) -> Vec<BagState> {
        let bags = request.bags.iter().zip(&self.done);
        let state = |(path, done): (&PathBuf, &bool)| BagState {
            name: name_of(path),
            path: path.display().to_string(),
            done: *done,
            error: None,
        };
        bags.map(state).collect()
    }
}

fn name_of(path: &Path) -> String {
    let own = path.canonicalize();
    let own = own.as_deref().unwrap_or(path).file_name();
    let own = own.unwrap_or(path.as_os_str());
    own.to_string_lossy().into_owned()
}

fn is_complete(regions: &Regions, draws: [bool; 2]) -> bool {
    let [fingertip, target] = draws;
    !(fingertip && regions.fingertip.is_empty() || target && regions.target.is_empty())
}

/// Where the work is done.
struct Desk<'a> {
    request: &'a Request<'a>,
    shared: &'a Shared,
    file: RegionsFile,
    /// Of each bag.
    boxes: Vec<Regions>,
    open: Option<(usize, OpenBag<'a>)>,
    /// The boxes of the open bag are to be followed.
    due: bool,
    /// So many pictures of the open bag were decoded before somebody asked.
    prepared: usize,
}

impl Desk<'_> {
    fn work(&mut self, wishes: &Receiver<Wish>) -> End {
        loop {
            if let Some(end) = self.end() {
                // What was drawn before is in the file.
                while let Ok(wish) = wishes.try_recv() {
                    self.take(wish);
                }
                return end;
            }
            self.shared.interrupt.store(false, Ordering::Relaxed);
            let has_pictures = self.has_unprepared();
            let wait = match self.due || has_pictures {
                true => Duration::ZERO,
                false => LOOK_UP,
            };
            match wishes.recv_timeout(wait) {
                Ok(wish) => {
                    let mut shown = self.take(wish);
                    while let Ok(wish) = wishes.try_recv() {
                        shown = self.take(wish).or(shown);
                    }
                    if let Some(bag) = shown {
                        self.show(bag);
                    }
                }
                Err(RecvTimeoutError::Timeout) if self.due => self.follow(),
                Err(RecvTimeoutError::Timeout) if has_pictures => self.prepare(),
                Err(_) => {}
            }
        }
    }

    fn end(&self) -> Option<End> {
        let inner = self.shared.inner();
        let (since, left) = (inner.asked.elapsed(), inner.left);
        match () {
            () if self.request.stop.load(Ordering::Relaxed) => Some(End::Stopped),
            () if inner.finished => Some(End::Finished),
            () if since > self.request.idle || left && since > RELOAD => Some(End::Idle),
            () => None,
        }
    }

    /// Take a wish in; the bag that is to be shown, if it is about that.
    fn take(&mut self, wish: Wish) -> Option<usize> {
        match wish {
            Wish::Open(bag) => return Some(bag),
            Wish::Boxes(bag, boxes) => {
                // The page draws in what it shows.
                if let Some((open, bag_open)) = &self.open
                    && *open == bag
                {
                    let times_s = bag_open.times_s();
                    match in_seconds(&boxes, &times_s) {
                        Ok(regions) => self.draw(bag, regions, boxes),
                        Err(why) => self.refuse(why),
                    }
                }
            }
        }
        None
    }

    fn draw(&mut self, bag: usize, regions: Regions, boxes: Boxes) {
        if let Some(known) = self.boxes.get_mut(bag) {
            known.clone_from(&regions);
        }
        self.due = true;
        let (mut done, mut file_error) = (false, None);
        if let Some((_, open)) = &self.open {
            done = is_complete(&regions, are_drawn(self.request.settings));
            match done {
                true => self.file.set(open.entry(&regions)),
                false => self.file.forget(open.name(), open.identity()),
            }
            // One that is not there, and would have nothing in it, is not made.
            if done || self.request.regions.exists() {
                let written = self.file.write();
                file_error = written.err().map(|error| (self.request.explain)(&error));
            }
        }
        self.shared.change(|inner| {
            if let Some(state) = inner.state.bags.get_mut(bag) {
                state.done = done && file_error.is_none();
            }
            inner.state.file_error = file_error;
            if let Some(open) = &mut inner.state.open {
                open.boxes = boxes;
                open.works = true;
                open.error = None;
            }
        });
    }

    fn refuse(&self, why: String) {
        self.shared.change(|inner| {
            if let Some(open) = &mut inner.state.open {
                open.error = Some(why);
                open.works = false;
            }
        });
    }

    fn show(&mut self, bag: usize) {
        if self.open.as_ref().is_some_and(|(open, _)| *open == bag) {
            return;
        }
        let Some(path) = self.request.bags.get(bag) else {
            return;
        };
        // The memory of one bag at a time.
        self.open = None;
        self.shared.change(|inner| {
            inner.pictures = None;
            inner.state.current = Some(bag);
            inner.state.open = None;
            inner.curve = Arc::from("null");
            if let Some(state) = inner.state.bags.get_mut(bag) {
                state.error = None;
            }
        });
        tracing::info!("reading {}", path.display());
        let Request {
            settings,
            estimator,
            video,
            stop,
            ..
        } = *self.request;
        let read = OpenBag::read(path, settings, estimator, video, stop).and_then(|open| {
            let size = open.size();
            let size = size.ok_or_else(|| spatial_reward_offline::Error::NothingToDo {
                path: path.clone(),
                message: "not one of its pictures decodes".to_owned(),
            });
            Ok((size?, open))
        });
        match read {
            Err(error) => {
                let words = (self.request.explain)(&error);
                tracing::warn!("{} cannot be shown: {words}", path.display());
                self.shared.change(|inner| {
                    if let Some(state) = inner.state.bags.get_mut(bag) {
                        state.error = Some(words);
                    }
                });
            }
            Ok(((width, height), open)) => {
                let regions = self.boxes.get(bag).cloned().unwrap_or_default();
                let proposed = self.proposed(&open, &regions);
                self.due = !(regions.fingertip.is_empty() && regions.target.is_empty());
                self.prepared = 0;
                let times_s = open.times_s();
                let shown = OpenState {
                    width,
                    height,
                    boxes: in_frames(&regions, &times_s),
                    proposed: in_frames(&proposed, &times_s),
                    times_s,
                    curve: 0,
                    works: self.due,
                    error: None,
                };
                self.shared.change(|inner| {
                    inner.pictures = Some((bag, open.pictures()));
                    inner.state.open = Some(shown);
                });
                self.open = Some((bag, open));
            }
        }
    }

    /// What a detector proposes for a bag in which nothing is drawn.
    fn proposed(&self, open: &OpenBag<'_>, regions: &Regions) -> Regions {
        let is_drawn = !(regions.fingertip.is_empty() && regions.target.is_empty());
        let Some(finder) = self.request.finder.filter(|_| !is_drawn) else {
            return Regions::default();
        };
        open.propose(finder).unwrap_or_else(|error| {
            tracing::warn!("nothing is proposed: {}", (self.request.explain)(&error));
            Regions::default()
        })
    }

    fn follow(&mut self) {
        let Some((bag, open)) = &mut self.open else {
            self.due = false;
            return;
        };
        let regions = self.boxes.get(*bag).cloned().unwrap_or_default();
        let progress = Arc::new(Progress::default());
        self.shared
            .change(|inner| inner.progress = Arc::clone(&progress));
        let begin = Instant::now();
        let interrupt = &self.shared.interrupt;
        let curve = open.follow(&regions, self.request.threads, interrupt, &progress);
        match curve {
            // Something newer was wished for, or it is tried again.
            Ok(None) => {}
            Ok(Some(curve)) => {
                tracing::debug!(
                    "followed and measured in {:.3} s",
                    begin.elapsed().as_secs_f64()
                );
                self.due = false;
                let told = told(&curve, begin.elapsed());
                self.shared.change(|inner| {
                    inner.curve = Arc::from(told.to_string());
                    if let Some(open) = &mut inner.state.open {
                        open.curve += 1;
                        open.works = false;
                        open.boxes = boxes_of(&curve);
                    }
                });
            }
            Err(error) => {
                self.due = false;
                let why = (self.request.explain)(&error);
                self.shared.change(|inner| {
                    if let Some(open) = &mut inner.state.open {
                        open.error = Some(why);
                        open.works = false;
                    }
                });
            }
        }
    }

    fn has_unprepared(&self) -> bool {
        let pictures = self.open.as_ref().map(|(_, open)| open.pictures().len());
        pictures.is_some_and(|pictures| self.prepared < pictures)
    }

    /// Decode a picture before somebody waits for it.
    fn prepare(&mut self) {
        if let Some((_, open)) = &self.open {
            open.prepare(self.prepared);
            self.prepared += 1;
        }
    }
}
