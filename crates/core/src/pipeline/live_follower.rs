//! Regions that were drawn, or that words or an example name, followed through frames as they come, in one direction of time: in
//! the live node, and in recordings that are labelled as it would.

use super::measure::Measurer;
use super::{Look, MatchedFrame};
use crate::estimator::RegionNetworks;
use crate::finding::{Finder, Unfound};
use crate::following::{Both, Drawing, Elapsed, Follower, InTurn, Schedule, Sight};
use crate::frame::ColorImage;
use crate::mask_following::{MaskVideo, Runs, Seen};
use crate::settings::{Region, Regions};
use crate::stamp::nanos_from_seconds;
use crate::tracking::StartError;

/// Follows regions through frames as they come, forwards only: what a live node can do.
pub struct LiveFollower {
    followers: [Follower; 2],
    in_turn: InTurn,
    schedule: Schedule,
    elapsed: Elapsed,
    hunt: Option<Hunt>,
    masks: Option<MaskFollower>,
}

/// Why a frame's regions are not where they should be. The frame is as if they were not there.
#[derive(Debug, thiserror::Error)]
pub enum NotPlaced {
    /// A box was drawn outside the picture.
    #[error(transparent)]
    Drawn(#[from] StartError),
    /// A region that is sought is not to be seen so far, or not to be told from another thing.
    #[error(transparent)]
    Unfound(#[from] Unfound),
    /// A network failed.
    #[error(transparent)]
    Network(#[from] crate::Error),
}

impl LiveFollower {
    /// Of regions that are followed, with the networks for that; `None` where none is.
    pub fn new(regions: &Regions, networks: &RegionNetworks) -> Option<Self> {
        let both = [&regions.fingertip, &regions.target];
        let by_masks = both.map(Region::is_followed_by_masks);
        let video = networks.segmenter.as_ref();
        let video = video.filter(|_| by_masks.contains(&true));
        regions.are_followed().then(|| Self {
            followers: Default::default(),
            in_turn: InTurn::of(regions),
            schedule: Schedule::new(regions),
            elapsed: Elapsed::default(),
            hunt: (networks.finder.as_ref())
                .and_then(|finder| finder.of(regions))
                .map(Hunt::new),
            masks: video.map(|segmenter| MaskFollower {
                video: segmenter.video(),
                by_masks,
                drawn_nanos: [None; 2],
                waiting: [None; 2],
            }),
        })
    }

    /// Give the next frame the boxes of its regions that are followed. Its seconds count from the first frame. What is seen of
    /// the one that is looked for first is not the other's. What was decoded for that comes back, for who measures; `None` where
    /// nobody had to look.
    ///
    /// # Errors
    /// For a drawn box that lies outside the picture, and where what is sought is not clear: the region is then as if it was not
    /// drawn. Those of the networks.
    pub fn place(
        &mut self,
        measurer: &Measurer<'_>,
        frame: &mut MatchedFrame,
    ) -> Result<Option<Look>, NotPlaced> {
        let at_nanos = frame.info.timeline_nanos;
        let mut due = self.schedule.due(self.elapsed.until(at_nanos));
        let looks = |follower: &Follower, due| follower.looks(due);
        let is_wanted = looks(&self.followers[0], due[0])
            || looks(&self.followers[1], due[1])
            || self.hunt.is_some()
            || self.masks.as_ref().is_some_and(MaskFollower::looks);
        let look = is_wanted.then(|| measurer.look(frame)).flatten();
        let mut unfound = None;
        if let (Some(hunt), Some(look)) = (&mut self.hunt, &look) {
            let found = hunt.look(look.color(), at_nanos)?;
            if found.boxes != [None; 2] {
                let [fingertip, target] = due.map(|drawing| drawing.map(|drawing| drawing.bbox));
                let [found_fingertip, found_target] = found.boxes;
                due = Drawing::of([found_fingertip.or(fingertip), found_target.or(target)]);
                self.in_turn = self.in_turn.with(&due);
            }
            unfound = found.unfound;
        }
        let color = look.as_ref().map(Look::color);
        let (by_masks, masks) = match &mut self.masks {
            Some(masks) => (masks.by_masks, masks.see(color, due, at_nanos)?),
            None => ([false; 2], [None, None]),
        };
        let followed = self.follow(due, by_masks, at_nanos, look.as_ref());
        let [fingertip, target] = followed
            .each_ref()
            .map(|sight| sight.as_ref().ok().copied().flatten());
        let sights = [(fingertip, &masks[0]), (target, &masks[1])];
        let sights = sights.map(|(sight, mask)| mask.as_ref().map(|(sight, _)| *sight).or(sight));
        if let Some(hunt) = &mut self.hunt {
            hunt.learn(&sights, at_nanos);
        }
        frame.info.place_followed(&measurer.regions, &sights);
        frame.place_masks(&masks.map(|mask| mask?.1));
        for sight in followed {
            sight?;
        }
        match unfound {
            Some(unfound) => Err(unfound.into()),
            None => Ok(look),
        }
    }

    /// What the regions' own trackers see, of those that are not followed by masks.
    fn follow(
        &mut self,
        due: Both<Drawing>,
        by_masks: [bool; 2],
        at_nanos: i64,
        look: Option<&Look>,
    ) -> [Result<Option<Sight>, StartError>; 2] {
        let picture = look.map(Look::picture);
        let [fingertip, target] = &mut self.followers;
        let [first, other] = self.in_turn.sorted([fingertip, target]);
        let due = [0, 1].map(|region| due[region].filter(|_| !by_masks[region]));
        let [first_due, other_due] = self.in_turn.sorted(due);
        let of_first = first.see(first_due, at_nanos, picture, None);
        let of_other = other.see(other_due, at_nanos, picture, first.cover());
        self.in_turn.sorted([of_first, of_other])
    }
}

/// Looks for regions that are sought: until they are found, and again where they are lost.
struct Hunt {
    finder: Finder,
    regions: [Quarry; 2],
}

/// A region that is looked for.
#[derive(Debug, Clone, Copy, Default)]
struct Quarry {
    /// How it scored when it was found first.
    first_score: Option<f64>,
    /// Since when it is lost, or was last looked for.
    lost_nanos: Option<i64>,
}

/// What a look at a picture gave.
#[derive(Default)]
struct Hunted {
    boxes: Both<crate::frame::BoundingBox>,
    unfound: Option<Unfound>,
}

impl Hunt {
    fn new(finder: Finder) -> Self {
        Self {
            finder,
            regions: [Quarry::default(); 2],
        }
    }

    /// Look for those that nobody has seen, or that are lost for long.
    fn look(&mut self, picture: &ColorImage, at_nanos: i64) -> Result<Hunted, NotPlaced> {
        let mut hunted = Hunted::default();
        let patience_nanos = nanos_from_seconds(self.finder.again_after_s());
        let sought = self.finder.sought();
        let is_due = |quarry: &Quarry| match (quarry.first_score, quarry.lost_nanos) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(since)) => at_nanos.saturating_sub(since) >= patience_nanos,
        };
        let due = [0, 1].map(|region| sought[region].is_some() && is_due(&self.regions[region]));
        if due == [false; 2] {
            return Ok(hunted);
        }
        let findings = self.finder.find(picture)?;
        for (region, quarry) in self
            .regions
            .iter_mut()
            .enumerate()
            .filter(|(region, _)| due[*region])
        {
            let (Some(sought), Some(finding)) = (sought[region], findings[region]) else {
                continue;
            };
            let found = match quarry.first_score {
                None => match self.finder.clear(sought, finding) {
                    Ok(found) => Some(found),
                    Err(unfound) => {
                        hunted.unfound.get_or_insert(unfound);
                        None
                    }
                },
                Some(score) => {
                    quarry.lost_nanos = Some(at_nanos);
                    self.finder.again(score, finding)
                }
            };
            if let Some(found) = found {
                quarry.first_score.get_or_insert(found.score);
                quarry.lost_nanos = None;
                hunted.boxes[region] = Some(found.bbox);
            }
        }
        Ok(hunted)
    }

    /// What became of them in a picture.
    fn learn(&mut self, sights: &Both<Sight>, at_nanos: i64) {
        for (quarry, sight) in self.regions.iter_mut().zip(sights) {
            match sight {
                Some(Sight::Followed { .. }) => quarry.lost_nanos = None,
                Some(Sight::Lost) => {
                    quarry.lost_nanos.get_or_insert(at_nanos);
                }
                Some(Sight::Unseen) | None => {}
            }
        }
    }
}

/// Follows regions by masks.
struct MaskFollower {
    video: Box<dyn MaskVideo>,
    by_masks: [bool; 2],
    drawn_nanos: Both<i64>,
    /// Drawn in a picture that could not be looked at.
    waiting: Both<Drawing>,
}

impl MaskFollower {
    /// Whether the next picture has to be looked at.
    fn looks(&self) -> bool {
        self.drawn_nanos != [None; 2] || self.waiting.iter().any(Option::is_some)
    }

    /// What the next picture shows of those regions that are followed by masks and were drawn.
    fn see(
        &mut self,
        picture: Option<&ColorImage>,
        due: Both<Drawing>,
        at_nanos: i64,
    ) -> Result<Both<(Sight, Option<Runs>)>, NotPlaced> {
        for (region, waiting) in self.waiting.iter_mut().enumerate() {
            *waiting = due[region].filter(|_| self.by_masks[region]).or(*waiting);
        }
        let Some(picture) = picture else {
            let is_drawn = |region: usize| {
                self.drawn_nanos[region].is_some() || self.waiting[region].is_some()
            };
            return Ok([0, 1].map(|region| is_drawn(region).then_some((Sight::Unseen, None))));
        };
        let drawn = std::mem::take(&mut self.waiting);
        for (at, drawn) in self.drawn_nanos.iter_mut().zip(drawn) {
            *at = drawn.map(|_| at_nanos).or(*at);
        }
        if self.drawn_nanos == [None; 2] {
            return Ok([None, None]);
        }
        let seen = self
            .video
            .see(picture, drawn.map(|drawn| drawn.map(|drawn| drawn.bbox)))?;
        let [fingertip, target] = seen;
        let sight = |seen: Option<Seen>, drawn_nanos: Option<i64>| {
            let (seen, drawn_nanos) = seen.zip(drawn_nanos)?;
            let sight = seen.sight(at_nanos.saturating_sub(drawn_nanos).saturating_abs());
            Some((sight, seen.mask))
        };
        Ok([
            sight(fingertip, self.drawn_nanos[0]),
            sight(target, self.drawn_nanos[1]),
        ])
    }
}
