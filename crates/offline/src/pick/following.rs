//! Follows drawn boxes through a bag that is held open, as `label` follows them (`label::follow`), but leg by leg: from one
//! drawing to the next, in both directions of time, all legs at the same time. A leg depends on the drawing that it begins
//! with and, for the fingertip, on what is seen of the target on the way; one of which neither changed is not followed again.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::pictures::HeldPictures;
use crate::error::{Error, Result};
use crate::label::follow::{Due, Seen};
use spatial_reward_core::following::{Both, Drawing, Follower, InTurn, Sight};
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::pipeline::Look;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::tracking::{Cover, StartError};

/// In which order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    Forwards,
    Backwards,
}

/// What a leg begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Begin {
    frame: usize,
    /// The corners of the box, and of the one that it was drawn on, bit by bit.
    corners: [Option<[u64; 4]>; 2],
    direction: Direction,
}

/// From a drawing on, up to the next one or the end of the bag.
#[derive(Debug, Clone, Copy)]
struct Leg {
    begin: Begin,
    drawn: Drawing,
    frames: usize,
}

/// What came of a leg, from its drawing on. It may be longer than the leg is now.
#[derive(Debug, Clone, Default)]
struct Course {
    follower: Follower,
    seen: Vec<Option<Seen>>,
    /// What was seen of the other region on the way.
    other: Vec<Option<Arc<Cover>>>,
}

/// What was followed so far.
#[derive(Debug, Default)]
pub(super) struct Followed {
    target: HashMap<Begin, Course>,
    fingertip: HashMap<Begin, Course>,
    /// In which order they were.
    in_turn: Option<InTurn>,
}

/// What is needed to follow.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub measurer: &'a Measurer<'a>,
    pub pictures: &'a HeldPictures,
    /// Set to give up; what was followed is kept.
    pub stop: &'a AtomicBool,
    /// Frames that were followed since, of both regions.
    pub done: &'a AtomicUsize,
    /// Frames that have to be.
    pub all: &'a AtomicUsize,
}

impl Followed {
    /// What is known of both regions in each frame, the fingertip's first; `None` if it was given up.
    ///
    /// # Errors
    /// `Error::NotFollowed` for a box that lies outside its picture.
    pub(super) fn through(
        &mut self,
        work: Work<'_>,
        [fingertip, target]: [&Due; 2],
        in_turn: InTurn,
    ) -> Result<Option<Vec<Both<Sight>>>> {
        if self.in_turn.replace(in_turn) != Some(in_turn) {
            self.target.clear();
            self.fingertip.clear();
        }
        let frames = work.pictures.len();
        let target = legs(work, target);
        let fingertip = legs(work, fingertip);
        let boards = [Board::new(frames, &fingertip), Board::new(frames, &target)];
        let [of_fingertip, of_target] = &boards;
        let outcomes = thread::scope(|scope| {
            let mut running = Vec::new();
            // What is seen of the one that is followed first is not the other's.
            let [first, _] = in_turn.sorted([of_fingertip, of_target]);
            let [before_fingertip, before_target] = in_turn.sorted([None, Some(first)]);
            let kept = [&mut self.fingertip, &mut self.target];
            let [kept_fingertip, kept_target] = kept;
            for (is_fingertip, legs, kept, board, other) in [
                (false, &target, kept_target, of_target, before_target),
                (
                    true,
                    &fingertip,
                    kept_fingertip,
                    of_fingertip,
                    before_fingertip,
                ),
            ] {
                for leg in legs {
                    let course = kept.remove(&leg.begin).unwrap_or_default();
                    let follow = move || {
                        let mut ride = Ride {
                            work,
                            leg: *leg,
                            board,
                            other,
                        };
                        let (course, outcome) = ride.along(course);
                        if outcome.is_err() || work.is_stopped() {
                            boards_give_up(board, other);
                        }
                        (leg.begin, course, outcome)
                    };
                    running.push((is_fingertip, scope.spawn(follow)));
                }
                // What no drawing begins any more.
                kept.clear();
            }
            let ended = running.into_iter().map(|(is_fingertip, leg)| {
                let ended = leg.join().unwrap_or_else(|panic| resume_unwind(panic));
                (is_fingertip, ended)
            });
            ended.collect::<Vec<_>>()
        });
        let mut refused = None;
        for (is_fingertip, (begin, course, outcome)) in outcomes {
            match is_fingertip {
                true => self.fingertip.insert(begin, course),
                false => self.target.insert(begin, course),
            };
            refused = refused.or(outcome.err());
        }
        if let Some(refused) = refused {
            return Err(Error::NotFollowed(refused));
        }
        if work.is_stopped() {
            return Ok(None);
        }
        let [fingertip, target] = boards.map(Board::sights);
        Ok(Some(
            fingertip
                .into_iter()
                .zip(target)
                .map(|(fingertip, target)| [fingertip, target])
                .collect(),
        ))
    }
}

fn boards_give_up(board: &Board, other: Option<&Board>) {
    board.give_up();
    if let Some(other) = other {
        other.give_up();
    }
}

impl Work<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The legs of a region's drawings. A box in a picture that does not decode is of the next one that does, and for the way back
/// of the one before, unless that has its own.
fn legs(work: Work<'_>, due: &Due) -> Vec<Leg> {
    let frames = work.pictures.len();
    let drawings: Vec<(usize, Drawing)> = (due.iter().enumerate())
        .filter_map(|(frame, drawn)| Some((frame, (*drawn)?)))
        .collect();
    let is_sound = |frame: &usize| work.pictures.look(work.measurer, *frame).is_some();
    let mut forwards: Vec<(usize, Drawing)> = Vec::new();
    let mut backwards: Vec<(usize, Drawing)> = Vec::new();
    for (k, (frame, drawn)) in drawings.iter().enumerate() {
        let next = drawings.get(k + 1).map_or(frames, |next| next.0);
        let before = k.checked_sub(1).and_then(|k| drawings.get(k));
        let before = before.map_or(0, |before| before.0 + 1);
        forwards.extend((*frame..next).find(is_sound).map(|frame| (frame, *drawn)));
        let sound = (before..=*frame).rev().find(is_sound);
        backwards.extend(sound.map(|frame| (frame, *drawn)));
    }
    let corners =
        |bbox: BoundingBox| [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(f64::to_bits);
    let leg = |frame, drawn: Drawing, direction, frames| Leg {
        begin: Begin {
            frame,
            corners: [Some(drawn.bbox), drawn.on].map(|bbox| bbox.map(corners)),
            direction,
        },
        drawn,
        frames,
    };
    let ahead = forwards.iter().enumerate().map(|(k, (frame, drawn))| {
        let end = forwards.get(k + 1).map_or(frames, |next| next.0);
        leg(*frame, *drawn, Direction::Forwards, end - frame)
    });
    let back = backwards.iter().enumerate().map(|(k, (frame, drawn))| {
        let end = k.checked_sub(1).and_then(|k| backwards.get(k));
        let end = end.map_or(0, |before| before.0 + 1);
        leg(*frame, *drawn, Direction::Backwards, frame + 1 - end)
    });
    ahead.chain(back).collect()
}

/// Where a region was seen, as the legs come along.
struct Board {
    places: Mutex<Places>,
    settled: Condvar,
}

struct Places {
    /// By frame: forwards and backwards, and how many legs are still to pass.
    seen: Vec<([Option<Seen>; 2], usize)>,
    given_up: bool,
}

impl Board {
    fn new(frames: usize, legs: &[Leg]) -> Self {
        let mut seen: Vec<_> = (0..frames).map(|_| ([None, None], 0)).collect();
        for leg in legs {
            for along in 0..leg.frames {
                if let Some((_, passing)) = leg.frame(along).and_then(|frame| seen.get_mut(frame)) {
                    *passing += 1;
                }
            }
        }
        Self {
            places: Mutex::new(Places {
                seen,
                given_up: false,
            }),
            settled: Condvar::new(),
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, frame: usize, direction: Direction, seen: Option<Seen>) {
        if let Some((places, passing)) = self.places().seen.get_mut(frame) {
            match direction {
                Direction::Forwards => places[0] = seen,
                Direction::Backwards => places[1] = seen,
            }
            *passing = passing.saturating_sub(1);
        }
        self.settled.notify_all();
    }

    fn give_up(&self) {
        self.places().given_up = true;
        self.settled.notify_all();
    }

    /// What is seen of the region in a frame, once all legs have passed it; the outer `None` if that will not be.
    fn wait_for(&self, frame: usize) -> Option<Option<Arc<Cover>>> {
        let mut places = self.places();
        loop {
            if places.given_up {
                return None;
            }
            let Some(([earlier, later], passing)) = places.seen.get(frame) else {
                return Some(None);
            };
            if *passing == 0 {
                let seen = Seen::joined(earlier.clone(), later.clone());
                return Some(seen.and_then(|seen| seen.cover));
            }
            places = self
                .settled
                .wait(places)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn sights(self) -> Vec<Option<Sight>> {
        let places = self.places.into_inner();
        let places = places.unwrap_or_else(PoisonError::into_inner);
        let seen = places.seen.into_iter();
        seen.map(|([earlier, later], _)| Seen::joined(earlier, later).map(|seen| seen.sight))
            .collect()
    }
}

impl Leg {
    /// The frame after so many steps along it.
    fn frame(&self, along: usize) -> Option<usize> {
        match self.begin.direction {
            Direction::Forwards => self.begin.frame.checked_add(along),
            Direction::Backwards => self.begin.frame.checked_sub(along),
        }
    }
}

/// One leg under way.
struct Ride<'a> {
    work: Work<'a>,
    leg: Leg,
    board: &'a Board,
    other: Option<&'a Board>,
}

impl Ride<'_> {
    /// Go on with what was followed before, as far as it still holds.
    fn along(&mut self, mut course: Course) -> (Course, Result<(), StartError>) {
        let wanted = self.leg.frames;
        let mut holds = 0;
        while holds < wanted.min(course.seen.len()) {
            let Some(other) = self.other_at(holds) else {
                return (course, Ok(()));
            };
            let before = course.other.get(holds).and_then(Option::as_ref);
            if other.as_ref().map(Arc::as_ptr) != before.map(Arc::as_ptr) {
                // From where it differs on it would go another way, and only the drawing tells how it got there.
                course = Course::default();
                holds = 0;
                break;
            }
            holds += 1;
        }
        let todo = wanted.saturating_sub(holds);
        self.work.all.fetch_add(todo, Ordering::Relaxed);
        for along in 0..wanted {
            if self.work.is_stopped() {
                break;
            }
            if along >= course.seen.len() {
                match self.step(&mut course, along) {
                    Ok(true) => {
                        self.work.done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(false) => break,
                    Err(refused) => return (Course::default(), Err(refused)),
                }
            }
            let seen = course.seen.get(along).cloned().flatten();
            if let Some(frame) = self.leg.frame(along) {
                self.board.put(frame, self.leg.begin.direction, seen);
            }
        }
        (course, Ok(()))
    }

    /// What is seen of the other region there; the outer `None` if nobody will know.
    fn other_at(&self, along: usize) -> Option<Option<Arc<Cover>>> {
        match (self.other, self.leg.frame(along)) {
            (Some(board), Some(frame)) => board.wait_for(frame),
            _ => Some(None),
        }
    }

    /// Look at one more frame; `false` if it was given up.
    fn step(&self, course: &mut Course, along: usize) -> Result<bool, StartError> {
        let Some(frame) = self.leg.frame(along) else {
            return Ok(false);
        };
        let Some(other) = self.other_at(along) else {
            return Ok(false);
        };
        let look = self.work.pictures.look(self.work.measurer, frame);
        let picture = look.as_deref().map(Look::picture);
        let info = self.work.pictures.info(frame);
        let at_nanos = info.map_or(0, |info| info.timeline_nanos);
        let due = (along == 0).then_some(self.leg.drawn);
        let sight = (course.follower).see(due, at_nanos, picture, other.as_deref())?;
        course.seen.push(sight.map(|sight| Seen {
            mask: None,
            sight,
            cover: course.follower.cover().cloned().map(Arc::new),
        }));
        course.other.push(other);
        Ok(true)
    }
}
