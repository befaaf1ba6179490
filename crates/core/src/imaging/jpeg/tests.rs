//! Pictures that Pillow decoded, and what becomes of them when something is missing.

use std::fs;
use std::path::PathBuf;

use super::*;

const KINDS: [&str; 11] = [
    "444",
    "422",
    "420",
    "420_coarse",
    "420_restarts",
    "420_progressive",
    "444_progressive",
    "rgb",
    "grey",
    "grey_progressive",
    "cmyk",
];

fn fixture(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("../../tests/fixtures/jpeg").join(name)
}

fn file(kind: &str) -> Vec<u8> {
    fs::read(fixture(&format!("{kind}.jpg"))).unwrap()
}

fn pixels(kind: &str) -> DynamicImage {
    image::open(fixture(&format!("{kind}.png"))).unwrap()
}

/// The file's head and a share of what follows it, in percent.
fn share(file: &[u8], percent: usize) -> &[u8] {
    let head = first_scan(file);
    &file[..head + (file.len() - head) * percent / 100]
}

/// Where the first scan's own data begin.
fn first_scan(file: &[u8]) -> usize {
    let scan = file.windows(2).position(|it| it == [MARKER, SCAN]).unwrap();
    scan + 2 + usize::from(u16::from_be_bytes([file[scan + 2], file[scan + 3]]))
}

#[test]
fn pixels_were_others_than_those_of_libjpeg_turbo() {
    for kind in KINDS {
        // given a JPEG and what Pillow makes of it; when it is decoded
        let picture = decode(&file(kind)).unwrap();
        // then every value is the same
        assert!(picture == pixels(kind), "{kind}");
    }
}

#[test]
fn a_cut_picture_was_filled_up_with_grey() {
    for kind in KINDS {
        let whole = file(kind);
        // when something of it is missing, then that is an error
        for percent in [0, 30, 50, 70, 90, 99] {
            let words = decode(share(&whole, percent)).unwrap_err();
            assert_eq!(words, CUT, "{kind}, {percent} %");
        }
        for length in 0..whole.len() - 5 {
            assert!(decode(&whole[..length]).is_err(), "{kind}, {length}");
        }
    }
}

#[test]
fn a_cut_picture_whose_rest_is_zeros_is_cut() {
    for kind in KINDS {
        // given a file that was made as long as it should become, of which some was never written
        let mut file = file(kind);
        let written = share(&file, 70).len();
        file[written..].fill(0);
        // then it is cut
        assert_eq!(decode(&file).unwrap_err(), CUT, "{kind}");
    }
}

#[test]
fn a_picture_that_lacks_its_rows_before_its_end_marker_is_cut() {
    for kind in ["444", "422", "420", "420_progressive", "grey"] {
        // given a camera that lost packets, and ended the picture all the same
        let whole = file(kind);
        let closed = [share(&whole, 60), &[MARKER, END]].concat();
        // then it is cut
        assert_eq!(decode(&closed).unwrap_err(), CUT, "{kind}");
    }
}

#[test]
fn a_whole_picture_without_its_end_marker_is_one() {
    for kind in KINDS {
        // given files of cameras that leave the marker out, half of it, or fill up what follows
        let whole = file(kind);
        let without = &whole[..whole.len() - 2];
        let files = [
            without.to_vec(),
            whole[..whole.len() - 1].to_vec(),
            [without, &[0; 500]].concat(),
            [&whole[..], &[0; 500]].concat(),
            [&whole[..], b"camera 7 \xff\xda\xff\xd8".as_slice()].concat(),
        ];
        for (case, file) in files.iter().enumerate() {
            // then each shows the whole picture
            assert!(decode(file).unwrap() == pixels(kind), "{kind}, case {case}");
        }
    }
}

#[test]
fn a_broken_bit_costs_no_picture() {
    // given a JPEG that is whole but for a bit, in turn each of its scan
    let whole = file("420_restarts");
    let scan = whole
        .windows(2)
        .position(|it| it == [MARKER, SCAN])
        .unwrap();
    let broken = (scan + 14..whole.len() - 40).map(|at| {
        let mut file = whole.clone();
        file[at] ^= 0x10;
        decode(&file)
    });
    // then nearly all are decoded, and none is taken for a cut one
    let (mut decoded, mut refused) = (0, 0);
    for picture in broken {
        match picture {
            Ok(_) => decoded += 1,
            Err(words) => {
                assert_ne!(words, CUT);
                refused += 1;
            }
        }
    }
    assert!(decoded > 100 * refused, "{decoded} against {refused}");
}

#[test]
fn what_is_no_jpeg_is_an_error() {
    for file in [
        b"".as_slice(),
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"text",
        &[0xff; 90],
    ] {
        assert!(decode(file).is_err(), "{file:?}");
        assert!(!is_sound(file), "{file:?}");
    }
}
