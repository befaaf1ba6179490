//! What the parts of the configuration are checked with: sizes, activations, sides.

use serde::{Deserialize, Deserializer};

/// More than any size in a published checkpoint, little enough that products of them stay far from overflow.
const LARGEST_SIZE: i64 = 1 << 16;

/// The first of some numbers that is no size.
pub(super) fn no_size(sizes: &[(&str, i64)]) -> Option<String> {
    let (key, value) = sizes
        .iter()
        .find(|(_, value)| !(1..=LARGEST_SIZE).contains(value))?;
    Some(format!("{key} is {value}, but must be 1 to {LARGEST_SIZE}"))
}

/// The first of some numbers that is not `expected`, which `key` has.
pub(super) fn same(key: &str, expected: i64, others: &[(&str, i64)]) -> Option<String> {
    let (other, value) = others.iter().find(|(_, value)| *value != expected)?;
    Some(format!(
        "{other} is {value}, but {key} is {expected}: they must be the same"
    ))
}

/// Heads that do not share out the channels evenly.
pub(super) fn uneven(key: &str, heads: i64, channels: i64) -> Option<String> {
    (channels % heads != 0)
        .then(|| format!("{key} is {heads}, which {channels} channels are no multiple of"))
}

/// What stands between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sam2) enum Activation {
    Gelu,
    Relu,
}

impl Activation {
    /// By its name in transformers.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }
}

/// The first of some activations that is not known.
pub(super) fn unknown_activation(names: &[(&str, &str)]) -> Option<String> {
    let (key, name) = names
        .iter()
        .find(|(_, name)| Activation::named(name).is_none())?;
    Some(format!("{key} is '{name}', but must be 'gelu' or 'relu'"))
}

/// A side, written as one number or as two equal ones.
pub(super) fn square_side<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Side {
        Square(i64),
        HeightAndWidth(i64, i64),
    }
    match Side::deserialize(deserializer)? {
        Side::Square(side) => Ok(side),
        Side::HeightAndWidth(height, width) if height == width => Ok(height),
        Side::HeightAndWidth(height, width) => Err(serde::de::Error::custom(format!(
            "{height} by {width} is no square, as all pictures, patches and steps of SAM 2 are"
        ))),
    }
}
