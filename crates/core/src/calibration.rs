//! What makes the spread of a model's answers a standard deviation: two numbers, fitted to recordings with truth.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The root of the sum of a floor's square and of a scaled spread's square: what a model does not know of itself adds to
/// what it does. It can be taken off again, so that a bag that was labelled with one calibration is good for another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// How many times its spread a model is off; above 0.
    pub scale: f64,
    /// What it is off where its spread is none, in metres; 0 or more.
    pub floor_m: f64,
}

impl Calibration {
    /// Of its two numbers, `key` being what they are called where they stand.
    ///
    /// # Errors
    /// `Error::ConfigValue` for a scale that is not above 0, a floor below 0, and what is no number.
    pub fn check(self, key: &str) -> Result<Self> {
        let refuse = |member: &str, value: f64, expected: &str| {
            Err(Error::ConfigValue {
                key: format!("{key}.{member}"),
                value: value.to_string(),
                expected: expected.to_owned(),
            })
        };
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return refuse("scale", self.scale, "above 0");
        }
        if !(self.floor_m.is_finite() && self.floor_m >= 0.0) {
            return refuse("floor_m", self.floor_m, "0 m or more");
        }
        Ok(self)
    }

    /// The standard deviation of a distance whose spread is this, in metres.
    pub fn std_m(&self, spread_m: f64) -> f64 {
        self.floor_m.hypot(self.scale * spread_m)
    }

    /// The spread of which [`std_m`](Self::std_m) made this standard deviation, in metres; NaN of NaN.
    pub fn spread_m(&self, std_m: f64) -> f64 {
        let square_m2 = (std_m - self.floor_m) * (std_m + self.floor_m);
        // Rounding may leave it a little below nothing, and keeps what is no number as it is.
        if square_m2 < 0.0 {
            return 0.0;
        }
        square_m2.sqrt() / self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FITTED: Calibration = Calibration {
        scale: 2.0,
        floor_m: 0.03,
    };

    #[test]
    fn what_is_unknown_anyway_adds_to_what_the_model_is_uncertain_of() {
        assert!((FITTED.std_m(0.02) - 0.05).abs() < 1e-15);
        assert!((FITTED.std_m(0.0) - 0.03).abs() < 1e-15);
        assert!(FITTED.std_m(f64::NAN).is_nan());
    }

    #[test]
    fn it_can_be_taken_off_again() {
        // down to the rounding of a hundredth of an inch, far below the floor
        for spread_m in [1.0, 0.02, 7.3e-5] {
            let again_m = FITTED.spread_m(FITTED.std_m(spread_m));
            assert!((again_m / spread_m - 1.0).abs() < 1e-9, "{again_m}");
        }
        assert_eq!(FITTED.spread_m(0.03), 0.0);
        assert_eq!(FITTED.spread_m(0.03 - 1e-17), 0.0);
        assert!(FITTED.spread_m(f64::NAN).is_nan());
    }

    #[test]
    fn numbers_that_make_no_standard_deviation_are_refused_by_name() {
        FITTED.check("calibration").unwrap();
        for (scale, floor_m, name) in [
            (0.0, 0.0, "calibration.scale"),
            (f64::INFINITY, 0.0, "calibration.scale"),
            (1.0, -0.01, "calibration.floor_m"),
            (1.0, f64::NAN, "calibration.floor_m"),
        ] {
            let error = Calibration { scale, floor_m }.check("calibration");
            let error = error.unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
