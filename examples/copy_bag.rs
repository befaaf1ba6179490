//! Copies a bag, message by message: the smallest use of the bag module.
//!
//! `cargo run --example copy_bag -- BAG NEW_FOLDER [mcap|sqlite3]`
//!
//! Exits with 0 if everything was copied and 3 if a damaged bag was copied as far as it goes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use spatial_reward::bag::{BagReader, BagWriter, Storage};

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "usage: copy_bag BAG NEW_FOLDER [mcap|sqlite3]";
    let source = arguments.next().context(usage)?;
    let target = arguments.next().context(usage)?;

    let mut reader = BagReader::open(&source)?;
    let storage = match arguments.next().as_deref().and_then(|name| name.to_str()) {
        None => reader.info().storage,
        Some("mcap") => Storage::Mcap,
        Some("sqlite3") => Storage::Sqlite3,
        Some(other) => bail!("'{other}' is no storage. {usage}"),
    };
    let name = target.file_name().context(usage)?.to_string_lossy();
    let mut writer = BagWriter::create(&target, &name, storage, reader.info(), &[])?;
    let mut count = 0_u64;
    while let Some(message) = reader.next_message()? {
        writer.write_message(&message)?;
        count += 1;
    }
    writer.finish()?;
    println!("{count} messages copied to {}", target.display());
    if let Some(loss) = reader.loss() {
        eprintln!("{loss}");
        return Ok(ExitCode::from(3));
    }
    Ok(ExitCode::SUCCESS)
}
