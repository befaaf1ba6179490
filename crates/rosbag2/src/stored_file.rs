//! One file of a bag on disk, told by its first bytes and made ready to be read: a file that was
//! compressed as a whole is unpacked to a temporary one, never into memory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::compression::ZSTD_MAGIC;
use crate::error::{Error, Result};
use crate::loss::{LossItem, Place};
use crate::topic::Storage;

const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const ROS1_MAGIC: &[u8] = b"#ROSBAG V";

/// A bag file that can be read at [`StoredFile::path`].
#[derive(Debug)]
pub(crate) struct StoredFile {
    /// The file as the user knows it.
    pub source: PathBuf,
    /// Where to read: the source itself, or the unpacked copy of it.
    pub path: PathBuf,
    pub storage: Storage,
    /// The source is compressed as a whole.
    pub compressed: bool,
    /// What was wrong with the source already when it was unpacked.
    pub damage: Option<LossItem>,
    /// Removes the unpacked copy when the last user of the file is gone.
    temporary: Option<tempfile::TempDir>,
}

impl StoredFile {
    /// Errors: [`Error::Io`] if it cannot be read, [`Error::NotABag`] if it is something else,
    /// [`Error::Ros1`] if it is a bag of ROS 1.
    pub(crate) fn open(source: &Path) -> Result<Self> {
        check_is_file(source)?;
        let start = first_bytes(source)?;
        if !start.starts_with(&ZSTD_MAGIC) {
            let storage = storage_of(source, &start)?;
            if storage == Storage::Sqlite3 && has_write_ahead_log(source) {
                return Self::with_log_applied(source);
            }
            return Self {
                source: source.to_owned(),
                path: source.to_owned(),
                storage,
                compressed: false,
                damage: None,
                temporary: None,
            }
            .with_whole_pages();
        }
        let folder = temporary_folder()?;
        let path = folder.path().join("unpacked");
        let damage = unpack(source, &path)?;
        let storage = storage_of(source, &first_bytes(&path)?)?;
        Self {
            source: source.to_owned(),
            path,
            storage,
            compressed: true,
            damage,
            temporary: Some(folder),
        }
        .with_whole_pages()
    }

    /// sqlite reads what is missing of a cut page as zeros, and would give messages with a part
    /// of them zeroed as whole ones: a cut page is left out.
    fn with_whole_pages(mut self) -> Result<Self> {
        if self.storage != Storage::Sqlite3 {
            return Ok(self);
        }
        let length = self.len()?;
        let mut header = Vec::new();
        let read = self.reader()?.take(HEADER_BYTES).read_to_end(&mut header);
        read.map_err(Error::io("read", &self.source))?;
        let excess = length % page_bytes(&header).max(1);
        if excess == 0 {
            return Ok(self);
        }
        let failed = |action| Error::io(action, self.source.clone());
        let path = match &self.temporary {
            Some(_) => self.path.clone(),
            None => {
                let folder = temporary_folder()?;
                let path = folder.path().join("whole_pages.db3");
                std::fs::copy(&self.path, &path).map_err(failed("copy"))?;
                self.temporary = Some(folder);
                path
            }
        };
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(length - excess))
            .map_err(failed("shorten the copy of"))?;
        self.path = path;
        Ok(self)
    }

    /// A recorder that was killed leaves its last messages in a write-ahead log beside the bag.
    /// Applying it would change the source, so it is applied to a copy.
    fn with_log_applied(source: &Path) -> Result<Self> {
        let folder = temporary_folder()?;
        let path = folder.path().join("bag.db3");
        for (from, to) in [
            (source.to_owned(), path.clone()),
            (write_ahead_log(source), write_ahead_log(&path)),
        ] {
            std::fs::copy(&from, &to).map_err(Error::io("copy", from))?;
        }
        // Opening for writing and closing moves the log's pages into the copy. A log that does not
        // apply leaves the copy as it was.
        let applied = rusqlite::Connection::open(&path)
            .and_then(|copy| copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        let damage = applied.err().map(|error| {
            LossItem::new(
                source,
                Place::File,
                format!("its write-ahead log cannot be applied ({error})"),
            )
        });
        Ok(Self {
            source: source.to_owned(),
            path,
            storage: Storage::Sqlite3,
            compressed: false,
            damage,
            temporary: Some(folder),
        })
    }

    pub(crate) fn len(&self) -> Result<u64> {
        std::fs::metadata(&self.path)
            .map(|metadata| metadata.len())
            .map_err(Error::io("read", &self.source))
    }

    pub(crate) fn reader(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io("open", &self.source))
    }

    /// Whether a file of this length is still there: a recording may be deleted, or its disk go away, while it is read.
    ///
    /// Errors: [`Error::Io`] if it is not.
    pub(crate) fn check_still_whole(&self, opened_bytes: u64) -> Result<()> {
        let failed = || Error::io("read on in", &self.source);
        let mut file = File::open(&self.path).map_err(failed())?;
        let bytes = file.seek(io::SeekFrom::End(0)).map_err(failed())?;
        if bytes < opened_bytes {
            let words = format!(
                "it had {opened_bytes} bytes when it was opened, and has {bytes} bytes now"
            );
            return Err(failed()(io::Error::other(words)));
        }
        Ok(())
    }
}

const HEADER_BYTES: u64 = 100;

/// The size of a database's pages by its header, 0 if that is cut.
pub(crate) fn page_bytes(header: &[u8]) -> u64 {
    match header.get(16..18) {
        Some(&[0, 1]) => 65536,
        Some(&[high, low]) => u64::from(u16::from_be_bytes([high, low])),
        _ => 0,
    }
}

fn temporary_folder() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(Error::io(
        "make a folder to unpack the bag in",
        std::env::temp_dir(),
    ))
}

fn write_ahead_log(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn has_write_ahead_log(database: &Path) -> bool {
    std::fs::metadata(write_ahead_log(database)).is_ok_and(|log| log.is_file() && log.len() > 0)
}

/// Opening a pipe that nobody writes to would wait for ever, and a device has no end.
fn check_is_file(path: &Path) -> Result<()> {
    let kind = std::fs::metadata(path).map_err(Error::io("open", path))?;
    if kind.is_file() {
        return Ok(());
    }
    Err(Error::NotABag {
        path: path.to_owned(),
        found: what_it_is(kind.file_type()).to_owned(),
    })
}

#[cfg(unix)]
fn what_it_is(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "no regular file",
    }
}

#[cfg(not(unix))]
fn what_it_is(kind: std::fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else {
        "no regular file"
    }
}

/// Whether the file begins as the bags of ROS 1 do.
pub(crate) fn is_ros1_bag(path: &Path) -> bool {
    path.is_file() && first_bytes(path).is_ok_and(|start| start.starts_with(ROS1_MAGIC))
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut start = Vec::new();
    file.take(SQLITE_MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(Error::io("read", path))?;
    Ok(start)
}

fn storage_of(path: &Path, start: &[u8]) -> Result<Storage> {
    if start.starts_with(mcap::MAGIC) {
        return Ok(Storage::Mcap);
    }
    if start == SQLITE_MAGIC {
        return Ok(Storage::Sqlite3);
    }
    if start.starts_with(ROS1_MAGIC) {
        return Err(Error::Ros1 {
            path: path.to_owned(),
            found: format!("it begins with \"{}\"", start.escape_ascii()),
        });
    }
    let found = if start.is_empty() {
        "an empty file (0 bytes)".to_owned()
    } else {
        format!(
            "a file that begins with \"{}\", as neither MCAP nor sqlite3 does",
            start.escape_ascii()
        )
    };
    Err(Error::NotABag {
        path: path.to_owned(),
        found,
    })
}

/// Unpacks as far as the source goes; the damage returned says where it stopped.
fn unpack(source: &Path, target: &Path) -> Result<Option<LossItem>> {
    const BLOCK_BYTES: usize = 256 * 1024;
    let file = File::open(source).map_err(Error::io("open", source))?;
    let mut packed = zstd::Decoder::new(file).map_err(Error::io("unpack", source))?;
    let mut unpacked = File::create(target).map_err(Error::io("create", target))?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut offset = 0;
    loop {
        let count = match packed.read(&mut block) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let what = format!("the zstd compression breaks off here ({error})");
                return Ok(Some(LossItem::new(source, Place::Byte(offset), what)));
            }
        };
        let block = block.get(..count).unwrap_or_default();
        unpacked
            .write_all(block)
            .map_err(Error::io("unpack the bag to", target))?;
        offset += count as u64;
    }
}
