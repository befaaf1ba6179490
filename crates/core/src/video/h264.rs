//! Which of a camera's H.264 pictures are keyframes, and whether one follows the last: each reference picture has a
//! number (`frame_num`), one more than that before it (ITU-T H.264, 7.4.3).

use std::collections::BTreeMap;

use super::annex_b::{unescaped, units};
use super::bits::Bits;
use super::look::Look;

const SLICE: u8 = 1;
const PARTITION: u8 = 2;
const KEY_SLICE: u8 = 5;
const SUPPLEMENT: u8 = 6;
const SEQUENCE: u8 = 7;
const PICTURE: u8 = 8;

/// More of a header is never needed.
const SLICE_BYTES: usize = 32;
const SEQUENCE_BYTES: usize = 1024;
const SUPPLEMENT_BYTES: usize = 256;
/// Where decoding may begin, if as many pictures later all is right.
const RECOVERY_POINT: u32 = 6;
/// Parameter sets beyond these are no standard's.
const MOST_SETS: u32 = 256;

/// What of the parameter sets counts.
#[derive(Debug, Clone, Copy)]
struct Sequence {
    bits: u32,
    has_planes: bool,
    may_skip: bool,
}

/// The numbers so far.
#[derive(Debug, Default)]
pub(super) struct H264 {
    sequences: BTreeMap<u32, Sequence>,
    /// Picture parameter set to sequence.
    pictures: BTreeMap<u32, u32>,
    /// Of the last reference picture.
    last: Option<u32>,
}

impl H264 {
    pub(super) fn look(&mut self, data: &[u8]) -> Look {
        let mut look = Look::default();
        let mut any = false;
        for unit in units(data) {
            let Some((head, body)) = unit.split_first() else {
                continue;
            };
            any = true;
            match head & 0x1f {
                SEQUENCE => {
                    if let Some((id, sequence)) = sequence(&unescaped(body, SEQUENCE_BYTES)) {
                        self.sequences.insert(id, sequence);
                    }
                }
                PICTURE => {
                    let body = unescaped(body, SLICE_BYTES);
                    let mut bits = Bits::new(&body);
                    if let (Some(id), Some(of)) = (bits.golomb(), bits.golomb())
                        && id < MOST_SETS
                    {
                        self.pictures.insert(id, of);
                    }
                }
                SUPPLEMENT => {
                    look.is_keyframe |= is_clean_entry(&unescaped(body, SUPPLEMENT_BYTES));
                }
                // The first slice of a picture says it all.
                kind @ (SLICE | PARTITION | KEY_SLICE) if !look.has_picture => {
                    look.has_picture = true;
                    look.is_keyframe |= kind == KEY_SLICE;
                    let is_reference = head & 0x60 != 0;
                    let body = unescaped(body, SLICE_BYTES);
                    look.is_gap = self.is_gap(&body, look.is_keyframe, is_reference);
                }
                _ => {}
            }
        }
        // A supplement belongs to a picture.
        look.is_keyframe &= look.has_picture;
        if !any {
            look.is_other = Some("it is no Annex B byte stream");
        }
        look
    }

    /// Whether a reference picture is missing between the last one and this.
    fn is_gap(&mut self, slice: &[u8], is_keyframe: bool, is_reference: bool) -> bool {
        let Some((number, sequence)) = self.number(slice) else {
            return false;
        };
        let follows = self.last.is_none_or(|last| {
            let next = (last + 1) & mask(sequence.bits);
            number == last || number == next
        });
        if is_reference || is_keyframe {
            self.last = Some(number);
        }
        !(follows || is_keyframe || sequence.may_skip)
    }

    fn number(&self, slice: &[u8]) -> Option<(u32, Sequence)> {
        let mut bits = Bits::new(slice);
        let (_first_block, _kind) = (bits.golomb()?, bits.golomb()?);
        let sequence = *self.sequences.get(self.pictures.get(&bits.golomb()?)?)?;
        if sequence.has_planes {
            bits.skip(2)?;
        }
        Some((bits.number(sequence.bits)?, sequence))
    }
}

fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}

/// A sequence parameter set's id and what of it counts.
fn sequence(body: &[u8]) -> Option<(u32, Sequence)> {
    const WITH_CHROMA: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
    const FULL_CHROMA: u32 = 3;
    let mut bits = Bits::new(body);
    let profile = bits.number(8)?;
    bits.skip(16)?;
    let id = bits.golomb()?;
    let mut has_planes = false;
    if WITH_CHROMA.contains(&profile) {
        let chroma = bits.golomb()?;
        if chroma == FULL_CHROMA {
            has_planes = bits.bit()?;
        }
        let (_luma_depth, _chroma_depth) = (bits.golomb()?, bits.golomb()?);
        bits.skip(1)?;
        if bits.bit()? {
            let lists = if chroma == FULL_CHROMA { 12 } else { 8 };
            for list in 0..lists {
                if bits.bit()? {
                    skip_scaling(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let number_bits = bits.golomb()?.checked_add(4).filter(|bits| *bits <= 16)?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            let cycle = bits.golomb()?.min(255);
            (0..cycle).try_for_each(|_| bits.signed_golomb().map(|_| ()))?;
        }
        _ => {}
    }
    bits.golomb()?;
    let may_skip = bits.bit()?;
    let sequence = Sequence {
        bits: number_bits,
        has_planes,
        may_skip,
    };
    (id < MOST_SETS).then_some((id, sequence))
}

fn skip_scaling(bits: &mut Bits<'_>, values: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..values {
        if next != 0 {
            next = (last + bits.signed_golomb()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Whether supplemental information says that decoding may begin here, with this very picture.
fn is_clean_entry(body: &[u8]) -> bool {
    let mut rest = body;
    let mut value = || {
        let mut value = 0_u32;
        loop {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            value = value.checked_add(u32::from(*byte))?;
            if *byte != 0xff {
                return Some((value, rest));
            }
        }
    };
    // The information that comes first: encoders put this one there, alone.
    match (value(), value()) {
        (Some((RECOVERY_POINT, _)), Some((_, payload))) => Bits::new(payload).golomb() == Some(0),
        _ => false,
    }
}
