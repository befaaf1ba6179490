//! `ask`: questions to the model about regions of one picture.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::{self, GrayImage, Mask};
use spatial_reward_core::question::{MarkedPicture, Reply};
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
    let color = imaging::open_color(&options.image)?;
    let boxes = options
        .boxes
        .iter()
        .map(|PixelBox(bbox)| box_mask(bbox, &color));
    let masks = options.masks.iter().map(|file| mask_file(file, &color));
    let masks = boxes.chain(masks).collect::<Result<_>>()?;
    let depth = options.depth.as_deref();
    let depth = depth.map(|file| depth_file(file, &color)).transpose()?;
    Ok(MarkedPicture {
        color,
        depth,
        masks,
    })
}

fn box_mask(bbox: &BoundingBox, color: &ColorImage) -> Result<Mask> {
    let mask = Mask::from_box(bbox, color.width, color.height);
    if mask.is_empty() {
        return Err(Error::EmptyBox {
            bbox: [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max],
            width: color.width,
            height: color.height,
        });
    }
    Ok(mask)
}

fn mask_file(file: &Path, color: &ColorImage) -> Result<Mask> {
    let bytes = std::fs::read(file).map_err(Error::io("read", file))?;
    let mask = Mask::from_encoded(&bytes, (color.width, color.height), file)?;
    if mask.is_empty() {
        return Err(Error::EmptyMask { path: file.into() });
    }
    Ok(mask)
}

fn depth_file(file: &Path, color: &ColorImage) -> Result<GrayImage> {
    let depth = imaging::open_gray(file)?;
    if (depth.width, depth.height) != (color.width, color.height) {
        return Err(Error::DepthSize {
            path: file.into(),
            width: depth.width,
            height: depth.height,
            image_width: color.width,
            image_height: color.height,
        });
    }
    Ok(depth)
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
            let line = serde_json::to_string(&Answered::new(question, &reply))?;
            return print(&line);
        }
        print(&reply.text)
    }
}

/// What `--json` prints. The keys are a public interface.
#[derive(Debug, Serialize)]
struct Answered<'a> {
    question: &'a str,
    answer: &'a str,
    /// The distance that the answer states; null without one.
    distance_m: Option<f64>,
    /// One standard deviation of it; null where the model tells none.
    distance_std_m: Option<f64>,
    /// Whether that was fitted to truth; null without one.
    distance_std_calibrated: Option<bool>,
    confidence: Option<f32>,
    /// The answer names a region that the question does not mention.
    unknown_regions: bool,
    /// The model ended by itself.
    complete: bool,
    prompt: &'a str,
    seconds: f64,
}

impl<'a> Answered<'a> {
    fn new(question: &'a str, reply: &'a Reply) -> Self {
        Self {
            question,
            answer: &reply.text,
            distance_m: reply.distance_m,
            distance_std_m: reply.distance_std_m,
            distance_std_calibrated: (reply.distance_std_m).map(|_| reply.std_is_calibrated),
            confidence: reply.confidence,
            unknown_regions: reply.unknown_regions,
            complete: reply.complete,
            prompt: &reply.prompt,
            seconds: reply.seconds,
        }
    }
}
