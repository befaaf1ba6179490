//! Which of the things found in a photo are asked about: the original's filters, its subtraction of what lies within another
//! box, and its order (`osdsynth/processor/segment.py` and `wrappers/sam.py`).

use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::imaging::Mask;
use spatial_reward_core::settings;

/// A thing found in a photo.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// What it is called.
    pub name: String,
    /// From 0 to 1.
    pub score: f64,
    /// Within the photo.
    pub bbox: BoundingBox,
    /// Of the photo's size.
    pub mask: Mask,
}

/// One that is asked about; its mask lacks what other things within its box take.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    /// What was found, with what remains of its mask.
    pub found: Candidate,
    /// Pixels of the whole mask.
    pub area_px: usize,
}

/// A mask of fewer pixels is never taken.
const LEAST_PX: usize = 10;

/// Those to ask about, the largest first; for each that is left out its reason.
pub(super) fn chosen(
    candidates: Vec<Candidate>,
    photo: (u32, u32),
    photos: &settings::Photos,
) -> (Vec<Object>, Vec<&'static str>) {
    let mut left_out = Vec::new();
    let distinct = without_overlaps(candidates, photos.max_overlap, &mut left_out);
    let photo_px = f64::from(photo.0) * f64::from(photo.1);
    let least_px = LEAST_PX.max(photos.min_mask_px as usize);
    let mut kept = Vec::new();
    for found in distinct {
        let area_px = pixels(&found.mask);
        if area_px < least_px {
            left_out.push("mask_too_small");
        } else if area(&found.bbox) > photos.max_box_share * photo_px {
            left_out.push("box_too_large");
        } else if found.score < photos.min_score {
            left_out.push("score_too_small");
        } else {
            kept.push(Object { found, area_px });
        }
    }
    let mut objects = subtracted(&kept, photos.contained_share);
    objects.sort_by_key(|object| std::cmp::Reverse(object.area_px));
    (objects, left_out)
}

/// Of boxes that overlap the one with the greatest score, whatever they are of.
fn without_overlaps(
    mut candidates: Vec<Candidate>,
    most: f64,
    left_out: &mut Vec<&'static str>,
) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        match kept
            .iter()
            .any(|known| known.bbox.overlap(&candidate.bbox) > most)
        {
            true => left_out.push("overlaps_another"),
            false => kept.push(candidate),
        }
    }
    kept
}

/// Each mask without those whose boxes lie within its own: of its box they share little, of theirs more.
fn subtracted(objects: &[Object], share: f64) -> Vec<Object> {
    let of = |object: &Object| {
        let own = &object.found;
        let mut mask = own.mask.clone();
        for Object { found: other, .. } in objects {
            let shared = own.bbox.shared_area(&other.bbox);
            if shared / area(&own.bbox) < share && shared / area(&other.bbox) > share {
                for (pixel, taken) in mask.data.iter_mut().zip(&other.mask.data) {
                    *pixel &= u8::from(*taken == 0);
                }
            }
        }
        Object {
            found: Candidate {
                mask,
                ..own.clone()
            },
            area_px: object.area_px,
        }
    };
    objects.iter().map(of).collect()
}

fn area(bbox: &BoundingBox) -> f64 {
    bbox.width() * bbox.height()
}

/// Pixels inside.
pub(super) fn pixels(mask: &Mask) -> usize {
    mask.data.iter().filter(|pixel| **pixel != 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: (u32, u32) = (100, 80);

    fn candidate(name: &str, score: f64, corners: [f64; 4]) -> Candidate {
        let [x_min, y_min, x_max, y_max] = corners;
        let bbox = BoundingBox::new(x_min, y_min, x_max, y_max);
        Candidate {
            name: name.to_owned(),
            score,
            bbox,
            mask: Mask::from_box(&bbox, PHOTO.0, PHOTO.1),
        }
    }

    fn names(objects: &[Object]) -> Vec<&str> {
        objects
            .iter()
            .map(|object| object.found.name.as_str())
            .collect()
    }

    #[test]
    fn what_the_original_leaves_out_is_left_out_and_the_largest_comes_first() {
        let found = vec![
            candidate("small", 0.9, [0.0, 0.0, 4.0, 6.0]),
            candidate("cup", 0.5, [10.0, 10.0, 30.0, 30.0]),
            candidate("the same cup", 0.4, [11.0, 10.0, 30.0, 30.0]),
            candidate("table", 0.6, [5.0, 32.0, 95.0, 79.0]),
            candidate("all", 0.9, [0.0, 0.0, 100.0, 70.0]),
            candidate("doubtful", 0.29, [70.0, 5.0, 90.0, 25.0]),
        ];
        let (objects, mut left_out) = chosen(found, PHOTO, &settings::Photos::default());
        assert_eq!(names(&objects), ["table", "cup"]);
        left_out.sort_unstable();
        let expected = [
            "box_too_large",
            "mask_too_small",
            "overlaps_another",
            "score_too_small",
        ];
        assert_eq!(left_out, expected);
    }

    #[test]
    fn what_lies_within_a_large_box_is_taken_out_of_its_mask() {
        // Given a cup of 100 pixels on a table of 4000
        let found = vec![
            candidate("table", 0.9, [10.0, 20.0, 90.0, 70.0]),
            candidate("cup", 0.9, [40.0, 30.0, 50.0, 40.0]),
        ];
        // When objects are chosen
        let (objects, _) = chosen(found, PHOTO, &settings::Photos::default());
        // Then the table's mask has a hole where the cup is, and its area is still the whole mask's
        let remaining: Vec<usize> = objects.iter().map(|it| pixels(&it.found.mask)).collect();
        assert_eq!(remaining, [3900, 100]);
        assert_eq!(objects[0].area_px, 4000);
    }

    #[test]
    fn two_boxes_that_share_much_of_both_keep_their_masks() {
        let found = vec![
            candidate("one", 0.9, [10.0, 20.0, 50.0, 60.0]),
            candidate("other", 0.9, [40.0, 20.0, 80.0, 60.0]),
        ];
        let (objects, _) = chosen(found, PHOTO, &settings::Photos::default());
        assert!(
            objects
                .iter()
                .all(|it| pixels(&it.found.mask) == it.area_px)
        );
    }
}
