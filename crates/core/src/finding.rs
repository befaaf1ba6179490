//! Regions that are named by words or by an example: what a detector sees of them in pictures, and when that is clear enough to
//! begin from. The detector itself is a network, which registers itself.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::following::Both;
use crate::frame::{BoundingBox, ColorImage};
use crate::settings::{Regions, Settings};

/// Boxes that overlap by so much (intersection over union), or of which one holds so much of the other, are around one thing.
const ONE_THING: f64 = 0.3;
const HELD: f64 = 0.8;
/// What was lost is found again only by a box with this share of the score that it had at first.
const LEAST_AGAIN: f64 = 0.6;

/// Where something that is sought may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// In pixels of the picture.
    pub bbox: BoundingBox,
    /// How much it looks like it, 0 to 1.
    pub score: f64,
}

/// Sees things that it was told of by words or by an example.
pub trait Detector: Send + Sync {
    /// What may be the fingertip and what the target, of those that are sought; any number, in any order. One picture is looked
    /// at once for both.
    ///
    /// # Errors
    /// The network's.
    fn detect(&self, picture: &ColorImage) -> Result<Both<Vec<Candidate>>>;
}

/// What pictures say of a region that is sought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// One thing looks like it.
    Clear(Candidate),
    /// Two do, nearly as much, the likelier one first: only who asked knows which one is meant.
    Ambiguous([Candidate; 2]),
    /// Nothing does; the best score there was, if there was any.
    Nothing(Option<f64>),
}

/// Why a region that is sought is not begun from a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfound {
    /// What is sought.
    pub sought: String,
    /// What there is in its place.
    pub finding: Finding,
    /// The least score that counts.
    pub threshold: f64,
}

impl fmt::Display for Unfound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sought, threshold, ..
        } = self;
        let place = |seen: &Candidate| {
            let BoundingBox {
                x_min,
                y_min,
                x_max,
                y_max,
            } = seen.bbox;
            format!(
                "{:.2} at [{x_min:.0}, {y_min:.0}, {x_max:.0}, {y_max:.0}]",
                seen.score
            )
        };
        match &self.finding {
            Finding::Clear(found) => write!(formatter, "'{sought}' is {}", place(found)),
            Finding::Ambiguous([best, next]) => write!(
                formatter,
                "two things look like '{sought}', nearly as much: {} and {}",
                place(best),
                place(next)
            ),
            Finding::Nothing(None) => write!(formatter, "nothing looks like '{sought}'"),
            Finding::Nothing(Some(score)) => write!(
                formatter,
                "nothing looks like '{sought}' enough: the best score is {score:.2}, and {threshold} is asked for"
            ),
        }
    }
}

impl std::error::Error for Unfound {}

/// Finds the regions that settings name by words or by an example.
#[derive(Clone)]
pub struct Finder {
    detector: Arc<dyn Detector>,
    sought: Both<String>,
    threshold: f64,
    near: f64,
    takes_best: bool,
    first_pictures: usize,
    again_after_s: f64,
}

impl fmt::Debug for Finder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Finder");
        shown.field("sought", &self.sought).finish_non_exhaustive()
    }
}

impl Finder {
    /// Of a detector that was told what these settings seek.
    pub fn new(detector: Arc<dyn Detector>, settings: &Settings) -> Self {
        let regions = &settings.regions;
        let detector_settings = &settings.detector;
        Self {
            detector,
            sought: [&regions.fingertip, &regions.target].map(|region| region.sought()),
            threshold: detector_settings.threshold,
            near: detector_settings.near,
            takes_best: detector_settings.take_best,
            first_pictures: detector_settings.first_pictures as usize,
            again_after_s: detector_settings.again_after_s,
        }
    }

    /// The same for the regions of one recording, of which some may be drawn instead; `None` where nothing is sought.
    pub fn of(&self, regions: &Regions) -> Option<Self> {
        let mut own = self.clone();
        for (sought, region) in own
            .sought
            .iter_mut()
            .zip([&regions.fingertip, &regions.target])
        {
            if !region.is_sought() {
                *sought = None;
            }
        }
        own.sought.iter().any(Option::is_some).then_some(own)
    }

    /// What is sought, in words; `None` of a region that comes from elsewhere.
    pub fn sought(&self) -> Both<&str> {
        self.sought.each_ref().map(Option::as_deref)
    }

    /// How many pictures are looked at before one is begun from.
    pub fn first_pictures(&self) -> usize {
        self.first_pictures
    }

    /// How long a region is lost before it is looked for again, in seconds.
    pub fn again_after_s(&self) -> f64 {
        self.again_after_s
    }

    /// What the detector says of a picture.
    ///
    /// # Errors
    /// The network's.
    pub fn candidates(&self, picture: &ColorImage) -> Result<Both<Vec<Candidate>>> {
        self.detector.detect(picture)
    }

    /// What a picture shows of both regions; `None` of one that is not sought.
    ///
    /// # Errors
    /// The network's.
    pub fn find(&self, picture: &ColorImage) -> Result<Both<Finding>> {
        let [fingertip, target] = self.candidates(picture)?;
        let find = |candidates: Option<Vec<Candidate>>, sought: &Option<String>| {
            let wanted = candidates.filter(|_| sought.is_some());
            wanted.map(|seen| self.judged(seen))
        };
        let [of_fingertip, of_target] = &self.sought;
        Ok([find(fingertip, of_fingertip), find(target, of_target)])
    }

    /// The box to begin a region from (0 the fingertip, 1 the target) after a look at some pictures, and the place among them of
    /// the one in which it is clearest; `None` of a region that is not sought.
    ///
    /// # Errors
    /// What there is in its place, in the picture that says most.
    pub fn clearest(
        &self,
        region: usize,
        seen: impl IntoIterator<Item = Both<Finding>>,
    ) -> Option<(usize, std::result::Result<Candidate, Unfound>)> {
        let sought = self.sought.get(region)?.as_deref()?;
        let findings = seen.into_iter().filter_map(|seen| *seen.get(region)?);
        // Without a picture there is nothing to see.
        let (at, finding) = clearest(findings).unwrap_or((0, Finding::Nothing(None)));
        Some((at, self.clear(sought, finding)))
    }

    /// The box to begin a region from, and its score.
    ///
    /// # Errors
    /// What there is in its place.
    pub fn clear(&self, sought: &str, finding: Finding) -> std::result::Result<Candidate, Unfound> {
        match finding {
            Finding::Clear(found) => Ok(found),
            Finding::Ambiguous(_) | Finding::Nothing(_) => Err(Unfound {
                sought: sought.to_owned(),
                finding,
                threshold: self.threshold,
            }),
        }
    }

    /// As [`find`](Self::find), of a region that scored so high when it was first found, and was lost.
    pub fn again(&self, first_score: f64, finding: Finding) -> Option<Candidate> {
        match finding {
            Finding::Clear(found) => {
                Some(found).filter(|found| found.score >= LEAST_AGAIN * first_score)
            }
            Finding::Ambiguous(_) | Finding::Nothing(_) => None,
        }
    }

    fn judged(&self, mut candidates: Vec<Candidate>) -> Finding {
        candidates.sort_by(|one, other| other.score.total_cmp(&one.score));
        let mut likely = candidates
            .iter()
            .filter(|seen| seen.score >= self.threshold);
        let Some(best) = likely.next().copied() else {
            return Finding::Nothing(candidates.first().map(|best| best.score));
        };
        let rival = likely.find(|other| !is_one_thing(&best.bbox, &other.bbox));
        match rival.filter(|rival| !self.takes_best && rival.score >= self.near * best.score) {
            Some(rival) => Finding::Ambiguous([best, *rival]),
            None => Finding::Clear(best),
        }
    }
}

/// The clearest of several pictures' findings of one region, and its picture's place among them; where none is clear, the most
/// likely question. `None` of no picture.
pub fn clearest(findings: impl IntoIterator<Item = Finding>) -> Option<(usize, Finding)> {
    let rank = |finding: &Finding| match finding {
        Finding::Clear(found) => (2, found.score),
        Finding::Ambiguous([best, _]) => (1, best.score),
        Finding::Nothing(score) => (0, score.unwrap_or(0.0)),
    };
    let mut best: Option<(usize, Finding)> = None;
    for (index, finding) in findings.into_iter().enumerate() {
        // The earlier one of equals.
        if best.is_none_or(|(_, best)| rank(&finding) > rank(&best)) {
            best = Some((index, finding));
        }
    }
    best
}

fn is_one_thing(one: &BoundingBox, other: &BoundingBox) -> bool {
    let area = |bbox: &BoundingBox| bbox.width() * bbox.height();
    let held = one.shared_area(other) / area(one).min(area(other));
    one.overlap(other) > ONE_THING || held > HELD
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seen(Both<Vec<Candidate>>);

    impl Detector for Seen {
        fn detect(&self, _picture: &ColorImage) -> Result<Both<Vec<Candidate>>> {
            Ok(self.0.clone())
        }
    }

    fn at(x: f64, score: f64) -> Candidate {
        Candidate {
            bbox: BoundingBox::new(x, 0.0, x + 20.0, 20.0),
            score,
        }
    }

    fn found(yaml: &str, seen: Vec<Candidate>) -> Finding {
        let yaml =
            format!("regions: {{target: {{words: [green cube]}}}}\ndetector: {{path: d{yaml}}}");
        let settings = Settings::from_yaml(&yaml).unwrap();
        let finder = Finder::new(Arc::new(Seen([None, Some(seen)])), &settings);
        assert_eq!(finder.sought(), [None, Some("green cube")]);
        let picture = ColorImage {
            width: 1,
            height: 1,
            rgb: vec![0; 3].into(),
        };
        let [fingertip, target] = finder.find(&picture).unwrap();
        assert_eq!(fingertip, None);
        target.unwrap()
    }

    #[test]
    fn what_stands_out_is_found_and_two_alike_are_a_question() {
        for (yaml, seen, expected) in [
            // the best one, in whatever order they come
            (
                "",
                vec![at(50.0, 0.2), at(0.0, 0.6)],
                Finding::Clear(at(0.0, 0.6)),
            ),
            // boxes around one thing are no rivals
            (
                "",
                vec![at(0.0, 0.6), at(3.0, 0.59)],
                Finding::Clear(at(0.0, 0.6)),
            ),
            // nor is a part of it
            (
                "",
                vec![
                    at(0.0, 0.6),
                    Candidate {
                        bbox: BoundingBox::new(1.0, 1.0, 8.0, 8.0),
                        score: 0.6,
                    },
                ],
                Finding::Clear(at(0.0, 0.6)),
            ),
            // but another thing that is nearly as likely is
            (
                "",
                vec![at(0.0, 0.6), at(50.0, 0.58)],
                Finding::Ambiguous([at(0.0, 0.6), at(50.0, 0.58)]),
            ),
            // unless the best is to be taken
            (
                ", take_best: true",
                vec![at(0.0, 0.6), at(50.0, 0.58)],
                Finding::Clear(at(0.0, 0.6)),
            ),
            // or the other counts as less than near
            (
                ", near: 1.0",
                vec![at(0.0, 0.6), at(50.0, 0.58)],
                Finding::Clear(at(0.0, 0.6)),
            ),
            // and what hardly looks like it does not count
            ("", vec![at(0.0, 0.04)], Finding::Nothing(Some(0.04))),
            ("", Vec::new(), Finding::Nothing(None)),
        ] {
            assert_eq!(found(yaml, seen), expected, "{yaml}");
        }
    }

    #[test]
    fn of_several_pictures_the_clearest_is_begun_from() {
        // given a picture that is a question, one that shows nothing, and two clear ones
        let question = Finding::Ambiguous([at(0.0, 0.9), at(50.0, 0.9)]);
        let nothing = Finding::Nothing(None);
        let (clear, clearer) = (Finding::Clear(at(0.0, 0.3)), Finding::Clear(at(9.0, 0.5)));
        // then
        assert_eq!(
            clearest([question, nothing, clear, clearer, clearer]),
            Some((3, clearer))
        );
        assert_eq!(clearest([nothing, question]), Some((1, question)));
        assert_eq!(clearest([nothing]), Some((0, nothing)));
        assert_eq!(clearest([]), None);
    }
}
