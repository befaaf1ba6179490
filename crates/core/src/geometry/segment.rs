//! A box is not an object. This separates, inside the two boxes, the pixels of the fingertip and of
//! the target from what shows behind and between them, and from each other.
//!
//! The surroundings decide: a plane that runs on behind a box is background; an object lies inside
//! its tight box; what reaches into the fingertip's box from outside is the fingertip, for it hangs
//! on an arm. Where the two touch and are one connected surface, it is cut along creases, then along
//! edges of colour, and the cut that explains best why both boxes are where they are is taken.
//!
//! Of a region that a detector outlined nothing of that is asked: its pixels are those of the outline (`outlined`), and are
//! not the other's.

use crate::frame::Reason;
use crate::geometry::background;
use crate::geometry::bystanders;
use crate::geometry::outlined::Outlined;
use crate::geometry::parts::{bulk, fingertip_parts};
use crate::geometry::piece::{Label, Piece};
use crate::geometry::sides::{self, fingertip_score, sides_touched, target_score};
use crate::geometry::solid::front_of;
use crate::geometry::surfaces::{color_edges, connected, continuous, creases};
use crate::geometry::window::{
    IN_ANY_BOX, IN_FINGERTIP, IN_TARGET, RING_FINGERTIP, RING_TARGET, Window,
};

/// An object lies inside its tight box but for its edge pixels.
const CONTAINED_SHARE: f32 = 0.85;
/// Share of the target's box that the target must fill to count as found.
const MIN_TARGET_SHARE: f64 = 0.02;
/// A fingertip that is all in front of the target fills this share of its own box.
const FILLED_SHARE: f64 = 0.5;
/// Inside a piece of a touching surface depth is steadier than between any two neighbours.
const STRICT: f32 = 0.7;
/// Explanation points when both regions were found and explain all four sides of their boxes.
pub(super) const FULL_SCORE: u32 = 2 * (FOUND + sides::ALL);
/// Points for a region that was found, beside those for its sides.
const FOUND: u32 = 2;
/// What only the boxes tell apart must explain the better by so many points: by two sides.
const BY_BOXES_HANDICAP: u32 = 4;
/// From here on colour is not asked: the picture would have to be decoded.
const NEARLY_FULL: u32 = FULL_SCORE - 1;

/// The pixels of the two regions, as indices into the window.
#[derive(Default)]
pub(super) struct Segments {
    /// The fingertip may be several parts (two fingers of a gripper), the largest first.
    pub fingertip_parts: Vec<Vec<usize>>,
    pub target: Vec<usize>,
    /// How well the pixels explain the boxes: 0 to `FULL_SCORE`.
    pub score: u32,
}

impl Segments {
    /// The fingertip's pixels, of all its parts.
    pub(super) fn fingertip(&self) -> Vec<usize> {
        self.fingertip_parts.concat()
    }

    /// Whether nothing speaks for them but that one is nearer.
    pub(super) fn is_guess(&self) -> bool {
        self.score <= FOUND
    }

    /// Whether both regions have so many pixels.
    pub(super) fn holds(&self, min_pixels: usize) -> bool {
        let fingertip: usize = self.fingertip_parts.iter().map(Vec::len).sum();
        self.target.len().min(fingertip) >= min_pixels
    }
}

/// Along what surfaces that touch are cut, most trusted first: where one only passes in front of the other, depth has
/// parted them already, and any cut would only tear them.
#[derive(Clone, Copy)]
struct Cut {
    creases: bool,
    colors: bool,
}

const CUTS: [Cut; 4] = [
    Cut {
        creases: false,
        colors: false,
    },
    Cut {
        creases: true,
        colors: false,
    },
    Cut {
        creases: false,
        colors: true,
    },
    Cut {
        creases: true,
        colors: true,
    },
];

/// Find both regions. One comes out empty only if its box holds next to no depth.
///
/// # Errors
/// `no_image` if only colour can tell them apart and the picture does not decode.
pub(super) fn segment(window: &Window, min_pixels: usize) -> Result<Segments, Reason> {
    let outlined = &Outlined::of(window);
    if outlined.is_all() {
        return Ok(segments(window, &[], outlined, min_pixels));
    }
    let found = by_surroundings(window, outlined, min_pixels)?;
    if found.holds(min_pixels) {
        return Ok(found);
    }
    // One hides nearly all of the other. The score says how little that explains.
    let nearness = segments(
        window,
        &label_by_nearness(window, outlined),
        outlined,
        min_pixels,
    );
    let score = nearness.score.min(FOUND);
    Ok(Segments { score, ..nearness })
}

fn by_surroundings(
    window: &Window,
    outlined: &Outlined,
    min_pixels: usize,
) -> Result<Segments, Reason> {
    let (sure, touching) = pieces(window, outlined, min_pixels);
    let touching_pixels: Vec<usize> = touching
        .iter()
        .flat_map(|piece| piece.pixels.iter().copied())
        .collect();
    let touching_mask = window.mask(&touching_pixels);
    let among = Among {
        pixels: &touching_pixels,
        mask: &touching_mask,
    };
    if touching.is_empty() {
        let labels = label(window, &sure, among, min_pixels, false);
        return Ok(segments(window, &labels, outlined, min_pixels));
    }
    let crease = creases(window, among.pixels, among.mask);
    // Looked for only if creases do not explain everything.
    let mut color = None;
    let mut cuts: Vec<Vec<Piece>> = Vec::new();
    let mut best = Segments::default();
    // A fingertip that lies wholly in front of the target is looked for only if nothing else will do.
    for fingertip_inside_target in [false, true] {
        for (at, cut) in CUTS.iter().enumerate() {
            if cut.colors && best.score >= NEARLY_FULL {
                continue;
            }
            if cuts.len() == at {
                if cut.colors && color.is_none() {
                    color = Some(color_edges(window, among.pixels, among.mask)?);
                }
                let borders = [
                    cut.creases.then_some(&crease),
                    color.as_ref().filter(|_| cut.colors),
                ];
                let fine = cut_up(window, &touching, borders, min_pixels);
                cuts.push(sure.iter().cloned().chain(fine).collect());
            }
            let pieces = &cuts[at];
            let labels = label(window, pieces, among, min_pixels, fingertip_inside_target);
            let found = segments(window, &labels, outlined, min_pixels);
            if found.score > best.score {
                best = found;
            }
            if best.score == FULL_SCORE {
                return Ok(best);
            }
        }
    }
    // Last resort: only the boxes tell them apart. It must explain clearly more to be believed.
    let by_boxes = segments(
        window,
        &label_by_boxes(window, &sure, &touching),
        outlined,
        min_pixels,
    );
    let score = by_boxes.score.saturating_sub(BY_BOXES_HANDICAP);
    if score > best.score {
        best = Segments { score, ..by_boxes };
    }
    Ok(best)
}

/// The pixels of the surfaces that may be both regions, as a list and as a mask.
#[derive(Clone, Copy)]
struct Among<'a> {
    pixels: &'a [usize],
    mask: &'a [bool],
}

/// The foreground's connected pieces: those that clearly are one thing, and those that may be both
/// regions (or region and arm) touching.
fn pieces(window: &Window, outlined: &Outlined, min_pixels: usize) -> (Vec<Piece>, Vec<Piece>) {
    let mut planes = background::planes(
        window,
        IN_FINGERTIP,
        RING_FINGERTIP,
        window.fingertip.center(),
    );
    planes.extend(background::planes(
        window,
        IN_TARGET,
        RING_TARGET,
        window.target.center(),
    ));
    let foreground = |i: &usize| {
        let depth = window.depth_m[*i];
        !depth.is_nan()
            && !outlined.taken[*i]
            && !planes
                .iter()
                .any(|plane| plane.hides(window.rays[*i], depth))
    };
    let pixels: Vec<usize> = (0..window.place.len()).filter(foreground).collect();
    let (mut sure, mut touching) = (Vec::new(), Vec::new());
    for pixels in connected(window, &pixels, |a, b| continuous(window, a, b, 1.0)) {
        let piece = Piece::new(window, pixels);
        if piece.in_fingertip + piece.in_target == 0 {
            continue;
        }
        let only_target =
            piece.in_fingertip == 0 && piece.share(piece.in_target) >= CONTAINED_SHARE;
        let only_fingertip = piece.in_target == 0 && piece.share(piece.in_fingertip) > 0.5;
        if only_target || only_fingertip || piece.pixels.len() < 3 * min_pixels {
            sure.push(piece);
        } else {
            touching.push(piece);
        }
    }
    (sure, touching)
}

fn cut_up(
    window: &Window,
    touching: &[Piece],
    borders: [Option<&Vec<bool>>; 2],
    min_pixels: usize,
) -> Vec<Piece> {
    let inner: Vec<bool> = match borders {
        [Some(a), Some(b)] => a.iter().zip(b).map(|(&a, &b)| !(a || b)).collect(),
        [Some(border), None] | [None, Some(border)] => border.iter().map(|&b| !b).collect(),
        [None, None] => vec![true; window.place.len()],
    };
    let joined = |a: usize, b: usize| inner[a] && inner[b] && continuous(window, a, b, STRICT);
    touching
        .iter()
        .flat_map(|piece| connected(window, &piece.pixels, joined))
        .filter(|pixels| pixels.len() >= min_pixels)
        .map(|pixels| Piece::new(window, pixels))
        .collect()
}

fn label(
    window: &Window,
    pieces: &[Piece],
    among: Among<'_>,
    min_pixels: usize,
    fingertip_inside_target: bool,
) -> Vec<Label> {
    let most_in_target = pieces.iter().map(|p| p.in_target).max().unwrap_or(0);
    let fingertip_area = window.fingertip.width() * window.fingertip.height();
    let in_front_of_target = |piece: &Piece| {
        let fills = piece.in_fingertip as f64 >= FILLED_SHARE * fingertip_area;
        let contained = piece.share(piece.in_fingertip) >= CONTAINED_SHARE;
        let sides = |bbox| sides_touched(window, &piece.pixels, bbox).count_ones();
        let explains_fingertip = || sides(&window.target) <= sides(&window.fingertip);
        piece.in_target < most_in_target && (fills || contained && explains_fingertip())
    };
    let of_piece = |piece: &Piece| {
        let inside_target = piece.share(piece.in_target) >= CONTAINED_SHARE;
        let is_front = fingertip_inside_target && in_front_of_target(piece);
        if is_open(window, Label::Target) && inside_target && !is_front {
            Label::Target
        } else if is_open(window, Label::Fingertip) && piece.in_fingertip >= min_pixels {
            Label::Fingertip
        } else {
            Label::Other
        }
    };
    let mut of_pieces: Vec<Label> = pieces.iter().map(of_piece).collect();
    bystanders::leave_out(window, pieces, &mut of_pieces, min_pixels);
    let mut labels = vec![Label::Unknown; window.place.len()];
    for (piece, label) in pieces.iter().zip(of_pieces) {
        for &i in &piece.pixels {
            labels[i] = label;
        }
    }
    spread(window, among, &mut labels);
    labels
}

/// Border pixels, in no piece themselves, go with the nearest labelled surface that they continue.
fn spread(window: &Window, among: Among<'_>, labels: &mut [Label]) {
    let is_labelled = |i: usize| among.mask[i] && labels[i] != Label::Unknown;
    let open = among
        .pixels
        .iter()
        .filter(|&&i| labels[i] == Label::Unknown);
    let beside_open = open.flat_map(|&i| window.neighbours(i));
    let mut frontier: Vec<usize> = beside_open.filter(|&i| is_labelled(i)).collect();
    frontier.sort_unstable();
    frontier.dedup();
    while !frontier.is_empty() {
        let mut grown = Vec::new();
        for &i in &frontier {
            for j in window.neighbours(i) {
                if labels[j] == Label::Unknown && among.mask[j] && continuous(window, i, j, 1.0) {
                    labels[j] = labels[i];
                    grown.push(j);
                }
            }
        }
        frontier = grown;
    }
}

/// Each pixel to the box that it is in; in both, to the nearer of the pixels that are in one only.
fn label_by_boxes(window: &Window, sure: &[Piece], touching: &[Piece]) -> Vec<Label> {
    const SEEDS: usize = 150;
    let mut labels = vec![Label::Unknown; window.place.len()];
    for piece in sure.iter().chain(touching) {
        let seeds = |bit: u8| -> Vec<[f32; 3]> {
            let only = |i: &usize| window.place[*i] & IN_ANY_BOX == bit;
            let all: Vec<usize> = piece.pixels.iter().copied().filter(only).collect();
            let every = all.len().div_ceil(SEEDS).max(1);
            all.into_iter()
                .step_by(every)
                .map(|i| window.point(i))
                .collect()
        };
        let (fingertip, target) = (seeds(IN_FINGERTIP), seeds(IN_TARGET));
        let nearest = |p: [f32; 3], seeds: &[[f32; 3]]| -> f32 {
            let squared = |s: &[f32; 3]| (0..3).map(|k| (s[k] - p[k]).powi(2)).sum::<f32>();
            seeds.iter().map(squared).fold(f32::INFINITY, f32::min)
        };
        for &i in &piece.pixels {
            let point = window.point(i);
            labels[i] = match window.place[i] & IN_ANY_BOX {
                IN_FINGERTIP => Label::Fingertip,
                IN_TARGET => Label::Target,
                IN_ANY_BOX if nearest(point, &fingertip) < nearest(point, &target) => {
                    Label::Fingertip
                }
                IN_ANY_BOX => Label::Target,
                _ => Label::Other,
            };
        }
    }
    leave_outlined(window, &mut labels);
    labels
}

/// The nearest surface in the fingertip's box is the fingertip, the rest of the target's box the target.
fn label_by_nearness(window: &Window, outlined: &Outlined) -> Vec<Label> {
    let measured = |i: usize, bit: u8| {
        window.place[i] & bit != 0 && !window.depth_m[i].is_nan() && !outlined.taken[i]
    };
    let depths = |bit: u8| -> Vec<f32> {
        let inside = (0..window.place.len()).filter(|&i| measured(i, bit));
        inside.map(|i| window.depth_m[i]).collect()
    };
    let in_fingertip = depths(IN_FINGERTIP);
    if in_fingertip.is_empty() && is_open(window, Label::Fingertip) {
        return vec![Label::Unknown; window.place.len()];
    }
    let back = match is_open(window, Label::Fingertip) {
        true => {
            let front = front_of(in_fingertip);
            let side = window.fingertip.width().min(window.fingertip.height()) as f32;
            front + 0.5 * side * window.footprint_m(front)
        }
        // What is not the outlined fingertip may be the target, however near.
        false => f32::NEG_INFINITY,
    };
    let mut labels: Vec<Label> = (0..window.place.len())
        .map(|i| {
            if measured(i, IN_FINGERTIP) && window.depth_m[i] <= back {
                Label::Fingertip
            } else if measured(i, IN_TARGET) {
                Label::Target
            } else {
                Label::Other
            }
        })
        .collect();
    leave_outlined(window, &mut labels);
    labels
}

/// Whether it is to be found out which pixels are a region's.
fn is_open(window: &Window, label: Label) -> bool {
    let [fingertip, target] = &window.masks;
    match label {
        Label::Fingertip => fingertip.is_none(),
        Label::Target => target.is_none(),
        Label::Unknown | Label::Other => true,
    }
}

/// What is not in a region's outline is not the region's.
fn leave_outlined(window: &Window, labels: &mut [Label]) {
    for label in labels {
        if !is_open(window, *label) {
            *label = Label::Other;
        }
    }
}

fn segments(window: &Window, labels: &[Label], outlined: &Outlined, min_pixels: usize) -> Segments {
    let inside = |label: Label, bit: u8| -> Vec<usize> {
        let fits = |i: &usize| labels[*i] == label && window.place[*i] & bit != 0;
        (0..labels.len()).filter(fits).collect()
    };
    let is_outlined = outlined.pixels.each_ref().map(Option::is_some);
    let [fingertip, target] = outlined.pixels.clone();
    let target = target.unwrap_or_else(|| inside(Label::Target, IN_TARGET));
    let target = bulk(window, target);
    let fingertip = fingertip.unwrap_or_else(|| inside(Label::Fingertip, IN_FINGERTIP));
    let parts = fingertip_parts(window, &fingertip, min_pixels);
    let target_area = window.target.width() * window.target.height();
    let enough = (MIN_TARGET_SHARE * target_area).max(min_pixels as f64);
    let fingertip = parts.concat();
    let mut score = 0;
    if target.len() as f64 >= enough {
        let of_sides = match is_outlined[1] {
            true => sides::ALL,
            false => target_score(window, &target, |i| labels[i] == Label::Target),
        };
        score += FOUND + of_sides;
    }
    if fingertip.len() >= min_pixels {
        let of_sides = match is_outlined[0] {
            true => sides::ALL,
            false => fingertip_score(window, &fingertip, |i| labels[i] == Label::Fingertip),
        };
        score += FOUND + of_sides;
    }
    Segments {
        fingertip_parts: parts,
        target,
        score,
    }
}
