//! A bag's topics in plain data: names, types, definitions, and the storage that keeps them.

use std::collections::BTreeMap;

/// The file format of a bag's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// `.mcap`, the default since ROS 2 Iron.
    Mcap,
    /// `.db3`, the default before.
    Sqlite3,
}

impl Storage {
    /// rosbag2's name of the storage plugin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mcap => "mcap",
            Self::Sqlite3 => "sqlite3",
        }
    }

    /// The file name's extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mcap => "mcap",
            Self::Sqlite3 => "db3",
        }
    }
}

/// The definition of a message type, as the bag stores it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Schema {
    /// The message type, such as `sensor_msgs/msg/Image`.
    pub name: String,
    /// `ros2msg`, `ros2idl`, or empty where the recorder did not find the definition.
    pub encoding: String,
    /// The definition's text in that encoding, with the types that it uses.
    pub data: Vec<u8>,
}

impl Schema {
    /// The definition's text, if it is a `ros2msg` one.
    pub fn ros2msg(&self) -> Option<&str> {
        if self.encoding != "ros2msg" {
            return None;
        }
        std::str::from_utf8(&self.data).ok()
    }
}

/// One topic of a bag (a topic that was recorded with two types or QoS lists appears twice).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicInfo {
    /// With its leading slash, such as `/camera/image_raw`.
    pub name: String,
    /// The message type, such as `sensor_msgs/msg/Image`.
    pub type_name: String,
    /// How many messages the bag says it has; `None` where only reading the whole bag would tell.
    pub message_count: Option<u64>,
    /// `cdr` for everything that ROS 2 records.
    pub serialization_format: String,
    /// The YAML text as in the input; empty if the bag does not know.
    pub offered_qos_profiles: String,
    /// `RIHS01_...`, empty if the bag does not know.
    pub type_hash: String,
    /// The type's definition; `None` if the bag does not know it.
    pub schema: Option<Schema>,
    /// What else an MCAP channel says about itself, kept for the copy.
    pub channel_metadata: BTreeMap<String, String>,
}

impl TopicInfo {
    /// A CDR topic with a `ros2msg` definition, to be added to a copy of a bag.
    pub fn cdr(name: &str, type_name: &str, ros2msg_definition: &str, type_hash: &str) -> Self {
        Self {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            serialization_format: "cdr".to_owned(),
            type_hash: type_hash.to_owned(),
            schema: Some(Schema {
                name: type_name.to_owned(),
                encoding: "ros2msg".to_owned(),
                data: ros2msg_definition.as_bytes().to_vec(),
            }),
            ..Self::default()
        }
    }

    /// The definition's text, if the bag has a `ros2msg` one.
    pub fn ros2msg(&self) -> Option<&str> {
        self.schema.as_ref().and_then(Schema::ros2msg)
    }

    /// Its messages are serialised as ROS 1 does.
    pub fn is_of_ros1(&self) -> bool {
        let schema = self.schema.as_ref();
        self.serialization_format == "ros1" || schema.is_some_and(|it| it.encoding == "ros1msg")
    }

    /// Equal in all but the count, as a topic is in each file of a split bag.
    pub(crate) fn is_same_topic(&self, other: &Self) -> bool {
        self.name == other.name
            && self.type_name == other.type_name
            && self.serialization_format == other.serialization_format
            && self.offered_qos_profiles == other.offered_qos_profiles
            && self.type_hash == other.type_hash
            && self.schema == other.schema
            && self.channel_metadata == other.channel_metadata
    }
}
