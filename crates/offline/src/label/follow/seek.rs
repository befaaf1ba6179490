//! Finds the regions of a bag that are named by words or by an example: in one of its first pictures, and again where they were
//! lost for long.

use std::collections::BTreeSet;

use super::bag::{Bag, Walk};
use super::way::Way;
use crate::error::{Error, Result, UnfoundRegion};
use crate::role::Role;
use spatial_reward_core::finding::{Candidate, Finder, Finding, clearest};
use spatial_reward_core::following::{Both, Sight};
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::pipeline::{FrameInfo, Look};
use spatial_reward_core::settings::{DrawnBox, Regions};
use spatial_reward_core::stamp::{nanos_from_seconds, seconds_between};

/// Regions are looked for again in what was lost at most so many times; each time the bag is followed anew.
const MOST_ROUNDS: usize = 4;

/// Boxes that overlap by so much (intersection over union) are of one thing.
const ONE_PLACE: f64 = 0.8;

/// Where a region was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRegion {
    /// Which one.
    pub role: Role,
    /// What was sought.
    pub sought: String,
    /// The box, and how long after the first picture it was found.
    pub drawn: DrawnBox,
    /// How much it looks like it, 0 to 1.
    pub score: f64,
}

/// Seeks the regions of one bag.
pub(crate) struct Seeker<'a> {
    bag: &'a Bag<'a>,
    finder: &'a Finder,
    times_nanos: Vec<i64>,
    /// What was found so far.
    pub found: Vec<FoundRegion>,
    /// The stretches that were looked through, by region and first frame.
    tried: BTreeSet<(usize, usize)>,
    rounds: usize,
}

impl<'a> Seeker<'a> {
    pub(crate) fn new(bag: &'a Bag<'a>, finder: &'a Finder) -> Self {
        Self {
            bag,
            finder,
            times_nanos: bag.times_nanos(),
            found: Vec::new(),
            tried: BTreeSet::new(),
            rounds: 0,
        }
    }

    /// Find the regions in the first pictures, each where it is clearest.
    ///
    /// # Errors
    /// `Error::Unfound` of one that is not to be seen there, or not to be told from another thing.
    pub(crate) fn begin(&mut self, regions: &mut Regions) -> Result<()> {
        let first: Vec<usize> = (0..self.bag.frames.len())
            .take(self.finder.first_pictures())
            .collect();
        let seen = self.look(&first)?;
        for (region, role) in ROLES.into_iter().enumerate() {
            let findings = seen.iter().map(|seen| seen.findings);
            let Some((at, clear)) = self.finder.clearest(region, findings) else {
                continue;
            };
            let found = clear.map_err(|unfound| {
                Error::Unfound(Box::new(UnfoundRegion {
                    role,
                    unfound,
                    pictures: seen.len(),
                    picture: seen.get(at).map(|seen| seen.picture.clone()),
                }))
            })?;
            let index = seen.get(at).map_or(0, |seen| seen.index);
            self.take(regions, region, index, found);
        }
        if let [fingertip, target] = self.found.as_slice()
            && fingertip.drawn.bbox.overlap(&target.drawn.bbox) > ONE_PLACE
        {
            tracing::warn!(
                "'{}' and '{}' are found in one place, {}: the distance would be that of a thing to itself",
                fingertip.sought,
                target.sought,
                target.drawn
            );
        }
        Ok(())
    }

    /// Look for the regions again where they were lost; whether one was found.
    ///
    /// # Errors
    /// Those of the bag and of the network.
    pub(crate) fn again(&mut self, ways: [&Way; 2], regions: &mut Regions) -> Result<bool> {
        self.rounds += 1;
        if self.rounds > MOST_ROUNDS {
            return Ok(false);
        }
        let mut is_found = false;
        for (region, way) in ways.into_iter().enumerate() {
            let first = self.found.iter().find(|found| found.role == ROLES[region]);
            let Some(first_score) = first.map(|first| first.score) else {
                continue;
            };
            for stretch in self.lost_stretches(way) {
                let Some(begin) = stretch.first() else {
                    continue;
                };
                if !self.tried.insert((region, *begin)) {
                    continue;
                }
                let seen = self.look(&spread(&stretch, self.finder.first_pictures()))?;
                let findings = (seen.iter())
                    .map(|seen| seen.findings[region].unwrap_or(Finding::Nothing(None)));
                let Some((at, finding)) = clearest(findings) else {
                    continue;
                };
                if let (Some(found), Some(seen)) =
                    (self.finder.again(first_score, finding), seen.get(at))
                {
                    self.take(regions, region, seen.index, found);
                    is_found = true;
                }
            }
        }
        Ok(is_found)
    }

    fn take(&mut self, regions: &mut Regions, region: usize, index: usize, found: Candidate) {
        let at_nanos = self.times_nanos.get(index).copied().unwrap_or_default();
        let drawn = DrawnBox {
            bbox: found.bbox,
            at_s: seconds_between(0, at_nanos),
        };
        let sought = self.finder.sought()[region].unwrap_or_default().to_owned();
        let role = ROLES[region];
        tracing::info!(
            "the {}, '{sought}', is found at {drawn} with a score of {:.2}",
            role.key(),
            found.score
        );
        let own = match region {
            0 => &mut regions.fingertip,
            _ => &mut regions.target,
        };
        own.drawn.push(drawn);
        self.found.push(FoundRegion {
            role,
            sought,
            drawn,
            score: found.score,
        });
    }

    /// The frames of each stretch in which a region is lost for as long as one waits before one looks again.
    fn lost_stretches(&self, way: &Way) -> Vec<Vec<usize>> {
        let mut stretches: Vec<Vec<usize>> = Vec::new();
        let mut is_going_on = false;
        for (index, seen) in way {
            let is_lost = seen.sight == Sight::Lost;
            match (is_lost, is_going_on, stretches.last_mut()) {
                (true, true, Some(stretch)) => stretch.push(*index),
                (true, ..) => stretches.push(vec![*index]),
                (false, ..) => {}
            }
            is_going_on = is_lost;
        }
        let least_nanos = nanos_from_seconds(self.finder.again_after_s());
        let time = |index: Option<&usize>| index.and_then(|index| self.times_nanos.get(*index));
        stretches.retain(|stretch| {
            let ends = time(stretch.first()).zip(time(stretch.last()));
            ends.is_some_and(|(first, last)| last - first >= least_nanos)
        });
        stretches
    }

    fn look(&self, frames: &[usize]) -> Result<Vec<SeenAt>> {
        let mut eyes = Eyes {
            finder: self.finder,
            seen: Vec::new(),
        };
        self.bag.at(frames, &mut eyes)?;
        Ok(eyes.seen)
    }
}

const ROLES: [Role; 2] = [Role::Fingertip, Role::Target];

/// What a frame shows of both regions.
struct SeenAt {
    index: usize,
    findings: Both<Finding>,
    picture: ColorImage,
}

/// Looks at frames with a detector.
struct Eyes<'a> {
    finder: &'a Finder,
    seen: Vec<SeenAt>,
}

impl Walk for Eyes<'_> {
    fn see(&mut self, index: usize, _info: &FrameInfo, look: Option<&Look>) -> Result<()> {
        if let Some(picture) = look.map(Look::color) {
            self.seen.push(SeenAt {
                index,
                findings: self.finder.find(picture)?,
                picture: picture.clone(),
            });
        }
        Ok(())
    }
}

/// At most so many of these, evenly.
fn spread(of: &[usize], most: usize) -> Vec<usize> {
    let count = most.min(of.len());
    let at = |k: usize| of.get((2 * k + 1) * of.len() / (2 * count.max(1))).copied();
    (0..count).filter_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_spread_over_a_stretch() {
        let stretch: Vec<usize> = (10..20).collect();
        assert_eq!(spread(&stretch, 2), [12, 17]);
        assert_eq!(spread(&stretch, 1), [15]);
        assert_eq!(spread(&stretch, 30), stretch);
        assert_eq!(spread(&[], 3), [0; 0]);
    }
}
