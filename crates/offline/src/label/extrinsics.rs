//! Where one camera of a bag is in another one's coordinate frame, by its transforms.

use std::sync::atomic::{AtomicBool, Ordering};

use nalgebra::Isometry3;

use crate::error::Result;
use crate::message_types::{TRANSFORMS, is_cdr, is_of_type};
use spatial_reward_core::messages::{Decoder, TransformStamped};
use spatial_reward_core::transforms::{TransformError, TransformTree, transform_of};
use spatial_reward_rosbag2::{BagInfo, BagReader, TopicInfo};

/// Where `from` is in `into`. Reads the bag until that is known, which a recording's first transforms tell, as a rule: two
/// cameras of one housing do not move.
///
/// # Errors
/// Those of the bag; the inner one says what is missing by its end, or once `stop` is set.
pub(crate) fn extrinsics(
    info: &BagInfo,
    into: &str,
    from: &str,
    stop: &AtomicBool,
) -> Result<Result<Isometry3<f64>, TransformError>> {
    let mut tree = TransformTree::new(0);
    let mut newest = 0;
    let decoders: Vec<Option<(Decoder, bool)>> = info.topics.iter().map(decoder).collect();
    let mut reader = BagReader::open(&info.path)?;
    let has_any = decoders.iter().any(Option::is_some);
    while has_any && let Some(message) = reader.next_message()? {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Some(Some((decoder, is_static))) = decoders.get(message.topic) else {
            continue;
        };
        for transform in decoder.transforms(&message.data).unwrap_or_default() {
            newest = newest.max(transform.header.stamp.nanos());
            insert(&mut tree, &transform, *is_static);
        }
        if let Ok(found) = tree.lookup(into, from, newest) {
            return Ok(Ok(found));
        }
    }
    Ok(tree.lookup(into, from, newest))
}

/// What reads the transforms of a topic, and whether they hold at all times.
fn decoder(topic: &TopicInfo) -> Option<(Decoder, bool)> {
    let fits = is_of_type(topic, TRANSFORMS) && is_cdr(topic);
    let decoder = fits.then(|| Decoder::for_channel(&topic.type_name, topic.ros2msg()));
    Some((decoder?.ok()?, topic.name.ends_with("tf_static")))
}

/// A transform that is none is as good as not recorded.
fn insert(tree: &mut TransformTree, transform: &TransformStamped, is_static: bool) {
    let placed = transform_of(transform.translation, transform.rotation);
    let inserted = placed.map(|placed| {
        let (parent, child) = (&transform.header.frame_id, &transform.child_frame_id);
        let stamp_nanos = transform.header.stamp.nanos();
        tree.insert(parent, child, stamp_nanos, placed, is_static)
    });
    if !matches!(inserted, Ok(Ok(()))) {
        tracing::debug!("a transform is left out: {transform:?}");
    }
}
