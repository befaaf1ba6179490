//! Relative depth as the vision-language model sees it: a grey picture in which near is bright.
//! It comes from a depth network's raw output or from a camera's metres; both are disparity-like
//! (larger is nearer), and from there on there is one way: resize, scale to 0..255, cut to bytes.

use super::GrayImage;
use crate::frame::DepthImage;
use crate::{Error, Result};

/// Larger is nearer, in no particular unit; row-major, all finite,
/// `values.len() == width * height`, no side zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Disparity {
    width: u32,
    height: u32,
    values: Vec<f32>,
}

/// The disparities that become black and white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DisparityRange {
    /// Black, in the unit of the disparities: the farthest.
    pub min: f32,
    /// White, in the unit of the disparities: the nearest.
    pub max: f32,
}

impl Disparity {
    /// From a depth network's output, shape [height, width], larger is nearer.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], [`Error::PixelCount`] if there are more or fewer values than
    /// pixels, [`Error::DepthNotFinite`] if the network overflowed.
    pub fn from_network(width: u32, height: u32, values: Vec<f32>) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::EmptyPicture { width, height });
        }
        let expected = width as usize * height as usize;
        if values.len() != expected {
            return Err(Error::PixelCount {
                width,
                height,
                channels: 1,
                expected,
                found: values.len(),
            });
        }
        let broken = values.iter().enumerate().find(|(_, v)| !v.is_finite());
        if let Some((index, &value)) = broken {
            return Err(Error::DepthNotFinite {
                column: index % width as usize,
                row: index / width as usize,
                value,
            });
        }
        Ok(Self {
            width,
            height,
            values,
        })
    }

    /// From a camera's depth: 1/z per metre. `None` if no pixel has a depth that is finite and
    /// greater than zero.
    ///
    /// The model knows smooth and complete depth only, so holes are not left black, which would
    /// read as infinitely far spots within a region: each takes the farther of the valid pixels to
    /// its left and right. The holes of stereo and of projected patterns are the shadows that near
    /// things throw on what is behind them, so the farther side is the right one there, while a
    /// hole within an object has the object on both sides. (KITTI's stereo benchmark fills so.)
    /// Rows without any depth take the farther of the rows above and below.
    pub fn from_depth(depth: &DepthImage) -> Option<Self> {
        let width = depth.width as usize;
        let inverse = |depth_m: f32| match depth_m.is_finite() && depth_m > 0.0 {
            // Depths below 3e-39 m would make infinity of it.
            true => depth_m.recip().min(f32::MAX),
            false => f32::NAN,
        };
        let mut values: Vec<f32> = depth.to_metres().into_iter().map(inverse).collect();
        let is_whole = width > 0 && values.len() == width * depth.height as usize;
        if !is_whole || values.iter().all(|value| value.is_nan()) {
            return None;
        }
        for row in values.chunks_exact_mut(width) {
            fill_row(row);
        }
        fill_empty_rows(&mut values, width);
        Some(Self {
            width: depth.width,
            height: depth.height,
            values,
        })
    }

    /// Bilinear, corners not aligned, without antialiasing: how the original brings the network's
    /// output to the picture's size. Single precision, weighing columns before rows, to the bit as
    /// PyTorch does it on processors with fused multiply-add.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] if a side is zero.
    pub fn resized(&self, width: u32, height: u32) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::EmptyPicture { width, height });
        }
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let columns = between(self.width, width);
        let stretched = |y: usize| {
            let row = &self.values[y * self.width as usize..][..self.width as usize];
            let columns = columns.iter();
            columns.map(move |at| at.weigh(row[at.before], row[at.after]))
        };
        let mut values = Vec::with_capacity(width as usize * height as usize);
        // Neighbouring output rows lie between the same two input rows, most of the time.
        let mut kept: Option<(usize, Vec<f32>, Vec<f32>)> = None;
        for at in between(self.height, height) {
            let (_, above, below) = match kept.take().filter(|rows| rows.0 == at.before) {
                Some(rows) => kept.insert(rows),
                None => kept.insert((
                    at.before,
                    stretched(at.before).collect(),
                    stretched(at.after).collect(),
                )),
            };
            let rows = above.iter().zip(below.iter());
            values.extend(rows.map(|(&above, &below)| at.weigh(above, below)));
        }
        Ok(Self {
            width,
            height,
            values,
        })
    }

    /// The smallest and the largest disparity.
    pub fn range(&self) -> DisparityRange {
        let start = DisparityRange {
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
        };
        self.values
            .iter()
            .fold(start, |range, &value| DisparityRange {
                min: range.min.min(value),
                max: range.max.max(value),
            })
    }

    /// To bytes, `range.min` becoming 0 and `range.max` 255, fractions cut off. What lies beyond
    /// the range is clamped. The original takes each picture's own [`range`](Self::range); one
    /// range for a whole episode keeps a still scene's brightness still when something moves.
    ///
    /// If the range is empty because the scene is flat, everything at it is 0, as in the original
    /// (there NaN is cast to a byte).
    pub fn to_gray(&self, range: DisparityRange) -> GrayImage {
        let extent = range.max - range.min;
        // A cast saturates, and takes NaN for 0.
        let byte = |&value: &f32| ((value - range.min) / extent * 255.0) as u8;
        GrayImage {
            width: self.width,
            height: self.height,
            values: self.values.iter().map(byte).collect(),
        }
    }

    /// The original's depth picture for an image of that size: resized, each picture to its own
    /// range unless one is given.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] if a side is zero.
    pub fn relative_depth(
        &self,
        width: u32,
        height: u32,
        range: Option<DisparityRange>,
    ) -> Result<GrayImage> {
        let resized = self.resized(width, height)?;
        let range = range.unwrap_or_else(|| resized.range());
        Ok(resized.to_gray(range))
    }
}

/// Where an output pixel lies between two input pixels along one axis.
struct Between {
    before: usize,
    after: usize,
    /// The share of `after`.
    share: f32,
}

impl Between {
    /// As the original's fused multiply-add rounds: once for `after`'s part, once for the sum.
    /// Another order moves a pixel in 100 000 by a level.
    fn weigh(&self, before: f32, after: f32) -> f32 {
        let exact = f64::from(1.0 - self.share) * f64::from(before);
        (exact + f64::from(self.share * after)) as f32
    }
}

fn between(input: u32, output: u32) -> Vec<Between> {
    let scale = input as f32 / output as f32;
    (0..output)
        .map(|i| {
            let center = ((f64::from(scale) * (f64::from(i) + 0.5) - 0.5) as f32).max(0.0);
            let before = (center as usize).min(input as usize - 1);
            Between {
                before,
                after: (before + 1).min(input as usize - 1),
                share: (center - before as f32).clamp(0.0, 1.0),
            }
        })
        .collect()
}

/// Each run of NaN takes the smaller of the values at its two ends.
fn fill_row(row: &mut [f32]) {
    let mut before = f32::NAN;
    let mut start = 0;
    while start < row.len() {
        if !row[start].is_nan() {
            before = row[start];
            start += 1;
            continue;
        }
        let length = row[start..].iter().take_while(|v| v.is_nan()).count();
        let end = start + length;
        // `min` takes the other one where one is NaN: the row ends there.
        let after = row.get(end).copied().unwrap_or(f32::NAN);
        row[start..end].fill(before.min(after));
        start = end;
    }
}

/// Rows of NaN take, column by column, the smaller of the nearest rows with values.
fn fill_empty_rows(values: &mut [f32], width: usize) {
    let filled: Vec<usize> = (0..values.len() / width)
        .filter(|row| !values[row * width].is_nan())
        .collect();
    let mut next = 0;
    for row in 0..values.len() / width {
        while filled.get(next).is_some_and(|&filled| filled < row) {
            next += 1;
        }
        let below = filled.get(next).copied();
        if below == Some(row) {
            continue;
        }
        let above = next.checked_sub(1).and_then(|i| filled.get(i)).copied();
        for column in 0..width {
            let at = |row: Option<usize>| row.map_or(f32::NAN, |row| values[row * width + column]);
            values[row * width + column] = at(above).min(at(below));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fixtures, golden_inputs};
    use super::*;

    /// A network's outputs from a safetensors file: [1, height, width] floats.
    fn raw_depths() -> Vec<Disparity> {
        #[derive(serde::Deserialize)]
        struct Entry {
            shape: Vec<u32>,
            data_offsets: (usize, usize),
        }
        let file = fixtures().join("spatialrgpt/inputs/raw_depth.safetensors");
        let bytes = std::fs::read(file).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (header, data) = bytes[8..].split_at(header);
        let entries: std::collections::BTreeMap<String, Entry> =
            serde_json::from_slice(header).unwrap();
        entries
            .into_values()
            .map(|entry| {
                let floats = data[entry.data_offsets.0..entry.data_offsets.1].chunks_exact(4);
                let values = floats.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                Disparity::from_network(entry.shape[2], entry.shape[1], values.collect()).unwrap()
            })
            .collect()
    }

    fn metric(width: u32, depth_m: &[f32]) -> DepthImage {
        DepthImage::new(width, depth_m.len() as u32 / width, depth_m.to_vec())
    }

    #[test]
    fn a_networks_output_becomes_the_originals_depth_maps() {
        let (raw, inputs) = (raw_depths(), golden_inputs());
        assert_eq!(raw.len(), inputs.len());
        for (case, (raw, input)) in raw.iter().zip(inputs).enumerate() {
            let (width, height) = (input.image.width, input.image.height);
            let gray = raw.relative_depth(width, height, None).unwrap();
            let pairs = gray.values.iter().zip(&input.depth.values);
            let differing = pairs.filter(|(ours, theirs)| ours != theirs).count();
            assert_eq!(differing, 0, "case {case}, of {} pixels", gray.values.len());
        }
    }

    #[test]
    fn near_is_bright_and_fractions_are_cut_off() {
        // Given depths whose disparities are 4, 2, 1 and 0.5 per metre
        let disparity = Disparity::from_depth(&metric(4, &[0.25, 0.5, 1.0, 2.0])).unwrap();
        // When they are scaled over the picture
        let gray = disparity.relative_depth(4, 1, None).unwrap();
        // Then (2 - 0.5) / 3.5 * 255 = 109.3 and (1 - 0.5) / 3.5 * 255 = 36.4
        assert_eq!(gray.values, [255, 109, 36, 0]);
    }

    #[test]
    fn holes_take_the_farther_side() {
        let nan = f32::NAN;
        let rows = [
            [nan, 0.5, nan, 0.0, 2.0, nan],
            [nan, nan, nan, nan, nan, nan],
            [1.0, f32::INFINITY, 1.0, -1.0, 1.0, 4.0],
        ];
        let disparity = Disparity::from_depth(&metric(6, rows.as_flattened())).unwrap();
        let expected = [
            [2.0, 2.0, 0.5, 0.5, 0.5, 0.5],
            [1.0, 1.0, 0.5, 0.5, 0.5, 0.25],
            [1.0, 1.0, 1.0, 1.0, 1.0, 0.25],
        ];
        assert_eq!(disparity.values, expected.as_flattened());
    }

    #[test]
    fn empty_rows_at_the_rims_take_the_nearest_row() {
        let nan = f32::NAN;
        let disparity = Disparity::from_depth(&metric(1, &[nan, nan, 2.0, nan])).unwrap();
        assert_eq!(disparity.values, [0.5; 4]);
    }

    #[test]
    fn depth_without_a_valid_pixel_is_none() {
        assert_eq!(Disparity::from_depth(&metric(2, &[f32::NAN, 0.0])), None);
        assert_eq!(Disparity::from_depth(&metric(1, &[])), None);
    }

    #[test]
    fn a_flat_scene_is_black_and_divides_nothing_by_zero() {
        let flat = Disparity::from_depth(&metric(2, &[0.7; 4])).unwrap();
        let gray = flat.relative_depth(3, 3, None).unwrap();
        assert_eq!(gray.values, [0; 9]);
    }

    #[test]
    fn one_range_for_an_episode_clamps_what_leaves_it() {
        let range = DisparityRange { min: 1.0, max: 2.0 };
        let disparity = Disparity::from_network(4, 1, vec![0.5, 1.0, 1.5, 2.5]).unwrap();
        let gray = disparity.relative_depth(4, 1, Some(range)).unwrap();
        assert_eq!(gray.values, [0, 0, 127, 255]);
    }

    #[test]
    fn a_network_that_overflows_is_an_error_with_its_place() {
        let values = vec![1.0, 2.0, 3.0, f32::INFINITY];
        let error = Disparity::from_network(2, 2, values).unwrap_err();
        assert!(
            matches!(
                error,
                Error::DepthNotFinite {
                    column: 1,
                    row: 1,
                    ..
                }
            ),
            "{error}"
        );
    }
}
