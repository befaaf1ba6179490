//! Compressed formats that robots record and this program does not read, told by their first bytes or by the message's
//! format: a topic of one is refused by name, for no message on it can be read.

/// Formats by what their files begin with, behind so many bytes.
const SIGNATURES: [(usize, &[u8], &str); 17] = [
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIF"),
    (4, b"ftyp", "video of MPEG-4"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"BM", "BMP"),
    (0, b"GIF8", "GIF"),
    (0, b"qoif", "QOI"),
    (0, b"OggS", "video of Theora"),
    (0, b"\x1a\x45\xdf\xa3", "video of Matroska"),
    (0, b"\x00\x00\x00\x01", "video of H.264 or H.265"),
    (0, b"\x00\x00\x01", "video of H.264 or H.265"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"),
];

/// Words of a format that names none of ours.
const WORDS: [&str; 22] = [
    "jxl", "jpegxl", "jp2", "jpeg2000", "j2k", "avif", "heif", "heic", "tiff", "tif", "bmp", "gif",
    "qoi", "theora", "h264", "avc", "h265", "hevc", "av1", "vp8", "vp9", "ffmpeg",
];

/// The foreign format of a message that is for certain of one, in words; `None` for a picture of ours, and for bytes of
/// which nothing is known.
pub(super) fn name(format: &str, data: &[u8]) -> Option<String> {
    // What begins like one of ours is one, whatever it is called.
    if data.is_empty() || image::guess_format(data).is_ok_and(is_ours) {
        return None;
    }
    let begins = |(at, begin, _): &&(usize, &[u8], &str)| {
        data.get(*at..).is_some_and(|rest| rest.starts_with(begin))
    };
    if let Some((_, _, name)) = SIGNATURES.iter().find(begins) {
        return Some(format!("{name}', format '{format}"));
    }
    let lower = format.to_ascii_lowercase();
    let says = lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| WORDS.contains(&word));
    says.then(|| format.to_owned())
}

fn is_ours(format: image::ImageFormat) -> bool {
    use image::ImageFormat::{Jpeg, Png, WebP};
    matches!(format, Jpeg | Png | WebP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_format_is_told_by_its_bytes_or_its_name() {
        for (format, data, expected) in [
            (
                "rgb8; jxl compressed ",
                b"\xff\x0a\x00\x01".as_slice(),
                "JPEG XL",
            ),
            ("", b"\x00\x00\x00\x1cftypavif", "AVIF"),
            ("rgb8; tiff compressed ", b"II*\x00\x08\x00", "TIFF"),
            ("theora", b"\x00\x80\x12\x34", "theora"),
            ("h264", b"\x00\x00\x00\x01\x67", "H.264"),
            ("bgr8;hevc", b"\x12\x34", "hevc"),
            ("h264", b"\x41\x9a", "h264"),
        ] {
            let found = name(format, data).unwrap_or_default();
            assert!(found.contains(expected), "{format}: {found}");
        }
    }

    #[test]
    fn a_picture_of_ours_and_a_broken_one_are_not_foreign() {
        for (format, data) in [
            // Named wrongly, but a JPEG
            ("h264", b"\xff\xd8\xff\xe0".as_slice()),
            ("rgb8; jpeg compressed bgr8", b"\x12\x34"),
            // A camera that sends nothing while it warms up
            ("h264", b""),
            ("anything", b"\x12\x34"),
        ] {
            assert_eq!(name(format, data), None, "{format}");
        }
    }
}
