//! `regions`: finds and follows regions for another process, which has no networks of its own. Nobody types it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufWriter, Write, stdin, stdout};

use spatial_reward_core::estimator::RegionNetworks;
use spatial_reward_core::mask_following::MaskVideo;
use spatial_reward_core::settings::{Config, Settings};

use super::settings::{estimators, ready};
use crate::program::model::IS_HERE;
use crate::program::model::wire::{
    AnsweredOfRegions, AskedOfRegions, Greeting, HelloOfRegions, WorkOnRegions, drawn_boxes,
    read_color, receive, send,
};
use crate::program::outcome::Outcome;
use crate::program::remedies::in_words;

pub(super) fn run() -> anyhow::Result<Outcome> {
    let (mut input, mut out) = (stdin().lock(), BufWriter::new(stdout().lock()));
    serve(&mut input, &mut out)?;
    Ok(Outcome::Fine)
}

fn serve(input: &mut impl BufRead, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(hello) = receive::<HelloOfRegions>(input)? else {
        return Ok(());
    };
    let networks = match open(&hello) {
        Ok(networks) => {
            send(out, &Greeting::Ready(()))?;
            networks
        }
        Err(error) => return Ok(send(out, &Greeting::<()>::Refused(in_words(&error)))?),
    };
    let mut videos: BTreeMap<u64, Box<dyn MaskVideo>> = BTreeMap::new();
    while let Some(asked) = receive::<AskedOfRegions>(input)? {
        let answered = match asked {
            AskedOfRegions::End { video } => {
                videos.remove(&video);
                continue;
            }
            AskedOfRegions::Find { size } => {
                let color = read_color(input, size)?;
                let found = networks
                    .finder
                    .as_ref()
                    .map(|finder| finder.candidates(&color));
                told(found.map(|found| found.map(AnsweredOfRegions::of_found)))
            }
            AskedOfRegions::See { video, size, drawn } => {
                let color = read_color(input, size)?;
                let seen = networks.segmenter.as_ref().map(|segmenter| {
                    let video = videos.entry(video).or_insert_with(|| segmenter.video());
                    video.see(&color, drawn_boxes(drawn))
                });
                told(seen.map(|seen| seen.map(AnsweredOfRegions::of_seen)))
            }
        };
        send(out, &answered)?;
    }
    Ok(())
}

/// What goes back of an answer, or of none where that network was not asked for.
fn told(answered: Option<spatial_reward_core::Result<AnsweredOfRegions>>) -> AnsweredOfRegions {
    match answered {
        Some(Ok(answered)) => answered,
        Some(Err(error)) => AnsweredOfRegions::Failed(in_words(&error.into())),
        None => AnsweredOfRegions::Failed("this process has no such network".to_owned()),
    }
}

/// The one network that is asked for.
fn open(hello: &HelloOfRegions) -> anyhow::Result<RegionNetworks> {
    // Or each would look for another.
    anyhow::ensure!(
        IS_HERE,
        "the networks are not in this build either: they need the feature torch"
    );
    let settings: Settings = ready(Config::from_yaml(&hello.config)?)?;
    let (finds, progress) = (
        hello.work == WorkOnRegions::Find,
        &mut |_: spatial_reward_core::progress::Progress<'_>| {},
    );
    Ok(match finds {
        true => RegionNetworks {
            finder: estimators().open_finder(&settings, progress)?,
            ..RegionNetworks::default()
        },
        false => RegionNetworks {
            segmenter: estimators().open_segmenter(&settings, progress)?,
            ..RegionNetworks::default()
        },
    })
}
