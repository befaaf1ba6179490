//! Ground truth of a recording: collected from its messages, then joined to the steps by time.

use spatial_reward_core::frame::DistanceKind;
use spatial_reward_core::messages::PointStamped;
use spatial_reward_core::step::Step;

/// When a step's image was taken and when it was logged, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTime {
    /// The image's header stamp.
    pub stamp_nanos: i64,
    /// When the image was logged.
    pub log_time_nanos: i64,
}

impl StepTime {
    /// Those of a step.
    pub fn of(step: &Step) -> Self {
        Self {
            stamp_nanos: step.stamp_nanos,
            log_time_nanos: step.log_time_nanos,
        }
    }
}

/// The ground truth of one recording.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    fingertip: Vec<TruePoint>,
    target: Vec<TruePoint>,
    /// Log time and metres: the message has no header.
    surface: Vec<(i64, f64)>,
    cloud: Vec<(i64, f64)>,
}

#[derive(Debug, Clone, PartialEq)]
struct TruePoint {
    stamp_nanos: i64,
    log_time_nanos: i64,
    frame_id: String,
    point: [f64; 3],
}

impl Truth {
    /// Take in where the fingertip or the target is. A header without a stamp has the log time's.
    pub fn push_point(&mut self, target: bool, log_time_nanos: i64, message: PointStamped) {
        let stamp_nanos = match message.header.stamp_nanos() {
            0 => log_time_nanos,
            stamp_nanos => stamp_nanos,
        };
        let points = if target {
            &mut self.target
        } else {
            &mut self.fingertip
        };
        points.push(TruePoint {
            stamp_nanos,
            log_time_nanos,
            frame_id: message.header.frame_id,
            point: message.point,
        });
    }

    /// Take in the gap between the surfaces, in metres.
    pub fn push_surface_distance(&mut self, log_time_nanos: i64, distance_m: f64) {
        self.surface.push((log_time_nanos, distance_m));
    }

    /// Take in the mean distance between the clouds, in metres.
    pub fn push_cloud_distance(&mut self, log_time_nanos: i64, distance_m: f64) {
        self.cloud.push((log_time_nanos, distance_m));
    }

    /// Whether nothing was taken in.
    pub fn is_empty(&self) -> bool {
        [&self.fingertip, &self.target]
            .iter()
            .all(|points| points.is_empty())
            && [&self.surface, &self.cloud]
                .iter()
                .all(|metres| metres.is_empty())
    }

    /// The true distance in metres at each step, `None` where no truth is within the tolerance.
    ///
    /// Points are joined by their header's stamp. The surface and cloud distances have none: a point that
    /// was logged with one lends it its own, and where there is none, log times are compared. There is no
    /// truth between points of different coordinate frames.
    pub fn at(
        mut self,
        kind: DistanceKind,
        steps: &[StepTime],
        tolerance_nanos: i64,
    ) -> Vec<Option<f64>> {
        match kind {
            DistanceKind::Center => {
                self.fingertip.sort_by_key(|point| point.stamp_nanos);
                self.target.sort_by_key(|point| point.stamp_nanos);
                let near = |points, stamp| {
                    nearest(points, stamp, tolerance_nanos, |p: &TruePoint| {
                        p.stamp_nanos
                    })
                };
                let center = |step: &StepTime| {
                    let fingertip = near(&self.fingertip, step.stamp_nanos)?;
                    let target = near(&self.target, step.stamp_nanos)?;
                    let same_frame = fingertip.frame_id == target.frame_id;
                    same_frame.then(|| distance(fingertip.point, target.point))
                };
                steps.iter().map(center).collect()
            }
            DistanceKind::Surface => self.logged_with(&self.surface, steps, tolerance_nanos),
            DistanceKind::Cloud => self.logged_with(&self.cloud, steps, tolerance_nanos),
        }
    }

    /// A series of distances (log time, metres) at each step.
    fn logged_with(
        &self,
        series: &[(i64, f64)],
        steps: &[StepTime],
        tolerance_nanos: i64,
    ) -> Vec<Option<f64>> {
        let stamped = self.stamped(series, tolerance_nanos);
        let mut logged = series.to_vec();
        logged.sort_by_key(|(time, _)| *time);
        let at = |step: &StepTime| {
            let (series, time) = match &stamped {
                Some(stamped) => (stamped, step.stamp_nanos),
                None => (&logged, step.log_time_nanos),
            };
            nearest(series, time, tolerance_nanos, |(time, _)| *time).map(|(_, metres)| *metres)
        };
        steps.iter().map(at).collect()
    }

    /// Distances with the stamps of the points logged with them, by stamp; `None` without points.
    fn stamped(&self, series: &[(i64, f64)], tolerance_nanos: i64) -> Option<Vec<(i64, f64)>> {
        let points = if self.fingertip.is_empty() {
            &self.target
        } else {
            &self.fingertip
        };
        if points.is_empty() {
            return None;
        }
        let mut by_log_time: Vec<&TruePoint> = points.iter().collect();
        by_log_time.sort_by_key(|point| point.log_time_nanos);
        let stamp_of = |log_time| {
            nearest(&by_log_time, log_time, tolerance_nanos, |point| {
                point.log_time_nanos
            })
        };
        let mut stamped: Vec<(i64, f64)> = (series.iter())
            .filter_map(|(log_time, metres)| Some((stamp_of(*log_time)?.stamp_nanos, *metres)))
            .collect();
        stamped.sort_by_key(|(stamp, _)| *stamp);
        Some(stamped)
    }
}

/// The item nearest in time, within the tolerance. `sorted` ascends by `time`.
fn nearest<T>(sorted: &[T], at: i64, tolerance: i64, time: impl Fn(&T) -> i64) -> Option<&T> {
    let after = sorted.partition_point(|item| time(item) < at);
    let neighbours = [after.checked_sub(1), Some(after)];
    neighbours
        .into_iter()
        .flatten()
        .filter_map(|index| sorted.get(index))
        .min_by_key(|item| time(item).abs_diff(at))
        .filter(|item| time(item).abs_diff(at) <= tolerance.unsigned_abs())
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::messages::{Header, Time};

    const TOLERANCE: i64 = 20;

    fn point(stamp_nanos: i64, frame_id: &str, x: f64) -> PointStamped {
        let stamp = Time::from_nanos(stamp_nanos);
        let frame_id = frame_id.to_owned();
        PointStamped {
            header: Header { stamp, frame_id },
            point: [x, 0.0, 0.0],
        }
    }

    fn step(stamp_nanos: i64, log_time_nanos: i64) -> StepTime {
        StepTime {
            stamp_nanos,
            log_time_nanos,
        }
    }

    #[test]
    fn center_is_the_distance_of_the_points_nearest_by_stamp() {
        let mut truth = Truth::default();
        for (stamp, x) in [(1000, 0.3), (1100, 0.2)] {
            truth.push_point(false, 5000, point(stamp, "camera", x));
            truth.push_point(true, 5000, point(stamp + 3, "camera", 0.0));
        }
        let steps = [step(1001, 0), step(1095, 0), step(1200, 0)];
        let joined = truth.at(DistanceKind::Center, &steps, TOLERANCE);
        assert_eq!(joined, [Some(0.3), Some(0.2), None]);
    }

    #[test]
    fn points_of_different_coordinate_frames_have_no_distance() {
        let mut truth = Truth::default();
        truth.push_point(false, 0, point(1000, "camera", 0.3));
        truth.push_point(true, 0, point(1000, "world", 0.0));
        let joined = truth.at(DistanceKind::Center, &[step(1000, 0)], TOLERANCE);
        assert_eq!(joined, [None]);
    }

    #[test]
    fn a_surface_distance_has_the_stamp_of_the_point_logged_with_it() {
        let mut truth = Truth::default();
        truth.push_point(false, 5000, point(1000, "camera", 0.0));
        truth.push_surface_distance(5000, 0.1);
        // Its log time is far from the step's, but its stamp is not.
        let joined = truth.at(DistanceKind::Surface, &[step(1000, 9000)], TOLERANCE);
        assert_eq!(joined, [Some(0.1)]);
    }

    #[test]
    fn a_cloud_distance_is_no_surface_distance() {
        let mut truth = Truth::default();
        truth.push_cloud_distance(5000, 0.3);
        let step = StepTime {
            stamp_nanos: 5000,
            log_time_nanos: 5000,
        };
        let at = |kind| truth.clone().at(kind, &[step], 10);
        assert_eq!(at(DistanceKind::Cloud), [Some(0.3)]);
        assert_eq!(at(DistanceKind::Surface), [None]);
    }

    #[test]
    fn without_points_a_surface_distance_is_joined_by_log_time() {
        let mut truth = Truth::default();
        truth.push_surface_distance(5000, 0.1);
        truth.push_surface_distance(5100, 0.2);
        let steps = [step(1, 5090), step(2, 5050)];
        let joined = truth.at(DistanceKind::Surface, &steps, TOLERANCE);
        assert_eq!(joined, [Some(0.2), None]);
    }

    #[test]
    fn nobody_knows_the_true_cloud_distance() {
        let mut truth = Truth::default();
        truth.push_surface_distance(0, 0.1);
        let joined = truth.at(DistanceKind::Cloud, &[step(0, 0)], TOLERANCE);
        assert_eq!(joined, [None]);
    }
}
