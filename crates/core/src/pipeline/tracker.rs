//! Where a box is while the detector does not say: a constant-velocity Kalman filter on each
//! edge. Detections pass through as they are; only missing ones are predicted, and only so many in
//! a row. (One filter an edge is the same as one on centre and size: all edges share their noise,
//! hence their gain, and the gain is linear.)

use crate::frame::BoundingBox;
use crate::kalman::{ConstantVelocity, Noise};
use crate::settings::Tracker;

/// The tracker of one box in one episode.
#[derive(Debug, Clone)]
pub struct BoxTracker {
    noise: Noise,
    max_bridged_frames: u32,
    bridged_frames: u32,
    /// x_min, y_min, x_max, y_max, from the first detection on.
    edges: Option<[ConstantVelocity; 4]>,
    /// More than one detection was seen, so there is a velocity.
    moves: bool,
}

impl BoxTracker {
    /// A tracker that has seen nothing yet.
    pub fn new(settings: &Tracker) -> Self {
        Self {
            noise: Noise {
                measurement: settings.measurement_px,
                acceleration: settings.acceleration_px_s2,
            },
            max_bridged_frames: settings.max_bridged_frames,
            bridged_frames: 0,
            edges: None,
            moves: false,
        }
    }

    /// Forget everything: a new episode begins.
    pub fn restart(&mut self) {
        self.edges = None;
        self.moves = false;
        self.bridged_frames = 0;
    }

    /// Take in a detection. The same one seen again (an older box that is still good for a later
    /// frame) teaches nothing new, and one without area teaches nothing at all.
    pub fn observe(&mut self, stamp_nanos: i64, bbox: &BoundingBox) {
        if !bbox.is_proper() {
            return;
        }
        self.bridged_frames = 0;
        let measured = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
        match &mut self.edges {
            None => {
                self.edges =
                    Some(measured.map(|v| ConstantVelocity::new(self.noise, stamp_nanos, v)));
            }
            Some(edges) => {
                for (edge, value) in edges.iter_mut().zip(measured) {
                    if edge.stamp_nanos() < stamp_nanos {
                        edge.update(stamp_nanos, value);
                        self.moves = true;
                    }
                }
            }
        }
    }

    /// The box expected at a stamp between two detections, or `None` if there is no velocity yet, or the box has
    /// shrunk to nothing.
    pub fn extrapolate(&self, stamp_nanos: i64) -> Option<BoundingBox> {
        self.predicted(stamp_nanos).filter(|_| self.moves)
    }

    /// The box expected at a stamp where the detector has none, with the stamp of the last detection, or `None` if
    /// nothing was ever detected, too many frames in a row were bridged, or the box has shrunk to nothing.
    pub fn bridge(&mut self, stamp_nanos: i64) -> Option<(BoundingBox, i64)> {
        if self.bridged_frames >= self.max_bridged_frames {
            return None;
        }
        let [edge, ..] = self.edges.as_ref()?;
        let seen_nanos = edge.stamp_nanos();
        self.bridged_frames += 1;
        let predicted = self.predicted(stamp_nanos)?;
        Some((predicted, seen_nanos))
    }

    fn predicted(&self, stamp_nanos: i64) -> Option<BoundingBox> {
        let [x_min, y_min, x_max, y_max] = self.edges.as_ref()?;
        let predicted = BoundingBox::new(
            x_min.predict(stamp_nanos),
            y_min.predict(stamp_nanos),
            x_max.predict(stamp_nanos),
            y_max.predict(stamp_nanos),
        );
        predicted.is_proper().then_some(predicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 66_666_667;

    fn tracker(max_bridged_frames: u32) -> BoxTracker {
        BoxTracker::new(&Tracker {
            enabled: true,
            max_bridged_frames,
            ..Tracker::default()
        })
    }

    fn moving(i: i64) -> BoundingBox {
        BoundingBox::from_center(100.0 + 6.0 * i as f64, 80.0 - 3.0 * i as f64, 40.0, 20.0)
    }

    #[test]
    fn predicts_a_steadily_moving_box() {
        // given a box that moved steadily for a second
        let mut tracker = tracker(5);
        (0..15).for_each(|i| tracker.observe(i * FRAME, &moving(i)));
        // when two frames miss it
        for i in 15..17 {
            let (bridged, _) = tracker.bridge(i * FRAME).unwrap();
            // then it is where it was heading, within a pixel
            let (expected, got) = (moving(i), bridged);
            assert!((expected.x_min - got.x_min).abs() < 1.0, "{got:?}");
            assert!((expected.y_max - got.y_max).abs() < 1.0, "{got:?}");
        }
    }

    #[test]
    fn gives_up_after_the_limit_and_a_detection_renews_it() {
        let mut tracker = tracker(2);
        tracker.observe(0, &moving(0));
        let bridged: Vec<bool> = (1..5)
            .map(|i| tracker.bridge(i * FRAME).is_some())
            .collect();
        assert_eq!(bridged, [true, true, false, false]);
        tracker.observe(5 * FRAME, &moving(5));
        assert!(tracker.bridge(6 * FRAME).is_some());
    }

    #[test]
    fn never_invents_a_box() {
        let mut tracker = tracker(5);
        assert_eq!(tracker.bridge(0), None);
        tracker.observe(0, &BoundingBox::new(f64::NAN, 0.0, 1.0, 1.0));
        tracker.observe(0, &BoundingBox::new(5.0, 5.0, 5.0, 9.0));
        assert_eq!(tracker.bridge(FRAME), None);
        tracker.observe(FRAME, &moving(1));
        tracker.restart();
        assert_eq!(tracker.bridge(2 * FRAME), None);
    }

    #[test]
    fn an_old_box_seen_again_does_not_stop_the_motion() {
        let mut tracker = tracker(5);
        (0..15).for_each(|i| tracker.observe(i * FRAME, &moving(i)));
        let before = tracker.clone().bridge(16 * FRAME);
        tracker.observe(14 * FRAME, &moving(14));
        assert_eq!(tracker.bridge(16 * FRAME), before);
    }

    #[test]
    fn a_box_that_shrinks_to_nothing_is_given_up() {
        let mut tracker = tracker(1000);
        for i in 0..10 {
            let side = 40.0 - 4.0 * i as f64;
            tracker.observe(i * FRAME, &BoundingBox::from_center(50.0, 50.0, side, side));
        }
        assert_eq!(tracker.bridge(30 * FRAME), None);
    }
}
