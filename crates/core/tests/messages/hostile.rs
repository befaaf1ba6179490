//! Messages and definitions that are cut, lengthened or mutated: an error each, never a panic.

use spatial_reward_core::messages::{Decoder, step_reward};

use crate::fixtures::{ARRAY, cases, decoder, fixture};

#[test]
fn a_corrupt_picture_is_an_error() {
    let decoder = decoder("sensor_msgs/msg/CompressedImage");
    for name in ["jpeg", "png", "depth_16UC1_png"] {
        let mut bytes = fixture(&format!("{name}.cdr"));
        // Given a picture whose second half is overwritten
        let half = bytes.len() / 2;
        bytes[half..].fill(0x5a);
        // Then it is neither pixels nor a panic
        let result = if name.starts_with("depth") {
            decoder.depth(&bytes.into()).map(|_| ())
        } else {
            decoder.color(&bytes).map(|_| ())
        };
        let text = result.unwrap_err().to_string();
        assert!(text.contains("is broken"), "{name}: {text}");
    }
}

#[test]
fn a_message_cut_anywhere_is_an_error_but_for_its_padding() {
    for (name, type_name) in every_message() {
        let decoder = decoder(&type_name);
        let bytes = fixture(&name);
        for length in 0..bytes.len().saturating_sub(8) {
            assert!(
                decode_as_anything(&decoder, &bytes[..length]),
                "{name} cut to {length} bytes"
            );
        }
    }
}

#[test]
fn a_message_with_more_than_its_type_has_is_refused() {
    for (name, type_name) in every_message() {
        let mut bytes = fixture(&name);
        bytes.extend_from_slice(&[0; 16]);
        assert!(decode_as_anything(&decoder(&type_name), &bytes), "{name}");
    }
}

#[test]
fn other_encapsulations_are_refused_by_name() {
    for (id, expected) in [
        (0x03, "PL_CDR_LE"),
        (0x07, "XCDR2"),
        (0x0b, "PL_CDR2_LE"),
        (0x77, "unknown"),
    ] {
        let mut bytes = fixture("string.cdr");
        bytes[1] = id;
        let text = decoder("std_msgs/msg/String")
            .string(&bytes)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(expected) && text.contains("CDR_LE (0x0001)"),
            "{text}"
        );
    }
}

#[test]
fn no_mutation_of_a_message_panics() {
    // Given every fixture, mutated by a fixed pseudo-random sequence
    let mut next = pseudo_random();
    let (mut refused, mut accepted) = (0, 0);
    for (name, type_name) in every_message() {
        let decoder = decoder(&type_name);
        let original = fixture(&name);
        for _ in 0..100 {
            let mut bytes = original.clone();
            for _ in 0..=next() % 4 {
                mutate(&mut bytes, &mut next);
            }
            // When it is decoded in every role, then it gives a value or an error
            match decode_as_anything(&decoder, &bytes) {
                true => refused += 1,
                false => accepted += 1,
            }
        }
    }
    assert!(
        refused > 500 && accepted > 500,
        "{refused} refused, {accepted} accepted"
    );
}

#[test]
fn no_mutation_of_a_definition_panics() {
    let mut next = pseudo_random();
    for name in ["vision4", "vision2", "CameraInfo", "StepReward"] {
        let original = fixture(&format!("{name}.msg"));
        let type_name = match name {
            "CameraInfo" => "sensor_msgs/msg/CameraInfo",
            "StepReward" => step_reward::TYPE_NAME,
            _ => ARRAY,
        };
        let mut refused = 0;
        for _ in 0..500 {
            let mut bytes = original.clone();
            mutate(&mut bytes, &mut next);
            let text = String::from_utf8_lossy(&bytes);
            refused += usize::from(Decoder::for_channel(type_name, Some(&text)).is_err());
        }
        // Most changes alter the layout; some only alter what is left out of it.
        assert!((100..500).contains(&refused), "{name}: {refused} refused");
    }
}

#[test]
fn no_definition_of_objects_leads_to_a_panic_or_to_more_than_the_message_holds() {
    let mut next = pseudo_random();
    for (name, type_name) in crate::objects::TYPES {
        let original = fixture(&format!("objects_{name}.msg"));
        let message = fixture(&format!("objects_{name}.cdr"));
        let (mut refused, mut read) = (0, 0);
        for _ in 0..500 {
            // given a definition that is broken somewhere, and so reads other fields or a list of other lengths
            let mut bytes = original.clone();
            mutate(&mut bytes, &mut next);
            let text = String::from_utf8_lossy(&bytes);
            let decoder = Decoder::for_channel(type_name, Some(&text));
            // when a whole message is read by it, then it gives no more than that can hold, or an error
            match decoder.and_then(|decoder| decoder.detections(&message)) {
                Ok(found) => {
                    assert!(found.classes().count() < message.len());
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(
            refused > 50 && read > 50,
            "{name}: {refused} refused, {read} read"
        );
    }
}

/// Xorshift from a fixed seed: the same sequence in every run.
fn pseudo_random() -> impl FnMut() -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    }
}

/// Overwrites a byte or a 32-bit length, moves a part, or cuts the end.
fn mutate(bytes: &mut Vec<u8>, next: &mut impl FnMut() -> usize) {
    if bytes.len() < 8 {
        return;
    }
    let at = next() % (bytes.len() - 4);
    match next() % 5 {
        0 => bytes[at] = next() as u8,
        1 => bytes[at] ^= 1 << (next() % 8),
        2 => {
            let lengths = [
                0,
                1,
                0x7fff_ffff,
                0x8000_0000,
                0xffff_ffff,
                100_000_000,
                next() as u32,
            ];
            let length = lengths[next() % lengths.len()];
            let word = at / 4 * 4;
            bytes[word..word + 4].copy_from_slice(&length.to_le_bytes());
        }
        3 => {
            let from = next() % bytes.len();
            bytes.extend_from_within(from..);
        }
        _ => bytes.truncate(at.max(bytes.len() / 2)),
    }
}

/// File name and type of every message of the fixtures.
fn every_message() -> Vec<(String, String)> {
    let cases = cases();
    let mut messages: Vec<(String, String)> = cases
        .color
        .into_iter()
        .chain(cases.depth)
        .map(|case| (format!("{}.cdr", case.name), case.type_name))
        .collect();
    for (name, type_name) in [
        ("camera_info", "sensor_msgs/msg/CameraInfo"),
        ("region_of_interest", "sensor_msgs/msg/RegionOfInterest"),
        ("string", "std_msgs/msg/String"),
        ("float64", "std_msgs/msg/Float64"),
        ("point", "geometry_msgs/msg/PointStamped"),
        ("step_reward", step_reward::TYPE_NAME),
        ("step_reward_before_tf", step_reward::TYPE_NAME),
        ("step_reward_before_std", step_reward::TYPE_NAME),
        ("transforms", "tf2_msgs/msg/TFMessage"),
        ("vision4", ARRAY),
        ("vision2", ARRAY),
        ("vision2_big_endian_cdr", ARRAY),
        ("vision1", ARRAY),
        ("vision0", ARRAY),
    ] {
        messages.push((format!("{name}.cdr"), type_name.to_owned()));
    }
    messages.extend(
        crate::objects::TYPES
            .map(|(name, type_name)| (format!("objects_{name}.cdr"), type_name.to_owned())),
    );
    messages
}

/// Decodes in every role; true if all of them refuse the message.
fn decode_as_anything(decoder: &Decoder, bytes: &[u8]) -> bool {
    // The header alone may well decode of a message that is cut behind it.
    let _ = decoder.image_header(bytes);
    decoder.color(bytes).is_err()
        & decoder.depth(&bytes.to_vec().into()).is_err()
        & decoder.camera_info(bytes).is_err()
        & decoder.detections(bytes).is_err()
        & decoder.string(bytes).is_err()
        & decoder.point(bytes).is_err()
        & decoder.float64(bytes).is_err()
        & decoder.step_reward(bytes).is_err()
        & decoder.transforms(bytes).is_err()
}
