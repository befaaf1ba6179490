//! What time it is for the pipeline: ROS time, which a simulator may stop, slow down or set to anything.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::error::{poisoned, ros};
use spatial_reward_core::messages::Time;

/// A clock stands still if it has not moved for so long while images went on coming.
const STANDSTILL: Duration = Duration::from_secs(2);

/// So many of them: a simulator that is slow sends one image whenever its clock moves.
const STANDSTILL_IMAGES: u64 = 10;

/// A clock that is set forward by more than this is set forward by this: longer than anything is waited for, and so
/// little that no number of wild messages leads to the end of time.
const LONGEST_STEP_NANOS: i64 = 3600 * 1_000_000_000;

/// When something was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// ROS time in nanoseconds: the system's, or the simulator's.
    pub ros_nanos: i64,
    /// How time went on: as ROS time does, but never back, and with the machine's where ROS time stands still.
    pub log_time_nanos: i64,
}

/// The clock by which messages are received.
pub(crate) struct ReceiveClock {
    clock: Arc<Mutex<r2r::Clock>>,
    simulated: bool,
    begun: Instant,
    course: Option<Course>,
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
            begun: Instant::now(),
            course: None,
        })
    }

    /// The time; none before the first message on `/clock`. `images` is how many have come so far.
    ///
    /// # Errors
    /// ROS has no clock.
    pub(crate) fn now(&mut self, images: u64) -> Result<Option<Now>> {
        let ros_nanos = read(&self.clock)?;
        if self.simulated && self.course.is_none() && ros_nanos == 0 {
            return Ok(None);
        }
        let look = Look {
            ros_nanos,
            images,
            machine: self.begun.elapsed(),
        };
        let course = self.course.get_or_insert_with(|| Course::from(look));
        Ok(Some(Now {
            ros_nanos,
            log_time_nanos: course.at(look),
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
    Ok(signed_nanos(since_epoch))
}

/// ROS time is signed; r2r gives its bits as those of an unsigned number, so a time before 1970 as one in 500 years.
fn signed_nanos(since_epoch: Duration) -> i64 {
    (since_epoch.as_nanos() as u64).cast_signed()
}

/// A time in nanoseconds as ROS sends it.
pub(crate) fn message(nanos: i64) -> r2r::builtin_interfaces::msg::Time {
    let Time { sec, nanosec } = Time::from_nanos(nanos);
    r2r::builtin_interfaces::msg::Time { sec, nanosec }
}

/// What is seen when one looks at the clock.
#[derive(Debug, Clone, Copy)]
struct Look {
    ros_nanos: i64,
    /// Images that have come so far.
    images: u64,
    /// The machine's time.
    machine: Duration,
}

/// The course of time so far.
#[derive(Debug)]
struct Course {
    log_time_nanos: i64,
    last: Look,
    /// The last look at which the clock had moved.
    moved: Look,
    /// The last look at which an image had come.
    image: Look,
}

impl From<Look> for Course {
    fn from(first: Look) -> Self {
        Self {
            log_time_nanos: first.ros_nanos,
            last: first,
            moved: first,
            image: first,
        }
    }
}

impl Course {
    fn at(&mut self, look: Look) -> i64 {
        if look.images != self.last.images {
            self.image = look;
        }
        let passed_nanos = if look.ros_nanos != self.last.ros_nanos {
            self.moved = look;
            look.ros_nanos.saturating_sub(self.last.ros_nanos)
        } else if self.stands_still(look) {
            i64::try_from((look.machine - self.last.machine).as_nanos()).unwrap_or(i64::MAX)
        } else {
            0
        };
        self.last = look;
        let passed_nanos = passed_nanos.clamp(0, LONGEST_STEP_NANOS);
        self.log_time_nanos = self.log_time_nanos.saturating_add(passed_nanos);
        self.log_time_nanos
    }

    /// Images come, and the clock does not move. A simulator that rests sends none, and everything waits with it.
    fn stands_still(&self, look: Look) -> bool {
        look.machine - self.moved.machine >= STANDSTILL
            && look.images - self.moved.images >= STANDSTILL_IMAGES
            && look.machine - self.image.machine < STANDSTILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// A clock that is looked at every tenth of a second of the machine's, with an image each time.
    struct Watch {
        course: Option<Course>,
        look: Look,
    }

    impl Watch {
        fn new() -> Self {
            let look = Look {
                ros_nanos: 0,
                images: 0,
                machine: Duration::ZERO,
            };
            Self { course: None, look }
        }

        fn shows(&mut self, ros_nanos: i64) -> i64 {
            self.look.images += 1;
            self.shows_without_image(ros_nanos)
        }

        fn shows_without_image(&mut self, ros_nanos: i64) -> i64 {
            self.look.machine += Duration::from_millis(100);
            self.look.ros_nanos = ros_nanos;
            let course = self.course.get_or_insert_with(|| Course::from(self.look));
            course.at(self.look)
        }
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_where_it_was() {
        let mut watch = Watch::new();
        let times = [10, 15, 15, 3, 4, 20, 1].map(|nanos| watch.shows(nanos));
        assert_eq!(times, [10, 15, 15, 15, 16, 32, 32]);
    }

    #[test]
    fn one_negative_clock_message_stopped_time_for_good() {
        // given what r2r makes of five seconds before 1970
        let before_1970 = Duration::from_nanos((-5 * SECOND).cast_unsigned());
        assert_eq!(signed_nanos(before_1970), -5 * SECOND);
        // then time goes on with the clock's next message
        let mut watch = Watch::new();
        let times = [SECOND, -5 * SECOND, SECOND, 2 * SECOND].map(|nanos| watch.shows(nanos));
        assert_eq!(times, [SECOND, SECOND, 7 * SECOND, 8 * SECOND]);
    }

    #[test]
    fn wild_clock_messages_do_not_lead_to_the_end_of_time() {
        let mut watch = Watch::new();
        watch.shows(SECOND);
        for _ in 0..1000 {
            watch.shows(i64::MAX);
            watch.shows(i64::MIN);
        }
        let before = watch.shows(SECOND);
        assert_eq!(watch.shows(2 * SECOND), before + SECOND);
    }

    #[test]
    fn time_goes_on_with_the_machines_where_the_clock_stands_still_and_images_come() {
        let mut watch = Watch::new();
        let begin = watch.shows(50 * SECOND);
        // given 1.9 s in which it may just be slow
        (0..19).for_each(|_| assert_eq!(watch.shows(50 * SECOND), begin));
        // then two more seconds are two seconds
        (0..20).for_each(|_| {
            watch.shows(50 * SECOND);
        });
        let stood = watch.shows(50 * SECOND);
        assert_eq!(stood, begin + 2 * SECOND + SECOND / 10);
        // and when it moves, it is the clock again
        assert_eq!(watch.shows(51 * SECOND), stood + SECOND);
        assert_eq!(watch.shows(51 * SECOND), stood + SECOND);
    }

    #[test]
    fn a_simulator_that_rests_or_is_slow_is_waited_for() {
        let mut watch = Watch::new();
        let begin = watch.shows(50 * SECOND);
        // An image with each move of the clock, every three seconds.
        for step in 1..=10 {
            (0..29).for_each(|_| {
                watch.shows_without_image(50 * SECOND + (step - 1));
            });
            assert_eq!(watch.shows(50 * SECOND + step), begin + step);
        }
        // Many images, and then none for a minute.
        (0..15).for_each(|_| assert_eq!(watch.shows(50 * SECOND + 10), begin + 10));
        (0..600).for_each(|_| {
            watch.shows_without_image(50 * SECOND + 10);
        });
        let rested = watch.shows_without_image(50 * SECOND + 10) - begin;
        assert!(rested < 2 * SECOND, "{rested}");
    }
}
