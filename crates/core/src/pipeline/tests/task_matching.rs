//! Frames of a whole task: what is of one moment comes together, and a camera that is late or dead holds nothing up.

use super::*;
use crate::task::When;

const TWO_CAMERAS: &str = "
topics: {fingertip: /boxes, target: /boxes}
regions: {cube: {topic: /boxes}}
cameras:
  front: {image: /front}
  side: {image: /side, regions: {fingertip: {topic: /side/boxes}, cube: {topic: /side/boxes}}}
task: {pairs: [fingertip-cube, fingertip-target], gripper_topic: /joints}
matching: {wait_s: 0.2}
";
const IMAGES: Streams = Streams {
    depth: false,
    camera_info: false,
    fingertip: false,
    target: false,
};
/// Pairs: both of the first camera, and the one that the second sees.
const FRONT: usize = 0;
const FRONT_TOO: usize = 1;
const SIDE: usize = 2;

/// The matcher of a task, fed in milliseconds.
struct Task(TaskMatcher);

impl Task {
    fn new() -> Self {
        let settings = settings(TWO_CAMERAS);
        let plans = settings.plans().unwrap();
        let (own, others) = plans.split_first().unwrap();
        let others: Vec<&Settings> = others.iter().map(|plan| &plan.settings).collect();
        assert_eq!(others.len(), 2);
        Self(TaskMatcher::new(&own.settings, &others, |_| IMAGES))
    }

    /// A picture of the first camera, and where the gripper is.
    fn front(&mut self, ms: i64) {
        self.opening(ms, 0.08);
        self.picture(ms);
    }

    /// One that both pairs see.
    fn picture(&mut self, ms: i64) {
        for pair in [FRONT, FRONT_TOO] {
            self.0.push(ms * MS, pair, image(ms));
        }
    }

    fn side(&mut self, log_ms: i64, ms: i64) {
        self.0.push(log_ms * MS, SIDE, image(ms));
    }

    fn opening(&mut self, ms: i64, opening_m: f64) {
        let when = When {
            stamp_nanos: ms * MS,
            log_time_nanos: ms * MS,
        };
        self.0.push_opening(when, opening_m);
    }

    /// What comes out by a time: the stamps of the steps, of the frames beside them, and who was late.
    fn by(&mut self, ms: i64) -> Vec<(i64, Vec<Option<i64>>, Vec<usize>)> {
        self.0.advance(ms * MS);
        let joined = std::iter::from_fn(|| self.0.next_frame());
        let told = joined.map(|joined| {
            let stamp_ms = |frame: &MatchedFrame| frame.info.stamp_nanos / MS;
            let others = joined
                .others
                .iter()
                .map(|other| other.as_ref().map(stamp_ms));
            (stamp_ms(&joined.own), others.collect(), joined.late)
        });
        told.collect()
    }
}

#[test]
fn a_step_has_the_frames_of_all_pairs_nearest_to_it() {
    // Given two cameras whose pictures are 5 ms apart
    let mut task = Task::new();
    task.front(100);
    // Then a step waits for the other camera
    assert_eq!(task.by(104), []);
    assert!(task.0.has_pending());
    task.side(105, 105);
    assert_eq!(task.by(105), [(100, vec![Some(100), Some(105)], vec![])]);
    assert!(!task.0.has_pending());
    // and for the gripper
    task.picture(133);
    task.side(138, 138);
    assert_eq!(task.by(139), []);
    task.opening(140, 0.02);
    task.0.advance(140 * MS);
    assert_eq!(task.0.next_frame().unwrap().opening_m, Some(0.02));
}

#[test]
fn a_camera_that_is_late_is_left_out_and_said_to_be_late() {
    // Given another camera whose second picture comes after the wait
    let mut task = Task::new();
    task.front(100);
    task.side(101, 100);
    assert_eq!(task.by(102).len(), 1);
    task.front(133);
    assert_eq!(task.by(333), []);
    // When it is over
    let step = task.by(334);
    // Then the step goes on without it
    assert_eq!(step, [(133, vec![Some(133), None], vec![1])]);
    // and what comes too late is of no step
    task.side(340, 133);
    task.front(341);
    task.side(342, 341);
    assert_eq!(task.by(343), [(341, vec![Some(341), Some(341)], vec![])]);
}

#[test]
fn a_dead_camera_delays_the_steps_of_its_first_second_alone() {
    // Given one that stopped
    let mut task = Task::new();
    task.front(100);
    task.side(100, 100);
    assert_eq!(task.by(100).len(), 1);
    // Then steps wait for it
    task.front(1000);
    assert_eq!(task.by(1001), []);
    assert_eq!(task.by(1201).len(), 1);
    // and later do not, but are told of it
    for ms in [1200, 1233, 1266] {
        task.front(ms);
        assert_eq!(task.by(ms), [(ms, vec![Some(ms), None], vec![1])]);
    }
    // and when it speaks again it is waited for
    task.side(1290, 1290);
    task.front(1300);
    task.front(1400);
    assert_eq!(task.by(1401), []);
}

#[test]
fn an_episode_that_ends_by_order_settles_what_waits() {
    // Given a step that waits for the other camera
    let mut task = Task::new();
    task.front(100);
    assert_eq!(task.by(101), []);
    // When all is settled and another episode begins
    task.0.flush();
    task.0.split(102 * MS);
    task.front(110);
    task.side(110, 110);
    // Then the step is there, and the next is of another episode
    task.0.advance(110 * MS);
    let frames: Vec<Joined> = std::iter::from_fn(|| task.0.next_frame()).collect();
    let told: Vec<(i64, u64)> = (frames.iter())
        .map(|joined| (joined.own.info.stamp_nanos / MS, joined.own.info.episode))
        .collect();
    assert_eq!(told, [(100, 0), (110, 1)]);
}
