//! From a model's name to its folder on this machine: the folder of that name, what the hub has, or what the cache has.

use std::path::{Path, PathBuf};

use super::client::Client;
use super::failure::{Failure, hub_error};
use super::model::Model;
use super::options::HubOptions;
use super::{download, snapshot};
use crate::error::{Error, Result};
use spatial_reward_core::progress::OnProgress;

/// The folder of `model`: the folder of that name, else the hub's model `org/name` or
/// `org/name@revision`, downloaded unless the cache has it. Where the hub cannot be reached, what the cache
/// has will do, with a warning.
///
/// # Errors
/// `Error::Hub` for a name that is neither a folder nor an id, a model that the hub does not have or show,
/// a hub that cannot be reached with nothing cached, a checksum that differs, a full disk; `Error::Io` for
/// what else the operating system refuses in the cache.
pub fn resolve(model: &str, options: &HubOptions, progress: OnProgress<'_>) -> Result<PathBuf> {
    let folder = Path::new(model);
    if folder.is_dir() {
        return Ok(folder.to_path_buf());
    }
    let model = Model::named(model, options)?;
    let outcome = if options.offline {
        Err(Failure::Unreachable("HF_HUB_OFFLINE is set".into()))
    } else {
        fetch(&model, options, progress)
    };
    match outcome {
        Ok(snapshot) => Ok(snapshot),
        Err(Failure::Fatal(error)) => Err(error),
        Err(Failure::Unreachable(why)) => cached(&model, options, &why),
    }
}

/// Downloads what the cache lacks of the model's revision, and gives its folder.
fn fetch(
    model: &Model,
    options: &HubOptions,
    progress: OnProgress<'_>,
) -> std::result::Result<PathBuf, Failure> {
    let client = Client::new(model.name, options);
    let listing = client.listing(&model.repo)?;
    let files = snapshot::needed(model.name, &listing.files)?;
    let snapshot = model.cache.pointer_path(&listing.commit);
    for file in files {
        let url = client.file_url(&model.repo, &listing.commit, file);
        download::file(
            model,
            &client,
            &url,
            &snapshot,
            file,
            options.retries,
            progress,
        )?;
    }
    // Written last, so that a name never stands for a snapshot that is not complete; and not anew, so that
    // a cache which this user may only read will do.
    let config = model.cache.get("config.json");
    if config.as_deref().and_then(Path::parent) == Some(&snapshot) {
        return Ok(snapshot);
    }
    model
        .cache
        .create_ref(&listing.commit)
        .map_err(Error::io("write a reference in", &model.folder))?;
    Ok(snapshot)
}

/// The snapshot that the cache has for the model's revision.
fn cached(model: &Model, options: &HubOptions, why: &str) -> Result<PathBuf> {
    let remedy = "Run once with access to the hub, set HF_HOME to the folder of a cache that has it, or \
                  give the model's own folder";
    // A revision may be a branch, which a reference resolves, or the commit itself.
    let by_reference = model.cache.get("config.json");
    let by_commit = model
        .cache
        .pointer_path(model.repo.revision())
        .join("config.json");
    let config = by_reference.or_else(|| by_commit.exists().then_some(by_commit));
    let Some(snapshot) = config.as_deref().and_then(Path::parent) else {
        return Err(hub_error(
            model.name,
            &format!("{why}, and {} does not have it", model.folder.display()),
            remedy,
        ));
    };
    if let Some(gap) = snapshot::gap(snapshot) {
        return Err(hub_error(
            model.name,
            &format!("{why}, and what {} has lacks {gap}", snapshot.display()),
            remedy,
        ));
    }
    if options.offline {
        tracing::info!("{}: taken from {}", model.name, snapshot.display());
    } else {
        tracing::warn!(
            "{}: {why}; going on with what was downloaded earlier, {}",
            model.name,
            snapshot.display()
        );
    }
    Ok(snapshot.to_path_buf())
}
