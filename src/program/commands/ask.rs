//! `ask`: questions to the model about regions of one picture.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::imaging;
use spatial_reward_core::question::{Encoded, MarkedPicture, Told};
use spatial_reward_core::settings::PixelBox;
use spatial_reward_core::{Error, Result};

use super::output::print;
use super::settings::{config_file, ready};
use crate::program::advice;
use crate::program::cli::Ask;
use crate::program::logging::Terminal;
use crate::program::model::Session;
use crate::program::outcome::Outcome;

pub(super) fn run(options: Ask, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let mut config = config_file(options.config.as_deref())?;
    options.model.clone().set(&mut config.model);
    let settings = ready(config)?;
    // The picture first: it is read in no time, the model is not.
    let picture = picture(&options)?;
    let bar = terminal.download_bar();
    let session = Session::open(&settings, picture, &mut |progress| {
        Terminal::show(&bar, progress)
    });
    bar.finish_and_clear();
    let session = session?;
    let mut talk = Talk {
        session,
        json: options.json,
        told_uncalibrated: false,
    };
    if let Some(question) = &options.question {
        talk.answer(question)?;
    }
    if options.chat {
        talk.chat()?;
    }
    Ok(Outcome::Fine)
}

/// Questions and their answers, as they are printed.
struct Talk {
    session: Session,
    json: bool,
    /// It was said that standard deviations are not calibrated.
    told_uncalibrated: bool,
}

fn picture(options: &Ask) -> Result<MarkedPicture> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(Error::io("read", path));
    let color = imaging::open_color(&options.image)?;
    let boxes: Vec<BoundingBox> = options.boxes.iter().map(|PixelBox(bbox)| *bbox).collect();
    let masks = options.masks.iter().map(read).collect::<Result<Vec<_>>>()?;
    let masks = masks.iter().zip(&options.masks);
    let masks: Vec<Encoded> = masks.map(|(bytes, file)| Encoded { bytes, file }).collect();
    let depth = options.depth.as_ref().map(read).transpose()?;
    let depth = depth.as_deref().zip(options.depth.as_deref());
    let depth = depth.map(|(bytes, file)| Encoded { bytes, file });
    MarkedPicture::new(color, &boxes, &masks, depth)
}

impl Talk {
    /// Follow-up questions until stdin ends. A question that cannot be asked does not end the talk.
    fn chat(&mut self) -> anyhow::Result<()> {
        let stdin = io::stdin();
        let prompts = stdin.is_terminal();
        loop {
            if prompts {
                eprint!("> ");
                io::stderr().flush()?;
            }
            let mut line = String::new();
            if stdin.lock().read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim() {
                "" => {}
                question => {
                    if let Err(error) = self.answer(question) {
                        tracing::error!("{error}");
                    }
                }
            }
        }
    }

    fn answer(&mut self, question: &str) -> anyhow::Result<()> {
        let reply = self.session.ask(question)?;
        if reply.unknown_regions {
            tracing::warn!("the answer speaks of a region that the question does not mention");
        }
        if !reply.complete {
            tracing::warn!("the answer was cut off: --max-new-tokens sets how long it may be");
        }
        if self.json {
            // Nothing else tells a standard deviation.
            let is_uncalibrated = reply.distance_std_m.is_some() && !reply.std_is_calibrated;
            if is_uncalibrated && !std::mem::replace(&mut self.told_uncalibrated, true) {
                tracing::warn!("{}", advice::NOT_CALIBRATED);
            }
            let line = serde_json::to_string(&Told::new(question, &reply))?;
            return print(&line);
        }
        print(&reply.text)
    }
}
