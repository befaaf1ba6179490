//! Foxglove's annotations of the pictures that steps were measured in, on a topic beside each camera's images: what the
//! labelled bag has of the same recording.

use std::collections::BTreeMap;

use r2r::{PublisherUntyped, QosProfile};

use crate::error::{Error, Result, ros};
use crate::outputs::{HISTORY, is_heard};
use crate::task::Sight;
use crate::wants::{Names, cameras, image_topic};
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::colors::Colors;
use spatial_reward_core::frame::Reason;
use spatial_reward_core::messages::image_annotations::TYPE_NAME;
use spatial_reward_core::pipeline::measure::Size;
use spatial_reward_core::settings::{Plan, Settings};
use spatial_reward_core::shown::{Shown, ShownRegion, topic_beside};
use spatial_reward_core::step::Step;

/// The publishers, from one configuration of a managed node to the next.
#[derive(Default)]
pub(crate) struct Topics(BTreeMap<String, PublisherUntyped>);

impl Topics {
    /// What annotates the pictures of these pairs; `None` where nobody wants it.
    ///
    /// # Errors
    /// `Error::ConfigValue` where the program was built without the message type; a topic name that ROS refuses.
    pub(crate) fn annotations(
        &mut self,
        node: &mut r2r::Node,
        pairs: &[Plan],
        names: Names<'_>,
        settings: &Settings,
    ) -> Result<Option<Annotations>> {
        let wanted = match settings.output.annotations {
            true => annotated(pairs, names),
            false => Vec::new(),
        };
        let is_left = |topic: &String| wanted.iter().all(|(_, wanted)| wanted != topic);
        for (_, publisher) in self.0.extract_if(.., |topic, _| is_left(topic)) {
            node.destroy_publisher_untyped(publisher);
        }
        let mut cameras = Vec::new();
        for (camera, topic) in &wanted {
            let publisher = match self.0.get(topic) {
                Some(publisher) => publisher.clone(),
                None => publisher(node, topic)?,
            };
            self.0.insert(topic.clone(), publisher.clone());
            cameras.push(Camera::new(camera, publisher));
        }
        let is_wanted = !cameras.is_empty();
        Ok(is_wanted.then(|| Annotations::new(cameras, pairs, settings)))
    }
}

/// The cameras whose pictures are others than those of the ones before, with the topics of their annotations.
fn annotated(pairs: &[Plan], names: Names<'_>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for plan in cameras(pairs) {
        let topic = topic_beside(&image_topic(plan, names));
        if all.iter().all(|(_, known)| *known != topic) {
            all.push((plan.camera.clone(), topic));
        }
    }
    all
}

fn publisher(node: &mut r2r::Node, topic: &str) -> Result<PublisherUntyped> {
    let qos = QosProfile::default().keep_last(HISTORY);
    match node.create_publisher_untyped(topic, TYPE_NAME, qos) {
        Err(r2r::Error::InvalidMessageType { .. }) => Err(Error::Core(CoreError::ConfigValue {
            key: "output.annotations".to_owned(),
            value: "true".to_owned(),
            expected:
                "false, for this node was built where there was no foxglove_msgs: install it \
                       (ros-$ROS_DISTRO-foxglove-msgs), then build the node again"
                    .to_owned(),
        })),
        other => other.map_err(ros(format!("publish {topic}"))),
    }
}

/// Publishes them.
pub(crate) struct Annotations {
    /// The step's own first.
    cameras: Vec<Camera>,
    /// Of the step's own distance.
    own: Named,
    /// Those beside it.
    others: Vec<Named>,
    colors: Colors,
}

/// Which regions a pair has, and which camera sees them.
struct Named {
    camera: String,
    regions: [String; 2],
}

impl Named {
    fn of(plan: &Plan) -> Self {
        Self {
            camera: plan.camera.clone(),
            regions: [plan.pair.first.clone(), plan.pair.second.clone()],
        }
    }

    fn add(&self, sight: &Sight, regions: &mut Vec<ShownRegion>) {
        for (name, seen) in self.regions.iter().zip(sight.boxes) {
            ShownRegion::add(regions, name, seen);
        }
    }
}

impl Annotations {
    fn new(cameras: Vec<Camera>, pairs: &[Plan], settings: &Settings) -> Self {
        let mut named = pairs.iter().map(Named::of);
        let own = named.next().unwrap_or_else(|| Named {
            camera: String::new(),
            regions: Default::default(),
        });
        Self {
            cameras,
            own,
            others: named.collect(),
            colors: Colors::of(settings),
        }
    }

    /// Whether anybody looks.
    pub(crate) fn is_watched(&self) -> bool {
        self.cameras.iter().any(Camera::is_heard)
    }

    /// Publish what the pictures of a step show: its own, of that size, and those that other pairs were seen in.
    ///
    /// # Errors
    /// ROS refuses a message.
    pub(crate) fn publish(
        &mut self,
        step: &Step,
        size: Option<Size>,
        sights: &[Sight],
    ) -> Result<()> {
        let stamp_nanos = step.stamp_nanos;
        let Self {
            cameras,
            own,
            others,
            colors,
        } = self;
        let of_camera = |camera: &str| {
            let named = sights.iter().filter_map(|sight| {
                let of = others.get(sight.other)?;
                (of.camera == camera).then_some((of, sight))
            });
            named.collect::<Vec<_>>()
        };
        let Some((first, beside)) = cameras.split_first_mut() else {
            return Ok(());
        };
        let mut regions = ShownRegion::of_step(step, own.regions.each_ref().map(String::as_str));
        for (of, sight) in of_camera(&own.camera) {
            if sight.stamp_nanos == stamp_nanos {
                of.add(sight, &mut regions);
            }
        }
        first.note_size(size);
        first.publish(stamp_nanos, &regions, step, colors)?;
        // A wild stamp is no moment of the other cameras.
        if step.reason == Some(Reason::WildStamp) {
            return Ok(());
        }
        for camera in beside {
            let seen = of_camera(&camera.name);
            let Some((_, nearest)) = seen.first() else {
                continue;
            };
            let stamp_nanos = nearest.stamp_nanos;
            // A picture may be the nearest to two steps.
            if camera.last_nanos == Some(stamp_nanos) {
                continue;
            }
            let mut regions = Vec::new();
            for (of, sight) in seen
                .iter()
                .filter(|(_, one)| one.stamp_nanos == stamp_nanos)
            {
                of.add(sight, &mut regions);
                camera.note_size(sight.size);
            }
            camera.publish(stamp_nanos, &regions, step, colors)?;
        }
        Ok(())
    }
}

/// A camera's pictures, for who draws over them.
struct Camera {
    /// Empty where there is but one.
    name: String,
    publisher: PublisherUntyped,
    /// Of its pictures, once one was seen.
    size: Option<Size>,
    /// The stamp of the one that was published last.
    last_nanos: Option<i64>,
}

impl Camera {
    fn new(name: &str, publisher: PublisherUntyped) -> Self {
        Self {
            name: name.to_owned(),
            publisher,
            size: None,
            last_nanos: None,
        }
    }

    fn is_heard(&self) -> bool {
        is_heard(self.publisher.get_inter_process_subscription_count().ok())
    }

    fn note_size(&mut self, size: Option<Size>) {
        self.size = self.size.or(size);
    }

    fn publish(
        &mut self,
        stamp_nanos: i64,
        regions: &[ShownRegion],
        step: &Step,
        colors: &Colors,
    ) -> Result<()> {
        self.last_nanos = Some(stamp_nanos);
        if !self.is_heard() {
            return Ok(());
        }
        let shown = Shown {
            stamp_nanos,
            size: self.size,
            camera: &self.name,
            regions,
            step,
            colors,
        };
        // Field by field and not as bytes: a foxglove_msgs of before `metadata` leaves that out.
        let fields = serde_json::to_value(shown.annotations()).map_err(|error| Error::Ros {
            action: "publish annotations".to_owned(),
            message: error.to_string(),
        })?;
        (self.publisher.publish(fields)).map_err(ros("publish annotations"))
    }
}
