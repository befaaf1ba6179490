//! Hands of several parts, among other things: what belongs to the fingertip, and how far its distance may be off.

use super::*;

/// What a body of a crowd is.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Finger,
    /// What the fingers hang on.
    Palm,
    Target,
    Clutter,
}

/// A scene of any bricks: half sides and centres in metres. The fingertip's box is tight around what is seen of the fingers.
fn crowd(bricks: &[(Part, [f64; 3], [f64; 3])]) -> Cast {
    let intrinsics = camera();
    let bodies: Vec<Body> = (bricks.iter())
        .map(|(_, half, center)| Body {
            shape: Shape::Brick(Vector3::from(*half)),
            center: Point3::from(*center),
            rgb: [90, 90, 90],
        })
        .collect();
    let hits = hits(&bodies, &intrinsics, 0.0);
    let is = |hit: &Hit, part: Part| hit.1.is_some_and(|body| bricks[body].0 == part);
    Cast {
        color: ColorImage {
            width: 320,
            height: 240,
            rgb: vec![90; 320 * 240 * 3].into(),
        },
        depth: DepthImage::new(320, 240, hits.iter().map(|hit| hit.0 as f32).collect()),
        regions: Regions::of_boxes(
            box_of(&hits, 320, |hit| is(hit, Part::Finger)),
            box_of(&hits, 320, |hit| is(hit, Part::Target)),
        ),
        intrinsics,
    }
}

/// Half of what the fingers of `hand` are apart.
const OPENING_M: f64 = 0.04;

/// Two fingers 6 cm long that hang from a palm, their ends so high above the table and so far towards the camera.
fn hand(height_m: f64, towards_m: f64) -> [(Part, [f64; 3], [f64; 3]); 3] {
    let finger = |side: f64| {
        let center = [side * OPENING_M, -towards_m, height_m + 0.03];
        (Part::Finger, [0.008, 0.01, 0.03], center)
    };
    let palm = [0.0, -towards_m, height_m + 0.11];
    [
        finger(-1.0),
        finger(1.0),
        (Part::Palm, [0.06, 0.02, 0.05], palm),
    ]
}

/// A cube of 5 cm on the table, its middle so far from the picture's.
fn cube(x: f64, y: f64) -> (Part, [f64; 3], [f64; 3]) {
    (Part::Target, [0.025; 3], [x, y, 0.025])
}

#[test]
fn fingers_that_pass_in_front_of_the_target_were_torn_along_their_creases() {
    // given a hand between the camera and a cube, which it hides a part of
    for towards_mm in [60, 80] {
        let towards = f64::from(towards_mm) / 1000.0;
        let [left, right, palm] = hand(0.03, towards);
        let cast = crowd(&[left, right, palm, cube(0.03, 0.0)]);
        // when the distance is measured
        let measured = surface(&cast);
        // then it is between the gap and what is seen of it, for the fingers' backs are 2 cm behind their fronts
        let gap = towards - 0.01 - 0.025;
        let possible = gap - 0.003..gap + 0.022;
        assert!(possible.contains(&measured), "{gap}: {measured}");
    }
}

#[test]
fn a_thing_that_the_fingers_pass_was_taken_for_one_of_them() {
    // given a brick on the table behind the hand, which shows in its box and is nearer to the target
    let clutter = (Part::Clutter, [0.02, 0.02, 0.06], [0.0, 0.09, 0.06]);
    let [left, right, palm] = hand(0.10, 0.0);
    let with = crowd(&[left, right, palm, cube(0.0, 0.16), clutter]);
    let without = crowd(&[left, right, palm, cube(0.0, 0.16)]);
    let shows = (without.depth.to_metres().iter().zip(with.depth.to_metres()))
        .filter(|(without, with)| **without != *with)
        .count();
    assert!(shows > 300, "only {shows} pixels of it show");
    // when the distance is measured, then it is that of the hand alone
    let (with, without) = (surface(&with), surface(&without));
    assert!((with - without).abs() < 0.006, "{with} {without}");
}

#[test]
fn the_far_finger_was_left_out_where_a_hand_is_seen_along_its_fingers() {
    // given a palm, a finger 6 cm behind its front, and another 6 cm farther, which is above the target
    let finger = |x: f64, y: f64| (Part::Finger, [0.008, 0.008, 0.03], [x, y, 0.10]);
    let palm = (Part::Palm, [0.05, 0.02, 0.03], [0.0, -0.06, 0.17]);
    let fingers = [finger(-0.03, -0.02), finger(0.07, 0.03)];
    let cast = crowd(&[fingers[0], fingers[1], palm, cube(0.07, 0.06)]);
    // when the distance is measured, then it is the far finger's
    let measured = surface(&cast);
    assert!((measured - 0.02).abs() < 0.006, "{measured}");
}

#[test]
fn a_crooked_finger_was_completed_into_the_gap() {
    for gap_mm in [20, 40, 60] {
        // given a wide open finger in the shape of an L, above and beside a cube
        let gap = f64::from(gap_mm) / 1000.0;
        let end = 0.05 + gap;
        let pad = (Part::Finger, [0.006, 0.01, 0.02], [0.045, 0.0, end + 0.02]);
        let arm = (
            Part::Finger,
            [0.025, 0.01, 0.008],
            [0.026, 0.0, end + 0.048],
        );
        let palm = (Part::Palm, [0.05, 0.02, 0.04], [0.0, 0.0, end + 0.096]);
        let cast = crowd(&[pad, arm, palm, cube(0.045, 0.0)]);
        // when the distance is measured, then it is the gap, within two standard deviations
        let measured = measure(&cast).unwrap();
        let (surface, std) = (measured.surface_m.unwrap(), measured.surface_std_m.unwrap());
        assert!((surface - gap).abs() < 0.006, "{gap}: {surface}");
        assert!((surface - gap).abs() <= 2.0 * std, "{gap}: {surface} {std}");
    }
}

#[test]
fn a_distance_is_less_certain_where_less_is_seen_of_it() {
    let std = |cast: &Cast| measure(cast).unwrap().surface_std_m.unwrap();
    // given a finger above a cube, near and in full view
    let near = std(&Scene::finger_above_cube(0.03).cast());
    assert!((0.0005..0.003).contains(&near), "{near}");
    // when depth is noisy, then the distance is less certain
    let mut noisy = Scene::finger_above_cube(0.03).cast();
    let depth_m = noisy.depth.to_metres();
    let shaken = depth_m.iter().enumerate();
    let shaken = shaken.map(|(i, z)| z + 0.003 * jitter(i) as f32).collect();
    noisy.depth = DepthImage::new(320, 240, shaken);
    assert!(std(&noisy) > 1.3 * near, "{} {near}", std(&noisy));
    // and so it is where the nearest sides of both are hidden from the camera
    let [left, right, palm] = hand(0.03, 0.07);
    let hidden = std(&crowd(&[left, right, palm, cube(0.03, 0.0)]));
    assert!(hidden > 1.3 * near, "{hidden} {near}");
}

#[test]
fn a_thing_behind_a_slender_target_was_taken_for_a_part_of_it() {
    // given an L of thin rods, and a brick behind it that shows in its box and a little beside it, above which a hand is
    let rods = [
        (Part::Target, [0.006, 0.006, 0.08], [-0.09, 0.0, 0.08]),
        (Part::Target, [0.10, 0.006, 0.006], [0.0, 0.0, 0.006]),
    ];
    let brick = (Part::Clutter, [0.035, 0.01, 0.07], [0.07, 0.03, 0.07]);
    let [left, right, palm] = hand(0.17, -0.03);
    let with = crowd(&[left, right, palm, rods[0], rods[1], brick]);
    let without = crowd(&[left, right, palm, rods[0], rods[1]]);
    // when the distance is measured, then it is that to the rods
    let (with, without) = (surface(&with), surface(&without));
    assert!((with - without).abs() < 0.002, "{with} {without}");
}

#[test]
fn a_far_finger_was_left_out_because_the_palm_runs_through_the_same_side_of_the_box() {
    // given a wide palm with a finger near the camera, and one 11 cm behind it that is above and in front of the target
    let near = (Part::Finger, [0.008, 0.008, 0.03], [-0.05, -0.03, 0.11]);
    let far = (Part::Finger, [0.008, 0.008, 0.03], [0.09, 0.08, 0.10]);
    let palm = (Part::Palm, [0.07, 0.03, 0.03], [0.0, -0.03, 0.16]);
    let cast = crowd(&[near, far, palm, cube(0.09, 0.13)]);
    // when the distance is measured, then it is the far finger's: 17 mm to the side and 20 mm down
    let measured = surface(&cast);
    let gap = 0.017_f64.hypot(0.02);
    assert!((measured - gap).abs() < 0.006, "{gap}: {measured}");
}
