//! Regions that a detector outlined.

use super::*;
use crate::frame::Mask;

const GREY: [u8; 3] = [90; 3];

/// A finger above a block that stands on the back of the target and is as wide, all of one colour: the target's pixels touch
/// those of the block, and the target's box has the block in it.
struct Stacked {
    cast: Cast,
    masks: [Mask; 2],
}

/// How far the finger ends above the block, and the block's height.
const ABOVE_M: f64 = 0.03;
const BLOCK_M: f64 = 0.04;
const CUBE_M: f64 = 0.05;

fn stacked(depth_scale: f64) -> Stacked {
    let top = CUBE_M + BLOCK_M;
    let bodies = [
        brick([0.008, 0.012, 0.05], [0.0, 0.013, top + ABOVE_M + 0.05]),
        brick([CUBE_M / 2.0; 3], [0.0, 0.0, CUBE_M / 2.0]),
        brick(
            [CUBE_M / 2.0, 0.012, BLOCK_M / 2.0],
            [0.0, 0.013, CUBE_M + BLOCK_M / 2.0],
        ),
    ];
    let intrinsics = camera();
    let seen = hits(&bodies, &intrinsics, 0.0);
    let [width, height] = [320.0, 240.0].map(|side| (side * depth_scale) as u32);
    let depth_m = hits(&bodies, &intrinsics.resized(width, height), 0.0);
    let is = |hit: &Hit, body: usize| hit.1 == Some(body);
    let cast = Cast {
        color: ColorImage {
            width: 320,
            height: 240,
            rgb: vec![90; 320 * 240 * 3].into(),
        },
        depth: DepthImage::new(
            width,
            height,
            depth_m.iter().map(|hit| hit.0 as f32).collect(),
        ),
        regions: Regions::of_boxes(
            box_of(&seen, 320, |hit| is(hit, 0)),
            box_of(&seen, 320, |hit| is(hit, 1) || is(hit, 2)),
        ),
        intrinsics,
    };
    let masks = [0, 1].map(|body| outline(&seen, |hit| is(hit, body)));
    Stacked { cast, masks }
}

/// The outline of pixels that lie side by side in each row: down along the first of each, up along the last.
fn outline(hits: &[Hit], chosen: impl Fn(&Hit) -> bool) -> Mask {
    let rows = hits.chunks(320).enumerate();
    let ends = rows.filter_map(|(y, row)| {
        let first = row.iter().position(&chosen)?;
        let last = row.iter().rposition(&chosen)?;
        Some([first, last].map(|x| [x as f32, y as f32]))
    });
    let (mut down, mut up): (Vec<_>, Vec<_>) = ends.map(|[first, last]| (first, last)).unzip();
    up.reverse();
    down.append(&mut up);
    Mask::new(down, Some((320, 240))).unwrap()
}

#[test]
fn what_stands_in_a_target_s_box_was_measured_as_the_target() {
    // given boxes alone, the block on the target is taken for it
    let Stacked { mut cast, masks } = stacked(1.0);
    let by_boxes = surface(&cast);
    assert!((by_boxes - ABOVE_M).abs() < 0.01, "{by_boxes}");
    // when the target is outlined, or both are
    let [fingertip, target] = masks.map(Some);
    cast.regions.masks.target = target;
    let by_target = surface(&cast);
    cast.regions.masks.fingertip = fingertip;
    let by_both = surface(&cast);
    // then the distance is to the target
    for measured in [by_target, by_both] {
        assert!((measured - ABOVE_M - BLOCK_M).abs() < 0.008, "{measured}");
    }
}

/// How far the fingers of `hand` end above the cube, and so above its middle.
const GAP_M: f64 = 0.05;
const TO_CENTER_M: f64 = GAP_M + CUBE_M / 2.0;
/// Where they end.
const END_Z: f64 = CUBE_M + GAP_M;

/// A finger (body 0) above a cube (1), and one thing more (2). Outlined are the cube and, as the fingertip, what of bodies lies
/// below their `tops`. The fingertip's box is a few pixels wider, as that of a hand whose fingers end at different heights.
fn hand(more: Body, tops: &[(usize, f64)]) -> Cast {
    let Scene { finger, target, .. } = Scene::finger_above_cube(GAP_M);
    let bodies = [finger, target, more];
    let intrinsics = camera();
    let seen = hits(&bodies, &intrinsics, 0.0);
    let is_outlined = |hit: &Hit, body: usize| {
        tops.iter()
            .any(|(of, top)| *of == body && hit.1 == Some(body) && hit.2.z < *top)
    };
    let outlines = tops
        .iter()
        .map(|(body, _)| outline(&seen, |hit| is_outlined(hit, *body)));
    let closed = outlines.flat_map(|mask| {
        let points = mask.points();
        [points, &points[..1]].concat()
    });
    let fingertip = Mask::new(closed.collect(), Some((320, 240)));
    let tight = box_of(&seen, 320, |hit| is_outlined(hit, 0) || is_outlined(hit, 2));
    Cast {
        color: ColorImage {
            width: 320,
            height: 240,
            rgb: vec![90; 320 * 240 * 3].into(),
        },
        depth: DepthImage::new(320, 240, seen.iter().map(|hit| hit.0 as f32).collect()),
        regions: Regions {
            fingertip: BoundingBox::new(
                tight.x_min - 6.0,
                tight.y_min - 6.0,
                tight.x_max + 6.0,
                tight.y_max + 6.0,
            ),
            target: box_of(&seen, 320, |hit| hit.1 == Some(1)),
            masks: crate::frame::Masks {
                fingertip,
                target: Some(outline(&seen, |hit| hit.1 == Some(1))),
            },
        },
        intrinsics,
    }
}

fn brick(half: [f64; 3], center: [f64; 3]) -> Body {
    Body {
        shape: Shape::Brick(Vector3::from(half)),
        center: Point3::from(center),
        rgb: GREY,
    }
}

/// The distance of the centres is that from the finger's end to the cube's middle, and its interval says so.
fn assert_from_the_end(cast: &Cast) {
    let measured = measure(cast).unwrap();
    let center_m = measured.center_m.unwrap();
    let off_m = (center_m - TO_CENTER_M).abs();
    assert!(off_m < 0.006, "{center_m} for {TO_CENTER_M}");
    assert!(off_m < 1.645 * measured.center_std_m.unwrap());
}

#[test]
fn an_outline_that_ends_before_its_box_told_no_direction_of_the_finger() {
    // given the last 3 cm of a finger, outlined, and something far from it
    let aside = brick([0.01; 3], [0.3, 0.2, 0.01]);
    // when it is measured, then from its end and not from the middle of what is outlined
    assert_from_the_end(&hand(aside, &[(0, END_Z + 0.03)]));
}

#[test]
fn an_outline_that_ends_at_the_palm_before_it_told_no_direction_of_the_finger() {
    // given a finger that comes out from behind a palm
    let palm = brick([0.04, 0.02, 0.04], [0.0, -0.06, END_Z + 0.045 + 0.04]);
    assert_from_the_end(&hand(palm, &[(0, END_Z + 0.06)]));
}

#[test]
fn links_of_an_outlined_hand_were_counted_as_fingers() {
    // given a finger and beside it a link of the hand, which ends 7 cm behind it
    let link = brick([0.008, 0.012, 0.05], [0.06, 0.0, END_Z + 0.07 + 0.05]);
    let top = END_Z + 0.13;
    assert_from_the_end(&hand(link, &[(0, top), (2, top)]));
}

#[test]
fn an_outline_is_of_the_colour_image_whatever_the_depth_s_resolution() {
    for depth_scale in [0.5, 2.0] {
        let Stacked { mut cast, masks } = stacked(depth_scale);
        let [fingertip, target] = masks.map(Some);
        cast.regions.masks = crate::frame::Masks { fingertip, target };
        let measured = surface(&cast);
        assert!(
            (measured - ABOVE_M - BLOCK_M).abs() < 0.01,
            "{depth_scale}: {measured}"
        );
    }
}

#[test]
fn an_outline_of_few_measured_pixels_is_a_reason_not_a_number() {
    let [_, target] = stacked(1.0).masks;
    let small = |x: f32, y: f32| {
        let points = vec![[x, y], [x + 1.0, y], [x + 1.0, y + 1.0], [x, y + 1.0]];
        Mask::new(points, None).unwrap()
    };
    let inside = target.points()[target.points().len() / 4];
    // given an outline of four pixels of the target, and one that lies outside the picture
    for mask in [small(inside[0] + 5.0, inside[1]), small(-50.0, 500.0)] {
        for is_target in [false, true] {
            let Stacked { mut cast, .. } = stacked(1.0);
            match is_target {
                true => cast.regions.masks.target = Some(mask.clone()),
                false => cast.regions.masks.fingertip = Some(mask.clone()),
            }
            // when it is measured, then its box does not stand in
            assert_eq!(
                measure(&cast),
                Err(Reason::DepthInvalid),
                "{is_target} {mask:?}"
            );
        }
    }
}

#[test]
fn an_outlined_fingertip_is_no_part_of_the_target() {
    // given a finger whose box holds the cube as well, as that of a whole hand does
    let scene = Scene::finger_above_cube(0.03);
    let mut cast = scene.cast();
    let seen = scene.hits(&camera());
    cast.regions.fingertip = box_of(&seen, 320, |hit| hit.1.is_some());
    cast.regions.target = cast.regions.fingertip;
    // when one of them is outlined, then what is left is the other
    for (is_target, body) in [(false, 0), (true, 1)] {
        let mask = Some(outline(&seen, |hit| hit.1 == Some(body)));
        cast.regions.masks = match is_target {
            true => crate::frame::Masks {
                target: mask,
                ..Default::default()
            },
            false => crate::frame::Masks {
                fingertip: mask,
                ..Default::default()
            },
        };
        let measured = surface(&cast);
        assert!((measured - 0.03).abs() < 0.008, "{is_target}: {measured}");
    }
}
