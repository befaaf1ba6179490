//! What time it is for the pipeline: ROS time, which a simulator may stop, slow down or set back.

use std::sync::{Arc, Mutex};

use crate::error::Result;
use crate::error::{poisoned, ros};
use spatial_reward_core::messages::Time;

/// When something was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// ROS time in nanoseconds: the system's, or the simulator's.
    pub ros_nanos: i64,
    /// The same, but never going back: after a reset it goes on from where it was.
    pub log_time_nanos: i64,
}

/// The clock by which messages are received.
pub(crate) struct ReceiveClock {
    clock: Arc<Mutex<r2r::Clock>>,
    simulated: bool,
    monotonic: Monotonic,
}

impl ReceiveClock {
    /// The node's clock; with `use_sim_time` that of `/clock`.
    ///
    /// # Errors
    /// ROS refuses to listen to `/clock`.
    pub(crate) fn new(node: &mut r2r::Node, use_sim_time: bool) -> Result<Self> {
        if use_sim_time {
            let source = node.get_time_source();
            (source.enable_sim_time(node)).map_err(ros("listen to /clock"))?;
        }
        Ok(Self {
            clock: node.get_ros_clock(),
            simulated: use_sim_time,
            monotonic: Monotonic::default(),
        })
    }

    /// The time; none before the first message on `/clock`.
    ///
    /// # Errors
    /// ROS has no clock.
    pub(crate) fn now(&mut self) -> Result<Option<Now>> {
        let ros_nanos = read(&self.clock)?;
        if self.simulated && ros_nanos == 0 {
            return Ok(None);
        }
        Ok(Some(Now {
            ros_nanos,
            log_time_nanos: self.monotonic.at(ros_nanos),
        }))
    }
}

/// ROS time in nanoseconds.
///
/// # Errors
/// ROS has no clock.
pub(crate) fn read(clock: &Mutex<r2r::Clock>) -> Result<i64> {
    let mut clock = clock.lock().map_err(|_| poisoned("clock"))?;
    let since_epoch = clock.get_now().map_err(ros("read the clock"))?;
    Ok(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}

/// A time in nanoseconds as ROS sends it.
pub(crate) fn message(nanos: i64) -> r2r::builtin_interfaces::msg::Time {
    let Time { sec, nanosec } = Time::from_nanos(nanos);
    r2r::builtin_interfaces::msg::Time { sec, nanosec }
}

/// A time that goes on where its source is set back.
#[derive(Debug, Default)]
struct Monotonic {
    last_nanos: Option<i64>,
    ahead_nanos: i64,
}

impl Monotonic {
    fn at(&mut self, nanos: i64) -> i64 {
        if let Some(last) = self.last_nanos {
            self.ahead_nanos += last.saturating_sub(nanos).max(0);
        }
        self.last_nanos = Some(nanos);
        nanos.saturating_add(self.ahead_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_where_it_was() {
        let mut clock = Monotonic::default();
        let times = [10, 15, 15, 3, 4, 20, 1].map(|nanos| clock.at(nanos));
        assert_eq!(times, [10, 15, 15, 15, 16, 32, 32]);
    }
}
