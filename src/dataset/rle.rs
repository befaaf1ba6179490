//! Masks in COCO's compressed run-length form: runs down the columns, beginning with what is outside,
//! each written as its difference from the run two before in characters of five bits.

use serde::Serialize;

/// One region's mask, as pycocotools reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rle {
    /// Height and width in pixels.
    pub size: [u32; 2],
    pub counts: String,
}

impl Rle {
    /// `inside` tells of a pixel, by its row-major index, whether it belongs to the mask.
    pub fn encode(width: u32, height: u32, inside: impl Fn(usize) -> bool) -> Self {
        let runs = runs(width as usize, height as usize, inside);
        let mut counts = String::new();
        for (index, &run) in runs.iter().enumerate() {
            // From the fourth run on only the change is written.
            let before = if index > 2 { runs[index - 2] } else { 0 };
            push_number(&mut counts, run - before);
        }
        Self {
            size: [height, width],
            counts,
        }
    }
}

/// Lengths of the runs outside and inside, in turn, down the columns from the left.
fn runs(width: usize, height: usize, inside: impl Fn(usize) -> bool) -> Vec<i64> {
    let mut runs = Vec::new();
    let (mut current, mut length) = (false, 0);
    for column in 0..width {
        for row in 0..height {
            let pixel = inside(row * width + column);
            if pixel != current {
                runs.push(length);
                (current, length) = (pixel, 0);
            }
            length += 1;
        }
    }
    runs.push(length);
    runs
}

/// Five bits a character, the lowest first; the sixth says that more follow, the fifth of the last one
/// is the sign.
fn push_number(text: &mut String, mut number: i64) {
    loop {
        let bits = (number & 0x1f) as u8;
        number >>= 5;
        let more = if bits & 0x10 != 0 {
            number != -1
        } else {
            number != 0
        };
        text.push(char::from(bits + if more { 0x20 } else { 0 } + 48));
        if !more {
            return;
        }
    }
}
