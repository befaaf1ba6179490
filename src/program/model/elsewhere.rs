//! The model in a process of its own: a build of this program that has it measures. It is how Python has the model,
//! whatever libtorch is loaded there already: two in one process would share their names.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use spatial_reward_core::Result as CoreResult;
use spatial_reward_core::estimator::{Estimator, Order, Origin};
use spatial_reward_core::frame::{Frame, Measurement, Reason, Regions};
use spatial_reward_core::settings::Settings;

use super::process::Process;
use super::profile::PROFILE;
use super::wire::{Answered, Asked, AskedFrame, Hello, Properties, receive, send, send_pixels};

/// A process that measures.
pub(super) struct Elsewhere {
    properties: Properties,
    line: Mutex<Line>,
}

/// What goes to it and what comes back.
struct Line {
    process: Process,
    /// It failed, which is told once.
    is_dead: bool,
}

impl Elsewhere {
    /// The estimator of that program.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn estimator(program: &Path, settings: &Settings) -> CoreResult<Box<dyn Estimator>> {
        let opened = Self::open(program, settings);
        let opened = opened.map_err(|error| spatial_reward_core::Error::Estimator(error.into()))?;
        Ok(Box::new(opened))
    }

    /// Start it, and wait until its model is loaded.
    ///
    /// # Errors
    /// If the program cannot be started or is not what it should be; what it says against the settings.
    fn open(program: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let config = settings.changed_yaml()?;
        let (process, properties) = Process::start(program, "estimate", &Hello { config })?;
        Ok(Self {
            properties,
            line: Mutex::new(Line {
                process,
                is_dead: false,
            }),
        })
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
            &mut self.process.out,
            &Asked {
                frames: asked.collect(),
            },
        )?;
        for (frame, _) in frames {
            if let Ok(color) = frame.color.pixels() {
                send_pixels(&mut self.process.out, color, frame.depth.as_ref())?;
            }
        }
        self.process.out.flush()?;
        receive(&mut self.process.input)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
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
