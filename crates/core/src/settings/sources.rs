//! A region has one source: a detector's topic, a TF frame, drawn boxes, a fixed one, words or an example. What is said of a
//! detector's boxes says nothing of the others.

use super::config::Config;
use super::drawn::DrawnBox;
use super::regions::{Offset, Region, Regions};
use crate::error::{Error, Result};

/// Boxes that overlap by so much (intersection over union) are around one thing.
const ONE_THING: f64 = 0.95;

impl Config {
    /// # Errors
    /// `Error::ConfigValue` for a second source, and for what is not said of the first.
    pub(super) fn check_sources(&self) -> Result<()> {
        let Regions {
            fingertip, target, ..
        } = &self.regions;
        check("fingertip", fingertip, self.topics.fingertip.as_deref())?;
        check("target", target, self.topics.target.as_deref())?;
        self.check_networks()?;
        let at_once = |own: &DrawnBox, other: &DrawnBox| {
            own.at_s == other.at_s && own.bbox.overlap(&other.bbox) > ONE_THING
        };
        let fingertips = &fingertip.drawn;
        let same =
            (target.drawn.iter()).find(|own| fingertips.iter().any(|other| at_once(own, other)));
        let fixed = target.fixed.filter(|own| {
            fingertip
                .fixed
                .is_some_and(|other| own.0.overlap(&other.0) > ONE_THING)
        });
        let same = same.map(|drawn| ("box", drawn.to_string()));
        match same.or(fixed.map(|fixed| ("fixed", fixed.to_string()))) {
            None => Ok(()),
            Some((key, value)) => Err(Error::ConfigValue {
                key: format!("regions.target.{key}"),
                value,
                expected: "around another thing than the fingertip's box".to_owned(),
            }),
        }
    }
}

impl Config {
    /// Who is to find a region or to follow it by masks has to be there.
    fn check_networks(&self) -> Result<()> {
        let regions = [
            ("fingertip", &self.regions.fingertip),
            ("target", &self.regions.target),
        ];
        let lacking = |key: &str, expected: String| {
            Err(Error::ConfigValue {
                key: key.to_owned(),
                value: "not given".to_owned(),
                expected,
            })
        };
        for (name, region) in regions {
            if let Some(blank) = region.words.iter().find(|words| words.trim().is_empty()) {
                return Err(Error::ConfigValue {
                    key: format!("regions.{name}.words"),
                    value: format!("'{blank}'"),
                    expected: "words for what is looked for, such as 'green cube'".to_owned(),
                });
            }
            if region.is_sought() && self.detector.path.is_none() {
                return lacking(
                    "detector.path",
                    format!(
                        "an OWLv2 checkpoint, which finds the {name} by words or by an example"
                    ),
                );
            }
            if region.is_followed_by_masks() && self.segmenter.path.is_none() {
                return lacking(
                    "segmenter.path",
                    format!("a SAM 2.1 checkpoint, which follows the {name}"),
                );
            }
        }
        Ok(())
    }
}

fn check(name: &str, region: &Region, topic: Option<&str>) -> Result<()> {
    let own = |key: &str| format!("regions.{name}.{key}");
    let refuse = |key: String, value: String, expected: String| {
        Err(Error::ConfigValue {
            key,
            value,
            expected,
        })
    };
    let listed = region.drawn.iter().map(ToString::to_string);
    let sources = [
        (format!("topics.{name}"), topic.map(str::to_owned)),
        (own("frame"), region.frame.clone()),
        (own("box"), listed.reduce(|all, next| all + " " + &next)),
        (own("fixed"), region.fixed.map(|fixed| fixed.to_string())),
        (
            own("words"),
            (!region.words.is_empty()).then(|| region.words.join(", ")),
        ),
        (
            own("example"),
            region.example.as_ref().map(ToString::to_string),
        ),
    ];
    let mut named = (sources.into_iter()).filter_map(|(key, value)| Some((key, value?)));
    let (first, second) = (named.next(), named.next());
    if let (Some((first, _)), Some((key, value))) = (first, second) {
        let expected = format!("left out where {first} is: a region has one source");
        return refuse(key, value, expected);
    }
    if region.is_detected() {
        return Ok(());
    }
    let left_out = "left out where the boxes are no detector's".to_owned();
    if let Some(size) = region.picture_size {
        return refuse(own("picture_size"), size.to_string(), left_out);
    }
    if region.delay_s != 0.0 {
        return refuse(own("delay_s"), region.delay_s.to_string(), left_out);
    }
    if region.frame.is_none() {
        let left_out = "left out where a box is drawn: it says how large the region is".to_owned();
        if region.size_m != Region::default().size_m {
            return refuse(own("size_m"), region.size_m.to_string(), left_out);
        }
        if let Some(Offset([x, y, z])) = region.offset_m {
            return refuse(own("offset_m"), format!("'{x},{y},{z}'"), left_out);
        }
    }
    for (index, drawn) in region.drawn.iter().enumerate() {
        if (region.drawn.iter().take(index)).any(|earlier| earlier.at_s == drawn.at_s) {
            let expected = "one box a time".to_owned();
            return refuse(own("box"), drawn.to_string(), expected);
        }
    }
    Ok(())
}
