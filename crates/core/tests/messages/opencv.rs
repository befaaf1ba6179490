//! Lenses and pixels as OpenCV reads them (tests/fixtures/opencv): the same rays through a camera info's pixels, the same
//! colours of luma and chroma.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use spatial_reward_core::geometry::camera;
use spatial_reward_core::messages::{CameraInfo, Header, Image, RegionOfInterest, cdr};

use crate::fixtures::{IMAGE, decoder};

const CAMERA_INFO: &str = "sensor_msgs/msg/CameraInfo";

#[derive(Deserialize)]
struct Lenses {
    camera: Camera,
    lenses: Vec<Lens>,
}

#[derive(Deserialize)]
struct Camera {
    width: u32,
    height: u32,
    k: [f64; 9],
}

#[derive(Deserialize)]
struct Lens {
    model: String,
    d: Vec<f64>,
    pixels: Vec<[f64; 2]>,
    rays: Vec<[f64; 2]>,
}

#[derive(Deserialize)]
struct Planes {
    encoding: String,
    width: u32,
    height: u32,
    data: Vec<u8>,
    rgb: Vec<u8>,
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/opencv");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_lens_is_undistorted_as_opencv_does_it() {
    let Lenses { camera, lenses } = golden("lenses.json");
    assert!(lenses.len() >= 10);
    for lens in lenses {
        // Given a camera info as it comes over the wire
        let info = CameraInfo {
            header: Header::default(),
            height: camera.height,
            width: camera.width,
            distortion_model: lens.model.clone(),
            d: lens.d.clone(),
            k: camera.k,
            r: [0.0; 9],
            p: [0.0; 12],
            binning_x: 0,
            binning_y: 0,
            roi: RegionOfInterest::default(),
        };
        let bytes = cdr::encode(CAMERA_INFO, &info).unwrap();
        let (_, intrinsics) = decoder(CAMERA_INFO).camera_info(&bytes).unwrap();
        for ([u, v], [x, y]) in lens.pixels.into_iter().zip(lens.rays) {
            // When a ray is cast through a pixel, then it is OpenCV's to a hundredth of a pixel and far less
            let ray = camera::ray(&intrinsics, u, v);
            assert!(
                (ray.x - x).abs() < 1e-7 && (ray.y - y).abs() < 1e-7,
                "{} {:?} at ({u}, {v}): {ray:?} instead of ({x}, {y})",
                lens.model,
                lens.d
            );
        }
    }
}

#[test]
fn luma_and_chroma_in_two_planes_are_the_colours_that_opencv_makes_of_them() {
    for planes in golden::<Vec<Planes>>("planes.json") {
        let image = Image {
            header: Header::default(),
            height: planes.height,
            width: planes.width,
            encoding: &planes.encoding,
            is_bigendian: 0,
            step: planes.width,
            data: &planes.data,
        };
        let bytes = cdr::encode(IMAGE, &image).unwrap();
        let color = decoder(IMAGE).color(&bytes).unwrap();
        assert_eq!((color.width, color.height), (planes.width, planes.height));
        assert_eq!(color.rgb.len(), planes.rgb.len());
        for (at, (got, wanted)) in color.rgb.iter().zip(&planes.rgb).enumerate() {
            // Fixed-point factors differ in their last digits
            let near = got.abs_diff(*wanted) <= 1;
            assert!(
                near,
                "{} byte {at}: {got} instead of {wanted}",
                planes.encoding
            );
        }
    }
}
