//! Boxes and curves between the page, which counts pictures, and the work, which counts seconds.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shared::{Boxes, Drawn};
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::settings::DrawnBox;
use spatial_reward_core::step::Step;
use spatial_reward_offline::pick::{Curve, Gap, Regions};

/// What the page drew, as it is followed and written.
///
/// # Errors
/// Why it cannot be, in words.
pub(crate) fn in_seconds(boxes: &Boxes, times_s: &[f64]) -> std::result::Result<Regions, String> {
    let of = |drawn: &Drawn| {
        let [x_min, y_min, x_max, y_max] =
            drawn.corners.map(|corner| (corner * 10.0).round() / 10.0);
        let bbox = BoundingBox::new(x_min, y_min, x_max, y_max);
        let at_s = times_s.get(drawn.frame);
        let at_s = at_s.ok_or_else(|| format!("there is no picture {}", drawn.frame))?;
        match bbox.is_proper() {
            // As precise as it is written.
            true => Ok(DrawnBox {
                bbox,
                at_s: (at_s * 1e6).round() / 1e6,
            }),
            false => Err("a box without an area".to_owned()),
        }
    };
    Ok(Regions {
        fingertip: boxes.fingertip.iter().map(of).collect::<Result<_, _>>()?,
        target: boxes.target.iter().map(of).collect::<Result<_, _>>()?,
    })
}

/// About where they are, until they are followed.
pub(crate) fn in_frames(regions: &Regions, times_s: &[f64]) -> Boxes {
    let of = |drawn: &DrawnBox| Drawn {
        frame: (times_s
            .iter()
            .position(|time_s| *time_s >= drawn.at_s - 0.005))
        .unwrap_or_default(),
        corners: corners(&drawn.bbox),
    };
    Boxes {
        fingertip: regions.fingertip.iter().map(of).collect(),
        target: regions.target.iter().map(of).collect(),
    }
}

/// Where they are, once they are followed.
pub(crate) fn boxes_of(curve: &Curve) -> Boxes {
    let [fingertip, target] = curve.drawn.each_ref().map(|drawn| {
        let drawn = drawn.iter().map(|(frame, bbox)| Drawn {
            frame: *frame,
            corners: corners(bbox),
        });
        drawn.collect()
    });
    Boxes { fingertip, target }
}

fn corners(bbox: &BoundingBox) -> [f64; 4] {
    [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]
}

/// A curve as the page reads it.
pub(crate) fn told(curve: &Curve, took: Duration) -> Value {
    let number = |number: f64| number.is_finite().then_some(number);
    let each = |of: &dyn Fn(&Step) -> Value| curve.steps.iter().map(of).collect::<Vec<_>>();
    let gap = |gap: &Gap| {
        json!({
            "first": gap.first,
            "last": gap.last,
            "reason": gap.reason.name(),
            "meaning": gap.meaning,
            "lost": gap.lost.map(|role| role.key()),
        })
    };
    json!({
        "kind": curve.steps.first().map(|step| step.distance_kind.name()),
        "distance_m": each(&|step| json!(number(step.distance_m))),
        "std_m": each(&|step| json!(number(step.distance_std_m).filter(|_| step.is_valid()))),
        "fingertip": each(&|step| json!(step.fingertip.map(|bbox| corners(&bbox)))),
        "target": each(&|step| json!(step.target.map(|bbox| corners(&bbox)))),
        "valid": curve.steps.iter().filter(|step| step.is_valid()).count(),
        "gaps": curve.gaps.iter().map(gap).collect::<Vec<_>>(),
        "took_s": took.as_secs_f64(),
    })
}
