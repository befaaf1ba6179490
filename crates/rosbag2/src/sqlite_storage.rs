//! sqlite3 bag files: their tables in every version of the layout, their messages in log-time
//! order, recovery of damaged ones, and writing them in the layout of ROS 2 Jazzy.

mod catalog;
mod database;
mod read;
mod walk;
mod write;

pub(super) use catalog::SqliteCatalog;
pub(super) use read::SqliteReader;
pub(super) use write::SqliteSink;
