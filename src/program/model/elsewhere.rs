//! The model in a process of its own, for a build without it: another build of this program, which has it, measures. It is
//! how Python has the model, whatever libtorch is loaded there already: two in one process would share their names.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, anyhow, bail};
use spatial_reward_core::Result as CoreResult;
use spatial_reward_core::estimator::{Estimator, Order, Origin};
use spatial_reward_core::frame::{Frame, Measurement, Reason, Regions};
use spatial_reward_core::settings::Settings;

use super::profile::PROFILE;
use super::wire::{
    Answered, Asked, AskedFrame, Greeting, Hello, Properties, receive, send, send_pixels,
};

/// Names the program that has the model.
const VARIABLE: &str = "SPATIAL_REWARD_PROGRAM";
/// What such a program is called.
const NAME: &str = "spatial-reward";

/// A process that measures.
pub(super) struct Elsewhere {
    properties: Properties,
    line: Mutex<Line>,
}

/// What goes to it and what comes back.
struct Line {
    child: Child,
    out: BufWriter<ChildStdin>,
    input: BufReader<ChildStdout>,
    /// It failed, which is told once.
    is_dead: bool,
}

/// The program that has the model, as somebody named it or as it is on the path; `None` where there is none.
pub(super) fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let own = env::current_exe().ok();
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&path).map(|folder| folder.join(NAME));
    found.find(|program| is_program(program) && program.canonicalize().ok() != own)
}

/// The script of the same name that a Python package brings is none.
fn is_program(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

impl Elsewhere {
    /// Start it, and wait until its model is loaded.
    ///
    /// # Errors
    /// If the program cannot be started or is not what it should be; what it says against the settings.
    pub(super) fn open(program: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let shown = program.display();
        let mut child = Command::new(program)
            .args(["--quiet", "estimate"].map(OsString::from))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for this process, which ends the other by going.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {shown} ({VARIABLE}), which is to measure"))?;
        let (Some(out), Some(input), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("{shown} has no streams");
        };
        let said = thread::spawn(move || pass_on(errors));
        let mut line = Line {
            child,
            out: BufWriter::new(out),
            input: BufReader::new(input),
            is_dead: false,
        };
        let config = settings.changed_yaml()?;
        let greeting =
            send(&mut line.out, &Hello { config }).and_then(|()| receive(&mut line.input));
        match greeting {
            Ok(Some(Greeting::Ready(properties))) => Ok(Self {
                properties,
                line: Mutex::new(line),
            }),
            Ok(Some(Greeting::Refused(why))) => Err(anyhow!("{shown}: {why}")),
            Ok(None) | Err(_) => {
                drop(line);
                let said = said.join().unwrap_or_default();
                Err(anyhow!(
                    "{shown} does not answer as a program of this version would: {said}"
                ))
            }
        }
    }

    fn ask(&self, frames: &[(&Frame, &Regions)]) -> Vec<Result<Measurement, Reason>> {
        // A picture that does not decode is that frame's reason, and is not sent.
        let sound: Vec<bool> = frames
            .iter()
            .map(|(frame, _)| frame.color.pixels().is_ok())
            .collect();
        let sent: Vec<_> = (frames.iter().zip(&sound))
            .filter(|(_, sound)| **sound)
            .map(|(frame, _)| *frame)
            .collect();
        let answers = match sent.is_empty() {
            true => Vec::new(),
            false => self.exchange(&sent),
        };
        let mut answers = answers.into_iter();
        (sound.iter())
            .map(|sound| match sound {
                true => answers.next().unwrap_or(Err(Reason::ModelError)),
                false => Err(Reason::NoImage),
            })
            .collect()
    }

    fn exchange(&self, frames: &[(&Frame, &Regions)]) -> Vec<Result<Measurement, Reason>> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.is_dead {
            return Vec::new();
        }
        match line.exchange(frames) {
            Ok(answered) => answered
                .frames
                .into_iter()
                .map(|one| one.map(Measurement::from))
                .collect(),
            Err(error) => {
                line.is_dead = true;
                tracing::error!(
                    "the process that has the model is gone, so nothing more is measured: {error}"
                );
                Vec::new()
            }
        }
    }
}

impl Line {
    fn exchange(&mut self, frames: &[(&Frame, &Regions)]) -> io::Result<Answered> {
        let asked = frames
            .iter()
            .map(|(frame, regions)| AskedFrame::new(frame, regions));
        send(
            &mut self.out,
            &Asked {
                frames: asked.collect(),
            },
        )?;
        for (frame, _) in frames {
            if let Ok(color) = frame.color.pixels() {
                send_pixels(&mut self.out, color, frame.depth.as_ref())?;
            }
        }
        self.out.flush()?;
        receive(&mut self.input)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for Line {
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

impl Estimator for Elsewhere {
    fn name(&self) -> &'static str {
        PROFILE.name
    }

    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason> {
        let answers = self.ask(&[(frame, regions)]);
        answers
            .into_iter()
            .next()
            .unwrap_or(Err(Reason::ModelError))
    }

    fn estimate_batch(&self, frames: &[(&Frame, &Regions)]) -> Vec<Result<Measurement, Reason>> {
        self.ask(frames)
    }

    fn batch(&self) -> usize {
        self.properties.batch
    }

    fn order(&self) -> Order {
        match self.properties.in_order {
            true => Order::Recorded,
            false => Order::Any,
        }
    }

    fn least_m(&self) -> f64 {
        self.properties.least_m
    }

    fn is_calibrated(&self) -> bool {
        self.properties.is_calibrated
    }

    fn origin(&self) -> CoreResult<Origin> {
        Ok(Origin {
            model_digest: self.properties.model_digest.clone(),
            prompt: self.properties.prompt.clone(),
            calibration: self.properties.calibration,
        })
    }
}
