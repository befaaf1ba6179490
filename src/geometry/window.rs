//! The part of a depth image around the two boxes: denoised depth, rays, and which pixel lies in
//! which box. Everything that geometry does afterwards looks only at this window.

use crate::frame::{BoundingBox, ColorImage, DepthImage, Intrinsics, Regions};
use crate::geometry::camera;

/// Pixel lies in the fingertip's box.
pub const IN_FINGERTIP: u8 = 1;
/// Pixel lies in the target's box.
pub const IN_TARGET: u8 = 2;
/// Pixel lies in the ring around the fingertip's box, outside both boxes.
pub const RING_FINGERTIP: u8 = 4;
/// Pixel lies in the ring around the target's box, outside both boxes.
pub const RING_TARGET: u8 = 8;
pub const IN_ANY_BOX: u8 = IN_FINGERTIP | IN_TARGET;

/// Width of the ring as a share of the box's mean side, and its least width in pixels: enough
/// surroundings to see what the box stands in front of.
const RING_SHARE: f64 = 0.5;
const RING_MIN_PX: f64 = 6.0;

/// Rows run along y. Index of a pixel: `row * width + column`.
pub struct Window {
    pub width: usize,
    pub height: usize,
    /// Metres along the optical axis, denoised; NaN = no measurement.
    pub depth_m: Vec<f32>,
    /// The same as measured.
    raw_depth_m: Vec<f32>,
    /// `[x/z, y/z]` of each pixel.
    pub rays: Vec<[f32; 2]>,
    /// RGB of each pixel.
    pub color: Vec<[u8; 3]>,
    /// Which boxes and rings the pixel lies in; 0 = none of them, not looked at.
    pub place: Vec<u8>,
    /// Both boxes, clipped to the image, in pixels of this window.
    pub fingertip: BoundingBox,
    pub target: BoundingBox,
    /// Mean focal length in pixels of the depth image.
    pub focal_px: f64,
}

/// Depth limits within which a measurement counts.
#[derive(Clone, Copy)]
pub struct DepthRange {
    pub min_m: f32,
    pub max_m: f32,
}

impl Window {
    /// Cut the window out of `depth`. The boxes and `intrinsics` speak of the colour image, which
    /// the depth image is registered to, at whatever resolution. `None` if a box is outside.
    pub fn cut(
        picture: &ColorImage,
        depth: &DepthImage,
        intrinsics: &Intrinsics,
        regions: &Regions,
        range: DepthRange,
    ) -> Option<Self> {
        let scale_x = f64::from(depth.width) / f64::from(intrinsics.width);
        let scale_y = f64::from(depth.height) / f64::from(intrinsics.height);
        let intrinsics = intrinsics.resized(depth.width, depth.height);
        let clip = |bbox: &BoundingBox| {
            bbox.scaled(scale_x, scale_y)
                .clipped(depth.width, depth.height)
        };
        let (fingertip, target) = (clip(&regions.fingertip)?, clip(&regions.target)?);
        let (ring_fingertip, ring_target) = (ring_of(&fingertip), ring_of(&target));

        let x0 = ring_fingertip.x_min.min(ring_target.x_min).floor().max(0.0) as usize;
        let y0 = ring_fingertip.y_min.min(ring_target.y_min).floor().max(0.0) as usize;
        let x1 =
            (ring_fingertip.x_max.max(ring_target.x_max).ceil() as usize).min(depth.width as usize);
        let y1 = (ring_fingertip.y_max.max(ring_target.y_max).ceil() as usize)
            .min(depth.height as usize);
        let (width, height) = (x1.saturating_sub(x0), y1.saturating_sub(y0));

        let mut raw = vec![f32::NAN; width * height];
        let mut rays = vec![[0.0; 2]; width * height];
        let mut color = vec![[0; 3]; width * height];
        let shift = |bbox: BoundingBox| {
            BoundingBox::new(
                bbox.x_min - x0 as f64,
                bbox.y_min - y0 as f64,
                bbox.x_max - x0 as f64,
                bbox.y_max - y0 as f64,
            )
        };
        let place = places(
            (width, height),
            [shift(fingertip), shift(target)],
            [shift(ring_fingertip), shift(ring_target)],
        );
        for index in (0..place.len()).filter(|&i| place[i] != 0) {
            let (column, row) = (x0 + index % width, y0 + index / width);
            let (x, y) = (column as f64, row as f64);
            color[index] = nearest_color(picture, x / scale_x, y / scale_y);
            let ray = camera::ray(&intrinsics, x, y);
            rays[index] = [ray.x as f32, ray.y as f32];
            let value = depth.depth_m[row * depth.width as usize + column];
            if value >= range.min_m && value <= range.max_m {
                raw[index] = value;
            }
        }
        let focal_px = (intrinsics.fx * intrinsics.fy).sqrt();
        let mut window = Self {
            width,
            height,
            depth_m: Vec::new(),
            raw_depth_m: raw,
            rays,
            color,
            place,
            fingertip: shift(fingertip),
            target: shift(target),
            focal_px,
        };
        window.depth_m = window.denoised();
        Some(window)
    }

    /// Two neighbouring pixels whose depths differ by more than this lie on different surfaces:
    /// a slanted surface (three pixel footprints deep per pixel, 72 degrees) plus sensor noise.
    pub fn jump_m(&self, depth_m: f32) -> f32 {
        depth_m * (3.0 / self.focal_px as f32 + 0.003)
    }

    /// How wide one pixel is at that depth.
    pub fn footprint_m(&self, depth_m: f32) -> f32 {
        depth_m / self.focal_px as f32
    }

    pub fn point(&self, index: usize) -> [f32; 3] {
        self.point_at(index, self.depth_m[index])
    }

    pub fn point_at(&self, index: usize, depth_m: f32) -> [f32; 3] {
        let [x, y] = self.rays[index];
        [x * depth_m, y * depth_m, depth_m]
    }

    /// The up to eight neighbours of a pixel.
    pub fn neighbours(&self, index: usize) -> impl Iterator<Item = usize> + use<> {
        let (row, column, width) = (index / self.width, index % self.width, self.width);
        let (left, right) = (column > 0, column + 1 < width);
        let (above, below) = (row > 0, row + 1 < self.height);
        // Wrapping only where the flag beside it says that there is no such pixel.
        let up = index.wrapping_sub(width);
        let down = index + width;
        [
            (above && left, up.wrapping_sub(1)),
            (above, up),
            (above && right, up.wrapping_add(1)),
            (left, index.wrapping_sub(1)),
            (right, index + 1),
            (below && left, down.wrapping_sub(1)),
            (below, down),
            (below && right, down + 1),
        ]
        .into_iter()
        .filter_map(|(there, neighbour)| there.then_some(neighbour))
    }

    /// Average each pixel with those neighbours that it lies between, so that a slanted surface
    /// keeps its depth up to its very edge; drop pixels that hang between two surfaces (flying
    /// pixels), which have next to no continuous neighbour.
    fn denoised(&self) -> Vec<f32> {
        const HALF_RING: [(isize, isize); 4] = [(1, 0), (1, 1), (0, 1), (-1, 1)];
        let mut out = vec![f32::NAN; self.raw_depth_m.len()];
        let width = self.width as isize;
        for index in (0..out.len()).filter(|&i| !self.raw_depth_m[i].is_nan()) {
            let depth = self.raw_depth_m[index];
            let jump = self.jump_m(depth);
            let (column, row) = (index % self.width, index / self.width);
            let inner = column > 0 && row > 0 && column + 1 < self.width && row + 1 < self.height;
            let (mut sum, mut count, mut continuous, mut seen) = (depth, 1_u32, 0_u32, 0_u32);
            for (dx, dy) in HALF_RING {
                let sides = [(dx, dy), (-dx, -dy)].map(|(dx, dy)| {
                    let side = if inner {
                        Some(index.wrapping_add_signed(dy * width + dx))
                    } else {
                        self.beside(index, dx, dy)
                    };
                    side.map_or(f32::NAN, |i| self.raw_depth_m[i])
                });
                let near = sides.map(|other| (other - depth).abs() < jump);
                seen += sides
                    .iter()
                    .map(|other| u32::from(!other.is_nan()))
                    .sum::<u32>();
                continuous += near.iter().map(|&near| u32::from(near)).sum::<u32>();
                if near == [true, true] {
                    sum += sides[0] + sides[1];
                    count += 2;
                }
            }
            if continuous >= 2 || seen <= 2 {
                out[index] = sum / count as f32;
            }
        }
        out
    }

    /// Share of the pixels with one of these place bits that have a measurement.
    pub fn measured_share(&self, bits: u8) -> f32 {
        let inside = (0..self.place.len()).filter(|&i| self.place[i] & bits != 0);
        let (all, measured) = inside.fold((0_u32, 0_u32), |(all, measured), i| {
            (all + 1, measured + u32::from(!self.raw_depth_m[i].is_nan()))
        });
        measured as f32 / all.max(1) as f32
    }

    /// Mean absolute difference of measured and denoised depth, in metres.
    pub fn noise_m(&self, pixels: &[usize]) -> f32 {
        let difference = |&i: &usize| (self.raw_depth_m[i] - self.depth_m[i]).abs();
        pixels.iter().map(difference).sum::<f32>() / pixels.len().max(1) as f32
    }

    /// Which of the window's pixels are in the list.
    pub fn mask(&self, pixels: &[usize]) -> Vec<bool> {
        let mut inside = vec![false; self.place.len()];
        for &i in pixels {
            inside[i] = true;
        }
        inside
    }

    /// The bounding box of some pixels; improper if there are none.
    pub fn extent(&self, pixels: &[usize]) -> BoundingBox {
        let empty = BoundingBox::new(f64::INFINITY, f64::INFINITY, 0.0, 0.0);
        pixels.iter().fold(empty, |b, &i| {
            let (x, y) = ((i % self.width) as f64, (i / self.width) as f64);
            BoundingBox::new(
                b.x_min.min(x),
                b.y_min.min(y),
                b.x_max.max(x + 1.0),
                b.y_max.max(y + 1.0),
            )
        })
    }

    /// The pixel that far away, if the window has it.
    pub fn beside(&self, index: usize, dx: isize, dy: isize) -> Option<usize> {
        let x = (index % self.width) as isize + dx;
        let y = (index / self.width) as isize + dy;
        (x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height)
            .then(|| y as usize * self.width + x as usize)
    }
}

fn ring_of(bbox: &BoundingBox) -> BoundingBox {
    let margin = (RING_SHARE * (bbox.width() + bbox.height()) / 2.0).max(RING_MIN_PX);
    BoundingBox::new(
        bbox.x_min - margin,
        bbox.y_min - margin,
        bbox.x_max + margin,
        bbox.y_max + margin,
    )
}

/// Which boxes and rings each pixel's middle lies in; a ring is what is in neither box.
fn places(
    (width, height): (usize, usize),
    boxes: [BoundingBox; 2],
    rings: [BoundingBox; 2],
) -> Vec<u8> {
    let mut place = vec![0; width * height];
    // A pixel's middle is half a pixel beyond its corner.
    let first = |edge: f64, most: usize| ((edge - 0.5).ceil().max(0.0) as usize).min(most);
    let mut mark = |bbox: &BoundingBox, bit: u8| {
        let columns = first(bbox.x_min, width)..first(bbox.x_max, width);
        for row in first(bbox.y_min, height)..first(bbox.y_max, height) {
            for pixel in &mut place[row * width..][columns.clone()] {
                *pixel |= bit;
            }
        }
    };
    mark(&boxes[0], IN_FINGERTIP);
    mark(&boxes[1], IN_TARGET);
    mark(&rings[0], RING_FINGERTIP);
    mark(&rings[1], RING_TARGET);
    for pixel in &mut place {
        if *pixel & IN_ANY_BOX != 0 {
            *pixel &= IN_ANY_BOX;
        }
    }
    place
}

/// The colour at a position, or black beyond the picture.
fn nearest_color(picture: &ColorImage, x: f64, y: f64) -> [u8; 3] {
    let at = (y as usize * picture.width as usize + x as usize) * 3;
    match picture.rgb.get(at..at + 3) {
        Some(&[r, g, b]) => [r, g, b],
        _ => [0; 3],
    }
}
