//! Which way is up for the camera, by an accelerometer that is turned like it: at rest it measures the
//! reaction to gravity.

use super::stream::Stream;
use super::topics::{find, no_topic};
use super::wire::Imu;
use crate::error::Result;
use crate::message_types::{IMU, is_cdr, is_of_type};
use crate::role::Role;
use spatial_reward_core::geometry::Point;
use spatial_reward_core::pipeline::FrameInfo;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_rosbag2::{BagInfo, BagMessage, TopicInfo};

/// Without a reading of the frame's own stamp, accelerations of so long before and after are averaged.
const WINDOW_S: f64 = 0.25;
/// An acceleration of another size is not gravity alone.
const GRAVITY_M_S2: std::ops::RangeInclusive<f32> = 8.8..=10.8;

/// An accelerometer's topic.
pub(crate) struct Accelerometer {
    /// Index into `BagInfo::topics`.
    pub topic: usize,
    /// The user says that it is in the camera's optical frame.
    trusted: bool,
    stream: Stream<Point>,
    frame_id: Option<String>,
    told: bool,
}

impl Accelerometer {
    /// The named one, or the one that by its name is most likely the camera's.
    ///
    /// # Errors
    /// `Error::NoTopic` for a named topic that is not there.
    pub(crate) fn find(info: &BagInfo, named: Option<&str>) -> Result<Option<Self>> {
        let is_imu = |topic: &TopicInfo| {
            is_of_type(topic, IMU) && is_cdr(topic) && topic.message_count != Some(0)
        };
        let of_name = |words: &[&str]| {
            find(info, |topic| {
                is_imu(topic) && words.iter().all(|word| topic.name.contains(word))
            })
        };
        let found = match named {
            Some(name) => {
                let found = find(info, |topic| topic.name == name && is_imu(topic));
                Some(found.ok_or_else(|| no_topic(info, name, Role::Accelerometer))?)
            }
            None => of_name(&["camera", "imu"])
                .or_else(|| of_name(&["camera", "accel"]))
                .or_else(|| of_name(&["camera"])),
        };
        Ok(found.map(|(topic, _)| Self::new(topic, named.is_some())))
    }

    fn new(topic: usize, trusted: bool) -> Self {
        Self {
            topic,
            trusted,
            stream: Stream::default(),
            frame_id: None,
            told: false,
        }
    }

    /// Take a reading in.
    ///
    /// # Errors
    /// `Error::Decode` for a message that is none.
    pub(crate) fn take(&mut self, message: &BagMessage) -> Result<()> {
        let read = Imu::decode(&message.data)?;
        let acceleration = Point::from(read.linear_acceleration.map(|v| v as f32));
        let stamp = read.header.stamp_nanos();
        (self.stream).insert(stamp, message.log_time_nanos, acceleration);
        self.frame_id.get_or_insert(read.header.frame_id);
        Ok(())
    }

    /// Which way is up for the camera at a frame; `None` if nobody can tell.
    pub(crate) fn up(&mut self, frame: &FrameInfo) -> Option<Point> {
        let of_imu = self.frame_id.as_deref().unwrap_or_default();
        if !(self.trusted || may_be_one_frame(of_imu, &frame.frame_id)) {
            if !std::mem::replace(&mut self.told, true) {
                tracing::warn!(
                    "the accelerometer's frame is '{of_imu}', the image's '{}': gravity is not used. If both \
                     have the same axes, name its topic with --imu-topic",
                    frame.frame_id
                );
            }
            return None;
        }
        let stamp = frame.stamp_nanos;
        let up = match self.stream.at(stamp) {
            Some(exact) => *exact,
            None => {
                let near = self.stream.within(stamp, nanos_from_seconds(WINDOW_S));
                let near: Vec<Point> = near.map(|(_, up)| *up).collect();
                near.iter().sum::<Point>() / near.len().max(1) as f32
            }
        };
        GRAVITY_M_S2.contains(&up.norm()).then_some(up)
    }

    /// Forget what no frame from this stamp on can ask for.
    pub(crate) fn forget_before(&mut self, stamp: i64) {
        let before = stamp.saturating_sub(nanos_from_seconds(WINDOW_S));
        self.stream.forget_before(before);
    }
}

/// Drivers name the optical frames of one camera's sensors differently, but turn them alike.
fn may_be_one_frame(imu: &str, image: &str) -> bool {
    let optical = |name: &str| name.is_empty() || name.contains("optical");
    imu == image || optical(imu) && optical(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: i64 = 1_000_000;

    fn frame(stamp_nanos: i64) -> FrameInfo {
        FrameInfo {
            frame_id: "camera_color_optical_frame".to_owned(),
            ..FrameInfo::at(stamp_nanos)
        }
    }

    /// Readings in milliseconds and metres per second squared.
    fn accelerometer(frame_id: &str, readings: &[(i64, [f32; 3])]) -> Accelerometer {
        let mut found = Accelerometer::new(0, false);
        found.frame_id = Some(frame_id.to_owned());
        for (at, acceleration) in readings {
            let point = Point::from(*acceleration);
            found.stream.insert(at * MILLISECOND, 0, point);
        }
        found
    }

    #[test]
    fn a_reading_of_the_frames_own_stamp_counts_alone() {
        let readings = [(1, [0.0, -9.8, 0.0]), (100, [9.8, 0.0, 0.0])];
        let mut found = accelerometer("camera_imu_optical_frame", &readings);
        assert_eq!(
            found.up(&frame(MILLISECOND)),
            Some(Point::from(readings[0].1))
        );
    }

    #[test]
    fn else_the_readings_around_it_are_averaged() {
        let readings = [
            (900, [1.0, -9.8, 0.0]),
            (1100, [-1.0, -9.8, 0.0]),
            (2000, [0.0, 0.0, 9.8]),
        ];
        let mut found = accelerometer("camera_imu_optical_frame", &readings);
        let up = found.up(&frame(1001 * MILLISECOND)).unwrap();
        assert!((up - Point::new(0.0, -9.8, 0.0)).norm() < 1e-5);
    }

    #[test]
    fn what_is_no_gravity_or_turned_otherwise_says_nothing() {
        let at = frame(MILLISECOND);
        let shaken = [(1, [0.0, -14.0, 0.0])];
        assert_eq!(
            accelerometer("camera_imu_optical_frame", &shaken).up(&at),
            None
        );
        assert_eq!(accelerometer("camera_imu_optical_frame", &[]).up(&at), None);
        let level = [(1, [0.0, 0.0, 9.8])];
        assert_eq!(accelerometer("base_link", &level).up(&at), None);
        // The user knows better.
        let mut trusted = accelerometer("base_link", &level);
        trusted.trusted = true;
        assert!(trusted.up(&at).is_some());
    }
}
