//! The order of time, even where stamps start over (a simulator that was reset): a moment is a
//! stamp and the epoch it belongs to. The images' clock decides; other streams follow it.

use crate::stamp::NANOS_PER_SECOND;

/// An image this far behind the newest one is a clock that was set back, not a late image.
pub(super) const RESET_NANOS: i64 = NANOS_PER_SECOND;

/// Which episode a frame in memory belongs to: a new one begins where it is asked for, and where stamps are set back as
/// far as a recording's clock has to be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EpisodeClock {
    episode: u64,
    newest_nanos: Option<i64>,
}

impl EpisodeClock {
    /// A new episode, whose stamps may begin wherever they do.
    pub(super) fn reset(&mut self) {
        *self = Self {
            episode: self.episode + 1,
            newest_nanos: None,
        };
    }

    /// The clock with a frame of this stamp. It is another one, so that a frame that is refused leaves no trace.
    pub(super) fn at(self, stamp_nanos: i64) -> Self {
        let begun = match self.newest_nanos {
            Some(newest) if stamp_nanos <= newest.saturating_sub(RESET_NANOS) => {
                let mut begun = self;
                begun.reset();
                begun
            }
            _ => self,
        };
        Self {
            newest_nanos: begun.newest_nanos.max(Some(stamp_nanos)),
            ..begun
        }
    }

    pub(super) fn episode(self) -> u64 {
        self.episode
    }
}

/// A stamp in its epoch. Moments order by epoch first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub epoch: u64,
    pub stamp_nanos: i64,
}

impl Moment {
    pub(super) fn shifted(self, nanos: i64) -> Self {
        Self {
            stamp_nanos: self.stamp_nanos.saturating_add(nanos),
            ..self
        }
    }
}

/// The epoch before the current one, as long as its last messages may still come in.
#[derive(Debug, Clone, Copy)]
struct Ended {
    newest_nanos: i64,
    until_log_nanos: i64,
}

/// Places messages in epochs.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImageClock {
    epoch: u64,
    newest_nanos: Option<i64>,
    ended: Option<Ended>,
    wait_nanos: i64,
    /// A message further behind the newest image than this is of no use to any frame.
    reach_nanos: i64,
}

impl ImageClock {
    pub(super) fn new(wait_nanos: i64, reach_nanos: i64) -> Self {
        Self {
            epoch: 0,
            newest_nanos: None,
            ended: None,
            wait_nanos,
            reach_nanos,
        }
    }

    /// Place an image; one that lies `RESET_NANOS` or more behind the newest begins an epoch.
    pub(super) fn place_image(&mut self, log_time_nanos: i64, stamp_nanos: i64) -> Moment {
        match self.newest_nanos {
            Some(newest) if stamp_nanos <= newest.saturating_sub(RESET_NANOS) => {
                self.epoch += 1;
                self.newest_nanos = Some(stamp_nanos);
                self.ended = Some(Ended {
                    newest_nanos: newest,
                    until_log_nanos: log_time_nanos.saturating_add(self.wait_nanos),
                });
            }
            newest => {
                self.newest_nanos = Some(newest.map_or(stamp_nanos, |n| n.max(stamp_nanos)));
            }
        }
        Moment {
            epoch: self.epoch,
            stamp_nanos,
        }
    }

    /// Place a message of another stream, given the newest moment of that stream.
    ///
    /// Around a reset the streams jump one after the other. A message that follows its own
    /// stream's jump and is too old for any frame runs ahead of the images into the next epoch;
    /// one nearer to where the images' last epoch ended than to where they are now is a straggler.
    pub(super) fn place_message(
        &self,
        log_time_nanos: i64,
        stamp_nanos: i64,
        stream_newest: Option<Moment>,
    ) -> Moment {
        let here = Moment {
            epoch: self.epoch,
            stamp_nanos,
        };
        let Some(newest) = self.newest_nanos else {
            return here;
        };
        if let Some(ended) = self.ended
            && log_time_nanos <= ended.until_log_nanos
            && newest < ended.newest_nanos
            && stamp_nanos.abs_diff(ended.newest_nanos) < stamp_nanos.abs_diff(newest)
        {
            return Moment {
                epoch: self.epoch - 1,
                ..here
            };
        }
        let jumped = stream_newest.is_some_and(|own| here.shifted(RESET_NANOS) <= own);
        let too_old = newest
            .saturating_sub(self.reach_nanos)
            .saturating_sub(RESET_NANOS);
        if jumped && stamp_nanos <= too_old {
            return Moment {
                epoch: self.epoch + 1,
                ..here
            };
        }
        here
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = NANOS_PER_SECOND;

    fn clock_at(stamp_nanos: i64) -> ImageClock {
        let mut clock = ImageClock::new(S / 2, S / 2);
        clock.place_image(stamp_nanos, stamp_nanos);
        clock
    }

    #[test]
    fn exactly_one_second_back_is_a_reset_and_less_is_not() {
        let mut clock = clock_at(10 * S);
        assert_eq!(clock.place_image(10 * S, 9 * S + 1).epoch, 0);
        assert_eq!(clock.place_image(10 * S, 9 * S).epoch, 1);
    }

    #[test]
    fn a_stream_that_jumps_before_the_images_is_kept_for_their_epoch() {
        // given images at 10 s and a depth stream that was there too
        let mut clock = clock_at(10 * S);
        let depth = clock.place_message(10 * S, 10 * S, None);
        // when depth starts over, and the images follow
        let early = clock.place_message(10 * S, 0, Some(depth));
        let image = clock.place_image(10 * S, 0);
        // then both are in the same epoch
        assert_eq!((early.epoch, image.epoch), (1, 1));
        let next = clock.place_message(10 * S, S / 30, Some(early));
        assert_eq!(next.epoch, 1);
    }

    #[test]
    fn a_straggler_of_the_ended_epoch_is_told_from_news() {
        let mut clock = clock_at(10 * S);
        let boxes = clock.place_message(10 * S, 10 * S - 1, None);
        clock.place_image(10 * S, 0);
        let place = |log, stamp| clock.place_message(log, stamp, Some(boxes)).epoch;
        assert_eq!(place(10 * S + 1, 10 * S), 0);
        assert_eq!(place(10 * S + 1, S / 10), 1);
        assert_eq!(place(10 * S + S / 2 + 1, 10 * S), 1, "the wait is over");
    }

    #[test]
    fn one_wild_stamp_of_a_stream_does_not_move_it_to_another_epoch() {
        let clock = clock_at(10 * S);
        let wild = clock.place_message(10 * S, 1_000_000 * S, None);
        assert_eq!(wild.epoch, 0);
        assert_eq!(clock.place_message(10 * S, 10 * S, Some(wild)).epoch, 0);
    }

    #[test]
    fn extreme_stamps_do_not_overflow() {
        let mut clock = clock_at(i64::MAX);
        assert_eq!(clock.place_image(i64::MIN, i64::MIN).epoch, 1);
        let moment = clock.place_message(i64::MAX, i64::MIN, None);
        assert!(clock.place_message(0, i64::MAX, Some(moment)).epoch <= 1);
    }
}
