//! A process that is met in the middle of its work, for certain: nobody reads what it says, and it waits for that.

use std::io::{PipeReader, Read, Write, pipe};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::fixtures::*;

/// What a pipe holds until its writer waits.
const PIPE_BYTES: usize = 64 * 1024;
/// Room for a short first line, and for no warning.
const ROOM_BYTES: usize = 60;

/// A process that waits for its stderr to be read.
pub(crate) struct Stuck {
    child: Child,
    stderr: PipeReader,
}

/// A recording of so many frames of which the second fingertip boxes do not decode, so that
/// `label` warns at once.
pub(crate) fn recording_to_warn_of(count: i64) -> Recording {
    approach(count).with_data(FINGERTIP, DETECTION_TYPE, |index| {
        let stamp = START + index * PERIOD;
        let bbox = instant(index, count).fingertip.unwrap();
        match index {
            // The first one shows that the layout is known.
            1 => vec![0, 1, 0, 0, 1],
            _ => detections(stamp, &[("fingertip", bbox)]),
        }
    })
}

impl Stuck {
    /// Runs the program until `sign` is there in the folder.
    pub(crate) fn at_work(folder: &Path, arguments: &[&str], sign: &str) -> Self {
        let (stderr, mut writer) = pipe().unwrap();
        writer
            .write_all(&vec![b'.'; PIPE_BYTES - ROOM_BYTES])
            .unwrap();
        let child = program(folder)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .unwrap();
        let mut stuck = Self { child, stderr };
        while !folder.join(sign).exists() {
            assert_eq!(stuck.child.try_wait().unwrap(), None, "it ended");
            thread::sleep(Duration::from_millis(1));
        }
        stuck
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: INT, TERM.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.process().to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, reading nothing.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Reads what it says, until it has ended.
    pub(crate) fn go_on(mut self) -> ExitStatus {
        let mut said = Vec::new();
        self.stderr.read_to_end(&mut said).unwrap();
        self.child.wait().unwrap()
    }
}
