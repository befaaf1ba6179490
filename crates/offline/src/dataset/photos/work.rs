//! The work on one photo, on any thread: read it and what belongs to it, choose its regions, make their clouds, ask, write
//! the pictures, word the rows.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage, imageops};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use spatial_reward_core::digest;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::geometry::Point;
use spatial_reward_core::imaging::Disparity;
use spatial_reward_core::random::Random;
use spatial_reward_core::settings;

use super::canonical::Canonical;
use super::cloud::{LevelBounds, Point3, Steps, TurnedBox};
use super::list::Listed;
use super::objects::{Object, chosen};
use super::parts::Done;
use super::problem::Problem;
use super::sidecars::{Photo, Reader};
use super::up;
use crate::dataset::pictures::{DEPTH, IMAGES, METRIC, PictureFile};
use crate::dataset::questions::{Turn, ask_paper};
use crate::dataset::row::{Message, Row, conversations};
use crate::dataset::scene::{Cloud, Scene};
use crate::dataset::shape::{Axes, LevelBox};
use crate::error::{Error, Result};
use spatial_reward_core::imaging::rle::Rle;

/// Pixels a row of a photo that is brought to another height.
const MOST_WIDE: u32 = 16_384;
/// Of a photo that was brought to another size and was a JPEG.
const JPEG_QUALITY: u8 = 95;

/// What all photos share.
pub(super) struct Workshop<'a> {
    /// The data set's folder as it grows.
    pub folder: &'a Path,
    /// Every constant of it.
    pub photos: &'a settings::Photos,
    /// Reads photos.
    pub reader: Reader<'a>,
    /// What chance begins with.
    pub seed: u64,
}

/// An object with its cloud.
struct Region {
    object: Object,
    rle: Rle,
    /// Canonical.
    points: Vec<Point3>,
    bounds: LevelBounds,
    cloud: Cloud,
    level: LevelBox,
}

/// How it is known which way is up.
#[derive(Clone, Copy)]
struct KnownUp {
    direction: Point,
    /// 1 where a file says so.
    confidence: f64,
}

impl Workshop<'_> {
    /// Work on one photo. What is wrong with it is told in what comes of it.
    ///
    /// # Errors
    /// `Error::Output` if a picture cannot be written.
    pub(super) fn work(&self, listed: &Listed) -> Result<Done> {
        let mut done = Done::default();
        done.tally.frames = 1;
        let read = || {
            self.reader
                .read(&listed.path)
                .map(|photo| self.sized(photo))
        };
        // Foreign bytes make decoders panic: that is one photo's trouble.
        let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
            let why = "a decoder gave up in the middle of it";
            Err(Problem::new("photo_broken", &listed.path, why))
        });
        match read {
            Ok(photo) => self.rows(listed, photo, &mut done)?,
            Err(problem) => {
                done.tally.skip_frame(problem.reason);
                done.error = Some(
                    json!({
                        "photo": listed.path.to_string_lossy(),
                        "reason": problem.reason,
                        "file": problem.file.to_string_lossy(),
                        "why": problem.why,
                    })
                    .to_string(),
                );
            }
        }
        Ok(done)
    }

    /// The photo at the height that all are brought to.
    fn sized(&self, photo: Photo) -> Photo {
        let (width, height) = (photo.color.width, photo.color.height);
        let wanted = self.photos.height_px;
        if wanted == 0 || wanted == height {
            return photo;
        }
        let target = (u64::from(wanted) * u64::from(width) / u64::from(height.max(1))).max(1);
        // A sliver stays as it is.
        let Some(target) = u32::try_from(target)
            .ok()
            .filter(|target| *target <= MOST_WIDE)
        else {
            return photo;
        };
        let Some(pixels) = RgbImage::from_raw(width, height, photo.color.rgb.to_vec()) else {
            return photo;
        };
        let resized = imageops::resize(&pixels, target, wanted, imageops::FilterType::Triangle);
        let (x, y) = (
            f64::from(target) / f64::from(width),
            f64::from(wanted) / f64::from(height),
        );
        let mut candidates = photo.candidates;
        for candidate in &mut candidates {
            candidate.bbox = candidate.bbox.scaled(x, y);
            if let Ok(mask) = candidate.mask.resize_nearest(target, wanted) {
                candidate.mask = mask;
            }
        }
        let color = ColorImage {
            width: target,
            height: wanted,
            rgb: resized.into_raw().into(),
        };
        Photo {
            file: resized_file(&photo.file, &color),
            color,
            intrinsics: photo.intrinsics.resized(target, wanted),
            candidates,
            ..photo
        }
    }

    fn rows(&self, listed: &Listed, photo: Photo, done: &mut Done) -> Result<()> {
        let size = (photo.color.width, photo.color.height);
        let up = self.up(&photo);
        let axes = Axes::new(up.map(|up| up.direction));
        let canonical = Canonical::new(&photo.depth, &photo.intrinsics, &axes);
        let (objects, left_out) = chosen(photo.candidates.clone(), size, self.photos);
        left_out
            .iter()
            .for_each(|reason| done.tally.skip_region(reason));
        let mut random = Random(self.seed_of(&listed.name));
        let mut regions = Vec::new();
        for object in objects {
            match self.region(object, &canonical, &mut random) {
                Ok(region) => regions.push(region),
                Err(reason) => done.tally.skip_region(reason),
            }
        }
        if regions.len() < 2 {
            done.tally.skip_frame("fewer_than_two_regions");
            return Ok(());
        }
        let clouds = regions
            .iter()
            .map(|region| (region.cloud.clone(), region.level));
        let scene = Scene::of_paper(clouds.collect(), axes, self.photos.certain_only);
        let (pairs, each) = (self.photos.pairs as usize, self.photos.questions as usize);
        let turns = ask_paper(&scene, pairs, each, &mut random);
        if turns.is_empty() {
            done.tally.skip_frame("nothing_to_ask");
            return Ok(());
        }
        done.tally.rows_without_gravity += u64::from(up.is_none());
        done.scene = Some(scene_line(listed, &regions, up, canonical.ground_m()));
        self.write(listed, &photo, &regions, &turns, up, done)
    }

    /// As a file says, or as the photo's planes do where they are to be believed.
    fn up(&self, photo: &Photo) -> Option<KnownUp> {
        if let Some(direction) = photo.up {
            return Some(KnownUp {
                direction,
                confidence: 1.0,
            });
        }
        let found = up::estimated(&photo.depth, &photo.intrinsics)?;
        (found.confidence >= self.photos.min_gravity_confidence).then_some(KnownUp {
            direction: found.direction,
            confidence: found.confidence,
        })
    }

    fn region(
        &self,
        object: Object,
        canonical: &Canonical<'_>,
        random: &mut Random,
    ) -> std::result::Result<Region, &'static str> {
        let photos = self.photos;
        let mut points = canonical.of_mask(&object.found.mask);
        if points.len() < photos.min_points as usize {
            return Err("too_few_points");
        }
        if photos.noise_m > 0.0 {
            for along in points.iter_mut().flat_map(|point| point.iter_mut()) {
                *along += photos.noise_m * random.deviation();
            }
        }
        let points = Steps::new(photos).cleaned(&points);
        if points.len() < photos.min_cloud_points as usize {
            return Err("too_few_points_left");
        }
        let bounds = LevelBounds::around(&points).ok_or("too_few_points_left")?;
        if bounds.volume() < photos.min_volume_cm3 * 1e-6 {
            return Err("too_small_a_volume");
        }
        let (extent, center) = (
            bounds.extent().cast::<f32>(),
            canonical.optical(&bounds.center()),
        );
        let mask = &object.found.mask;
        let is_inside = |index: usize| mask.data.get(index).is_some_and(|pixel| *pixel != 0);
        let optical = points.iter().map(|point| canonical.optical(point));
        Ok(Region {
            rle: Rle::encode(mask.width, mask.height, is_inside),
            cloud: Cloud::of(optical.collect()),
            level: LevelBox {
                center,
                width: extent.x,
                height: extent.y,
                depth: extent.z,
            },
            object,
            points,
            bounds,
        })
    }

    /// The same for a photo whatever else is in the run.
    fn seed_of(&self, name: &str) -> u64 {
        let digest = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(name)
            .finalize();
        digest::seed(&digest)
    }

    fn write(
        &self,
        listed: &Listed,
        photo: &Photo,
        regions: &[Region],
        turns: &[Turn],
        up: Option<KnownUp>,
        done: &mut Done,
    ) -> Result<()> {
        let (name, size) = (
            listed.name.as_str(),
            (photo.color.width, photo.color.height),
        );
        let cannot = |what: String| Error::output(self.folder.join(name), what);
        let write = |file: PictureFile, folder: &str| file.write(self.folder, folder, name);
        let file = match PictureFile::as_it_is(&photo.file) {
            Some(file) => file,
            None => PictureFile::of_color(&photo.color).map_err(cannot)?,
        };
        let filename = write(file, IMAGES)?;
        let depth = match Disparity::from_depth(&photo.depth) {
            Some(disparity) => {
                let gray = disparity.relative_depth(size.0, size.1, None)?;
                Some(write(PictureFile::of_gray(&gray).map_err(cannot)?, DEPTH)?)
            }
            None => None,
        };
        let metric = PictureFile::of_metric(&photo.depth, size.0, size.1).map_err(cannot)?;
        let metric = Some(write(metric, METRIC)?);
        let tally = &mut done.tally;
        tally.rows = 1;
        tally.regions = regions.len() as u64;
        tally.rows_without_depth = u64::from(depth.is_none());
        turns
            .iter()
            .for_each(|turn| tally.ask(turn.category.name()));
        let worded = |error: serde_json::Error| cannot(error.to_string());
        let published = Published::new(name, regions, turns, depth.is_some());
        done.published = Some(serde_json::to_string(&published).map_err(worded)?);
        let intrinsics = &photo.intrinsics;
        let row = Row {
            conversations: conversations(turns, depth.is_some()),
            filename,
            depth,
            metric,
            intrinsics: [intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy],
            bag: None,
            stamp_nanos: None,
            photo: Some(&listed.name),
            up: up.map(|up| up.direction.cast::<f64>().into()),
            up_confidence: up.map(|up| up.confidence),
            regions: regions
                .iter()
                .map(|it| it.object.found.name.as_str())
                .collect(),
            bbox: regions.iter().map(corners).collect(),
            rle: regions.iter().map(|region| Some(&region.rle)).collect(),
            points: regions.iter().map(centroid).collect(),
            mentions: turns.iter().map(|turn| turn.mentions.clone()).collect(),
            categories: turns.iter().map(|turn| turn.category.name()).collect(),
        };
        done.row = Some(serde_json::to_string(&row).map_err(worded)?);
        Ok(())
    }
}

/// A resized photo as a file of the kind that it was.
fn resized_file(original: &[u8], color: &ColorImage) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let is_jpeg = image::guess_format(original).is_ok_and(|it| it == image::ImageFormat::Jpeg);
    let mut encoder = JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
    let (width, height) = (color.width, color.height);
    match is_jpeg
        && encoder
            .encode(&color.rgb, width, height, ExtendedColorType::Rgb8)
            .is_ok()
    {
        true => file.into_inner(),
        // It is written as PNG then.
        false => Vec::new(),
    }
}

/// The row in the form of the published file: boxes and masks once for each mention, in order.
#[derive(Serialize)]
struct Published<'a> {
    /// Without an ending.
    filename: &'a str,
    conversations: Vec<Message>,
    bbox: Vec<[f64; 4]>,
    rle: Vec<&'a Rle>,
}

impl<'a> Published<'a> {
    fn new(name: &'a str, regions: &'a [Region], turns: &[Turn], has_depth: bool) -> Self {
        let mentions = turns.iter().flat_map(|turn| &turn.mentions);
        let mentioned: Vec<&Region> = mentions.filter_map(|at| regions.get(*at)).collect();
        Self {
            filename: name,
            conversations: conversations(turns, has_depth),
            bbox: mentioned.iter().map(|region| corners(region)).collect(),
            rle: mentioned.iter().map(|region| &region.rle).collect(),
        }
    }
}

/// What the original's pipeline says of a picture, before anything is asked.
fn scene_line(listed: &Listed, regions: &[Region], up: Option<KnownUp>, ground_m: f64) -> String {
    let ground = Point3::new(0.0, ground_m, 0.0);
    let placed = |point: Point3| <[f64; 3]>::from(point - ground);
    let of = |(number, region): (usize, &Region)| {
        let found = &region.object.found;
        let turned = TurnedBox::around(&region.points).map(|it| {
            let rows: Vec<Vec<f64>> = it
                .rotation
                .row_iter()
                .map(|row| row.iter().copied().collect())
                .collect();
            json!({"center": placed(it.center), "extent": <[f64; 3]>::from(it.extent), "R": rows})
        });
        json!({
            "class_name": found.name,
            "xyxy": corners(region),
            "confidence": found.score,
            "box_area": found.bbox.width() * found.bbox.height(),
            "area": region.object.area_px,
            "rle": region.rle,
            "caption": format!("<region{number}>"),
            "cloud_points": region.points.len(),
            "axis_aligned_bbox": {
                "min_bound": placed(region.bounds.min),
                "max_bound": placed(region.bounds.max),
            },
            "oriented_bbox": turned,
        })
    };
    json!({
        "filename": listed.name,
        "up": up.map(|up| <[f32; 3]>::from(up.direction)),
        "up_confidence": up.map(|up| up.confidence),
        "detections": regions.iter().enumerate().map(of).collect::<Vec<_>>(),
    })
    .to_string()
}

fn corners(region: &Region) -> [f64; 4] {
    let BoundingBox {
        x_min,
        y_min,
        x_max,
        y_max,
    } = region.object.found.bbox;
    [x_min, y_min, x_max, y_max].map(|at| (at * 100.0).round() / 100.0)
}

fn centroid(region: &Region) -> [f64; 3] {
    let centroid = region.cloud.centroid();
    [centroid.x, centroid.y, centroid.z].map(|at| (f64::from(at) * 10_000.0).round() / 10_000.0)
}
