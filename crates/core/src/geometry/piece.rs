//! A connected piece of the foreground, and what it is taken for.

use crate::geometry::window::{IN_FINGERTIP, IN_TARGET, Window};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Unknown,
    Fingertip,
    Target,
    /// Part of the arm, or clutter: neither region.
    Other,
}

/// A connected set of pixels and how many of them lie in which box.
#[derive(Clone)]
pub(super) struct Piece {
    pub pixels: Vec<usize>,
    pub in_fingertip: usize,
    pub in_target: usize,
}

impl Piece {
    pub(super) fn new(window: &Window, pixels: Vec<usize>) -> Self {
        let count = |bit: u8| {
            let inside = pixels
                .iter()
                .map(|&i| usize::from(window.place[i] & bit != 0));
            inside.sum()
        };
        Self {
            in_fingertip: count(IN_FINGERTIP),
            in_target: count(IN_TARGET),
            pixels,
        }
    }

    /// Its pixels in a box.
    pub(super) fn within(&self, window: &Window, bit: u8) -> Vec<usize> {
        let inside = |i: &usize| window.place[*i] & bit != 0;
        self.pixels.iter().copied().filter(inside).collect()
    }

    pub(super) fn share(&self, count: usize) -> f32 {
        count as f32 / self.pixels.len() as f32
    }
}
