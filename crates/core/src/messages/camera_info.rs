//! `sensor_msgs/CameraInfo` to the intrinsics of the image that was really published. The message describes two
//! cameras, the lens and the rectified one, at the full sensor's size, while a region of interest and binning cut and
//! shrink the image; and drivers leave empty what they do not know.

use super::distortion::{distortion, is_distorted};
use super::projection::Projection;
use super::types::CameraInfo;
use crate::error::{Error, Result};
use crate::frame::{Distortion, Intrinsics};

/// K and P agree where their numbers differ by less than this share of the focal length.
const SAME_CAMERA: f64 = 0.005;
/// A principal point outside this part of the image's sides is hardly that of the whole image.
const MIDDLE: std::ops::RangeInclusive<f64> = 0.25..=0.75;

/// One of the message's matrices, as far as a camera follows from it; all in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Matrix {
    name: &'static str,
    fx: f64,
    fy: f64,
    cx: f64,
    cy: f64,
    skew: f64,
}

impl Matrix {
    /// The lens's.
    fn of_k(info: &CameraInfo) -> Self {
        let [fx, skew, cx, _, fy, cy, ..] = info.k;
        Self {
            name: "K",
            fx,
            fy,
            cx,
            cy,
            skew,
        }
    }

    /// The rectified camera's. Its fourth column, where a second camera stands, changes no ray.
    fn of_p(info: &CameraInfo) -> Self {
        let [fx, skew, cx, _, _, fy, cy, ..] = info.p;
        Self {
            name: "P",
            fx,
            fy,
            cx,
            cy,
            skew,
        }
    }

    /// Whether somebody filled it in: neither with zeros nor as the identity.
    fn is_calibrated(&self) -> bool {
        let Self {
            fx,
            fy,
            cx,
            cy,
            skew,
            ..
        } = *self;
        let is_finite = [fx, fy, cx, cy, skew].iter().all(|value| value.is_finite());
        let is_identity = (fx, fy, cx, cy) == (1.0, 1.0, 0.0, 0.0);
        is_finite && fx > 0.0 && fy > 0.0 && !is_identity
    }

    fn is_like(&self, other: &Self) -> bool {
        let near = |one: f64, another: f64| (one - another).abs() <= SAME_CAMERA * self.fx;
        near(self.fx, other.fx)
            && near(self.fy, other.fy)
            && near(self.cx, other.cx)
            && near(self.cy, other.cy)
    }
}

/// The matrix that a picture was made with, and whether the lens's distortion is still in it.
struct Chosen {
    matrix: Matrix,
    distorted: bool,
}

/// Intrinsics of the published image, in its own pixels. Their size is 0 where the message does not say it.
pub(super) fn intrinsics(
    type_name: &str,
    info: &CameraInfo,
    projection: Projection,
) -> Result<Intrinsics> {
    let Chosen { matrix, distorted } = chosen(type_name, info, projection)?;
    if matrix.skew != 0.0 {
        return Err(Error::decode(
            type_name,
            format!(
                "the camera's pixels are skewed ({}[1] is {}), which is not supported",
                matrix.name.to_lowercase(),
                matrix.skew
            ),
        ));
    }
    let distortion = match distorted {
        true => distortion(type_name, &info.distortion_model, &info.d)?,
        false => Distortion::None,
    };
    let (width, height) = published_size(type_name, info)?;
    let (bin_x, bin_y) = binning(info);
    let (scale_x, scale_y) = (1.0 / f64::from(bin_x), 1.0 / f64::from(bin_y));
    let (fx, fy) = (matrix.fx * scale_x, matrix.fy * scale_y);
    if !(fx.is_normal() && fy.is_normal()) {
        return Err(Error::decode(
            type_name,
            format!("no camera has focal lengths of {fx:e} and {fy:e} pixels"),
        ));
    }
    Ok(Intrinsics {
        width,
        height,
        fx,
        fy,
        cx: (matrix.cx - f64::from(info.roi.x_offset)) * scale_x,
        cy: (matrix.cy - f64::from(info.roi.y_offset)) * scale_y,
        distortion,
    })
}

fn chosen(type_name: &str, info: &CameraInfo, projection: Projection) -> Result<Chosen> {
    let (k, p) = (Matrix::of_k(info), Matrix::of_p(info));
    let lens = k.is_calibrated().then_some(Chosen {
        matrix: k,
        distorted: true,
    });
    // What is rectified has no distortion left, also where K has to stand in for a P that nobody filled in.
    let rectified = [p, k].into_iter().find(Matrix::is_calibrated);
    let rectified = rectified.map(|matrix| Chosen {
        matrix,
        distorted: false,
    });
    let chosen = match projection {
        Projection::Raw => lens,
        Projection::Unsaid => lens.or(rectified),
        Projection::Rectified | Projection::RectifiedDepth => rectified,
    };
    chosen.ok_or_else(|| {
        let only_p = match p.is_calibrated() {
            true => "; P is whole, but the picture is said to be raw (topics.rectification)",
            false => "",
        };
        Error::decode(
            type_name,
            format!(
                "the camera is not calibrated: its focal lengths are {} and {} pixels in K, {} and {} in P{only_p}",
                k.fx, k.fy, p.fx, p.fy
            ),
        )
    })
}

/// The image that comes out of the sensor's region of interest and binning; zeros where the message has no size.
fn published_size(type_name: &str, info: &CameraInfo) -> Result<(u32, u32)> {
    let roi = &info.roi;
    // All zeros stands for the full image.
    let (full_width, full_height) = match (roi.width, roi.height) {
        (0, 0) => (info.width, info.height),
        size => size,
    };
    if full_width == 0 && full_height == 0 {
        return Ok((0, 0));
    }
    let (bin_x, bin_y) = binning(info);
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
    Ok((width, height))
}

/// 0 stands for 1.
fn binning(info: &CameraInfo) -> (u32, u32) {
    (info.binning_x.max(1), info.binning_y.max(1))
}

/// What in a message that gives intrinsics speaks against them, in words; `None` where all of it agrees.
pub(super) fn doubt(info: &CameraInfo, projection: Projection) -> Option<String> {
    let (k, p) = (Matrix::of_k(info), Matrix::of_p(info));
    let distorted = is_distorted(&info.d);
    let differ = k.is_calibrated() && p.is_calibrated() && !k.is_like(&p);
    let matrices = format!("K has a focal length of {} pixels and P of {}", k.fx, p.fx);
    match projection {
        Projection::Rectified | Projection::RectifiedDepth if !p.is_calibrated() && distorted => {
            Some(
                "the picture is rectified, but P, the matrix of rectified pictures, is empty: it is measured with K \
                 and without distortion"
                    .to_owned(),
            )
        }
        Projection::RectifiedDepth if distorted || differ => Some(format!(
            "the depth's topic is called rectified and the image's is not ({matrices}): both are measured as \
             rectified. If depth is registered to the raw picture, say so with topics.rectification: raw"
        )),
        Projection::Unsaid if !k.is_calibrated() && distorted => Some(
            "K, the lens's matrix, is empty, but there is distortion: the picture is measured as a rectified one, with P"
                .to_owned(),
        ),
        Projection::Unsaid if !distorted && differ => Some(format!(
            "{matrices}, but there is no distortion: the picture is measured as a raw one, with K. If it is \
             rectified, say so with topics.rectification: rectified"
        )),
        _ => None,
    }
}

/// What speaks against intrinsics without a size once the picture's is known, in words.
pub fn doubt_of_size(intrinsics: &Intrinsics, picture: (u32, u32)) -> Option<String> {
    let share = |center: f64, side: u32| center / f64::from(side);
    let is_middle = MIDDLE.contains(&share(intrinsics.cx, picture.0))
        && MIDDLE.contains(&share(intrinsics.cy, picture.1));
    (intrinsics.size().is_none() && !is_middle).then(|| {
        format!(
            "the camera info has no size, and its optical axis meets pixel ({:.0}, {:.0}) of a picture of {}x{}: it may \
             be of another resolution, and distances wrong",
            intrinsics.cx, intrinsics.cy, picture.0, picture.1
        )
    })
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

    /// A lens with distortion, and the camera that its rectified pictures are of.
    fn lens_and_rectified() -> CameraInfo {
        CameraInfo {
            d: vec![-0.3, 0.1, 0.0, 0.0, 0.0],
            p: [
                550.0, 0.0, 310.0, 0.0, 0.0, 560.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0,
            ],
            ..camera()
        }
    }

    const ALL: [Projection; 4] = [
        Projection::Unsaid,
        Projection::Raw,
        Projection::Rectified,
        Projection::RectifiedDepth,
    ];

    fn read(info: &CameraInfo, projection: Projection) -> Result<Intrinsics> {
        intrinsics("CameraInfo", info, projection)
    }

    fn quarter() -> RegionOfInterest {
        RegionOfInterest {
            x_offset: 320,
            y_offset: 240,
            height: 240,
            width: 320,
            do_rectify: false,
        }
    }

    #[test]
    fn a_region_of_interest_moves_the_centre_and_binning_scales() {
        // Given a camera that sends the right lower quarter at half its resolution
        let info = CameraInfo {
            binning_x: 2,
            binning_y: 2,
            roi: quarter(),
            ..camera()
        };
        let camera = read(&info, Projection::Unsaid).unwrap();
        // Then the optical axis meets that image's first pixel
        assert_eq!((camera.width, camera.height), (160, 120));
        assert_eq!((camera.fx, camera.fy), (300.0, 305.0));
        assert_eq!((camera.cx, camera.cy), (0.0, 0.0));
    }

    #[test]
    fn a_rectified_picture_is_measured_with_p_and_no_distortion() {
        let info = lens_and_rectified();
        for projection in [Projection::Rectified, Projection::RectifiedDepth] {
            let camera = read(&info, projection).unwrap();
            assert_eq!((camera.fx, camera.fy), (550.0, 560.0));
            assert_eq!((camera.cx, camera.cy), (310.0, 230.0));
            assert_eq!(camera.distortion, Distortion::None);
        }
        // And a raw one with K and D
        for projection in [Projection::Raw, Projection::Unsaid] {
            let camera = read(&info, projection).unwrap();
            assert_eq!((camera.fx, camera.cx), (600.0, 320.0));
            assert!(matches!(camera.distortion, Distortion::BrownConrady(_)));
        }
    }

    #[test]
    fn a_region_of_interest_and_binning_hold_for_p_too() {
        let info = CameraInfo {
            binning_x: 2,
            binning_y: 4,
            roi: quarter(),
            ..lens_and_rectified()
        };
        let camera = read(&info, Projection::Rectified).unwrap();
        assert_eq!((camera.width, camera.height), (160, 60));
        assert_eq!((camera.fx, camera.fy), (275.0, 140.0));
        assert_eq!((camera.cx, camera.cy), (-5.0, -2.5));
    }

    #[test]
    fn where_one_matrix_is_empty_the_other_serves() {
        // Given P alone, with the zeros and with the identity that drivers leave in K
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        for k in [[0.0; 9], identity, [f64::NAN; 9]] {
            let info = CameraInfo {
                k,
                ..lens_and_rectified()
            };
            for projection in [Projection::Unsaid, Projection::Rectified] {
                let camera = read(&info, projection).unwrap();
                assert_eq!((camera.fx, camera.distortion), (550.0, Distortion::None));
            }
            // Unless the picture is said to be raw: then nothing tells its camera
            let text = read(&info, Projection::Raw).unwrap_err().to_string();
            assert!(text.contains("topics.rectification"), "{text}");
        }
        // Given K alone
        let info = CameraInfo {
            p: [0.0; 12],
            ..lens_and_rectified()
        };
        let camera = read(&info, Projection::Rectified).unwrap();
        assert_eq!((camera.fx, camera.distortion), (600.0, Distortion::None));
        let raw = read(&info, Projection::Unsaid).unwrap();
        assert!(matches!(raw.distortion, Distortion::BrownConrady(_)));
    }

    #[test]
    fn an_uncalibrated_camera_is_refused_as_such() {
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        for k in [[0.0; 9], [f64::NAN; 9], [-1.0; 9], identity] {
            for projection in ALL {
                let text = read(&CameraInfo { k, ..camera() }, projection)
                    .unwrap_err()
                    .to_string();
                assert!(text.contains("not calibrated"), "{text}");
            }
        }
    }

    #[test]
    fn a_focal_length_that_binning_made_vanish_was_taken_for_one() {
        // Given the smallest number above 0, which half of is 0; and one whose half is next to none
        for focal in [5e-324, f64::MIN_POSITIVE] {
            let mut info = CameraInfo {
                binning_x: 2,
                ..camera()
            };
            info.k[0] = focal;
            let text = read(&info, Projection::Unsaid).unwrap_err().to_string();
            assert!(text.contains("focal length"), "{text}");
        }
    }

    #[test]
    fn a_camera_without_a_size_has_the_picture_s() {
        let info = CameraInfo {
            width: 0,
            height: 0,
            binning_x: 2,
            binning_y: 2,
            ..camera()
        };
        let camera = read(&info, Projection::Unsaid).unwrap();
        assert_eq!(camera.size(), None);
        // When the picture's is known, the numbers are those of the published image
        let fitted = camera.resized(320, 240);
        assert_eq!(fitted.size(), Some((320, 240)));
        assert_eq!((fitted.fx, fitted.cx, fitted.cy), (300.0, 160.0, 120.0));
        assert_eq!(doubt_of_size(&camera, (320, 240)), None);
        // A picture at another resolution shows by where the optical axis would be
        let text = doubt_of_size(&camera, (160, 120)).unwrap();
        assert!(
            text.contains("(160, 120) of a picture of 160x120"),
            "{text}"
        );
        // And a region of interest has a size, whatever the sensor's is
        let cut = CameraInfo {
            roi: quarter(),
            ..info
        };
        let camera = read(&cut, Projection::Unsaid).unwrap();
        assert_eq!(camera.size(), Some((160, 120)));
    }

    #[test]
    fn a_camera_without_pixels_is_refused() {
        for (width, binning_x) in [(640, 1000), (0, 1)] {
            let info = CameraInfo {
                width,
                binning_x,
                ..camera()
            };
            let text = read(&info, Projection::Unsaid).unwrap_err().to_string();
            assert!(
                text.contains("no pixels") && text.contains(&format!("binning {binning_x}x1")),
                "{text}"
            );
        }
    }

    #[test]
    fn evidence_that_disagrees_is_told_and_what_agrees_is_not() {
        let whole = lens_and_rectified();
        let straight = CameraInfo {
            d: vec![],
            ..whole.clone()
        };
        let only_k = CameraInfo {
            p: [0.0; 12],
            ..whole.clone()
        };
        let only_p = CameraInfo {
            k: [0.0; 9],
            ..whole.clone()
        };
        for (info, projection, expected) in [
            // A raw picture's lens has distortion, and P is another camera
            (&whole, Projection::Unsaid, None),
            (&whole, Projection::Raw, None),
            (&whole, Projection::Rectified, None),
            (
                &whole,
                Projection::RectifiedDepth,
                Some("depth's topic is called rectified"),
            ),
            (
                &straight,
                Projection::Unsaid,
                Some("K has a focal length of 600 pixels and P of 550"),
            ),
            (&straight, Projection::Rectified, None),
            (&only_k, Projection::Unsaid, None),
            (
                &only_k,
                Projection::Rectified,
                Some("P, the matrix of rectified pictures, is empty"),
            ),
            (
                &only_p,
                Projection::Unsaid,
                Some("K, the lens's matrix, is empty"),
            ),
            (&only_p, Projection::Rectified, None),
            (&camera(), Projection::Rectified, None),
            (&camera(), Projection::RectifiedDepth, None),
        ] {
            let found = doubt(info, projection);
            assert_eq!(
                found.is_some(),
                expected.is_some(),
                "{projection:?} {found:?}"
            );
            if let (Some(found), Some(expected)) = (&found, expected) {
                assert!(found.contains(expected), "{found}");
            }
        }
    }
}
