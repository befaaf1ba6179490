//! Who is at work on an output, as it is told to whoever comes second.

use std::fmt;
use std::fs;

/// Who is at work on an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process's number.
    pub process: u32,
    /// The machine that it runs on; empty where the system does not say.
    pub host: String,
}

impl Holder {
    /// This one.
    pub(super) fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            process: std::process::id(),
            host: host.trim().to_owned(),
        }
    }

    /// Of what a lock file says.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (process, host) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            process: process.parse().ok()?,
            host: host.to_owned(),
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.is_empty() {
            true => write!(formatter, "process {}", self.process),
            false => write!(formatter, "process {} on {}", self.process, self.host),
        }
    }
}
