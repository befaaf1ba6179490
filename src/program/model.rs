//! The door to the vision-language model (feature `torch`): where its files are on this machine, and its errors in the
//! words of the command line.

mod detector;
mod elsewhere;
mod metric_depth;
mod nano;
mod process;
mod profile;
mod quantise;
mod regions;
mod regions_elsewhere;
mod segmenter;
mod train;
pub(crate) mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use spatial_reward_core::estimator::{Estimators, Registration};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::question::{Asked, MarkedPicture, Reply};
use spatial_reward_core::settings::{Config, Settings};
use spatial_reward_models::nn::hub::{self, HubOptions};
use spatial_reward_models::spatialrgpt::{self, Located, ModelEstimator};
use spatial_reward_models::{Error, Remedy, Result};
use spatial_reward_serve::Unanswered;

use crate::program::logging::Terminal;
pub(crate) use detector::{Detector, Queries};
use elsewhere::Elsewhere;
pub(crate) use metric_depth::{DepthEstimate, MetricDepth};
pub(crate) use process::{Process, named as other_program};
use profile::PROFILE;
pub(crate) use quantise::quantise;
pub(crate) use regions::{detector, segmenter};
pub(crate) use segmenter::Segmenter;
pub(crate) use train::train;

/// The model is in this build.
pub(crate) const IS_HERE: bool = true;

/// The model as an estimator.
pub(crate) fn registration() -> Registration {
    Registration {
        profile: PROFILE,
        open: Arc::new(|settings, progress| {
            if let Some(program) = process::named() {
                return Elsewhere::estimator(&program, settings);
            }
            let located = locate(settings, progress)?;
            Ok(Box::new(ModelEstimator::load(settings, &located)?))
        }),
    }
}

/// A conversation with the model about one picture.
pub(crate) struct Session(spatialrgpt::Session);

impl Session {
    /// # Errors
    /// What is wrong with the model or the picture, by name.
    pub(crate) fn open(
        settings: &Settings,
        picture: MarkedPicture,
        progress: OnProgress<'_>,
    ) -> Result<Self> {
        let located = locate(settings, progress)?;
        Ok(Self(spatialrgpt::Session::open(
            settings, &located, picture,
        )?))
    }

    /// # Errors
    /// A question that cannot be asked; libtorch's.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Reply> {
        self.0.ask(question)
    }
}

/// The folder of a checkpoint that is named, downloaded if need be.
fn located(model: String, terminal: &Terminal) -> anyhow::Result<PathBuf> {
    let mut config = Config::default();
    config.model.path = Some(model);
    let settings = Estimators::default()
        .with(registration())
        .settings(config)?;
    let bar = terminal.download_bar();
    let located = locate(&settings, &mut |progress| Terminal::show(&bar, progress));
    bar.finish_and_clear();
    Ok(located?.model)
}

/// The model for questions of many.
pub(crate) struct Respondent(spatialrgpt::Respondent);

impl Respondent {
    /// # Errors
    /// What is wrong with the model, by name.
    pub(crate) fn load(settings: &Settings, progress: OnProgress<'_>) -> Result<Self> {
        let located = locate(settings, progress)?;
        Ok(Self(spatialrgpt::Respondent::load(settings, &located)?))
    }

    /// Answers questions that have nothing to do with each other, in their order.
    pub(crate) fn answer(&self, asked: &[Asked]) -> Vec<Result<Reply, Unanswered>> {
        let answers = self.0.answer(asked).into_iter();
        let in_words = answers.map(|answer| {
            answer.map_err(|unanswered| match unanswered {
                // Whoever asks cannot choose another model.
                spatialrgpt::Unanswered::Refused(error) => Unanswered::Refused(error.to_string()),
                spatialrgpt::Unanswered::Failed(error) => {
                    Unanswered::Failed(match remedy(&error) {
                        Some(remedy) => format!("{error}: {remedy}"),
                        None => error.to_string(),
                    })
                }
            })
        });
        in_words.collect()
    }
}

/// Finds the models that the settings name on this machine, or downloads them.
fn locate(settings: &Settings, progress: OnProgress<'_>) -> Result<Located> {
    spatialrgpt::locate(settings, &the_hub(), nano::folder, progress)
}

/// The folder of any other checkpoint that is named, downloaded if need be.
fn resolve(model: Option<&str>, progress: OnProgress<'_>) -> Result<PathBuf> {
    hub::resolve(model.unwrap_or_default(), &the_hub(), progress)
}

/// The same, with a bar of how far it is.
fn resolve_shown(model: &str, terminal: &Terminal) -> Result<PathBuf> {
    let bar = terminal.download_bar();
    let folder = resolve(Some(model), &mut |progress| Terminal::show(&bar, progress));
    bar.finish_and_clear();
    folder
}

/// Its own tools say in the environment where the hub is and where its files are kept.
fn the_hub() -> HubOptions {
    HubOptions::from_variables(|name| std::env::var(name).ok())
}

/// The way out of an error of the model's, in the words of the command line.
pub(crate) fn remedy(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let remedy = cause.downcast_ref::<Error>()?.remedy()?;
    Some(in_words(remedy).to_owned())
}

fn in_words(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::LessMemory => {
            "close other programs, take --dtype bfloat16 (half of float32), a device with more memory or a smaller model, or \
             --weights int8 or int4 of a vision-language model"
        }
        Remedy::NameModel => {
            "give --model FOLDER, or --model ORG/NAME for one on a hub, or set XDG_CACHE_HOME to a folder that can be \
             written"
        }
        Remedy::AskWhatItKnows => {
            "ask it that, or give --model FOLDER or --model ORG/NAME for one that was trained on more"
        }
        Remedy::LowerLearningRate => {
            "go on from it with --resume and a lower --learning-rate, or in float32 (--dtype)"
        }
        Remedy::SameTraining => {
            "go on with the model, shape and --freeze that it was begun with, or take another -o"
        }
        Remedy::ResumeTraining => "give --resume to go on from its state, or another -o",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_finds_no_room_is_told_to_take_half() {
        // given libtorch's refusal, wrapped as the core wraps an estimator's
        let error = Error::Torch {
            action: "make room".into(),
            message: "out of memory".into(),
            out_of_memory: true,
        };
        let error = spatial_reward_core::Error::from(error);
        let error = anyhow::Error::new(error).context("pick is not labelled");
        // then
        let words = crate::program::remedies::of(&error).unwrap();
        assert!(words.contains("--dtype bfloat16"), "{words}");
    }
}
