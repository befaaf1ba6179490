//! What the program says of a recording names flags of the command line; here the same in the names that Python has for
//! them. The program's words are the only ones that there are, so nothing is explained twice.

use serde_json::Value;

/// A flag, with what it is followed by where that goes as well, and Python's name for it. Longer ones come first.
const NAMES: [(&str, &str); 27] = [
    (
        "--fingertip-box X0,Y0,X1,Y1[@SECONDS]",
        "fingertip=(x0, y0, x1, y1)",
    ),
    (
        "--target-box X0,Y0,X1,Y1[@SECONDS]",
        "target=(x0, y0, x1, y1)",
    ),
    (
        "--fingertip-box X0,Y0,X1,Y1@SECONDS",
        "regions.fingertip.box: ['X0,Y0,X1,Y1@SECONDS']",
    ),
    (
        "--target-box X0,Y0,X1,Y1@SECONDS",
        "regions.target.box: ['X0,Y0,X1,Y1@SECONDS']",
    ),
    (
        "and give --config settings.yaml",
        "and give config='settings.yaml'",
    ),
    (
        "spatial-reward evaluate --calibrate",
        "python -m spatial_reward evaluate --calibrate",
    ),
    ("spatial-reward pick", "python -m spatial_reward pick"),
    ("`spatial-reward inspect`", "spatial_reward.inspect"),
    ("--fingertip-class", "topics.fingertip_class"),
    ("--target-class", "topics.target_class"),
    ("--fingertip-topic", "topics.fingertip"),
    ("--target-topic", "topics.target"),
    ("--fingertip-frame", "regions.fingertip.frame"),
    ("--target-frame", "regions.target.frame"),
    ("--fingertip-box", "regions.fingertip.box"),
    ("--target-box", "regions.target.box"),
    ("--image-topic", "topics.image"),
    ("--depth-topic", "topics.depth"),
    ("--camera-info-topic", "topics.camera_info"),
    ("--task-prompt-topic", "topics.task_prompt"),
    ("--truth-fingertip", "truth['fingertip']"),
    ("--truth-target", "truth['target']"),
    ("--truth-surface", "truth['surface']"),
    ("--truth-cloud", "truth['cloud']"),
    ("--max-new-tokens", "model.max_new_tokens"),
    ("--depth-registered", "depth.registered"),
    ("in the config file", "in the configuration"),
];

/// The same words in Python's names.
pub(crate) fn in_python(words: &str) -> String {
    (NAMES.iter()).fold(words.to_owned(), |words, (flag, name)| {
        words.replace(flag, name)
    })
}

/// The same of all texts of a report.
pub(crate) fn all_in_python(told: Value) -> Value {
    match told {
        Value::String(text) => Value::String(in_python(&text)),
        Value::Array(items) => items.into_iter().map(all_in_python).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members
                .map(|(key, value)| (key, all_in_python(value)))
                .collect()
        }
        other => other,
    }
}
