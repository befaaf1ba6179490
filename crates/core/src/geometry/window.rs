//! The part of a depth image around the two boxes: denoised depth, rays, and which pixel lies in
//! which box. Everything that geometry does afterwards looks only at this window.

use std::ops::Range;

use nalgebra::Vector2;

use crate::frame::{
    BoundingBox, ColorImage, DepthImage, Distortion, Intrinsics, LazyColorImage, Masks, Reason,
    Regions,
};
use crate::geometry::camera;

/// Pixel lies in the fingertip's box.
pub(super) const IN_FINGERTIP: u8 = 1;
/// Pixel lies in the target's box.
pub(super) const IN_TARGET: u8 = 2;
/// Pixel lies in the ring around the fingertip's box, outside both boxes.
pub(super) const RING_FINGERTIP: u8 = 4;
/// Pixel lies in the ring around the target's box, outside both boxes.
pub(super) const RING_TARGET: u8 = 8;
pub(super) const IN_ANY_BOX: u8 = IN_FINGERTIP | IN_TARGET;

/// Width of the ring as a share of the box's mean side, and its least width in pixels: enough
/// surroundings to see what the box stands in front of.
const RING_SHARE: f64 = 0.5;
const RING_MIN_PX: f64 = 6.0;

/// Pixels of nothing around the window (place 0, no depth), as many as anything looks beside a pixel:
/// so nobody has to ask whether there is such a pixel.
const MARGIN: usize = 4;

/// Rows run along y. Index of a pixel: `row * width + column`.
pub(super) struct Window<'a> {
    /// Pixels in a row and in a column, with the margins.
    pub width: usize,
    pub height: usize,
    /// Metres along the optical axis, denoised; NaN = no measurement.
    pub depth_m: Vec<f32>,
    /// The same as measured.
    raw_depth_m: Vec<f32>,
    /// `[x/z, y/z]` of each pixel that has a place.
    pub rays: Vec<[f32; 2]>,
    /// Which boxes and rings the pixel lies in; 0 = none of them, not looked at.
    pub place: Vec<u8>,
    /// Which of them lie in the outlines of fingertip and target; `None` of a region that no detector outlined.
    pub masks: [Option<Vec<bool>>; 2],
    /// Both boxes, clipped to the image, in pixels of this window.
    pub fingertip: BoundingBox,
    pub target: BoundingBox,
    /// Mean focal length in pixels of the depth image.
    pub focal_px: f64,
    /// See `jump_m`.
    jump_share: f32,
    picture: &'a LazyColorImage,
    /// Where the window's first pixel lies in the depth image, and that image's pixels per pixel of the
    /// picture.
    origin: [f64; 2],
    scale: [f64; 2],
}

/// Depth limits within which a measurement counts.
#[derive(Clone, Copy)]
pub(super) struct DepthRange {
    pub min_m: f32,
    pub max_m: f32,
}

impl<'a> Window<'a> {
    /// Cut the window out of `depth`. The boxes and `intrinsics` speak of the colour image, which
    /// the depth image is registered to, at whatever resolution. `None` if a box is outside.
    // Long, because a window is one system of coordinates, and all of it is laid down here.
    pub(super) fn cut(
        picture: &'a LazyColorImage,
        depth: &DepthImage,
        intrinsics: &Intrinsics,
        regions: &Regions,
        range: DepthRange,
    ) -> Option<Self> {
        let (width, height) = intrinsics.size().unwrap_or((picture.width, picture.height));
        let intrinsics = intrinsics.resized(width, height);
        let scale_x = f64::from(depth.width) / f64::from(width);
        let scale_y = f64::from(depth.height) / f64::from(height);
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
        let size = (
            x1.saturating_sub(x0) + 2 * MARGIN,
            y1.saturating_sub(y0) + 2 * MARGIN,
        );
        let origin = [x0 as f64 - MARGIN as f64, y0 as f64 - MARGIN as f64];
        let shift = |bbox: BoundingBox| {
            BoundingBox::new(
                bbox.x_min - origin[0],
                bbox.y_min - origin[1],
                bbox.x_max - origin[0],
                bbox.y_max - origin[1],
            )
        };
        let (fingertip, target) = (shift(fingertip), shift(target));
        let place = places(
            size,
            [fingertip, target],
            [shift(ring_fingertip), shift(ring_target)],
        );
        let masks = masks(&regions.masks, &place, size, origin, [scale_x, scale_y]);
        let focal_px = (intrinsics.fx * intrinsics.fy).sqrt();
        let mut window = Self {
            width: size.0,
            height: size.1,
            depth_m: vec![f32::NAN; place.len()],
            raw_depth_m: vec![f32::NAN; place.len()],
            rays: vec![[0.0; 2]; place.len()],
            place,
            masks,
            fingertip,
            target,
            focal_px,
            jump_share: camera::jump_share(focal_px),
            picture,
            origin,
            scale: [scale_x, scale_y],
        };
        window.cast_rays(&intrinsics);
        window.measure(depth, range);
        window.denoise();
        Some(window)
    }

    /// The rays of the pixels that have a place.
    fn cast_rays(&mut self, intrinsics: &Intrinsics) {
        let [x0, y0] = self.origin;
        let single = |ray: Vector2<f64>| [ray.x as f32, ray.y as f32];
        // Without distortion a row's rays share one coordinate, and a column's the other.
        let is_straight = intrinsics.distortion == Distortion::None;
        let first_row: Vec<f32> = (0..self.width)
            .map(|column| camera::straight_ray(intrinsics, x0 + column as f64, 0.0).x as f32)
            .collect();
        for row in 0..self.height {
            let Some(span) = self.span(row) else {
                continue;
            };
            let y = y0 + row as f64;
            let ray_y = camera::straight_ray(intrinsics, 0.0, y).y as f32;
            for column in span {
                let ray = &mut self.rays[row * self.width + column];
                *ray = if is_straight {
                    [first_row[column], ray_y]
                } else {
                    single(camera::ray(intrinsics, x0 + column as f64, y))
                };
            }
        }
    }

    /// The columns of a row from its first pixel that has a place to its last.
    fn span(&self, row: usize) -> Option<Range<usize>> {
        let places = &self.place[row * self.width..][..self.width];
        let first = places.iter().position(|&place| place != 0)?;
        let last = places.iter().rposition(|&place| place != 0)?;
        Some(first..last + 1)
    }

    /// Take over the depth of the pixels that have a place, where it is within the range.
    fn measure(&mut self, depth: &DepthImage, range: DepthRange) {
        let [x0, y0] = self.origin.map(|origin| origin as isize);
        for row in 0..self.height {
            let Some(span) = self.span(row) else {
                continue;
            };
            let at = row * self.width;
            let (source_row, source_column) = (y0 + row as isize, x0 + span.start as isize);
            let places = &self.place[at..][span.clone()];
            let raw = &mut self.raw_depth_m[at..][span];
            depth.read_row(
                source_row.cast_unsigned(),
                source_column.cast_unsigned(),
                raw,
            );
            for (raw, &place) in raw.iter_mut().zip(places) {
                let counts = place != 0 && *raw >= range.min_m && *raw <= range.max_m;
                *raw = if counts { *raw } else { f32::NAN };
            }
        }
    }

    /// RGB of the wanted pixels, black elsewhere and beyond the picture.
    ///
    /// # Errors
    /// `no_image` if the picture does not decode.
    pub(super) fn colors(&self, wanted: &[usize]) -> Result<Vec<[u8; 3]>, Reason> {
        let picture = self.picture.pixels().map_err(|_| Reason::NoImage)?;
        let mut colors = vec![[0; 3]; self.place.len()];
        for &index in wanted {
            let x = (self.origin[0] + (index % self.width) as f64) / self.scale[0];
            let y = (self.origin[1] + (index / self.width) as f64) / self.scale[1];
            colors[index] = nearest_color(picture, x, y);
        }
        Ok(colors)
    }

    /// Two neighbouring pixels whose depths differ by more than this lie on different surfaces
    /// ([`camera::jump_share`]).
    pub(super) fn jump_m(&self, depth_m: f32) -> f32 {
        depth_m * self.jump_share
    }

    /// How wide one pixel is at that depth.
    pub(super) fn footprint_m(&self, depth_m: f32) -> f32 {
        depth_m / self.focal_px as f32
    }

    pub(super) fn point(&self, index: usize) -> [f32; 3] {
        self.point_at(index, self.depth_m[index])
    }

    pub(super) fn point_at(&self, index: usize, depth_m: f32) -> [f32; 3] {
        let [x, y] = self.rays[index];
        [x * depth_m, y * depth_m, depth_m]
    }

    /// `[x/z, y/z]` of a place in the window that is not a pixel's middle: middles lie half a pixel from
    /// the pixels' corners, which places are counted from.
    pub(super) fn ray_at(&self, [x, y]: [f64; 2]) -> [f32; 2] {
        let (x, y) = (x - 0.5, y - 0.5);
        let column = (x.max(0.0) as usize).min(self.width - 1);
        let row = (y.max(0.0) as usize).min(self.height - 1);
        let ray = |index: usize| {
            let known = self.place.get(index).is_some_and(|&place| place != 0);
            known.then(|| self.rays[index])
        };
        let first = row * self.width + column;
        let here = self.rays[first];
        let right = ray(first + 1).unwrap_or(here);
        let below = ray(first + self.width).unwrap_or(here);
        let (to_right, down) = (x.fract() as f32, y.fract() as f32);
        [0, 1].map(|k| here[k] + to_right * (right[k] - here[k]) + down * (below[k] - here[k]))
    }

    /// The pixel that a ray goes through, looked for from another one; `None` if it has no place. A lens
    /// is followed from pixel to pixel, without inverting its distortion.
    pub(super) fn pixel_of(&self, ray: [f32; 2], near: usize) -> Option<usize> {
        const MOST_MOVES: usize = 4;
        let mut pixel = near;
        for _ in 0..MOST_MOVES {
            let from = self.rays[pixel];
            let [dx, dy] = [0, 1].map(|k| whole((ray[k] - from[k]) * self.focal_px as f32));
            if dx == 0 && dy == 0 {
                return Some(pixel);
            }
            let (column, row) = (pixel % self.width, pixel / self.width);
            let column = column.checked_add_signed(dx)?;
            let row = row.checked_add_signed(dy)?;
            if column >= self.width || row >= self.height {
                return None;
            }
            pixel = row * self.width + column;
            if self.place[pixel] == 0 {
                return None;
            }
        }
        Some(pixel)
    }

    /// The eight neighbours of a pixel outside the margin, row by row.
    pub(super) fn neighbours(&self, index: usize) -> [usize; 8] {
        let (up, down) = (index - self.width, index + self.width);
        [
            up - 1,
            up,
            up + 1,
            index - 1,
            index + 1,
            down - 1,
            down,
            down + 1,
        ]
    }

    /// Average each pixel with those neighbours that it lies between, so that a slanted surface
    /// keeps its depth up to its very edge; drop pixels that hang between two surfaces (flying
    /// pixels), which have next to no continuous neighbour.
    fn denoise(&mut self) {
        for row in MARGIN..self.height - MARGIN {
            let Some(span) = self.span(row) else {
                continue;
            };
            // Each line begins one pixel before the span and ends one behind it. Without branches, so
            // that the compiler looks at several pixels at a time.
            let line = |row: usize| {
                &self.raw_depth_m[row * self.width + span.start - 1..][..span.len() + 2]
            };
            let (above, here, below) = (line(row - 1), line(row), line(row + 1));
            let out = &mut self.depth_m[row * self.width..][span];
            for (k, out) in out.iter_mut().enumerate() {
                let depth = here[k + 1];
                let jump = depth * self.jump_share;
                let (mut sum, mut count, mut continuous, mut seen) = (depth, 1.0, 0, 0);
                let opposite = [
                    (here[k + 2], here[k]),
                    (below[k + 2], above[k]),
                    (below[k + 1], above[k + 1]),
                    (below[k], above[k + 2]),
                ];
                for (a, b) in opposite {
                    let (near_a, near_b) = ((a - depth).abs() < jump, (b - depth).abs() < jump);
                    seen += i32::from(!a.is_nan()) + i32::from(!b.is_nan());
                    continuous += i32::from(near_a) + i32::from(near_b);
                    let between = near_a & near_b;
                    sum += if between { a + b } else { 0.0 };
                    count += if between { 2.0 } else { 0.0 };
                }
                let keeps = (continuous >= 2) | (seen <= 2);
                *out = if keeps { sum / count } else { f32::NAN };
            }
        }
    }

    /// Mean absolute difference of measured and denoised depth, in metres.
    pub(super) fn noise_m(&self, pixels: &[usize]) -> f32 {
        let difference = |&i: &usize| (self.raw_depth_m[i] - self.depth_m[i]).abs();
        pixels.iter().map(difference).sum::<f32>() / pixels.len().max(1) as f32
    }

    /// Which of the window's pixels are in the list.
    pub(super) fn mask(&self, pixels: &[usize]) -> Vec<bool> {
        let mut inside = vec![false; self.place.len()];
        for &i in pixels {
            inside[i] = true;
        }
        inside
    }

    /// The bounding box of some pixels; improper if there are none.
    pub(super) fn extent(&self, pixels: &[usize]) -> BoundingBox {
        let empty = [usize::MAX, 0, usize::MAX, 0];
        let [left, right, first, last] =
            pixels.iter().fold(empty, |[left, right, first, last], &i| {
                let column = i % self.width;
                [
                    left.min(column),
                    right.max(column),
                    first.min(i),
                    last.max(i),
                ]
            });
        if pixels.is_empty() {
            return BoundingBox::new(f64::INFINITY, f64::INFINITY, 0.0, 0.0);
        }
        let (top, bottom) = (first / self.width, last / self.width);
        BoundingBox::new(
            left as f64,
            top as f64,
            (right + 1) as f64,
            (bottom + 1) as f64,
        )
    }

    /// The pixel that far away from one outside the margin, at most the margin's width in each direction.
    pub(super) fn beside(&self, index: usize, dx: isize, dy: isize) -> usize {
        index.wrapping_add_signed(dy * self.width.cast_signed() + dx)
    }
}

/// The nearest whole number. `round` is a call into the C library where the processor's baseline lacks
/// the instruction, and this is asked for every hidden point.
fn whole(x: f32) -> isize {
    (x + 0.5_f32.copysign(x)) as isize
}

/// A box with as much around it as is looked at.
pub(super) fn ring_of(bbox: &BoundingBox) -> BoundingBox {
    let margin = (RING_SHARE * (bbox.width() + bbox.height()) / 2.0).max(RING_MIN_PX);
    BoundingBox::new(
        bbox.x_min - margin,
        bbox.y_min - margin,
        bbox.x_max + margin,
        bbox.y_max + margin,
    )
}

/// The masks of both regions, of the pixels that have a place.
fn masks(
    masks: &Masks,
    place: &[u8],
    size: (usize, usize),
    origin: [f64; 2],
    scale: [f64; 2],
) -> [Option<Vec<bool>>; 2] {
    [&masks.fingertip, &masks.target].map(|mask| {
        let mut inside = mask.as_ref()?.inside(size, origin, scale);
        for (inside, place) in inside.iter_mut().zip(place) {
            *inside &= *place != 0;
        }
        Some(inside)
    })
}

/// Which boxes and rings each pixel's middle lies in; a ring is what is in neither box.
fn places(
    (width, height): (usize, usize),
    boxes: [BoundingBox; 2],
    rings: [BoundingBox; 2],
) -> Vec<u8> {
    let mut place = vec![0; width * height];
    // A pixel's middle is half a pixel beyond its corner.
    let first =
        |edge: f64, length: usize| ((edge - 0.5).ceil() as usize).clamp(MARGIN, length - MARGIN);
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
