//! `sensor_msgs/CameraInfo` to the intrinsics of the image that was really published: the message
//! describes the full sensor, while a region of interest and binning cut and shrink the image.

use super::types::CameraInfo;
use crate::error::{Error, Result};
use crate::frame::{Distortion, Intrinsics};

/// Intrinsics of the published image, in its own pixels.
pub(super) fn intrinsics(type_name: &str, info: &CameraInfo) -> Result<Intrinsics> {
    let [fx, skew, cx, _, fy, cy, _, _, _] = info.k;
    if info.k.iter().any(|value| !value.is_finite()) || fx <= 0.0 || fy <= 0.0 {
        return Err(Error::decode(
            type_name,
            format!(
                "the camera is not calibrated: its focal lengths (k[0], k[4]) are {fx} and {fy} pixels"
            ),
        ));
    }
    if skew != 0.0 {
        return Err(Error::decode(
            type_name,
            format!("the camera's pixels are skewed (k[1] is {skew}), which is not supported"),
        ));
    }
    let distortion = distortion(type_name, info)?;

    let roi = &info.roi;
    // All zeros stands for the full image.
    let (full_width, full_height) = match (roi.width, roi.height) {
        (0, 0) => (info.width, info.height),
        size => size,
    };
    // 0 stands for 1.
    let (bin_x, bin_y) = (info.binning_x.max(1), info.binning_y.max(1));
    let (width, height) = (full_width / bin_x, full_height / bin_y);
    if width == 0 || height == 0 {
        return Err(Error::decode(
            type_name,
            format!(
                "the image has no pixels: {}x{}, region of interest {}x{}, binning {bin_x}x{bin_y}",
                info.width, info.height, roi.width, roi.height
            ),
        ));
    }
    let (scale_x, scale_y) = (1.0 / f64::from(bin_x), 1.0 / f64::from(bin_y));
    Ok(Intrinsics {
        width,
        height,
        fx: fx * scale_x,
        fy: fy * scale_y,
        cx: (cx - f64::from(roi.x_offset)) * scale_x,
        cy: (cy - f64::from(roi.y_offset)) * scale_y,
        distortion,
    })
}

fn distortion(type_name: &str, info: &CameraInfo) -> Result<Distortion> {
    let d = info.d.as_slice();
    let refuse = |expected: &str| {
        Error::decode(
            type_name,
            format!(
                "distortion model '{}' with coefficients {d:?}: {expected}",
                info.distortion_model
            ),
        )
    };
    if d.iter().any(|value| !value.is_finite()) {
        return Err(refuse("they must be finite"));
    }
    if d.iter().all(|value| *value == 0.0) {
        return Ok(Distortion::None);
    }
    match (info.distortion_model.as_str(), d) {
        ("plumb_bob", &[k1, k2, p1, p2]) => Ok(Distortion::BrownConrady([
            k1, k2, p1, p2, 0.0, 0.0, 0.0, 0.0,
        ])),
        ("plumb_bob", &[k1, k2, p1, p2, k3]) => Ok(Distortion::BrownConrady([
            k1, k2, p1, p2, k3, 0.0, 0.0, 0.0,
        ])),
        ("rational_polynomial", &[k1, k2, p1, p2, k3, k4, k5, k6, ref rest @ ..])
            if rest.iter().all(|value| *value == 0.0) =>
        {
            Ok(Distortion::BrownConrady([k1, k2, p1, p2, k3, k4, k5, k6]))
        }
        ("equidistant", &[k1, k2, k3, k4]) => Ok(Distortion::Equidistant([k1, k2, k3, k4])),
        ("plumb_bob", _) => Err(refuse("plumb_bob has 4 or 5")),
        ("rational_polynomial", _) => Err(refuse(
            "rational_polynomial has 8, and thin prism or tilt beyond those is not supported",
        )),
        ("equidistant", _) => Err(refuse("equidistant has 4")),
        _ => Err(refuse(
            "supported models are plumb_bob, rational_polynomial and equidistant",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::types::{Header, RegionOfInterest};

    fn camera() -> CameraInfo {
        CameraInfo {
            header: Header::default(),
            height: 480,
            width: 640,
            distortion_model: "plumb_bob".to_owned(),
            d: vec![0.0; 5],
            k: [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0],
            r: [0.0; 9],
            p: [0.0; 12],
            binning_x: 0,
            binning_y: 0,
            roi: RegionOfInterest::default(),
        }
    }

    fn distorted(model: &str, d: &[f64]) -> Result<Distortion> {
        let info = CameraInfo {
            distortion_model: model.to_owned(),
            d: d.to_vec(),
            ..camera()
        };
        intrinsics("CameraInfo", &info).map(|camera| camera.distortion)
    }

    #[test]
    fn a_region_of_interest_moves_the_centre_and_binning_scales() {
        // Given a camera that sends the right lower quarter at half its resolution
        let info = CameraInfo {
            binning_x: 2,
            binning_y: 2,
            roi: RegionOfInterest {
                x_offset: 320,
                y_offset: 240,
                height: 240,
                width: 320,
                do_rectify: false,
            },
            ..camera()
        };
        let camera = intrinsics("CameraInfo", &info).unwrap();
        // Then the optical axis meets that image's first pixel
        assert_eq!((camera.width, camera.height), (160, 120));
        assert_eq!((camera.fx, camera.fy), (300.0, 305.0));
        assert_eq!((camera.cx, camera.cy), (0.0, 0.0));
    }

    #[test]
    fn an_uncalibrated_camera_is_refused_as_such() {
        for k in [[0.0; 9], [f64::NAN; 9], [-1.0; 9]] {
            let text = intrinsics("CameraInfo", &CameraInfo { k, ..camera() })
                .unwrap_err()
                .to_string();
            assert!(text.contains("not calibrated"), "{text}");
        }
    }

    #[test]
    fn a_camera_without_pixels_is_refused() {
        let info = CameraInfo {
            binning_x: 1000,
            ..camera()
        };
        let text = intrinsics("CameraInfo", &info).unwrap_err().to_string();
        assert!(
            text.contains("no pixels") && text.contains("binning 1000x1"),
            "{text}"
        );
    }

    #[test]
    fn coefficients_go_to_their_model() {
        let zeros = [0.0; 8];
        for (model, d) in [("plumb_bob", &zeros[..5]), ("", &[]), ("whatever", &zeros)] {
            assert_eq!(distorted(model, d).unwrap(), Distortion::None);
        }
        assert_eq!(
            distorted("plumb_bob", &[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap(),
            Distortion::BrownConrady([1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0])
        );
        assert_eq!(
            distorted(
                "rational_polynomial",
                &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
            )
            .unwrap(),
            Distortion::BrownConrady([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
        );
        assert_eq!(
            distorted("equidistant", &[1.0, 2.0, 3.0, 4.0]).unwrap(),
            Distortion::Equidistant([1.0, 2.0, 3.0, 4.0])
        );
    }

    #[test]
    fn an_unknown_model_is_refused_by_name() {
        for (model, d, expected) in [
            ("omni", vec![1.0], "'omni'"),
            ("", vec![1.0; 5], "supported models"),
            ("plumb_bob", vec![1.0; 3], "4 or 5"),
            ("rational_polynomial", vec![1.0; 12], "has 8"),
            ("equidistant", vec![1.0; 5], "has 4"),
            ("plumb_bob", vec![f64::NAN; 5], "finite"),
        ] {
            let text = distorted(model, &d).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
