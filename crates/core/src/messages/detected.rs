//! What messages of detectors, trackers and markers say of objects, whatever their types: boxes in pixels and places in
//! space.

use nalgebra::{Isometry3, Point3, Vector3};

use crate::frame::{BoundingBox, Detection};

/// What one message says of objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detections {
    /// `header.stamp`; where the array has none, the newest of its detections'. 0 where nobody has one, and the
    /// log time must do.
    pub stamp_nanos: i64,
    /// `header.frame_id`; where the array has none, the first of its detections'. Empty where nobody has one.
    pub frame_id: String,
    /// One entry for each hypothesis of each detection, in the message's order. A detection without hypotheses is
    /// one entry of score 1, whose class is the detection's id, in which some detectors put it. A turned detection's
    /// box is the smallest upright one around it. As sent: boxes may be empty, not finite, or outside
    /// the image.
    pub boxes: Vec<Detection>,
    /// Those that are told of in metres, one entry for each name; for [`crate::pipeline::in_space`] to make boxes of.
    pub in_space: Vec<InSpace>,
    /// Those whose place is no place, by all their names, with what is wrong in words.
    pub nowhere: Vec<(Vec<String>, String)>,
}

impl Detections {
    /// The names of all objects, one after the other.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        let in_pixels = self.boxes.iter().map(|it| &it.class_id);
        let in_space = self.in_space.iter().map(|it| &it.class_id);
        let nowhere = self.nowhere.iter().flat_map(|(names, _)| names);
        in_pixels.chain(in_space).chain(nowhere).map(String::as_str)
    }
}

/// An object that a detector places in space.
#[derive(Debug, Clone, PartialEq)]
pub struct InSpace {
    /// As of a [`Detection`].
    pub class_id: String,
    /// As of a [`Detection`].
    pub score: f64,
    /// As of a [`Detection`].
    pub track_id: Option<String>,
    /// The coordinate frame; empty where nobody named one.
    pub frame_id: String,
    /// Where in it.
    pub place: Place,
}

/// Where an object is in a coordinate frame, in metres; finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// The corners of a box around it, in any order.
    Corners([Vector3<f64>; 8]),
    /// Its pose; the message does not say how large it is.
    Pose(Isometry3<f64>),
}

impl Place {
    /// The corners of a box of these sides around a pose.
    pub fn of_box(pose: &Isometry3<f64>, sides_m: [f64; 3]) -> Self {
        let half = Vector3::from(sides_m) / 2.0;
        Self::Corners(std::array::from_fn(|corner| {
            let sign = |axis: usize| if corner >> axis & 1 == 0 { -1.0 } else { 1.0 };
            let signs = Vector3::new(sign(0), sign(1), sign(2));
            (pose * Point3::from(half.component_mul(&signs))).coords
        }))
    }
}

/// The smallest upright box around one that is turned by `theta` radians.
pub(super) fn upright(center: [f64; 2], theta: f64, size: [f64; 2]) -> BoundingBox {
    let [width, height] = size;
    let (width, height) = if theta == 0.0 {
        (width, height)
    } else {
        let (sin, cos) = theta.sin_cos();
        (
            cos.abs() * width + sin.abs() * height,
            sin.abs() * width + cos.abs() * height,
        )
    };
    BoundingBox::from_center(center[0], center[1], width, height)
}
