//! A camera info's distortion model and its coefficients to the lens, as OpenCV means them.

use crate::error::{Error, Result};
use crate::frame::Distortion;

/// How many coefficients there may be, in OpenCV's order, whatever the model is called: k1 k2 p1 p2, k3, k4 k5 k6,
/// s1 s2 s3 s4, tau_x tau_y.
const COUNTS: [usize; 5] = [4, 5, 8, 12, 14];

/// The lens that a message names. Without a coefficient that is not 0 there is no distortion, whatever the model: as
/// image_geometry reads it, for drivers leave the name where there is nothing to say.
pub(super) fn distortion(type_name: &str, model: &str, d: &[f64]) -> Result<Distortion> {
    match is_distorted(d) {
        true => lens(type_name, model, d),
        false => Ok(Distortion::None),
    }
}

/// The lens of a model's name and its coefficients.
fn lens(type_name: &str, model: &str, d: &[f64]) -> Result<Distortion> {
    let refuse = |expected: &str| {
        Error::decode(
            type_name,
            format!("distortion model '{model}' with coefficients {d:?}: {expected}"),
        )
    };
    if d.iter().any(|value| !value.is_finite()) {
        return Err(refuse("they must be finite"));
    }
    match model {
        "plumb_bob" | "rational_polynomial" if !is_distorted(d) => Ok(Distortion::None),
        "plumb_bob" | "rational_polynomial" => {
            if !COUNTS.contains(&d.len()) {
                return Err(refuse("OpenCV reads 4, 5, 8, 12 or 14 of this model"));
            }
            let mut all = [0.0; 14];
            all.iter_mut()
                .zip(d)
                .for_each(|(place, value)| *place = *value);
            let [k1, k2, p1, p2, k3, k4, k5, k6, prism_and_tilt @ ..] = all;
            if prism_and_tilt.iter().any(|value| *value != 0.0) {
                return Ok(Distortion::ThinPrism(all));
            }
            Ok(Distortion::BrownConrady([k1, k2, p1, p2, k3, k4, k5, k6]))
        }
        "equidistant" => match d {
            [k1, k2, k3, k4, rest @ ..] if rest.iter().all(|value| *value == 0.0) => {
                Ok(Distortion::Equidistant([*k1, *k2, *k3, *k4]))
            }
            [_, _, _, _, ..] => Err(refuse(
                "OpenCV's fisheye model has the four k1 k2 k3 k4, and those beyond must be 0. A driver that \
                 writes every model as k1 k2 p1 p2 k3 k4 k5 k6 means k3 and k4 by the fifth and sixth: \
                 publish the four in their order, or the rectified picture",
            )),
            _ => Err(refuse("equidistant has 4 (all 0 for an ideal fisheye)")),
        },
        _ => Err(refuse(
            "supported models are plumb_bob, rational_polynomial and equidistant",
        )),
    }
}

impl Distortion {
    /// The lens of a `distortion_model` as `sensor_msgs/CameraInfo` names it, and its coefficients in OpenCV's order, as
    /// somebody said both: none, or only zeros, is no distortion, save that a fisheye whose four are 0 is one still.
    ///
    /// # Errors
    /// `Error::Decode` for another model, for as many coefficients as it has not, and for those that are not finite.
    pub fn of_model(model: &str, coefficients: &[f64]) -> Result<Self> {
        lens("camera", model, coefficients)
    }
}

pub(super) fn is_distorted(d: &[f64]) -> bool {
    d.iter().any(|value| *value != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(model: &str, d: &[f64]) -> Result<Distortion> {
        distortion("CameraInfo", model, d)
    }

    #[test]
    fn coefficients_go_to_their_model() {
        let zeros = [0.0; 8];
        for (model, d) in [("plumb_bob", &zeros[..5]), ("", &[]), ("whatever", &zeros)] {
            assert_eq!(read(model, d).unwrap(), Distortion::None);
        }
        let all: Vec<f64> = (1..=14).map(f64::from).collect();
        let brown_conrady = |count: usize| {
            let mut k = [0.0; 8];
            k[..count].copy_from_slice(&all[..count]);
            Distortion::BrownConrady(k)
        };
        // OpenCV goes by the number alone, and so do drivers
        for model in ["plumb_bob", "rational_polynomial"] {
            for count in [4, 5, 8] {
                let found = read(model, &all[..count]).unwrap();
                assert_eq!(found, brown_conrady(count), "{model} {count}");
            }
            for count in [12, 14] {
                let mut full = [0.0; 14];
                full[..count].copy_from_slice(&all[..count]);
                let found = read(model, &all[..count]).unwrap();
                assert_eq!(found, Distortion::ThinPrism(full), "{model} {count}");
                // Neither prism nor tilt: the lens that every picture had before
                full[8..].fill(0.0);
                let found = read(model, &full[..count]).unwrap();
                assert_eq!(found, brown_conrady(8), "{model} {count}");
            }
        }
        for d in [
            vec![1.0, 2.0, 3.0, 4.0],
            vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0],
        ] {
            assert_eq!(
                read("equidistant", &d).unwrap(),
                Distortion::Equidistant([1.0, 2.0, 3.0, 4.0])
            );
        }
    }

    #[test]
    fn a_fisheye_of_zeros_is_no_pinhole_where_somebody_says_so() {
        // r = f theta, where a pinhole has r = f tan(theta)
        let ideal = Distortion::of_model("equidistant", &[0.0; 4]).unwrap();
        assert_eq!(ideal, Distortion::Equidistant([0.0; 4]));
        // A message that says the same is an empty one
        assert_eq!(read("equidistant", &[0.0; 4]).unwrap(), Distortion::None);
        for coefficients in [&[][..], &[0.0; 5], &[0.0; 8]] {
            let plain = Distortion::of_model("plumb_bob", coefficients).unwrap();
            assert_eq!(plain, Distortion::None);
        }
        // Nor does a model that nobody knows pass because it has no coefficients
        for (model, expected) in [("equidistant", "has 4"), ("fish", "supported models")] {
            let refused = Distortion::of_model(model, &[]).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn an_unknown_model_is_refused_by_name() {
        for (model, d, expected) in [
            ("omni", vec![1.0], "'omni'"),
            ("", vec![1.0; 5], "supported models"),
            ("plumb_bob", vec![1.0; 3], "4, 5, 8, 12 or 14"),
            ("rational_polynomial", vec![1.0; 13], "4, 5, 8, 12 or 14"),
            ("rational_polynomial", vec![1.0; 15], "4, 5, 8, 12 or 14"),
            ("equidistant", vec![1.0; 3], "has 4"),
            // A driver's k3 and k4, which a fisheye of four would leave out without a word
            (
                "equidistant",
                vec![0.1, 0.2, 0.0, 0.0, 0.3, 0.4, 0.0, 0.0],
                "k1 k2 p1 p2 k3 k4 k5 k6",
            ),
            ("plumb_bob", vec![f64::NAN; 5], "finite"),
        ] {
            let text = read(model, &d).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
