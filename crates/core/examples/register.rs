//! Registers a depth image to a colour camera, and tells how long that takes: `register INTRINSICS DEPTH OUT [TIMES]`.
//! benchmarks/registration_vs_librealsense.py runs it.
//!
//! INTRINSICS is a text of numbers: width height fx fy cx cy of the depth, the same of the colour camera, and the depth
//! camera in the colour camera's frame, x y z qx qy qz qw. DEPTH and OUT are 32-bit floats in metres, row by row.

use std::time::Instant;

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use spatial_reward_core::frame::{BoundingBox, DepthImage, Distortion, Intrinsics};
use spatial_reward_core::registration::DepthCamera;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, intrinsics, depth, out, times @ ..] = arguments.as_slice() else {
        return Err("usage: register INTRINSICS DEPTH OUT [TIMES]".into());
    };
    let numbers = std::fs::read_to_string(intrinsics)?;
    let numbers: Result<Vec<f64>, _> = numbers.split_whitespace().map(str::parse).collect();
    let numbers: [f64; 19] = (numbers?.try_into()).map_err(|_| "INTRINSICS has not 19 numbers")?;
    let [depth_camera, color] = [0, 6].map(|at| pinhole(&numbers[at..at + 6]));
    let [x, y, z, qx, qy, qz, qw] = [12, 13, 14, 15, 16, 17, 18].map(|at| numbers[at]);
    let rotation = UnitQuaternion::new_normalize(Quaternion::new(qw, qx, qy, qz));
    let pose = Isometry3::from_parts(Translation3::new(x, y, z), rotation);
    let bytes = std::fs::read(depth)?;
    let depth_m = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .copied()
        .map(f32::from_le_bytes);
    let image = DepthImage::new(depth_camera.width, depth_camera.height, depth_m.collect());
    let camera = DepthCamera::new(depth_camera, pose).ok_or("the depth has no size")?;
    let (width, height) = (f64::from(color.width), f64::from(color.height));
    let whole = [BoundingBox::new(0.0, 0.0, width, height)];
    let mut registered = None;
    let begin = Instant::now();
    let times: u32 = times.first().map_or(Ok(1), |times| times.parse())?;
    for _ in 0..times.max(1) {
        registered = camera.register(&image, &color, &whole);
    }
    println!(
        "{}",
        begin.elapsed().as_secs_f64() / f64::from(times.max(1))
    );
    let registered = registered.ok_or("the depth has another size than its intrinsics")?;
    let bytes: Vec<u8> = (registered.to_metres().iter())
        .flat_map(|depth_m| depth_m.to_le_bytes())
        .collect();
    std::fs::write(out, bytes)?;
    Ok(())
}

fn pinhole(numbers: &[f64]) -> Intrinsics {
    Intrinsics {
        width: numbers[0] as u32,
        height: numbers[1] as u32,
        fx: numbers[2],
        fy: numbers[3],
        cx: numbers[4],
        cy: numbers[5],
        distortion: Distortion::None,
    }
}
