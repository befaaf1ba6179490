//! What the node says about itself: once a second on /diagnostics, and in its log what it waits for
//! while no reward comes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use r2r::QosProfile;
use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus, KeyValue};

use super::clock;
use super::inputs::Inputs;
use super::lifecycle::State;
use super::outgoing::Outlet;
use super::rig::RigState;
use super::statistics::{Statistics, Window};
use super::subscription::Subscription;
use crate::error::Result;

const PERIOD: Duration = Duration::from_secs(1);
const NOTICE: Duration = Duration::from_secs(5);

/// Publishes diagnostics and writes notices, each in its time.
pub(crate) struct Diagnostics {
    outlet: Outlet<DiagnosticArray>,
    node: String,
    last: Instant,
    last_notice: Instant,
    skipped_before: u64,
    left_out_before: BTreeMap<String, u64>,
    /// Cameras without which steps were, a second ago.
    without: Vec<String>,
}

/// What the node is doing, beside measuring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation<'a> {
    pub between_episodes: bool,
    /// Simulated time has not begun.
    pub without_time: bool,
    /// Nobody sends pictures because the rewards are asked for by calls.
    pub serves_calls: bool,
    /// Other nodes of the same name.
    pub namesakes: usize,
    pub rig: &'a RigState,
    /// Of a managed node, where it stands and what went wrong last.
    pub management: Option<(State, &'a str)>,
}

impl Situation<'_> {
    /// The state of a managed node that hears nothing.
    fn rests(self) -> Option<State> {
        let (state, _) = self.management?;
        (state != State::Active).then_some(state)
    }
}

impl Diagnostics {
    /// # Errors
    /// ROS refuses the topic.
    pub(crate) fn new(node: &mut r2r::Node, full_name: String) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            outlet: Outlet::new(node, "/diagnostics", QosProfile::default())?,
            node: full_name.trim_start_matches('/').to_owned(),
            last: now,
            last_notice: now,
            skipped_before: 0,
            left_out_before: BTreeMap::new(),
            without: Vec::new(),
        })
    }

    /// Whether a second has passed.
    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() >= PERIOD
    }

    /// Publish the state of things.
    ///
    /// # Errors
    /// ROS refuses the message.
    pub(crate) fn publish(
        &mut self,
        inputs: &Inputs,
        statistics: &Statistics,
        situation: Situation<'_>,
        ros_nanos: i64,
    ) -> Result<()> {
        self.last = Instant::now();
        let skips = statistics.skipped - self.skipped_before;
        self.skipped_before = statistics.skipped;
        self.note_left_out(statistics);
        let message = DiagnosticArray {
            header: r2r::std_msgs::msg::Header {
                stamp: clock::message(ros_nanos),
                frame_id: String::new(),
            },
            status: vec![
                self.rewards(statistics, situation, skips),
                self.inputs(inputs, situation),
            ],
        };
        self.outlet.publish(message)
    }

    /// Which cameras the steps of the last second were without; what changes is told.
    fn note_left_out(&mut self, statistics: &Statistics) {
        let before = std::mem::replace(&mut self.left_out_before, statistics.left_out.clone());
        let is_more = |(camera, count): &(&String, &u64)| before.get(*camera) != Some(count);
        let without = statistics.left_out.iter().filter(is_more);
        let without: Vec<String> = without.map(|(camera, _)| camera.clone()).collect();
        for camera in without.iter().filter(|one| !self.without.contains(one)) {
            tracing::warn!(
                "steps are without camera {camera}: its pictures come late, or not at all (matching.wait_s)"
            );
        }
        for camera in self.without.iter().filter(|one| !without.contains(one)) {
            tracing::info!("camera {camera} is in time");
        }
        self.without = without;
    }

    fn rewards(
        &self,
        statistics: &Statistics,
        situation: Situation<'_>,
        skips: u64,
    ) -> DiagnosticStatus {
        let Statistics {
            tally,
            skipped,
            between_episodes,
            deactivated,
            duplicates,
            broken,
            last_broken,
            calls,
            ..
        } = statistics;
        let (level, words) = words(statistics, situation, skips, &self.without);
        let mut values = vec![
            entry("steps", tally.steps()),
            entry("valid", tally.valid),
            entry("skipped", skipped),
            entry("between_episodes", between_episodes),
            entry("duplicates", duplicates),
            entry("broken_pictures", broken),
            entry("last_broken_picture", last_broken),
            entry("calls_done", calls.done),
            entry("calls_busy", calls.busy),
            entry("calls_late", calls.late),
            entry("calls_bad", calls.bad),
            entry("nodes_of_this_name", situation.namesakes + 1),
        ];
        if let Some((state, error)) = situation.management {
            values.extend([
                entry("state", state.label()),
                entry("last_error", error),
                entry("deactivated", deactivated),
                entry("calls_not_active", calls.not_active),
            ]);
        }
        for (reason, count) in &tally.invalid {
            values.push(entry(&format!("invalid_{}", reason.name()), count));
        }
        for (camera, count) in &statistics.left_out {
            values.push(entry(&format!("left_out_{camera}"), count));
        }
        for (name, window) in [
            ("queue", &statistics.queue_s),
            ("decode", &statistics.decode_s),
            ("estimate", &statistics.estimate_s),
            ("total", &statistics.total_s),
            ("age", &statistics.age_s),
        ] {
            values.extend(milliseconds(name, window));
        }
        self.status("rewards", level, words, values)
    }

    fn inputs(&self, inputs: &Inputs, situation: Situation<'_>) -> DiagnosticStatus {
        let rig = situation.rig;
        let silent: Vec<&str> = silent(inputs).map(|one| one.what.as_str()).collect();
        let waiting = (!silent.is_empty()).then(|| format!("waiting for {}", silent.join(", ")));
        let missing = rig.missing().map(str::to_owned);
        let all: Vec<String> = waiting.into_iter().chain(missing).collect();
        let (level, words) = match all.as_slice() {
            _ if situation.rests().is_some() => (Level::Ok, "none is listened to".to_owned()),
            [] => (Level::Ok, "every input comes".to_owned()),
            all => (Level::Warn, all.join("; ")),
        };
        let mut values = Vec::new();
        for (key, words) in [
            ("no_transform", &rig.unplaced),
            ("depth_not_registered", &rig.unregistered),
            ("depth_camera_mm", &rig.depth_camera_mm),
            ("transforms_left_out", &rig.refused),
        ] {
            values.extend(words.as_ref().map(|words| entry(key, words)));
        }
        for one in &inputs.subscriptions {
            let name = one.what.replace(' ', "_");
            values.push(entry(&format!("{name}_topic"), &one.topic));
            values.push(entry(&format!("{name}_received"), one.received));
            if let Some(last) = one.last_received {
                let age = format!("{:.3}", last.elapsed().as_secs_f64());
                values.push(entry(&format!("{name}_age_s"), age));
            }
            if one.before_clock > 0 {
                values.push(entry(&format!("{name}_before_clock"), one.before_clock));
            }
            if one.unreadable > 0 {
                values.push(entry(&format!("{name}_unreadable"), one.unreadable));
                values.push(entry(&format!("{name}_last_error"), &one.last_error));
            }
        }
        if !inputs.task_prompt.is_empty() {
            values.push(entry("task", &inputs.task_prompt));
        }
        self.status("inputs", level, words, values)
    }

    fn status(
        &self,
        part: &str,
        level: Level,
        message: String,
        values: Vec<KeyValue>,
    ) -> DiagnosticStatus {
        DiagnosticStatus {
            level: level as u8,
            name: format!("{}: {part}", self.node),
            message,
            hardware_id: String::new(),
            values,
        }
    }

    /// Every few seconds without a valid reward: which input is waited for, or why the steps are invalid.
    pub(crate) fn notice(
        &mut self,
        node: &r2r::Node,
        inputs: &Inputs,
        statistics: &mut Statistics,
        situation: Situation<'_>,
    ) {
        // A node that was just activated gets as long as one that was just started.
        if situation.rests().is_some() {
            self.last_notice = Instant::now();
        }
        if self.last_notice.elapsed() < NOTICE {
            return;
        }
        self.last_notice = Instant::now();
        let recent = std::mem::take(&mut statistics.recent);
        if recent.valid > 0 || situation.serves_calls {
            return;
        }
        if situation.without_time {
            tracing::warn!("waiting for /clock, because use_sim_time is set");
        } else if situation.between_episodes {
            tracing::info!("between episodes: call ~/start_episode to go on");
        } else {
            if recent.steps() > 0 {
                tracing::warn!(
                    "no valid reward in the last 5 s; of {} steps: {}",
                    recent.steps(),
                    recent.reasons()
                );
            }
            tell_silent(node, inputs, situation.rig);
        }
    }
}

/// What the node does about rewards, and whether somebody should look.
fn words(
    statistics: &Statistics,
    situation: Situation<'_>,
    skips: u64,
    without: &[String],
) -> (Level, String) {
    let idle = (statistics.last_valid).is_none_or(|last| last.elapsed() > NOTICE);
    let error = situation.management.map_or("", |(_, error)| error);
    if let Some(state) = situation.rests() {
        match error {
            "" => (Level::Ok, state.label().to_owned()),
            error => (Level::Error, format!("{}: {error}", state.label())),
        }
    } else if situation.without_time {
        (Level::Warn, "waiting for /clock".to_owned())
    } else if situation.between_episodes {
        (Level::Ok, "between episodes".to_owned())
    } else if situation.serves_calls && idle {
        (Level::Ok, "answering calls".to_owned())
    } else if idle {
        (Level::Warn, "no valid reward for 5 s".to_owned())
    } else if skips > 0 {
        let words = format!("{skips} frames skipped in the last second: the estimator is busy");
        (Level::Warn, words)
    } else if !without.is_empty() {
        let words = format!("steps are without camera {}", without.join(", "));
        (Level::Warn, words)
    } else {
        (Level::Ok, "publishing rewards".to_owned())
    }
}

/// The needed inputs from which nothing has come for a while.
fn silent(inputs: &Inputs) -> impl Iterator<Item = &Subscription> {
    (inputs.subscriptions.iter())
        .filter(|one| one.needed && one.last_received.is_none_or(|at| at.elapsed() > NOTICE))
}

fn tell_silent(node: &r2r::Node, inputs: &Inputs, rig: &RigState) {
    let mut any = false;
    for missing in rig.missing() {
        any = true;
        tracing::warn!("{missing}");
    }
    for one in silent(inputs) {
        any = true;
        tracing::warn!("waiting for the {}: {}", one.what, one.obstacle(node));
    }
    for one in inputs.subscriptions.iter().filter(|one| one.unreadable > 0) {
        any = true;
        tracing::warn!(
            "{} of {} messages on {} cannot be read: {}",
            one.unreadable,
            one.received,
            one.topic,
            one.last_error
        );
    }
    if !any {
        tracing::info!("every input comes; no frame has been measured yet");
    }
}

#[derive(Debug, Clone, Copy)]
enum Level {
    Ok = 0,
    Warn = 1,
    Error = 2,
}

fn entry(key: &str, value: impl ToString) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.to_string(),
    }
}

fn milliseconds(name: &str, window: &Window) -> Vec<KeyValue> {
    let Some((p50, p99)) = window.p50_p99() else {
        return vec![];
    };
    vec![
        entry(&format!("{name}_p50_ms"), format!("{:.3}", p50 * 1e3)),
        entry(&format!("{name}_p99_ms"), format!("{:.3}", p99 * 1e3)),
    ]
}
