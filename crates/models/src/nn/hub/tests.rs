//! What needs no server: names, files to take, options, and what a cache is worth. Transfers are tested
//! against a server in `tests/hub.rs`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::model::parse;
use super::{HubOptions, resolve, snapshot};

fn options(variables: &[(&str, &str)]) -> HubOptions {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    HubOptions::from_variables(|name| variables.get(name).map(|value| value.to_string()))
}

#[test]
fn a_folder_wins_over_an_id() {
    // given: nothing that could reach a hub or a cache
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    // when, then
    assert_eq!(
        resolve(name, &options(&[]), &mut |_| {}).unwrap(),
        folder.path()
    );
}

#[test]
fn an_id_has_an_organisation_a_name_and_perhaps_a_revision() {
    assert_eq!(
        parse("org/some-model_1.5").unwrap(),
        ("org/some-model_1.5", "main")
    );
    assert_eq!(parse("org/name@v2").unwrap(), ("org/name", "v2"));
    assert_eq!(
        parse("org/name@refs/pr/5").unwrap(),
        ("org/name", "refs/pr/5")
    );
}

#[test]
fn what_is_no_id_never_becomes_a_path() {
    for model in [
        "",
        "name",
        "/absolute/path",
        "./here/it",
        "../up/it",
        "a/b/c",
        "org/..",
        "org/na me",
        "org/name@",
        "org/name@../x",
        "org/name@/x",
        "org/name@a//b",
        "org/n%2Fx",
        "C:\\x",
        "org/",
    ] {
        let message = parse(model).unwrap_err().to_string();
        assert!(message.contains("no such folder"), "{model}: {message}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let message = resolve(file.path().to_str().unwrap(), &options(&[]), &mut |_| {}).unwrap_err();
    assert!(message.to_string().contains("this is a file"), "{message}");
}

#[test]
fn options_are_read_as_the_hubs_own_tools_read_them() {
    // given nothing but a home
    let defaults = options(&[("HOME", "/home/me")]);
    assert_eq!(defaults.endpoint, "https://huggingface.co");
    assert_eq!(
        defaults.cache,
        Some(PathBuf::from("/home/me/.cache/huggingface/hub"))
    );
    assert!(!defaults.offline);
    // given everything
    let all = options(&[
        ("HOME", "/home/me"),
        ("XDG_CACHE_HOME", "/caches"),
        ("HF_ENDPOINT", "http://mirror/"),
        ("HF_TOKEN", " word\n"),
        ("HF_HUB_OFFLINE", "True"),
    ]);
    assert_eq!(all.endpoint, "http://mirror");
    assert_eq!(all.cache, Some(PathBuf::from("/caches/huggingface/hub")));
    assert_eq!(all.token.as_deref(), Some("word"));
    assert!(all.offline);
    // The more special wins, and an empty variable is none.
    let home = options(&[
        ("HF_HOME", "/hf"),
        ("HF_HUB_OFFLINE", "0"),
        ("HF_ENDPOINT", ""),
    ]);
    assert_eq!(home.cache, Some(PathBuf::from("/hf/hub")));
    assert!(!home.offline && home.endpoint == "https://huggingface.co");
    let cache = options(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/elsewhere")]);
    assert_eq!(cache.cache, Some(PathBuf::from("/elsewhere")));
    assert_eq!(options(&[]).cache, None);
}

#[test]
fn a_token_beside_the_cache_is_found() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), "stored\n").unwrap();
    let options = options(&[("HF_HOME", home.path().to_str().unwrap())]);
    assert_eq!(options.token.as_deref(), Some("stored"));
}

#[test]
fn of_a_composite_model_its_parts_are_taken_and_nothing_else() {
    // given
    let files = [
        "README.md",
        "config.json",
        "trainer_state.json",
        "model.safetensors",
        "llm/config.json",
        "llm/model-00001-of-00002.safetensors",
        "llm/pytorch_model.bin",
        "llm/model.safetensors.index.json",
        "llm/tokenizer.model",
        "llm/deep/er.json",
        "vision_tower/model.safetensors",
        "other/model.safetensors",
        "mm_projector/model.safetensors",
        "region_extractor/../../escape.json",
    ]
    .map(String::from);
    // when
    let needed = snapshot::needed("org/name", &files).unwrap();
    // then
    assert_eq!(
        needed,
        [
            "config.json",
            "llm/config.json",
            "llm/model-00001-of-00002.safetensors",
            "llm/model.safetensors.index.json",
            "llm/tokenizer.model",
            "vision_tower/model.safetensors",
            "mm_projector/model.safetensors",
        ]
    );
}

#[test]
fn of_a_single_model_the_top_is_taken() {
    let files = [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
        "pytorch_model.bin",
        "onnx/model.safetensors",
        "README.md",
    ]
    .map(String::from);
    let needed = snapshot::needed("org/name", &files).unwrap();
    assert_eq!(
        needed,
        [
            "config.json",
            "preprocessor_config.json",
            "model.safetensors"
        ]
    );
}

#[test]
fn a_repository_without_what_a_model_needs_is_refused_before_downloading() {
    let refusal = |files: &[&str]| {
        let files: Vec<String> = files.iter().map(|file| file.to_string()).collect();
        snapshot::needed("org/name", &files)
            .unwrap_err()
            .to_string()
    };
    assert!(refusal(&["model.safetensors"]).contains("no config.json"));
    assert!(refusal(&["config.json", "pytorch_model.bin"]).contains("no safetensors"));
    let pickled = ["config.json", "llm/config.json", "llm/pytorch_model.bin"];
    assert!(refusal(&pickled).contains("no safetensors weights in 'llm/'"));
}

#[test]
fn a_snapshot_with_a_gap_is_not_taken_for_a_model() {
    // given
    let cache = tempfile::tempdir().unwrap();
    let options = HubOptions {
        cache: Some(cache.path().to_path_buf()),
        ..options(&[("HF_HUB_OFFLINE", "1")])
    };
    let refusal = || {
        resolve("org/name", &options, &mut |_| {})
            .unwrap_err()
            .to_string()
    };
    assert!(refusal().contains("does not have it"), "{}", refusal());
    // when: another tool has left half a model
    let repository = cache.path().join("models--org--name");
    let snapshot = repository.join("snapshots/abc");
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "abc").unwrap();
    fs::create_dir_all(snapshot.join("llm")).unwrap();
    fs::write(snapshot.join("config.json"), r#"{"llm_cfg": {}}"#).unwrap();
    let index = r#"{"weight_map": {"a": "1.safetensors"}}"#;
    fs::write(snapshot.join("llm/model.safetensors.index.json"), index).unwrap();
    // then
    assert!(
        refusal().contains("1.safetensors with 1 tensors is not there"),
        "{}",
        refusal()
    );
    // when
    fs::write(snapshot.join("llm/1.safetensors"), "").unwrap();
    // then
    assert_eq!(
        resolve("org/name", &options, &mut |_| {}).unwrap(),
        snapshot
    );
    assert_eq!(
        resolve("org/name@abc", &options, &mut |_| {}).unwrap(),
        snapshot
    );
}
