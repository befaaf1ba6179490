//! Messages of one topic by their stamps, held until the frame that they belong to has come.

use std::collections::BTreeMap;

/// The messages held.
pub(crate) struct Stream<T> {
    held: BTreeMap<i64, T>,
}

impl<T> Default for Stream<T> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
        }
    }
}

impl<T> Stream<T> {
    /// A header that was never stamped (0) has the time at which it was logged.
    pub(crate) fn insert(&mut self, stamp: i64, log_time: i64, message: T) {
        let stamp = if stamp == 0 { log_time } else { stamp };
        self.held.insert(stamp, message);
    }

    /// The one of exactly that stamp.
    pub(crate) fn at(&self, stamp: i64) -> Option<&T> {
        self.held.get(&stamp)
    }

    /// In the order of their stamps, those no farther than `reach` from one.
    pub(crate) fn within(&self, stamp: i64, reach: i64) -> impl Iterator<Item = (&i64, &T)> {
        (self.held).range(stamp.saturating_sub(reach)..=stamp.saturating_add(reach))
    }

    /// The one nearest to a stamp, if it is within the tolerance; the earlier of two as near.
    pub(crate) fn nearest(&self, stamp: i64, tolerance: i64) -> Option<&T> {
        let near = self.within(stamp, tolerance);
        let nearest = near.min_by_key(|(at, _)| at.abs_diff(stamp));
        nearest.map(|(_, held)| held)
    }

    /// Let go of the messages with earlier stamps.
    pub(crate) fn forget_before(&mut self, stamp: i64) {
        self.held = self.held.split_off(&stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_within_the_tolerance_is_found() {
        let mut stream = Stream::default();
        for stamp in [10, 20, 30] {
            stream.insert(stamp, 0, stamp);
        }
        assert_eq!(stream.nearest(17, 5), Some(&20));
        assert_eq!(stream.nearest(15, 5), Some(&10));
        assert_eq!(stream.nearest(16, 3), None);
        stream.forget_before(20);
        assert_eq!(stream.nearest(10, 9), None);
        assert_eq!(stream.nearest(20, 0), Some(&20));
        assert_eq!(stream.nearest(i64::MIN, i64::MAX), None);
    }

    #[test]
    fn what_has_no_stamp_has_its_log_time() {
        let mut stream = Stream::default();
        stream.insert(0, 7, "a");
        assert_eq!(stream.at(7), Some(&"a"));
    }
}
