//! ROS 2 bags without ROS: reads and writes both storages of rosbag2, MCAP and sqlite3, and recovers what
//! it can of damaged bags.
//!
//! The `mcap` crate knows MCAP files but not bags. Of the other crates for bags, none that we know of
//! writes both storages or reads on behind damage. This one is for programs that are handed other people's
//! recordings, as they come from the robot, and are to give them back with topics added.
//!
//! It reads
//!
//! - folders, with a metadata.yaml of any version or without one, and bare files; where the metadata lists other
//!   files than the folder has, or no messages, what is there is read, and [`BagInfo::oddities`] says so;
//! - every layout of the sqlite3 tables since ROS 2 Dashing, and MCAP with or without chunks and summary;
//! - split bags, in log-time order also where their files overlap;
//! - bags compressed by file or by message with zstd, and MCAP's own chunks of zstd or lz4;
//! - bags of a recorder that was killed, cut files, overwritten bytes: what can be reached comes out, and
//!   [`BagReader::loss`] says where something is missing, why, and how many messages that cost.
//!
//! Recordings of ROS 1, and what is no regular file, are refused by name.
//!
//! Reading takes memory that does not grow with the bag; a forged length makes it allocate no more than the
//! file's size makes believable. It writes one file in a folder with a metadata.yaml in the source's
//! version, attachments and metadata records included, and takes over compressed chunks as they are.
//! Messages are bytes, for CDR with its encapsulation header; what they say is another crate's matter.
//!
//! A bag written anew, and read:
//!
//! ```
//! use spatial_reward_rosbag2::{BagInfo, BagReader, BagWriter, Storage, TopicInfo};
//!
//! let folder = tempfile::tempdir()?;
//! let topics = [TopicInfo::cdr("/chatter", "std_msgs/msg/String", "string data\n", "")];
//! let mut writer =
//!     BagWriter::create(folder.path(), "talk", Storage::Mcap, &BagInfo::empty(), &topics)?;
//! let hello = b"\x00\x01\x00\x00\x06\x00\x00\x00hello\x00";
//! writer.write(0, 1_000_000_000, 1_000_000_000, 0, hello)?;
//! writer.finish()?;
//!
//! let mut reader = BagReader::open(folder.path())?;
//! let message = reader.next_message()?.ok_or("the bag is empty")?;
//! assert_eq!(reader.info().topics[message.topic].name, "/chatter");
//! assert_eq!(*message.data, *hello);
//! assert!(reader.next_message()?.is_none() && reader.loss().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A bag copied, with what is left of it if it is damaged:
//!
//! ```no_run
//! use spatial_reward_rosbag2::{BagReader, BagWriter};
//! # fn main() -> spatial_reward_rosbag2::Result<()> {
//! let mut reader = BagReader::open("recording".as_ref())?;
//! let storage = reader.info().storage;
//! let mut writer = BagWriter::create("copy".as_ref(), "copy", storage, reader.info(), &[])?;
//! while let Some(message) = reader.next_message()? {
//!     writer.write_message(&message)?;
//! }
//! writer.finish()?;
//! if let Some(loss) = reader.loss() {
//!     eprintln!("{loss}");
//! }
//! # Ok(())
//! # }
//! ```

mod catalog;
mod compression;
mod error;
mod folder;
mod info;
mod kept;
mod loss;
mod mcap_storage;
mod metadata;
mod open;
mod picture;
mod read;
mod sqlite_storage;
mod storage;
mod stored_file;
mod topic;
mod write;

pub use compression::Compression;
pub use error::{Error, Result};
pub use info::{BagInfo, BagMessage};
pub use loss::{Loss, LossItem, Place};
pub use read::BagReader;
pub use topic::{Schema, Storage, TopicInfo};
pub use write::BagWriter;

/// The example on the registry's page compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
