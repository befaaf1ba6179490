//! What a bag's files and its metadata.yaml say, put together to one picture of the bag.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::compression::Compression;
use crate::error::Result;
use crate::info::BagInfo;
use crate::kept::Numbering;
use crate::loss::LossItem;
use crate::mcap_storage::McapCatalog;
use crate::metadata::{FileEntry, Metadata, NEWEST, UNKNOWN_DISTRO};
use crate::storage::{Counting, FileCatalog};
use crate::stored_file::StoredFile;
use crate::topic::TopicInfo;

/// A bag whose messages are still to be read.
pub(crate) struct OpenedBag {
    pub info: BagInfo,
    /// In the order of their first messages.
    pub files: Vec<BagFile>,
    pub missing: Vec<MissingFile>,
}

/// One file of the bag, ready to be read.
#[derive(Clone)]
pub(crate) struct BagFile {
    pub source: PathBuf,
    /// `None` for a file whose unpacked copy was given up until its turn comes.
    pub stored: Option<Arc<StoredFile>>,
    pub catalog: Arc<Catalog>,
    /// From the file's own numbers to [`BagInfo::topics`].
    pub topics: HashMap<i64, usize>,
    pub start_nanos: Option<i64>,
    pub expected_count: Option<u64>,
    /// The file itself says so, as its recorder does at its end. A metadata.yaml may have been made anew, of what
    /// a crash had left.
    pub states_its_count: bool,
}

/// A file that cannot be read at all, among others that can.
pub(crate) struct MissingFile {
    pub damage: LossItem,
    pub expected_count: Option<u64>,
}

/// What the files say, put together.
pub(crate) struct Picture {
    info: BagInfo,
    metadata: Option<Metadata>,
    files: Vec<BagFile>,
    end_nanos: Option<i64>,
    stated_count: Option<u64>,
    /// Messages that were found in the files.
    found_count: Option<u64>,
    counting: Counting,
    /// The newest copy of metadata.yaml inside a file.
    embedded: Option<Metadata>,
    distro: Option<String>,
}

impl Picture {
    /// Of a bag whose metadata.yaml says this; what it says of counts is believed.
    pub(crate) fn new(path: &Path, metadata: Option<Metadata>) -> Self {
        let counting = match &metadata {
            Some(it) if it.lists_silent_topics() => Counting::All,
            Some(it) if it.states_counts() => Counting::None,
            _ => Counting::ByTopic,
        };
        let info = BagInfo {
            path: path.to_owned(),
            name: bag_name(path),
            compression: metadata
                .as_ref()
                .map(|it| it.compression)
                .unwrap_or_default(),
            embeds_metadata: false,
            ..BagInfo::empty()
        };
        Self {
            info,
            metadata,
            files: Vec::new(),
            end_nanos: None,
            stated_count: Some(0),
            found_count: Some(0),
            counting,
            embedded: None,
            distro: None,
        }
    }

    /// Takes what is odd about the bag.
    pub(crate) fn note_oddities(&mut self, odd: Vec<String>) {
        self.info.oddities.extend(odd);
    }

    /// Opens one of the bag's files and adds what it holds.
    pub(crate) fn add_file(
        &mut self,
        source: &Path,
        entry: &FileEntry,
        is_only: bool,
    ) -> Result<()> {
        let stored = Arc::new(StoredFile::open(source)?);
        let catalog = Catalog::read(&stored, self.counting)?;
        let found = catalog.to_file_catalog(&stored);
        if self.files.is_empty() {
            self.info.storage = stored.storage;
        }
        if stored.compressed {
            self.info.compression = Compression::File;
        }
        let whole_bag = self.metadata.as_ref().and_then(|it| it.message_count);
        let expected_count = found
            .stated_count
            .or(entry.message_count)
            .or(whole_bag.filter(|_| is_only));
        self.stated_count = self
            .stated_count
            .zip(found.stated_count)
            .map(|(a, b)| a.saturating_add(b));
        self.found_count =
            (self.found_count.zip(found.found_count)).map(|(a, b)| a.saturating_add(b));
        // Unpacked copies of all files of a long split bag at once could fill the disk.
        let keep = self.files.is_empty() || !stored.compressed;
        let states_its_count = found.stated_count.is_some();
        let start_nanos = found.start_nanos;
        let topics = self.add_contents(found);
        if let (Catalog::Mcap(catalog), true) = (&catalog, is_only) {
            self.info.numbering = Some(numbering(catalog, &topics));
        }
        self.files.push(BagFile {
            source: source.to_owned(),
            stored: keep.then_some(stored),
            catalog: Arc::new(catalog),
            topics,
            start_nanos,
            expected_count,
            states_its_count,
        });
        Ok(())
    }

    /// No file has been added yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Merges a file's contents and returns its topics' places.
    fn add_contents(&mut self, found: FileCatalog) -> HashMap<i64, usize> {
        self.end_nanos = self.end_nanos.max(found.end_nanos);
        if let Some(text) = &found.embedded_metadata {
            self.info.embeds_metadata = true;
            match Metadata::parse(text) {
                Ok(metadata) => self.embedded = Some(metadata),
                Err(reason) => tracing::debug!(reason, "the metadata inside the bag is damaged"),
            }
        }
        self.distro = self.distro.take().or(found.ros_distro);
        self.info.extras.extend(found.extras);
        let places = found.topics.into_iter();
        places
            .map(|(id, topic)| (id, self.add_topic(topic)))
            .collect()
    }

    /// The place of a topic that may have come with an earlier file.
    fn add_topic(&mut self, mut topic: TopicInfo) -> usize {
        for metadata in self.metadata.iter().chain(&self.embedded) {
            let listed = metadata.topics.iter().find(|it| it.name == topic.name);
            let Some(listed) = listed else { continue };
            let fill = |own: &mut String, listed: &str| {
                if own.is_empty() {
                    listed.clone_into(own);
                }
            };
            fill(&mut topic.type_name, &listed.type_name);
            fill(
                &mut topic.offered_qos_profiles,
                &listed.offered_qos_profiles,
            );
            fill(&mut topic.type_hash, &listed.type_hash);
        }
        let same = |known: &TopicInfo| known.is_same_topic(&topic);
        if let Some(place) = self.info.topics.iter().position(same) {
            if let Some(known) = self.info.topics.get_mut(place) {
                let counts = known.message_count.zip(topic.message_count);
                known.message_count = counts.map(|(a, b)| a.saturating_add(b));
            }
            return place;
        }
        self.info.topics.push(topic);
        self.info.topics.len() - 1
    }

    pub(crate) fn finish(mut self, missing: Vec<MissingFile>) -> OpenedBag {
        self.files
            .sort_by_key(|file| file.start_nanos.unwrap_or(i64::MIN));
        self.info.files = self.files.iter().map(|file| file.source.clone()).collect();
        self.info.start_nanos = self.files.iter().filter_map(|file| file.start_nanos).min();
        self.info.end_nanos = self.end_nanos;
        self.add_listed_topics();
        self.doubt_silent_topics();
        let topic_sum = || {
            let mut counts = self.info.topics.iter().map(|topic| topic.message_count);
            counts.try_fold(0_u64, |sum, count| Some(sum.saturating_add(count?)))
        };
        let listed = self.metadata.as_ref().and_then(|it| it.message_count);
        let held = (self.stated_count.or(self.found_count)).or_else(topic_sum);
        let are_doubted = self
            .metadata
            .as_ref()
            .is_some_and(|it| it.are_counts_doubted);
        if are_doubted && held != Some(0) {
            let odd = "metadata.yaml counts no messages, or parts that do not make up the whole: its counts are left out";
            self.info.oddities.push(odd.to_owned());
        }
        // Files that are missing count too.
        self.info.message_count = listed.max(held);
        let source = self.metadata.as_ref().or(self.embedded.as_ref());
        self.info.metadata_version = match source {
            Some(metadata) => metadata.version,
            None => fitting_version(&self.info.topics),
        };
        self.info.custom_data = source.map(|it| it.custom_data.clone()).unwrap_or_default();
        self.info.ros_distro = source
            .and_then(|metadata| metadata.ros_distro.clone())
            .or(self.distro)
            .unwrap_or_else(|| UNKNOWN_DISTRO.to_owned());
        OpenedBag {
            info: self.info,
            files: self.files,
            missing,
        }
    }

    /// Topics that metadata.yaml lists and no file has, and counts that no file gives.
    fn add_listed_topics(&mut self) {
        let listed = self.metadata.as_ref().map(|it| it.topics.as_slice());
        for topic in listed.unwrap_or_default() {
            let topics = &mut self.info.topics;
            match topics.iter_mut().find(|known| known.name == topic.name) {
                Some(known) => known.message_count = known.message_count.or(topic.message_count),
                None => topics.push(topic.clone()),
            }
        }
    }

    /// Where the files hold more messages than metadata.yaml lists, topics that it calls silent may have some.
    fn doubt_silent_topics(&mut self) {
        let listed = self.metadata.as_ref().and_then(|it| it.message_count);
        let (Some(listed), Some(found), Counting::All) = (listed, self.found_count, self.counting)
        else {
            return;
        };
        if found <= listed {
            return;
        }
        let odd = format!("metadata.yaml counts {listed} messages where there are {found}");
        self.info.oddities.push(odd);
        for topic in &mut self.info.topics {
            topic.message_count = topic.message_count.filter(|count| *count > 0);
        }
    }
}

/// Of two channels that say the same of their topic, the copy uses the one with the smaller number.
fn numbering(catalog: &McapCatalog, topics: &HashMap<i64, usize>) -> Numbering {
    let mut channels = BTreeMap::new();
    for (&channel, &topic) in topics {
        if let Ok(channel) = u16::try_from(channel) {
            let smallest = channels.entry(topic).or_insert(channel);
            *smallest = channel.min(*smallest);
        }
    }
    Numbering {
        definitions: Arc::new(catalog.definitions().clone()),
        channels,
    }
}

/// The version of metadata.yaml that bags with such topics had: since 9 the QoS profiles are in
/// words, since 7 there are type hashes.
fn fitting_version(topics: &[TopicInfo]) -> u32 {
    let has_qos = |topic: &&TopicInfo| topic.offered_qos_profiles.contains("history:");
    let Some(topic) = topics.iter().find(has_qos) else {
        return NEWEST;
    };
    let in_numbers = topic
        .offered_qos_profiles
        .split("history:")
        .nth(1)
        .is_some_and(|value| value.trim_start().starts_with(|c: char| c.is_ascii_digit()));
    match (in_numbers, topic.type_hash.is_empty()) {
        (false, _) => NEWEST,
        (true, false) => 8,
        (true, true) => 5,
    }
}

/// The folder's name, or the file's without the extensions of a bag.
fn bag_name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    if path.is_dir() {
        return name.into_owned();
    }
    let name = name.strip_suffix(".zstd").unwrap_or(&name);
    let stem = name
        .strip_suffix(".mcap")
        .or_else(|| name.strip_suffix(".db3"));
    stem.unwrap_or(name).to_owned()
}
