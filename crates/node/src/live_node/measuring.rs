//! What a node does to measure: load its estimator, hear its inputs, fall silent, let go. One that is not managed does
//! the first two when it starts.

use std::sync::atomic::Ordering;

use super::{LiveNode, matcher};
use crate::error::Result;
use crate::estimation::Estimation;
use crate::pairs::pairs;
use crate::wants::Names;

impl LiveNode {
    /// Begin to load the estimator that the settings name; with it, frames and episodes are counted anew.
    pub(super) fn load(&mut self, node: &mut r2r::Node) -> Result<()> {
        let settings = self.shared.settings()?;
        self.duplicates_before += self.matcher.own().duplicates();
        self.pairs = pairs(&settings)?;
        self.matcher = matcher(&self.pairs, &settings, &self.inputs);
        self.shared.first_open_episode.store(0, Ordering::Relaxed);
        let names = Names {
            remaps: &self.remaps,
            identity: &self.identity,
        };
        let annotated = &mut self.workbench.annotated;
        let annotations = annotated.annotations(node, &self.pairs, names, &settings)?;
        let (sinks, progress) = (
            self.workbench.sinks(annotations)?,
            self.workbench.progress(),
        );
        self.estimation = Some(Estimation::start(&self.shared, sinks, progress)?);
        Ok(())
    }

    /// Hear the inputs, and publish what comes of them; the next image begins an episode.
    pub(super) fn hear(&mut self, node: &mut r2r::Node) -> Result<()> {
        let names = Names {
            remaps: &self.remaps,
            identity: &self.identity,
        };
        self.inputs.subscribe(node, &self.pairs, names)?;
        for one in &self.inputs.subscriptions {
            tracing::info!("{} from {} ({})", one.what, one.topic, one.type_name);
        }
        self.episodes.begin_anew();
        self.workbench
            .rewards
            .open(self.matcher.own().next_episode())
    }

    /// Hear and publish nothing more. An open episode is truncated; what was received and not published yet is forgotten
    /// and counted, also what the estimator is at.
    pub(super) fn fall_silent(&mut self, why: &str) -> Result<()> {
        self.workbench.rewards.close()?;
        self.inputs.rest();
        self.matcher.flush();
        let mut forgotten = 0;
        while self.matcher.next_frame().is_some() {
            forgotten += 1;
        }
        if let Some(estimation) = &self.estimation {
            forgotten += estimation.forget_waiting();
        }
        let log_time_nanos = self.now.map_or(0, |now| now.log_time_nanos);
        self.matcher.split(log_time_nanos);
        self.matcher.hear_anew();
        let settings = self.shared.settings()?;
        let unanswered = self.shared.calls.close(why, &settings)?;
        let mut statistics = self.shared.statistics()?;
        statistics.deactivated += forgotten;
        statistics.calls.not_active += unanswered;
        drop(statistics);
        if self.episodes.is_open() {
            self.workbench.rewards.publish_truncated()?;
        }
        self.episodes.begin_anew();
        Ok(())
    }

    /// Drop the estimator, once it is done with the frame it is at.
    pub(super) fn let_go(&mut self) {
        self.ending = self.estimation.take().map(Estimation::let_go);
    }

    /// Whether the estimator is gone.
    pub(super) fn has_let_go(&mut self) -> bool {
        let is_over = self.ending.as_ref().is_none_or(|ending| ending.is_over());
        if is_over {
            self.ending = None;
        }
        is_over
    }
}
