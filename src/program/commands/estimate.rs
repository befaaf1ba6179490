//! `estimate`: measures frames for another process, which has no model of its own. Nobody types it.

use std::io::{self, BufRead, BufWriter, Write, stdin, stdout};

use spatial_reward_core::estimator::{Estimator, Order};
use spatial_reward_core::frame::{Frame, Regions};
use spatial_reward_core::settings::Config;

use super::settings::{estimators, ready};
use crate::program::model::IS_HERE;
use crate::program::model::wire::{
    Answered, Asked, Greeting, Hello, Properties, Told, receive, send,
};
use crate::program::outcome::Outcome;
use crate::program::remedies::in_words;

pub(super) fn run() -> anyhow::Result<Outcome> {
    let (mut input, mut out) = (stdin().lock(), BufWriter::new(stdout().lock()));
    serve(&mut input, &mut out)?;
    Ok(Outcome::Fine)
}

fn serve(input: &mut impl BufRead, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(hello) = receive::<Hello>(input)? else {
        return Ok(());
    };
    let opened =
        open(&hello).and_then(|estimator| Ok((properties(estimator.as_ref())?, estimator)));
    let estimator = match opened {
        Ok((properties, estimator)) => {
            send(out, &Greeting::Ready(properties))?;
            estimator
        }
        Err(error) => {
            return Ok(send(
                out,
                &Greeting::<Properties>::Refused(in_words(&error)),
            )?);
        }
    };
    while let Some(asked) = receive::<Asked>(input)? {
        let frames = asked.frames.into_iter().map(|frame| frame.read(input));
        let frames = frames.collect::<io::Result<Vec<(Frame, Regions)>>>()?;
        let frames: Vec<(&Frame, &Regions)> = frames
            .iter()
            .map(|(frame, regions)| (frame, regions))
            .collect();
        let answers = estimator.estimate_batch(&frames);
        let frames = answers
            .iter()
            .map(|answer| answer.as_ref().map(Told::from).map_err(|reason| *reason));
        send(
            out,
            &Answered {
                frames: frames.collect(),
            },
        )?;
    }
    Ok(())
}

fn open(hello: &Hello) -> anyhow::Result<Box<dyn Estimator>> {
    // Or each would look for another.
    anyhow::ensure!(
        IS_HERE,
        "the model is not in this build either: it needs the feature torch"
    );
    let settings = ready(Config::from_yaml(&hello.config)?)?;
    Ok(estimators().open(&settings, &mut |_| {})?)
}

fn properties(estimator: &dyn Estimator) -> anyhow::Result<Properties> {
    let origin = estimator.origin()?;
    Ok(Properties {
        batch: estimator.batch(),
        in_order: estimator.order() == Order::Recorded,
        least_m: estimator.least_m(),
        is_calibrated: estimator.is_calibrated(),
        model_digest: origin.model_digest,
        prompt: origin.prompt,
        calibration: origin.calibration,
    })
}
