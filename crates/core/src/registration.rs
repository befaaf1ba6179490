//! Depth of a camera of its own, as the colour camera would have measured it: every pixel becomes a small patch in space,
//! which is drawn into the colour image with its depth there; of patches behind each other the nearest counts. Where the depth
//! camera saw nothing, or something hid it, there is no depth: nothing is made up.

use std::ops::Range;

use nalgebra::{Isometry3, Point3, Vector2, Vector3};

use crate::frame::{BoundingBox, DepthImage, Distortion, Intrinsics};
use crate::geometry::camera;

/// Nothing is looked at nearer than the first, and nothing is farther than the second.
const DISTANCES_M: [f64; 2] = [0.1, 1000.0];
/// Around the pixels that are wanted, so many more are looked at: patches are larger than their middles.
const MARGIN_PX: f64 = 2.0;

/// How depth of a camera of its own becomes the colour image's.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// That camera.
    pub camera: DepthCamera,
    /// All of the picture, for who looks beyond the regions' surroundings.
    pub whole: bool,
}

/// A depth camera beside a colour camera.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthCamera {
    intrinsics: Intrinsics,
    color_from_depth: Isometry3<f64>,
    /// The rays through the corners of the depth camera's pixels, turned into the colour camera's axes: `width + 1` a row.
    corners: Vec<Vector3<f32>>,
}

impl DepthCamera {
    /// With the intrinsics of the depth image, whose size they must tell, and the pose of the depth camera's optical frame in
    /// the colour camera's (metres). `None` if they have no size.
    pub fn new(intrinsics: Intrinsics, color_from_depth: Isometry3<f64>) -> Option<Self> {
        let (width, height) = intrinsics.size()?;
        let mut corners = Vec::with_capacity((width as usize + 1) * (height as usize + 1));
        for v in 0..=height {
            for u in 0..=width {
                let ray = camera::ray(&intrinsics, f64::from(u) - 0.5, f64::from(v) - 0.5);
                let ray = color_from_depth.rotation * Vector3::new(ray.x, ray.y, 1.0);
                corners.push(ray.cast());
            }
        }
        Some(Self {
            intrinsics,
            color_from_depth,
            corners,
        })
    }

    /// The intrinsics of the depth image.
    pub fn intrinsics(&self) -> &Intrinsics {
        &self.intrinsics
    }

    /// The pose of the depth camera's optical frame in the colour camera's.
    pub fn color_from_depth(&self) -> &Isometry3<f64> {
        &self.color_from_depth
    }

    /// Whether the colour camera's picture could show something that this one sees at one of these depths, in metres. True
    /// where its size is not known.
    pub fn shares_view(&self, color: &Intrinsics, depths_m: &[f64]) -> bool {
        let (Some((width, height)), Some(own)) = (color.size(), self.intrinsics.size()) else {
            return true;
        };
        let columns = own.0 as usize + 1;
        // So many corners of pixels in each direction stand for all of them.
        const STEPS: usize = 16;
        let along = |k: usize, last: u32| k * last as usize / STEPS;
        let is_shown = |row: usize, column: usize, depth_m: f64| {
            let ray = self.corners[row * columns + column].cast::<f64>();
            let point = ray * depth_m + self.color_from_depth.translation.vector;
            camera::project(color, &point).is_some_and(|at| {
                (0.0..f64::from(width)).contains(&at.x) && (0.0..f64::from(height)).contains(&at.y)
            })
        };
        (depths_m.iter()).any(|depth_m| {
            (0..=STEPS).any(|down| {
                let row = along(down, own.1);
                (0..=STEPS).any(|right| is_shown(row, along(right, own.0), *depth_m))
            })
        })
    }

    /// Depth along the colour camera's axis, in a picture of the size that `color` tells. Only `wanted` is sure to be filled,
    /// in pixels of that picture. `None` if a size is missing or the depth image has another one than its intrinsics.
    pub fn register(
        &self,
        depth: &DepthImage,
        color: &Intrinsics,
        wanted: &[BoundingBox],
    ) -> Option<DepthImage> {
        let (width, height) = color.size()?;
        if self.intrinsics.size() != Some((depth.width, depth.height)) {
            return None;
        }
        let mut picture = Picture {
            width: width as usize,
            depth_m: vec![f32::NAN; width as usize * height as usize],
        };
        let fields: Vec<[f32; 4]> = (wanted.iter())
            .filter_map(|bbox| Some(field(color, &bbox.clipped(width, height)?)))
            .collect();
        let places: Vec<_> = fields.iter().map(|field| self.looked_at(field)).collect();
        let patches = Patches::new(self, depth, color, &places);
        for (field, [rows, columns]) in fields.iter().zip(places) {
            for row in rows {
                for column in columns.clone() {
                    if patches.may_show(row, column, field)
                        && let Some(corners) = patches.patch(row, column)
                    {
                        picture.draw(&corners);
                    }
                }
            }
        }
        Some(DepthImage::new(width, height, picture.depth_m))
    }

    /// The rows and columns of the depth image that can see something in a field of view of the colour camera.
    fn looked_at(&self, [x0, x1, y0, y1]: &[f32; 4]) -> [Range<usize>; 2] {
        let (width, height) = self.intrinsics.size().unwrap_or_default();
        let depth_from_color = self.color_from_depth.inverse();
        let mut rows = [f64::INFINITY, f64::NEG_INFINITY];
        let mut columns = rows;
        for (x, y) in [(x0, y0), (x0, y1), (x1, y0), (x1, y1)] {
            for distance_m in DISTANCES_M {
                let ray = Vector3::new(f64::from(*x), f64::from(*y), 1.0);
                let point = depth_from_color * Point3::from(ray * distance_m);
                let Some(at) = camera::project(&self.intrinsics, &point.coords) else {
                    // Beside or behind the depth camera: anywhere in its picture.
                    return [0..height as usize, 0..width as usize];
                };
                rows = [rows[0].min(at.y), rows[1].max(at.y)];
                columns = [columns[0].min(at.x), columns[1].max(at.x)];
            }
        }
        let within = |[least, most]: [f64; 2], length: u32| {
            let first = (least - MARGIN_PX).floor().clamp(0.0, f64::from(length)) as usize;
            first..((most + MARGIN_PX).ceil().clamp(0.0, f64::from(length)) as usize).max(first)
        };
        [within(rows, height), within(columns, width)]
    }
}

/// The rays `[x/z, y/z]` of a rectangle of the picture: the least and the largest x, then y, with a margin.
fn field(color: &Intrinsics, bbox: &BoundingBox) -> [f32; 4] {
    const STEPS: u32 = 16;
    let mut field = [f32::MAX, f32::MIN, f32::MAX, f32::MIN];
    let along = |from: f64, to: f64, k: u32| from + (to - from) * f64::from(k) / f64::from(STEPS);
    let [x0, x1] = [bbox.x_min - MARGIN_PX, bbox.x_max + MARGIN_PX];
    let [y0, y1] = [bbox.y_min - MARGIN_PX, bbox.y_max + MARGIN_PX];
    for k in 0..=STEPS {
        let (x, y) = (along(x0, x1, k), along(y0, y1, k));
        for (u, v) in [(x, y0), (x, y1), (x0, y), (x1, y)] {
            let ray = camera::ray(color, u, v).cast::<f32>();
            field[0] = field[0].min(ray.x);
            field[1] = field[1].max(ray.x);
            field[2] = field[2].min(ray.y);
            field[3] = field[3].max(ray.y);
        }
    }
    field
}

/// A corner of a patch in the colour image: where it is seen, in pixels, and its depth.
#[derive(Debug, Clone, Copy)]
struct Corner {
    at: Vector2<f32>,
    depth_m: f32,
}

/// The depth image as patches in space.
struct Patches<'a> {
    camera: &'a DepthCamera,
    color: &'a Intrinsics,
    width: usize,
    height: usize,
    depth_m: Vec<f32>,
    /// Where the depth camera is, in the colour camera's axes.
    origin: Vector3<f32>,
    jump_share: f32,
}

impl<'a> Patches<'a> {
    /// Of these rows and columns and those beside them.
    fn new(
        camera: &'a DepthCamera,
        depth: &DepthImage,
        color: &'a Intrinsics,
        places: &[[Range<usize>; 2]],
    ) -> Self {
        let Intrinsics { fx, fy, .. } = camera.intrinsics;
        let (width, height) = (depth.width as usize, depth.height as usize);
        let mut depth_m = vec![f32::NAN; width * height];
        for [rows, columns] in places {
            let columns = columns.start.saturating_sub(1)..(columns.end + 1).min(width);
            for row in rows.start.saturating_sub(1)..(rows.end + 1).min(height) {
                let out = &mut depth_m[row * width..][columns.clone()];
                depth.read_row(row, columns.start, out);
            }
        }
        Self {
            camera,
            color,
            width,
            height,
            depth_m,
            origin: camera.color_from_depth.translation.vector.cast(),
            jump_share: camera::jump_share((fx * fy).sqrt()),
        }
    }

    /// Whether a pixel has depth, and its patch may lie in a field of view.
    fn may_show(&self, row: usize, column: usize, [x0, x1, y0, y1]: &[f32; 4]) -> bool {
        let depth_m = self.depth_m[row * self.width + column];
        // Its upper left corner stands for all of it: the fields have a margin.
        let point = self.camera.corners[row * (self.width + 1) + column] * depth_m + self.origin;
        let (x, y, z) = (point.x, point.y, point.z);
        // No comparison holds for what is no number.
        depth_m > 0.0 && z > 0.0 && x >= x0 * z && x <= x1 * z && y >= y0 * z && y <= y1 * z
    }

    /// The corners of a pixel's patch, in order around it. Neighbours on one surface share theirs, so that a surface has no
    /// cracks, and behind an edge nothing is drawn out.
    fn patch(&self, row: usize, column: usize) -> Option<[Corner; 4]> {
        const AROUND: [[usize; 2]; 4] = [[0, 0], [0, 1], [1, 1], [1, 0]];
        let depths_m = AROUND.map(|corner| self.corner_depth_m(row, column, corner));
        // Where a slanted surface ends, its corners have neighbours on one side alone.
        let off_m = self.depth_m[row * self.width + column] - depths_m.iter().sum::<f32>() / 4.0;
        let corner = |k: usize| {
            let [down, right] = AROUND[k];
            let at = (row + down) * (self.width + 1) + column + right;
            let point = self.camera.corners[at] * (depths_m[k] + off_m) + self.origin;
            let seen = self.seen(&point)?;
            Some(Corner {
                at: seen,
                depth_m: point.z,
            })
        };
        Some([corner(0)?, corner(1)?, corner(2)?, corner(3)?])
    }

    fn seen(&self, point: &Vector3<f32>) -> Option<Vector2<f32>> {
        let color = self.color;
        if color.distortion != Distortion::None {
            return camera::project(color, &point.cast()).map(|seen| seen.cast());
        }
        let ideal = point.xy() / point.z;
        let [fx, fy, cx, cy] = [color.fx, color.fy, color.cx, color.cy].map(|value| value as f32);
        (point.z > 0.0).then(|| Vector2::new(ideal.x * fx + cx, ideal.y * fy + cy))
    }

    /// The mean depth of the pixels that meet at a corner of one and are of its surface.
    fn corner_depth_m(&self, row: usize, column: usize, [down, right]: [usize; 2]) -> f32 {
        let own = self.depth_m[row * self.width + column];
        let jump = own * self.jump_share;
        let (mut sum, mut count) = (0.0, 0.0);
        // Rows and columns from one before, which for the first is none.
        for other_row in (row + down).saturating_sub(1)..=(row + down).min(self.height - 1) {
            for other_column in
                (column + right).saturating_sub(1)..=(column + right).min(self.width - 1)
            {
                let depth_m = self.depth_m[other_row * self.width + other_column];
                if (depth_m - own).abs() < jump {
                    sum += depth_m;
                    count += 1.0;
                }
            }
        }
        sum / count
    }
}

/// The colour image's depth, as it is drawn.
struct Picture {
    width: usize,
    depth_m: Vec<f32>,
}

impl Picture {
    /// Fill the pixels whose middles lie in a patch.
    fn draw(&mut self, corners: &[Corner; 4]) {
        let xs = corners.map(|corner| corner.at.x);
        let ys = corners.map(|corner| corner.at.y);
        let least = |values: [f32; 4]| values.into_iter().fold(f32::INFINITY, f32::min);
        let most = |values: [f32; 4]| values.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let height = self.depth_m.len() / self.width.max(1);
        // Rounding up and down by hand: `ceil` and `floor` are calls into the C library where the processor's baseline lacks
        // the instructions, and this is asked for every patch. Below 0 a cast gives 0.
        let first = |edge: f32| {
            let down = edge as usize;
            down + usize::from((down as f32) < edge)
        };
        let end = |edge: f32, length: usize| match edge < 0.0 {
            true => 0,
            false => (edge as usize + 1).min(length),
        };
        for y in first(least(ys))..end(most(ys), height) {
            for x in first(least(xs))..end(most(xs), self.width) {
                let at = Vector2::new(x as f32, y as f32);
                let [a, b, c, d] = corners;
                let depth_m = inside([a, b, c], at).or_else(|| inside([a, c, d], at));
                let before = &mut self.depth_m[y * self.width + x];
                if let Some(depth_m) = depth_m
                    && (before.is_nan() || depth_m < *before)
                {
                    *before = depth_m;
                }
            }
        }
    }
}

/// The depth of a triangle at a position in the picture, or `None` beside it.
fn inside(triangle: [&Corner; 3], at: Vector2<f32>) -> Option<f32> {
    /// A position on an edge belongs to both sides of it, whatever is rounded.
    const EDGE: f32 = 1e-4;
    let [a, b, c] = triangle;
    let cross = |p: Vector2<f32>, q: Vector2<f32>| p.x * q.y - p.y * q.x;
    let area = cross(b.at - a.at, c.at - a.at);
    if area.abs() < f32::EPSILON {
        return None;
    }
    let weights = [
        cross(b.at - at, c.at - at) / area,
        cross(c.at - at, a.at - at) / area,
        cross(a.at - at, b.at - at) / area,
    ];
    if weights.iter().any(|weight| *weight < -EDGE) {
        return None;
    }
    // Along a straight line in the picture it is the inverse of depth that grows evenly.
    let nearness = weights[0] / a.depth_m + weights[1] / b.depth_m + weights[2] / c.depth_m;
    Some(1.0 / nearness)
}

#[cfg(test)]
mod tests;
