//! Where a model's files are: a folder, or an id on a Hugging Face hub, whose files are then brought into
//! the cache that the hub's own tools use (the layout comes from the crate hf-hub).
//!
//! The transfer is ours, because hf-hub 0.5 checks no checksum, takes whatever answer it gets to a request
//! to resume, waits forever on a silent server, and shows a file in the cache before anyone could look at
//! it. Here a file appears under its name only when it is whole and its SHA-256 is what the hub promises,
//! and a revision only when all its files are there.

mod client;
mod download;
mod snapshot;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use crate::error::{Error, Result};
use client::Client;
use spatial_reward_core::progress::OnProgress;

const PUBLIC_HUB: &str = "https://huggingface.co";

/// How a hub is reached and where its files are kept.
#[derive(Clone)]
pub struct HubOptions {
    /// Scheme and host, without a slash at the end.
    pub endpoint: String,
    /// The folder that holds `models--org--name` folders; `None` where there is no home to keep it in.
    pub cache: Option<PathBuf>,
    /// Sent to the endpoint, and to nobody it forwards to.
    pub token: Option<String>,
    /// Take what the cache has and never ask the hub.
    pub offline: bool,
    /// How often in a row a transfer may get nowhere before it is given up.
    pub retries: u32,
}

impl HubOptions {
    /// Options as the hub's own tools read them from the environment, given as a function from a
    /// variable's name to its value: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME`,
    /// `HF_TOKEN` (else the file `token` beside the cache) and `HF_HUB_OFFLINE`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let home = value("HF_HOME").map(PathBuf::from).or_else(|| {
            let caches = value("XDG_CACHE_HOME").map(PathBuf::from);
            let caches = caches.or_else(|| Some(PathBuf::from(value("HOME")?).join(".cache")));
            Some(caches?.join("huggingface"))
        });
        let cache = value("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join("hub")));
        let token = value("HF_TOKEN").map(|token| token.trim().to_owned());
        let token = token.or_else(|| Cache::new(home?.join("hub")).token());
        let endpoint = value("HF_ENDPOINT").unwrap_or_else(|| PUBLIC_HUB.into());
        let offline = value("HF_HUB_OFFLINE").is_some_and(|value| {
            matches!(
                value.trim().to_lowercase().as_str(),
                "1" | "true" | "yes" | "on"
            )
        });
        Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            cache,
            token,
            offline,
            retries: 5,
        }
    }
}

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
    let (id, revision) = parse(model)?;
    let Some(cache) = &options.cache else {
        return Err(hub_error(
            model,
            "there is no home folder to keep downloads in",
            "Set HF_HOME to a folder, or give the model's own folder",
        ));
    };
    let repo = Repo::with_revision(id.to_owned(), RepoType::Model, revision.to_owned());
    let model = Model {
        name: model,
        cache: Cache::new(cache.clone()).repo(repo.clone()),
        repo,
        folder: cache.clone(),
    };
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

/// A model on the hub and its place in the cache.
struct Model<'a> {
    /// As the user typed it.
    name: &'a str,
    repo: Repo,
    cache: CacheRepo,
    /// The cache's folder.
    folder: PathBuf,
}

/// Why a download came to nothing.
enum Failure {
    /// The hub may have it, but does not answer: the cache will do instead.
    Unreachable(String),
    /// Nothing that the cache could make good.
    Fatal(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

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

/// `org/name` or `org/name@revision`. Both become parts of paths and of addresses, so nothing but what a
/// hub allows in them gets through.
fn parse(model: &str) -> Result<(&str, &str)> {
    let (id, revision) = model.split_once('@').unwrap_or((model, "main"));
    let plain = |text: &str, also: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && !text.contains("..")
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c) || also.contains(c))
    };
    let id_is_plain = id
        .split_once('/')
        .is_some_and(|(organisation, name)| plain(organisation, "") && plain(name, ""));
    let revision_is_plain = revision.split('/').all(|part| plain(part, "+"));
    if id_is_plain && revision_is_plain {
        return Ok((id, revision));
    }
    let what = if Path::new(model).exists() {
        "this is a file, and a model is a folder of files"
    } else {
        "no such folder, and no id on a hub either (org/name or org/name@revision)"
    };
    Err(hub_error(
        model,
        what,
        "Give the folder with the model's config.json, or an id",
    ))
}

fn hub_error(model: &str, what: &str, remedy: &str) -> Error {
    Error::Hub {
        model: model.to_owned(),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    }
}
