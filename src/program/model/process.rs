//! A process of another build of this program, which has the networks: how it is found, begun and ended.

use std::env;
use std::io::{BufRead, BufReader, BufWriter};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use anyhow::{Context, anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{Greeting, receive, send};

/// Names the program that has the networks.
const VARIABLE: &str = "SPATIAL_REWARD_PROGRAM";

/// A process that answers on its streams.
pub(crate) struct Process {
    child: Child,
    pub out: BufWriter<ChildStdin>,
    pub input: BufReader<ChildStdout>,
}

/// The program that is asked, where somebody named one.
pub(crate) fn named() -> Option<PathBuf> {
    let named = env::var_os(VARIABLE).filter(|named| !named.is_empty());
    named.map(PathBuf::from)
}

impl Process {
    /// Start a program's hidden command, and wait until what it needs is loaded: what it says of that comes back.
    ///
    /// # Errors
    /// If the program cannot be started or is not what it should be; what it says against the settings.
    pub(crate) fn start<Properties: DeserializeOwned>(
        program: &Path,
        command: &str,
        hello: &impl Serialize,
    ) -> anyhow::Result<(Self, Properties)> {
        let shown = program.display();
        let mut child = Command::new(program)
            .args(["--quiet", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for this process, which ends the other by going.
            .process_group(0)
            // It does the work itself.
            .env_remove(VARIABLE)
            .spawn()
            .with_context(|| {
                format!("cannot start {shown} ({VARIABLE}), which has the networks")
            })?;
        let (Some(out), Some(input), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("{shown} has no streams");
        };
        let said = thread::spawn(move || pass_on(errors));
        let mut process = Self {
            child,
            out: BufWriter::new(out),
            input: BufReader::new(input),
        };
        let greeting = send(&mut process.out, hello).and_then(|()| receive(&mut process.input));
        match greeting {
            Ok(Some(Greeting::Ready(properties))) => Ok((process, properties)),
            Ok(Some(Greeting::Refused(why))) => Err(anyhow!("{shown}: {why}")),
            Ok(None) | Err(_) => {
                drop(process);
                let said = said.join().unwrap_or_default();
                Err(anyhow!(
                    "{shown} does not answer as a program of this version would: {said}"
                ))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends by itself once nobody asks any more; whoever ends this process does not wait for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the other process says goes into this one's log; its last words come back.
fn pass_on(errors: ChildStderr) -> String {
    let mut last = String::new();
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        tracing::info!("{line}");
        last = line;
    }
    last
}
