//! One bag, read frame by frame: the labeller's own matching and following of what was drawn, with everything else that
//! belongs to a frame's stamp.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::extras::{Extra, ExtraTopics, Extras, PictureTopic};
use crate::by_stamp::{self, ByStamp};
use crate::error::{Error, Result};
use crate::label::decoders::picture_decoder_of;
use crate::label::follow::{Placed, Placing};
use crate::label::intake::{Intake, matcher};
use crate::label::registration;
use crate::label::request::Work;
use crate::label::roles::{Roles, TruthTopics};
use crate::label::transforms;
use crate::message_types::{COMPRESSED_IMAGE, is_of_type};
use crate::role::Role;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::pipeline::{MatchedFrame, Matcher};
use spatial_reward_core::registration::Registration;
use spatial_reward_core::settings::{Regions, Settings};
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_core::transforms::TransformTree;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader, Loss};

/// More frames than this do not wait, however slowly the bag's clock goes.
const MAX_WAITING: usize = 64;

/// How the pictures of a bag are read, and what holds for all of them.
pub(crate) struct Decoders {
    /// Of the colour images.
    pub image: Decoder,
    /// The images are files as they are.
    pub image_is_compressed: bool,
    /// Of the camera's depth images.
    pub depth: Option<Decoder>,
    /// What these are registered with; `None` where they are registered already, or each frame says so as a node would know
    /// it.
    pub registration: Option<Registration>,
    /// Of the depth images without noise.
    pub truth_depth: Option<Decoder>,
    /// Of the pictures of instances.
    pub instances: Option<Decoder>,
    /// Where TF frames are; `None` where no region is at one, or each frame says so as a node would know it.
    pub transforms: Option<TransformTree>,
}

/// Where the regions that somebody drew are in each frame of a bag.
pub(crate) struct Drawn<'a> {
    measurer: Measurer<'a>,
    placed: Placed,
}

impl Drawn<'_> {
    /// For one passage through the frames, in order.
    pub(crate) fn placing(&self) -> Placing<'_> {
        self.placed.placing(&self.measurer)
    }
}

/// A frame with all that belongs to it.
pub(crate) struct Joined {
    /// What the matcher made of it.
    pub frame: MatchedFrame,
    /// Frames of the bag before it.
    pub index: u64,
    /// What else has its stamp.
    pub extra: Extra,
}

/// A bag on its way through the matcher.
pub(crate) struct Source<'a> {
    reader: BagReader,
    info: BagInfo,
    roles: Roles,
    intake: Intake<'a>,
    matcher: Matcher,
    /// Its frames by their stamps alone, where something was recorded too late for its image.
    by_stamp: Option<ByStamp>,
    images_read: u64,
    image_topic: Option<usize>,
    extras: Extras,
    /// How its pictures are read, on any thread.
    pub decoders: Arc<Decoders>,
    /// Role to topic.
    pub topics: BTreeMap<String, String>,
    /// Frames that wait for what the matcher does not know of.
    waiting: VecDeque<MatchedFrame>,
    wait_nanos: i64,
    now_nanos: i64,
    messages_read: u64,
    frames: u64,
    ended: bool,
}

impl<'a> Source<'a> {
    /// Open a bag and find its topics.
    ///
    /// # Errors
    /// What makes the bag unreadable, or what of it a data set cannot do without; `Error::Interrupted`.
    pub(crate) fn open(path: &Path, topics: &ExtraTopics, work: Work<'a>) -> Result<Self> {
        let Work {
            settings,
            video,
            stop,
            ..
        } = work;
        let reader = BagReader::open(path)?;
        let info = reader.info().clone();
        let roles = Roles::find(&reader, settings, &TruthTopics::default())?;
        let extras = Extras::find(&info, &roles, settings, topics)?;
        require(&info, &roles, &extras, settings)?;
        let decoders = decoders(&info, &roles, &extras, work)?;
        let mut intake = Intake::new(&info, &roles, settings, video, stop)?;
        let mut extras = extras.with_sight(intake.sight());
        let by_stamp = match by_stamp::is_needed(&info, &roles, settings, video, stop)? {
            false => None,
            true => {
                let mut each = |message: &BagMessage| {
                    extras.take_light(message);
                    Ok(())
                };
                let frames = ByStamp::survey(&info, &roles, settings, &mut intake, &mut each)?;
                Some(frames)
            }
        };
        let mut names = roles.topic_names(&info);
        names.retain(|role, _| !role.starts_with("truth"));
        names.extend(extras.topic_names(&info));
        Ok(Self {
            reader,
            decoders: Arc::new(decoders),
            topics: names,
            intake,
            matcher: matcher(&roles, settings),
            by_stamp,
            images_read: 0,
            image_topic: roles.topic(Role::Image),
            extras,
            info,
            roles,
            waiting: VecDeque::new(),
            wait_nanos: nanos_from_seconds(settings.matching.wait_s),
            now_nanos: i64::MIN,
            messages_read: 0,
            frames: 0,
            ended: false,
        })
    }

    /// What the source had lost; complete after the last frame.
    pub(crate) fn loss(&self) -> Option<&Loss> {
        self.reader.loss()
    }

    /// Messages that could not be read though the bag could.
    pub(crate) fn unreadable(&self) -> u64 {
        let of_roles: u64 = self.intake.unreadable().values().map(|it| it.count).sum();
        of_roles + self.extras.unreadable()
    }

    /// How much of the bag is read, from 0 to 1.
    pub(crate) fn progress(&self) -> f64 {
        let all = self.info.message_count.unwrap_or(0).max(1);
        (self.messages_read as f64 / all as f64).min(1.0)
    }

    /// Follow the regions of the bag that were drawn.
    ///
    /// # Errors
    /// As [`Placed::new`].
    pub(crate) fn drawn<'e>(
        &self,
        work: Work<'_>,
        estimator: &'e dyn Estimator,
    ) -> Result<Drawn<'e>> {
        let decoders = &self.decoders;
        let measurer = Measurer {
            estimator,
            image: decoders.image.clone(),
            depth: decoders.depth.clone(),
            registration: decoders.registration.clone(),
            regions: work.settings.regions.clone(),
            transforms: None,
        };
        let placed = Placed::new(&self.info, &self.roles, work, &measurer)?;
        Ok(Drawn { measurer, placed })
    }

    /// The next frame. Of all of them, in order, those get their boxes that somebody drew.
    ///
    /// # Errors
    /// What the first pictures show about the whole bag; errors of the machine; those of [`Placing::place`].
    pub(crate) fn next_frame(&mut self, placing: &mut Placing<'_>) -> Result<Option<Joined>> {
        loop {
            if let Some(mut frame) = self.due() {
                placing.place(&mut frame)?;
                let extra = self.extras.of(&frame.info);
                let index = self.frames;
                self.frames += 1;
                return Ok(Some(Joined {
                    frame,
                    index,
                    extra,
                }));
            }
            if self.ended {
                self.take_frames()?;
                if self.waiting.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            match self.reader.next_message()? {
                Some(message) => {
                    self.messages_read += 1;
                    self.now_nanos = self.now_nanos.max(message.log_time_nanos);
                    self.take(&message)?;
                }
                None => {
                    self.ended = true;
                    self.matcher.flush();
                }
            }
            self.take_frames()?;
        }
    }

    fn take(&mut self, message: &BagMessage) -> Result<()> {
        if self.by_stamp.is_some() {
            self.extras.take_picture(message);
            self.images_read += u64::from(Some(message.topic) == self.image_topic);
            return Ok(());
        }
        self.extras.take(message);
        let matcher = &mut self.matcher;
        let mut sink = |input| matcher.push(message.log_time_nanos, input);
        self.intake.take(message, &mut sink)?;
        // Time goes on with messages that no role reads.
        self.matcher.advance(message.log_time_nanos);
        Ok(())
    }

    fn take_frames(&mut self) -> Result<()> {
        let Some(frames) = &mut self.by_stamp else {
            self.waiting
                .extend(std::iter::from_fn(|| self.matcher.next_frame()));
            return Ok(());
        };
        while let Some(image) = frames.next_image() {
            // At the end one at a time, for its pictures are held while it waits.
            let is_due = image < self.images_read || self.ended && self.waiting.is_empty();
            if !is_due {
                break;
            }
            let Some(frame) = frames.next_frame()? else {
                break;
            };
            self.waiting.push_back(frame);
        }
        Ok(())
    }

    /// The next frame whose extras had the time to come that other inputs have.
    fn due(&mut self) -> Option<MatchedFrame> {
        let first = self.waiting.front()?;
        let deadline = first.info.log_time_nanos.saturating_add(self.wait_nanos);
        let is_due = self.ended || self.now_nanos > deadline || self.waiting.len() > MAX_WAITING;
        if is_due {
            self.waiting.pop_front()
        } else {
            None
        }
    }
}

/// A data set needs pictures, intrinsics, some depth and some regions.
fn require(info: &BagInfo, roles: &Roles, extras: &Extras, settings: &Settings) -> Result<()> {
    let Regions {
        fingertip, target, ..
    } = &settings.regions;
    let has_regions = roles.get(Role::Fingertip).is_some()
        || roles.get(Role::Target).is_some()
        || !(fingertip.is_detected() && target.is_detected())
        || extras.has_boxes();
    // Its answers come from geometry, whoever measures elsewhere.
    for missing in roles.missing(info, &Settings::geometry()) {
        let is_of =
            |wanted: Role| matches!(&missing, Error::NoTopic { role, .. } if *role == wanted);
        let can_do_without = (is_of(Role::Fingertip) || is_of(Role::Target)) && has_regions
            || is_of(Role::Depth) && extras.truth_depth.is_some();
        if !can_do_without {
            return Err(missing);
        }
    }
    Ok(())
}

fn decoders(info: &BagInfo, roles: &Roles, extras: &Extras, work: Work<'_>) -> Result<Decoders> {
    let settings = work.settings;
    let decoder_of = |role| picture_decoder_of(info, roles, role, settings);
    let transforms = transforms::read(info, work)?;
    let registration = registration::of_bag(info, roles, settings, transforms.as_ref(), work.stop)?;
    let is_as_live = settings.matching.as_live;
    let of_extra = |topic: &Option<PictureTopic>| topic.as_ref().map(|topic| topic.decoder.clone());
    let image = roles.topic(Role::Image).and_then(|at| info.topics.get(at));
    Ok(Decoders {
        image: decoder_of(Role::Image)?.ok_or_else(|| Error::NothingToDo {
            path: info.path.clone(),
            message: "it has no colour image".to_owned(),
        })?,
        image_is_compressed: image.is_some_and(|topic| is_of_type(topic, COMPRESSED_IMAGE)),
        depth: decoder_of(Role::Depth)?,
        registration: registration.filter(|_| !is_as_live),
        truth_depth: of_extra(&extras.truth_depth),
        instances: of_extra(&extras.instances),
        transforms: transforms.filter(|_| !is_as_live),
    })
}
