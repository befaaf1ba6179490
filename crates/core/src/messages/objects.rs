//! Objects from messages of detectors, trackers and markers beyond `vision_msgs/Detection2DArray`: fields are found by
//! name in the definition that the bag carries, and where it carries none, in those compiled in.

use nalgebra::{Isometry3, Vector3};

use super::detected::{Detections, InSpace, Place, upright};
use super::named_fields::{Value, read};
use super::object_fields::{
    around, corners, frame_id, names_of, number, pose, stamp_nanos, text, vector,
};
use super::object_source::Source;
use super::schema::{Shape, short_name};
use crate::error::{Error, Result};
use crate::frame::{BoundingBox, Detection, Mask};

/// Writers pad a message to a multiple of 4 or 8 bytes.
const MAX_PADDING_BYTES: usize = 7;
/// The same where the layout is only guessed at.
const MAX_GUESSED_PADDING_BYTES: usize = 3;

/// Reads the messages of one type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reader {
    source: Source,
    /// As the bag has it, or else those that are known.
    shapes: Vec<Shape>,
    is_guessed: bool,
}

impl Reader {
    /// `None` for a type of another kind. A `definition` is in `ros2msg` notation; `common` has those of its dependencies
    /// that it may leave out.
    ///
    /// # Errors
    /// `Error::UnknownLayout` for a definition that lacks a field.
    pub(super) fn of(
        type_name: &str,
        definition: Option<&str>,
        common: &str,
    ) -> Result<Option<Self>> {
        let Some(source) = Source::by_name(&short_name(type_name)) else {
            return Ok(None);
        };
        let unknown = |detail: String| Error::UnknownLayout {
            type_name: type_name.to_owned(),
            detail,
        };
        let definitions = match definition {
            Some(definition) => vec![definition.to_owned()],
            None => source.known_definitions(),
        };
        let shapes: Result<Vec<Shape>, String> = (definitions.iter())
            .map(|definition| Shape::parse(type_name, definition, common))
            .collect();
        let shapes = shapes.map_err(unknown)?;
        let stamped: [&[&str]; 2] = [&["header.stamp.sec"], &["header.frame_id"]];
        let lacks = |shape: &Shape| {
            let mut needed = source.needed().iter().chain(&stamped);
            needed
                .find(|paths| !paths.iter().any(|path| shape.has(path)))
                .map(|paths| paths.join("' or '"))
        };
        if shapes.iter().any(|shape| shape.holds("wstring")) {
            return Err(unknown(
                "it has a wide string, whose characters have no size that all writers agree on"
                    .to_owned(),
            ));
        }
        match shapes.iter().find_map(lacks) {
            Some(missing) => Err(unknown(format!("it has no field '{missing}'"))),
            None => Ok(Some(Self {
                source,
                shapes,
                is_guessed: definition.is_none(),
            })),
        }
    }

    /// The objects of a message.
    ///
    /// # Errors
    /// `Error::Decode` for a broken message, `Error::UnknownLayout` for one that fits no layout known where the bag has no
    /// definition.
    pub(super) fn detections(&self, type_name: &str, bytes: &[u8]) -> Result<Detections> {
        let most_left = match self.is_guessed {
            true => MAX_GUESSED_PADDING_BYTES,
            false => MAX_PADDING_BYTES,
        };
        let mut why = None;
        for shape in &self.shapes {
            let error = match read(type_name, shape, bytes) {
                Ok((message, left)) if left <= most_left => {
                    return self.collected(&message).ok_or_else(|| {
                        Error::decode(type_name, "a field has another type than is known")
                    });
                }
                Ok((_, left)) => Error::decode(type_name, format!("{left} bytes are left over")),
                Err(error) => error,
            };
            why.get_or_insert(error);
        }
        let why = why.unwrap_or_else(|| Error::decode(type_name, "no layout is known"));
        match self.is_guessed {
            false => Err(why),
            true => Err(Error::UnknownLayout {
                type_name: type_name.to_owned(),
                detail: format!(
                    "the bag has no definition of it, and a message fits none that is known; with the newest: {why}"
                ),
            }),
        }
    }

    fn collected(&self, message: &Value<'_>) -> Option<Detections> {
        let mut all = Detections {
            stamp_nanos: stamp_nanos(message)?,
            frame_id: frame_id(message)?.to_owned(),
            ..Detections::default()
        };
        let items = |name: &str| message.at(name).map_or(&[][..], Value::items);
        match self.source {
            Source::Yolo => items("detections")
                .iter()
                .try_for_each(|it| yolo(it, &mut all))?,
            Source::Detections3D => {
                if all.stamp_nanos == 0 {
                    // That of the newest of its detections, as in two dimensions.
                    let stamps = items("detections").iter().filter_map(stamp_nanos);
                    all.stamp_nanos = stamps.max().unwrap_or(0);
                }
                items("detections")
                    .iter()
                    .try_for_each(|it| boxed_in_space(it, &mut all))?;
            }
            Source::Zed => items("objects")
                .iter()
                .try_for_each(|it| zed(it, &mut all))?,
            Source::SpatialDetections => items("detections")
                .iter()
                .try_for_each(|it| spatial(it, &mut all))?,
            Source::AprilTags => items("detections")
                .iter()
                .try_for_each(|it| april_tag(it, &mut all))?,
            Source::Aruco => {
                let markers = items("markers").iter();
                markers
                    .map(|it| (it, "marker_id"))
                    .chain(items("boards").iter().map(|it| (it, "board_name")))
                    .try_for_each(|(it, name)| marker(it, name, &mut all))?;
            }
        }
        Some(all)
    }
}

/// What a detector says of an object, but for where it is.
struct Said {
    /// All names that it goes by.
    names: Vec<String>,
    score: f64,
    track_id: Option<String>,
}

impl Detections {
    /// One entry for each name: whoever looks for a class need not know which of them the detector's people use.
    fn push(&mut self, said: Said, bbox: BoundingBox) {
        self.push_outlined(said, bbox, None);
    }

    /// The same of an object whose pixels the detector tells.
    fn push_outlined(&mut self, said: Said, bbox: BoundingBox, mask: Option<Mask>) {
        for class_id in said.names {
            self.boxes.push(Detection {
                class_id,
                score: said.score,
                bbox,
                track_id: said.track_id.clone(),
                mask: mask.clone(),
            });
        }
    }

    fn push_in_space(&mut self, said: Said, frame_id: &str, place: Place) {
        for class_id in said.names {
            self.in_space.push(InSpace {
                class_id,
                score: said.score,
                track_id: said.track_id.clone(),
                frame_id: frame_id.to_owned(),
                place,
            });
        }
    }

    /// An object whose pose is no pose. It is not seen, but told of.
    fn push_nowhere(&mut self, said: &Said, what: &str) {
        let name = said.names.join("/");
        self.nowhere
            .push((said.names.clone(), format!("'{name}' has {what}")));
    }
}

fn yolo(detection: &Value<'_>, all: &mut Detections) -> Option<()> {
    let names = names_of(detection, &["class_name", "class_id"]);
    let bbox = upright(
        [
            number(detection, "bbox.center.position.x")?,
            number(detection, "bbox.center.position.y")?,
        ],
        number(detection, "bbox.center.theta").unwrap_or(0.0),
        [
            number(detection, "bbox.size.x")?,
            number(detection, "bbox.size.y")?,
        ],
    );
    let said = Said {
        names,
        score: number(detection, "score")?,
        track_id: text(detection, "id"),
    };
    all.push_outlined(said, bbox, outline(detection));
    Some(())
}

/// The polygon of a detection of YOLO; `None` where a detector without masks leaves it empty, or it encloses nothing.
fn outline(detection: &Value<'_>) -> Option<Mask> {
    let mask = detection.at("mask")?;
    let side = |name: &str| match mask.at(name) {
        Some(Value::Integer(side)) => u32::try_from(*side).ok().filter(|side| *side > 0),
        _ => None,
    };
    let points: Option<Vec<[f32; 2]>> = (mask.at("data")?.items().iter())
        .map(|point| Some([number(point, "x")? as f32, number(point, "y")? as f32]))
        .collect();
    Mask::new(points?, side("width").zip(side("height")))
}

fn boxed_in_space(detection: &Value<'_>, all: &mut Detections) -> Option<()> {
    let own = frame_id(detection).filter(|frame| !frame.is_empty());
    let frame = own.map_or_else(|| all.frame_id.clone(), str::to_owned);
    let id = text(detection, "id");
    let track_id = text(detection, "tracking_id").or_else(|| id.clone());
    let pose = pose(detection.at("bbox.center")?)?;
    let size = vector(detection.at("bbox.size")?)?;
    let place = pose.and_then(|pose| match size {
        [0.0, 0.0, 0.0] => Ok(Place::Pose(pose)),
        size if size.iter().all(|side| side.is_finite() && *side >= 0.0) => {
            Ok(Place::of_box(&pose, size))
        }
        _ => Err("a size that is no size".to_owned()),
    });
    for said in hypotheses(detection, id, track_id)? {
        match &place {
            Ok(place) => all.push_in_space(said, &frame, *place),
            Err(what) => all.push_nowhere(&said, what),
        }
    }
    Some(())
}

fn spatial(detection: &Value<'_>, all: &mut Detections) -> Option<()> {
    let center = |axis: &str| {
        number(detection, &format!("bbox.center.position.{axis}"))
            .or_else(|| number(detection, &format!("bbox.center.{axis}")))
    };
    let bbox = upright(
        [center("x")?, center("y")?],
        number(detection, "bbox.center.theta").unwrap_or(0.0),
        [
            number(detection, "bbox.size_x")?,
            number(detection, "bbox.size_y")?,
        ],
    );
    for said in hypotheses(detection, None, text(detection, "tracking_id"))? {
        all.push(said, bbox);
    }
    Some(())
}

/// A detection's hypotheses; one without any has score 1 and the name that stands in for its class.
fn hypotheses(
    detection: &Value<'_>,
    nameless: Option<String>,
    track_id: Option<String>,
) -> Option<Vec<Said>> {
    let results = detection.at("results")?.items();
    if results.is_empty() {
        return Some(vec![Said {
            names: vec![nameless.unwrap_or_default()],
            score: 1.0,
            track_id,
        }]);
    }
    let said = |result: &Value<'_>| {
        let result = result.at("hypothesis").unwrap_or(result);
        Some(Said {
            names: vec![result.at("class_id").or_else(|| result.at("id"))?.word()?],
            score: number(result, "score")?,
            track_id: track_id.clone(),
        })
    };
    results.iter().map(said).collect()
}

fn zed(object: &Value<'_>, all: &mut Detections) -> Option<()> {
    /// Of a track whose object is not seen any more: where it is, is only estimated.
    const LOST: [f64; 2] = [2.0, 3.0];
    let is_tracked = number(object, "tracking_available").is_some_and(|tracked| tracked != 0.0);
    if is_tracked && number(object, "tracking_state").is_some_and(|state| LOST.contains(&state)) {
        return Some(());
    }
    let said = Said {
        names: names_of(object, &["label", "sublabel"]),
        // From 1 to 99.
        score: number(object, "confidence")? / 100.0,
        track_id: (object.at("label_id")).and_then(|id| id.word().filter(|_| is_tracked)),
    };
    let pixels: Option<Vec<[f64; 2]>> = corners(object.at("bounding_box_2d")?)
        .map(|corner| corner.try_into().ok())
        .collect();
    let pixels = pixels?;
    if let Some(bbox) = around(&pixels).filter(BoundingBox::is_proper) {
        all.push(said, bbox);
        return Some(());
    }
    let metres: Option<Vec<[f64; 3]>> = corners(object.at("bounding_box_3d")?)
        .map(|corner| corner.try_into().ok())
        .collect();
    let metres: Option<[[f64; 3]; 8]> = metres?.try_into().ok();
    let has_extent = |corners: &[[f64; 3]; 8]| {
        let [first, ..] = corners;
        corners.iter().flatten().all(|metres| metres.is_finite())
            && corners.iter().any(|corner| corner != first)
    };
    let position: [f64; 3] = vector(object.at("position")?)?;
    let frame = all.frame_id.clone();
    match metres.filter(has_extent) {
        Some(corners) => {
            let corners = corners.map(Vector3::from);
            all.push_in_space(said, &frame, Place::Corners(corners));
        }
        None if position.iter().all(|metres| metres.is_finite()) => {
            let [x, y, z] = position;
            all.push_in_space(said, &frame, Place::Pose(Isometry3::translation(x, y, z)));
        }
        None => all.push_nowhere(&said, "a position that is not finite"),
    }
    Some(())
}

fn april_tag(tag: &Value<'_>, all: &mut Detections) -> Option<()> {
    let id = tag.at("id")?.word()?;
    let family = text(tag, "family");
    let names = match family {
        Some(family) => vec![format!("{family}:{id}"), id],
        None => vec![id],
    };
    // As four points, or as x and y in turn.
    let corners = tag.at("corners")?.items();
    let numbers: Vec<f64> = corners.iter().filter_map(Value::number).collect();
    let corners: Option<Vec<[f64; 2]>> = match numbers.is_empty() {
        true => (corners.iter())
            .map(|corner| Some([number(corner, "x")?, number(corner, "y")?]))
            .collect(),
        false => (numbers.chunks(2))
            .map(|corner| corner.try_into().ok())
            .collect(),
    };
    let said = Said {
        names,
        score: 1.0,
        track_id: None,
    };
    match around(&corners?) {
        Some(bbox) => all.push(said, bbox),
        None => all.push_nowhere(&said, "no corners"),
    }
    Some(())
}

fn marker(marker: &Value<'_>, name: &str, all: &mut Detections) -> Option<()> {
    let said = Said {
        names: vec![marker.at(name)?.word()?],
        score: 1.0,
        track_id: None,
    };
    let frame = all.frame_id.clone();
    match pose(marker.at("pose")?)? {
        Ok(pose) => all.push_in_space(said, &frame, Place::Pose(pose)),
        Err(what) => all.push_nowhere(&said, &what),
    }
    Some(())
}
