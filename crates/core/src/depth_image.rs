//! A depth image: metres along the optical axis, or 16-bit values as the camera sent them.

use std::sync::Arc;

use bytes::Bytes;

/// Row-major depth along the optical axis in metres; NaN where the sensor has no measurement. A camera's
/// 16-bit image stays as it was sent: who measures two boxes reads a part of it.
#[derive(Debug, Clone)]
pub struct DepthImage {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    pixels: DepthPixels,
}

#[derive(Debug, Clone)]
enum DepthPixels {
    /// Shared by all that look at the picture.
    Metres(Arc<Vec<f32>>),
    /// Little-endian 32-bit metres in somebody else's memory, rows one after the other.
    MetresOf(Bytes),
    /// Little-endian 16-bit values, 0 for none; rows begin `step` bytes apart.
    Sent {
        bytes: Bytes,
        step: usize,
        unit: DepthUnit,
    },
}

const MILLIMETRES_PER_METRE: f32 = 1000.0;

/// What a 16-bit depth value counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum DepthUnit {
    /// What REP 118 says.
    Millimetre,
    /// So many metres.
    Metres(f64),
}

impl DepthUnit {
    /// Of a value in metres; none: as REP 118 says.
    pub(crate) fn of(metres: Option<f64>) -> Self {
        match metres {
            None | Some(0.001) => Self::Millimetre,
            Some(metres) => Self::Metres(metres),
        }
    }

    /// Depth in metres of a 16-bit value; 0 is no measurement (REP 118).
    pub(crate) fn metres_of(self, value: u16) -> f32 {
        match (value, self) {
            (0, _) => f32::NAN,
            (value, Self::Millimetre) => f32::from(value) / MILLIMETRES_PER_METRE,
            (value, Self::Metres(unit_m)) => (f64::from(value) * unit_m) as f32,
        }
    }
}

impl DepthImage {
    /// Depth in metres, row by row.
    pub fn new(width: u32, height: u32, depth_m: Vec<f32>) -> Self {
        Self {
            width,
            height,
            pixels: DepthPixels::Metres(Arc::new(depth_m)),
        }
    }

    /// Depth in metres as little-endian 32-bit floats, row by row without padding, which stay where they are: a
    /// program's own memory, for instance ([`Bytes::from_owner`]). What is missing at the end is no measurement.
    pub fn of_metres(width: u32, height: u32, bytes: Bytes) -> Self {
        Self {
            width,
            height,
            pixels: DepthPixels::MetresOf(bytes),
        }
    }

    /// Depth in millimetres as little-endian 16-bit values, row by row without padding, 0 for none (REP 118); as
    /// [`of_metres`](Self::of_metres) they stay where they are.
    pub fn of_millimetres(width: u32, height: u32, bytes: Bytes) -> Self {
        Self::as_sent(
            width,
            height,
            bytes,
            2 * width as usize,
            DepthUnit::Millimetre,
        )
    }

    /// Depth as little-endian 16-bit values in rows of `step` bytes, all within `bytes`.
    pub(crate) fn as_sent(
        width: u32,
        height: u32,
        bytes: Bytes,
        step: usize,
        unit: DepthUnit,
    ) -> Self {
        Self {
            width,
            height,
            pixels: DepthPixels::Sent { bytes, step, unit },
        }
    }

    /// The memory that its pixels take, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.pixels {
            DepthPixels::Metres(depth_m) => size_of_val(depth_m.as_slice()),
            DepthPixels::MetresOf(bytes) | DepthPixels::Sent { bytes, .. } => bytes.len(),
        }
    }

    /// Depth in metres of the pixels from `column` on in a row, as many as `out` takes. Beyond the image
    /// it is NaN.
    pub fn read_row(&self, row: usize, column: usize, out: &mut [f32]) {
        out.fill(f32::NAN);
        let width = (self.width as usize).saturating_sub(column);
        let length = if row < self.height as usize {
            width.min(out.len())
        } else {
            0
        };
        let out = &mut out[..length];
        match &self.pixels {
            DepthPixels::Metres(depth_m) => {
                let begin = row * self.width as usize + column;
                for (out, depth_m) in out.iter_mut().zip(depth_m.iter().skip(begin)) {
                    *out = *depth_m;
                }
            }
            DepthPixels::MetresOf(bytes) => {
                let begin = 4 * (row * self.width as usize + column);
                let values = bytes.get(begin..).unwrap_or_default().as_chunks::<4>().0;
                for (out, value) in out.iter_mut().zip(values) {
                    *out = f32::from_le_bytes(*value);
                }
            }
            DepthPixels::Sent { bytes, step, unit } => {
                let row = bytes.get(row * step + 2 * column..).unwrap_or_default();
                let values = row.as_chunks::<2>().0.iter();
                let pixels = out
                    .iter_mut()
                    .zip(values.map(|value| u16::from_le_bytes(*value)));
                // Asked once a row, not once a pixel: this is a hot loop.
                match unit {
                    DepthUnit::Millimetre => pixels
                        .for_each(|(out, value)| *out = DepthUnit::Millimetre.metres_of(value)),
                    unit => pixels.for_each(|(out, value)| *out = unit.metres_of(value)),
                }
            }
        }
    }

    /// All of it in metres, row by row.
    pub fn to_metres(&self) -> Vec<f32> {
        match &self.pixels {
            DepthPixels::Metres(depth_m) => depth_m.to_vec(),
            DepthPixels::MetresOf(_) | DepthPixels::Sent { .. } => {
                let width = self.width as usize;
                let mut depth_m = vec![f32::NAN; width * self.height as usize];
                for (row, out) in depth_m.chunks_exact_mut(width.max(1)).enumerate() {
                    self.read_row(row, 0, out);
                }
                depth_m
            }
        }
    }

    /// Every `every`-th pixel of every `every`-th row in metres, row by row.
    pub fn thinned_metres(&self, every: usize) -> Vec<f32> {
        let (width, height, every) = (self.width as usize, self.height as usize, every.max(1));
        let mut thinned = Vec::with_capacity(width.div_ceil(every) * height.div_ceil(every));
        let mut row_m = vec![f32::NAN; width];
        for row in (0..height).step_by(every) {
            match &self.pixels {
                // Without the pixels between them.
                DepthPixels::Sent { bytes, step, unit }
                    if bytes.len() >= row * step + 2 * width =>
                {
                    let values = bytes[row * step..row * step + 2 * width].as_chunks().0;
                    let values = values.iter().step_by(every);
                    thinned.extend(values.map(|value| unit.metres_of(u16::from_le_bytes(*value))));
                }
                _ => {
                    self.read_row(row, 0, &mut row_m);
                    thinned.extend(row_m.iter().step_by(every));
                }
            }
        }
        thinned
    }

    /// All of it in whole millimetres, row by row: 0 where there is no measurement, 65535 for all that is farther.
    pub fn to_millimetres(&self) -> Vec<u16> {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut depth_mm = vec![0; width * height];
        match &self.pixels {
            // As they are: to metres and back gives the same.
            DepthPixels::Sent {
                bytes,
                step,
                unit: DepthUnit::Millimetre,
            } => {
                for (row, out) in depth_mm.chunks_exact_mut(width.max(1)).enumerate() {
                    let values = bytes.get(row * step..).unwrap_or_default().as_chunks().0;
                    for (out, value) in out.iter_mut().zip(values) {
                        *out = u16::from_le_bytes(*value);
                    }
                }
            }
            _ => {
                let mut row_m = vec![f32::NAN; width];
                for (row, out) in depth_mm.chunks_exact_mut(width.max(1)).enumerate() {
                    self.read_row(row, 0, &mut row_m);
                    for (out, depth_m) in out.iter_mut().zip(&row_m) {
                        // What is below 0, or not a number, becomes 0.
                        *out = (depth_m * MILLIMETRES_PER_METRE).round_ties_even() as u16;
                    }
                }
            }
        }
        depth_mm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_as_it_was_sent_reads_like_depth_in_metres() {
        // given three by two pixels in rows with padding, and the same in metres
        let bytes: Vec<u8> = [1000_u16, 0, 250, 9999, 1, 2, 65535, 9999]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let sent = DepthImage::as_sent(3, 2, bytes.into(), 8, DepthUnit::Millimetre);
        let metres = DepthImage::new(3, 2, sent.to_metres());
        // when parts of rows are read, also beyond their end
        for (row, column, length) in [(0, 0, 3), (1, 1, 2), (1, 2, 3), (2, 0, 2), (0, 5, 1)] {
            let read = |image: &DepthImage| {
                let mut out = vec![7.0; length];
                image.read_row(row, column, &mut out);
                out.iter().map(|depth| depth.to_bits()).collect::<Vec<_>>()
            };
            // then both say the same
            assert_eq!(read(&sent), read(&metres), "{row} {column} {length}");
        }
        assert!(sent.to_metres()[1].is_nan());
        assert_eq!(sent.to_metres()[5], 65.535);
    }

    #[test]
    fn depth_in_somebody_elses_memory_reads_like_depth_in_metres() {
        // given metres as bytes, with the last pixel missing
        let depth_m = [1.0_f32, f32::NAN, 0.25, 0.001, 3.5];
        let bytes: Vec<u8> = depth_m
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let theirs = DepthImage::of_metres(3, 2, bytes.into());
        // when it is read in parts, then it is what it was, and nothing where nothing is
        let mut out = [7.0; 3];
        theirs.read_row(1, 1, &mut out);
        assert_eq!(out[0], 3.5);
        assert!(out[1].is_nan() && out[2].is_nan());
        let all = theirs.to_metres();
        assert_eq!((all[0], all[2], all[3]), (1.0, 0.25, 0.001));
        assert!(all[1].is_nan() && all[5].is_nan());
        // and millimetres as REP 118 has them
        let sent = DepthImage::of_millimetres(2, 1, bytes::Bytes::from_static(&[0xdc, 0x05, 0, 0]));
        assert_eq!(sent.to_metres()[0], 1.5);
        assert!(sent.to_metres()[1].is_nan());
    }

    #[test]
    fn a_unit_of_its_own_counts_instead_of_the_millimetre() {
        let pixels = bytes::Bytes::from_static(&[0xdc, 0x05, 0, 0]);
        let depth = |unit| DepthImage::as_sent(2, 1, pixels.clone(), 4, DepthUnit::of(unit));
        assert_eq!(depth(None).to_metres()[0], 1.5);
        assert_eq!(depth(Some(0.0001)).to_metres()[0], 0.15);
        assert!(depth(Some(0.0001)).to_metres()[1].is_nan());
    }

    #[test]
    fn some_pixels_are_those_of_all() {
        // given five by three pixels
        let bytes: Vec<u8> = (0..15_u16).flat_map(u16::to_le_bytes).collect();
        let sent = DepthImage::of_millimetres(5, 3, bytes.into());
        let metres = DepthImage::new(5, 3, sent.to_metres());
        let millimetres = |depth: &DepthImage, every| -> Vec<i32> {
            let thinned = depth.thinned_metres(every).into_iter();
            thinned
                .map(|depth_m| (depth_m * 1000.0).round() as i32)
                .collect()
        };
        // then every other one of every other row is theirs, the first without a measurement
        assert_eq!(millimetres(&sent, 2), [0, 2, 4, 10, 12, 14]);
        assert_eq!(millimetres(&metres, 2), [0, 2, 4, 10, 12, 14]);
        assert!(sent.thinned_metres(2)[0].is_nan());
        assert_eq!(sent.thinned_metres(1).len(), 15);
    }

    #[test]
    fn whole_millimetres_are_what_was_sent_and_what_metres_come_to() {
        // given every value that 16 bits have, and the same in metres
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let sent = DepthImage::of_millimetres(256, 256, bytes.into());
        let metres = DepthImage::new(256, 256, sent.to_metres());
        // then both have them
        let expected: Vec<u16> = (0..=u16::MAX).collect();
        assert_eq!(sent.to_millimetres(), expected);
        assert_eq!(metres.to_millimetres(), expected);
        // and of other numbers the nearest; what is missing at the end is no measurement
        let depth_m = [0.0014, 0.0025, -1.0, f32::NAN, f32::INFINITY, 70.0];
        let odd = DepthImage::new(7, 1, depth_m.to_vec());
        assert_eq!(odd.to_millimetres(), [1, 2, 0, 0, 65535, 65535, 0]);
    }

    #[test]
    fn the_millimetre_said_is_the_millimetre_meant() {
        // Divided by 1000, as before there was a setting: multiplied by 0.001 some values differ in the last bit.
        assert_eq!(DepthUnit::of(Some(0.001)), DepthUnit::of(None));
    }
}
