//! Parts that messages of objects have in common, out of fields that were found by their names.

use nalgebra::Isometry3;

use super::named_fields::Value;
use crate::frame::BoundingBox;
use crate::stamp::NANOS_PER_SECOND;
use crate::transforms::transform_of;

/// The numbers of a ZED box's corners.
pub(super) fn corners<'a>(bbox: &'a Value<'a>) -> impl Iterator<Item = Vec<f64>> + 'a {
    let corners = bbox.at("corners").map_or(&[][..], Value::items);
    corners.iter().map(|corner| {
        let numbers = corner.at("kp").map_or(&[][..], Value::items);
        numbers.iter().filter_map(Value::number).collect()
    })
}

/// The box around points; `None` around none. One that is no number makes it no proper box.
pub(super) fn around(points: &[[f64; 2]]) -> Option<BoundingBox> {
    let (first, others) = points.split_first()?;
    let [x, y] = *first;
    let begin = BoundingBox::new(x, y, x, y);
    let is_finite = points.iter().flatten().all(|pixel| pixel.is_finite());
    let bbox = others.iter().fold(begin, |bbox, [x, y]| {
        BoundingBox::new(
            bbox.x_min.min(*x),
            bbox.y_min.min(*y),
            bbox.x_max.max(*x),
            bbox.y_max.max(*y),
        )
    });
    Some(match is_finite {
        true => bbox,
        false => BoundingBox::new(f64::NAN, f64::NAN, f64::NAN, f64::NAN),
    })
}

/// All names that are not empty; where there is none, the empty one.
pub(super) fn names_of(value: &Value<'_>, paths: &[&str]) -> Vec<String> {
    let names = paths.iter().filter_map(|path| value.at(path)?.word());
    let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    match names.is_empty() {
        true => vec![String::new()],
        false => names,
    }
}

/// A pose, or what is wrong with it; `None` where a number is no number.
pub(super) fn pose(value: &Value<'_>) -> Option<Result<Isometry3<f64>, String>> {
    let position = vector(value.at("position")?)?;
    let turn = |axis: &str| number(value, &format!("orientation.{axis}"));
    let orientation = [turn("x")?, turn("y")?, turn("z")?, turn("w")?];
    Some(transform_of(position, orientation).map_err(str::to_owned))
}

/// Three numbers, in a list or by their names.
pub(super) fn vector(value: &Value<'_>) -> Option<[f64; 3]> {
    let listed: Vec<f64> = value.items().iter().filter_map(Value::number).collect();
    match listed.is_empty() {
        true => Some([
            number(value, "x")?,
            number(value, "y")?,
            number(value, "z")?,
        ]),
        false => listed.try_into().ok(),
    }
}

pub(super) fn number(value: &Value<'_>, path: &str) -> Option<f64> {
    value.at(path)?.number()
}

/// A text that is not empty.
pub(super) fn text(value: &Value<'_>, path: &str) -> Option<String> {
    value.at(path)?.word().filter(|text| !text.is_empty())
}

pub(super) fn stamp_nanos(message: &Value<'_>) -> Option<i64> {
    let part = |path: &str| match message.at(path) {
        Some(Value::Integer(value)) => Some(*value),
        _ => None,
    };
    let seconds = part("header.stamp.sec")?.saturating_mul(NANOS_PER_SECOND);
    Some(seconds.saturating_add(part("header.stamp.nanosec")?))
}

pub(super) fn frame_id<'a>(message: &'a Value<'a>) -> Option<&'a str> {
    match message.at("header.frame_id") {
        Some(Value::Text(frame)) => Some(frame),
        _ => None,
    }
}
