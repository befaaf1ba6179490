//! The messages of one stream that a frame may still ask for, ordered by moment.

use std::collections::BTreeMap;

use super::clock::{Moment, RESET_NANOS};

/// A time-ordered buffer that knows how many bytes it holds.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    entries: BTreeMap<Moment, T>,
    newest: Option<Moment>,
    bytes_of: fn(&T) -> usize,
    bytes: usize,
}

impl<T> Buffer<T> {
    pub(super) fn new(bytes_of: fn(&T) -> usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            newest: None,
            bytes_of,
            bytes: 0,
        }
    }

    /// Bytes held, the order's own cost included.
    pub(super) fn bytes(&self) -> usize {
        const ENTRY: usize = 64;
        self.bytes + self.entries.len() * ENTRY
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The newest moment that was ever put in.
    pub(super) fn newest(&self) -> Option<Moment> {
        self.newest
    }

    /// Put a message in. Of two at the same moment `better(new, held)` says whether the new one
    /// replaces the other. False if it does not.
    pub(super) fn insert(
        &mut self,
        moment: Moment,
        value: T,
        better: impl Fn(&T, &T) -> bool,
    ) -> bool {
        self.newest = self.newest.max(Some(moment));
        if let Some(held) = self.entries.get(&moment)
            && !better(&value, held)
        {
            return false;
        }
        self.bytes += (self.bytes_of)(&value);
        if let Some(replaced) = self.entries.insert(moment, value) {
            self.bytes -= (self.bytes_of)(&replaced);
        }
        true
    }

    /// Take a message out again.
    pub(super) fn remove(&mut self, moment: Moment) {
        if let Some(value) = self.entries.remove(&moment) {
            self.bytes -= (self.bytes_of)(&value);
        }
    }

    /// The message nearest to a moment, at most `tolerance_nanos` away; of two, the earlier.
    pub(super) fn nearest(&self, moment: Moment, tolerance_nanos: i64) -> Option<(Moment, &T)> {
        self.entries
            .range(moment.shifted(-tolerance_nanos)..=moment.shifted(tolerance_nanos))
            .min_by_key(|(at, _)| at.stamp_nanos.abs_diff(moment.stamp_nanos))
            .map(|(at, value)| (*at, value))
    }

    /// The newest message up to a moment, of earlier epochs too.
    pub(super) fn newest_until(&self, moment: Moment) -> Option<(Moment, &T)> {
        let (at, value) = self.entries.range(..=moment).next_back()?;
        Some((*at, value))
    }

    /// The oldest message after a moment.
    pub(super) fn first_after(&self, moment: Moment) -> Option<(Moment, &T)> {
        let (at, value) = self.entries.range(moment.shifted(1)..).next()?;
        Some((*at, value))
    }

    /// Whether the stream has come to a moment or past it, so that nothing nearer will come. One
    /// wild stamp far ahead does not count as having come there.
    pub(super) fn has_reached(&self, moment: Moment, ahead_nanos: i64) -> bool {
        let near = moment..=moment.shifted(ahead_nanos.max(RESET_NANOS));
        let next_epoch = Moment {
            epoch: moment.epoch + 1,
            stamp_nanos: i64::MIN,
        };
        self.entries.range(near).next().is_some()
            || self.entries.range(next_epoch..).next().is_some()
    }

    /// Forget what is before a moment, except the newest of it if `keep_one`.
    pub(super) fn forget_before(&mut self, moment: Moment, keep_one: bool) {
        let kept = match keep_one {
            true => self.entries.range(..moment).next_back().map(|(at, _)| *at),
            false => None,
        };
        while let Some(entry) = self.entries.first_entry() {
            if *entry.key() >= kept.unwrap_or(moment) {
                break;
            }
            self.bytes -= (self.bytes_of)(&entry.remove());
        }
    }

    /// A stream may run ahead of the images into a later epoch than theirs, and they may never
    /// follow: keep only the last `reach_nanos` of it.
    pub(super) fn trim_ahead(&mut self, image_epoch: u64, reach_nanos: i64) {
        let Some(newest) = self.newest.filter(|newest| newest.epoch > image_epoch) else {
            return;
        };
        let start = Moment {
            epoch: newest.epoch,
            stamp_nanos: i64::MIN,
        };
        while let Some((at, _)) = (self.entries)
            .range(start..newest.shifted(-reach_nanos))
            .next()
        {
            let at = *at;
            if let Some(value) = self.entries.remove(&at) {
                self.bytes -= (self.bytes_of)(&value);
            }
        }
    }

    /// Forget the oldest message; false if there is none.
    pub(super) fn forget_oldest(&mut self) -> bool {
        match self.entries.pop_first() {
            Some((_, value)) => {
                self.bytes -= (self.bytes_of)(&value);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stamp_nanos: i64) -> Moment {
        Moment {
            epoch: 0,
            stamp_nanos,
        }
    }

    fn buffer(stamps: &[i64]) -> Buffer<i64> {
        let mut buffer = Buffer::new(|_| 8);
        for stamp in stamps {
            buffer.insert(at(*stamp), *stamp, |_, _| false);
        }
        buffer
    }

    #[test]
    fn nearest_prefers_the_earlier_of_two_and_counts_the_boundary() {
        let buffer = buffer(&[90, 110, 140]);
        let nearest = |stamp, tolerance| buffer.nearest(at(stamp), tolerance).map(|(_, v)| *v);
        assert_eq!(nearest(100, 10), Some(90));
        assert_eq!(nearest(101, 10), Some(110));
        assert_eq!(nearest(100, 9), None);
        assert_eq!(nearest(150, 10), Some(140));
    }

    #[test]
    fn forgetting_keeps_one_if_asked_and_gives_the_bytes_back() {
        let mut kept = buffer(&[1, 2, 3, 4]);
        kept.forget_before(at(4), true);
        assert_eq!(
            kept.entries.keys().copied().collect::<Vec<_>>(),
            [at(3), at(4)]
        );
        kept.forget_before(at(4), false);
        assert_eq!(kept.bytes, 8);
        assert!(kept.forget_oldest() && !kept.forget_oldest());
        assert_eq!(kept.bytes(), 0);
    }

    #[test]
    fn of_two_at_one_moment_the_better_stays() {
        let mut buffer = Buffer::new(|_: &u8| 1);
        for value in [3, 5, 4] {
            buffer.insert(at(1), value, |new, held| new > held);
        }
        assert_eq!(buffer.newest_until(at(1)), Some((at(1), &5)));
        assert_eq!(buffer.bytes, 1);
    }

    #[test]
    fn a_stream_alone_in_a_later_epoch_is_kept_short() {
        let mut buffer = buffer(&[5]);
        for stamp_nanos in 0..100 {
            let ahead = Moment {
                epoch: 1,
                stamp_nanos,
            };
            buffer.insert(ahead, stamp_nanos, |_, _| false);
            buffer.trim_ahead(0, 10);
        }
        assert_eq!(buffer.entries.len(), 1 + 11);
        buffer.trim_ahead(1, 0);
        assert_eq!(buffer.entries.len(), 1 + 11, "the images have followed");
    }

    #[test]
    fn a_wild_stamp_ahead_is_not_progress_but_another_epoch_is() {
        let mut buffer = buffer(&[50, 1_000 * RESET_NANOS]);
        assert!(buffer.has_reached(at(50), 0));
        assert!(!buffer.has_reached(at(51), 0));
        let next = Moment {
            epoch: 1,
            stamp_nanos: 0,
        };
        buffer.insert(next, 0, |_, _| false);
        assert!(buffer.has_reached(at(51), 0));
    }
}
