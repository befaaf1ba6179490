//! Frames shown otherwise than they were taken, with the same answers. A network that begins knows of cameras and
//! colours what it was shown: a mirror doubles the cameras, and who has seen a scene bright and dark, with and
//! without its colours, does not take a new colour for another distance.

use super::example::Geometry;
use super::rows::Turn;
use crate::spatialrgpt::model::View;
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::random::Random;

/// What is said of sides, which a mirror exchanges. A word that means something else keeps a question out of the
/// mirror, which costs little.
const SIDES: [&str; 3] = ["left", "right", "clock"];

/// How a picture's pixels are changed; each a factor, of which 1 changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ColorJitter {
    /// How far colours stay from the pixel's grey (its brightness of ITU-R BT.601); 0 leaves grey.
    pub saturation: f64,
    /// How far pixels stay from the picture's mean brightness.
    pub contrast: f64,
    /// How bright pixels are.
    pub brightness: f64,
}

impl ColorJitter {
    /// From grey to a little richer, and as bright as another exposure would make it. Hues stay, but for pixels that
    /// are cut off at white: colours kept out of the recordings are kept out of training.
    pub(super) fn any(random: &mut Random) -> ColorJitter {
        ColorJitter {
            saturation: 1.3 * random.unit(),
            contrast: 0.7 + 0.6 * random.unit(),
            brightness: 0.7 + 0.6 * random.unit(),
        }
    }

    /// The picture with its colours changed.
    pub(super) fn apply(&self, picture: ColorImage) -> ColorImage {
        let mut rgb = Vec::from(picture.rgb);
        let pixels = rgb.as_chunks_mut::<3>().0;
        let mean = pixels.iter().map(grey).sum::<f64>() / pixels.len().max(1) as f64;
        for pixel in pixels {
            let grey = grey(pixel);
            let level = mean + self.contrast * (grey - mean);
            *pixel = pixel.map(|value| {
                let color = self.contrast * self.saturation * (f64::from(value) - grey);
                (self.brightness * (level + color)).round() as u8 // values beyond white and black stay there
            });
        }
        ColorImage {
            rgb: rgb.into(),
            ..picture
        }
    }
}

fn grey(pixel: &[u8; 3]) -> f64 {
    let [red, green, blue] = pixel.map(f64::from);
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Whether a question's answer is as true in a mirror.
pub(super) fn holds_mirrored(turn: &Turn) -> bool {
    let says = |text: &str| {
        let text = text.to_lowercase();
        SIDES.iter().any(|side| text.contains(side))
    };
    !says(&turn.question) && !says(&turn.answer)
}

/// The view of a camera that takes pictures of `side` times `side` pixels, in a mirror.
pub(super) fn mirrored_view(mut view: View, side: usize) -> View {
    let pictures = std::iter::once(&mut view.color).chain(&mut view.depth);
    pictures.for_each(|picture| reverse_rows(picture, side));
    for mask in &mut view.masks {
        reverse_rows(&mut mask.data, mask.width as usize);
    }
    view
}

/// Where things are that the mirror shows, with `side` cells in a row.
pub(super) fn mirrored_geometry(mut geometry: Geometry, side: usize) -> Geometry {
    reverse_rows(&mut geometry.cells, side);
    let cells = geometry.cells.iter_mut().map(|[x, ..]| x);
    let regions = geometry.regions.iter_mut().map(|[x, ..]| x);
    let perturbed = geometry.perturbed.iter_mut().map(|[x, ..]| x);
    cells.chain(regions).chain(perturbed).for_each(|x| *x = -*x);
    geometry
}

fn reverse_rows<T>(picture: &mut [T], width: usize) {
    picture
        .chunks_exact_mut(width.max(1))
        .for_each(<[T]>::reverse);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ColorJitter, holds_mirrored, mirrored_geometry, mirrored_view};
    use crate::nn::tokenizer::Tokenizer;
    use crate::spatialrgpt::model::View;
    use crate::spatialrgpt::train::example::{Geometry, OracleRegions};
    use crate::spatialrgpt::train::maker::Maker;
    use crate::spatialrgpt::train::rows::tests::{row, turn};
    use spatial_reward_core::frame::ColorImage;
    use spatial_reward_core::imaging::{AspectMode, ImageProcessor, Mask};
    use spatial_reward_core::prompt::Template;
    use spatial_reward_core::random::Random;

    #[test]
    fn what_is_left_stays_out_of_the_mirror() {
        let distance = turn("How far is <mask> from <mask>?", "4.87 inches", &[0, 1]);
        assert!(holds_mirrored(&distance));
        let sides = turn(
            "Where is <mask>, seen from <mask>?",
            "To the Left.",
            &[0, 1],
        );
        assert!(!holds_mirrored(&sides));
        let hour = turn(
            "In which direction is <mask> from <mask>?",
            "2 o'clock",
            &[0, 1],
        );
        assert!(!holds_mirrored(&hour));
    }

    #[test]
    fn a_jitter_changes_colours_contrast_and_brightness_each_by_its_factor() {
        let picture = ColorImage {
            width: 2,
            height: 1,
            rgb: vec![200, 100, 10, 50, 50, 50].into(),
        };
        let as_it_is = ColorJitter {
            saturation: 1.0,
            contrast: 1.0,
            brightness: 1.0,
        };
        let shown = |jitter: ColorJitter| jitter.apply(picture.clone()).rgb;
        assert_eq!(shown(as_it_is), picture.rgb);
        let grey = ColorJitter {
            saturation: 0.0,
            ..as_it_is
        };
        assert_eq!(shown(grey)[..], [120, 120, 120, 50, 50, 50]);
        let paler = ColorJitter {
            saturation: 0.5,
            ..as_it_is
        };
        assert_eq!(shown(paler)[..], [160, 110, 65, 50, 50, 50]);
        let flatter = ColorJitter {
            contrast: 0.5,
            ..as_it_is
        };
        assert_eq!(shown(flatter)[..], [142, 92, 47, 67, 67, 67]); // the mean is 85
        let brighter = ColorJitter {
            brightness: 1.5,
            ..as_it_is
        };
        assert_eq!(shown(brighter)[..], [255, 150, 15, 75, 75, 75]);
    }

    #[test]
    fn pixels_masks_and_places_change_sides_together() {
        // Given a picture of 2 x 2 pixels in three channels, something at its left, and where its cells are
        let view = View {
            color: (0..12).map(|value| value as f32).collect(),
            depth: Some(vec![0.0, 1.0, 2.0, 3.0]),
            masks: vec![Mask {
                width: 2,
                height: 2,
                data: vec![1, 0, 1, 0],
            }],
        };
        let places = Geometry {
            cells: vec![
                [-1.0, 0.0, 2.0],
                [1.5, 0.0, 3.0],
                [-1.0, 1.0, 2.0],
                [f32::NAN; 3],
            ],
            regions: vec![[-0.5, 0.1, 2.0, 0.3, 0.4]],
            perturbed: vec![[-0.6, 0.1, 2.4, 0.3, 0.4]],
        };

        let (view, places) = (mirrored_view(view, 2), mirrored_geometry(places, 2));

        // Then it is at its right, as far away and as large as before
        assert_eq!(view.color[..4], [1.0, 0.0, 3.0, 2.0]);
        assert_eq!(view.color[10..], [11.0, 10.0]);
        assert_eq!(view.depth, Some(vec![1.0, 0.0, 3.0, 2.0]));
        assert_eq!(view.masks[0].data, [0, 1, 0, 1]);
        assert_eq!(places.cells[..2], [[-1.5, 0.0, 3.0], [1.0, 0.0, 2.0]]);
        assert!(places.cells[2].iter().all(|value| value.is_nan()));
        assert_eq!(places.cells[3], [1.0, 1.0, 2.0]);
        assert_eq!(places.regions, [[0.5, 0.1, 2.0, 0.3, 0.4]]);
        assert_eq!(places.perturbed, [[0.6, 0.1, 2.4, 0.3, 0.4]]);
    }

    #[test]
    fn a_frame_in_a_mirror_is_asked_only_what_holds_there() {
        // Given a frame with a question that a mirror keeps true and one that it does not
        let fixtures =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/spatialrgpt");
        let checkpoint = fixtures.join("a/checkpoint");
        let processor = checkpoint.join("vision_tower/preprocessor_config.json");
        let processor = ImageProcessor::load(&processor, AspectMode::Resize).unwrap();
        let tokenizer = Tokenizer::load(&checkpoint.join("llm")).unwrap();
        let turns = [
            turn("How far is <mask> from <mask>?", "4.87 inches", &[0, 1]),
            turn("Is <mask> to the left of <mask>?", "Yes.", &[0, 1]),
        ];
        let row = row(fixtures.join("inputs/img0.png"), &turns);
        let maker = |augments| Maker {
            processor: &processor,
            tokenizer: &tokenizer,
            template: Template::Llama3,
            takes_depth: false,
            grid: 4,
            questions: 2,
            augments,
        };

        // When it is shown often, then every mirrored picture comes with the one question
        let plain = maker(false).view(&row, None).unwrap();
        let side = processor.side() as usize;
        let colors = [plain.clone(), mirrored_view(plain.clone(), side)].map(|view| view.color);
        let (mut mirrored, mut jittered) = (0, 0);
        for seed in 0..40 {
            let example = maker(true).example(&row, OracleRegions::Never, &mut Random(seed));
            let example = example.unwrap().unwrap();
            let is_mirrored = example.view.masks[0].data != plain.masks[0].data;
            mirrored += usize::from(is_mirrored);
            jittered += usize::from(!colors.contains(&example.view.color));
            let words = example.sequence.ids.into_iter().filter(|id| *id >= 0); // the others stand for pictures
            let said = tokenizer.decode(&words.collect::<Vec<_>>()).unwrap();
            assert!(said.contains("How far"), "{said}");
            assert_ne!(said.contains("left"), is_mirrored, "{said}");
        }
        // And frames come mirrored and not, in their colours and in others
        assert!((5..35).contains(&mirrored), "{mirrored} of 40");
        assert!((5..35).contains(&jittered), "{jittered} of 40");

        // And who asks for no augmentation gets none
        let example = maker(false).example(&row, OracleRegions::Never, &mut Random(0));
        assert_eq!(example.unwrap().unwrap().view.color, plain.color);
    }
}
