//! How far away the object in a box is: the depths in the box, cut where there is a gap between them.

use super::window::Window;

/// Depths further apart than this, in metres and as a share of the depth, belong to different layers.
const GAP_M: f32 = 0.02;
const GAP_SHARE: f32 = 0.03;
/// A layer with fewer of the box's cells is noise.
const LEAST_CELLS: usize = 8;
const LEAST_SHARE: f32 = 0.02;
/// A tight box's object reaches over this share of both its sides.
const FILLS: f32 = 0.5;
/// What reaches over this share of both lacks nothing.
const FILLED: f32 = 0.9;
/// A layer that this share of the cells just outside the box is in lies behind the object.
const AROUND: f32 = 0.3;
/// An object that stands alone has less than this share of the cells just outside its box in its layer.
const ALONE: f32 = 0.55;

/// The layer of depth that the object is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    near_m: f32,
    far_m: f32,
    /// Nothing of what surrounds the box is in the layer but, on a side, perhaps the object's rest.
    pub(super) is_alone: bool,
}

impl Layer {
    /// The nearest layers that fill the box; `None` where hardly anything in the box is measured.
    pub(super) fn of(window: &Window, places: &[[i32; 2]], inside: &[bool]) -> Option<Self> {
        let in_box: Vec<[i32; 2]> = places
            .iter()
            .zip(inside)
            .filter(|(_, inside)| **inside)
            .map(|(place, _)| *place)
            .collect();
        let depth_m = |place: &[i32; 2]| window.at(place[0], place[1]).depth_m;
        let mut measured = in_box.clone();
        measured.retain(|place| depth_m(place).is_finite());
        measured.sort_by(|a, b| depth_m(a).total_cmp(&depth_m(b)));
        let least = LEAST_CELLS.max((LEAST_SHARE * in_box.len() as f32) as usize);
        let box_sides = sides(&in_box);
        let fills = |part: &[[i32; 2]]| {
            let own = sides(part);
            let shares = [0, 1].map(|k| own[k] / box_sides[k].max(1.0));
            shares[0].min(shares[1])
        };
        let layers = measured
            .chunk_by(|a, b| depth_m(b) - depth_m(a) < GAP_M.max(GAP_SHARE * depth_m(a)))
            .filter(|layer| layer.len() >= least);
        // Two fingers may be two layers: the nearest ones, up to the first that also surrounds the box.
        let mut object: Vec<[i32; 2]> = Vec::new();
        for layer in layers {
            let next = Self::between(depth_m(layer.first()?), depth_m(layer.last()?));
            let fill = fills(&object);
            let is_enough = fill > FILLED || next.share_around(window, places, inside) > AROUND;
            if fill >= FILLS && is_enough {
                break;
            }
            object.extend(layer);
        }
        let mut found = Self::between(depth_m(object.first()?), depth_m(object.last()?));
        found.is_alone = found.share_around(window, places, inside) < ALONE;
        Some(found)
    }

    fn between(near_m: f32, far_m: f32) -> Self {
        Self {
            near_m,
            far_m,
            is_alone: false,
        }
    }

    pub(super) fn has(&self, depth_m: f32) -> bool {
        let gap_m = GAP_M.max(GAP_SHARE * self.near_m);
        depth_m > self.near_m - gap_m && depth_m < self.far_m + gap_m
    }

    /// The share of the two cells just outside the box, all around, that is in the layer.
    fn share_around(&self, window: &Window, places: &[[i32; 2]], inside: &[bool]) -> f32 {
        let (mut all, mut own) = (0_usize, 0_usize);
        let is_inside = |[x, y]: [i32; 2]| window.index(x, y).is_some_and(|index| inside[index]);
        for (place, _) in places.iter().zip(inside).filter(|(_, inside)| !**inside) {
            let [x, y] = *place;
            let is_near = [[-2, 0], [2, 0], [0, -2], [0, 2]]
                .iter()
                .any(|[dx, dy]| is_inside([x + dx, y + dy]));
            if is_near {
                all += 1;
                own += usize::from(self.has(window.at(x, y).depth_m));
            }
        }
        own as f32 / all.max(1) as f32
    }
}

/// The width and height that some places take up.
fn sides(places: &[[i32; 2]]) -> [f32; 2] {
    let none = [[i32::MAX, i32::MIN]; 2];
    let spans = places.iter().fold(none, |spans, place| {
        [0, 1].map(|k| [spans[k][0].min(place[k]), spans[k][1].max(place[k])])
    });
    spans.map(|[first, last]| {
        if last < first {
            0.0
        } else {
            (last - first + 1) as f32
        }
    })
}
