//! The order of images, and which of their stamps to believe: where a stamp leaps, the next image tells a clock that was
//! set anew from one wild stamp.

use std::collections::{BTreeMap, VecDeque};

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

impl<P> PendingImage<P> {
    /// An image whose stamp is believed so far.
    pub(super) fn new(log_time_nanos: i64, stamp_nanos: i64, frame_id: String, payload: P) -> Self {
        Self {
            stamp_nanos,
            log_time_nanos,
            frame_id,
            payload,
            wild: false,
        }
    }
}

/// Images by moment, then in the order in which they came.
pub(super) type PendingImages<P> = BTreeMap<(Moment, u64), PendingImage<P>>;

/// Whether an image with this stamp waits already: of several the first is a step.
pub(super) fn is_pending<P>(images: &PendingImages<P>, moment: Moment) -> bool {
    let same = (moment, 0)..=(moment, u64::MAX);
    images.range(same).any(|(_, image)| !image.wild)
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

/// What an image changes.
#[derive(Debug)]
pub(super) enum Change<P> {
    /// An image has its place.
    Place(Placed<P>),
    /// The live image that was placed at `wrong` was wild: it belongs to `right`, and what comes follows `last`.
    Revoke {
        wrong: Moment,
        right: Moment,
        last: Moment,
    },
}

/// A leap that was believed for lack of knowledge, and what was known before it.
#[derive(Debug)]
struct Leap {
    seen: Seen,
    moment: Moment,
    clock: ImageClock,
    last: Seen,
    pace_nanos: i128,
}

/// Places images in the order in which they were logged.
///
/// A stamp that leaps is told from a clock that was set anew by the next image: that follows either the leap or what
/// was before it. In a recording the image is held until then, and so is the first one, which may be the wild one. A
/// live one is placed at once, for whoever steps a simulator waits for its reward before sending another; if it was
/// wild its place is revoked.
#[derive(Debug)]
pub(super) struct ImageOrder<P> {
    clock: ImageClock,
    /// Of a recording: images may be held.
    holds: bool,
    /// The newest image that was believed.
    last: Option<Seen>,
    /// By how much its stamp was ahead of the log times since the one before.
    pace_nanos: i128,
    /// Images that followed the one before as the log times say, less those that did not.
    steady: i64,
    /// The first image of a recording, until a second is believed.
    first: Option<PendingImage<P>>,
    /// The image of a recording whose stamp leapt.
    held: Option<PendingImage<P>>,
    /// The newest live image, if its stamp leapt.
    leap: Option<Leap>,
    wild_stamps: VecDeque<i64>,
}

impl<P> ImageOrder<P> {
    /// `holds` images whose stamps are in doubt: of a recording.
    pub(super) fn new(clock: ImageClock, holds: bool) -> Self {
        Self {
            clock,
            holds,
            last: None,
            pace_nanos: 0,
            steady: 0,
            first: None,
            held: None,
            leap: None,
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

    /// Take an image in: what is certain now.
    pub(super) fn push(&mut self, image: PendingImage<P>) -> Vec<Change<P>> {
        let mut changes = Vec::new();
        if self.holds {
            self.place(image, &mut changes);
        } else {
            self.place_at_once(image, &mut changes);
        }
        changes
    }

    fn place_at_once(&mut self, image: PendingImage<P>, changes: &mut Vec<Change<P>>) {
        let seen = Seen::of(&image);
        if let Some(leap) = self.leap.take() {
            let is_back = leap.seen.leaps_to(seen, 0) && !leap.last.leaps_to(seen, leap.pace_nanos);
            if is_back {
                self.revoke(leap, seen, changes);
            }
        }
        let before = self
            .last
            .filter(|last| last.leaps_to(seen, self.pace_nanos));
        let (clock, pace_nanos) = (self.clock, self.pace_nanos);
        let moment = self.accept(image, changes);
        self.leap = before.map(|last| Leap {
            seen,
            moment,
            clock,
            last,
            pace_nanos,
        });
    }

    fn revoke(&mut self, leap: Leap, next: Seen, changes: &mut Vec<Change<P>>) {
        self.clock = leap.clock;
        self.last = Some(leap.last);
        self.pace_nanos = leap.pace_nanos;
        self.note_wild(leap.seen.stamp_nanos);
        let epoch = self.clock.epoch();
        changes.push(Change::Revoke {
            wrong: leap.moment,
            right: self.between(leap.last, leap.seen, Some(next)),
            last: Moment {
                epoch,
                stamp_nanos: leap.last.stamp_nanos,
            },
        });
    }

    fn place(&mut self, image: PendingImage<P>, changes: &mut Vec<Change<P>>) {
        let seen = Seen::of(&image);
        let Some(last) = self.last else {
            self.last = Some(seen);
            self.first = Some(image);
            return;
        };
        if let Some(held) = self.held.take() {
            let held_seen = Seen::of(&held);
            let follows_held = held_seen.leap_nanos(seen).abs() < last.leap_nanos(seen).abs()
                && !held_seen.leaps_to(seen, last.leap_nanos(held_seen));
            match (follows_held, self.first.take()) {
                (true, Some(first))
                    if !Self::keep_pace(last, held_seen, seen) && !held_seen.leaps_to(seen, 0) =>
                {
                    // It is the first image that lay off.
                    let before = held_seen
                        .stamp_nanos
                        .saturating_sub(held.log_time_nanos.saturating_sub(first.log_time_nanos));
                    let before = before.min(held_seen.stamp_nanos.saturating_sub(1));
                    self.last = Some(held_seen);
                    let moment = self.clock.place_image(first.log_time_nanos, before);
                    self.disbelieve(moment, first, changes);
                    self.accept(held, changes);
                }
                (true, first) => {
                    if let Some(first) = first {
                        self.accept(first, changes);
                    }
                    self.accept(held, changes);
                }
                (false, first) => {
                    self.first = first;
                    self.disbelieve_held(held, Some(seen), changes);
                }
            }
            // What is believed may be another by now.
            return self.place(image, changes);
        }
        // Where log times have nothing to do with stamps, a stamp that goes on is no leap.
        let may_leap =
            self.first.is_some() || self.steady > 0 || seen.stamp_nanos < last.stamp_nanos;
        if may_leap && last.leaps_to(seen, self.pace_nanos) {
            self.held = Some(image);
            return;
        }
        if let Some(first) = self.first.take() {
            self.accept(first, changes);
        }
        self.accept(image, changes);
    }

    /// Whether three images follow each other at one pace.
    fn keep_pace(first: Seen, second: Seen, third: Seen) -> bool {
        !first.leaps_to(second, second.leap_nanos(third))
    }

    /// No more images will come.
    pub(super) fn flush(&mut self) -> Vec<Change<P>> {
        let mut changes = Vec::new();
        let is_second = self.first.is_some();
        if let Some(first) = self.first.take() {
            self.accept(first, &mut changes);
        }
        match self.held.take() {
            // Of two images neither is the odd one.
            Some(held) if is_second => {
                self.accept(held, &mut changes);
            }
            Some(held) => self.disbelieve_held(held, None, &mut changes),
            None => {}
        }
        changes
    }

    fn accept(&mut self, image: PendingImage<P>, changes: &mut Vec<Change<P>>) -> Moment {
        let seen = Seen::of(&image);
        let moment = (self.clock).place_image(image.log_time_nanos, image.stamp_nanos);
        // An image that comes late is no news of the clock.
        let is_news = (self.last).is_none_or(|last| {
            seen.stamp_nanos >= last.stamp_nanos || last.leaps_to(seen, self.pace_nanos)
        });
        if is_news {
            if let Some(last) = self
                .last
                .filter(|last| last.stamp_nanos != seen.stamp_nanos)
            {
                self.steady += if last.leaps_to(seen, 0) { -1 } else { 1 };
            }
            self.pace_nanos = self.last.map_or(0, |last| last.leap_nanos(seen));
            self.last = Some(seen);
        }
        changes.push(Change::Place((moment, image)));
        moment
    }

    /// A held image was wild.
    fn disbelieve_held(
        &mut self,
        held: PendingImage<P>,
        next: Option<Seen>,
        changes: &mut Vec<Change<P>>,
    ) {
        let seen = Seen::of(&held);
        let moment = self.between(self.last.unwrap_or(seen), seen, next);
        self.disbelieve(moment, held, changes);
    }

    /// Where a wild image belongs: where the log times put it, between its neighbours.
    fn between(&self, last: Seen, wild: Seen, next: Option<Seen>) -> Moment {
        let passed = (wild.log_time_nanos).saturating_sub(last.log_time_nanos);
        let mut stamp_nanos = last.stamp_nanos.saturating_add(passed.max(1));
        if let Some(next) = next.filter(|next| !last.leaps_to(*next, self.pace_nanos)) {
            stamp_nanos = stamp_nanos.min(next.stamp_nanos.saturating_sub(1));
        }
        Moment {
            epoch: self.clock.epoch(),
            stamp_nanos: stamp_nanos.max(last.stamp_nanos),
        }
    }

    fn disbelieve(&mut self, at: Moment, image: PendingImage<P>, changes: &mut Vec<Change<P>>) {
        self.note_wild(image.stamp_nanos);
        let wild = PendingImage {
            wild: true,
            ..image
        };
        changes.push(Change::Place((at, wild)));
    }

    fn note_wild(&mut self, stamp_nanos: i64) {
        if self.wild_stamps.len() == WILD_STAMPS_KEPT {
            self.wild_stamps.pop_front();
        }
        self.wild_stamps.push_back(stamp_nanos);
    }
}
