//! One file from a hub into the cache: resumed where an earlier run was cut, checked while it comes in, and
//! put under its name only when it is whole.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Body;
use ureq::http::Response;

use super::client::{Client, Remote, header};
use super::failure::{Failure, hub_error};
use super::model::Model;
use crate::error::{Error, Result};
use spatial_reward_core::digest::hex;
use spatial_reward_core::progress::{OnProgress, Progress, Unit};

const BUFFER_BYTES: usize = 1 << 17;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Brings `file` into `snapshot`, unless it is there.
pub(super) fn file(
    model: &Model,
    client: &Client,
    url: &str,
    snapshot: &Path,
    file: &str,
    retries: u32,
    progress: OnProgress<'_>,
) -> std::result::Result<(), Failure> {
    let pointer = snapshot.join(file);
    if pointer.exists() {
        return Ok(());
    }
    let remote = client.examine(url)?;
    let blob = model.cache.blob_path(&remote.etag);
    for path in [&blob, &pointer] {
        let folder = path.parent().unwrap_or(&model.folder);
        fs::create_dir_all(folder).map_err(|error| disk_error(model, folder, error))?;
    }
    // The same lock as hf-hub's: two processes that want one file take turns.
    let lock = blob.with_extension("lock");
    let lock = File::create(&lock).map_err(|error| disk_error(model, &lock, error))?;
    lock.lock().map_err(Error::io("lock", &blob))?;
    let transfer = Transfer {
        model,
        client,
        url,
        file,
        remote: &remote,
        retries,
        progress: RefCell::new(progress),
    };
    if !transfer.is_there(&blob)? {
        transfer.run(&blob)?;
    }
    link(&blob, &pointer)?;
    Ok(())
}

struct Transfer<'a> {
    model: &'a Model<'a>,
    client: &'a Client<'a>,
    url: &'a str,
    file: &'a str,
    remote: &'a Remote,
    retries: u32,
    progress: RefCell<OnProgress<'a>>,
}

impl Transfer<'_> {
    /// Whether another snapshot or another tool has brought the file already. One that is not what the hub
    /// promises is taken away.
    fn is_there(&self, blob: &Path) -> Result<bool> {
        if !blob.exists() {
            return Ok(false);
        }
        let present = Partial::open(self.model, blob)?;
        if present.length == self.remote.size_bytes && self.checked(&present).is_ok() {
            return Ok(true);
        }
        tracing::warn!("{}: damaged, downloading it again", blob.display());
        fs::remove_file(blob).map_err(Error::io("remove", blob))?;
        Ok(false)
    }

    /// So many bytes are here, those of an earlier run included.
    fn tell(&self, done_bytes: u64) {
        (self.progress.borrow_mut())(Progress {
            subject: self.file,
            done: done_bytes as f64,
            total: Some(self.remote.size_bytes as f64),
            unit: Unit::Bytes,
            figure: None,
        });
    }

    fn run(&self, blob: &Path) -> std::result::Result<(), Failure> {
        let path = blob.with_extension("part");
        let mut partial = Partial::open(self.model, &path)?;
        let began_earlier = partial.length > 0;
        self.tell(partial.length);
        let outcome = self.complete(&mut partial).and_then(|()| {
            if began_earlier && self.checked(&partial).is_err() {
                // What another tool left may have been no beginning of this file.
                partial.restart()?;
                self.complete(&mut partial)?;
            }
            Ok(())
        });
        outcome?;
        if let Err(error) = self.checked(&partial) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            return Err(error.into());
        }
        // Names stand for whole files only, even after a power cut.
        partial
            .file
            .sync_all()
            .map_err(|error| disk_error(self.model, &path, error))?;
        fs::rename(&path, blob).map_err(Error::io("rename", &path))?;
        Ok(())
    }

    /// Transfers until all bytes are there, through any number of cuts as long as each attempt gets
    /// further.
    fn complete(&self, partial: &mut Partial) -> std::result::Result<(), Failure> {
        let size = self.remote.size_bytes;
        let mut furthest = partial.length;
        let mut stalled = 0;
        if partial.length > size {
            partial.restart()?;
        }
        while partial.length < size {
            let outcome = self.attempt(partial);
            if partial.length >= size {
                break;
            }
            let why = match outcome {
                Err(Failure::Unreachable(why)) => why,
                Err(fatal) => return Err(fatal),
                Ok(()) => format!("{} was cut off", self.url),
            };
            if partial.length > furthest {
                furthest = partial.length;
                stalled = 0;
            } else {
                stalled += 1;
            }
            if stalled > self.retries {
                return Err(Failure::Unreachable(format!(
                    "{why} (after {} of {size} bytes, which are kept)",
                    partial.length
                )));
            }
            tracing::debug!("{why}; going on at byte {}", partial.length);
            std::thread::sleep(FIRST_PAUSE * 2u32.saturating_pow(stalled.min(6)));
        }
        Ok(())
    }

    /// One request, from where the file ends so far.
    fn attempt(&self, partial: &mut Partial) -> std::result::Result<(), Failure> {
        self.tell(partial.length);
        let response = self.client.bytes_from(self.url, partial.length)?;
        if !continues_at(&response, partial.length) {
            // The whole file, or nothing that fits: begin again.
            partial.restart()?;
            if response.status().as_u16() != 200 {
                return Ok(());
            }
        }
        let missing = self.remote.size_bytes - partial.length;
        let mut body = response.into_body().into_reader().take(missing);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = body.read(&mut buffer).map_err(|error| {
                Failure::Unreachable(format!("{} was cut off: {error}", self.url))
            })?;
            let Some(bytes @ [_, ..]) = buffer.get(..count) else {
                return Ok(());
            };
            partial
                .append(bytes)
                .map_err(|error| disk_error(self.model, &partial.path, error))?;
            self.tell(partial.length);
        }
    }

    /// Compares the SHA-256 of files whose ETag is one. Others, which are small, have git's own hash.
    fn checked(&self, partial: &Partial) -> Result<()> {
        let promised = &self.remote.etag;
        let is_sha256 = promised.len() == 64 && promised.chars().all(|c| c.is_ascii_hexdigit());
        let found = partial.sha256();
        if !is_sha256 || found.eq_ignore_ascii_case(promised) {
            return Ok(());
        }
        Err(hub_error(
            self.model.name,
            &format!(
                "{file} came with the SHA-256 {found}, but the hub promises {promised}",
                file = self.file,
            ),
            "It was damaged or exchanged on its way and has been thrown away: try again, and do not use a \
             hub or proxy where this stays so",
        ))
    }
}

/// Whether a response begins at byte `start` of the file.
fn continues_at(response: &Response<Body>, start: u64) -> bool {
    let range = header(response.headers(), "content-range");
    let begin = range.as_deref().and_then(|range| {
        let range = range.trim().strip_prefix("bytes")?.trim_start();
        range.split('-').next()?.parse::<u64>().ok()
    });
    match response.status().as_u16() {
        200 => start == 0,
        206 => begin == Some(start),
        _ => false,
    }
}

/// A file that grows at its end, with the checksum of what it has.
struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    hash: Sha256,
}

impl Partial {
    /// Opens what an earlier run left, or begins.
    fn open(model: &Model, path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| disk_error(model, path, error))?;
        let mut partial = Self {
            path: path.to_path_buf(),
            file,
            length: 0,
            hash: Sha256::new(),
        };
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = partial
                .file
                .read(&mut buffer)
                .map_err(Error::io("read", path))?;
            let Some(bytes @ [_, ..]) = buffer.get(..count) else {
                return Ok(partial);
            };
            partial.hash.update(bytes);
            partial.length += count as u64;
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.file
            .set_len(0)
            .map_err(Error::io("empty", &self.path))?;
        self.hash = Sha256::new();
        self.length = 0;
        Ok(())
    }

    fn sha256(&self) -> String {
        hex(&self.hash.clone().finalize())
    }
}

/// Shows a blob under a file's name, with a relative link as the hub's own tools make it, so that a cache
/// can be moved.
fn link(blob: &Path, pointer: &Path) -> Result<()> {
    // A link whose blob someone removed.
    if pointer.is_symlink() {
        fs::remove_file(pointer).map_err(Error::io("remove", pointer))?;
    }
    let shared = blob
        .components()
        .zip(pointer.components())
        .take_while(|(left, right)| left == right)
        .count();
    let depth = pointer.components().count().saturating_sub(shared + 1);
    let mut target: PathBuf = std::iter::repeat_n(Component::ParentDir, depth).collect();
    target.extend(blob.components().skip(shared));
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(&target, pointer);
    #[cfg(not(unix))]
    let linked = fs::hard_link(blob, pointer);
    linked.map_err(Error::io("link", pointer))
}

fn disk_error(model: &Model, path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::QuotaExceeded {
        return hub_error(
            model.name,
            &format!("the disk is full at {}", path.display()),
            "Make room, or set HF_HOME to a folder with more; what has come so far is kept, and the next run \
             goes on from there",
        );
    }
    Error::io("write", path)(error)
}

#[cfg(test)]
mod tests {
    use hf_hub::{Cache, Repo};

    use super::*;

    #[test]
    fn a_full_disk_says_how_to_make_room_and_any_other_trouble_says_what_it_is() {
        // given
        let repo = Repo::model("org/name".into());
        let model = Model {
            name: "org/name",
            cache: Cache::new("cache".into()).repo(repo.clone()),
            repo,
            folder: "cache".into(),
        };
        let message = |kind: io::ErrorKind| {
            disk_error(&model, Path::new("cache/blob.part"), kind.into()).to_string()
        };
        // when, then
        let full = message(io::ErrorKind::StorageFull);
        assert!(full.contains("disk is full at cache/blob.part") && full.contains("HF_HOME"));
        let denied = message(io::ErrorKind::PermissionDenied);
        assert!(denied.contains("cannot write cache/blob.part"), "{denied}");
    }
}
