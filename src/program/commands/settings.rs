//! From a file and what was typed to settings in force. Options win over the file.

use std::path::Path;
use std::thread::available_parallelism;

use spatial_reward_core::estimator::Estimators;
use spatial_reward_core::settings::{Config, Follow, Model, Settings};
use spatial_reward_offline::label::roles::TruthTopics;
use spatial_reward_offline::regions_file::BagRegions;

use crate::program::cli::{
    ModelOptions, RegionOptions, SettingsOptions, TopicOptions, TruthOptions,
};
use crate::program::model;

/// The estimators of this build.
pub(crate) fn estimators() -> Estimators {
    Estimators::default()
        .with(model::registration())
        .with_detector(model::detector())
        .with_segmenter(model::segmenter())
}

pub(crate) fn config_file(path: Option<&Path>) -> spatial_reward_core::Result<Config> {
    path.map_or_else(|| Ok(Config::default()), Config::from_file)
}

/// Settings in force, of what was typed.
pub(crate) fn ready(config: Config) -> spatial_reward_core::Result<Settings> {
    estimators().settings(config)
}

/// A segmenter that was typed is asked nothing where nobody says what it should follow.
pub(crate) fn tell_of_idle_segmenter(is_typed: bool, settings: &Settings) {
    let regions = &settings.regions;
    let follow = [regions.fingertip.follow, regions.target.follow];
    if is_typed && !follow.contains(&Follow::Sam2) {
        tracing::warn!(
            "--segmenter is not asked: give --follow sam2 too, and it follows the regions that are drawn or found"
        );
    }
}

pub(crate) fn set<T>(setting: &mut T, typed: Option<T>) {
    if let Some(typed) = typed {
        *setting = typed;
    }
}

fn name(setting: &mut Option<String>, typed: Option<String>) {
    if typed.is_some() {
        *setting = typed;
    }
}

impl ModelOptions {
    /// What was typed, in the place of the file's settings.
    pub(crate) fn set(self, model: &mut Model) {
        name(&mut model.path, self.model);
        set(&mut model.device, self.device);
        set(&mut model.dtype, self.dtype);
        set(&mut model.weights, self.weights);
        set(&mut model.tower_weights, self.tower_weights);
        name(&mut model.template, self.template);
        set(&mut model.max_new_tokens, self.max_new_tokens);
        set(&mut model.relative_depth, self.relative_depth);
        name(&mut model.depth_model, self.depth_model);
        set(&mut model.depth_scale, self.depth_scale);
        set(&mut model.batch, self.batch);
    }
}

impl SettingsOptions {
    /// The file's settings, with what was typed in their place.
    pub(crate) fn into_config(self) -> spatial_reward_core::Result<Config> {
        self.into_config_of(None)
    }

    /// The same for a bag in which somebody drew boxes. They stand between the two: what is typed wins over them.
    pub(crate) fn into_config_of(
        self,
        drawn: Option<&BagRegions>,
    ) -> spatial_reward_core::Result<Config> {
        let mut config = config_file(self.config.as_deref())?;
        if let Some(drawn) = drawn {
            drawn.set(&mut config);
        }
        set(&mut config.estimator.kind, self.estimator);
        config.estimator.distance = self.distance.or(config.estimator.distance);
        set(&mut config.reward.kind, self.reward);
        self.model.set(&mut config.model);
        self.topics.set(&mut config);
        self.regions.set(&mut config);
        Ok(config)
    }
}

impl TopicOptions {
    /// What was typed, in the place of the file's settings.
    pub(crate) fn set(self, config: &mut Config) {
        config.depth.registered |= self.depth_registered;
        let topics = &mut config.topics;
        name(&mut topics.image, self.image_topic);
        name(&mut topics.depth, self.depth_topic);
        name(&mut topics.camera_info, self.camera_info_topic);
        let (fingertip, target) = (self.fingertip_topic, self.target_topic);
        name(&mut topics.fingertip, fingertip.clone());
        name(&mut topics.target, target.clone());
        name(&mut topics.task_prompt, self.task_prompt_topic);
        // A region has one source: the one that was typed.
        let regions = &mut config.regions;
        for (region, topic) in [
            (&mut regions.fingertip, &fingertip),
            (&mut regions.target, &target),
        ] {
            if topic.is_some() {
                region.forget_source();
            }
        }
        let given = |classes: Vec<String>| Some(classes).filter(|classes| !classes.is_empty());
        set(&mut topics.fingertip_class, given(self.fingertip_class));
        set(&mut topics.target_class, given(self.target_class));
    }
}

impl RegionOptions {
    /// What was typed, in the place of the file's settings, its topics and what it says of their boxes.
    pub(crate) fn set(self, config: &mut Config) {
        name(&mut config.detector.path, self.detector);
        config.detector.take_best |= self.take_best;
        name(&mut config.segmenter.path, self.segmenter);
        let (regions, topics) = (&mut config.regions, &mut config.topics);
        for (region, topic, frame, size_m, drawn, fixed, words, example) in [
            (
                &mut regions.fingertip,
                &mut topics.fingertip,
                self.fingertip_frame,
                self.fingertip_size,
                self.fingertip_box,
                self.fingertip_fixed,
                self.fingertip_words,
                self.fingertip_example,
            ),
            (
                &mut regions.target,
                &mut topics.target,
                self.target_frame,
                self.target_size,
                self.target_box,
                self.target_fixed,
                self.target_words,
                self.target_example,
            ),
        ] {
            let is_sought = !words.is_empty() || example.is_some();
            if frame.is_some() || !drawn.is_empty() || fixed.is_some() || is_sought {
                *topic = None;
                region.forget_source();
                region.picture_size = None;
                region.delay_s = 0.0;
                (region.frame, region.drawn, region.fixed) = (frame, drawn, fixed);
                (region.words, region.example) = (words, example);
            }
            set(&mut region.follow, self.follow);
            set(&mut region.size_m, size_m);
        }
    }
}

impl From<TruthOptions> for TruthTopics {
    fn from(options: TruthOptions) -> Self {
        Self {
            fingertip: options.truth_fingertip,
            target: options.truth_target,
            surface: options.truth_surface,
            cloud: options.truth_cloud,
        }
    }
}

pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::estimators;
    use crate::program::cli::ESTIMATORS;

    #[test]
    fn every_estimator_of_this_build_can_be_typed() {
        assert_eq!(estimators().names().collect::<Vec<_>>(), ESTIMATORS);
    }
}
