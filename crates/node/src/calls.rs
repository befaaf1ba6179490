//! AnnotateStep: a frame and its boxes in a service call, their reward in its answer. The ROS thread takes
//! calls in and answers those whose time has run out; the estimation answers the others. Whoever takes a
//! call out of the list answers it, so each has one answer. One file from the request to the response, because that
//! promise is only seen as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use r2r::spatial_reward::msg::StepReward as StepRewardMessage;
use r2r::spatial_reward::srv::AnnotateStep;
use r2r::{ServiceRequest, WrappedTypesupport};

use crate::answers::{Answers, Hurry};
use crate::error::Result;
use crate::error::{poisoned, ros};
use spatial_reward_core::frame::{BoundingBox, BoxSource, Intrinsics, Masks, Reason};
use spatial_reward_core::messages::step_reward::{self, StepMeta};
use spatial_reward_core::messages::{
    CompressedImage, Decoder, Header, Image, Projection, Time, cdr,
};
use spatial_reward_core::pipeline::{FrameInfo, MatchedFrame, Rewarder};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::step::{Latency, Step};

const IMAGE: &str = "sensor_msgs/msg/Image";
const COMPRESSED_IMAGE: &str = "sensor_msgs/msg/CompressedImage";

/// Series beyond this many are refused: their episodes are remembered for as long as the node runs.
const MAX_SERIES: usize = 4096;

/// Episodes of calls are counted from here, so that an estimator that remembers an episode's first frame
/// never takes them for those of the topics.
const FIRST_EPISODE: u64 = 1 << 32;

/// A call that waits for its answer.
struct Pending {
    request: ServiceRequest<AnnotateStep::Service>,
    deadline: Instant,
    header: Header,
    received_nanos: i64,
}

/// A call on its way to the estimator.
pub(crate) struct Call {
    id: u64,
    message: AnnotateStep::Request,
    received_nanos: i64,
    pub received: Instant,
    /// The newest intrinsics of the topic, for a call that brings none.
    intrinsics: Option<Intrinsics>,
}

/// The calls that wait, at work ones included.
#[derive(Default)]
pub(crate) struct Calls {
    pending: Mutex<BTreeMap<u64, Pending>>,
    /// The answers of every service.
    pub answers: Answers,
}

/// How a call that was taken in goes on.
pub(crate) enum Taken {
    /// To the estimator.
    Call(Box<Call>),
    /// Answered: too many wait.
    Busy,
    /// Answered: it cannot be measured.
    Bad,
    /// Answered: the node is not active.
    NotActive,
}

impl Calls {
    /// Take a call in; the number gives it its place in the list. With `closed`, why none is measured now, it is refused.
    ///
    /// # Errors
    /// A step that does not become a message.
    pub(crate) fn take(
        &self,
        id: u64,
        mut request: ServiceRequest<AnnotateStep::Service>,
        settings: &Settings,
        received_nanos: i64,
        intrinsics: Option<Intrinsics>,
        closed: Option<&str>,
    ) -> Result<Taken> {
        let message = std::mem::take(&mut request.message);
        let header = header_of(&message);
        let asked_s = seconds(&message);
        let deadline_s = match asked_s {
            0.0 => settings.live.call_deadline_s,
            asked_s => asked_s,
        };
        let deadline = Duration::try_from_secs_f64(deadline_s)
            .ok()
            .and_then(|wait| Instant::now().checked_add(wait));
        let pending = Pending {
            request,
            deadline: deadline.unwrap_or_else(Instant::now),
            header,
            received_nanos,
        };
        if let Some(why) = closed {
            let status = AnnotateStep::Response::NOT_ACTIVE as u8;
            pending.refuse(status, why, Reason::Late, settings, &self.answers)?;
            return Ok(Taken::NotActive);
        }
        if let Err(why) = check_task(settings).and_then(|()| check(&message)) {
            let status = AnnotateStep::Response::BAD_REQUEST as u8;
            pending.refuse(status, &why, Reason::NoImage, settings, &self.answers)?;
            return Ok(Taken::Bad);
        }
        let mut list = self.list()?;
        // One is at work beside those that wait.
        if list.len() > settings.live.calls_waiting as usize {
            drop(list);
            let why = format!(
                "{} calls wait already (live.calls_waiting): call again later",
                settings.live.calls_waiting
            );
            let status = AnnotateStep::Response::BUSY as u8;
            pending.refuse(status, &why, Reason::Late, settings, &self.answers)?;
            return Ok(Taken::Busy);
        }
        list.insert(id, pending);
        Ok(Taken::Call(Box::new(Call {
            id,
            message,
            received_nanos,
            received: Instant::now(),
            intrinsics,
        })))
    }

    /// Answer the calls whose deadline has passed; how many there were.
    ///
    /// # Errors
    /// A step that does not become a message.
    pub(crate) fn expire(&self, settings: &Settings) -> Result<u64> {
        let now = Instant::now();
        let mut list = self.list()?;
        let expired: Vec<u64> = list
            .iter()
            .filter(|(_, pending)| pending.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        let expired: Vec<Pending> = expired.iter().filter_map(|id| list.remove(id)).collect();
        drop(list);
        let count = expired.len() as u64;
        for pending in expired {
            let status = AnnotateStep::Response::LATE as u8;
            let why = "the deadline passed first";
            pending.refuse(status, why, Reason::Late, settings, &self.answers)?;
        }
        Ok(count)
    }

    /// Answer every call that still waits: the node ends.
    ///
    /// # Errors
    /// A step that does not become a message.
    pub(crate) fn shut_down(&self, settings: &Settings) -> Result<()> {
        let status = AnnotateStep::Response::SHUTTING_DOWN as u8;
        self.refuse_all(status, "the node is shutting down", settings)?;
        self.answers.send_all()
    }

    /// Answer every call that still waits: a managed node is not active any more. How many there were.
    ///
    /// # Errors
    /// A step that does not become a message.
    pub(crate) fn close(&self, why: &str, settings: &Settings) -> Result<u64> {
        let status = AnnotateStep::Response::NOT_ACTIVE as u8;
        self.refuse_all(status, why, settings)
    }

    fn refuse_all(&self, status: u8, why: &str, settings: &Settings) -> Result<u64> {
        let list = std::mem::take(&mut *self.list()?);
        let count = list.len() as u64;
        for pending in list.into_values() {
            pending.refuse(status, why, Reason::Late, settings, &self.answers)?;
        }
        Ok(count)
    }

    /// Whether no call waits.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        Ok(self.list()?.is_empty())
    }

    /// Whether the call still waits for an answer.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn is_waiting(&self, call: &Call) -> Result<bool> {
        Ok(self.list()?.contains_key(&call.id))
    }

    /// Answer a call with its step, or with what is wrong with it; false if its time ran out before.
    ///
    /// # Errors
    /// A step that does not become a message.
    pub(crate) fn answer(
        &self,
        id: u64,
        answer: std::result::Result<CallResult<'_>, String>,
        settings: &Settings,
    ) -> Result<bool> {
        let Some(pending) = self.list()?.remove(&id) else {
            return Ok(false);
        };
        match answer {
            Ok(CallResult { step, meta }) => {
                let status = AnnotateStep::Response::DONE as u8;
                pending.tell(status, "", &step, &meta, Hurry::Measured, &self.answers)?;
            }
            Err(why) => {
                let status = AnnotateStep::Response::BAD_REQUEST as u8;
                pending.refuse(status, &why, Reason::NoImage, settings, &self.answers)?;
            }
        }
        Ok(true)
    }

    fn list(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<u64, Pending>>> {
        self.pending.lock().map_err(|_| poisoned("calls"))
    }
}

/// A measured step.
pub(crate) struct CallResult<'a> {
    pub step: Step,
    pub meta: StepMeta<'a>,
}

impl Pending {
    /// An answer without a measurement: an invalid step with this reason.
    fn refuse(
        self,
        status: u8,
        message: &str,
        reason: Reason,
        settings: &Settings,
        answers: &Answers,
    ) -> Result<()> {
        let info = FrameInfo {
            log_time_nanos: self.received_nanos,
            frame_id: self.header.frame_id.clone(),
            reason: Some(reason),
            ..FrameInfo::at(self.header.stamp_nanos())
        };
        let step = Rewarder::new(settings).push(info, Err(reason), Latency::default());
        let meta = StepMeta {
            reward_kind: settings.reward.kind.name(),
            estimator: settings.estimator().name,
        };
        self.tell(status, message, &step, &meta, Hurry::None, answers)
    }

    fn tell(
        self,
        status: u8,
        message: &str,
        step: &Step,
        meta: &StepMeta<'_>,
        hurry: Hurry,
        answers: &Answers,
    ) -> Result<()> {
        let bytes = step_reward::encode(step, meta)?;
        let step = StepRewardMessage::from_serialized_bytes(&bytes)
            .map_err(ros("make an answer of a step"))?;
        let response = AnnotateStep::Response {
            status,
            message: message.to_owned(),
            step,
        };
        answers.give(hurry, self.request, response, "an annotate_step call")
    }
}

/// The episodes of the calls' series.
#[derive(Default)]
pub(crate) struct Series {
    by_name: HashMap<String, OneSeries>,
    episodes: u64,
}

struct OneSeries {
    rewarder: Rewarder,
    episode: u64,
}

impl Series {
    /// The frame of a call, as the pipeline would have matched it, with the decoders for its pictures.
    ///
    /// # Errors
    /// What is wrong with the call.
    pub(crate) fn frame(
        &mut self,
        call: &Call,
        settings: &Settings,
    ) -> std::result::Result<(MatchedFrame, Decoder), String> {
        let episode = self.episode(&call.message, settings)?;
        let message = &call.message;
        let (type_name, image) = image_bytes(message).map_err(|error| error.to_string())?;
        let depth = match message.depth.data.is_empty() {
            true => None,
            false => Some(image_cdr(&message.depth).map_err(|error| error.to_string())?),
        };
        let header = header_of(message);
        let stamp_nanos = match header.stamp_nanos() {
            0 => call.received_nanos,
            stamp_nanos => stamp_nanos,
        };
        let fingertip = bbox(&message.fingertip_box);
        let target = bbox(&message.target_box);
        let reason = match (fingertip, target) {
            (None, _) => Some(Reason::NoFingertipBox),
            (_, None) => Some(Reason::NoTargetBox),
            _ => (settings.needs_depth() && depth.is_none()).then_some(Reason::NoDepth),
        };
        let frame = MatchedFrame {
            info: FrameInfo {
                stamp_nanos,
                timeline_nanos: stamp_nanos,
                log_time_nanos: call.received_nanos,
                frame_id: header.frame_id,
                episode,
                fingertip,
                target,
                fingertip_source: fingertip.map(|_| BoxSource::SEEN),
                target_source: target.map(|_| BoxSource::SEEN),
                tf_m: None,
                reason,
            },
            image: image.into(),
            depth: depth.map(Into::into),
            intrinsics: intrinsics(message, settings)?.or(call.intrinsics),
            masks: Masks::default(),
            // A caller knows the picture that it sends with its boxes and its depth.
            places: None,
            registration: None,
        };
        let decoder = Decoder::for_channel(type_name, None).map_err(|error| error.to_string())?;
        Ok((frame, decoder))
    }

    /// The episode that the call belongs to, begun if it is the first.
    fn episode(
        &mut self,
        message: &AnnotateStep::Request,
        settings: &Settings,
    ) -> std::result::Result<u64, String> {
        let known = self.by_name.contains_key(&message.series);
        if !known && self.by_name.len() >= MAX_SERIES {
            return Err(format!(
                "there are {MAX_SERIES} series already: name one of them, with start_episode for a new episode"
            ));
        }
        if !known || message.start_episode {
            self.episodes += 1;
        }
        let begun = FIRST_EPISODE + self.episodes;
        let series = (self.by_name.entry(message.series.clone())).or_insert_with(|| OneSeries {
            rewarder: Rewarder::new(settings),
            episode: begun,
        });
        if message.start_episode {
            series.episode = begun;
        }
        Ok(series.episode)
    }

    /// The rewarder of a call's series.
    pub(crate) fn rewarder(&mut self, call: &Call) -> Option<&mut Rewarder> {
        (self.by_name.get_mut(&call.message.series)).map(|series| &mut series.rewarder)
    }

    /// Other settings for the steps to come.
    pub(crate) fn reconfigure(&mut self, settings: &Settings) {
        for series in self.by_name.values_mut() {
            series.rewarder.reconfigure(settings);
        }
    }
}

impl Call {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

/// A call brings one picture with two boxes; phases ask for more, and for what was seen before.
fn check_task(settings: &Settings) -> std::result::Result<(), String> {
    match settings.task.phases.is_empty() {
        true => Ok(()),
        false => Err(
            "this node follows a task, whose phases no single picture tells: take its rewards from its topics, or \
             call a node whose settings have no task.phases"
                .to_owned(),
        ),
    }
}

/// What can be seen to be wrong without looking at pixels.
fn check(message: &AnnotateStep::Request) -> std::result::Result<(), String> {
    let (image, compressed) = (&message.image, &message.compressed_image);
    if image.data.is_empty() && compressed.data.is_empty() {
        return Err("image and compressed_image are both empty: one must have the frame".into());
    }
    if !image.data.is_empty() && !compressed.data.is_empty() {
        return Err("image and compressed_image are both given: leave one empty".into());
    }
    for (name, corners) in [
        ("fingertip_box", &message.fingertip_box),
        ("target_box", &message.target_box),
    ] {
        let proper = |bbox: BoundingBox| bbox.is_proper();
        if !bbox(corners).is_none_or(proper) {
            return Err(format!(
                "{name} is {corners:?}, but must be x_min, y_min, x_max, y_max with x_min < x_max and y_min < \
                 y_max, or NaN where nothing was detected"
            ));
        }
    }
    let asked_s = seconds(message);
    if asked_s < 0.0 {
        return Err(format!("deadline is {asked_s} s, but must not be negative"));
    }
    Ok(())
}

fn seconds(message: &AnnotateStep::Request) -> f64 {
    f64::from(message.deadline.sec) + f64::from(message.deadline.nanosec) * 1e-9
}

/// A box with a NaN was not detected; so was one that was never filled in.
fn bbox(corners: &[f64]) -> Option<BoundingBox> {
    match *corners {
        [x_min, y_min, x_max, y_max] if corners.iter().all(|edge| !edge.is_nan()) => {
            let unset = corners.iter().all(|edge| *edge == 0.0);
            (!unset).then(|| BoundingBox::new(x_min, y_min, x_max, y_max))
        }
        _ => None,
    }
}

fn header_of(message: &AnnotateStep::Request) -> Header {
    let header = match message.image.data.is_empty() {
        true => &message.compressed_image.header,
        false => &message.image.header,
    };
    own_header(header)
}

fn own_header(header: &r2r::std_msgs::msg::Header) -> Header {
    Header {
        stamp: Time {
            sec: header.stamp.sec,
            nanosec: header.stamp.nanosec,
        },
        frame_id: header.frame_id.clone(),
    }
}

/// The image as a message of its type, for the decoder that reads topics and bags.
fn image_bytes(message: &AnnotateStep::Request) -> Result<(&'static str, Vec<u8>)> {
    if !message.image.data.is_empty() {
        return Ok((IMAGE, image_cdr(&message.image)?));
    }
    let image = &message.compressed_image;
    let bytes = cdr::encode(
        COMPRESSED_IMAGE,
        &CompressedImage {
            header: own_header(&image.header),
            format: &image.format,
            data: &image.data,
        },
    )?;
    Ok((COMPRESSED_IMAGE, bytes))
}

fn image_cdr(image: &r2r::sensor_msgs::msg::Image) -> spatial_reward_core::Result<Vec<u8>> {
    cdr::encode(
        IMAGE,
        &Image {
            header: own_header(&image.header),
            height: image.height,
            width: image.width,
            encoding: &image.encoding,
            is_bigendian: image.is_bigendian,
            step: image.step,
            data: &image.data,
        },
    )
}

/// The call's own intrinsics; none if it brings none. No topic's name tells whether its picture is rectified.
fn intrinsics(
    message: &AnnotateStep::Request,
    settings: &Settings,
) -> std::result::Result<Option<Intrinsics>, String> {
    let info = &message.camera_info;
    if info.k.iter().chain(&info.p).all(|value| *value == 0.0) {
        return Ok(None);
    }
    let type_name = "sensor_msgs/msg/CameraInfo";
    let decoder = Decoder::for_channel(type_name, None).map_err(|error| error.to_string())?;
    let projection = Projection::of(settings.topics.rectification, "", None);
    let decoder = decoder.with_projection(projection);
    let bytes = info
        .to_serialized_bytes()
        .map_err(|error| error.to_string())?;
    let (_, intrinsics) =
        (decoder.camera_info(&bytes)).map_err(|error| format!("camera_info: {error}"))?;
    Ok(Some(intrinsics))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> AnnotateStep::Request {
        AnnotateStep::Request {
            image: r2r::sensor_msgs::msg::Image {
                data: vec![0; 3],
                ..Default::default()
            },
            fingertip_box: vec![0.0, 0.0, 1.0, 1.0],
            target_box: vec![f64::NAN; 4],
            ..Default::default()
        }
    }

    #[test]
    fn a_call_is_refused_for_what_can_be_seen_at_once() {
        assert_eq!(check(&request()), Ok(()));
        let empty = AnnotateStep::Request::default();
        assert!(check(&empty).unwrap_err().contains("both empty"));
        let mut turned = request();
        turned.fingertip_box = vec![5.0, 0.0, 1.0, 1.0];
        assert!(check(&turned).unwrap_err().starts_with("fingertip_box is"));
        let mut hurried = request();
        hurried.deadline.sec = -1;
        assert!(check(&hurried).unwrap_err().contains("negative"));
    }

    #[test]
    fn a_box_that_was_not_detected_is_none() {
        assert_eq!(bbox(&[0.0; 4]), None);
        assert_eq!(bbox(&[0.0, 0.0, f64::NAN, 1.0]), None);
        assert!(bbox(&[0.0, 0.0, 1.0, 1.0]).is_some());
    }

    #[test]
    fn a_series_begins_an_episode_when_it_is_new_or_asked_to() {
        let settings = Settings::geometry();
        let mut series = Series::default();
        let mut episode = |name: &str, start_episode| {
            let message = AnnotateStep::Request {
                series: name.to_owned(),
                start_episode,
                ..request()
            };
            series.episode(&message, &settings).unwrap()
        };
        let first = episode("a", false);
        assert_eq!(episode("a", false), first);
        let other = episode("b", true);
        assert_ne!(other, first);
        assert_eq!(episode("a", false), first);
        let next = episode("a", true);
        assert!(next != first && next != other);
    }
}
