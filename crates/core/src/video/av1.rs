//! Which AV1 frames are keyframes, and whether one follows the last: frames that are shown count on in the order in
//! which they are shown (AV1 specification, 5.5 and 5.9).

use super::bits::Bits;
use super::look::Look;

const SEQUENCE_HEADER: u32 = 1;
const FRAME_HEADER: u32 = 3;
const FRAME: u32 = 6;
const KEY: u32 = 0;
const SWITCH: u32 = 3;
/// The value of two settings that leave the choice to each frame.
const FRAME_CHOOSES: u32 = 2;

/// What of the sequence's header a frame's header is read by.
#[derive(Debug, Clone, Copy, Default)]
struct Sequence {
    is_reduced: bool,
    /// Bits of a presentation time, where frames have one.
    time_bits: Option<u32>,
    /// Bits of a frame's id, where frames have one.
    id_bits: Option<u32>,
    screen_content: u32,
    integer_motion: u32,
    /// Bits of a frame's place in the order; 0 without one.
    order_bits: u32,
}

/// The places so far.
#[derive(Debug, Default)]
pub(super) struct Av1 {
    sequence: Option<Sequence>,
    /// Of the last frame that was shown.
    last: Option<u32>,
}

/// What a frame's header says first.
struct FrameHead {
    is_key: bool,
    is_shown: bool,
    order: Option<u32>,
}

impl Av1 {
    pub(super) fn look(&mut self, data: &[u8]) -> Look {
        let mut look = Look::default();
        let mut has_sequence = false;
        let mut rest = data;
        while let Some((kind, body, behind)) = unit(rest) {
            rest = behind;
            match kind {
                SEQUENCE_HEADER => {
                    self.sequence = sequence(body);
                    has_sequence = true;
                }
                FRAME | FRAME_HEADER => {
                    look.has_picture = true;
                    if let Some(head) = self.sequence.and_then(|it| frame(&it, body)) {
                        self.take(&head, has_sequence, &mut look);
                    }
                }
                _ => {}
            }
        }
        if !rest.is_empty() && !look.has_picture {
            look.is_other = Some("it is no sequence of OBUs with sizes");
        }
        look
    }

    fn take(&mut self, head: &FrameHead, has_sequence: bool, look: &mut Look) {
        if !head.is_shown {
            return;
        }
        // A key frame that is shown later lets nobody in here.
        look.is_keyframe |= head.is_key && has_sequence;
        if let (Some(last), Some(order)) = (self.last, head.order)
            && !look.is_keyframe
        {
            let bits = self.sequence.map_or(0, |it| it.order_bits);
            let steps = order.wrapping_sub(last) & ((1 << bits) - 1);
            look.is_gap |= steps != 1;
        }
        self.last = head.order;
    }
}

/// An OBU's type, its content and what is behind it.
fn unit(data: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (head, mut rest) = data.split_first()?;
    let mut bits = Bits::new(std::slice::from_ref(head));
    let is_forbidden = bits.bit()?;
    let kind = bits.number(4)?;
    let (has_extension, has_size) = (bits.bit()?, bits.bit()?);
    if is_forbidden || !has_size {
        return None;
    }
    if has_extension {
        (_, rest) = rest.split_first()?;
    }
    let mut size = 0_usize;
    for place in 0..5 {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        size |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let (body, behind) = rest.split_at_checked(size)?;
            return Some((kind, body, behind));
        }
    }
    None
}

fn sequence(body: &[u8]) -> Option<Sequence> {
    let mut bits = Bits::new(body);
    let mut found = Sequence {
        screen_content: FRAME_CHOOSES,
        integer_motion: FRAME_CHOOSES,
        ..Sequence::default()
    };
    bits.skip(4)?;
    found.is_reduced = bits.bit()?;
    match found.is_reduced {
        true => bits.skip(5)?,
        false => found.time_bits = timing(&mut bits)?,
    }
    let (width_bits, height_bits) = (bits.number(4)? + 1, bits.number(4)? + 1);
    bits.skip(width_bits + height_bits)?;
    if !found.is_reduced && bits.bit()? {
        let delta_bits = bits.number(4)? + 2;
        found.id_bits = Some(bits.number(3)? + 1 + delta_bits);
    }
    bits.skip(3)?;
    if found.is_reduced {
        return Some(found);
    }
    bits.skip(4)?;
    let has_order = bits.bit()?;
    if has_order {
        bits.skip(2)?;
    }
    if !bits.bit()? {
        found.screen_content = bits.number(1)?;
    }
    if found.screen_content > 0 && !bits.bit()? {
        found.integer_motion = bits.number(1)?;
    }
    if has_order {
        found.order_bits = bits.number(3)? + 1;
    }
    Some(found)
}

/// Passes over times and operating points; the bits of a frame's presentation time, where frames have one.
fn timing(bits: &mut Bits<'_>) -> Option<Option<u32>> {
    let (mut time_bits, mut delay_bits) = (None, None);
    if bits.bit()? {
        bits.skip(64)?;
        let is_even = bits.bit()?;
        if is_even {
            bits.golomb()?;
        }
        if bits.bit()? {
            delay_bits = Some(bits.number(5)? + 1);
            bits.skip(32 + 5)?;
            let found = bits.number(5)? + 1;
            time_bits = (!is_even).then_some(found);
        }
    }
    let has_display_delay = bits.bit()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12)?;
        if bits.number(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Some(time_bits)
}

fn frame(sequence: &Sequence, body: &[u8]) -> Option<FrameHead> {
    let mut bits = Bits::new(body);
    if sequence.is_reduced {
        return Some(FrameHead {
            is_key: true,
            is_shown: true,
            order: None,
        });
    }
    if bits.bit()? {
        // One that was sent before is shown now; its place was told then.
        return Some(FrameHead {
            is_key: false,
            is_shown: true,
            order: None,
        });
    }
    let kind = bits.number(2)?;
    let is_shown = bits.bit()?;
    match (is_shown, sequence.time_bits) {
        (true, Some(time_bits)) => bits.skip(time_bits)?,
        (true, None) => {}
        (false, _) => bits.skip(1)?,
    }
    if kind != SWITCH && !(kind == KEY && is_shown) {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let is_screen = match sequence.screen_content {
        FRAME_CHOOSES => bits.number(1)?,
        settled => settled,
    };
    if is_screen > 0 && sequence.integer_motion == FRAME_CHOOSES {
        bits.skip(1)?;
    }
    bits.skip(sequence.id_bits.unwrap_or(0))?;
    if kind != SWITCH {
        bits.skip(1)?;
    }
    let order = match sequence.order_bits {
        0 => None,
        order_bits => Some(bits.number(order_bits)?),
    };
    Some(FrameHead {
        is_key: kind == KEY,
        is_shown,
        order,
    })
}
