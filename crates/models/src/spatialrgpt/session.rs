//! A conversation with the model about one picture.

use std::time::Instant;

use super::model::Features;
use super::open::Located;
use super::respondent::Respondent;
use crate::error::Result;
use spatial_reward_core::prompt::Conversation;
use spatial_reward_core::question::{MarkedPicture, Reply};
use spatial_reward_core::settings::Settings;

/// A loaded model with the features of a picture.
pub struct Session {
    respondent: Respondent,
    features: Features,
    conversation: Conversation,
}

impl Session {
    /// Loads the model and shows it the picture. Without a depth picture of the caller's, Depth Anything
    /// estimates it if the settings name one, and the model sees colour alone if they do not.
    ///
    /// # Errors
    /// What is wrong with the model or the picture, by name.
    pub fn open(settings: &Settings, located: &Located, picture: MarkedPicture) -> Result<Self> {
        let located = Located {
            // Nobody asks it where the depth is given.
            depth_model: (located.depth_model.clone()).filter(|_| picture.depth.is_none()),
            ..located.clone()
        };
        let respondent = Respondent::load(settings, &located)?;
        let view = respondent.view(&picture)?;
        Ok(Self {
            conversation: respondent.conversation(&view),
            features: respondent.encode(view)?,
            respondent,
        })
    }

    /// Asks, with `<regionN>` for region N; earlier questions and answers are remembered.
    ///
    /// # Errors
    /// A question that mentions a region that is not there, or none where there are some, or that the model was not
    /// trained on; libtorch's.
    pub fn ask(&mut self, question: &str) -> Result<Reply> {
        let begin = Instant::now();
        let prompt = self.respondent.prompt(&mut self.conversation, question)?;
        let said = self.respondent.say(&self.features, &prompt)?;
        Ok(self
            .respondent
            .reply(&mut self.conversation, question, prompt.text, &said, begin))
    }
}
