//! A model's name on a hub, and its place in the cache.

use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::failure::hub_error;
use super::options::HubOptions;
use crate::error::Result;

/// A model on the hub and its place in the cache.
pub(super) struct Model<'a> {
    /// As the user typed it.
    pub name: &'a str,
    /// With the revision.
    pub repo: Repo,
    /// The model's own part of the cache.
    pub cache: CacheRepo,
    /// The cache's folder.
    pub folder: PathBuf,
}

impl<'a> Model<'a> {
    /// The model that `name` is the id of.
    ///
    /// # Errors
    /// `Error::Hub` for what is no id, and where there is no folder to keep the model in.
    pub(super) fn named(name: &'a str, options: &HubOptions) -> Result<Self> {
        let (id, revision) = parse(name)?;
        let Some(folder) = &options.cache else {
            return Err(hub_error(
                name,
                "there is no home folder to keep downloads in",
                "Set HF_HOME to a folder, or give the model's own folder",
            ));
        };
        let repo = Repo::with_revision(id.to_owned(), RepoType::Model, revision.to_owned());
        Ok(Self {
            name,
            cache: Cache::new(folder.clone()).repo(repo.clone()),
            repo,
            folder: folder.clone(),
        })
    }
}

/// `org/name` or `org/name@revision`. Both become parts of paths and of addresses, so nothing but what a
/// hub allows in them gets through.
pub(super) fn parse(model: &str) -> Result<(&str, &str)> {
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
