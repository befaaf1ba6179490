//! Downloads against a hub served here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

mod server;

use std::fs;
use std::path::{Path, PathBuf};

use server::{COMMIT, Hub, WEIGHTS, model_files};
use sha2::{Digest, Sha256};
use spatial_reward_core::progress::Progress;
use spatial_reward_models::nn::hub::{HubOptions, resolve};
use tempfile::TempDir;

/// Whether the folder holds exactly the model's files.
#[track_caller]
fn assert_is_the_model(folder: &Path) {
    for (name, bytes) in model_files() {
        if name == "README.md" {
            assert!(!folder.join(name).exists(), "downloaded without need");
        } else {
            assert!(
                fs::read(folder.join(&name)).unwrap() == bytes,
                "{name} differs"
            );
        }
    }
}

fn blobs(cache: &TempDir) -> Vec<String> {
    let folder = cache.path().join("hub/models--org--name/blobs");
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".lock")).collect()
}

/// What a download tells, file by file: its name, its size and how much of it is here.
#[derive(Default)]
struct Told(Vec<(String, f64, f64)>);

impl Told {
    fn hear(&mut self, progress: Progress<'_>) {
        let total = progress.total.unwrap();
        match self.0.last_mut() {
            Some((file, _, done)) if file == progress.subject => *done = progress.done,
            _ => self.0.push((progress.subject.into(), total, progress.done)),
        }
    }
}

#[test]
fn the_first_run_downloads_and_the_second_needs_no_hub() {
    // given
    let (hub, cache, mut told) = (Hub::start(), TempDir::new().unwrap(), Told::default());
    // when
    let first = resolve("org/name", &hub.options(&cache), &mut |progress| {
        told.hear(progress)
    })
    .unwrap();
    // then
    assert_is_the_model(&first);
    let told = told.0;
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|(_, total, done)| total == done));
    assert!(told.contains(&(WEIGHTS.into(), 700_000.0, 700_000.0)));
    // when: a second run with the hub still there asks what there is, and takes nothing
    hub.state().requests.clear();
    assert_eq!(
        resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap(),
        first
    );
    assert_eq!(hub.state().requests.len(), 1);
    let reference = cache.path().join("hub/models--org--name/refs/main");
    assert_eq!(fs::read_to_string(reference).unwrap(), COMMIT);
    // when: the hub is gone
    hub.stop();
    // then
    assert_eq!(
        resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap(),
        first
    );
    // when: told not to ask
    let options = HubOptions {
        offline: true,
        ..hub.options(&cache)
    };
    assert_eq!(resolve("org/name", &options, &mut |_| {}).unwrap(), first);
    assert_is_the_model(&first);
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    // given
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    // when
    resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    let requests = hub.state().requests.clone();
    let (storage, own): (Vec<_>, Vec<_>) = requests.iter().partition(|r| r.contains(" /storage/"));
    assert!(
        own.len() > 5
            && own
                .iter()
                .all(|r| r.contains("authorization: Bearer secret"))
    );
    assert!(storage.len() == 5 && !storage.iter().any(|r| r.contains("secret")));
}

#[test]
fn a_cut_download_goes_on_where_it_was_cut() {
    // given: two cuts, one of them right at the end
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().cuts = vec![(WEIGHTS.into(), 300_000), (WEIGHTS.into(), 399_999)];
    // when
    let folder = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    assert_eq!(
        hub.transfers(WEIGHTS),
        ["bytes=0-", "bytes=300000-", "bytes=699999-"]
    );
    assert_is_the_model(&folder);
}

#[test]
fn a_download_given_up_goes_on_in_the_next_run() {
    // given: a transfer that is cut and gets no further
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().cuts = vec![
        (WEIGHTS.into(), 500_000),
        (WEIGHTS.into(), 0),
        (WEIGHTS.into(), 0),
    ];
    // when
    let error = resolve("org/name", &hub.options(&cache), &mut |_| {})
        .unwrap_err()
        .to_string();
    // then
    assert!(
        error.contains("after 500000 of 700000 bytes, which are kept"),
        "{error}"
    );
    // Nothing of it counts as downloaded.
    let offline = HubOptions {
        offline: true,
        ..hub.options(&cache)
    };
    let error = resolve("org/name", &offline, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("does not have it"), "{error}");
    // when
    hub.state().requests.clear();
    let folder = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    assert_eq!(hub.transfers(WEIGHTS), ["bytes=500000-"]);
    assert_is_the_model(&folder);
    assert!(!blobs(&cache).iter().any(|name| name.ends_with(".part")));
}

#[test]
fn a_hub_that_cannot_resume_sends_the_whole_again() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().cuts = vec![(WEIGHTS.into(), 500_000)];
    hub.state().ignores_ranges = true;
    let folder = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    assert_eq!(hub.transfers(WEIGHTS).len(), 2);
    assert_is_the_model(&folder);
}

#[test]
fn a_wrong_checksum_is_refused_and_leaves_nothing_behind() {
    // given
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().wrong = vec![WEIGHTS.into()];
    // when
    let error = resolve("org/name", &hub.options(&cache), &mut |_| {})
        .unwrap_err()
        .to_string();
    // then
    assert!(
        error.contains(WEIGHTS) && error.contains("SHA-256"),
        "{error}"
    );
    let snapshot = cache
        .path()
        .join("hub/models--org--name/snapshots")
        .join(COMMIT);
    assert!(snapshot.join("config.json").exists() && !snapshot.join(WEIGHTS).exists());
    let sound: Vec<usize> = model_files()
        .values()
        .map(Vec::len)
        .filter(|l| *l != 700_000)
        .collect();
    for blob in blobs(&cache) {
        let path = cache.path().join("hub/models--org--name/blobs").join(&blob);
        assert!(
            sound.contains(&(fs::metadata(path).unwrap().len() as usize)),
            "{blob}"
        );
    }
    // Neither with nor without the hub does it count as a model.
    let offline = HubOptions {
        offline: true,
        ..hub.options(&cache)
    };
    resolve("org/name", &offline, &mut |_| {}).unwrap_err();
    // when: the hub has come to its senses
    hub.state().wrong.clear();
    // then
    assert_is_the_model(&resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap());
}

#[test]
fn a_beginning_that_was_damaged_earlier_is_noticed_and_fetched_again() {
    // given: half a file from an earlier run, with a wrong byte
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    let bytes = &model_files()[WEIGHTS];
    let sha256: String = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let folder = cache.path().join("hub/models--org--name/blobs");
    fs::create_dir_all(&folder).unwrap();
    let mut half = bytes[..350_000].to_vec();
    half[7] ^= 1;
    fs::write(folder.join(format!("{sha256}.part")), half).unwrap();
    // when
    let snapshot = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    assert_eq!(hub.transfers(WEIGHTS), ["bytes=350000-", "bytes=0-"]);
    assert_is_the_model(&snapshot);
}

#[test]
fn a_model_that_is_not_there_or_not_shown_says_what_to_do() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    for (model, words) in [
        ("org/nmae", ["404", "spelling"]),
        ("org/name@v9", ["404", "@revision"]),
        ("org/gated", ["401", "HF_TOKEN"]),
    ] {
        let error = resolve(model, &hub.options(&cache), &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn without_hub_and_cache_the_error_says_how_to_get_the_model() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.stop();
    let error = resolve("org/name", &hub.options(&cache), &mut |_| {})
        .unwrap_err()
        .to_string();
    for word in [
        "org/name",
        "no answer",
        "does not have it",
        "HF_HOME",
        "own folder",
    ] {
        assert!(error.contains(word), "no '{word}' in {error}");
    }
}

#[test]
fn the_cache_can_be_moved() {
    // given
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    let before = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // when
    let moved: PathBuf = cache.path().join("moved");
    fs::rename(cache.path().join("hub"), &moved).unwrap();
    // then
    let options = HubOptions {
        cache: Some(moved),
        offline: true,
        ..hub.options(&cache)
    };
    let after = resolve("org/name", &options, &mut |_| {}).unwrap();
    assert_ne!(before, after);
    assert_is_the_model(&after);
}
