//! The outline or the pixels of an object in one picture, as segmenting detectors and simulators tell it: which pixels are
//! the object's, where a box only says within which they lie.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// Pixels this near to the outline lie on it.
const ON_OUTLINE_PX: f64 = 1e-3;
/// An outline encloses at least this share of the square over its longest extent, or it is a line.
const MIN_AREA_SHARE: f64 = 1e-6;

/// Which pixels are an object's. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    shape: Shape,
    picture: Option<(u32, u32)>,
}

/// How it is told.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// By its outline: a polygon whose whole numbers are the middles of pixels, as OpenCV counts contours, so that the
    /// pixels on it are the object's.
    Outline(Arc<[[f32; 2]]>),
    /// Pixel by pixel.
    Pixels(Raster),
}

/// Pixels of a picture of a size, row by row, of which those are the object's that are not 0.
#[derive(Debug, Clone, PartialEq)]
struct Raster {
    size: (u32, u32),
    pixels: Bytes,
    /// Where its corner is in the picture that the mask is of, and how many pixels there are for one of its own.
    corner: [f64; 2],
    scale: [f64; 2],
}

impl Mask {
    /// The outline through these points, x and y in pixels of a picture of that size; of the picture that its box is in where
    /// that is not told. `None` where they enclose nothing: fewer than three, all on a line, or one that is not finite.
    pub fn new(points: Vec<[f32; 2]>, picture: Option<(u32, u32)>) -> Option<Self> {
        let is_finite = points.iter().flatten().all(|at| at.is_finite());
        let ends = [0, 1].map(|axis| {
            let along = || points.iter().map(|point| f64::from(point[axis]));
            along().fold(f64::NEG_INFINITY, f64::max) - along().fold(f64::INFINITY, f64::min)
        });
        let longest = ends[0].max(ends[1]);
        let doubled: f64 = edges(&points).map(|[a, b]| a[0] * b[1] - a[1] * b[0]).sum();
        let encloses = (doubled / 2.0).abs() > MIN_AREA_SHARE * longest * longest;
        (is_finite && encloses).then(|| Self {
            shape: Shape::Outline(points.into()),
            picture,
        })
    }

    /// The pixels of a picture of that size that are not 0, row by row. `None` where there are not as many as that, or none
    /// is the object's.
    pub fn of_pixels(width: u32, height: u32, pixels: Bytes) -> Option<Self> {
        let is_whole = pixels.len() == width as usize * height as usize;
        let has_any = pixels.iter().any(|pixel| *pixel != 0);
        (is_whole && has_any).then(|| Self {
            shape: Shape::Pixels(Raster {
                size: (width, height),
                pixels,
                corner: [0.0; 2],
                scale: [1.0; 2],
            }),
            picture: Some((width, height)),
        })
    }

    /// The size of the picture whose pixels it counts, if it is told.
    pub fn picture(&self) -> Option<(u32, u32)> {
        self.picture
    }

    /// The points of the outline, in order; none where it is told pixel by pixel.
    pub fn points(&self) -> &[[f32; 2]] {
        match &self.shape {
            Shape::Outline(points) => points,
            Shape::Pixels(_) => &[],
        }
    }

    /// The same in another picture of that size: `map` gives where a place `[x, y]` is there, each axis scaled and moved by
    /// itself. Places are counted from the corner of the first pixel, as a box's edges are.
    pub fn mapped(&self, picture: (u32, u32), map: impl Fn([f64; 2]) -> [f64; 2]) -> Self {
        let moved = |point: &[f32; 2]| {
            let place = point.map(|at| f64::from(at) + 0.5);
            map(place).map(|at| (at - 0.5) as f32)
        };
        let shape = match &self.shape {
            Shape::Outline(points) => Shape::Outline(points.iter().map(moved).collect()),
            Shape::Pixels(raster) => {
                let corner = map(raster.corner);
                let next = map([0, 1].map(|axis| raster.corner[axis] + raster.scale[axis]));
                Shape::Pixels(Raster {
                    corner,
                    scale: [0, 1].map(|axis| next[axis] - corner[axis]),
                    ..raster.clone()
                })
            }
        };
        Self {
            shape,
            picture: Some(picture),
        }
    }

    /// What it holds in memory, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.shape {
            Shape::Outline(points) => size_of_val(&**points),
            Shape::Pixels(raster) => raster.pixels.len(),
        }
    }

    /// Which pixels of a part of a picture are the object's, row by row. The part is `width` x `height` pixels of a picture
    /// that has `scale` pixels for one of the outline's, and begins at its pixel `origin`. Where the outline crosses itself,
    /// what it goes around twice is outside.
    pub(crate) fn inside(
        &self,
        (width, height): (usize, usize),
        origin: [f64; 2],
        scale: [f64; 2],
    ) -> Vec<bool> {
        let points = match &self.shape {
            Shape::Outline(points) => points,
            Shape::Pixels(raster) => return raster.inside((width, height), origin, scale),
        };
        let placed: Vec<[f64; 2]> = (points.iter())
            .map(|point| {
                [0, 1].map(|axis| (f64::from(point[axis]) + 0.5) * scale[axis] - 0.5 - origin[axis])
            })
            .collect();
        let mut inside = vec![false; width * height];
        let mut mark = |row: usize, from: f64, to: f64| {
            for pixel in &mut inside[row * width..][whole(from, to, width)] {
                *pixel = true;
            }
        };
        let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); height];
        for at in 0..placed.len() {
            let [a, b] = [placed[at], placed[(at + 1) % placed.len()]];
            let (top, bottom) = (a[1].min(b[1]), a[1].max(b[1]));
            for row in whole(top, bottom, height) {
                let y = row as f64;
                if bottom - top < ON_OUTLINE_PX {
                    mark(row, a[0].min(b[0]), a[0].max(b[0]));
                    continue;
                }
                let share = ((y - a[1]) / (b[1] - a[1])).clamp(0.0, 1.0);
                let x = a[0] + share * (b[0] - a[0]);
                mark(row, x, x);
                // An end that two edges share is crossed once, or twice where they turn back.
                if top <= y && y < bottom {
                    crossings[row].push(x);
                }
            }
        }
        for (row, xs) in crossings.iter_mut().enumerate() {
            xs.sort_by(f64::total_cmp);
            for pair in xs.chunks_exact(2) {
                mark(row, pair[0], pair[1]);
            }
        }
        inside
    }
}

impl Raster {
    /// As [`Mask::inside`]: each pixel of the part is of the object where the mask's pixel at its middle is.
    fn inside(
        &self,
        (width, height): (usize, usize),
        origin: [f64; 2],
        scale: [f64; 2],
    ) -> Vec<bool> {
        let own = |pixel: usize, axis: usize| {
            let place = (pixel as f64 + origin[axis] + 0.5) / scale[axis];
            ((place - self.corner[axis]) / self.scale[axis]).floor()
        };
        let size = [f64::from(self.size.0), f64::from(self.size.1)];
        let column = |x: usize| Some(own(x, 0)).filter(|x| (0.0..size[0]).contains(x));
        let columns: Vec<Option<f64>> = (0..width).map(column).collect();
        let mut inside = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = Some(own(y, 1)).filter(|y| (0.0..size[1]).contains(y));
            inside.extend(columns.iter().map(|column| {
                let (Some(row), Some(column)) = (row, *column) else {
                    return false;
                };
                let at = row as usize * self.size.0 as usize + column as usize;
                self.pixels.get(at).is_some_and(|pixel| *pixel != 0)
            }));
        }
        inside
    }
}

/// What of both regions was outlined in a picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Masks {
    /// The fingertip's.
    pub fingertip: Option<Mask>,
    /// The target's.
    pub target: Option<Mask>,
}

/// The whole numbers from one place to another, the ends included, below a length.
fn whole(from: f64, to: f64, length: usize) -> Range<usize> {
    let most = length as f64;
    // A cast of what is below 0 gives 0.
    let first = (from - ON_OUTLINE_PX).ceil().clamp(0.0, most) as usize;
    let end = ((to + ON_OUTLINE_PX).floor() + 1.0).clamp(0.0, most) as usize;
    first..end.max(first)
}

/// From each point to the next, and from the last to the first.
fn edges(points: &[[f32; 2]]) -> impl Iterator<Item = [[f64; 2]; 2]> {
    let next = points.iter().cycle().skip(1);
    (points.iter().zip(next)).map(|(a, b)| [a.map(f64::from), b.map(f64::from)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(mask: &Mask, size: (usize, usize)) -> Vec<(usize, usize)> {
        let inside = mask.inside(size, [0.0; 2], [1.0; 2]);
        let marked = (0..inside.len()).filter(|&i| inside[i]);
        marked.map(|i| (i % size.0, i / size.0)).collect()
    }

    #[test]
    fn the_pixels_on_a_contour_are_the_object_s() {
        // given the contour of a block of 3x2 pixels, as OpenCV tells it
        let points = vec![[1.0, 1.0], [1.0, 2.0], [3.0, 2.0], [3.0, 1.0]];
        let mask = Mask::new(points, None).unwrap();
        // when its pixels are asked for, then they are that block
        let expected = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)];
        assert_eq!(pixels(&mask, (6, 4)), expected);
    }

    #[test]
    fn a_triangle_has_what_lies_between_its_edges() {
        let mask = Mask::new(vec![[0.0, 0.0], [4.0, 4.0], [0.0, 4.0]], None).unwrap();
        let inside = pixels(&mask, (6, 6));
        assert!(inside.iter().all(|(x, y)| x <= y && *y <= 4));
        assert_eq!(inside.len(), 15);
    }

    #[test]
    fn points_outside_the_picture_cut_nothing_off() {
        let far = 1e4;
        let mask = Mask::new(
            vec![[-far, -3.0], [far, -3.0], [far, 1.0], [-far, 1.0]],
            None,
        );
        assert_eq!(pixels(&mask.unwrap(), (3, 4)).len(), 6);
        let beside = Mask::new(vec![[9.0, 9.0], [12.0, 9.0], [9.0, 12.0]], None).unwrap();
        assert_eq!(pixels(&beside, (5, 5)), []);
    }

    #[test]
    fn a_mask_of_pixels_has_those_that_its_outline_has() {
        // given a block of 4x4 pixels from 4,4 on, pixel by pixel and by its outline
        let is_block = |at: usize| (4..8).contains(&(at % 16)) && (4..8).contains(&(at / 16));
        let told: Vec<u8> = (0..16 * 12).map(|at| u8::from(is_block(at))).collect();
        let raster = Mask::of_pixels(16, 12, told.into()).unwrap();
        let block = vec![[4.0, 4.0], [7.0, 4.0], [7.0, 7.0], [4.0, 7.0]];
        let outline = Mask::new(block, Some((16, 12))).unwrap();
        // when parts are asked for, of pictures of other sizes and after moving, then both say the same
        assert_eq!(pixels(&raster, (16, 12)), pixels(&outline, (16, 12)));
        for (origin, scale) in [
            ([1.0, 1.0], [0.5, 0.5]),
            ([-3.0, 2.0], [1.0, 1.0]),
            ([5.0, 5.0], [2.0, 2.0]),
        ] {
            let parts = [&raster, &outline].map(|mask| mask.inside((9, 9), origin, scale));
            let differ = parts[0]
                .iter()
                .zip(&parts[1])
                .filter(|(a, b)| a != b)
                .count();
            // An outline goes through the middles of its pixels, so a finer picture has a half of one less of it all around.
            assert!(differ == 0 || scale[0] > 1.0, "{origin:?} {scale:?}");
        }
        let moved =
            [&raster, &outline].map(|mask| mask.mapped((8, 12), |[x, y]| [x / 2.0, y + 1.0]));
        assert_eq!(pixels(&moved[0], (8, 12)), pixels(&moved[1], (8, 12)));
        // and pixels that are none are no mask
        assert_eq!(Mask::of_pixels(2, 2, vec![0; 4].into()), None);
        assert_eq!(Mask::of_pixels(2, 2, vec![1; 3].into()), None);
    }

    #[test]
    fn what_encloses_nothing_is_no_mask() {
        for points in [
            vec![],
            vec![[1.0, 1.0], [5.0, 5.0]],
            vec![[1.0, 1.0], [5.0, 5.0], [9.0, 9.0]],
            vec![[1.0, 1.0]; 5],
            vec![[1.0, 1.0], [5.0, f32::NAN], [9.0, 1.0]],
            vec![[1.0, 1.0], [5.0, f32::INFINITY], [9.0, 1.0]],
        ] {
            assert_eq!(Mask::new(points.clone(), None), None, "{points:?}");
        }
    }

    #[test]
    fn a_part_of_a_picture_of_another_size_has_the_same_object() {
        // given a block of 4x4 pixels from 4,4 on, and a picture of half the size
        let block = vec![[4.0, 4.0], [7.0, 4.0], [7.0, 7.0], [4.0, 7.0]];
        let mask = Mask::new(block, None).unwrap();
        // when a part from pixel 1,1 on is asked for, then the block's pixels 2,2 to 3,3 are there
        let inside = mask.inside((4, 4), [1.0, 1.0], [0.5, 0.5]);
        let marked: Vec<usize> = (0..16).filter(|&i| inside[i]).collect();
        assert_eq!(marked, [5, 6, 9, 10]);
        // and mapped into that picture it has them as well, but for what its edges round
        let mapped = mask.mapped((8, 8), |place| place.map(|at| at / 2.0));
        assert_eq!(mapped.points()[0], [1.75, 1.75]);
        assert_eq!(pixels(&mapped, (5, 5)), [(2, 2), (3, 2), (2, 3), (3, 3)]);
    }
}
