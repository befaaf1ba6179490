//! What stands in files beside a photo, and what a network says where there is none: regions with masks, metric depth, the
//! camera. Everything is checked here; what is wrong is told with its file.

use std::fs;
use std::path::{Path, PathBuf};

use image::DynamicImage;
use serde::Deserialize;
use spatial_reward_core::frame::{BoundingBox, ColorImage, DepthImage, Distortion, Intrinsics};
use spatial_reward_core::geometry::Point;
use spatial_reward_core::imaging::{self, Mask};
use spatial_reward_core::pipeline::measure::is_scaling;

use super::networks::Networks;
use super::npy::Floats;
use super::objects::Candidate;
use super::problem::Problem;
use super::words;
use spatial_reward_core::imaging::rle;

/// Masks of one photo that a network works out together: they are of its size.
const MASKS_AT_ONCE: usize = 16;

/// A photo with all that is known of it.
pub(super) struct Photo {
    /// The file as it is.
    pub file: Vec<u8>,
    /// Its pixels.
    pub color: ColorImage,
    /// Metres, of the photo's size or a scaling of it.
    pub depth: DepthImage,
    /// Of the photo.
    pub intrinsics: Intrinsics,
    /// Against gravity in the camera's optical frame, if a file says so.
    pub up: Option<Point>,
    /// What was found in it, each with its mask.
    pub candidates: Vec<Candidate>,
}

/// `NAME.camera.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Camera {
    fx: f64,
    fy: f64,
    cx: f64,
    cy: f64,
    #[serde(default)]
    width: Option<u32>,
    #[serde(default)]
    height: Option<u32>,
    /// Where things fall to, in the optical frame (x right, y down, z ahead), of any length.
    #[serde(default)]
    gravity: Option<[f64; 3]>,
}

/// `NAME.regions.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Regions {
    regions: Vec<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default = "certain")]
    score: f64,
    #[serde(rename = "box")]
    bbox: [f64; 4],
    #[serde(default)]
    mask: Option<WrittenMask>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMask {
    /// Height and width.
    size: [u32; 2],
    counts: Counts,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Counts {
    Coded(String),
    Plain(Vec<i64>),
}

fn certain() -> f64 {
    1.0
}

/// Reads photos.
pub(super) struct Reader<'a> {
    /// Asked where a file is not there.
    pub networks: Networks<'a>,
    /// The words to look for, where a user named them.
    pub vocabulary: Option<&'a [String]>,
    /// Depth beyond this is no measurement.
    pub max_depth_m: f64,
}

/// A region before it has a mask.
struct Unmasked {
    name: String,
    score: f64,
    bbox: BoundingBox,
    mask: Option<Mask>,
}

impl Reader<'_> {
    /// A photo and what belongs to it.
    ///
    /// # Errors
    /// What is missing or wrong, with its file.
    pub(super) fn read(&self, path: &Path) -> Result<Photo, Problem> {
        let file = fs::read(path).map_err(|error| Problem::new("photo_unreadable", path, error))?;
        let color = imaging::decode_color(&file, path)
            .map_err(|error| Problem::new("photo_broken", path, error))?;
        let camera = camera(path, &color)?;
        let (intrinsics, depth) = self.depth(path, &color, camera.as_ref().map(|it| &it.0))?;
        let candidates = self.candidates(path, &color)?;
        Ok(Photo {
            file,
            color,
            depth,
            intrinsics,
            up: camera.and_then(|(_, up)| up),
            candidates,
        })
    }

    fn depth(
        &self,
        path: &Path,
        color: &ColorImage,
        camera: Option<&Intrinsics>,
    ) -> Result<(Intrinsics, DepthImage), Problem> {
        let size = (color.width, color.height);
        let (depth, focal_px) = match depth_file(path)? {
            Some((depth, file)) => match is_scaling((depth.width, depth.height), size) {
                true => (depth, None),
                false => {
                    let (width, height) = (depth.width, depth.height);
                    let why = format!(
                        "it has {width}x{height} pixels, and the photo {}x{}, of which that is no scaling",
                        size.0, size.1
                    );
                    return Err(Problem::new("depth_of_another_size", &file, why));
                }
            },
            None => {
                let network = self.networks.depth.ok_or_else(|| {
                    let why = "beside it is neither NAME.depth.npy nor NAME.depth.png, and no depth network is named";
                    Problem::new("no_depth", path, why)
                })?;
                let found = network.depth(color, camera.map(|it| it.fx));
                let found = found.map_err(|why| Problem::new("depth_network", path, why))?;
                (found.depth, found.focal_px)
            }
        };
        let intrinsics = match (camera, focal_px) {
            (Some(camera), _) => *camera,
            (None, Some(focal_px)) if focal_px.is_finite() && focal_px > 0.0 => {
                centered(size, focal_px)
            }
            _ => {
                let why =
                    "beside it is no NAME.camera.json, and no depth network tells the focal length";
                return Err(Problem::new("no_camera", path, why));
            }
        };
        let most = self.max_depth_m as f32;
        let metres = depth.to_metres().into_iter();
        let metres = metres.map(|m| if m > 0.0 && m <= most { m } else { f32::NAN });
        let depth = DepthImage::new(depth.width, depth.height, metres.collect());
        Ok((intrinsics, depth))
    }

    /// What is found in it, with masks of its size.
    fn candidates(&self, path: &Path, color: &ColorImage) -> Result<Vec<Candidate>, Problem> {
        let found = match regions_file(path, (color.width, color.height))? {
            Some(regions) => regions,
            None => self.detected(path, color)?,
        };
        let is_asked = |region: &Unmasked| {
            let name = region.name.to_lowercase();
            self.vocabulary.is_none_or(|words| words.contains(&name))
        };
        let found: Vec<Unmasked> = found.into_iter().filter(is_asked).collect();
        let boxes: Vec<BoundingBox> = (found.iter().filter(|it| it.mask.is_none()))
            .map(|it| it.bbox)
            .collect();
        let mut masks = match (boxes.is_empty(), self.networks.segmenter) {
            (true, _) => Vec::new().into_iter(),
            (false, Some(network)) => {
                let mut masks = Vec::with_capacity(boxes.len());
                for boxes in boxes.chunks(MASKS_AT_ONCE) {
                    let some = network.segment(color, boxes);
                    masks.extend(some.map_err(|why| Problem::new("mask_network", path, why))?);
                }
                masks.into_iter()
            }
            (false, None) => {
                let why =
                    "a region of NAME.regions.json has no mask, and no network for masks is named";
                return Err(Problem::new("no_mask", &beside(path, "regions.json"), why));
            }
        };
        let candidate = |region: Unmasked| {
            let mask = region.mask.or_else(|| masks.next());
            let is_whole = |mask: &Mask| (mask.width, mask.height) == (color.width, color.height);
            let mask = mask.filter(is_whole).ok_or_else(|| {
                Problem::new(
                    "mask_network",
                    path,
                    "the network for masks gave too few, or of another size",
                )
            })?;
            Ok(Candidate {
                name: region.name,
                score: region.score,
                bbox: region.bbox,
                mask,
            })
        };
        found.into_iter().map(candidate).collect()
    }

    fn detected(&self, path: &Path, color: &ColorImage) -> Result<Vec<Unmasked>, Problem> {
        let network = self.networks.detector.ok_or_else(|| {
            let why = "beside it is no NAME.regions.json, and no detector is named";
            Problem::new("no_regions", path, why)
        })?;
        let found = network.detect(color, &self.words(path)?);
        let found = found.map_err(|why| Problem::new("detector", path, why))?;
        // What reaches beyond the photo is taken by what is in it.
        let within = |bbox: BoundingBox| bbox.clipped(color.width, color.height);
        let unmasked = found.into_iter().filter_map(|region| {
            Some(Unmasked {
                bbox: within(region.bbox)?,
                name: region.name,
                score: region.score,
                mask: None,
            })
        });
        Ok(unmasked.collect())
    }

    /// The words to look for: those that a user named, tags beside the photo, or the list of this program.
    fn words(&self, path: &Path) -> Result<Vec<String>, Problem> {
        if let Some(words) = self.vocabulary {
            return Ok(words.to_vec());
        }
        let tags = beside(path, "tags.txt");
        let words = match fs::read_to_string(&tags) {
            Ok(text) => words::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => words::common(),
            Err(error) => return Err(Problem::new("tags_broken", &tags, error)),
        };
        Ok(words::of_things(words))
    }
}

/// The file NAME.ENDING beside a photo.
fn beside(photo: &Path, ending: &str) -> PathBuf {
    photo.with_extension(ending)
}

/// A file's bytes; `None` where it is not there.
fn existing(path: &Path, reason: &'static str) -> Result<Option<Vec<u8>>, Problem> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::new(reason, path, error)),
    }
}

/// A camera without distortion that looks through the middle of its picture.
fn centered((width, height): (u32, u32), focal_px: f64) -> Intrinsics {
    Intrinsics {
        width,
        height,
        fx: focal_px,
        fy: focal_px,
        // A pixel's middle has whole numbers.
        cx: (f64::from(width) - 1.0) / 2.0,
        cy: (f64::from(height) - 1.0) / 2.0,
        distortion: Distortion::None,
    }
}

fn camera(
    photo: &Path,
    color: &ColorImage,
) -> Result<Option<(Intrinsics, Option<Point>)>, Problem> {
    let path = beside(photo, "camera.json");
    let wrong = |why: String| Problem::new("camera_broken", &path, why);
    let Some(bytes) = existing(&path, "camera_broken")? else {
        return Ok(None);
    };
    let camera: Camera =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let Camera { fx, fy, cx, cy, .. } = camera;
    if ![fx, fy, cx, cy].iter().all(|it| it.is_finite()) || fx <= 0.0 || fy <= 0.0 {
        return Err(wrong(
            "fx and fy are to be positive, and cx and cy numbers".into(),
        ));
    }
    let intrinsics = Intrinsics {
        width: camera.width.unwrap_or(color.width),
        height: camera.height.unwrap_or(color.height),
        fx,
        fy,
        cx,
        cy,
        distortion: Distortion::None,
    };
    let size = (intrinsics.width, intrinsics.height);
    if size.0 == 0 || size.1 == 0 || !is_scaling(size, (color.width, color.height)) {
        let photo = format!("{}x{}", color.width, color.height);
        let why = format!(
            "it is of {}x{} pixels, and the photo of {photo}",
            size.0, size.1
        );
        return Err(Problem::new("camera_of_another_size", &path, why));
    }
    let up = match camera.gravity {
        None => None,
        Some(down) => {
            let up = Point::from(down.map(|along| -along as f32)).try_normalize(1e-6);
            let up = up.filter(|up| up.iter().all(|along| along.is_finite()));
            Some(up.ok_or_else(|| wrong("gravity is no direction".into()))?)
        }
    };
    Ok(Some((intrinsics.resized(color.width, color.height), up)))
}

fn depth_file(photo: &Path) -> Result<Option<(DepthImage, PathBuf)>, Problem> {
    const BROKEN: &str = "depth_broken";
    let path = beside(photo, "depth.npy");
    if let Some(bytes) = existing(&path, BROKEN)? {
        let read = Floats::parse(&bytes).map_err(|why| Problem::new(BROKEN, &path, why))?;
        return Ok(Some((
            DepthImage::new(read.width, read.height, read.values),
            path,
        )));
    }
    let path = beside(photo, "depth.png");
    let Some(bytes) = existing(&path, BROKEN)? else {
        return Ok(None);
    };
    let picture =
        image::load_from_memory(&bytes).map_err(|error| Problem::new(BROKEN, &path, error))?;
    let DynamicImage::ImageLuma16(picture) = picture else {
        let why = "it is no grey picture of 16 bits (whole millimetres, 0 for none)";
        return Err(Problem::new(BROKEN, &path, why));
    };
    let metres = picture.pixels().map(|pixel| match pixel.0 {
        [0] => f32::NAN,
        [millimetres] => f32::from(millimetres) / 1000.0,
    });
    let depth = DepthImage::new(picture.width(), picture.height(), metres.collect());
    Ok(Some((depth, path)))
}

fn regions_file(photo: &Path, size: (u32, u32)) -> Result<Option<Vec<Unmasked>>, Problem> {
    let path = beside(photo, "regions.json");
    let wrong = |why: String| Problem::new("regions_broken", &path, why);
    let Some(bytes) = existing(&path, "regions_broken")? else {
        return Ok(None);
    };
    let written: Regions =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let mut regions = Vec::new();
    for (number, region) in written.regions.into_iter().enumerate() {
        let place = |why: &str| wrong(format!("region {number} ('{}'): {why}", region.name));
        let [x_min, y_min, x_max, y_max] = region.bbox;
        let bbox = BoundingBox::new(x_min, y_min, x_max, y_max);
        if !(bbox.is_proper() && region.score.is_finite()) {
            return Err(place("its box or its score is none"));
        }
        let bbox = bbox
            .clipped(size.0, size.1)
            .ok_or_else(|| place("its box is outside the photo"))?;
        let mask = match &region.mask {
            None => None,
            Some(mask) if mask.size != [size.1, size.0] => {
                let [height, width] = mask.size;
                let why = format!(
                    "its mask is of {width}x{height} pixels, and the photo of {}x{}",
                    size.0, size.1
                );
                return Err(Problem::new("mask_of_another_size", &path, why));
            }
            Some(mask) => Some(Mask {
                width: size.0,
                height: size.1,
                data: decoded(mask).map_err(|why| place(&why))?,
            }),
        };
        regions.push(Unmasked {
            name: region.name.clone(),
            score: region.score,
            bbox,
            mask,
        });
    }
    Ok(Some(regions))
}

fn decoded(mask: &WrittenMask) -> Result<Vec<u8>, String> {
    let [height, width] = mask.size;
    match &mask.counts {
        Counts::Plain(runs) => rle::decode_runs(runs, width, height),
        Counts::Coded(counts) => rle::decode(counts, width, height),
    }
}
