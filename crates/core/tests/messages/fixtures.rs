//! The files that tests/fixtures/make_cdr.py wrote.

use std::path::PathBuf;

use serde::Deserialize;
use spatial_reward_core::messages::Decoder;

pub(crate) const ARRAY: &str = "vision_msgs/msg/Detection2DArray";
pub(crate) const IMAGE: &str = "sensor_msgs/msg/Image";

#[derive(Deserialize)]
pub(crate) struct Cases {
    pub color: Vec<Case>,
    pub depth: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub name: String,
    #[serde(rename = "type")]
    pub type_name: String,
    pub width: u32,
    pub height: u32,
    /// The largest difference of a sample, in grey levels.
    #[serde(default)]
    pub tolerance: u8,
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/cdr")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn cases() -> Cases {
    serde_json::from_slice(&fixture("cases.json")).unwrap()
}

pub(crate) fn decoder(type_name: &str) -> Decoder {
    Decoder::for_channel(type_name, None).unwrap()
}
