//! What lies in a box and is no part of its region: the palm that the fingers hang on, a thing that they pass, what stands
//! behind a pen. It may go where the rest explains the box as well.

use crate::geometry::parts::{median_depth_m, spread_m};
use crate::geometry::piece::{Label, Piece};
use crate::geometry::sides::{fingertip_score, sides_crossed, sides_ended, sides_touched};
use crate::geometry::window::{IN_FINGERTIP, IN_TARGET, Window};

/// What has less of itself in the fingertip's box reaches into it from outside.
const REACHING_SHARE: f32 = 0.5;
/// Parts of a fingertip lie at most this share of its spread behind the next nearer one, or they need a reason.
const BEHIND: f32 = 0.5;
/// What is left of a fingertip ends at most so far before the end of what was left out: with pixels that are wider, not at all.
const CLOSE_M: f32 = 0.005;
/// What runs on out of the target's box by so many pixels is somewhat more likely something else.
const REACH_PX: f64 = 2.0;

/// Label bystanders as others.
pub(super) fn leave_out(
    window: &Window,
    pieces: &[Piece],
    labels: &mut [Label],
    min_pixels: usize,
) {
    if let Some(mut hand) = Hand::of(window, pieces, labels) {
        hand.leave_out_reaching();
        hand.leave_out_behind();
        for k in hand.left_out {
            labels[k] = Label::Other;
        }
    }
    leave_out_behind_target(window, pieces, labels, min_pixels);
}

/// The pieces that were taken for the fingertip, several at least.
struct Hand<'a> {
    window: &'a Window<'a>,
    pieces: &'a [Piece],
    /// Indices of pieces, and their pixels in the fingertip's box.
    kept: Vec<(usize, Vec<usize>)>,
    left_out: Vec<usize>,
    /// The pixels of what is kept, in and around the box.
    mask: Vec<bool>,
    /// How well all together explain the box.
    score: u32,
}

impl<'a> Hand<'a> {
    fn of(window: &'a Window<'a>, pieces: &'a [Piece], labels: &[Label]) -> Option<Self> {
        let kept: Vec<(usize, Vec<usize>)> = (0..pieces.len())
            .filter(|&k| labels[k] == Label::Fingertip)
            .map(|k| (k, pieces[k].within(window, IN_FINGERTIP)))
            .collect();
        if kept.len() < 2 {
            return None;
        }
        let mut hand = Self {
            window,
            pieces,
            mask: vec![false; window.place.len()],
            kept,
            left_out: Vec::new(),
            score: 0,
        };
        for k in 0..hand.kept.len() {
            hand.mark(hand.kept[k].0, true);
        }
        hand.score = hand.explained(&hand.without(usize::MAX));
        Some(hand)
    }

    fn mark(&mut self, piece: usize, is_kept: bool) {
        for &i in &self.pieces[piece].pixels {
            self.mask[i] = is_kept;
        }
    }

    /// The pixels in the box of all that is kept but one piece.
    fn without(&self, piece: usize) -> Vec<usize> {
        let others = self.kept.iter().filter(|(k, _)| *k != piece);
        others.flat_map(|(_, pixels)| pixels).copied().collect()
    }

    fn explained(&self, pixels: &[usize]) -> u32 {
        fingertip_score(self.window, pixels, |i| self.mask[i])
    }

    /// By how much fewer pixels reach less far towards a side of the box than all that is kept, in metres.
    fn recedes_m(&self, fewer: &[usize]) -> f32 {
        let all = self.without(usize::MAX);
        let pixel_m = self.window.footprint_m(median_depth_m(self.window, &all));
        let bbox = &self.window.fingertip;
        let [few, all] = [fewer, &all].map(|pixels| {
            let extent = self.window.extent(pixels);
            [
                extent.x_min - bbox.x_min,
                bbox.x_max - extent.x_max,
                extent.y_min - bbox.y_min,
                bbox.y_max - extent.y_max,
            ]
        });
        let recedes_px = (0..4).map(|side| few[side] - all[side].max(0.0));
        pixel_m * recedes_px.fold(0.0, f64::max) as f32
    }

    /// Leave a piece out if the rest explains the box as well.
    fn try_without(&mut self, piece: usize) {
        let rest = self.without(piece);
        if self.recedes_m(&rest) > CLOSE_M {
            return;
        }
        self.mark(piece, false);
        if self.explained(&rest) < self.score {
            self.mark(piece, true);
        } else {
            self.kept.retain(|(k, _)| *k != piece);
            self.left_out.push(piece);
        }
    }

    /// The palm, or a thing beside the fingers.
    fn leave_out_reaching(&mut self) {
        let pieces = self.pieces;
        let mut reaching: Vec<usize> = (self.kept.iter().map(|(k, _)| *k))
            .filter(|&k| pieces[k].share(pieces[k].in_fingertip) < REACHING_SHARE)
            .collect();
        reaching.sort_by_key(|&k| pieces[k].in_fingertip);
        for piece in reaching {
            self.try_without(piece);
        }
    }

    /// A thing that the fingers pass: clearly behind all others.
    fn leave_out_behind(&mut self) {
        let mut depths: Vec<(usize, f32)> = (self.kept.iter())
            .map(|(k, pixels)| (*k, median_depth_m(self.window, pixels)))
            .collect();
        depths.sort_by(|a, b| a.1.total_cmp(&b.1));
        while let [.., (_, before), (piece, last)] = *depths
            && last - before > BEHIND * spread_m(self.window, before)
        {
            if !self.ends_alone(piece) {
                self.try_without(piece);
            }
            depths.pop();
        }
    }

    /// Whether a piece ends at a side of the box where no other one does: it may well be why the box ends there.
    fn ends_alone(&self, piece: usize) -> bool {
        let own = self.window.mask(&self.pieces[piece].pixels);
        let bbox = &self.window.fingertip;
        let pixels = self.pieces[piece].within(self.window, IN_FINGERTIP);
        let by_itself = sides_ended(self.window, &pixels, bbox, |i| own[i]);
        let others = self.without(piece);
        let by_others = sides_ended(self.window, &others, bbox, |i| self.mask[i] && !own[i]);
        by_itself & !by_others != 0
    }
}

/// Something in the target's box that runs on out of it is no part of the target if the rest touches all that it touches.
fn leave_out_behind_target(
    window: &Window,
    pieces: &[Piece],
    labels: &mut [Label],
    min_pixels: usize,
) {
    let parts: Vec<(usize, Vec<usize>)> = (0..pieces.len())
        .filter(|&k| labels[k] == Label::Target)
        .map(|k| (k, pieces[k].within(window, IN_TARGET)))
        .collect();
    if parts.len() < 2 {
        return;
    }
    let kept = |labels: &[Label]| -> Vec<usize> {
        let kept = parts.iter().filter(|(k, _)| labels[*k] == Label::Target);
        kept.flat_map(|(_, pixels)| pixels).copied().collect()
    };
    let sides = |pixels: &[usize]| sides_touched(window, pixels, &window.target);
    let touched = sides(&kept(labels));
    for (k, pixels) in &parts {
        if pieces[*k].pixels.len() < pixels.len() + min_pixels {
            continue;
        }
        let own = window.mask(&pieces[*k].pixels);
        if sides_crossed(window, &window.target, |_| REACH_PX, |i| own[i]) == 0 {
            continue;
        }
        labels[*k] = Label::Other;
        let rest = kept(labels);
        if rest.len() < min_pixels || sides(&rest) != touched {
            labels[*k] = Label::Target;
        }
    }
}
