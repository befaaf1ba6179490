//! Follows regions through raw frames: the benchmark against OpenCV's trackers runs it.
//!
//! `cargo run --release -p spatial-reward-core --example follow -- FRAMES`, all little-endian: width, height, how many
//! frames and how many regions (the fingertip, then the target) as u32; each region's box in the first frame as four f64 (left, top, right, bottom, in
//! pixels); each frame's pixels, three bytes each (red, green, blue), then their depth in millimetres as u16, 0 for
//! none; a frame without any has no depth image. Prints a line a frame and region: frame, region, the box's four edges,
//! 1 for followed or 0 for lost, score, 1 or 0 for consistent with depth, and milliseconds.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use spatial_reward_core::following::InTurn;
use spatial_reward_core::frame::{BoundingBox, ColorImage, DepthImage};
use spatial_reward_core::settings::{DrawnBox, Region, Regions};
use spatial_reward_core::tracking::{Following, State, Tracked, Tracker};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: follow FRAMES")?;
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let [width, height, frames, regions] = numbers(&mut file)?.map(u32::from_le_bytes);
    let mut boxes = Vec::new();
    for _ in 0..regions {
        let [x_min, y_min, x_max, y_max] = numbers(&mut file)?.map(f64::from_le_bytes);
        boxes.push(BoundingBox::new(x_min, y_min, x_max, y_max));
    }
    let mut in_turn: Vec<(usize, BoundingBox)> = boxes.into_iter().enumerate().collect();
    let mut on = None;
    if let [fingertip, target] = *in_turn.as_slice() {
        let turns = InTurn::of(&Regions {
            fingertip: drawn_at_first(fingertip.1),
            target: drawn_at_first(target.1),
            ..Regions::default()
        });
        on = (turns == InTurn::FingertipFirst).then_some(target.1);
        in_turn = turns.sorted([fingertip, target]).into();
    }
    let mut trackers: Vec<Tracker> = Vec::new();
    for frame in 0..frames {
        let (image, depth) = picture(&mut file, width, height)?;
        // What is seen of the first one is not the other's.
        for (at, (region, bbox)) in in_turn.iter().enumerate() {
            let begin = Instant::now();
            let other = trackers.first().filter(|_| at > 0).and_then(Tracker::cover);
            let other = other.cloned();
            let tracked = if let Some(tracker) = trackers.get_mut(at) {
                tracker.follow(&image, depth.as_ref(), other.as_ref())
            } else {
                let (depth, settings) = (depth.as_ref(), Following::default());
                trackers.push(match on {
                    Some(on) if at == 0 => Tracker::start_on(&image, depth, *bbox, on, settings)?,
                    _ => Tracker::start(&image, depth, *bbox, other.as_ref(), settings)?,
                });
                drawn(*bbox)
            };
            let ms = begin.elapsed().as_secs_f64() * 1000.0;
            let BoundingBox {
                x_min,
                y_min,
                x_max,
                y_max,
            } = tracked.bbox;
            let followed = u8::from(tracked.state == State::Followed);
            let consistent = u8::from(tracked.depth_consistent);
            println!(
                "{frame} {region} {x_min:.2} {y_min:.2} {x_max:.2} {y_max:.2} {followed} {:.2} {consistent} {ms:.4} {:.3}",
                tracked.score, tracked.seen
            );
        }
    }
    Ok(())
}

fn drawn_at_first(bbox: BoundingBox) -> Region {
    Region {
        drawn: vec![DrawnBox { bbox, at_s: 0.0 }],
        ..Region::default()
    }
}

fn drawn(bbox: BoundingBox) -> Tracked {
    Tracked {
        bbox,
        state: State::Followed,
        score: 0.0,
        seen: 1.0,
        depth_consistent: true,
    }
}

fn numbers<const BYTES: usize>(file: &mut impl Read) -> std::io::Result<[[u8; BYTES]; 4]> {
    let mut numbers = [[0; BYTES]; 4];
    for number in &mut numbers {
        file.read_exact(number)?;
    }
    Ok(numbers)
}

fn picture(
    file: &mut impl Read,
    width: u32,
    height: u32,
) -> std::io::Result<(ColorImage, Option<DepthImage>)> {
    let pixels = width as usize * height as usize;
    let mut rgb = vec![0; pixels * 3];
    file.read_exact(&mut rgb)?;
    let mut bytes = vec![0; pixels * 2];
    file.read_exact(&mut bytes)?;
    let metres = |value: u16| match value {
        0 => f32::NAN,
        value => f32::from(value) / 1000.0,
    };
    let values = bytes.as_chunks::<2>().0.iter();
    let depth_m: Vec<f32> = values
        .map(|value| metres(u16::from_le_bytes(*value)))
        .collect();
    let depth = depth_m
        .iter()
        .any(|depth| depth.is_finite())
        .then(|| DepthImage::new(width, height, depth_m));
    let rgb = rgb.into();
    Ok((ColorImage { width, height, rgb }, depth))
}
