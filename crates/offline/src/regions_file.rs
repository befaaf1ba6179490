//! A file of boxes that somebody drew in bags, for many bags in one run. Each bag's say which pictures they were drawn in, so
//! that those of another recording of the same name are refused.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::label::decoders::decoder;
use crate::role::Role;
use spatial_reward_core::settings::{Config, DrawnBox, Region};
use spatial_reward_core::stamp::NANOS_PER_SECOND;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// What the file says of itself, for who opens it.
const HEAD: &str = "\
# Boxes that were drawn with `spatial-reward pick`. `spatial-reward label BAG... --regions THIS_FILE` takes them.
# A box is X0,Y0,X1,Y1@SECONDS: left, top, right, bottom in pixels of the image, seconds after the first picture.
";

/// Drawn boxes of several bags.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionsFile {
    path: PathBuf,
    bags: Vec<BagRegions>,
}

/// How the file is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    bags: Vec<BagRegions>,
}

/// The boxes that were drawn in one bag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BagRegions {
    /// The bag's name: its folder's, or its file's without extensions.
    pub bag: String,
    /// The topic of the pictures that the boxes are drawn in.
    pub image_topic: String,
    /// How many there are.
    pub pictures: u64,
    /// `header.stamp` of the first one, in seconds, such as `1760000000.066666667`.
    pub first_stamp: String,
    /// Around the fingertip; empty where something else says where it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingertip: Vec<DrawnBox>,
    /// As `fingertip`, around the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<DrawnBox>,
}

/// What tells the pictures of one recording from those of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The topic of the colour images.
    pub image_topic: String,
    /// How many there are.
    pub pictures: u64,
    /// `header.stamp` of the first one, in seconds.
    pub first_stamp: String,
}

impl RegionsFile {
    /// A file that is to be written.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            bags: Vec::new(),
        }
    }

    /// One that was written.
    ///
    /// # Errors
    /// `Error::RegionsSyntax` for what is no such file, with the place; a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let layout: Layout = serde_yaml::from_str(&text).map_err(|error| Error::RegionsSyntax {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            bags: layout.bags,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it has of each bag.
    pub fn bags(&self) -> &[BagRegions] {
        &self.bags
    }

    /// The boxes that were drawn in a bag.
    ///
    /// # Errors
    /// `Error::NoRegions` where the file does not know it; `Error::OtherBag` where it has those of another bag of that name;
    /// those of the bag.
    pub fn of(&self, source: &Path) -> Result<&BagRegions> {
        let info = BagReader::open(source)?.info().clone();
        let mut named = self.bags.iter().filter(|entry| entry.bag == info.name);
        let mut other = None;
        for entry in &mut named {
            let found = Identity::of(&info, &entry.image_topic)?;
            if found.as_ref() == Some(&entry.identity()) {
                return Ok(entry);
            }
            other.get_or_insert((entry, found));
        }
        let (path, bag) = (self.path.clone(), source.to_owned());
        Err(match other {
            None => Error::NoRegions {
                path,
                bag,
                available: (self.bags.iter())
                    .map(|entry| entry.bag.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            },
            Some((entry, found)) => Error::OtherBag {
                path,
                bag,
                drawn_in: entry.identity().to_string(),
                found: found.map_or_else(
                    || format!("no pictures on {}", entry.image_topic),
                    |found| found.to_string(),
                ),
            },
        })
    }

    /// Take a bag's boxes in, in the place of those that it had.
    pub fn set(&mut self, regions: BagRegions) {
        let pictures = regions.identity();
        let same = |entry: &&mut BagRegions| entry.is_of(&regions.bag, &pictures);
        match self.bags.iter_mut().find(same) {
            Some(entry) => *entry = regions,
            None => self.bags.push(regions),
        }
    }

    /// Leave a bag out.
    pub fn forget(&mut self, bag: &str, pictures: &Identity) {
        self.bags.retain(|entry| !entry.is_of(bag, pictures));
    }

    /// Write it, whole or not at all.
    ///
    /// # Errors
    /// A place that cannot be written to.
    pub fn write(&self) -> Result<()> {
        let layout = Layout {
            bags: self.bags.clone(),
        };
        let text =
            serde_yaml::to_string(&layout).map_err(|error| Error::output(&self.path, error))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = (self.path).with_file_name(format!(".{name}.{}", std::process::id()));
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(HEAD.as_bytes())?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &self.path)
        });
        written.map_err(|error| {
            // Renamed away, it is not there any more.
            let _ = fs::remove_file(&unfinished);
            Error::output(&self.path, error)
        })
    }
}

impl BagRegions {
    /// Whether they were drawn in these pictures of a bag of this name.
    pub fn is_of(&self, bag: &str, pictures: &Identity) -> bool {
        self.bag == bag && self.identity() == *pictures
    }

    fn identity(&self) -> Identity {
        Identity {
            image_topic: self.image_topic.clone(),
            pictures: self.pictures,
            first_stamp: self.first_stamp.clone(),
        }
    }

    /// Take the boxes over, in the place of what the settings said of where their regions are. The topic of the pictures
    /// that they are drawn in is that of the images.
    pub fn set(&self, config: &mut Config) {
        config.topics.image = Some(self.image_topic.clone());
        let (regions, topics) = (&mut config.regions, &mut config.topics);
        for (region, topic, drawn) in [
            (
                &mut regions.fingertip,
                &mut topics.fingertip,
                &self.fingertip,
            ),
            (&mut regions.target, &mut topics.target, &self.target),
        ] {
            if !drawn.is_empty() {
                *topic = None;
                draw(region, drawn.clone());
            }
        }
    }
}

/// Let boxes say where a region is, in the place of what did.
pub(crate) fn draw(region: &mut Region, drawn: Vec<DrawnBox>) {
    region.forget_source();
    region.picture_size = None;
    region.delay_s = 0.0;
    region.drawn = drawn;
}

impl Identity {
    /// Of the pictures on a topic; `None` where the bag has none there.
    ///
    /// # Errors
    /// Those of the bag.
    pub fn of(info: &BagInfo, image_topic: &str) -> Result<Option<Self>> {
        let mut topics = info.topics.iter().enumerate();
        let Some((index, topic)) = topics.find(|(_, topic)| topic.name == image_topic) else {
            return Ok(None);
        };
        let Some(decoder) = decoder(info, Role::Image, index)? else {
            return Ok(None);
        };
        let (mut pictures, mut first_nanos) = (0, None);
        let mut reader = BagReader::open(&info.path)?;
        while let Some(message) = reader.next_message()? {
            if message.topic != index {
                continue;
            }
            pictures += 1;
            if first_nanos.is_none() {
                let header = decoder.image_header(&message.data).ok();
                first_nanos = header.map(|header| header.stamp_nanos());
            }
            // What the bag says of itself need not be counted.
            if let (Some(_), Some(count)) = (first_nanos, topic.message_count) {
                pictures = count;
                break;
            }
        }
        Ok(first_nanos.map(|first_nanos| Self {
            image_topic: image_topic.to_owned(),
            pictures,
            first_stamp: in_seconds(first_nanos),
        }))
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} pictures on {} from {} s on",
            self.pictures, self.image_topic, self.first_stamp
        )
    }
}

fn in_seconds(nanos: i64) -> String {
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    format!("{seconds}.{:09}", nanos.rem_euclid(NANOS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> BagRegions {
        BagRegions {
            bag: "reach: 1".into(),
            image_topic: "/camera/color/image_raw".into(),
            pictures: 80,
            first_stamp: in_seconds(1_760_000_000_066_666_667),
            fingertip: vec!["10,20.5,30,40@1.5".parse().unwrap()],
            target: vec![
                "100,20,130,40".parse().unwrap(),
                "90,20,120,40@2.25".parse().unwrap(),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        // given boxes of two bags
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("regions.yaml");
        let mut file = RegionsFile::new(&path);
        file.set(entry());
        let half = BagRegions {
            bag: "place".into(),
            fingertip: Vec::new(),
            ..entry()
        };
        file.set(half.clone());
        // when
        file.write().unwrap();
        // then nothing is lost, and nothing else lies there
        assert_eq!(RegionsFile::read(&path).unwrap(), file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // and drawn anew, a bag's are replaced
        let redrawn = BagRegions {
            target: Vec::new(),
            ..entry()
        };
        file.set(redrawn.clone());
        assert_eq!(file.bags(), [redrawn, half]);
        file.forget("place", &entry().identity());
        assert_eq!(file.bags().len(), 1);
    }

    #[test]
    fn what_is_no_such_file_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("regions.yaml");
        let good = "bags:\n- bag: a\n  image_topic: /i\n  pictures: 1\n  first_stamp: '1.5'\n";
        fs::write(&path, good).unwrap();
        assert!(RegionsFile::read(&path).is_ok());
        for (text, words) in [
            ("bags: 3", "bags"),
            ("regions: {}", "regions"),
            (
                "bags:\n- bag: a\n  image_topic: /i\n  pictures: 1\n  first_stamp: '1.5'\n  fingertips: []\n",
                "fingertips",
            ),
            (
                "bags:\n- bag: a\n  image_topic: /i\n  pictures: 1\n  first_stamp: '1.5'\n  target: ['1,2,3']\n",
                "'1,2,3' is no box",
            ),
            (
                "bags:\n- {bag: a, pictures: 1, first_stamp: '1'}",
                "image_topic",
            ),
            ("", "bags"),
        ] {
            fs::write(&path, text).unwrap();
            let error = RegionsFile::read(&path).unwrap_err().to_string();
            assert!(
                error.contains("regions.yaml") && error.contains(words),
                "{text}: {error}"
            );
        }
        let missing = RegionsFile::read(&folder.path().join("none.yaml")).unwrap_err();
        assert!(missing.to_string().contains("none.yaml"), "{missing}");
    }

    #[test]
    fn a_regions_boxes_take_the_place_of_its_topic() {
        // given settings for boxes of a detector
        let yaml = "topics: {fingertip: /a, target: /b}\nregions: {fingertip: {delay_s: 0.1, picture_size: 4x4}}";
        let mut config = Config::from_yaml(yaml).unwrap();
        // when one of the regions was drawn
        let drawn = BagRegions {
            target: Vec::new(),
            ..entry()
        };
        drawn.set(&mut config);
        // then the other one is where it was
        assert!(config.validate().is_ok());
        assert_eq!(config.regions.fingertip.drawn, drawn.fingertip);
        assert_eq!(config.topics.fingertip, None);
        assert_eq!(config.topics.target.as_deref(), Some("/b"));
        assert_eq!(
            config.topics.image.as_deref(),
            Some("/camera/color/image_raw")
        );
    }
}
