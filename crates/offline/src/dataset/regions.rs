//! From boxes to regions with their clouds: by exact masks where the bag has them, else the two regions
//! that geometry can tell from what is around them. What gives no cloud is left out, with a reason.

use super::scene::Cloud;
use spatial_reward_core::frame::{
    BoundingBox, DepthImage, Intrinsics, LazyColorImage, Reason, Regions,
};
use spatial_reward_core::geometry::{GeometryEstimator, Point, camera};
use spatial_reward_core::imaging::rle::Rle;

/// A region of fewer points says little of its size.
const MIN_POINTS: usize = 10;
/// No camera measures a point farther off along any axis, metres: what is there comes of a wrong lens or of wrong depth, and
/// sums of it overflow.
const FARTHEST_M: f32 = 1000.0;

/// Whose box it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The labeller's fingertip.
    Fingertip,
    /// The labeller's target.
    Target,
    /// Another thing's.
    Other,
}

/// A box with what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detected {
    /// Whose it is.
    pub part: Part,
    /// Its class, or whose box it is.
    pub name: String,
    /// Pixels of the colour image.
    pub bbox: BoundingBox,
    /// The number of its pixels in the picture of instances.
    pub instance: Option<u8>,
}

/// A region that can be asked about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Region {
    /// Whose box it is.
    pub part: Part,
    /// What it is called in the data set.
    pub name: String,
    /// Its part inside the picture.
    pub bbox: BoundingBox,
    /// Its visible surface.
    pub cloud: Cloud,
    /// `None` where only geometry told it from its surroundings.
    pub rle: Option<Rle>,
}

/// The instance that each pixel of the colour image belongs to; 0 is none.
pub(crate) struct Instances {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row by row.
    pub numbers: Vec<u8>,
}

/// What the regions of a frame are cut out of.
pub(crate) struct View<'a> {
    /// The colour image.
    pub color: &'a LazyColorImage,
    /// The best depth there is, registered to the colour image.
    pub depth: &'a DepthImage,
    /// Of the colour image.
    pub intrinsics: &'a Intrinsics,
    /// Exact masks, of the colour image's size.
    pub instances: Option<&'a Instances>,
    /// Tells regions without a mask from their surroundings.
    pub geometry: &'a GeometryEstimator,
}

/// Why boxes gave no region.
pub(crate) type LeftOut = Vec<&'static str>;

impl View<'_> {
    /// The regions in the order of their boxes, and the reasons of those left out.
    pub(crate) fn regions(&self, detected: &[Detected]) -> (Vec<Region>, LeftOut) {
        let mut left_out = LeftOut::new();
        let (width, height) = (self.color.width, self.color.height);
        let inside: Vec<(&Detected, BoundingBox)> = (detected.iter())
            .filter_map(|detected| {
                let bbox = detected.bbox.clipped(width, height);
                if bbox.is_none() {
                    left_out.push(Reason::BoxOutsideImage.name());
                }
                Some((detected, bbox?))
            })
            .collect();
        let masked: Vec<Option<(Vec<Point>, Rle)>> = (inside.iter())
            .map(|(detected, _)| self.masked(detected.instance?))
            .collect();
        let cut = self.cut(&inside, &masked);
        let mut regions = Vec::new();
        for ((detected, bbox), masked) in inside.into_iter().zip(masked) {
            let found = match (masked, &cut) {
                (Some((points, rle)), _) => Ok((points, Some(rle))),
                (None, Some(cut)) => cut.cloud_of(detected.part).map(|points| (points, None)),
                (None, None) => Err("no_mask"),
            };
            match found {
                Ok((points, _)) if points.len() < MIN_POINTS => left_out.push("too_few_points"),
                Ok((points, _)) if !points.iter().all(is_near) => {
                    left_out.push(Reason::ImplausibleDistance.name());
                }
                Ok((points, rle)) => regions.push(Region {
                    part: detected.part,
                    name: detected.name.clone(),
                    bbox,
                    cloud: Cloud::of(points),
                    rle,
                }),
                Err(reason) => left_out.push(reason),
            }
        }
        (regions, left_out)
    }

    /// The points and the mask of an instance; `None` without a picture of instances.
    fn masked(&self, number: u8) -> Option<(Vec<Point>, Rle)> {
        let instances = self.instances?;
        let Instances { width, height, .. } = *instances;
        let is_inside = |index: usize| instances.numbers.get(index) == Some(&number);
        // The depth may have another resolution than the colour image.
        let columns = f64::from(self.depth.width) / f64::from(width);
        let rows = f64::from(self.depth.height) / f64::from(height);
        let mut row_m = vec![f32::NAN; self.depth.width as usize];
        let mut read = usize::MAX;
        let mut points = Vec::new();
        for index in (0..instances.numbers.len()).filter(|&index| is_inside(index)) {
            let (column, row) = (index % width as usize, index / width as usize);
            let source_row = (row as f64 * rows) as usize;
            if source_row != read {
                self.depth.read_row(source_row, 0, &mut row_m);
                read = source_row;
            }
            let depth_m = row_m.get((column as f64 * columns) as usize).copied();
            if let Some(depth_m) = depth_m.filter(|depth_m| *depth_m > 0.0) {
                let ray = camera::ray(self.intrinsics, column as f64, row as f64);
                points.push(Point::new(ray.x as f32, ray.y as f32, 1.0) * depth_m);
            }
        }
        Some((points, Rle::encode(width, height, is_inside)))
    }

    /// Fingertip and target as geometry tells them apart, if one of them has no mask.
    fn cut(
        &self,
        inside: &[(&Detected, BoundingBox)],
        masked: &[Option<(Vec<Point>, Rle)>],
    ) -> Option<Cut> {
        let place = |part: Part| {
            inside
                .iter()
                .position(|(detected, _)| detected.part == part)
        };
        let (fingertip, target) = (place(Part::Fingertip)?, place(Part::Target)?);
        let has_mask = |at: usize| masked.get(at).is_some_and(Option::is_some);
        if has_mask(fingertip) && has_mask(target) {
            return None;
        }
        let regions = Regions::of_boxes(inside.get(fingertip)?.1, inside.get(target)?.1);
        let clouds =
            self.geometry
                .visible_clouds(self.color, self.depth, self.intrinsics, &regions);
        Some(Cut { clouds })
    }
}

fn is_near(point: &Point) -> bool {
    // A coordinate that is no number is not near.
    point.iter().all(|along_m| along_m.abs() < FARTHEST_M)
}

/// What geometry made of the two boxes.
struct Cut {
    clouds: Result<[Vec<Point>; 2], Reason>,
}

impl Cut {
    fn cloud_of(&self, part: Part) -> Result<Vec<Point>, &'static str> {
        let [fingertip, target] = self.clouds.as_ref().map_err(|reason| reason.name())?;
        match part {
            Part::Fingertip => Ok(fingertip.clone()),
            Part::Target => Ok(target.clone()),
            Part::Other => Err("no_mask"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::frame::{ColorImage, Distortion};
    use spatial_reward_core::settings;

    const WIDTH: u32 = 80;
    const HEIGHT: u32 = 60;

    /// A wall one metre away with two squares 20 cm before it.
    struct Room {
        color: LazyColorImage,
        depth: DepthImage,
        intrinsics: Intrinsics,
        instances: Instances,
        geometry: GeometryEstimator,
    }

    /// Left, top, right and bottom of each.
    const SQUARES: [[f64; 4]; 2] = [[10.0, 20.0, 30.0, 40.0], [50.0, 20.0, 70.0, 40.0]];

    fn room() -> Room {
        let number = |index: u32| {
            let (x, y) = (f64::from(index % WIDTH), f64::from(index / WIDTH));
            let holds = |[left, top, right, bottom]: &[f64; 4]| {
                (*left..*right).contains(&x) && (*top..*bottom).contains(&y)
            };
            SQUARES.iter().position(holds).map_or(0, |at| at as u8 + 1)
        };
        let numbers: Vec<u8> = (0..WIDTH * HEIGHT).map(number).collect();
        let depth_m = numbers.iter().map(|&n| if n == 0 { 1.0 } else { 0.8 });
        Room {
            color: ColorImage {
                width: WIDTH,
                height: HEIGHT,
                rgb: vec![90; (WIDTH * HEIGHT * 3) as usize].into(),
            }
            .into(),
            depth: DepthImage::new(WIDTH, HEIGHT, depth_m.collect()),
            intrinsics: Intrinsics {
                width: WIDTH,
                height: HEIGHT,
                fx: 80.0,
                fy: 80.0,
                cx: 40.0,
                cy: 30.0,
                distortion: Distortion::None,
            },
            instances: Instances {
                width: WIDTH,
                height: HEIGHT,
                numbers,
            },
            geometry: GeometryEstimator::new(&settings::Geometry::default()),
        }
    }

    impl Room {
        fn regions(&self, masks: bool, detected: &[Detected]) -> (Vec<Region>, LeftOut) {
            View {
                color: &self.color,
                depth: &self.depth,
                intrinsics: &self.intrinsics,
                instances: masks.then_some(&self.instances),
                geometry: &self.geometry,
            }
            .regions(detected)
        }
    }

    fn detected(part: Part, square: usize, instance: Option<u8>) -> Detected {
        let [left, top, right, bottom] = SQUARES[square];
        Detected {
            part,
            name: format!("{part:?}"),
            bbox: BoundingBox::new(left, top, right, bottom),
            instance,
        }
    }

    #[test]
    fn masks_give_every_boxs_own_points() {
        let room = room();
        let boxes = [
            detected(Part::Fingertip, 0, Some(1)),
            detected(Part::Other, 1, Some(2)),
        ];
        let (regions, left_out) = room.regions(true, &boxes);
        assert!(left_out.is_empty());
        // 20 pixels to the left of the middle and 20 to the right, in steps of 1 cm at 0.8 m
        let expected = [[-0.205, -0.005, 0.8], [0.195, -0.005, 0.8]];
        for (region, expected) in regions.iter().zip(expected) {
            let off = region.cloud.centroid() - Point::from(expected);
            assert!(off.norm() < 1e-4, "{off}");
            assert_eq!(region.rle.as_ref().unwrap().size, [HEIGHT, WIDTH]);
        }
        assert_eq!(regions.len(), 2);
    }

    #[test]
    fn without_masks_geometry_cuts_the_two_and_the_others_are_left_out() {
        let room = room();
        let boxes = [
            detected(Part::Fingertip, 0, None),
            detected(Part::Target, 1, None),
            detected(Part::Other, 1, None),
        ];
        let (regions, left_out) = room.regions(false, &boxes);
        assert_eq!(left_out, ["no_mask"]);
        assert_eq!(regions.len(), 2);
        for region in &regions {
            assert!(region.rle.is_none());
            assert!((region.cloud.centroid().z - 0.8).abs() < 0.01);
        }
    }

    #[test]
    fn what_gives_no_cloud_is_left_out_with_its_reason() {
        let room = room();
        let outside = Detected {
            bbox: BoundingBox::new(-20.0, 0.0, -1.0, 10.0),
            ..detected(Part::Other, 0, Some(1))
        };
        let invisible = detected(Part::Other, 0, Some(77));
        let (regions, left_out) = room.regions(true, &[outside, invisible]);
        assert!(regions.is_empty());
        assert_eq!(left_out, ["box_outside_image", "too_few_points"]);
    }

    #[test]
    fn a_region_beyond_all_measure_became_a_row_that_no_training_reads() {
        // Given a lens, and a depth, that put a region where sums of its points overflow
        let masked = [detected(Part::Other, 0, Some(1))];
        let mut tiny_focal = room();
        tiny_focal.intrinsics.fx = f64::MIN_POSITIVE;
        let mut far = room();
        far.depth = DepthImage::new(WIDTH, HEIGHT, vec![1e38; (WIDTH * HEIGHT) as usize]);
        for room in [tiny_focal, far] {
            let (regions, left_out) = room.regions(true, &masked);
            // Then it is left out by name
            assert!(regions.is_empty());
            assert_eq!(left_out, ["implausible_distance"]);
        }
    }
}
