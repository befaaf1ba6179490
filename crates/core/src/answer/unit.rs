//! Units of length, by word and abbreviation.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Metre,
    Centimetre,
    Millimetre,
    Foot,
    Inch,
}

impl Unit {
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "m" | "meter" | "meters" | "metre" | "metres" | "mtr" | "mtrs" => Self::Metre,
            "cm" | "cms" | "centimeter" | "centimeters" | "centimetre" | "centimetres" => {
                Self::Centimetre
            }
            "mm" | "mms" | "millimeter" | "millimeters" | "millimetre" | "millimetres" => {
                Self::Millimetre
            }
            "ft" | "foot" | "feet" => Self::Foot,
            "in" | "inch" | "inches" => Self::Inch,
            _ => return None,
        })
    }

    pub(super) fn metres(self) -> f64 {
        match self {
            Self::Metre => 1.0,
            Self::Centimetre => 0.01,
            Self::Millimetre => 0.001,
            Self::Foot => 0.3048,
            Self::Inch => 0.0254,
        }
    }

    pub(super) fn is_metric(self) -> bool {
        !matches!(self, Self::Foot | Self::Inch)
    }
}

/// Whether a word is a unit of length.
pub(super) fn is_unit(word: &str) -> bool {
    Unit::of(word).is_some()
}
