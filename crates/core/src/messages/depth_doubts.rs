//! Depth that cannot be what it says: values in another unit than REP 118's, and depth nearer than its compression
//! can hold. Nobody can tell it from one value; from a whole picture one can.

use std::ops::RangeInclusive;

use crate::depth_image::DepthImage;

/// Units that drivers count depth in, in metres, the likeliest first.
const UNITS_M: [f64; 4] = [0.001, 1.0, 0.0001, 0.01];
/// So many measurements of a picture are looked at.
const LOOKED_AT: usize = 4096;
/// Where the nearest part of a picture is within this many times of what its compression can hold, some may be nearer.
const NEAR: f64 = 2.0;
/// That part.
const NEAREST_SHARE: f64 = 0.05;

/// What kind of values a depth image was sent with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sent {
    /// 16-bit whole numbers.
    Whole,
    /// Floating point.
    Float {
        /// The nearest depth that its compression can hold, as it was sent; `None` where it holds all.
        nearest: Option<f32>,
    },
}

impl Sent {
    fn encoding(self) -> &'static str {
        match self {
            Self::Whole => "16UC1",
            Self::Float { .. } => "32FC1",
        }
    }

    /// What REP 118 says that a value counts.
    fn unit_m(self) -> f64 {
        match self {
            Self::Whole => 0.001,
            Self::Float { .. } => 1.0,
        }
    }
}

/// What is odd about a picture, in words; `None` where nothing is. `unit_m` is what it was decoded with, where that is
/// not REP 118's; half of what a camera measures should lie within `range_m`.
pub(super) fn doubt(
    sent: Sent,
    unit_m: Option<f64>,
    depth: &DepthImage,
    range_m: RangeInclusive<f64>,
) -> Option<String> {
    let measured_m = sample(depth);
    let at = |share: f64| {
        let index = (measured_m.len() as f64 * share) as usize;
        measured_m.get(index).map(|depth_m| f64::from(*depth_m))
    };
    let (nearest_m, median_m) = (at(NEAREST_SHARE)?, at(0.5)?);
    let unit_m = unit_m.unwrap_or(sent.unit_m());
    if !range_m.contains(&median_m) {
        return Some(of_unit(sent, unit_m, median_m, &range_m));
    }
    let Sent::Float {
        nearest: Some(limit),
    } = sent
    else {
        return None;
    };
    let limit_m = f64::from(limit) * unit_m;
    (limit_m > *range_m.start() && nearest_m < NEAR * limit_m).then(|| {
        format!(
            "this compressedDepth of 32FC1 cannot hold depth nearer than {limit_m:.3} m: what is nearer comes back as \
             farther. Record 16UC1, or lower the transport's depth_quantization"
        )
    })
}

fn of_unit(sent: Sent, unit_m: f64, median_m: f64, range_m: &RangeInclusive<f64>) -> String {
    let value = median_m / unit_m;
    let (near, far) = (range_m.start(), range_m.end());
    let likely = UNITS_M
        .into_iter()
        .find(|other| range_m.contains(&(value * other)));
    let way_out = likely.map_or_else(String::new, |unit_m| {
        format!(
            ". With topics.depth_unit_m: {unit_m} it would be {:.3} m",
            value * unit_m
        )
    });
    format!(
        "the median depth is {median_m:.4} m by {} values that count {unit_m} m, outside of {near} to {far} m \
         (geometry.min_depth_m, geometry.max_depth_m): they may count something else{way_out}",
        sent.encoding()
    )
}

/// Some of a picture's measurements in order, from all over it.
fn sample(depth: &DepthImage) -> Vec<f32> {
    let (width, height) = (depth.width as usize, depth.height as usize);
    let stride = (width * height).div_ceil(LOOKED_AT).max(1);
    let mut sampled = Vec::new();
    let mut row_m = vec![f32::NAN; width];
    let mut next = 0;
    for row in 0..height {
        depth.read_row(row, 0, &mut row_m);
        let begin = row * width;
        while next < begin + width {
            sampled.extend(row_m.get(next - begin).filter(|depth_m| !depth_m.is_nan()));
            next += stride;
        }
    }
    sampled.sort_by(f32::total_cmp);
    sampled
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE_M: RangeInclusive<f64> = 0.05..=20.0;

    /// A picture in which half is a wall and half what stands before it.
    fn picture(near_m: f32, wall_m: f32) -> DepthImage {
        let pixels = (0..100 * 100).map(|i| match i % 100 {
            0..10 => f32::NAN,
            10..50 => near_m,
            _ => wall_m,
        });
        DepthImage::new(100, 100, pixels.collect())
    }

    #[test]
    fn floats_of_millimetres_are_told_with_the_unit_that_makes_sense() {
        let text = doubt(
            Sent::Float { nearest: None },
            None,
            &picture(500.0, 800.0),
            RANGE_M,
        )
        .unwrap();
        assert!(
            text.contains("800.0000 m by 32FC1")
                && text.contains("topics.depth_unit_m: 0.001 it would be 0.800 m"),
            "{text}"
        );
    }

    #[test]
    fn whole_numbers_of_tenths_are_told_with_the_unit_that_makes_sense() {
        // Given 2.5 m in tenths of millimetres, read as millimetres
        let text = doubt(Sent::Whole, None, &picture(20.0, 25.0), RANGE_M).unwrap();
        assert!(
            text.contains("topics.depth_unit_m: 0.0001 it would be 2.500 m"),
            "{text}"
        );
        // And a setting that is wrong itself: metres in floats called millimetres
        let float = Sent::Float { nearest: None };
        let text = doubt(float, Some(0.001), &picture(0.0005, 0.0008), RANGE_M).unwrap();
        assert!(
            text.contains("topics.depth_unit_m: 1 it would be 0.800 m"),
            "{text}"
        );
    }

    #[test]
    fn what_makes_no_sense_in_any_unit_is_told_without_one() {
        let text = doubt(Sent::Whole, None, &picture(1e-6, 1e-6), RANGE_M).unwrap();
        assert!(!text.contains("depth_unit_m"), "{text}");
    }

    #[test]
    fn depth_as_it_should_be_is_not_doubted() {
        for (sent, unit_m) in [
            (Sent::Whole, None),
            (Sent::Whole, Some(0.0001)),
            (Sent::Float { nearest: None }, None),
        ] {
            assert_eq!(doubt(sent, unit_m, &picture(0.3, 0.8), RANGE_M), None);
        }
        // Nothing measured says nothing
        assert_eq!(
            doubt(Sent::Whole, None, &picture(f32::NAN, f32::NAN), RANGE_M),
            None
        );
        assert_eq!(
            doubt(Sent::Whole, None, &DepthImage::new(0, 0, vec![]), RANGE_M),
            None
        );
    }

    #[test]
    fn depth_near_the_end_of_what_its_compression_holds_is_told() {
        // Given the transport's defaults, whose nearest depth is 0.152 m
        let sent = Sent::Float {
            nearest: Some(0.1518),
        };
        let text = doubt(sent, None, &picture(0.28, 0.8), RANGE_M).unwrap();
        assert!(text.contains("nearer than 0.152 m"), "{text}");
        // And a scene that keeps away from it
        assert_eq!(doubt(sent, None, &picture(0.4, 0.8), RANGE_M), None);
        // And a quantisation that holds all that is measured
        let fine = Sent::Float {
            nearest: Some(0.04),
        };
        assert_eq!(doubt(fine, None, &picture(0.07, 0.8), RANGE_M), None);
    }
}
