//! The model that comes with the program. It is part of the program's file, so that a program which is moved alone to
//! another machine answers with it; where it was installed as a ROS 2 package, the copy beside it is taken.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use include_dir::{Dir, include_dir};
use spatial_reward_core::digest::hex;
use spatial_reward_core::whole_folder::WholeFolder;
use spatial_reward_models::{Error, Result};

/// How long another process is waited for that unpacks the same.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

static NANO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/models/nano");

/// Its folder on this machine, made if need be.
///
/// # Errors
/// `Error::NoModel` where it can be put nowhere.
pub(super) fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe().ok();
    if let Some(installed) = program.as_deref().and_then(installed)
        && installed.join("config.json").is_file()
    {
        return Ok(installed);
    }
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")));
    let none = |why: String| Error::NoModel { why };
    let cache = cache.ok_or_else(|| none("neither XDG_CACHE_HOME nor HOME is set".into()))?;
    let folder = cache.join(format!("spatial_reward/nano-{}", digest()));
    unpacked(&folder).map_err(|error| none(error.to_string()))?;
    Ok(folder)
}

/// A ROS 2 package has its programs in `lib/PACKAGE` and all else in `share/PACKAGE`.
fn installed(program: &Path) -> Option<PathBuf> {
    let prefix = program.ancestors().nth(3)?;
    Some(prefix.join("share/spatial_reward/models/nano"))
}

/// The folder, whole: it is renamed into its place once every file is there.
fn unpacked(folder: &Path) -> spatial_reward_core::Result<()> {
    let began = Instant::now();
    loop {
        if folder.is_dir() {
            return Ok(());
        }
        match WholeFolder::create(folder).and_then(|whole| filled(whole, folder)) {
            // Another process is at it.
            Err(
                spatial_reward_core::Error::Output { .. }
                | spatial_reward_core::Error::OutputHeld { .. },
            ) if began.elapsed() < PATIENCE => {
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn filled(whole: WholeFolder, folder: &Path) -> spatial_reward_core::Result<()> {
    NANO.extract(whole.path())
        .map_err(|error| spatial_reward_core::Error::output(folder, error))?;
    match whole.finish() {
        // Another process was as fast.
        Err(_) if folder.is_dir() => Ok(()),
        finished => finished,
    }
}

/// Tells the model of one version of the program from another's.
fn digest() -> String {
    use sha2::{Digest, Sha256};
    fn add(hasher: &mut Sha256, folder: &Dir<'_>) {
        for file in folder.files() {
            hasher.update(file.path().to_string_lossy().as_bytes());
            hasher.update(file.contents());
        }
        for folder in folder.dirs() {
            add(hasher, folder);
        }
    }
    let mut hasher = Sha256::new();
    add(&mut hasher, &NANO);
    hex(&hasher.finalize()).chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_program_looks_in_its_package() {
        let program = Path::new("/ws/install/lib/spatial_reward/spatial-reward");
        assert_eq!(
            installed(program).unwrap(),
            Path::new("/ws/install/share/spatial_reward/models/nano")
        );
    }

    #[test]
    fn processes_that_begin_together_all_find_the_model() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("nano");
        thread::scope(|scope| {
            let all: Vec<_> = (0..4).map(|_| scope.spawn(|| unpacked(&folder))).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
        assert!(folder.join("config.json").is_file());
    }

    #[test]
    fn a_program_that_is_moved_alone_has_the_model_with_it() {
        // given a place where nothing is
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("nano");
        // when
        unpacked(&folder).unwrap();
        // then every file of the model is there, byte for byte
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/nano");
        for file in [
            "config.json",
            "llm/model.safetensors",
            "vision_tower/config.json",
        ] {
            let (here, there) = (folder.join(file), shipped.join(file));
            assert!(
                std::fs::read(here).unwrap() == std::fs::read(there).unwrap(),
                "{file}"
            );
        }
    }
}
