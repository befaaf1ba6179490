//! The order of images, and which of their stamps to believe: an image whose stamp leaps is held until the next one
//! tells a clock that was set anew from one wild stamp.

use std::collections::VecDeque;

use super::clock::{ImageClock, Moment, RESET_NANOS};

/// A message may still carry one of so many wild stamps: a detector copies its image's.
const WILD_STAMPS_KEPT: usize = 32;

/// An image on its way to a frame.
#[derive(Debug)]
pub(super) struct PendingImage<P> {
    /// As its header says.
    pub stamp_nanos: i64,
    pub log_time_nanos: i64,
    pub frame_id: String,
    pub payload: P,
    /// Its stamp is not believed: its moment is what the log times say.
    pub wild: bool,
}

/// An image in its place.
pub(super) type Placed<P> = (Moment, PendingImage<P>);

/// Stamp and log time of an image.
#[derive(Debug, Clone, Copy)]
struct Seen {
    stamp_nanos: i64,
    log_time_nanos: i64,
}

impl Seen {
    fn of<P>(image: &PendingImage<P>) -> Self {
        Self {
            stamp_nanos: image.stamp_nanos,
            log_time_nanos: image.log_time_nanos,
        }
    }

    /// By how much the stamps from here to a later image go faster than the log times; negative for slower.
    fn leap_nanos(self, later: Self) -> i128 {
        let stamps = i128::from(later.stamp_nanos) - i128::from(self.stamp_nanos);
        let logged = i128::from(later.log_time_nanos) - i128::from(self.log_time_nanos);
        stamps - logged.max(0)
    }

    /// A leap that no camera makes: a second back, or a second farther ahead than time went on. A clock may go faster
    /// than log times do, at a pace of its own.
    fn leaps_to(self, later: Self, pace_nanos: i128) -> bool {
        let back = i128::from(later.stamp_nanos) - i128::from(self.stamp_nanos);
        let ahead = self.leap_nanos(later) - pace_nanos.max(0);
        back <= -i128::from(RESET_NANOS) || ahead > i128::from(RESET_NANOS)
    }
}

/// Places images in the order in which they were logged.
///
/// A stamp that leaps is told from a clock that was set anew by the next image: that follows either the leap or what
/// was before it. Live, an image is held no longer than the wait; of a recording the first image is held too, for it
/// may be the wild one.
#[derive(Debug)]
pub(super) struct ImageOrder<P> {
    clock: ImageClock,
    /// `None`: a recording, in which images are never held too long.
    wait_nanos: Option<i64>,
    /// The newest image that was believed.
    last: Option<Seen>,
    /// By how much its stamp was ahead of the log times since the one before.
    pace_nanos: i128,
    /// The first image of a recording, until a second is believed.
    first: Option<PendingImage<P>>,
    /// The image whose stamp leapt.
    held: Option<PendingImage<P>>,
    /// The wild one that was let go because no other came in time.
    let_go: Option<Seen>,
    wild_stamps: VecDeque<i64>,
}

impl<P> ImageOrder<P> {
    /// With a wait, a leap that nothing follows is decided after it.
    pub(super) fn new(clock: ImageClock, wait_nanos: Option<i64>) -> Self {
        Self {
            clock,
            wait_nanos,
            last: None,
            pace_nanos: 0,
            first: None,
            held: None,
            let_go: None,
            wild_stamps: VecDeque::new(),
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.clock.epoch()
    }

    /// Where a message of another stream belongs, given the newest moment of that stream.
    pub(super) fn place_message(
        &self,
        log_time_nanos: i64,
        stamp_nanos: i64,
        stream_newest: Option<Moment>,
    ) -> Moment {
        // Around a clock that is set back other streams may be ahead of the image that will confirm it.
        let back = self.held.as_ref().map(|held| held.stamp_nanos);
        if let (Some(back), Some(last)) = (back, self.last)
            && back < last.stamp_nanos
            && stamp_nanos.abs_diff(back) < stamp_nanos.abs_diff(last.stamp_nanos)
        {
            return Moment {
                epoch: self.clock.epoch() + 1,
                stamp_nanos,
            };
        }
        (self.clock).place_message(log_time_nanos, stamp_nanos, stream_newest)
    }

    /// Whether an image is held back.
    pub(super) fn is_holding(&self) -> bool {
        self.held.is_some() || self.first.is_some()
    }

    /// The bytes of what is held back.
    pub(super) fn held(&self) -> impl Iterator<Item = &P> {
        [&self.first, &self.held]
            .into_iter()
            .flatten()
            .map(|image| &image.payload)
    }

    /// Whether an image had this very stamp and it was wild: what else carries it is that image's.
    pub(super) fn is_wild(&self, stamp_nanos: i64) -> bool {
        self.wild_stamps.contains(&stamp_nanos)
    }

    /// Take an image in; those whose place is certain now come out.
    pub(super) fn push(&mut self, image: PendingImage<P>) -> Vec<Placed<P>> {
        let mut placed = Vec::new();
        self.place(image, &mut placed);
        placed
    }

    fn place(&mut self, image: PendingImage<P>, placed: &mut Vec<Placed<P>>) {
        let seen = Seen::of(&image);
        let Some(last) = self.last else {
            self.last = Some(seen);
            match self.wait_nanos {
                None => self.first = Some(image),
                Some(_) => self.accept(image, placed),
            }
            return;
        };
        if let Some(held) = self.held.take() {
            let held_seen = Seen::of(&held);
            let follows_held = held_seen.leap_nanos(seen).abs() < last.leap_nanos(seen).abs()
                && !held_seen.leaps_to(seen, last.leap_nanos(held_seen));
            match (follows_held, self.first.take()) {
                (true, Some(first)) if !self.keeps_pace(last, held_seen, seen) => {
                    // It is the first image that lay off.
                    let before = held_seen
                        .stamp_nanos
                        .saturating_sub(held.log_time_nanos.saturating_sub(first.log_time_nanos));
                    let before = before.min(held_seen.stamp_nanos.saturating_sub(1));
                    self.last = Some(held_seen);
                    let moment = self.clock.place_image(first.log_time_nanos, before);
                    self.disbelieve(moment, first, placed);
                    self.accept(held, placed);
                }
                (true, first) => {
                    if let Some(first) = first {
                        self.accept(first, placed);
                    }
                    self.accept(held, placed);
                }
                (false, first) => {
                    self.first = first;
                    self.disbelieve_held(held, Some(seen), placed);
                }
            }
            // What is believed may be another by now.
            return self.place(image, placed);
        }
        let follows_let_go = (self.let_go).is_some_and(|let_go| !let_go.leaps_to(seen, 0));
        if last.leaps_to(seen, self.pace_nanos) && !follows_let_go {
            self.held = Some(image);
            return;
        }
        if let Some(first) = self.first.take() {
            self.accept(first, placed);
        }
        self.accept(image, placed);
    }

    /// Whether three images follow each other at one pace.
    fn keeps_pace(&self, first: Seen, second: Seen, third: Seen) -> bool {
        !first.leaps_to(second, second.leap_nanos(third))
    }

    /// Decide what nothing has followed for too long.
    pub(super) fn advance(&mut self, now_nanos: i64) -> Vec<Placed<P>> {
        let mut placed = Vec::new();
        let overdue = |held: &PendingImage<P>| {
            (self.wait_nanos)
                .is_some_and(|wait| now_nanos > held.log_time_nanos.saturating_add(wait))
        };
        if let (Some(held), Some(last)) = (self.held.take_if(|held| overdue(held)), self.last) {
            let seen = Seen::of(&held);
            if seen.stamp_nanos < last.stamp_nanos {
                // A slow camera whose clock was set back, as far as one can tell.
                self.accept(held, &mut placed);
            } else {
                self.let_go = Some(seen);
                self.disbelieve_held(held, None, &mut placed);
            }
        }
        placed
    }

    /// No more images will come.
    pub(super) fn flush(&mut self) -> Vec<Placed<P>> {
        let mut placed = Vec::new();
        if let Some(first) = self.first.take() {
            self.accept(first, &mut placed);
        }
        if let Some(held) = self.held.take() {
            self.disbelieve_held(held, None, &mut placed);
        }
        placed
    }

    fn accept(&mut self, image: PendingImage<P>, placed: &mut Vec<Placed<P>>) {
        let seen = Seen::of(&image);
        let moment = (self.clock).place_image(image.log_time_nanos, image.stamp_nanos);
        // An image that comes late is no news of the clock.
        let is_news = (self.last).is_none_or(|last| {
            seen.stamp_nanos >= last.stamp_nanos || last.leaps_to(seen, self.pace_nanos)
        });
        if is_news {
            self.pace_nanos = self.last.map_or(0, |last| last.leap_nanos(seen));
            self.last = Some(seen);
            self.let_go = None;
        }
        placed.push((moment, image));
    }

    /// A held image was wild: it belongs where the log times put it, between its neighbours.
    fn disbelieve_held(
        &mut self,
        held: PendingImage<P>,
        next: Option<Seen>,
        placed: &mut Vec<Placed<P>>,
    ) {
        let Some(last) = self.last else {
            return self.accept(held, placed);
        };
        let passed = held.log_time_nanos.saturating_sub(last.log_time_nanos);
        let mut stamp_nanos = last.stamp_nanos.saturating_add(passed.max(1));
        if let Some(next) = next.filter(|next| !last.leaps_to(*next, self.pace_nanos)) {
            stamp_nanos = stamp_nanos.min(next.stamp_nanos.saturating_sub(1));
        }
        let moment = Moment {
            epoch: self.clock.epoch(),
            stamp_nanos: stamp_nanos.max(last.stamp_nanos),
        };
        self.disbelieve(moment, held, placed);
    }

    fn disbelieve(&mut self, at: Moment, image: PendingImage<P>, placed: &mut Vec<Placed<P>>) {
        if self.wild_stamps.len() == WILD_STAMPS_KEPT {
            self.wild_stamps.pop_front();
        }
        self.wild_stamps.push_back(image.stamp_nanos);
        placed.push((
            at,
            PendingImage {
                wild: true,
                ..image
            },
        ));
    }
}
