//! What to do about an error, in the words of the command line: the libraries say it as data.

use spatial_reward_offline::label::roles::Role;
use spatial_reward_offline::{EndpointTrouble, Error as OfflineError, Remedy};

/// An error with what led to it, leaving out causes that the words before already tell, and with its way out.
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.ends_with(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    match of(error) {
        Some(remedy) => format!("{words}: {remedy}"),
        None => words,
    }
}

/// The way out of an error, if it has one that its message does not say: the end of "ERROR: ...".
pub(crate) fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        offline(cause)
            .or_else(|| core(cause))
            .or_else(|| crate::program::model::remedy(cause))
    })
}

fn core(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    match cause.downcast_ref::<spatial_reward_core::Error>()? {
        spatial_reward_core::Error::OutputRefused { .. } => Some("give another -o".to_owned()),
        spatial_reward_core::Error::ConfigValue { key, value, .. } if value == "not given" => {
            let option = match key.as_str() {
                "detector.path" => "--detector",
                "segmenter.path" => "--segmenter",
                _ => return None,
            };
            Some(format!("name one with {option}"))
        }
        spatial_reward_core::Error::ConfigValue { key, .. } if key == "model.depth_scale" => {
            Some("give --depth-scale frame, or one camera".to_owned())
        }
        _ => None,
    }
}

fn offline(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let error = cause.downcast_ref::<OfflineError>()?;
    // What it passes on from the core is no link of the chain of its own.
    if let OfflineError::Core(error) = error {
        return core(error);
    }
    Some(of_offline(&error.remedy()?))
}

/// The same of one error of the work on recordings.
pub(crate) fn of_offline(remedy: &Remedy) -> String {
    match remedy {
        Remedy::NameTopics(roles) => match roles.as_slice() {
            [role @ (Role::Fingertip | Role::Target)] => format!(
                "name one with {}, or a TF frame with {} (inspect lists them), or draw a box: in the browser with \
                 spatial-reward pick, or with {} X0,Y0,X1,Y1[@SECONDS]",
                option(*role),
                frame_option(*role),
                box_option(*role)
            ),
            [role] => format!("name one with {}", option(*role)),
            roles => {
                let options: Vec<_> = roles.iter().map(|role| option(*role)).collect();
                format!("name those that belong together with {}", listed(&options))
            }
        },
        Remedy::NameFrame(role) => format!("name one of these with {}", frame_option(*role)),
        Remedy::SayOtherwise { role, is_question } => {
            let (words, example) = sought_options(*role);
            let or = match is_question {
                true => "take the likelier one with --take-best",
                false => "ask for less with detector.threshold in the config file",
            };
            format!(
                "say more in {words}, show it with {example} FILE:X0,Y0,X1,Y1, {or}, or draw it with {} X0,Y0,X1,Y1[@SECONDS]",
                box_option(*role)
            )
        }
        Remedy::ReplaceOutput { resume: true } => {
            "give --overwrite to replace it, --resume to skip what is finished, or another -o"
                .into()
        }
        Remedy::ReplaceOutput { resume: false } => {
            "give --overwrite to replace it, or another -o".into()
        }
        Remedy::Label(path) => {
            format!("label it first: spatial-reward label {}", path.display())
        }
        Remedy::Registration => {
            "record /tf_static (or a RealSense's extrinsics/depth_to_color) and the depth's camera info, set depth.extrinsics and topics.depth_camera_info in the config \
             file, or say --depth-registered if it is registered to the image all the same"
                .into()
        }
        Remedy::Transforms => {
            "record /tf and /tf_static with what joins the two, or boxes in pixels".into()
        }
        Remedy::Draw { bag, file } => format!(
            "draw them: spatial-reward pick {} --regions {}",
            bag.display(),
            file.display()
        ),
        Remedy::OtherRegionsFile => "name another file with --regions".into(),
        Remedy::TypeBoxes => {
            "cut it into parts, or draw with --fingertip-box and --target-box of label, which holds no bag".into()
        }
        Remedy::Endpoint(trouble) => {
            let mend = match trouble {
                EndpointTrouble::Away => "once it answers",
                EndpointTrouble::Key => "with its key in SPATIAL_REWARD_REPHRASE_KEY",
                EndpointTrouble::Name => "with what it is called in --rephrase and --rephrase-model",
            };
            format!("what is done is kept, and {mend} the same command with --resume goes on")
        }
        _ => String::new(),
    }
}

/// What names a region's TF frame.
pub(crate) fn frame_option(role: Role) -> &'static str {
    match role {
        Role::Target => "--target-frame",
        _ => "--fingertip-frame",
    }
}

/// What seeks a region: by words and by an example.
fn sought_options(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Target => ("--target-words", "--target-example"),
        _ => ("--fingertip-words", "--fingertip-example"),
    }
}

/// What draws a region.
pub(crate) fn box_option(role: Role) -> &'static str {
    match role {
        Role::Target => "--target-box",
        _ => "--fingertip-box",
    }
}

/// What names a role's topic.
pub(crate) fn option(role: Role) -> &'static str {
    match role {
        Role::Image => "--image-topic",
        Role::Depth => "--depth-topic",
        Role::CameraInfo => "--camera-info-topic",
        Role::DepthCameraInfo => "topics.depth_camera_info in the config file",
        Role::Fingertip => "--fingertip-topic",
        Role::Target => "--target-topic",
        Role::TaskPrompt => "--task-prompt-topic",
        Role::EpisodeSplit => "episodes.split_topic in the config file",
        Role::TruthFingertip => "--truth-fingertip",
        Role::TruthTarget => "--truth-target",
        Role::TruthSurface => "--truth-surface",
        Role::TruthCloud => "--truth-cloud",
        Role::TruthDepth => "--truth-depth-topic",
        Role::Instances => "--instances-topic",
        Role::Accelerometer => "--imu-topic",
        Role::Transforms => "/tf and /tf_static in the bag",
    }
}

/// `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_of_the_cause_is_told_in_the_words_of_the_command_line() {
        // given an error of the library, which knows no flags
        let error = OfflineError::OutputExists {
            path: "out".into(),
            can_resume: true,
        };
        assert!(!error.to_string().contains("--"));
        // when a command tells of it
        let error = anyhow::Error::new(error).context("pick is not labelled");
        // then
        let words = of(&error).unwrap();
        assert!(
            words.contains("--overwrite") && words.contains("--resume"),
            "{words}"
        );
        assert_eq!(of(&anyhow::anyhow!("the disk is on fire")), None);
    }

    #[test]
    fn several_topics_are_named_together() {
        let words = of_offline(&Remedy::NameTopics(vec![
            Role::Image,
            Role::Depth,
            Role::CameraInfo,
        ]));
        assert!(
            words.ends_with("--image-topic, --depth-topic and --camera-info-topic"),
            "{words}"
        );
    }

    #[test]
    fn no_cause_is_told_twice() {
        let cause = std::io::Error::other("the disk is on fire");
        let error = spatial_reward_core::Error::io("open", "pick.mcap")(cause);
        let error = anyhow::Error::new(error).context("pick.mcap is not labelled");
        assert_eq!(
            in_words(&error),
            "pick.mcap is not labelled: cannot open pick.mcap: the disk is on fire"
        );
    }
}
