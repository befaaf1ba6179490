//! The model that comes with the program. It is part of the program's file, so that a program which is moved alone to
//! another machine answers with it; where it was installed as a ROS 2 package, the copy beside it is taken.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use spatial_reward_core::digest::hex;
use spatial_reward_core::whole_folder::WholeFolder;
use spatial_reward_models::{Error, Result};

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
    let name = format!("nano-{}", digest());
    let places: Vec<PathBuf> = (cache.map(|cache| cache.join("spatial_reward")).into_iter())
        .chain([std::env::temp_dir().join("spatial_reward")])
        .map(|place| place.join(&name))
        .collect();
    let mut refusals = Vec::new();
    for place in places {
        match unpacked(&place) {
            Ok(()) => return Ok(place),
            Err(error) => refusals.push(format!("{} ({error})", place.display())),
        }
    }
    Err(Error::NoModel {
        looked: refusals.join(" or "),
    })
}

/// A ROS 2 package has its programs in `lib/PACKAGE` and all else in `share/PACKAGE`.
fn installed(program: &Path) -> Option<PathBuf> {
    let prefix = program.ancestors().nth(3)?;
    Some(prefix.join("share/spatial_reward/models/nano"))
}

/// The folder, whole: it is renamed into its place once every file is there.
fn unpacked(folder: &Path) -> spatial_reward_core::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let whole = WholeFolder::create(folder)?;
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
