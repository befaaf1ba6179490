//! Boxes from `vision_msgs/Detection2DArray`, in every layout that it has had, and from
//! `sensor_msgs/RegionOfInterest`, as one plain list.

use serde::Deserialize;

use super::cdr;
use super::detected::{Detections, upright};
use super::layouts::VisionMsgs;
use super::types::{Header, Image, RegionOfInterest};
use crate::error::{Error, Result};
use crate::frame::{BoundingBox, Detection};

/// CDR pads a message to a multiple of 4 bytes.
const MAX_ALIGNMENT_PADDING_BYTES: usize = 3;

/// Boxes of a Detection2DArray. Without a known layout the first that fits the bytes, newest first.
pub(super) fn decode(
    type_name: &str,
    layout: Option<VisionMsgs>,
    bytes: &[u8],
) -> Result<Detections> {
    match layout {
        Some(VisionMsgs::V3) => Ok(cdr::decode::<ArrayV3>(type_name, bytes)?.into()),
        Some(VisionMsgs::V2) => Ok(cdr::decode::<ArrayV2<'_>>(type_name, bytes)?.into()),
        Some(VisionMsgs::V1) => Ok(cdr::decode::<ArrayV1<'_>>(type_name, bytes)?.into()),
        Some(VisionMsgs::V0) => Ok(cdr::decode::<ArrayV0<'_>>(type_name, bytes)?.into()),
        None => fitting::<ArrayV3>(type_name, bytes)
            .or_else(|_| fitting::<ArrayV2<'_>>(type_name, bytes))
            .or_else(|_| fitting::<ArrayV0<'_>>(type_name, bytes))
            .or_else(|_| fitting::<ArrayV1<'_>>(type_name, bytes))
            .map_err(|_| no_layout_fits(type_name, bytes)),
    }
}

fn fitting<'a, A: Deserialize<'a> + Into<Detections>>(
    type_name: &str,
    bytes: &'a [u8],
) -> Result<Detections> {
    let (array, left_over) = cdr::decode_prefix::<A>(type_name, bytes)?;
    if left_over > MAX_ALIGNMENT_PADDING_BYTES {
        return Err(Error::decode(
            type_name,
            format!("{left_over} bytes are left over"),
        ));
    }
    Ok(array.into())
}

fn no_layout_fits(type_name: &str, bytes: &[u8]) -> Error {
    let newest = match fitting::<ArrayV3>(type_name, bytes) {
        Err(Error::Decode { message, .. }) => message,
        Err(other) => other.to_string(),
        Ok(_) => String::new(),
    };
    Error::UnknownLayout {
        type_name: type_name.to_owned(),
        detail: format!(
            "the bag has no definition of it, and a message fits none of vision_msgs 0 to 4; with the newest: {newest}"
        ),
    }
}

/// The box of a message without header, class and score.
pub(super) fn from_region(region: &RegionOfInterest) -> Detections {
    let (x, y) = (f64::from(region.x_offset), f64::from(region.y_offset));
    Detections {
        boxes: vec![Detection {
            class_id: String::new(),
            score: 1.0,
            track_id: None,
            mask: None,
            bbox: BoundingBox::new(
                x,
                y,
                x + f64::from(region.width),
                y + f64::from(region.height),
            ),
        }],
        ..Detections::default()
    }
}

type ArrayV3 = Array<Hypothesis<String, PoseWithCovariance>, String>;
type ArrayV2<'a> = Array<Hypothesis<String, PoseWithCovariance>, SourceAndTracking<'a>>;
type ArrayV1<'a> = Array<Hypothesis<i64, Pose>, Image<'a>>;
type ArrayV0<'a> = Array<Hypothesis<i64, PoseWithCovariance>, Image<'a>>;

/// Detection2DArray, generic over what has changed: the hypotheses and what follows the box.
#[derive(Deserialize)]
struct Array<H, Rest> {
    header: Header,
    detections: Vec<WireDetection<H, Rest>>,
}

#[derive(Deserialize)]
struct WireDetection<H, Rest> {
    header: Header,
    results: Vec<H>,
    bbox: WireBox,
    rest: Rest,
}

/// What follows a detection's box.
trait AfterBox {
    /// The detection's id; empty in layouts without one. The id of a tracker is no class.
    fn id(&self) -> &str {
        ""
    }
}

impl AfterBox for String {
    fn id(&self) -> &str {
        self
    }
}

impl AfterBox for SourceAndTracking<'_> {}

impl AfterBox for Image<'_> {}

#[derive(Deserialize)]
struct Hypothesis<Id, P> {
    id: Id,
    score: f64,
    _pose: P,
}

/// Position, then orientation.
type Pose = [f64; 7];

#[derive(Deserialize)]
struct PoseWithCovariance {
    _pose: Pose,
    _covariance: [[f64; 6]; 6],
}

#[derive(Deserialize)]
struct SourceAndTracking<'a> {
    #[serde(borrow)]
    _source_img: Image<'a>,
    _is_tracking: bool,
    _tracking_id: &'a str,
}

#[derive(Deserialize)]
struct WireBox {
    center_x: f64,
    center_y: f64,
    theta: f64,
    size_x: f64,
    size_y: f64,
}

impl WireBox {
    fn upright(&self) -> BoundingBox {
        let center = [self.center_x, self.center_y];
        upright(center, self.theta, [self.size_x, self.size_y])
    }
}

impl<Id: ToString, P, R: AfterBox> From<Array<Hypothesis<Id, P>, R>> for Detections {
    fn from(array: Array<Hypothesis<Id, P>, R>) -> Self {
        let mut boxes = Vec::new();
        for detection in &array.detections {
            let bbox = detection.bbox.upright();
            if detection.results.is_empty() {
                boxes.push(Detection {
                    class_id: detection.rest.id().to_owned(),
                    score: 1.0,
                    bbox,
                    track_id: None,
                    mask: None,
                });
            }
            boxes.extend(detection.results.iter().map(|hypothesis| Detection {
                class_id: hypothesis.id.to_string(),
                score: hypothesis.score,
                bbox,
                track_id: None,
                mask: None,
            }));
        }
        let headers = || array.detections.iter().map(|detection| &detection.header);
        let newest = || headers().map(Header::stamp_nanos).max().unwrap_or(0);
        let named = || headers().find(|header| !header.frame_id.is_empty());
        Self {
            stamp_nanos: match array.header.stamp_nanos() {
                0 => newest(),
                stamp_nanos => stamp_nanos,
            },
            frame_id: match array.header.frame_id.is_empty() {
                true => named().map_or_else(String::new, |header| header.frame_id.clone()),
                false => array.header.frame_id,
            },
            boxes,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::types::Time;

    #[test]
    fn a_box_turned_by_a_quarter_swaps_its_sides() {
        let turned = WireBox {
            center_x: 10.0,
            center_y: 20.0,
            theta: std::f64::consts::FRAC_PI_2,
            size_x: 8.0,
            size_y: 2.0,
        };
        let upright = turned.upright();
        assert!((upright.width() - 2.0).abs() < 1e-9 && (upright.height() - 8.0).abs() < 1e-9);
        assert_eq!(upright.center(), [10.0, 20.0]);
    }

    /// A detection of the newest layout, without hypotheses.
    fn bare(stamp_nanos: i64, frame_id: &str, id: &str) -> WireDetection<Newest, String> {
        WireDetection {
            header: Header {
                stamp: Time::from_nanos(stamp_nanos),
                frame_id: frame_id.to_owned(),
            },
            results: Vec::new(),
            bbox: WireBox {
                center_x: 10.0,
                center_y: 20.0,
                theta: 0.0,
                size_x: 8.0,
                size_y: 2.0,
            },
            rest: id.to_owned(),
        }
    }

    type Newest = Hypothesis<String, PoseWithCovariance>;

    #[test]
    fn without_hypotheses_the_id_is_the_class() {
        // given detections of a detector that fills in the id alone
        let array = ArrayV3 {
            header: Header::default(),
            detections: vec![bare(0, "", "gripper"), bare(0, "", "")],
        };
        // when they are read
        let read = Detections::from(array);
        // then each is of its class
        let classes: Vec<_> = read.boxes.iter().map(|it| it.class_id.as_str()).collect();
        assert_eq!(classes, ["gripper", ""]);
        assert!(read.boxes.iter().all(|it| it.score == 1.0));
        assert_eq!((read.stamp_nanos, read.frame_id.as_str()), (0, ""));
    }

    #[test]
    fn an_array_without_a_stamp_has_that_of_its_detections() {
        // given detections that are stamped, in an array that is not
        let detections = || vec![bare(5, "", "a"), bare(7, "camera", "b")];
        let read = |header| {
            Detections::from(ArrayV3 {
                header,
                detections: detections(),
            })
        };
        // when it is read, then it has the newest stamp, and the frame that is named
        let unstamped = read(Header::default());
        assert_eq!(
            (unstamped.stamp_nanos, unstamped.frame_id.as_str()),
            (7, "camera")
        );
        // but what the array itself says comes first
        let stamped = read(Header {
            stamp: Time::from_nanos(3),
            frame_id: "wrist".to_owned(),
        });
        assert_eq!(
            (stamped.stamp_nanos, stamped.frame_id.as_str()),
            (3, "wrist")
        );
    }

    #[test]
    fn a_region_of_interest_is_one_certain_box_without_class() {
        let region = RegionOfInterest {
            x_offset: 3,
            y_offset: 4,
            height: 20,
            width: 10,
            do_rectify: false,
        };
        let detections = from_region(&region);
        assert_eq!(detections.stamp_nanos, 0);
        assert_eq!(
            detections.boxes,
            [Detection {
                class_id: String::new(),
                score: 1.0,
                bbox: BoundingBox::new(3.0, 4.0, 13.0, 24.0),
                track_id: None,
                mask: None,
            }]
        );
    }
}
