//! A constant-velocity Kalman filter of one coordinate: the distance filter has one, the box
//! tracker one for each edge. Time-aware, so missing frames and jittery stamps need no special case.

use nalgebra::{Matrix2, Vector2};

use crate::stamp::seconds_between;

/// The standard deviations a filter is tuned by, in the unit of its coordinate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Of one measurement.
    pub measurement: f64,
    /// Of the acceleration that constant velocity leaves out, per second squared.
    pub acceleration: f64,
}

/// Position and velocity of one coordinate with their covariance, at the last measurement's stamp.
#[derive(Debug, Clone)]
pub struct ConstantVelocity {
    noise: Noise,
    stamp_nanos: i64,
    /// Position, velocity per second.
    state: Vector2<f64>,
    covariance: Matrix2<f64>,
}

impl ConstantVelocity {
    /// A filter that starts at its first measurement, at rest. The unknown velocity gets the
    /// standard deviation that one second of the assumed acceleration would build up.
    pub fn new(noise: Noise, stamp_nanos: i64, measured: f64) -> Self {
        Self {
            noise,
            stamp_nanos,
            state: Vector2::new(measured, 0.0),
            covariance: Matrix2::from_diagonal(&Vector2::new(
                noise.measurement.powi(2),
                noise.acceleration.powi(2),
            )),
        }
    }

    /// Stamp of the last measurement.
    pub fn stamp_nanos(&self) -> i64 {
        self.stamp_nanos
    }

    /// The position expected at a stamp; the filter itself stays where it is.
    pub fn predict(&self, stamp_nanos: i64) -> f64 {
        self.propagated(stamp_nanos).0[0]
    }

    /// Take in a measurement and return the position believed after it. A stamp before the last
    /// one counts as the last one: the filter does not run backwards.
    pub fn update(&mut self, stamp_nanos: i64, measured: f64) -> f64 {
        let (mut state, mut covariance) = self.propagated(stamp_nanos);
        let innovation_variance = covariance[(0, 0)] + self.noise.measurement.powi(2);
        let gain = covariance.column(0) / innovation_variance;
        state += gain * (measured - state[0]);
        covariance -= gain * covariance.row(0);
        *self = Self {
            noise: self.noise,
            stamp_nanos: stamp_nanos.max(self.stamp_nanos),
            state,
            covariance,
        };
        self.state[0]
    }

    /// State and covariance moved on to a stamp, the acceleration being white noise.
    fn propagated(&self, stamp_nanos: i64) -> (Vector2<f64>, Matrix2<f64>) {
        let dt = seconds_between(self.stamp_nanos, stamp_nanos).max(0.0);
        let transition = Matrix2::new(1.0, dt, 0.0, 1.0);
        let push = Vector2::new(dt * dt / 2.0, dt);
        let process = push * push.transpose() * self.noise.acceleration.powi(2);
        (
            transition * self.state,
            transition * self.covariance * transition.transpose() + process,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: Noise = Noise {
        measurement: 0.01,
        acceleration: 1.0,
    };
    const FRAME: i64 = 50_000_000;

    #[test]
    fn follows_a_ramp_and_predicts_it() {
        // given a coordinate that moves at 0.5 per second, seen at 20 Hz
        let mut filter = ConstantVelocity::new(NOISE, 0, 1.0);
        for i in 1..60 {
            filter.update(i * FRAME, 1.0 + 0.5 * i as f64 * 0.05);
        }
        // when 0.2 s ahead is asked for
        let ahead = filter.predict(59 * FRAME + 200_000_000);
        // then it is on the ramp, and asking did not move the filter
        assert!((ahead - (1.0 + 0.5 * (59.0 * 0.05 + 0.2))).abs() < 1e-3);
        assert_eq!(filter.stamp_nanos(), 59 * FRAME);
    }

    #[test]
    fn smooths_alternating_noise() {
        let mut filter = ConstantVelocity::new(NOISE, 0, 1.0);
        let worst = (1..200)
            .map(|i| {
                let noise = if i % 2 == 0 { 0.01 } else { -0.01 };
                (i, filter.update(i * FRAME, 1.0 + noise))
            })
            .filter(|(i, _)| *i > 50)
            .map(|(_, value)| (value - 1.0).abs())
            .fold(0.0, f64::max);
        assert!(worst < 0.006, "{worst}");
    }

    #[test]
    fn equal_and_backward_stamps_stay_finite() {
        let mut filter = ConstantVelocity::new(NOISE, FRAME, 1.0);
        assert!(filter.update(FRAME, 1.2).is_finite());
        let before = filter.predict(FRAME);
        assert_eq!(filter.predict(i64::MIN), before);
        assert!(filter.update(0, 1.1).is_finite());
        assert_eq!(filter.stamp_nanos(), FRAME);
    }
}
