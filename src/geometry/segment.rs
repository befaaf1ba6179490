//! A box is not an object. This separates, inside the two boxes, the pixels of the fingertip and of
//! the target from what shows behind and between them, and from each other.
//!
//! What surrounds a box in the image decides what is in it: an object lies inside its tight box,
//! background runs on all around, a fingertip leaves its box towards the arm.

use crate::geometry::background::{self, Plane};
use crate::geometry::window::{
    IN_ANY_BOX, IN_FINGERTIP, IN_TARGET, RING_FINGERTIP, RING_TARGET, Window,
};

/// The pixels of the two regions, as indices into the window.
pub struct Segments {
    /// The fingertip may be several parts (two fingers of a gripper), the largest first.
    pub fingertip_parts: Vec<Vec<usize>>,
    pub target: Vec<usize>,
    /// The regions are one connected surface that only their boxes tell apart.
    pub touching: bool,
}

/// An object lies inside its tight box but for its edge pixels.
const CONTAINED_SHARE: f32 = 0.85;
/// A part of the fingertip has at least this share of the largest part's pixels.
const MIN_PART_SHARE: f32 = 0.08;
/// Share of the target's box that a piece must fill to be looked at.
const MIN_TARGET_SHARE: f32 = 0.02;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Unknown,
    Fingertip,
    Target,
    /// Part of the arm, or clutter: neither region.
    Other,
}

/// A connected set of pixels and how it lies relative to the boxes.
struct Piece {
    pixels: Vec<usize>,
    in_fingertip: usize,
    in_target: usize,
}

impl Piece {
    fn new(window: &Window, pixels: Vec<usize>) -> Self {
        let count = |bit: u8| pixels.iter().filter(|&&i| window.place[i] & bit != 0).count();
        let (in_fingertip, in_target) = (count(IN_FINGERTIP), count(IN_TARGET));
        Self { pixels, in_fingertip, in_target }
    }
    fn share(&self, count: usize) -> f32 {
        count as f32 / self.pixels.len() as f32
    }
    fn median_depth_m(&self, window: &Window) -> f32 {
        let mut depths: Vec<f32> = self.pixels.iter().filter(|&&i| window.place[i] & IN_ANY_BOX != 0).map(|&i| window.depth_m[i]).collect();
        if depths.is_empty() { return f32::NAN; }
        let middle = depths.len() / 2;
        let (_, median, _) = depths.select_nth_unstable_by(middle, f32::total_cmp);
        *median
    }
}

pub fn segment(window: &Window, min_pixels: usize) -> Segments {
    let background = background_mask(window);
    let usable: Vec<usize> = (0..window.place.len())
        .filter(|&i| window.place[i] != 0 && !background[i] && !window.depth_m[i].is_nan())
        .collect();
    let target_min = (MIN_TARGET_SHARE * (window.target.width() * window.target.height()) as f32).max(min_pixels as f32) as usize;
    let mut sure: Vec<Piece> = Vec::new();
    let mut ambiguous: Vec<Piece> = Vec::new();
    for mut piece in pieces(window, &usable, |a, b| continuous(window, a, b, 1.0)) {
        if piece.in_fingertip + piece.in_target == 0 {
            continue;
        }
        piece.pixels.sort_unstable();
        let clear = (piece.share(piece.in_target) >= CONTAINED_SHARE && piece.in_fingertip == 0) || piece.in_target == 0 && piece.share(piece.in_fingertip) > 0.5;
        if clear || piece.pixels.len() < 3 * min_pixels { sure.push(piece); } else { ambiguous.push(piece); }
    }
    let normals = normals(window);
    let crease = edges(window, 2, |a, b| !smooth(&normals, a, b));
    let colour_edge = edges(window, 1, |a, b| !same_colour(window, a, b));
    let split = |with_normals: bool, with_colour: bool| -> Vec<Piece> {
        ambiguous.iter().flat_map(|piece| pieces(window, &piece.pixels, |a, b| {
            continuous(window, a, b, 0.7) && (!with_normals || !(crease[a] || crease[b])) && (!with_colour || !(colour_edge[a] || colour_edge[b]))
        })).filter(|p| p.pixels.len() >= min_pixels).collect()
    };
    let mut best: Option<(u32, Segments)> = None;
    for (attempt, (with_normals, with_colour, share)) in [(true, false, false), (false, true, false), (true, true, false), (true, false, true), (false, true, true), (true, true, true), (false, false, false)].into_iter().enumerate() {
        let by_box = attempt == 6;
        let mut label = vec![Label::Unknown; window.place.len()];
        if by_box {
            for piece in sure.iter().chain(&ambiguous) { by_boxes(window, &piece.pixels, &mut label); }
        } else {
            let fine = split(with_normals, with_colour);
            let all: Vec<&Piece> = sure.iter().chain(&fine).collect();
            classify(window, &all, &mut label, min_pixels, share);
            for piece in &ambiguous { propagate(window, piece, &mut label); }
        }
        let target: Vec<usize> = main_piece(window, (0..label.len()).filter(|&i| label[i] == Label::Target && window.place[i] & IN_TARGET != 0).collect());
        let fingertip: Vec<usize> = (0..label.len()).filter(|&i| label[i] == Label::Fingertip && window.place[i] & IN_FINGERTIP != 0).collect();
        let parts = fingertip_parts(window, &fingertip, min_pixels);
        let mut score = 0;
        if target.len() >= target_min { score += 1 + sides_touched(window, &target, &window.target); }
        let all_parts = parts.concat();
        if all_parts.len() >= min_pixels { score += 1 + sides_touched(window, &all_parts, &window.fingertip); }
        if by_box { score = score.saturating_sub(2); }
        if std::env::var("DBG").is_ok() { eprintln!("attempt {attempt} score {score} T {} F {:?} sure {} amb {}", target.len(), parts.iter().map(Vec::len).collect::<Vec<_>>(), sure.len(), ambiguous.len()); }
        if best.as_ref().is_none_or(|(s, _)| score > *s) {
            best = Some((score, Segments { fingertip_parts: parts, target, touching: by_box }));
        }
        if score == 10 || ambiguous.is_empty() { break; }
    }
    best.map(|(_, s)| s).unwrap_or(Segments { fingertip_parts: Vec::new(), target: Vec::new(), touching: false })
}

fn sides_touched(window: &Window, pixels: &[usize], bbox: &crate::frame::BoundingBox) -> u32 {
    sides_mask(window, pixels, bbox).count_ones()
}

pub fn sides_mask(window: &Window, pixels: &[usize], bbox: &crate::frame::BoundingBox) -> u8 {
    let (mut x0, mut y0, mut x1, mut y1) = (f64::INFINITY, f64::INFINITY, 0.0_f64, 0.0_f64);
    for &i in pixels {
        let (x, y) = ((i % window.width) as f64, (i / window.width) as f64);
        x0 = x0.min(x); y0 = y0.min(y); x1 = x1.max(x + 1.0); y1 = y1.max(y + 1.0);
    }
    let (tx, ty) = (2.0 + 0.06 * bbox.width(), 2.0 + 0.06 * bbox.height());
    u8::from((x0 - bbox.x_min).abs() < tx) | u8::from((x1 - bbox.x_max).abs() < tx) << 1 | u8::from((y0 - bbox.y_min).abs() < ty) << 2 | u8::from((y1 - bbox.y_max).abs() < ty) << 3
}

fn classify(window: &Window, all: &[&Piece], label: &mut [Label], min_pixels: usize, share: bool) {
    let most_in_target = all.iter().map(|p| p.in_target).max().unwrap_or(0);
    let mut fingers: Vec<&Piece> = Vec::new();
    for piece in all {
        let in_target = piece.share(piece.in_target) >= CONTAINED_SHARE;
        let fills_fingertip = piece.in_fingertip as f64 >= 0.5 * window.fingertip.width() * window.fingertip.height();
        let is_target = in_target && !(share && (fills_fingertip && piece.in_target < most_in_target || piece.share(piece.in_fingertip) >= CONTAINED_SHARE && sides_touched(window, &piece.pixels, &window.target) < sides_touched(window, &piece.pixels, &window.fingertip)));
        if is_target {
            paint(label, &piece.pixels, Label::Target);
        } else if piece.in_fingertip >= min_pixels {
            fingers.push(piece);
        } else {
            paint(label, &piece.pixels, Label::Other);
        }
    }
    for piece in fingers {
        paint(label, &piece.pixels, Label::Fingertip);
    }
}

fn paint(label: &mut [Label], pixels: &[usize], with: Label) {
    for &i in pixels { label[i] = with; }
}

fn continuous(window: &Window, a: usize, b: usize, factor: f32) -> bool {
    (window.depth_m[a] - window.depth_m[b]).abs() < factor * window.jump_m(window.depth_m[a])
}

fn smooth(normals: &[[f32; 3]], a: usize, b: usize) -> bool {
    let (n, m) = (&normals[a], &normals[b]);
    let dot = n[0] * m[0] + n[1] * m[1] + n[2] * m[2];
    dot > 0.9
}

fn same_colour(window: &Window, a: usize, b: usize) -> bool {
    let (c, d) = (window.color[a], window.color[b]);
    let difference: i32 = (0..3).map(|k| (i32::from(c[k]) - i32::from(d[k])).pow(2)).sum();
    difference < 45 * 45
}

/// Pixels whose neighbours `reach` pixels to either side differ: the border between two surfaces.
fn edges(window: &Window, reach: usize, differ: impl Fn(usize, usize) -> bool) -> Vec<bool> {
    let (w, h) = (window.width, window.height);
    let mut out = vec![false; window.place.len()];
    let there = |i: usize| window.place[i] != 0 && !window.depth_m[i].is_nan();
    for row in 0..h {
        for column in 0..w {
            let i = row * w + column;
            if !there(i) { continue; }
            let across = column >= reach && column + reach < w && there(i - reach) && there(i + reach) && differ(i - reach, i + reach);
            let along = row >= reach && row + reach < h && there(i - reach * w) && there(i + reach * w) && differ(i - reach * w, i + reach * w);
            out[i] = across || along;
        }
    }
    out
}

/// Unit normals from depth differences two pixels apart; zero where there is none.
fn normals(window: &Window) -> Vec<[f32; 3]> {
    let mut out = vec![[0.0; 3]; window.depth_m.len()];
    let (w, h) = (window.width as isize, window.height as isize);
    for row in 0..h {
        for column in 0..w {
            let i = (row * w + column) as usize;
            if window.depth_m[i].is_nan() { continue; }
            let side = |dx: isize, dy: isize| -> [f32; 3] {
                let mut best = i;
                for r in 1..=2 {
                    let (x, y) = (column + dx * r, row + dy * r);
                    if x < 0 || y < 0 || x >= w || y >= h { break; }
                    let j = (y * w + x) as usize;
                    if window.depth_m[j].is_nan() || !continuous(window, best, j, 1.0) { break; }
                    best = j;
                }
                window.point(best)
            };
            let sub = |a: [f32; 3], b: [f32; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
            let dx = sub(side(1, 0), side(-1, 0));
            let dy = sub(side(0, 1), side(0, -1));
            let n = [dx[1] * dy[2] - dx[2] * dy[1], dx[2] * dy[0] - dx[0] * dy[2], dx[0] * dy[1] - dx[1] * dy[0]];
            let length = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt();
            if length > 1e-12 { out[i] = [n[0] / length, n[1] / length, n[2] / length]; }
        }
    }
    out
}

/// Connected pieces of `pixels` under a neighbour relation.
fn pieces(window: &Window, pixels: &[usize], joined: impl Fn(usize, usize) -> bool) -> Vec<Piece> {
    let mut open = vec![false; window.place.len()];
    for &i in pixels { open[i] = true; }
    let mut found = Vec::new();
    for &start in pixels {
        if !open[start] { continue; }
        open[start] = false;
        let mut members = vec![start];
        let mut next = 0;
        while next < members.len() {
            let index = members[next];
            next += 1;
            for neighbour in window.neighbours(index) {
                if open[neighbour] && joined(index, neighbour) {
                    open[neighbour] = false;
                    members.push(neighbour);
                }
            }
        }
        found.push(Piece::new(window, members));
    }
    found
}

/// Pixels too few to judge (edges between faces) go with the nearest labelled surface they continue.
fn propagate(window: &Window, piece: &Piece, label: &mut [Label]) {
    let mut frontier: Vec<usize> = piece.pixels.iter().copied().filter(|&i| label[i] != Label::Unknown).collect();
    while !frontier.is_empty() {
        let mut grown = Vec::new();
        for &i in &frontier {
            for j in window.neighbours(i) {
                if label[j] == Label::Unknown && window.place[j] != 0 && !window.depth_m[j].is_nan() && continuous(window, i, j, 1.0) && piece_contains(piece, j) {
                    label[j] = label[i];
                    grown.push(j);
                }
            }
        }
        frontier = grown;
    }
}

fn piece_contains(piece: &Piece, index: usize) -> bool {
    piece.pixels.binary_search(&index).is_ok()
}

fn by_boxes(window: &Window, pixels: &[usize], label: &mut [Label]) {
    let seeds = |bit: u8| -> Vec<[f32; 3]> {
        let all: Vec<usize> = pixels.iter().copied().filter(|&i| window.place[i] & IN_ANY_BOX == bit).collect();
        let step = all.len().div_ceil(150).max(1);
        all.into_iter().step_by(step).map(|i| window.point(i)).collect()
    };
    let (seed_f, seed_t) = (seeds(IN_FINGERTIP), seeds(IN_TARGET));
    let nearest = |p: [f32; 3], seeds: &[[f32; 3]]| -> f32 {
        seeds.iter().map(|s| (0..3).map(|k| (s[k] - p[k]).powi(2)).sum::<f32>()).fold(f32::INFINITY, f32::min)
    };
    for &i in pixels {
        label[i] = match window.place[i] & IN_ANY_BOX {
            IN_FINGERTIP => Label::Fingertip,
            IN_TARGET => Label::Target,
            IN_ANY_BOX => {
                let p = window.point(i);
                if nearest(p, &seed_f) < nearest(p, &seed_t) { Label::Fingertip } else { Label::Target }
            }
            _ => Label::Other,
        };
    }
}

/// The target's bulk: specks elsewhere and what lies far in front or behind are none of it.
fn main_piece(window: &Window, pixels: Vec<usize>) -> Vec<usize> {
    if pixels.is_empty() { return pixels; }
    let mut bulk = pieces(window, &pixels, |a, b| continuous(window, a, b, 1.0));
    let largest = bulk.iter().map(|p| p.pixels.len()).max().unwrap_or(0);
    bulk.retain(|p| p.pixels.len() as f32 >= MIN_PART_SHARE * largest as f32);
    let all = Piece::new(window, bulk.into_iter().flat_map(|p| p.pixels).collect());
    let z = all.median_depth_m(window);
    let size = window.footprint_m(z) * window.target.width().max(window.target.height()) as f32;
    all.pixels.into_iter().filter(|&i| (window.depth_m[i] - z).abs() < size).collect()
}

/// A side that is seen at a grazing angle is a few pixels wide and steep: it goes with the face that
/// it borders on.
fn with_slivers(window: &Window, mut parts: Vec<Piece>) -> Vec<Piece> {
    const SLIVER_SHARE: f32 = 0.3;
    const STEEPER: f32 = 2.5;
    parts.sort_by_key(|p| std::cmp::Reverse(p.pixels.len()));
    let mut whole: Vec<Piece> = Vec::new();
    let mut owner = vec![usize::MAX; window.place.len()];
    for part in parts {
        let host = part.pixels.iter().find_map(|&i| {
            window.neighbours(i).find_map(|j| {
                let host = owner[j];
                (host != usize::MAX && continuous(window, i, j, STEEPER)
                    && part.pixels.len() as f32 <= SLIVER_SHARE * whole[host].pixels.len() as f32).then_some(host)
            })
        });
        let at = host.unwrap_or(whole.len());
        for &i in &part.pixels { owner[i] = at; }
        match host {
            Some(host) => {
                let pixels = [std::mem::take(&mut whole[host].pixels), part.pixels].concat();
                whole[host] = Piece::new(window, pixels);
            }
            None => whole.push(part),
        }
    }
    whole
}

fn fingertip_parts(window: &Window, pixels: &[usize], min_pixels: usize) -> Vec<Vec<usize>> {
    let mut parts = with_slivers(window, pieces(window, pixels, |a, b| continuous(window, a, b, 1.0)));
    let largest = parts.iter().map(|p| p.pixels.len()).max().unwrap_or(0);
    parts.sort_by_key(|p| std::cmp::Reverse(p.pixels.len()));
    // A sliver counts when it alone explains why the box reaches so far.
    let mut reached = 0;
    parts.retain(|p| {
        let sides = sides_mask(window, &p.pixels, &window.fingertip);
        let keep = p.pixels.len() >= min_pixels.min(largest) && (p.pixels.len() as f32 >= MIN_PART_SHARE * largest as f32 || sides & !reached != 0);
        if keep { reached |= sides; }
        keep
    });
    let nearest = parts.iter().map(|p| p.median_depth_m(window)).fold(f32::INFINITY, f32::min);
    let size = window.footprint_m(nearest) * window.fingertip.width().hypot(window.fingertip.height()) as f32;
    parts.retain(|p| p.median_depth_m(window) - nearest < 1.5 * size.max(0.07));
    parts.into_iter().map(|p| p.pixels).collect()
}

/// Pixels that lie on a plane which runs on behind either box, or behind such a plane.
fn background_mask(window: &Window) -> Vec<bool> {
    let mut planes: Vec<Plane> =
        background::planes(window, IN_FINGERTIP, RING_FINGERTIP, window.fingertip.center());
    planes.extend(background::planes(window, IN_TARGET, RING_TARGET, window.target.center()));
    (0..window.place.len())
        .map(|i| {
            let depth = window.depth_m[i];
            planes.iter().any(|plane| plane.hides(window.rays[i], depth))
        })
        .collect()
}
