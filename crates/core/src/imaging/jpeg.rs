//! JPEG pictures, with the values that libjpeg-turbo gives, and so Pillow, OpenCV and cv_bridge: networks were trained on
//! those. A picture that ends too soon is an error, where decoders would fill it up with grey.

use std::borrow::Cow;
use std::io::BufRead;
use std::ops::RangeInclusive;

use image::{DynamicImage, GrayImage, RgbImage};
use libjpeg_turbo_rs::{DecodeLimits, DecodeWarning, Decoder, Image, JpegError, PixelFormat};

use super::fence::fenced;

const MARKER: u8 = 0xff;
const STUFFED: u8 = 0x00;
const RESTARTS: RangeInclusive<u8> = 0xd0..=0xd7;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const RESTART_INTERVAL: u8 = 0xdd;

/// Coefficients of a block.
const COEFFICIENTS: usize = 64;

/// As many as fit into what `image` lets any other picture take.
const MAX_PIXELS: u64 = (512 << 20) / 3;

/// A dozen are usual; each of thousands would be a look at the whole picture.
const MAX_SCANS: usize = 100;

const CUT: &str = "it ends in the middle of the picture";

/// The pixels of a JPEG file, grey ones as such and all others as RGB, or why there are none. A few broken bits are
/// decoded as far as they can be; a picture of which the end is missing is not.
pub(crate) fn decode(file: &[u8]) -> Result<DynamicImage, String> {
    let has_end = has_end(file);
    let file = if has_end {
        Cow::Borrowed(file)
    } else {
        ended(file)
    };
    let (image, size) = fenced(|| decoded(&file))?;
    if is_cut(&file, has_end, &image) {
        return Err(CUT.to_owned());
    }
    let (width, height) = size;
    let picture = match image.pixel_format {
        PixelFormat::Grayscale => {
            GrayImage::from_raw(width, height, image.data).map(DynamicImage::from)
        }
        _ => RgbImage::from_raw(width, height, image.data).map(DynamicImage::from),
    };
    picture.ok_or_else(|| "its decoder gave too few pixels".to_owned())
}

/// The picture, with what its decoder had to say of it, and its size.
fn decoded(file: &[u8]) -> Result<(Image, (u32, u32)), String> {
    let limits = DecodeLimits {
        max_pixels: MAX_PIXELS,
        max_scans: MAX_SCANS,
        ..DecodeLimits::default()
    };
    let words = |error| match error {
        JpegError::UnexpectedEof => CUT.to_owned(),
        error => error.to_string(),
    };
    let decoder = Decoder::new_with_limits(file, limits).map_err(words)?;
    let header = decoder.header();
    let size = (u32::from(header.width), u32::from(header.height));
    let format = match header.components.len() {
        1 => PixelFormat::Grayscale,
        _ => PixelFormat::Rgb,
    };
    let decoder = decoder.with_lenient(true).with_output_format(format);
    Ok((decoder.decode_image().map_err(words)?, size))
}

/// Whether rows of the picture are missing, or all that would sharpen it. `file` ends with an end marker that some files
/// did not have: those are cut wherever anything is missing. In others, broken bits may have cost the last blocks.
fn is_cut(file: &[u8], has_end: bool, image: &Image) -> bool {
    let lost = image.warnings.iter().find_map(|warning| match warning {
        DecodeWarning::TruncatedData {
            decoded_mcus,
            total_mcus,
        } => Some((total_mcus.saturating_sub(*decoded_mcus), *total_mcus)),
        _ => None,
    });
    if !has_end {
        return lost.is_some() || !is_all_sent(file);
    }
    let Some((lost, blocks)) = lost else {
        return false;
    };
    // Behind a restart, decoding went on; and of several scans one that is short leaves the others'.
    let is_the_end = segments(file).filter(|it| it.marker == SCAN).count() == 1
        && !segments(file).any(|it| it.marker == RESTART_INTERVAL);
    let rows_lost = lost * image.height / blocks.max(1);
    !is_all_sent(file) || (is_the_end && rows_lost >= 8)
}

/// Whether scans give every coefficient of every component to its last bit, as far as their heads tell. A progressive
/// picture may be cut between two scans.
fn is_all_sent(file: &[u8]) -> bool {
    let mut components: Vec<(u8, [bool; COEFFICIENTS])> = Vec::new();
    for segment in segments(file) {
        match (segment.marker, segment.body) {
            // SOF: precision, height and width, then of each component its name, sampling and table.
            (
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf,
                [_, _, _, _, _, _, each @ ..],
            ) => {
                let names = each.chunks_exact(3).map(|it| it[0]);
                components = names.map(|name| (name, [false; COEFFICIENTS])).collect();
            }
            (SCAN, [count, rest @ ..]) => {
                let Some((names, [first, last, bits])) =
                    rest.split_at_checked(usize::from(*count) * 2)
                else {
                    return false;
                };
                for (name, sent) in &mut components {
                    if names.iter().step_by(2).any(|it| it == name) {
                        let range = usize::from(*first)..=usize::from(*last).min(COEFFICIENTS - 1);
                        sent.get_mut(range)
                            .unwrap_or_default()
                            .fill(bits & 0x0f == 0);
                    }
                }
            }
            _ => {}
        }
    }
    !components.is_empty() && components.iter().all(|(_, sent)| !sent.contains(&false))
}

/// Whether an end marker follows the last scan's head. Neither pair of bytes can occur within a scan.
fn has_end(file: &[u8]) -> bool {
    let last = |marker| file.windows(2).rposition(|pair| pair == [MARKER, marker]);
    last(END) > last(SCAN)
}

/// The file with an end marker, without which some are whole. Zeros that only fill it up would be taken for blocks; a
/// scan may end in a few.
fn ended(file: &[u8]) -> Cow<'_, [u8]> {
    const KEPT: usize = 4;
    let filled = file.iter().rev().take_while(|byte| **byte == 0).count();
    let used = file.len() - filled.saturating_sub(KEPT);
    Cow::Owned([file.get(..used).unwrap_or(file), &[MARKER, END]].concat())
}

/// Whether a file's segments follow each other without a gap, with at least one scan, up to its end marker: the decoder
/// would not stumble but over a scan's own bits.
pub(crate) fn is_sound(file: &[u8]) -> bool {
    let mut has_scan = false;
    for segment in segments(file) {
        match segment.marker {
            END => return has_scan,
            SCAN => has_scan = true,
            _ => {}
        }
    }
    false
}

/// What a marker begins.
struct Segment<'a> {
    marker: u8,
    /// Behind its length, without a scan's own data.
    body: &'a [u8],
}

/// A file's segments up to its end marker, or to what is no segment.
fn segments(file: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    // Behind the marker that begins the file.
    let mut rest = file.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        // Any number of these may stand before a marker, the first its own.
        let filled = rest.iter().take_while(|byte| **byte == MARKER).count();
        let marker = *rest.get(filled).filter(|_| filled > 0)?;
        let behind = rest.get(filled + 1..)?;
        rest = &[];
        match marker {
            END => return Some(Segment { marker, body: &[] }),
            // Reserved, or without a segment, and so nowhere but in a scan.
            0x00..=0xbf | 0xd0..=0xd8 => return None,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
        let (segment, behind) = behind.split_at_checked(length)?;
        rest = match marker {
            SCAN => behind_scan(behind),
            _ => behind,
        };
        let body = segment.get(2..)?;
        Some(Segment { marker, body })
    })
}

/// From the first marker on that is no part of a scan's own data.
fn behind_scan(data: &[u8]) -> &[u8] {
    let mut rest = data;
    loop {
        let mut unread = rest;
        // Only fails to find one at the end of the data, where nothing is left.
        let skipped = unread.skip_until(MARKER).unwrap_or(rest.len());
        match unread.first() {
            None => return &[],
            Some(next) if *next == STUFFED || RESTARTS.contains(next) => rest = unread,
            Some(_) => return rest.get(skipped - 1..).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
