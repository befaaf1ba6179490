//! What a packet is in its video, whatever the codec, without decoding it.

use super::annex_b::units;
use super::av1::Av1;
use super::h264::H264;
use super::look::Look;
use super::vp9;
use crate::messages::{Codec, VideoPacket};

/// The packets of one video so far.
#[derive(Debug)]
pub(super) struct Sequence {
    codec: Order,
    count: Count,
}

#[derive(Debug)]
enum Order {
    H264(H264),
    H265,
    Av1(Av1),
    Vp9,
}

/// A sender's count. One that counts something else than pictures by ones is not believed.
#[derive(Debug, Default)]
struct Count {
    last: Option<u64>,
    /// It has gone on by ones so far, at least once.
    is_by_ones: Option<bool>,
}

impl Sequence {
    pub(super) fn new(codec: Codec) -> Self {
        let codec = match codec {
            Codec::H264 => Order::H264(H264::default()),
            Codec::H265 => Order::H265,
            Codec::Av1 => Order::Av1(Av1::default()),
            Codec::Vp9 => Order::Vp9,
        };
        Self {
            codec,
            count: Count::default(),
        }
    }

    pub(super) fn look(&mut self, packet: &VideoPacket<'_>) -> Look {
        let look = match &mut self.codec {
            // Its own numbers are exact, and a picture that no other needs may be missing.
            Order::H264(order) => return order.look(packet.data),
            Order::H265 => h265(packet.data),
            Order::Av1(order) => order.look(packet.data),
            Order::Vp9 => vp9::look(packet.data),
        };
        let is_gap = self.count.is_gap(packet.count) && !look.is_keyframe;
        Look {
            is_gap: look.is_gap || is_gap,
            ..look
        }
    }
}

impl Count {
    fn is_gap(&mut self, count: Option<u64>) -> bool {
        let (Some(count), last) = (count, self.last) else {
            return false;
        };
        self.last = Some(count);
        // A sender that begins again begins with a keyframe.
        let Some(steps) = last.and_then(|last| count.checked_sub(last)) else {
            return false;
        };
        let is_gap = self.is_by_ones == Some(true) && steps > 1;
        if !is_gap {
            self.is_by_ones = Some(steps == 1 && self.is_by_ones != Some(false));
        }
        is_gap
    }
}

/// H.265 names in each picture those that it needs: the decoder says if one is missing.
fn h265(data: &[u8]) -> Look {
    const LAST_SLICE: u8 = 31;
    /// Instantaneous refresh, broken links and clean random access.
    const ENTRIES: std::ops::RangeInclusive<u8> = 16..=21;
    let kind = |unit: &[u8]| unit.first().map(|head| head >> 1 & 0x3f);
    let mut look = Look {
        is_other: Some("it is no Annex B byte stream"),
        ..Look::default()
    };
    for kind in units(data).filter_map(kind) {
        look.is_other = None;
        look.has_picture |= kind <= LAST_SLICE;
        look.is_keyframe |= ENTRIES.contains(&kind);
    }
    look
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_by_ones_that_jumps_has_a_gap() {
        let mut count = Count::default();
        let gaps = [7, 8, 9, 11, 12, 0, 1].map(|at| count.is_gap(Some(at)));
        assert_eq!(gaps, [false, false, false, true, false, false, false]);
    }

    #[test]
    fn a_count_of_something_else_says_nothing() {
        // given time stamps in a unit of the encoder's own, and no count at all
        let mut count = Count::default();
        for at in [Some(0), Some(33), Some(34), Some(100), None, Some(200)] {
            assert!(!count.is_gap(at), "{at:?}");
        }
    }
}
