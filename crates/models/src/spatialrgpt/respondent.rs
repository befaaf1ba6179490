//! A loaded model that answers questions about pictures, whoever asks them: a conversation about one picture, or a server's
//! clients about a picture each.

use std::time::Instant;

use tch::Device;

use super::config::is_same_question;
use super::model::{Features, View};
use super::open::{self, Located};
use super::reasoner::{Decoded, Reasoner, std_m};
use super::relative_depth::DepthNetwork;
use crate::error::{Error, Result};
use spatial_reward_core::answer::parse_distance;
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::prompt::{Conversation, Prompt};
use spatial_reward_core::question::{Asked, MarkedPicture, Reply};
use spatial_reward_core::settings::Settings;

/// The model, with what is known of how far its answers are to be believed.
pub struct Respondent {
    reasoner: Reasoner,
    depth_network: Option<DepthNetwork>,
    /// What the calibration was fitted for.
    question: String,
    calibration: Option<Calibration>,
}

/// Why a question has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// It cannot be asked so.
    Refused(Error),
    /// The model failed.
    Failed(Error),
}

/// A question that can be asked.
struct Ready<'a> {
    asked: &'a Asked,
    conversation: Conversation,
    prompt: Prompt,
    view: View,
}

impl Respondent {
    /// Loads the networks that were located for these settings.
    ///
    /// # Errors
    /// What is wrong with them, by name.
    pub fn load(settings: &Settings, located: &Located) -> Result<Self> {
        let reasoner = open::reasoner(settings, &located.model)?;
        let depth_model = (located.depth_model.as_ref()).filter(|_| reasoner.takes_depth());
        let placement = open::placement_of(settings)?;
        Ok(Self {
            depth_network: depth_model
                .map(|folder| DepthNetwork::load(folder, placement))
                .transpose()?,
            question: settings.model.question.clone(),
            calibration: (settings.model.calibration()).or(reasoner.trained().calibration),
            reasoner,
        })
    }

    /// What the model is shown of a picture. Without a depth picture of the caller's, Depth Anything estimates it if there is
    /// one, and the model sees colour alone if there is not.
    ///
    /// # Errors
    /// Regions where the model knows none, a picture without pixels, libtorch's.
    pub(super) fn view(&self, picture: &MarkedPicture) -> Result<View> {
        if !picture.masks.is_empty() && !self.reasoner.takes_regions() {
            return Err(Error::NoRegions);
        }
        let estimated = match (&picture.depth, &self.depth_network) {
            (None, Some(network)) => {
                let (width, height) = (picture.color.width, picture.color.height);
                let disparity = network.disparity(&picture.color)?;
                Some(disparity.relative_depth(width, height, None)?)
            }
            _ => None,
        };
        let depth = picture.depth.as_ref().or(estimated.as_ref());
        self.reasoner.view(&picture.color, depth, &picture.masks)
    }

    /// Runs the vision half on one frame.
    ///
    /// # Errors
    /// libtorch's.
    pub(super) fn encode(&self, view: View) -> Result<Features> {
        let features = self.reasoner.encode(&[view])?.pop();
        features.ok_or_else(|| Error::torch("encode the picture", "nothing came out"))
    }

    /// A conversation about what is seen.
    pub(super) fn conversation(&self, view: &View) -> Conversation {
        Conversation::new(
            self.reasoner.template(),
            view.depth.is_some(),
            view.masks.len(),
        )
    }

    /// The prompt of a conversation's next question.
    ///
    /// # Errors
    /// A question that mentions a region that is not there, or none where there are some, or that the model was not
    /// trained on.
    pub(super) fn prompt(&self, conversation: &mut Conversation, question: &str) -> Result<Prompt> {
        let prompt = conversation.ask(question)?;
        self.reasoner.trained().check(question)?;
        Ok(prompt)
    }

    /// What the model says to a prompt.
    ///
    /// # Errors
    /// libtorch's, or a prompt that the tokenizer refuses.
    pub(super) fn say(&self, features: &Features, prompt: &Prompt) -> Result<Decoded> {
        let said = self.reasoner.answer(&[(features, prompt)])?;
        Ok(said.into_iter().next().unwrap_or_default())
    }

    /// Answers questions that have nothing to do with each other, in their order. On a processor each answer is to the bit what
    /// it would be alone; on a GPU they run together, which may change the last bits of a number.
    pub fn answer(&self, asked: &[Asked]) -> Vec<Result<Reply, Unanswered>> {
        // A processor's sums depend on how many rows there are, and it gains next to nothing by more of them.
        self.answer_at_once(asked, self.reasoner.device() != Device::Cpu)
    }

    /// The same, all at once or one after the other.
    fn answer_at_once(&self, asked: &[Asked], at_once: bool) -> Vec<Result<Reply, Unanswered>> {
        let begin = Instant::now();
        let mut ready = Vec::with_capacity(asked.len());
        let can_be: Vec<Result<()>> = asked
            .iter()
            .map(|asked| self.ready(asked).map(|one| ready.push(one)))
            .collect();
        let mut replies = Vec::with_capacity(ready.len());
        let limit = |one: &Ready| one.asked.max_new_tokens;
        for together in ready.chunk_by_mut(|one, next| at_once && limit(one) == limit(next)) {
            match self.say_together(together) {
                Ok(said) => replies.extend(together.iter_mut().zip(said).map(|(one, said)| {
                    let Ready {
                        asked,
                        conversation,
                        prompt,
                        ..
                    } = one;
                    let prompt = std::mem::take(&mut prompt.text);
                    Ok(self.reply(conversation, &asked.question, prompt, &said, begin))
                })),
                Err(error) => {
                    let words = error.to_string();
                    let others = together.len() - 1;
                    replies.push(Err(Unanswered::Failed(error)));
                    let other = || {
                        let error = Error::torch("answer questions together", words.clone());
                        Err(Unanswered::Failed(error))
                    };
                    replies.extend(std::iter::repeat_with(other).take(others));
                }
            }
        }
        let mut replies = replies.into_iter();
        let each = can_be.into_iter().filter_map(|can_be| match can_be {
            Ok(()) => replies.next(),
            Err(error) => Some(Err(Unanswered::Refused(error))),
        });
        each.collect()
    }

    fn ready<'a>(&self, asked: &'a Asked) -> Result<Ready<'a>> {
        let view = self.view(&asked.picture)?;
        let mut conversation = self.conversation(&view);
        for (question, answer) in &asked.history {
            self.reasoner.trained().check(question)?;
            conversation.go_on(question, answer)?;
        }
        Ok(Ready {
            prompt: self.prompt(&mut conversation, &asked.question)?,
            asked,
            conversation,
            view,
        })
    }

    fn say_together(&self, ready: &mut [Ready]) -> Result<Vec<Decoded>> {
        let views: Vec<View> = ready
            .iter_mut()
            .map(|one| std::mem::take(&mut one.view))
            .collect();
        let features = self.reasoner.encode(&views)?;
        let prompts = features.iter().zip(ready.iter().map(|one| &one.prompt));
        let prompts: Vec<(&Features, &Prompt)> = prompts.collect();
        let limit = ready.first().and_then(|one| one.asked.max_new_tokens);
        self.reasoner.answer_within(&prompts, limit)
    }

    /// What it said, to be told.
    pub(super) fn reply(
        &self,
        conversation: &mut Conversation,
        question: &str,
        prompt: String,
        said: &Decoded,
        begin: Instant,
    ) -> Reply {
        let parsed = parse_distance(&said.text);
        let spread_m = parsed.as_ref().and_then(|parsed| said.spread_m(parsed));
        // A conversation is about anything: of other answers nobody knows how far their spread is to be believed.
        let calibration = (self.calibration).filter(|_| is_same_question(question, &self.question));
        let answer = conversation.answered(&said.text);
        Reply {
            text: answer.text,
            unknown_regions: answer.unknown_regions,
            confidence: parsed.as_ref().and_then(|p| said.confidence(&p.numbers)),
            distance_m: parsed.map(|parsed| parsed.distance_m),
            distance_std_m: std_m(spread_m, calibration),
            std_is_calibrated: calibration.is_some(),
            complete: said.stopped,
            prompt,
            seconds: begin.elapsed().as_secs_f64(),
            prompt_tokens: said.prompt_tokens,
            answer_tokens: said.ids.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Kind;

    use super::*;
    use crate::nn::weights::Placement;
    use spatial_reward_core::frame::{BoundingBox, ColorImage};

    fn respondent() -> Respondent {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/spatialrgpt/a/checkpoint");
        let placement = Placement {
            kind: Kind::Float,
            device: Device::Cpu,
        };
        Respondent {
            reasoner: Reasoner::load(&folder, placement, None, 12).unwrap(),
            depth_network: None,
            question: String::new(),
            calibration: None,
        }
    }

    /// A question about one region of a picture that no other question is about.
    fn asked(number: u8, question: &str) -> Asked {
        let rgb: Vec<u8> = (0..60 * 40 * 3)
            .map(|at: u32| (at.wrapping_mul(u32::from(number) * 2 + 7) >> 3) as u8)
            .collect();
        let color = ColorImage {
            width: 60,
            height: 40,
            rgb: rgb.into(),
        };
        let region = BoundingBox::new(5.0, 6.0, 30.0, 30.0);
        Asked {
            picture: MarkedPicture::new(color, &[region], &[], None).unwrap(),
            history: Vec::new(),
            question: question.to_owned(),
            max_new_tokens: None,
        }
    }

    fn words(answers: Vec<Result<Reply, Unanswered>>) -> Vec<Result<String, String>> {
        let answers = answers.into_iter().map(|answer| match answer {
            Ok(reply) => Ok(format!("{} {}", reply.answer_tokens, reply.text)),
            Err(Unanswered::Refused(error) | Unanswered::Failed(error)) => Err(error.to_string()),
        });
        answers.collect()
    }

    #[test]
    fn questions_asked_together_are_answered_apart() {
        // given questions of several clients, some of which cannot be asked
        let respondent = respondent();
        let first = "How wide is <region0>?";
        let short = Asked {
            max_new_tokens: Some(3),
            ..asked(3, first)
        };
        let follows = Asked {
            history: vec![(first.into(), "[0] is wide.".into())],
            ..asked(4, "And how tall?")
        };
        let all = [
            asked(0, first),
            asked(1, "How wide is <region1>?"),
            asked(2, first),
            short,
            follows,
            asked(5, "Is it tall?"),
            asked(6, "Tell me about <region0> in other words."),
        ];
        // when they are asked together, or one after the other
        let together = words(respondent.answer_at_once(&all, true));
        let after = words(respondent.answer(&all));
        let alone = all
            .iter()
            .flat_map(|one| words(respondent.answer(std::slice::from_ref(one))));
        // then each has its own answer
        assert_eq!(after, alone.collect::<Vec<_>>());
        assert_eq!(together, after);
        let failed = |at: usize| after[at].as_ref().unwrap_err();
        assert!(failed(1).contains("<region1>") && failed(5).contains("mentions none"));
        assert_eq!(after.iter().filter(|answer| answer.is_ok()).count(), 5);
        assert_ne!(after[0], after[2]);
        assert!(after[3].as_ref().is_ok_and(|words| words.starts_with("3 ")));
    }
}
