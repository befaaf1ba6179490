//! What is remembered of one object: maps of the frames in which it was pointed at and of the last ones, and pointers of
//! some more. It is bounded: a video of any length takes the same memory.
//!
//! In transformers 5.24.0: models/sam2_video/modeling_sam2_video.py, 2145-2361, for frames that come one after the other.

use std::collections::VecDeque;

use tch::Tensor;

/// Prompted frames that are kept: the first, and the last of the others. transformers keeps all, and attends to all unless
/// the checkpoint has a bound; that many corrections of one object are rare.
const MOST_PROMPTED: usize = 16;

/// What is remembered of an object in one frame.
#[derive(Debug)]
pub(super) struct Remembered {
    /// (1, L, WIDTH), bfloat16.
    pub(super) map: Tensor,
    /// (1, C)
    pub(super) pointer: Tensor,
}

#[derive(Debug)]
struct Tracked {
    frame: i64,
    /// `None` when it is too long ago to be attended to.
    map: Option<Tensor>,
    pointer: Tensor,
}

/// Of one object.
#[derive(Debug, Default)]
pub(super) struct MemoryBank {
    /// Frames in which it was pointed at, oldest first.
    prompted: Vec<(i64, Remembered)>,
    /// The last of the others, oldest first.
    tracked: VecDeque<Tracked>,
}

/// How far back is looked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Frames whose maps are attended to, a prompted one among them.
    pub(super) maps: i64,
    /// Frames whose pointers are, the present one counted.
    pub(super) pointers: i64,
    /// Prompted frames whose maps are attended to wherever they are, if there is a bound.
    pub(super) prompted: Option<usize>,
}

/// Something remembered, and of how many frames ago it is.
pub(super) type Ago<'a> = (i64, &'a Tensor);

impl MemoryBank {
    /// A frame in which the object was pointed at, later than all others.
    pub(super) fn remember_prompted(&mut self, frame: i64, remembered: Remembered) {
        if self.prompted.len() >= MOST_PROMPTED {
            self.prompted.remove(1);
        }
        self.prompted.push((frame, remembered));
    }

    /// Any other frame, later than all others.
    pub(super) fn remember_tracked(&mut self, frame: i64, remembered: Remembered, reach: Reach) {
        let Remembered { map, pointer } = remembered;
        let (oldest_map, oldest) = (
            frame + 1 - reach.maps,
            frame + 1 - reach.maps.max(reach.pointers),
        );
        self.tracked.retain_mut(|tracked| {
            if tracked.frame <= oldest_map {
                tracked.map = None;
            }
            tracked.frame > oldest
        });
        self.tracked.push_back(Tracked {
            frame,
            map: Some(map),
            pointer,
        });
    }

    /// The maps that `frame` attends to. A prompted one is no time ago, whenever it was.
    pub(super) fn maps(&self, frame: i64, reach: Reach) -> Vec<Ago<'_>> {
        let near = reach
            .prompted
            .unwrap_or(self.prompted.len())
            .min(self.prompted.len());
        let (far, near) = self.prompted.split_at(self.prompted.len() - near);
        let mut maps: Vec<Ago> = near
            .iter()
            .map(|(_, remembered)| (0, &remembered.map))
            .collect();
        for ago in (1..reach.maps).rev() {
            let tracked = self
                .tracked
                .iter()
                .find(|tracked| tracked.frame == frame - ago);
            let prompted = far.iter().find(|(prompted, _)| *prompted == frame - ago);
            let map = tracked.and_then(|tracked| tracked.map.as_ref());
            maps.extend(
                map.or(prompted.map(|(_, remembered)| &remembered.map))
                    .map(|map| (ago, map)),
            );
        }
        maps
    }

    /// The pointers that `frame` attends to.
    pub(super) fn pointers(&self, frame: i64, most: i64) -> Vec<Ago<'_>> {
        let prompted = self.prompted.iter();
        let prompted =
            prompted.map(|(prompted, remembered)| (frame - prompted, &remembered.pointer));
        let tracked = self.tracked.iter().rev();
        let tracked = tracked.map(|tracked| (frame - tracked.frame, &tracked.pointer));
        let tracked = tracked.filter(|(ago, _)| *ago < most);
        prompted.chain(tracked).collect()
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    const REACH: Reach = Reach {
        maps: 3,
        pointers: 5,
        prompted: None,
    };

    fn of(frame: i64) -> Remembered {
        let number = || Tensor::from(frame as f32);
        Remembered {
            map: number(),
            pointer: number(),
        }
    }

    fn told(ago: Vec<Ago>) -> Vec<(i64, i64)> {
        ago.into_iter()
            .map(|(ago, frame)| (ago, frame.int64_value(&[])))
            .collect()
    }

    fn bank(prompted: &[i64], frames: i64) -> MemoryBank {
        let mut bank = MemoryBank::default();
        for frame in 0..frames {
            match prompted.contains(&frame) {
                true => bank.remember_prompted(frame, of(frame)),
                false => bank.remember_tracked(frame, of(frame), REACH),
            }
        }
        bank
    }

    #[test]
    fn the_prompted_frame_and_the_last_ones_are_attended_to() {
        let bank = bank(&[0], 9);
        assert_eq!(told(bank.maps(9, REACH)), [(0, 0), (2, 7), (1, 8)]);
        assert_eq!(
            told(bank.pointers(9, 5)),
            [(9, 0), (1, 8), (2, 7), (3, 6), (4, 5)]
        );
        // and a short video looks less far back
        assert_eq!(told(bank.pointers(9, 3)), [(9, 0), (1, 8), (2, 7)]);
    }

    #[test]
    fn a_prompted_frame_beyond_the_bound_counts_as_any_other() {
        let bank = bank(&[0, 4, 8], 9);
        assert_eq!(told(bank.maps(9, REACH)), [(0, 0), (0, 4), (0, 8), (2, 7)]);
        let one = Reach {
            prompted: Some(1),
            ..REACH
        };
        assert_eq!(told(bank.maps(9, one)), [(0, 8), (2, 7)]);
    }

    #[test]
    fn a_prompted_frame_beyond_the_bound_is_attended_to_as_long_as_it_is_near() {
        let bank = bank(&[0, 4, 5], 6);
        let one = Reach {
            prompted: Some(1),
            ..REACH
        };
        assert_eq!(told(bank.maps(6, one)), [(0, 5), (2, 4)]);
    }

    #[test]
    fn nothing_grows_with_the_video() {
        // given a video in which every third frame is corrected
        let prompted: Vec<i64> = (0..1000).step_by(3).collect();
        let bank = bank(&prompted, 1000);
        // then what is kept is bounded, and the first prompt is among it
        assert_eq!(bank.prompted.len(), MOST_PROMPTED);
        assert_eq!(told(bank.maps(1000, REACH))[0], (0, 0));
        assert!(bank.tracked.len() <= 5);
        let maps = bank.tracked.iter().filter(|tracked| tracked.map.is_some());
        assert!(maps.count() <= 3);
    }
}
