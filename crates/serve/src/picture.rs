//! Pictures out of a request: data URLs alone, for nothing is ever fetched; looked at before they are decoded.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;

use crate::chat::Chat;
use crate::refusal::Refusal;
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::imaging;
use spatial_reward_core::question::{Encoded, MarkedPicture};

/// Bytes that a decoder may hold for a pixel: four channels of 16 bits.
const DECODER_BYTES: u64 = 8;
/// Bytes of a decoded colour picture's pixel.
const COLOR_BYTES: u64 = 3;

/// The pictures of a request, as they came in it.
pub(crate) struct Pictures {
    image: Vec<u8>,
    masks: Vec<Vec<u8>>,
    depth: Option<Vec<u8>>,
    /// The picture's size in pixels.
    size: (u32, u32),
}

/// What they are called in errors, and in the request.
const IMAGE: &str = "image_url";
const DEPTH: &str = "depth";

impl Pictures {
    /// Out of the data URLs, of which the pictures' sizes are read. Takes the texts, so that they are not held twice.
    ///
    /// # Errors
    /// What is no data URL, no picture, or has more than `most_pixels`.
    pub(crate) fn take(chat: &mut Chat, most_pixels: u64) -> Result<Self, Refusal> {
        let image = from_url(&std::mem::take(&mut chat.image), IMAGE)?;
        let size = checked(&image, IMAGE, most_pixels)?;
        let masks = std::mem::take(&mut chat.masks).into_iter().enumerate();
        let masks = masks.map(|(index, url)| {
            let name = mask_name(index);
            let mask = from_url(&url, &name)?;
            checked(&mask, &name, most_pixels)?;
            Ok(mask)
        });
        let depth = chat.depth.take().map(|url| {
            let depth = from_url(&url, DEPTH)?;
            checked(&depth, DEPTH, most_pixels)?;
            Ok(depth)
        });
        Ok(Self {
            masks: masks.collect::<Result<_, Refusal>>()?,
            depth: depth.transpose()?,
            image,
            size,
        })
    }

    /// How many bytes they are at most while they are decoded, and then beside `boxes` boxes.
    pub(crate) fn decoded_bytes(&self, boxes: usize) -> u64 {
        let (width, height) = self.size;
        let regions = boxes + self.masks.len() + usize::from(self.depth.is_some());
        let a_pixel = DECODER_BYTES + COLOR_BYTES + regions as u64;
        u64::from(width) * u64::from(height) * a_pixel
    }

    /// Decoded, with the regions of a request.
    ///
    /// # Errors
    /// What cannot be decoded or has another size, and regions without a pixel.
    pub(crate) fn decode(self, chat: &Chat) -> Result<MarkedPicture, Refusal> {
        let core = |error: spatial_reward_core::Error| {
            Refusal::new(StatusCode::BAD_REQUEST, error.to_string()).code("invalid_image")
        };
        let color: ColorImage =
            imaging::decode_color(&self.image, Path::new(IMAGE)).map_err(core)?;
        let names: Vec<String> = (0..self.masks.len()).map(mask_name).collect();
        let masks = self.masks.iter().zip(&names);
        let masks: Vec<Encoded> = masks
            .map(|(bytes, name)| Encoded {
                bytes,
                file: Path::new(name),
            })
            .collect();
        let depth = self.depth.as_deref().map(|bytes| Encoded {
            bytes,
            file: Path::new(DEPTH),
        });
        MarkedPicture::new(color, &chat.boxes, &masks, depth).map_err(core)
    }
}

fn mask_name(index: usize) -> String {
    format!("masks[{index}]")
}

/// The bytes of a `data:` URL.
fn from_url(url: &str, name: &str) -> Result<Vec<u8>, Refusal> {
    let refused = |why: &str| Refusal::field(name.to_owned(), why).code("invalid_image_url");
    let is_scheme = |scheme: &str| {
        let begin = url.get(..scheme.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    if !is_scheme("data:") {
        return Err(refused(
            "must be a data URL (data:image/jpeg;base64,...): this server fetches nothing from anywhere",
        ));
    }
    let Some((head, data)) = url["data:".len()..].split_once(',') else {
        return Err(refused("is a data URL without a comma"));
    };
    let mut parts = head.split(';');
    let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    if !parts.any(|part| part.trim().eq_ignore_ascii_case("base64")) {
        return Err(refused("must be a data URL in base64"));
    }
    // What it is is seen in its bytes; a type that it can in no case be is a mistake worth telling.
    if !["", "image/jpeg", "image/jpg", "image/png", "image/webp"].contains(&kind.as_str()) {
        return Err(refused("must be image/jpeg, image/png or image/webp"));
    }
    STANDARD
        .decode(data)
        .map_err(|error| refused(&format!("is no base64: {error}")))
}

/// The picture's size, if it is one.
fn checked(bytes: &[u8], name: &str, most_pixels: u64) -> Result<(u32, u32), Refusal> {
    let size = imaging::encoded_size(bytes, Path::new(name));
    let (width, height) = size.map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, error.to_string()).code("invalid_image")
    })?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > most_pixels {
        let why = format!("has {width}x{height} pixels, and {most_pixels} are the most");
        return Err(Refusal::field(name.to_owned(), why)
            .code("image_too_large")
            .with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok((width, height))
}
