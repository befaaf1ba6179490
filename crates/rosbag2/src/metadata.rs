//! rosbag2's metadata.yaml: read leniently in every version, written in the versions 4 to 9.
//!
//! What the versions added: 4 QoS, 5 files, 6 custom_data, 7 type hash, 8 ros_distro, and 9 QoS as
//! a list instead of a text. A reader refuses versions newer than its own, so a copy keeps its
//! source's version.

use serde_yaml::{Mapping, Value};

use crate::compression::Compression;
use crate::topic::TopicInfo;

const ROOT: &str = "rosbag2_bagfile_information";
pub(crate) const OLDEST_WRITTEN: u32 = 4;
pub(crate) const NEWEST: u32 = 9;
pub(crate) const UNKNOWN_DISTRO: &str = "unknown";

/// One file of a bag, as metadata.yaml lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FileEntry {
    /// The file's name, without folders.
    pub name: String,
    pub message_count: Option<u64>,
}

/// What metadata.yaml says.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Metadata {
    pub version: u32,
    pub files: Vec<FileEntry>,
    pub message_count: Option<u64>,
    /// Its counts could not be believed, and were left out.
    pub are_counts_doubted: bool,
    pub compression: Compression,
    /// A compression format that cannot be read.
    pub foreign_compression: Option<String>,
    pub topics: Vec<TopicInfo>,
    pub custom_data: Value,
    pub ros_distro: Option<String>,
}

impl Metadata {
    /// Reads the text of a metadata.yaml or of the copy inside a bag file, which lacks the root
    /// key. The error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let information = document.get(ROOT).unwrap_or(&document);
        if !information.is_mapping() {
            return Err(format!("it has no {ROOT}"));
        }
        let version = unsigned(information.get("version")).ok_or("it has no version")?;
        let compression = compression(information);
        let format = text_of(information.get("compression_format")).unwrap_or_default();
        let foreign = compression != Compression::None && !matches!(&*format, "" | "zstd");
        Ok(Self {
            version: u32::try_from(version).unwrap_or(u32::MAX),
            files: files(information),
            message_count: unsigned(information.get("message_count")),
            are_counts_doubted: false,
            compression,
            foreign_compression: foreign.then_some(format),
            topics: sequence(information.get("topics_with_message_count"))
                .filter_map(topic)
                .collect(),
            custom_data: information.get("custom_data").cloned().unwrap_or_default(),
            ros_distro: text_of(information.get("ros_distro")).filter(|distro| !distro.is_empty()),
        })
    }

    /// Whether the counts of messages can be believed: tools that filter or rebuild bags leave zeros.
    pub(crate) fn counts_agree(&self) -> bool {
        let Some(all) = self.message_count else {
            return true;
        };
        let parts_agree = |parts: Option<Vec<u64>>| match parts {
            Some(parts) if !parts.is_empty() => sum_of(&parts) == Some(all),
            _ => true,
        };
        all > 0
            && parts_agree(self.topics.iter().map(|it| it.message_count).collect())
            && parts_agree(self.files.iter().map(|it| it.message_count).collect())
    }

    /// Leaves out how many messages there are.
    pub(crate) fn forget_counts(&mut self) {
        self.forget_sums();
        for file in &mut self.files {
            file.message_count = None;
        }
    }

    /// Leaves out what it counts over all files.
    pub(crate) fn forget_sums(&mut self) {
        self.message_count = None;
        for topic in &mut self.topics {
            topic.message_count = None;
        }
    }

    /// It says how many messages there are.
    pub(crate) fn states_counts(&self) -> bool {
        self.message_count.is_some() || self.topics.iter().any(|it| it.message_count.is_some())
    }

    /// It says of a topic that it has no message.
    pub(crate) fn lists_silent_topics(&self) -> bool {
        self.topics.iter().any(|it| it.message_count == Some(0))
    }
}

/// `None` beyond what an integer holds.
fn sum_of(counts: &[u64]) -> Option<u64> {
    (counts.iter()).try_fold(0_u64, |sum, count| sum.checked_add(*count))
}

fn text_of(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

fn unsigned(value: Option<&Value>) -> Option<u64> {
    value.and_then(Value::as_u64)
}

fn sequence(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_sequence).into_iter().flatten()
}

/// The files in `relative_file_paths`, with the counts from `files` where that has them.
fn files(information: &Value) -> Vec<FileEntry> {
    let counts: Vec<(String, Option<u64>)> = sequence(information.get("files"))
        .filter_map(|file| {
            let name = file_name(file.get("path")?.as_str()?)?;
            Some((name, unsigned(file.get("message_count"))))
        })
        .collect();
    sequence(information.get("relative_file_paths"))
        .filter_map(|path| file_name(path.as_str()?))
        .map(|name| {
            let message_count = counts
                .iter()
                .find(|(counted, _)| *counted == name)
                .and_then(|(_, count)| *count);
            FileEntry {
                name,
                message_count,
            }
        })
        .collect()
}

/// Bag files lie in the bag's folder; old versions put the folder's name in front, and a hostile
/// path must not lead out of it.
fn file_name(path: &str) -> Option<String> {
    let name = std::path::Path::new(path).file_name()?.to_str()?;
    Some(name.to_owned())
}

fn compression(information: &Value) -> Compression {
    let mode = text_of(information.get("compression_mode")).unwrap_or_default();
    match mode.to_ascii_lowercase().as_str() {
        "file" => Compression::File,
        "message" => Compression::Message,
        _ => Compression::None,
    }
}

fn topic(entry: &Value) -> Option<TopicInfo> {
    let topic = entry.get("topic_metadata")?;
    Some(TopicInfo {
        name: text_of(topic.get("name"))?,
        type_name: text_of(topic.get("type")).unwrap_or_default(),
        message_count: unsigned(entry.get("message_count")),
        serialization_format: text_of(topic.get("serialization_format"))
            .unwrap_or_else(|| "cdr".to_owned()),
        offered_qos_profiles: qos_text(topic.get("offered_qos_profiles")),
        type_hash: text_of(topic.get("type_description_hash")).unwrap_or_default(),
        ..TopicInfo::default()
    })
}

fn qos_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(list @ Value::Sequence(_)) => serde_yaml::to_string(list)
            .map(|text| text.trim_end().to_owned())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// What a finished bag says about itself.
pub(crate) struct Summary<'a> {
    pub version: u32,
    pub storage_identifier: &'static str,
    pub file_name: String,
    pub start_nanos: i64,
    pub duration_nanos: i64,
    pub message_count: u64,
    pub topics: Vec<(&'a TopicInfo, u64)>,
    pub custom_data: &'a Value,
    pub ros_distro: &'a str,
}

impl Summary<'_> {
    /// The text of metadata.yaml.
    pub(crate) fn to_file_text(&self) -> Result<String, String> {
        let root = mapping([(ROOT, self.information())]);
        serde_yaml::to_string(&root).map_err(|error| error.to_string())
    }

    /// The text of the copy inside a bag file, which lacks the root key.
    pub(crate) fn to_embedded_text(&self) -> Result<String, String> {
        serde_yaml::to_string(&self.information()).map_err(|error| error.to_string())
    }

    fn information(&self) -> Value {
        let duration = || mapping([("nanoseconds", self.duration_nanos.into())]);
        let start = || mapping([("nanoseconds_since_epoch", self.start_nanos.into())]);
        let topics = self.topics.iter().map(|(topic, count)| {
            mapping([
                ("topic_metadata", self.topic(topic)),
                ("message_count", (*count).into()),
            ])
        });
        let mut entries = vec![
            ("version", self.version.into()),
            ("storage_identifier", self.storage_identifier.into()),
            ("duration", duration()),
            ("starting_time", start()),
            ("message_count", self.message_count.into()),
            ("topics_with_message_count", topics.collect()),
            ("compression_format", "".into()),
            ("compression_mode", "".into()),
            (
                "relative_file_paths",
                [self.file_name.as_str()].into_iter().collect(),
            ),
        ];
        if self.version >= 5 {
            let file = mapping([
                ("path", self.file_name.as_str().into()),
                ("starting_time", start()),
                ("duration", duration()),
                ("message_count", self.message_count.into()),
            ]);
            entries.push(("files", Value::Sequence(vec![file])));
        }
        if self.version >= 6 {
            entries.push(("custom_data", self.custom_data.clone()));
        }
        if self.version >= 8 {
            entries.push(("ros_distro", self.ros_distro.into()));
        }
        mapping(entries)
    }

    fn topic(&self, topic: &TopicInfo) -> Value {
        let qos = if self.version >= 9 {
            qos_list(topic)
        } else {
            topic.offered_qos_profiles.as_str().into()
        };
        let mut entries = vec![
            ("name", topic.name.as_str().into()),
            ("type", topic.type_name.as_str().into()),
            (
                "serialization_format",
                topic.serialization_format.as_str().into(),
            ),
            ("offered_qos_profiles", qos),
        ];
        if self.version >= 7 {
            entries.push(("type_description_hash", topic.type_hash.as_str().into()));
        }
        mapping(entries)
    }
}

fn qos_list(topic: &TopicInfo) -> Value {
    let list = match serde_yaml::from_str::<Value>(&topic.offered_qos_profiles) {
        Ok(list @ Value::Sequence(_)) => Some(list),
        Ok(Value::Null) => Some(Value::Sequence(Vec::new())),
        _ => None,
    };
    list.unwrap_or_else(|| {
        tracing::warn!(
            topic = topic.name,
            "the offered QoS profiles are not a YAML list, metadata.yaml is written without them"
        );
        Value::Sequence(Vec::new())
    })
}

fn mapping<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entries = entries
        .into_iter()
        .map(|(key, value)| (Value::from(key), value));
    Value::Mapping(entries.collect::<Mapping>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION_5: &str = r#"
rosbag2_bagfile_information:
  version: 5
  storage_identifier: sqlite3
  something_new: [1, 2]
  message_count: 3
  topics_with_message_count:
    - topic_metadata:
        name: /chatter
        type: std_msgs/msg/String
        serialization_format: cdr
        offered_qos_profiles: "- history: 1\n  depth: 10"
      message_count: 3
  compression_format: zstd
  compression_mode: MESSAGE
  relative_file_paths: ["bag/bag_0.db3", ../../bag_1.db3]
  files:
    - path: bag_1.db3
      message_count: 2
"#;

    #[test]
    fn reads_an_old_version_with_unknown_keys() {
        let metadata = Metadata::parse(VERSION_5).unwrap();

        assert_eq!(metadata.version, 5);
        assert_eq!(metadata.compression, Compression::Message);
        assert_eq!(metadata.topics.len(), 1);
        assert_eq!(
            metadata.topics[0].offered_qos_profiles,
            "- history: 1\n  depth: 10"
        );
        assert_eq!(metadata.ros_distro, None);
    }

    #[test]
    fn counts_that_contradict_each_other_are_not_believed() {
        let agree = |text: &str| Metadata::parse(text).unwrap().counts_agree();
        let whole = VERSION_5.replace("bag_1.db3\n      message_count: 2", "bag_1.db3");
        assert!(agree(&whole));
        // The topics' counts do not make up the whole, or there is nothing to make up
        assert!(!agree(&whole.replace(
            "  message_count: 3\n  topics",
            "  message_count: 4\n  topics"
        )));
        assert!(!agree(
            &whole.replace("message_count: 3", "message_count: 0")
        ));
    }

    #[test]
    fn files_stay_inside_the_folder_of_the_bag() {
        let metadata = Metadata::parse(VERSION_5).unwrap();

        let names: Vec<_> = metadata.files.iter().map(|file| &file.name).collect();
        assert_eq!(names, ["bag_0.db3", "bag_1.db3"]);
        assert_eq!(metadata.files[1].message_count, Some(2));
    }

    #[test]
    fn refuses_what_is_no_metadata() {
        assert!(Metadata::parse("").is_err());
        assert!(Metadata::parse("- just\n- a list").is_err());
        assert!(Metadata::parse("rosbag2_bagfile_information: 3").is_err());
        assert!(Metadata::parse("{unclosed: ").is_err());
    }

    #[test]
    fn names_a_compression_that_cannot_be_read() {
        let metadata = Metadata::parse(&VERSION_5.replace("zstd", "lz4")).unwrap();

        assert_eq!(metadata.foreign_compression.as_deref(), Some("lz4"));
    }

    fn written(version: u32, qos: &str) -> Value {
        let topic = TopicInfo {
            offered_qos_profiles: qos.to_owned(),
            ..TopicInfo::cdr("/chatter", "std_msgs/msg/String", "string data", "RIHS01_0")
        };
        let custom_data = serde_yaml::from_str("robot: left").unwrap();
        let summary = Summary {
            version,
            storage_identifier: "mcap",
            file_name: "bag_0.mcap".to_owned(),
            start_nanos: 1_759_999_999_999_000_000,
            duration_nanos: 5,
            message_count: 3,
            topics: vec![(&topic, 3)],
            custom_data: &custom_data,
            ros_distro: "jazzy",
        };
        let document: Value = serde_yaml::from_str(&summary.to_file_text().unwrap()).unwrap();
        document.get(ROOT).unwrap().clone()
    }

    #[test]
    fn each_version_has_the_keys_that_it_added() {
        for version in OLDEST_WRITTEN..=NEWEST {
            let information = written(version, "- depth: 10");
            let topic = &information["topics_with_message_count"][0]["topic_metadata"];

            assert_eq!(information.get("files").is_some(), version >= 5);
            assert_eq!(information.get("custom_data").is_some(), version >= 6);
            assert_eq!(topic.get("type_description_hash").is_some(), version >= 7);
            assert_eq!(information.get("ros_distro").is_some(), version >= 8);
            assert_eq!(topic["offered_qos_profiles"].is_sequence(), version >= 9);
        }
    }

    #[test]
    fn qos_text_survives_both_forms() {
        let text = written(8, "- depth: 10");
        let list = written(9, "- depth: 10");

        let qos = |information: &Value| {
            Metadata::parse(&serde_yaml::to_string(information).unwrap())
                .unwrap()
                .topics[0]
                .offered_qos_profiles
                .clone()
        };
        assert_eq!(qos(&text), "- depth: 10");
        assert_eq!(qos(&list), "- depth: 10");
    }

    #[test]
    fn qos_that_is_no_list_does_not_spoil_the_file() {
        let information = written(9, "{not a list");

        let topic = &information["topics_with_message_count"][0]["topic_metadata"];
        assert_eq!(topic["offered_qos_profiles"], Value::Sequence(Vec::new()));
    }
}
