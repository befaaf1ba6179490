//! Reading a bag: its files one after the other or interleaved as their times demand, their
//! messages unpacked, and an account of what a damaged bag has lost.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::compression::{Compression, ZSTD_MAGIC, plausible_size};
use crate::error::Result;
use crate::info::{BagInfo, BagMessage};
use crate::loss::{Account, Loss, LossItem, Place};
use crate::open;
use crate::picture::{BagFile, OpenedBag};
use crate::storage::{StorageReader, StoredMessage};
use crate::stored_file::StoredFile;
use crate::topic::TopicInfo;

/// Streams a bag's messages in log-time order, in memory that does not grow with the bag.
pub struct BagReader {
    info: BagInfo,
    /// Not yet begun, the latest first.
    files: Vec<BagFile>,
    begun: Vec<BegunFile>,
    account: Account,
    /// The latest log time that has come out.
    newest_nanos: i64,
}

struct BegunFile {
    source: PathBuf,
    stored: Arc<StoredFile>,
    /// How long it was when it was opened.
    opened_bytes: u64,
    topics: HashMap<i64, usize>,
    expected_count: Option<u64>,
    reader: Box<dyn StorageReader>,
    /// The message that comes out next; `None` at the file's end.
    head: Option<StoredMessage>,
    delivered: u64,
    states_its_count: bool,
    damaged: bool,
    /// Messages that nobody counted may be missing for the damage.
    hides_messages: bool,
    /// That one of its messages came too late is said once.
    late: bool,
}

impl BagReader {
    /// Opens a rosbag2 folder (with or without metadata.yaml) or a bare `.mcap` or `.db3` file,
    /// zstd-compressed or not. A damaged bag opens as long as anything of it can be found.
    ///
    /// Errors: [`Error::Io`](crate::Error::Io) if the path cannot be read,
    /// [`Error::NotABag`](crate::Error::NotABag) if it is something else,
    /// [`Error::BagFormat`](crate::Error::BagFormat) if nothing can be read of it.
    pub fn open(path: &Path) -> Result<Self> {
        let OpenedBag {
            info,
            mut files,
            missing,
        } = open::open(path)?;
        files.reverse();
        let mut account = Account::told();
        for file in missing {
            account.add(file.damage);
            account.missing(file.expected_count);
        }
        Ok(Self::new(info, files, account))
    }

    fn new(info: BagInfo, files: Vec<BagFile>, account: Account) -> Self {
        Self {
            info,
            files,
            begun: Vec::new(),
            account,
            newest_nanos: i64::MIN,
        }
    }

    /// Shows the bag's first messages, in their order, until `visit` returns false: for decisions that the whole
    /// reading depends on. To be called before [`Self::next_message`], which begins at the first message all the
    /// same; damage is not noted.
    ///
    /// Errors: as [`Self::next_message`].
    pub fn look_ahead(&self, visit: &mut dyn FnMut(BagMessage) -> bool) -> Result<()> {
        let mut ahead = Self::new(self.info.clone(), self.files.clone(), Account::silent());
        while let Some(message) = ahead.next_message()? {
            if !visit(message) {
                break;
            }
        }
        Ok(())
    }

    /// Topics, times and all else that is known of the bag before its messages are read.
    pub fn info(&self) -> &BagInfo {
        &self.info
    }

    /// What was lost so far; complete once [`Self::next_message`] has returned `None`.
    pub fn loss(&self) -> Option<&Loss> {
        self.account.loss()
    }

    /// The next message in the order of log times, or `None` at the end of what can be read of
    /// the bag: then [`Self::loss`] tells what is missing, and whether a wrong index made messages
    /// come out late.
    ///
    /// Errors: none that a damaged bag causes, only the machine's: a full temporary folder, a file that went away or
    /// became shorter since it was opened, too many open files.
    pub fn next_message(&mut self) -> Result<Option<BagMessage>> {
        loop {
            self.begin_due_files()?;
            let Some(index) = self.earliest() else {
                self.account.close();
                return Ok(None);
            };
            let message = self.take_from(index)?;
            self.end_if_done(index);
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    /// The begun file whose next message is the earliest.
    fn earliest(&self) -> Option<usize> {
        let times = self.begun.iter().map(BegunFile::head_time).enumerate();
        times.min_by_key(|&(_, time)| time).map(|(index, _)| index)
    }

    /// Files of a split bag hardly overlap in time: each is opened when its first message is due.
    fn begin_due_files(&mut self) -> Result<()> {
        loop {
            let earliest = self.begun.iter().map(BegunFile::head_time).min();
            let is_due = |next: &mut BagFile| {
                earliest.is_none_or(|time| next.start_nanos.is_none_or(|start| start <= time))
            };
            let Some(file) = self.files.pop_if(is_due) else {
                return Ok(());
            };
            self.begin(file)?;
        }
    }

    fn begin(&mut self, file: BagFile) -> Result<()> {
        let stored = match file.stored {
            Some(stored) => stored,
            None => Arc::new(StoredFile::open(&file.source)?),
        };
        let unpacking_damage = stored.damage.clone();
        let mut begun = BegunFile {
            opened_bytes: stored.len()?,
            reader: file.catalog.reader(Arc::clone(&stored))?,
            stored,
            source: file.source,
            topics: file.topics,
            expected_count: file.expected_count,
            states_its_count: file.states_its_count,
            head: None,
            delivered: 0,
            damaged: false,
            hides_messages: false,
            late: false,
        };
        begun.note(unpacking_damage, &mut self.account);
        begun.advance(&mut self.account)?;
        self.begun.push(begun);
        self.end_if_done(self.begun.len() - 1);
        Ok(())
    }

    /// Takes the head of a begun file; `None` if that message turns out to be unreadable.
    fn take_from(&mut self, index: usize) -> Result<Option<BagMessage>> {
        let Some(begun) = self.begun.get_mut(index) else {
            return Ok(None);
        };
        let Some(stored) = begun.advance(&mut self.account)? else {
            return Ok(None);
        };
        if stored.log_time_nanos < self.newest_nanos {
            begun.note_late(stored.log_time_nanos, &mut self.account);
        }
        self.newest_nanos = self.newest_nanos.max(stored.log_time_nanos);
        let readable = match begun.topics.get(&stored.channel) {
            None => Err("a message is of a topic that the file does not name".to_owned()),
            Some(&topic) => match self.info.topics.get(topic) {
                None => Err("a message is of no topic of the bag".to_owned()),
                Some(info) => {
                    unpacked(&stored.data, info, self.info.compression).map(|data| (topic, data))
                }
            },
        };
        Ok(match readable {
            Ok((topic, data)) => {
                begun.delivered += 1;
                Some(BagMessage {
                    topic,
                    log_time_nanos: stored.log_time_nanos,
                    publish_time_nanos: stored.publish_time_nanos,
                    sequence: stored.sequence,
                    data,
                    chunk: stored.chunk,
                })
            }
            Err(what) => {
                let what = format!("{what} (log time {} ns)", stored.log_time_nanos);
                let item = LossItem::new(&begun.source, Place::File, what).hiding_nothing();
                begun.note([item], &mut self.account);
                None
            }
        })
    }

    /// Closes a file that has no more messages, and counts what it lacks.
    fn end_if_done(&mut self, index: usize) {
        if self.begun.get(index).is_none_or(|file| file.head.is_some()) {
            return;
        }
        let file = self.begun.remove(index);
        let lacking = file.lacking();
        if let (Some(expected), Some(1..), false) = (file.expected_count, lacking, file.damaged) {
            let what = format!(
                "{} messages could be read, but the bag says there are {expected}",
                file.delivered
            );
            self.account
                .add(LossItem::new(&file.source, Place::File, what));
        }
        if file.damaged || lacking.is_some_and(|count| count > 0) {
            self.account.missing(lacking);
        }
    }
}

impl BegunFile {
    fn head_time(&self) -> i64 {
        self.head
            .as_ref()
            .map_or(i64::MAX, |head| head.log_time_nanos)
    }

    /// How many messages are missing; `None` if nobody knows. A count from outside the file that a damaged file
    /// reaches was made of what is left of it, as `ros2 bag reindex` does.
    fn lacking(&self) -> Option<u64> {
        let lacking = self.expected_count?.saturating_sub(self.delivered);
        let is_certain = lacking > 0 || !self.hides_messages || self.states_its_count;
        is_certain.then_some(lacking)
    }

    fn note(&mut self, damage: impl IntoIterator<Item = LossItem>, account: &mut Account) {
        for item in damage {
            self.damaged = true;
            self.hides_messages |= item.hides_messages();
            account.add(item);
        }
    }

    /// Files and chunks are opened when the first message that they state is due; one that they
    /// do not state comes behind its turn.
    fn note_late(&mut self, log_time_nanos: i64, account: &mut Account) {
        if std::mem::replace(&mut self.late, true) {
            return;
        }
        let what = format!(
            "messages come out late, the first with log time {log_time_nanos} ns: the times in the \
             file's index are wrong, or too many of its chunks overlap in time"
        );
        let item = LossItem::new(&self.source, Place::File, what).hiding_nothing();
        self.note([item], account);
    }

    /// Reads the next head and returns the last one. What looks damaged because the file is not there any more is no
    /// damage: whoever took it for that would go on without the rest.
    fn advance(&mut self, account: &mut Account) -> Result<Option<StoredMessage>> {
        let next = self.reader.next()?;
        let damage = self.reader.take_damage();
        if !damage.is_empty() {
            self.stored.check_still_whole(self.opened_bytes)?;
        }
        self.note(damage, account);
        Ok(std::mem::replace(&mut self.head, next))
    }
}

/// A message's bytes as they were before rosbag2 compressed them, which shows by zstd's magic
/// where a CDR message would begin with `00`.
fn unpacked(
    data: &Bytes,
    topic: &TopicInfo,
    compression: Compression,
) -> std::result::Result<Bytes, String> {
    let may_be_compressed =
        compression == Compression::Message || topic.serialization_format == "cdr";
    if !may_be_compressed || !data.starts_with(&ZSTD_MAGIC) {
        return Ok(data.clone());
    }
    let largest = plausible_size(data.len() as u64);
    let mut unpacked = Vec::new();
    zstd::Decoder::with_buffer(&**data)
        .and_then(|decoder| decoder.take(largest as u64 + 1).read_to_end(&mut unpacked))
        .map_err(|error| {
            format!(
                "a compressed message on {} is damaged ({error})",
                topic.name
            )
        })?;
    if unpacked.len() > largest {
        return Err(format!(
            "a compressed message on {} unpacks to more than {largest} bytes",
            topic.name
        ));
    }
    Ok(unpacked.into())
}
