//! rosbag2 bags without ROS: MCAP and sqlite3, folders and bare files, split and compressed.
//!
//! [`BagReader`] streams messages in log-time order and recovers what it can of a damaged bag;
//! [`BagWriter`] writes a new bag with everything of the source and added topics.
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

mod error;
mod info;
mod loss;
mod mcap_storage;
mod metadata;
mod open;
mod read;
mod sqlite_storage;
mod storage;
mod stored_file;
mod write;

pub use error::{Error, Result};
pub use info::{BagInfo, BagMessage, Compression, Schema, Storage, TopicInfo};
pub use loss::{Loss, LossItem, Place};
pub use read::BagReader;
pub use write::BagWriter;
