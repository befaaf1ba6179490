//! Lengths in words, in the units and the rounding of the Open Spatial Dataset (arXiv 2406.01584):
//! below a metre centimetres or inches, up to three metres or feet, beyond that mostly metres; two decimals.

use spatial_reward_core::random::Random;

const INCH_M: f64 = 0.0254;
const FOOT_M: f64 = 0.3048;
/// In so many of a hundred answers below a metre the unit is centimetres, else inches.
const CENTIMETRES_PERCENT: u64 = 20;
/// In so many of a hundred answers the unit is metres, from one metre on and from three.
const METRES_PERCENT: u64 = 50;
const FAR_METRES_PERCENT: u64 = 70;
const NEAR_M: f64 = 1.0;
const FAR_M: f64 = 3.0;

/// The units that answers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// 0.01 m.
    Centimetres,
    /// 0.0254 m.
    Inches,
    /// 0.3048 m.
    Feet,
    /// 1 m.
    Metres,
}

impl Unit {
    /// One that suits the length, by chance.
    pub(crate) fn drawn(metres: f64, random: &mut Random) -> Self {
        let percent = random.below(100);
        match metres {
            m if m < NEAR_M && percent < CENTIMETRES_PERCENT => Self::Centimetres,
            m if m < NEAR_M => Self::Inches,
            m if m < FAR_M && percent < METRES_PERCENT => Self::Metres,
            m if m >= FAR_M && percent < FAR_METRES_PERCENT => Self::Metres,
            _ => Self::Feet,
        }
    }

    fn metres(self) -> f64 {
        match self {
            Self::Centimetres => 0.01,
            Self::Inches => INCH_M,
            Self::Feet => FOOT_M,
            Self::Metres => 1.0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Centimetres => "centimeters",
            Self::Inches => "inches",
            Self::Feet => "feet",
            Self::Metres => "meters",
        }
    }

    /// The length in this unit: `4.87 inches`.
    pub(crate) fn say(self, metres: f64) -> String {
        format!("{:.2} {}", metres / self.metres(), self.name())
    }

    /// The same with two digits before the point at least: `04.87 inches`. A decoder that takes the likeliest digit
    /// one after the other would else begin with 1 whenever 1.x and 1x.x together are likelier than any other digit.
    pub(crate) fn say_in_columns(self, metres: f64) -> String {
        format!("{:05.2} {}", metres / self.metres(), self.name())
    }
}

#[cfg(test)]
impl Unit {
    /// How far a length that is read back may be off: half of the last digit.
    pub(crate) fn rounding_m(self) -> f64 {
        0.00501 * self.metres()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::answer::parse_distance;

    #[test]
    fn every_length_is_read_back_within_its_rounding() {
        let mut random = Random(7);
        for _ in 0..20_000 {
            // given any length up to ten metres, short ones as often as long ones
            let metres = 10.0 * random.unit().powi(4);
            let unit = Unit::drawn(metres, &mut random);
            // when it is said and read
            let said = unit.say(metres);
            let read = parse_distance(&said).unwrap_or_else(|| panic!("{said}"));
            // then it is the same
            let off = (read.distance_m - metres).abs();
            assert!(off <= unit.rounding_m(), "{metres} m, said {said}");
        }
    }

    #[test]
    fn units_suit_the_length() {
        let shares = |metres: f64| {
            let mut random = Random(3);
            let mut counts = [0_u32; 4];
            for _ in 0..10_000 {
                counts[Unit::drawn(metres, &mut random) as usize] += 1;
            }
            counts.map(|count| (f64::from(count) / 1000.0).round() / 10.0)
        };
        // centimetres, inches, feet, metres
        assert_eq!(shares(0.3), [0.2, 0.8, 0.0, 0.0]);
        assert_eq!(shares(1.5), [0.0, 0.0, 0.5, 0.5]);
        assert_eq!(shares(4.0), [0.0, 0.0, 0.3, 0.7]);
    }

    #[test]
    fn two_decimals_are_said() {
        assert_eq!(Unit::Inches.say(0.1237), "4.87 inches");
        assert_eq!(Unit::Inches.say_in_columns(0.1237), "04.87 inches");
        assert_eq!(Unit::Inches.say_in_columns(1.237), "48.70 inches");
        assert_eq!(Unit::Centimetres.say(0.5), "50.00 centimeters");
        assert_eq!(Unit::Feet.say(1.5), "4.92 feet");
        assert_eq!(Unit::Metres.say(1.5), "1.50 meters");
    }
}
