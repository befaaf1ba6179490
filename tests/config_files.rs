//! The files in config/ are documentation that runs: each is valid, and default.yaml is complete.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::path::PathBuf;

use spatial_reward::settings::Config;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// `section.key` of every setting in a YAML tree of two levels.
fn keys(text: &str) -> Vec<String> {
    let tree: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    let mut keys: Vec<String> = (tree.as_mapping().unwrap().iter())
        .flat_map(|(section, settings)| {
            let section = section.as_str().unwrap();
            (settings.as_mapping().unwrap().keys())
                .map(move |key| format!("{section}.{}", key.as_str().unwrap()))
        })
        .collect();
    keys.sort();
    keys
}

#[test]
fn every_scenario_is_valid_and_differs_from_the_default() {
    let mut scenarios = 0;
    let folders = [folder(), folder().join("tasks")];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    for entry in entries {
        let path = entry.unwrap().path();
        // Beside them lie the middleware's own file and the schema.
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let config = Config::from_file(&path).unwrap_or_else(|error| panic!("{error}"));
        let is_default = path.file_name().unwrap() == "default.yaml";
        assert_eq!(config == Config::default(), is_default, "{path:?}");
        scenarios += usize::from(!is_default);
    }
    assert!(scenarios >= 9);
}

#[test]
fn the_default_file_lists_every_setting() {
    let file = std::fs::read_to_string(folder().join("default.yaml")).unwrap();
    let all = serde_yaml::to_string(&Config::default()).unwrap();
    assert_eq!(keys(&file), keys(&all));
}
