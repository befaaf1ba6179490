//! Regions that somebody drew, followed through a camera's pictures: when each box is due, what a [`Tracker`] makes of it
//! in one direction of time, and how what two directions say becomes one.

use crate::frame::{BoundingBox, BoxOrigin, BoxSource, ColorImage, DepthImage, Doubt};
use crate::settings::{DrawnBox, Regions};
use crate::stamp::{nanos_from_seconds, seconds_between};
use crate::tracking::{Cover, Following, StartError, State, Tracked, Tracker};

/// A box typed with hundredths of a second still means the picture that it was drawn in.
const ROUNDED_NANOS: i64 = 5_000_000;
/// Where boxes that were followed from either side overlap by less than this (intersection over union), one of them is of
/// something else.
const LEAST_AGREEMENT: f64 = 0.5;
/// Then the one counts of which so much more is seen.
const CLEARLY_MORE: f64 = 0.1;
/// A box lies on another if this share of it does.
const LAID_ON: f64 = 0.7;

/// The fingertip's and the target's.
pub type Both<T> = [Option<T>; 2];

/// A box that was drawn in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawing {
    /// In pixels of the picture.
    pub bbox: BoundingBox,
    /// The box of the other region, drawn in the same picture, if this one was drawn on it.
    pub on: Option<BoundingBox>,
}

impl Drawing {
    /// Of the boxes that were drawn in one picture.
    pub fn of([fingertip, target]: Both<BoundingBox>) -> Both<Self> {
        let on = |bbox| target.filter(|target| lies_on(&bbox, target));
        [
            fingertip.map(|bbox| Self { bbox, on: on(bbox) }),
            target.map(|bbox| Self { bbox, on: None }),
        ]
    }
}

/// What is known of a region in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sight {
    /// It is there.
    Followed {
        /// In pixels of the picture.
        bbox: BoundingBox,
        /// What makes it doubtful.
        doubt: Doubt,
        /// The share of it that is seen as it was drawn, 0 to 1.
        seen: f64,
        /// From or to the picture that the box was drawn in, the nearer one of two.
        away_nanos: i64,
    },
    /// It is hidden, out of view, or not to be told from something else.
    Lost,
    /// There is no picture to look at.
    Unseen,
}

impl Sight {
    /// Where its box comes from; `None` of one that is lost.
    pub fn placed(self) -> Option<(BoundingBox, BoxSource)> {
        match self {
            Self::Lost | Self::Unseen => None,
            Self::Followed {
                bbox,
                doubt,
                away_nanos,
                ..
            } => {
                let source = BoxSource {
                    origin: BoxOrigin::Followed,
                    age_s: seconds_between(0, away_nanos),
                    doubt,
                };
                Some((bbox, source))
            }
        }
    }

    /// From or to the picture that the box was drawn in; `None` of one that is lost.
    pub fn away_nanos(self) -> Option<i64> {
        match self {
            Self::Lost | Self::Unseen => None,
            Self::Followed { away_nanos, .. } => Some(away_nanos),
        }
    }

    /// What a picture shows of a region that was followed from before and from behind. Between two drawings the nearer one
    /// counts more. Where they contradict each other, the one counts of which clearly more is seen, else the one that was
    /// drawn much nearer; else nobody knows.
    pub fn joined(earlier: Self, later: Self) -> Self {
        let (
            Self::Followed {
                bbox: first,
                doubt: first_doubt,
                seen: first_seen,
                away_nanos: passed,
            },
            Self::Followed {
                bbox: second,
                doubt: second_doubt,
                seen: second_seen,
                away_nanos: ahead,
            },
        ) = (earlier, later)
        else {
            return match earlier {
                Self::Lost | Self::Unseen => later,
                Self::Followed { .. } => earlier,
            };
        };
        if first.overlap(&second) < LEAST_AGREEMENT {
            return match first_seen - second_seen {
                more if more > CLEARLY_MORE => earlier,
                more if more < -CLEARLY_MORE => later,
                _ if passed <= ahead / 2 => earlier,
                _ if ahead <= passed / 2 => later,
                _ => Self::Lost,
            };
        }
        let whole = passed.saturating_add(ahead).max(1);
        let share = passed as f64 / whole as f64;
        let mixed = |first: f64, second: f64| first * (1.0 - share) + second * share;
        Self::Followed {
            bbox: first.mixed(&second, share),
            doubt: Doubt {
                unseen_px: mixed(first_doubt.unseen_px, second_doubt.unseen_px),
                contradicted_px: mixed(first_doubt.contradicted_px, second_doubt.contradicted_px),
            },
            seen: mixed(first_seen, second_seen),
            away_nanos: passed.min(ahead),
        }
    }
}

/// Which region is followed first, of both, for what is seen of it is none of the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTurn {
    /// Open fingers hold it.
    TargetFirst,
    /// A hand before a large target.
    FingertipFirst,
}

impl InTurn {
    /// The target is the first, unless the fingertip was drawn on it.
    pub fn of(regions: &Regions) -> Self {
        let is_on_target = |fingertip: &DrawnBox| {
            let mut at_once = regions.target.drawn.iter();
            at_once.any(|target| {
                target.at_s == fingertip.at_s && lies_on(&fingertip.bbox, &target.bbox)
            })
        };
        match regions.fingertip.drawn.iter().any(is_on_target) {
            true => Self::FingertipFirst,
            false => Self::TargetFirst,
        }
    }

    /// The same of boxes that were found in one picture: a fingertip on the target is the first.
    pub fn with(self, found: &Both<Drawing>) -> Self {
        match found {
            [Some(Drawing { on: Some(_), .. }), _] => Self::FingertipFirst,
            _ => self,
        }
    }

    /// What is the fingertip's and what the target's, as the first one's and the other's; and the other way round.
    pub fn sorted<T>(self, [fingertip, target]: [T; 2]) -> [T; 2] {
        match self {
            Self::TargetFirst => [target, fingertip],
            Self::FingertipFirst => [fingertip, target],
        }
    }
}

fn lies_on(bbox: &BoundingBox, other: &BoundingBox) -> bool {
    bbox.shared_area(other) > LAID_ON * bbox.width() * bbox.height()
}

/// How long a recording lasts so far, picture by picture. What a clock that was set back has counted twice counts once more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Elapsed {
    last_nanos: Option<i64>,
    nanos: i64,
}

impl Elapsed {
    /// From the first picture to the next one, which was taken at a time.
    pub fn until(&mut self, taken_nanos: i64) -> i64 {
        let last_nanos = self.last_nanos.replace(taken_nanos).unwrap_or(taken_nanos);
        let passed = taken_nanos.saturating_sub(last_nanos).max(0);
        self.nanos = self.nanos.saturating_add(passed);
        self.nanos
    }
}

/// When the drawn boxes are due, in the order of time.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Each region's, the latest first.
    waiting: [Vec<DrawnBox>; 2],
}

impl Schedule {
    /// Of both regions.
    pub fn new(regions: &Regions) -> Self {
        let waiting = [&regions.fingertip, &regions.target].map(|region| {
            let mut drawn = region.drawn.clone();
            drawn.sort_by(|first, second| second.at_s.total_cmp(&first.at_s));
            drawn
        });
        Self { waiting }
    }

    /// The boxes that were drawn in the next picture, which is so long after the first one.
    pub fn due(&mut self, since_first_nanos: i64) -> Both<Drawing> {
        let until_nanos = since_first_nanos.saturating_add(ROUNDED_NANOS);
        let [fingertip, target] = (self.waiting.each_mut()).map(|waiting| {
            let mut due = None;
            while let Some(drawn) =
                waiting.pop_if(|next| nanos_from_seconds(next.at_s) <= until_nanos)
            {
                due = Some(drawn.bbox);
            }
            due
        });
        Drawing::of([fingertip, target])
    }

    /// The boxes that no picture was late enough for.
    pub fn left(&self) -> Both<DrawnBox> {
        self.waiting
            .each_ref()
            .map(|waiting| waiting.last().copied())
    }
}

/// Follows a region in one direction of time.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    tracker: Option<Tracker>,
    drawn_nanos: i64,
    /// Drawn in a picture that could not be looked at.
    waiting: Option<Drawing>,
}

/// A picture and the depth that belongs to it.
pub type Picture<'a> = (&'a ColorImage, Option<&'a DepthImage>);

impl Follower {
    /// Whether the next picture has to be looked at, if that box was drawn in it.
    pub fn looks(&self, due: Option<Drawing>) -> bool {
        due.is_some() || self.tracker.is_some() || self.waiting.is_some()
    }

    /// Look at the next picture, in which the region may have been drawn and another one be seen; no picture is one that
    /// cannot be looked at. `None` where the region was not drawn so far.
    ///
    /// # Errors
    /// For a drawn box that lies outside the picture.
    pub fn see(
        &mut self,
        due: Option<Drawing>,
        at_nanos: i64,
        picture: Option<Picture<'_>>,
        other: Option<&Cover>,
    ) -> Result<Option<Sight>, StartError> {
        let drawn = due.or(self.waiting.take());
        let Some((image, depth)) = picture else {
            self.waiting = drawn;
            let is_sought = self.tracker.is_some() || self.waiting.is_some();
            return Ok(is_sought.then_some(Sight::Unseen));
        };
        if let Some(Drawing { bbox, on }) = drawn {
            let settings = Following::default();
            self.tracker = Some(match on {
                Some(on) => Tracker::start_on(image, depth, bbox, on, settings)?,
                None => Tracker::start(image, depth, bbox, other, settings)?,
            });
            self.drawn_nanos = at_nanos;
            let bbox = bbox.clipped(image.width, image.height).unwrap_or(bbox);
            return Ok(Some(Sight::Followed {
                bbox,
                doubt: Doubt::default(),
                seen: 1.0,
                away_nanos: 0,
            }));
        }
        let Some(tracker) = &mut self.tracker else {
            return Ok(None);
        };
        let tracked = tracker.follow(image, depth, other);
        Ok(Some(match tracked.state {
            State::Lost => Sight::Lost,
            State::Followed => Sight::Followed {
                bbox: tracked.bbox,
                doubt: doubt(&tracked),
                seen: f64::from(tracked.seen),
                away_nanos: at_nanos.saturating_sub(self.drawn_nanos).saturating_abs(),
            },
        }))
    }

    /// Where the region was seen in the last picture.
    pub fn cover(&self) -> Option<&Cover> {
        self.tracker.as_ref()?.cover()
    }
}

/// What is hardly seen as it was drawn, or what depth speaks against, may be beside the region.
fn doubt(tracked: &Tracked) -> Doubt {
    let side = f64::min(tracked.bbox.width(), tracked.bbox.height());
    let is_contradicted = !tracked.depth_consistent;
    Doubt {
        unseen_px: side * (1.0 - f64::from(tracked.seen)).powi(2),
        contradicted_px: if is_contradicted { side } else { 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Config;

    fn followed(x: f64, seen: f64, away_s: f64) -> Sight {
        Sight::Followed {
            bbox: BoundingBox::new(x, 0.0, x + 20.0, 10.0),
            doubt: Doubt::default(),
            seen,
            away_nanos: nanos_from_seconds(away_s),
        }
    }

    fn left_of(sight: Sight) -> Option<f64> {
        sight.placed().map(|(bbox, _)| bbox.x_min)
    }

    #[test]
    fn between_two_drawings_the_nearer_one_counts_more() {
        let joined = Sight::joined(followed(100.0, 0.9, 1.0), followed(104.0, 0.9, 3.0));
        assert_eq!(left_of(joined), Some(101.0));
        assert_eq!(joined.away_nanos(), Some(nanos_from_seconds(1.0)));
    }

    #[test]
    fn where_two_drawings_contradict_each_other_it_takes_a_reason_to_believe_one() {
        // given boxes that do not overlap by half
        for (earlier, later, expected) in [
            // one of which is seen much better
            (
                followed(100.0, 0.9, 9.0),
                followed(150.0, 0.7, 1.0),
                Some(100.0),
            ),
            (
                followed(100.0, 0.7, 1.0),
                followed(150.0, 0.9, 9.0),
                Some(150.0),
            ),
            // was drawn much nearer
            (
                followed(100.0, 0.9, 1.0),
                followed(150.0, 0.9, 2.0),
                Some(100.0),
            ),
            (
                followed(100.0, 0.9, 2.0),
                followed(150.0, 0.9, 1.0),
                Some(150.0),
            ),
            // or neither
            (followed(100.0, 0.9, 2.0), followed(150.0, 0.9, 3.0), None),
            // and those that are lost say nothing
            (Sight::Lost, followed(150.0, 0.9, 3.0), Some(150.0)),
            (followed(100.0, 0.9, 3.0), Sight::Lost, Some(100.0)),
            (Sight::Lost, Sight::Lost, None),
        ] {
            assert_eq!(
                left_of(Sight::joined(earlier, later)),
                expected,
                "{earlier:?} {later:?}"
            );
        }
    }

    #[test]
    fn the_target_is_followed_first_unless_the_fingertip_was_drawn_on_it() {
        for (fingertip, target, first) in [
            ("0,0,9,9", "20,0,29,9", "target"),
            ("5,5,9,9", "0,0,29,29", "fingertip"),
            // at another time it lay elsewhere
            ("5,5,9,9@1", "0,0,29,29", "target"),
            // by less than most of it
            ("0,0,10,10", "4,0,29,29", "target"),
        ] {
            let yaml = format!(
                "regions: {{fingertip: {{box: ['{fingertip}']}}, target: {{box: ['{target}']}}}}"
            );
            let in_turn = InTurn::of(&Config::from_yaml(&yaml).unwrap().regions);
            let sorted = in_turn.sorted(["fingertip", "target"]);
            assert_eq!(sorted[0], first, "{yaml}");
            // and back
            assert_eq!(in_turn.sorted(sorted), ["fingertip", "target"]);
        }
    }

    #[test]
    fn a_box_is_due_in_the_first_picture_from_its_time_on() {
        // given boxes out of order, and a camera of 10 Hz
        let yaml = "regions: {fingertip: {box: ['0,0,9,9@0.25', '0,0,5,5']}, target: {box: ['0,0,7,7@0.098', '0,0,8,8@9']}}";
        let mut schedule = Schedule::new(&Config::from_yaml(yaml).unwrap().regions);
        let due = [0.0, 0.1, 0.2, 0.3, 0.4].map(|at_s| {
            let due = schedule.due(nanos_from_seconds(at_s));
            due.map(|drawn| drawn.map_or(0.0, |drawn| drawn.bbox.x_max))
        });
        // then each is due once, those typed with rounded times in their own picture
        assert_eq!(
            due,
            [[5.0, 0.0], [0.0, 7.0], [0.0, 0.0], [9.0, 0.0], [0.0, 0.0]]
        );
        // and the one after the end is known
        let left = schedule.left().map(|left| left.map(|drawn| drawn.at_s));
        assert_eq!(left, [None, Some(9.0)]);
    }

    #[test]
    fn a_fingertip_drawn_on_the_target_in_the_same_picture_is_known_to_be_on_it() {
        // given a fingertip in the target's box, and later one beside it
        let yaml = "regions: {fingertip: {box: ['2,2,6,6', '8,8,19,19@1']}, target: {box: ['0,0,9,9', '0,0,9,9@1']}}";
        let mut schedule = Schedule::new(&Config::from_yaml(yaml).unwrap().regions);
        let on = [0.0, 1.0].map(|at_s| {
            let due = schedule.due(nanos_from_seconds(at_s));
            due.map(|drawn| drawn.and_then(|drawn| drawn.on))
        });
        // then that of the first picture is on the target alone
        let target = BoundingBox::new(0.0, 0.0, 9.0, 9.0);
        assert_eq!(on, [[Some(target), None], [None, None]]);
    }

    #[test]
    fn a_box_is_in_doubt_where_little_is_seen_or_depth_speaks_against_it() {
        // given a box whose smaller side is 20 pixels
        let tracked = |seen, depth_consistent| Tracked {
            bbox: BoundingBox::new(10.0, 10.0, 40.0, 30.0),
            state: State::Followed,
            score: 5.0,
            seen,
            depth_consistent,
        };
        let doubts = [(1.0, true), (0.5, true), (0.5, false)].map(|(seen, consistent)| {
            let Doubt {
                unseen_px,
                contradicted_px,
            } = doubt(&tracked(seen, consistent));
            [unseen_px, contradicted_px]
        });
        // then there is none of a whole region, and a quarter of its side where half of it is seen
        assert_eq!(doubts, [[0.0, 0.0], [5.0, 0.0], [5.0, 20.0]]);
    }
}
