//! Synthetic pictures: what moves, grows, hides and leaves is known to the pixel.

mod fingers;

use super::{Following, StartError, State, Tracked, Tracker};
use crate::frame::{BoundingBox, ColorImage, DepthImage};

const WIDTH: u32 = 200;
const HEIGHT: u32 = 150;
const WALL_M: f32 = 1.0;

/// A flat thing that faces the camera.
#[derive(Clone, Copy)]
struct Thing {
    bbox: BoundingBox,
    depth_m: f32,
    /// Its paint at a place of it, 0 to 1 each way.
    paint: fn(f64, f64) -> [u8; 3],
}

fn checks(u: f64, v: f64) -> [u8; 3] {
    match ((u * 4.0) as i32 + (v * 4.0) as i32) % 2 {
        0 => [200, 60, 40],
        _ => [230, 200, 60],
    }
}

fn stripes(u: f64, _: f64) -> [u8; 3] {
    match (u * 6.0) as i32 % 2 {
        0 => [30, 40, 160],
        _ => [40, 150, 170],
    }
}

fn grey(_: f64, _: f64) -> [u8; 3] {
    [128, 128, 128]
}

fn thing(x: f64, y: f64, side: f64, depth_m: f32, paint: fn(f64, f64) -> [u8; 3]) -> Thing {
    let bbox = BoundingBox::from_center(x, y, side, side);
    Thing {
        bbox,
        depth_m,
        paint,
    }
}

/// A grey wall with things before it, the last one in front.
fn shown(things: &[Thing]) -> (ColorImage, DepthImage) {
    let mut rgb = Vec::new();
    let mut depth_m = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let top = things.iter().rev().find(|thing| {
                let bbox = &thing.bbox;
                x >= bbox.x_min && x < bbox.x_max && y >= bbox.y_min && y < bbox.y_max
            });
            let (color, at_m) = top.map_or((grey(0.0, 0.0), WALL_M), |thing| {
                let bbox = &thing.bbox;
                let (u, v) = (x - bbox.x_min, y - bbox.y_min);
                let color = (thing.paint)(u / bbox.width(), v / bbox.height());
                (color, thing.depth_m)
            });
            rgb.extend(color);
            depth_m.push(at_m);
        }
    }
    let (width, height) = (WIDTH, HEIGHT);
    let image = ColorImage {
        width,
        height,
        rgb: rgb.into(),
    };
    (image, DepthImage::new(width, height, depth_m))
}

/// Follows the first thing of each picture, drawn in the first one.
fn followed(pictures: &[Vec<Thing>], with_depth: bool) -> Vec<Tracked> {
    let (image, depth) = shown(&pictures[0]);
    let depth = with_depth.then_some(depth);
    let bbox = pictures[0][0].bbox;
    let mut tracker = Tracker::start(&image, depth.as_ref(), bbox, None, Following::default())
        .expect("a proper box");
    let rest = pictures[1..].iter().map(|things| {
        let (image, depth) = shown(things);
        tracker.follow(&image, with_depth.then_some(&depth), None)
    });
    rest.collect()
}

/// Every box is the thing's.
fn assert_on_it(pictures: &[Vec<Thing>], tracked: &[Tracked], least: f64) {
    for (i, (things, tracked)) in pictures[1..].iter().zip(tracked).enumerate() {
        let overlap = things[0].bbox.overlap(&tracked.bbox);
        assert_eq!(tracked.state, State::Followed, "{i}: {tracked:?}");
        assert!(overlap >= least, "{i}: {overlap} {tracked:?}");
    }
}

#[test]
fn what_moves_is_followed_with_and_without_depth() {
    // given a checked square that goes across the picture, 5 pixels a step
    let pictures: Vec<_> = (0..20)
        .map(|i| {
            vec![thing(
                40.0 + 5.0 * f64::from(i),
                60.0 + f64::from(i),
                30.0,
                0.8,
                checks,
            )]
        })
        .collect();
    for with_depth in [true, false] {
        // when it is followed
        let tracked = followed(&pictures, with_depth);
        // then the box goes along, and the place stands out
        assert_on_it(&pictures, &tracked, 0.85);
        assert!(tracked.iter().all(|tracked| tracked.score > 2.0));
        assert!(tracked.iter().all(|tracked| tracked.depth_consistent));
    }
}

#[test]
fn pictures_in_reverse_are_followed_as_well() {
    let mut pictures: Vec<_> = (0..15)
        .map(|i| vec![thing(50.0, 40.0 + 4.0 * f64::from(i), 24.0, 0.7, stripes)])
        .collect();
    pictures.reverse();
    let tracked = followed(&pictures, true);
    assert_on_it(&pictures, &tracked, 0.85);
}

#[test]
fn the_box_grows_as_the_object_comes_nearer() {
    // given a square that comes from 0.9 to 0.55 m: 28 to 46 pixels a side
    let pictures: Vec<_> = (0..18)
        .map(|i| {
            let depth_m = 0.9 - 0.02 * i as f32;
            vec![thing(
                100.0,
                75.0,
                f64::from(0.9 * 28.0 / depth_m),
                depth_m,
                checks,
            )]
        })
        .collect();
    // when it is followed, then so is its size
    assert_on_it(&pictures, &followed(&pictures, true), 0.85);
}

#[test]
fn without_depth_colour_tells_the_size() {
    let pictures: Vec<_> = (0..18)
        .map(|i| vec![thing(100.0, 75.0, 28.0 * 1.02_f64.powi(i), 0.9, checks)])
        .collect();
    let tracked = followed(&pictures, false);
    assert_on_it(&pictures, &tracked, 0.7);
    // A box that kept its size would by now overlap by 0.5.
    let last = tracked.last().expect("pictures");
    assert!(last.bbox.width() > 33.0, "{last:?}");
}

#[test]
fn behind_a_hand_it_is_lost_and_then_found_again() {
    // given a square that stands still while a hand twice its size passes in front of it
    let pictures: Vec<_> = (0..40)
        .map(|i| {
            let hand = thing(-40.0 + 8.0 * f64::from(i), 75.0, 56.0, 0.5, stripes);
            vec![thing(100.0, 75.0, 28.0, 0.8, checks), hand]
        })
        .collect();
    // when it is followed
    let tracked = followed(&pictures, true);
    for (things, tracked) in pictures[1..].iter().zip(&tracked) {
        let hand = &things[1].bbox;
        let is_hidden = hand.x_min <= 86.0 && hand.x_max >= 114.0;
        let is_clear = hand.x_max < 86.0 || hand.x_min > 114.0;
        // then it is lost while nothing of it is seen, followed while all of it is, and never taken for the hand
        if is_hidden {
            assert_eq!(tracked.state, State::Lost, "{hand:?} {tracked:?}");
        }
        if is_clear {
            assert_eq!(tracked.state, State::Followed, "{hand:?} {tracked:?}");
            assert!(things[0].bbox.overlap(&tracked.bbox) > 0.85, "{tracked:?}");
        }
        if tracked.state == State::Followed {
            assert!(things[0].bbox.overlap(&tracked.bbox) > 0.2, "{tracked:?}");
        }
    }
    assert!(tracked.iter().any(|tracked| tracked.state == State::Lost));
}

#[test]
fn the_box_ends_where_something_nearer_begins() {
    // given a square whose left half comes to lie behind something
    let object = thing(100.0, 75.0, 32.0, 0.8, checks);
    let hand = |right: f64| Thing {
        bbox: BoundingBox::new(right - 60.0, 40.0, right, 110.0),
        ..thing(0.0, 0.0, 1.0, 0.5, stripes)
    };
    let pictures: Vec<_> = (0..=12)
        .map(|i| vec![object, hand(76.0 + 2.0 * f64::from(i))])
        .collect();
    // when it is followed
    let last = *followed(&pictures, true).last().expect("pictures");
    // then the box is the visible half
    let visible = BoundingBox::new(100.0, 59.0, 116.0, 91.0);
    assert_eq!(last.state, State::Followed);
    assert!(visible.overlap(&last.bbox) > 0.85, "{last:?}");
}

#[test]
fn what_leaves_the_picture_is_lost_and_may_come_back_elsewhere() {
    // given a square that goes out on the right, and comes back far away, on the left
    let at = |i: i32| match i {
        0..20 => thing(120.0 + 6.0 * f64::from(i), 75.0, 28.0, 0.8, checks),
        20..30 => thing(500.0, 75.0, 28.0, 0.8, checks),
        _ => thing(40.0, 100.0, 28.0, 0.8, checks),
    };
    let pictures: Vec<_> = (0..34).map(|i| vec![at(i)]).collect();
    // when it is followed
    let tracked = followed(&pictures, true);
    // then it is lost while it is out, and found where it is
    assert!(
        tracked[18..29]
            .iter()
            .all(|tracked| tracked.state == State::Lost)
    );
    let last = tracked.last().expect("pictures");
    assert_eq!(last.state, State::Followed, "{last:?}");
    assert!(at(33).bbox.overlap(&last.bbox) > 0.85, "{last:?}");
    // and the box never reaches beyond the picture
    let width = f64::from(WIDTH);
    assert!(tracked.iter().all(|tracked| tracked.bbox.x_max <= width));
}

#[test]
fn what_is_gone_stays_lost_though_something_else_appears() {
    // given a square that vanishes, and another thing of its size in its place
    let first = vec![thing(100.0, 75.0, 28.0, 0.8, checks)];
    let other = vec![thing(104.0, 77.0, 28.0, 0.8, stripes)];
    let mut pictures = vec![first.clone(), first];
    pictures.extend(std::iter::repeat_n(Vec::new(), 10));
    pictures.extend(std::iter::repeat_n(other, 10));
    for with_depth in [true, false] {
        // when it is followed, then it is lost for good
        let tracked = followed(&pictures, with_depth);
        assert_eq!(tracked[0].state, State::Followed);
        assert!(
            tracked[1..]
                .iter()
                .all(|tracked| tracked.state == State::Lost)
        );
    }
}

#[test]
fn depth_alone_tells_an_object_of_the_walls_colour() {
    // given a grey square before a grey wall
    let pictures: Vec<_> = (0..20)
        .map(|i| vec![thing(60.0 + 4.0 * f64::from(i), 75.0, 30.0, 0.8, grey)])
        .collect();
    // when it is followed by depth, then the box goes along
    assert_on_it(&pictures, &followed(&pictures, true), 0.85);
}

#[test]
fn a_depth_image_may_be_smaller_than_the_picture() {
    // given depth of half the size, and a grey square that only depth tells
    let halved = |things: &[Thing]| {
        let (image, depth) = shown(things);
        let all = depth.to_metres();
        let (width, height) = (WIDTH / 2, HEIGHT / 2);
        let depth_m =
            (0..width * height).map(|i| all[((i / width) * 2 * WIDTH + (i % width) * 2) as usize]);
        (image, DepthImage::new(width, height, depth_m.collect()))
    };
    let at = |i: i32| thing(60.0 + 4.0 * f64::from(i), 75.0, 30.0, 0.8, grey);
    let (image, depth) = halved(&[at(0)]);
    let settings = Following::default();
    let mut tracker =
        Tracker::start(&image, Some(&depth), at(0).bbox, None, settings).expect("a proper box");
    for i in 1..15 {
        // when it is followed, then the box goes along
        let (image, depth) = halved(&[at(i)]);
        let tracked = tracker.follow(&image, Some(&depth), None);
        assert_eq!(tracked.state, State::Followed);
        assert!(at(i).bbox.overlap(&tracked.bbox) > 0.8, "{i} {tracked:?}");
    }
}

#[test]
fn a_region_that_opens_grows_with_its_sides() {
    // given a bar before the wall that becomes longer to the right, two pixels a picture
    let pictures: Vec<_> = (0..12)
        .map(|i| {
            let right = 110.0 + 2.0 * f64::from(i);
            vec![Thing {
                bbox: BoundingBox::new(80.0, 60.0, right, 90.0),
                depth_m: 0.7,
                paint: |_, _| [200, 60, 40],
            }]
        })
        .collect();
    // when it is followed
    let last = *followed(&pictures, true).last().expect("pictures");
    // then the box is as long as the bar is now
    let [now] = [pictures[11][0].bbox];
    assert!(now.overlap(&last.bbox) > 0.85, "{last:?}");
}

#[test]
fn a_region_that_comes_apart_is_lost() {
    // given two bars in one box, of which the right one goes away
    let bar = |left: f64| Thing {
        bbox: BoundingBox::new(left, 60.0, left + 12.0, 90.0),
        ..thing(0.0, 0.0, 1.0, 0.7, stripes)
    };
    let both = BoundingBox::new(80.0, 60.0, 120.0, 90.0);
    let (image, depth) = shown(&[bar(80.0), bar(108.0)]);
    let settings = Following::default();
    let mut tracker =
        Tracker::start(&image, Some(&depth), both, None, settings).expect("a proper box");
    assert_eq!(
        tracker.follow(&image, Some(&depth), None).state,
        State::Followed
    );
    // when only the left one is seen
    let (image, depth) = shown(&[bar(80.0)]);
    let tracked = tracker.follow(&image, Some(&depth), None);
    // then its box is not passed off as the region's
    assert_eq!(tracked.state, State::Lost, "{tracked:?}");
}

#[test]
fn a_box_that_cannot_be_followed_is_refused_with_the_reason() {
    let (image, depth) = shown(&[]);
    let start = |bbox: BoundingBox| {
        Tracker::start(&image, Some(&depth), bbox, None, Following::default()).map(|_| ())
    };
    let flat = BoundingBox::new(10.0, 10.0, 10.0, 30.0);
    assert_eq!(start(flat), Err(StartError::NoArea(flat)));
    let unknown = BoundingBox::new(10.0, f64::NAN, 20.0, 30.0);
    assert!(matches!(start(unknown), Err(StartError::NoArea(_))));
    for (left, right) in [(300.0, 330.0), (-40.0, 1.0)] {
        let error = start(BoundingBox::new(left, 10.0, right, 30.0)).expect_err("outside");
        assert!(
            error.to_string().contains("within the picture of 200x150"),
            "{error}"
        );
    }
    let broken = ColorImage {
        rgb: vec![0; 5].into(),
        ..image.clone()
    };
    let error =
        Tracker::start(&broken, None, flat, None, Following::default()).expect_err("malformed");
    let (width, height, bytes) = (WIDTH, HEIGHT, 5);
    let expected = StartError::Malformed {
        width,
        height,
        bytes,
    };
    assert_eq!(error, expected);
}

#[test]
fn a_malformed_picture_shows_nothing() {
    let things = [thing(100.0, 75.0, 28.0, 0.8, checks)];
    let (image, depth) = shown(&things);
    let settings = Following::default();
    let mut tracker =
        Tracker::start(&image, Some(&depth), things[0].bbox, None, settings).expect("a proper box");
    let broken = ColorImage {
        rgb: Vec::new().into(),
        ..image.clone()
    };
    assert_eq!(
        tracker.follow(&broken, Some(&depth), None).state,
        State::Lost
    );
    assert_eq!(
        tracker.follow(&image, Some(&depth), None).state,
        State::Followed
    );
}

#[test]
fn drawing_again_begins_anew_and_a_refused_box_changes_nothing() {
    // given two squares, of which the checked one is followed
    let things = [
        thing(60.0, 75.0, 28.0, 0.8, checks),
        thing(140.0, 75.0, 28.0, 0.8, stripes),
    ];
    let (image, depth) = shown(&things);
    let settings = Following::default();
    let mut tracker =
        Tracker::start(&image, Some(&depth), things[0].bbox, None, settings).expect("a proper box");
    // when a box without area is drawn, then the first one goes on
    let flat = BoundingBox::new(10.0, 10.0, 10.0, 10.0);
    assert!(tracker.redraw(&image, Some(&depth), flat, None).is_err());
    let tracked = tracker.follow(&image, Some(&depth), None);
    assert!(things[0].bbox.overlap(&tracked.bbox) > 0.95);
    // when the other square is drawn, then that one is followed
    let redrawn = tracker.redraw(&image, Some(&depth), things[1].bbox, None);
    assert_eq!(redrawn, Ok(()));
    let tracked = tracker.follow(&image, Some(&depth), None);
    assert!(things[1].bbox.overlap(&tracked.bbox) > 0.95);
}

#[test]
fn the_same_pictures_give_the_same_boxes() {
    let pictures: Vec<_> = (0..10)
        .map(|i| vec![thing(40.0 + 7.3 * f64::from(i), 60.0, 30.0, 0.8, checks)])
        .collect();
    assert_eq!(followed(&pictures, true), followed(&pictures, true));
}
