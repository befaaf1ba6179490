//! Fingers that were drawn with something between them: what is theirs is told by depth, by what surrounds the box, and by
//! the object that they touch.

use super::*;

fn bands(_: f64, v: f64) -> [u8; 3] {
    match (v * 6.0) as i32 % 2 {
        0 => [170, 176, 186],
        _ => [208, 206, 204],
    }
}

/// Two banded bars with their tips in the lowest part of a box.
fn fingers(tip: BoundingBox, depth_m: f32) -> [Thing; 2] {
    let bar = |left: f64| Thing {
        bbox: BoundingBox::new(left, tip.y_max - 58.0, left + 5.0, tip.y_max),
        depth_m,
        paint: bands,
    };
    [bar(tip.x_min), bar(tip.x_max - 5.0)]
}

fn tips(down: f64) -> BoundingBox {
    BoundingBox::new(80.0, 40.0 + down, 120.0, 58.0 + down)
}

#[test]
fn a_floor_between_open_fingers_that_no_depth_reaches_is_not_taken_for_them() {
    // given fingers that go down before a tile of one of their colours, on a floor that is too far away for the sensor
    let flat = |bbox, paint| Thing {
        bbox,
        depth_m: f32::NAN,
        paint,
    };
    let floor = BoundingBox::new(0.0, 0.0, f64::from(WIDTH), f64::from(HEIGHT));
    let tile = BoundingBox::new(84.0, 30.0, 140.0, 62.0);
    let behind = [
        flat(floor, |_, _| [120, 60, 130]),
        flat(tile, |_, _| [206, 206, 205]),
    ];
    let seen = |down: f64| shown(&[behind.as_slice(), &fingers(tips(down), 0.65)].concat());
    let (image, depth) = seen(0.0);
    let settings = Following::default();
    let mut tracker =
        Tracker::start(&image, Some(&depth), tips(0.0), None, settings).expect("a proper box");
    for i in 1..20 {
        // when they are followed
        let down = 3.0 * f64::from(i);
        let (image, depth) = seen(down);
        let tracked = tracker.follow(&image, Some(&depth), None);
        // then the box goes along with their tips
        let overlap = tips(down).overlap(&tracked.bbox);
        assert_eq!(tracked.state, State::Followed, "{i} {tracked:?}");
        assert!(overlap > 0.9, "{i} {overlap} {tracked:?}");
    }
}

#[test]
fn fingers_drawn_only_on_the_target_are_not_taken_for_its_rim() {
    // given fingers over a large bowl, whose box is mostly full of it, and a wall without depth
    let bowl = Thing {
        bbox: BoundingBox::new(50.0, 70.0, 150.0, 140.0),
        depth_m: 0.65,
        paint: |u, v| [230, 80, (180.0 + 20.0 * u + 30.0 * v) as u8],
    };
    let seen = |up: f64| shown(&[[bowl].as_slice(), &fingers(tips(30.0 - up), 0.645)].concat());
    let (image, depth) = seen(0.0);
    let (drawn, settings) = (tips(30.0), Following::default());
    let mut tracker =
        Tracker::start_on(&image, Some(&depth), drawn, bowl.bbox, settings).expect("a proper box");
    let mut found = 0;
    for i in 1..12 {
        // when they go away from it
        let up = 4.0 * f64::from(i);
        let (image, depth) = seen(up);
        let tracked = tracker.follow(&image, Some(&depth), None);
        // then the box goes with them, or they are lost, but it does not stay with the bowl
        let overlap = tips(30.0 - up).overlap(&tracked.bbox);
        let is_lost = tracked.state == State::Lost;
        assert!(is_lost || overlap > 0.6, "{i} {overlap} {tracked:?}");
        found += usize::from(!is_lost);
    }
    assert!(found > 8, "{found}");
}

#[test]
fn a_region_drawn_on_what_lies_outside_the_picture_is_drawn_alone() {
    let (image, depth) = shown(&[thing(100.0, 75.0, 28.0, 0.8, checks)]);
    let (bbox, settings) = (
        thing(100.0, 75.0, 28.0, 0.8, checks).bbox,
        Following::default(),
    );
    let outside = BoundingBox::new(900.0, 900.0, 950.0, 950.0);
    let mut tracker =
        Tracker::start_on(&image, Some(&depth), bbox, outside, settings).expect("a proper box");
    let tracked = tracker.follow(&image, Some(&depth), None);
    assert_eq!(tracked.state, State::Followed, "{tracked:?}");
}
