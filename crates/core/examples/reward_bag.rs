//! Rewards for a bag without the program: reads it with `spatial-reward-rosbag2`, measures with `spatial-reward-core`, and
//! writes a copy with the rewards on a topic of their own, equal to those of `spatial-reward label`.
//!
//! `cargo run -p spatial-reward-core --example reward_bag -- BAG OUT COLOR DEPTH CAMERA_INFO FINGERTIP TARGET`,
//! where the last five are topics.

use std::collections::BTreeMap;
use std::error::Error;

use spatial_reward_core::geometry::GeometryEstimator;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::messages::step_reward::{self, StepMeta};
use spatial_reward_core::pipeline::measure::{Measurer, Task};
use spatial_reward_core::pipeline::reading::{self, StreamKind};
use spatial_reward_core::pipeline::{BoxRole, MatchedFrame, Matcher, Rewarder, Streams};
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::{BagInfo, BagReader, BagWriter, TopicInfo};

const KINDS: [StreamKind; 5] = [
    StreamKind::Image,
    StreamKind::Depth,
    StreamKind::CameraInfo,
    StreamKind::Boxes(BoxRole::Fingertip),
    StreamKind::Boxes(BoxRole::Target),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bag, out, topics @ ..] = arguments.as_slice() else {
        return Err("usage: reward_bag BAG OUT COLOR DEPTH CAMERA_INFO FINGERTIP TARGET".into());
    };
    let settings = Settings::geometry();
    let estimator = GeometryEstimator::new(&settings.geometry);
    let mut reader = BagReader::open(bag.as_ref())?;
    let info = reader.info().clone();
    let streams = streams(&info, topics)?;
    let decoder = |wanted| {
        let found = streams.values().find(|(kind, _)| *kind == wanted);
        found.map(|(_, decoder)| decoder.clone())
    };
    let measurer = Measurer {
        estimator: &estimator,
        image: decoder(StreamKind::Image).ok_or("name the colour topic")?,
        depth: decoder(StreamKind::Depth),
        registration: None,
        regions: settings.regions.clone(),
        transforms: None,
    };
    let rewards = TopicInfo::cdr(
        &settings.output.reward_topic,
        step_reward::TYPE_NAME,
        step_reward::DEFINITION,
        step_reward::TYPE_HASH,
    );
    let mut writer = BagWriter::create(out.as_ref(), "rewarded", info.storage, &info, &[rewards])?;
    let mut matcher = Matcher::recorded(&settings, Streams::ALL, settings.needs_depth());
    let mut rewarder = Rewarder::new(&settings);
    let meta = StepMeta {
        reward_kind: settings.reward.kind.name(),
        estimator: GeometryEstimator::NAME,
    };
    let mut reward = |frame: MatchedFrame, writer: &mut BagWriter| -> Result<(), Box<dyn Error>> {
        let keep_color = false;
        let measured = measurer.measure_one(Task {
            frame,
            look: None,
            keep_color,
        });
        let step = rewarder.push(measured.info, measured.measurement, measured.latency);
        let data = step_reward::encode(&step, &meta)?;
        // Added topics are numbered behind the source's.
        let (topic, time) = (info.topics.len(), step.log_time_nanos);
        writer.write(topic, time, time, u32::try_from(step.index)?, &data)?;
        Ok(())
    };
    while let Some(message) = reader.next_message()? {
        writer.write_message(&message)?;
        if let Some((kind, decoder)) = streams.get(&message.topic) {
            let log_time = message.log_time_nanos;
            let input = reading::read(*kind, decoder, &message.data, log_time)?;
            matcher.push(log_time, input);
        }
        while let Some(frame) = matcher.next_frame() {
            reward(frame, &mut writer)?;
        }
    }
    matcher.flush();
    if matcher.has_missed() {
        return Err(
            "something was recorded too late for its image: join it with a StampMatcher".into(),
        );
    }
    while let Some(frame) = matcher.next_frame() {
        reward(frame, &mut writer)?;
    }
    writer.finish()?;
    Ok(())
}

/// By topic: what its messages are to the pipeline, and who decodes them.
fn streams(
    info: &BagInfo,
    topics: &[String],
) -> Result<BTreeMap<usize, (StreamKind, Decoder)>, Box<dyn Error>> {
    let mut streams = BTreeMap::new();
    for (name, kind) in topics.iter().zip(KINDS) {
        let (index, topic) = topic_of(info, name)?;
        let decoder = Decoder::for_channel(&topic.type_name, topic.ros2msg())?;
        streams.insert(index, (kind, decoder));
    }
    Ok(streams)
}

fn topic_of<'a>(info: &'a BagInfo, name: &str) -> Result<(usize, &'a TopicInfo), String> {
    let mut topics = info.topics.iter().enumerate();
    let found = topics.find(|(_, topic)| topic.name == name);
    found.ok_or_else(|| format!("the bag has no topic {name}"))
}
