//! A conversation with the model about one picture.

use std::time::Instant;

use super::config::is_same_question;
use super::model::Features;
use super::open::{self, Located};
use super::reasoner::{Decoded, Reasoner, std_m};
use super::relative_depth::DepthNetwork;
use crate::error::{Error, Result};
use spatial_reward_core::answer::parse_distance;
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::prompt::Conversation;
use spatial_reward_core::question::{MarkedPicture, Reply};
use spatial_reward_core::settings::Settings;

/// A loaded model with the features of a picture.
pub struct Session {
    reasoner: Reasoner,
    features: Features,
    conversation: Conversation,
    /// What the calibration was fitted for.
    question: String,
    calibration: Option<Calibration>,
}

impl Session {
    /// Loads the model and shows it the picture. Without a depth picture of the caller's, Depth Anything
    /// estimates it if the settings name one, and the model sees colour alone if they do not.
    ///
    /// # Errors
    /// What is wrong with the model or the picture, by name.
    pub fn open(
        settings: &Settings,
        located: &Located,
        mut picture: MarkedPicture,
    ) -> Result<Self> {
        let reasoner = open::reasoner(settings, &located.model)?;
        if !picture.masks.is_empty() && !reasoner.takes_regions() {
            return Err(Error::NoRegions);
        }
        if let Some(folder) = &located.depth_model
            && picture.depth.is_none()
            && reasoner.takes_depth()
        {
            let network = DepthNetwork::load(folder, open::placement_of(settings)?)?;
            let (width, height) = (picture.color.width, picture.color.height);
            let disparity = network.disparity(&picture.color)?;
            picture.depth = Some(disparity.relative_depth(width, height, None)?);
        }
        let view = reasoner.view(&picture.color, picture.depth.as_ref(), &picture.masks)?;
        let with_depth = view.depth.is_some();
        let regions = view.masks.len();
        let features = reasoner
            .encode(&[view])?
            .pop()
            .ok_or_else(|| Error::torch("encode the picture", "nothing came out"))?;
        Ok(Self {
            conversation: Conversation::new(reasoner.template(), with_depth, regions),
            question: settings.model.question.clone(),
            calibration: (settings.model.calibration()).or(reasoner.trained().calibration),
            reasoner,
            features,
        })
    }

    /// Asks, with `<regionN>` for region N; earlier questions and answers are remembered.
    ///
    /// # Errors
    /// A question that mentions a region that is not there, or none where there are some, or that the model was not
    /// trained on; libtorch's.
    pub fn ask(&mut self, question: &str) -> Result<Reply> {
        let begin = Instant::now();
        let prompt = self.conversation.ask(question)?;
        self.reasoner.trained().check(question)?;
        let said = self.reasoner.answer(&[(&self.features, &prompt)])?;
        let said: Decoded = said.into_iter().next().unwrap_or_default();
        let parsed = parse_distance(&said.text);
        let spread_m = parsed.as_ref().and_then(|parsed| said.spread_m(parsed));
        // A conversation is about anything: of other answers nobody knows how far their spread is to be believed.
        let calibration = (self.calibration).filter(|_| is_same_question(question, &self.question));
        let answer = self.conversation.answered(&said.text);
        Ok(Reply {
            text: answer.text,
            unknown_regions: answer.unknown_regions,
            confidence: parsed.as_ref().and_then(|p| said.confidence(&p.numbers)),
            distance_m: parsed.map(|parsed| parsed.distance_m),
            distance_std_m: std_m(spread_m, calibration),
            std_is_calibrated: calibration.is_some(),
            complete: said.stopped,
            prompt: prompt.text,
            seconds: begin.elapsed().as_secs_f64(),
        })
    }
}
