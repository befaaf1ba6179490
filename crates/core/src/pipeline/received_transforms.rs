//! Transforms as they come in live. Those of a clock that was set back are kept apart from what comes after, as images and
//! boxes are; what never moves holds on both sides.

use std::collections::{BTreeMap, HashMap};

use super::clock::Moment;
use crate::messages::TransformStamped;
use crate::settings::Config;
use crate::stamp::{NANOS_PER_SECOND, nanos_from_seconds};
use crate::transforms::{Refused, TransformTree};

/// Where a message of a stream belongs, from its stamp and the stream's newest moment; nowhere if its stamp is a wild
/// image's.
pub(super) type Place<'a> = &'a dyn Fn(i64, Option<Moment>) -> Option<Moment>;

/// As long as tf2 keeps them, beyond what a frame waits.
const KEPT_NANOS: i64 = 10 * NANOS_PER_SECOND;
/// A publisher that makes up a name with each message is not remembered for ever.
const MAX_FRAMES: usize = 10_000;

/// The transforms that came so far, by the epoch of the images that they belong to.
#[derive(Debug)]
pub(super) struct ReceivedTransforms {
    /// What never moves, alone.
    fixed: TransformTree,
    epochs: BTreeMap<u64, TransformTree>,
    /// Of each frame that moves.
    newest: HashMap<String, Moment>,
    refused: Refused,
}

impl ReceivedTransforms {
    pub(super) fn new(config: &Config) -> Self {
        let matching = &config.matching;
        let kept_nanos = nanos_from_seconds(matching.wait_s).saturating_add(KEPT_NANOS);
        let fixed = TransformTree::new(nanos_from_seconds(matching.box_max_age_s));
        Self {
            fixed: fixed.with_history(kept_nanos),
            epochs: BTreeMap::new(),
            newest: HashMap::new(),
            refused: Refused::default(),
        }
    }

    /// Take a message in. What is no transform is counted and left out.
    pub(super) fn push(
        &mut self,
        received_nanos: i64,
        sent: &[TransformStamped],
        is_static: bool,
        place: Place<'_>,
    ) {
        for one in sent {
            if let Err(why) = self.take(received_nanos, one, is_static, place) {
                self.refused.add(why, 1);
            }
        }
    }

    fn take(
        &mut self,
        received_nanos: i64,
        sent: &TransformStamped,
        is_static: bool,
        place: Place<'_>,
    ) -> Result<(), String> {
        let child = &sent.child_frame_id;
        if is_static {
            admit(&self.fixed, child)?;
            self.fixed.take(sent, received_nanos, true)?;
            let mut trees = self.epochs.values_mut();
            return trees.try_for_each(|tree| tree.take(sent, received_nanos, true));
        }
        let newest = self.newest.get(child).copied();
        let stamp_nanos = match sent.header.stamp_nanos() {
            0 => received_nanos,
            stamp_nanos => stamp_nanos,
        };
        let Some(moment) = place(stamp_nanos, newest) else {
            return Ok(());
        };
        let fixed = &self.fixed;
        let tree = self.epochs.entry(moment.epoch);
        let tree = tree.or_insert_with(|| fixed.clone());
        admit(tree, child)?;
        tree.advance(received_nanos);
        tree.take(sent, received_nanos, false)?;
        self.newest
            .insert(child.clone(), newest.max(Some(moment)).unwrap_or(moment));
        Ok(())
    }

    /// Those of an epoch.
    pub(super) fn tree(&self, epoch: u64) -> &TransformTree {
        self.epochs.get(&epoch).unwrap_or(&self.fixed)
    }

    /// Those of the newest epoch.
    pub(super) fn newest(&self) -> &TransformTree {
        let newest = self.epochs.last_key_value();
        newest.map_or(&self.fixed, |(_, tree)| tree)
    }

    /// What never moves, alone.
    pub(super) fn fixed(&self) -> &TransformTree {
        &self.fixed
    }

    /// What was wrong with transforms.
    pub(super) fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Forget epochs that no image is of any more.
    pub(super) fn forget_before(&mut self, epoch: u64) {
        while let Some(first) = self
            .epochs
            .first_entry()
            .filter(|first| *first.key() < epoch)
        {
            first.remove();
        }
    }
}

/// # Errors
/// There are too many frames already.
fn admit(tree: &TransformTree, child: &str) -> Result<(), String> {
    match tree.has(child) || tree.count() < MAX_FRAMES {
        true => Ok(()),
        false => Err(format!(
            "there are {MAX_FRAMES} frames already, and another one is left out"
        )),
    }
}
