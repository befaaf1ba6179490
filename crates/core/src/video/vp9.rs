//! Which VP9 frames are keyframes (VP9 bitstream specification, 6.2). Nothing in one says whether it follows the last.

use super::bits::Bits;
use super::look::Look;

pub(super) fn look(data: &[u8]) -> Look {
    match is_keyframe(data) {
        Some(is_keyframe) => Look {
            has_picture: true,
            is_keyframe,
            ..Look::default()
        },
        None => Look {
            is_other: Some("it does not begin like a VP9 frame"),
            ..Look::default()
        },
    }
}

fn is_keyframe(data: &[u8]) -> Option<bool> {
    const MARKER: u32 = 2;
    let mut bits = Bits::new(data);
    if bits.number(2)? != MARKER {
        return None;
    }
    let profile = (bits.bit()?, bits.bit()?);
    if profile == (true, true) {
        bits.skip(1)?;
    }
    let shows_existing = bits.bit()?;
    let is_inter = bits.bit()?;
    Some(!shows_existing && !is_inter)
}
