//! Regions that are named by words and followed by masks: what labelling makes of what a detector and a segmenter say. Both are
//! made up here, so that it is known what they say; the networks themselves are tested with the commands that ask them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use spatial_reward_core::estimator::{Estimators, RegionNetworks};
use spatial_reward_core::finding::{Candidate, Detector, Finder, Finding};
use spatial_reward_core::following::Both;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::mask_following::{MaskVideo, Runs, Seen, Segmenter};
use spatial_reward_core::settings::{Config, Settings};
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_offline::Error;
use spatial_reward_offline::label::output::IfExists;
use spatial_reward_offline::label::roles::TruthTopics;
use spatial_reward_offline::label::{self, LabelRequest, Labelled};

use crate::drawn::sample;
use crate::fixtures::*;
use crate::frames::recording_of;

/// Says the same of each picture from the `from`-th on that it is shown.
struct Says {
    seen: Both<Vec<Candidate>>,
    from: usize,
    shown: AtomicUsize,
}

impl Detector for Says {
    fn detect(&self, _picture: &ColorImage) -> spatial_reward_core::Result<Both<Vec<Candidate>>> {
        let shown = self.shown.fetch_add(1, Ordering::Relaxed);
        Ok(match shown >= self.from {
            true => self.seen.clone(),
            false => self.seen.clone().map(|seen| seen.map(|_| Vec::new())),
        })
    }
}

fn candidate([x_min, y_min, x_max, y_max]: [f64; 4], score: f64) -> Candidate {
    Candidate {
        bbox: BoundingBox::new(x_min, y_min, x_max, y_max),
        score,
    }
}

/// Keeps every region where it was drawn, as a mask of its whole box; loses the target for some pictures.
struct Stays {
    drawn: Arc<Mutex<Vec<Both<BoundingBox>>>>,
    lost: std::ops::Range<usize>,
}

struct Staying {
    boxes: Both<BoundingBox>,
    pictures: usize,
    drawn: Arc<Mutex<Vec<Both<BoundingBox>>>>,
    lost: std::ops::Range<usize>,
}

impl Segmenter for Stays {
    fn video(&self) -> Box<dyn MaskVideo> {
        Box::new(Staying {
            boxes: [None, None],
            pictures: 0,
            drawn: Arc::clone(&self.drawn),
            lost: self.lost.clone(),
        })
    }
}

impl MaskVideo for Staying {
    fn see(
        &mut self,
        picture: &ColorImage,
        drawn: Both<BoundingBox>,
    ) -> spatial_reward_core::Result<Both<Seen>> {
        if drawn != [None, None] {
            self.drawn.lock().unwrap().push(drawn);
        }
        let is_lost = self.lost.contains(&self.pictures);
        self.pictures += 1;
        for (own, drawn) in self.boxes.iter_mut().zip(drawn) {
            *own = drawn.or(*own);
        }
        let [fingertip, target] = self.boxes.map(|bbox| {
            bbox.map(|bbox| Seen {
                mask: filled(picture, &bbox),
                score: 0.9,
            })
        });
        let target = target.map(|seen| Seen {
            mask: seen.mask.filter(|_| !is_lost),
            ..seen
        });
        Ok([fingertip, target])
    }
}

fn filled(picture: &ColorImage, bbox: &BoundingBox) -> Option<Runs> {
    let inside = |x: u32, y: u32| {
        let (x, y) = (f64::from(x), f64::from(y));
        x >= bbox.x_min && x < bbox.x_max && y >= bbox.y_min && y < bbox.y_max
    };
    let pixels = (0..picture.height).flat_map(|y| (0..picture.width).map(move |x| (x, y)));
    let pixels: Vec<u8> = pixels.map(|(x, y)| inside(x, y).into()).collect();
    Runs::of(picture.width, picture.height, &pixels)
}

/// The sample without its detections, and where they have the fingertip and the target in the first picture.
fn recording() -> (tempfile::TempDir, PathBuf, [[f64; 4]; 2]) {
    let recording = recording_of(&sample()).without(FINGERTIP).without(TARGET);
    let (guard, folder) = folder_with(&recording);
    let source = sample().display().to_string();
    run(&folder, &["label", &source, "-o", "detected"]).expect_code(0);
    let (_, first) = rewards(&folder.join("detected")).remove(0);
    let boxes = [first.fingertip_box, first.target_box];
    (guard, folder, boxes.map(|corners| corners.map(f64::round)))
}

fn settings(yaml: &str) -> Settings {
    let config = Config::from_yaml(yaml).unwrap();
    Estimators::default().settings(config).unwrap()
}

fn label(
    folder: &Path,
    name: &str,
    settings: &Settings,
    networks: &RegionNetworks,
) -> Result<Labelled, Error> {
    let estimator = Estimators::default().open(settings, &mut |_| {}).unwrap();
    let request = LabelRequest {
        source: &folder.join("pick.mcap"),
        target: &folder.join(name),
        if_exists: IfExists::Overwrite,
        settings,
        truth: &TruthTopics::default(),
        video: &VideoDecoders::none(),
        networks,
        jobs: 2,
        command: "test",
        stop: &AtomicBool::new(false),
        note: &|_| {},
    };
    label::label(&request, estimator.as_ref(), &mut |_| {})
}

fn by_words(seen: Both<Vec<Candidate>>, from: usize, settings: &Settings) -> RegionNetworks {
    let says = Says {
        seen,
        from,
        shown: AtomicUsize::new(0),
    };
    RegionNetworks {
        finder: Some(Finder::new(Arc::new(says), settings)),
        ..RegionNetworks::default()
    }
}

const WORDS: &str = "\
regions: {fingertip: {words: [robot gripper]}, target: {words: [green cube, block]}}
detector: {path: made up}";

#[test]
fn words_give_the_steps_of_the_boxes_that_they_find() {
    // given a recording without boxes, and a detector that sees both regions from the third picture on
    let (_guard, folder, [fingertip_box, target_box]) = recording();
    let settings_of_words = settings(WORDS);
    let seen = [
        Some(vec![candidate(fingertip_box, 0.4)]),
        Some(vec![
            candidate([1.0, 1.0, 9.0, 9.0], 0.2),
            candidate(target_box, 0.6),
        ]),
    ];
    // when it is labelled by words
    let networks = by_words(seen, 2, &settings_of_words);
    let labelled = label(&folder, "words", &settings_of_words, &networks).unwrap();
    // then what was found is told: the most likely box, in the first picture that shows it
    let found: Vec<String> = (labelled.found.iter())
        .take(2)
        .map(|found| format!("{} {} {}", found.role.key(), found.sought, found.drawn))
        .collect();
    let third_s = labelled.found[0].drawn.at_s;
    assert!(third_s > 0.0);
    let told = |region: &str, sought: &str, corners: [f64; 4]| {
        format!("{region} {sought} {}@{third_s}", typed(corners))
    };
    assert_eq!(
        found,
        [
            told("fingertip", "robot gripper", fingertip_box),
            told("target", "green cube, block", target_box)
        ]
    );
    // and the steps are those of the same boxes, drawn
    let drawn: Vec<String> = (["fingertip", "target"].iter())
        .map(|region| {
            let of = labelled
                .found
                .iter()
                .filter(|found| found.role.key() == *region);
            let boxes: Vec<String> = of.map(|found| format!("'{}'", found.drawn)).collect();
            format!("{region}: {{box: [{}]}}", boxes.join(", "))
        })
        .collect();
    let settings_of_boxes = settings(&format!("regions: {{{}}}", drawn.join(", ")));
    let none = RegionNetworks::default();
    label(&folder, "boxes", &settings_of_boxes, &none).unwrap();
    let told = |name: &str| {
        let steps = rewards(&folder.join(name)).into_iter();
        let told = steps.map(|(_, step)| {
            let boxes = [step.fingertip_box, step.target_box];
            (
                step.reason,
                step.reward.to_bits(),
                boxes.map(|of| of.map(f64::to_bits)),
            )
        });
        told.collect::<Vec<_>>()
    };
    assert!(told("words").iter().any(|(reason, ..)| reason.is_empty()));
    assert!(told("words") == told("boxes"), "steps differ");
}

#[test]
fn what_is_not_clear_is_a_question_and_not_a_guess() {
    // given two things that look like the target, one of them hardly less
    let (_guard, folder, [fingertip_box, target_box]) = recording();
    let seen =
        |of_target: Vec<Candidate>| [Some(vec![candidate(fingertip_box, 0.4)]), Some(of_target)];
    let two = vec![
        candidate(target_box, 0.6),
        candidate([5.0, 5.0, 40.0, 40.0], 0.55),
    ];
    let asked = settings(WORDS);
    // when it is labelled
    let failed = label(
        &folder,
        "asked",
        &asked,
        &by_words(seen(two.clone()), 0, &asked),
    );
    // then the question comes back with both places and the picture, and no bag is written
    let Err(Error::Unfound(region)) = failed else {
        panic!("it is a question: {failed:?}");
    };
    assert_eq!(region.unfound.finding, Finding::Ambiguous([two[0], two[1]]));
    let picture = region.picture.unwrap();
    assert_eq!((picture.width, picture.height), (640, 480));
    assert!(!folder.join("asked").exists());
    // and who wants the best one gets it
    let best = settings(&format!("{WORDS}\n").replace("made up", "made up, take_best: true"));
    let labelled = label(&folder, "best", &best, &by_words(seen(two), 0, &best)).unwrap();
    assert_eq!(labelled.found[1].score, 0.6);
    // given nothing that looks like it, the best score is told
    let nothing = by_words(seen(vec![candidate(target_box, 0.05)]), 0, &asked);
    let failed = label(&folder, "nothing", &asked, &nothing)
        .unwrap_err()
        .to_string();
    assert!(
        failed.contains("'green cube, block'") && failed.contains("0.05") && failed.contains("0.1"),
        "{failed}"
    );
}

#[test]
fn masks_that_are_followed_are_measured_and_where_there_is_none_the_region_is_lost() {
    // given boxes that are followed by masks, of which the target's is gone from the tenth to the fourteenth picture
    let (_guard, folder, [fingertip_box, target_box]) = recording();
    let yaml = format!(
        "regions: {{fingertip: {{box: ['{}'], follow: sam2}}, target: {{box: ['{}'], follow: sam2}}}}\n\
         segmenter: {{path: made up}}",
        typed(fingertip_box),
        typed(target_box)
    );
    let settings = settings(&yaml);
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let networks = RegionNetworks {
        segmenter: Some(Arc::new(Stays {
            drawn: Arc::clone(&drawn),
            lost: 10..15,
        })),
        ..RegionNetworks::default()
    };
    // when it is labelled from the whole recording
    label(&folder, "masks", &settings, &networks).unwrap();
    // then both were drawn at once in one video
    let both = [fingertip_box, target_box].map(|corners| Some(candidate(corners, 0.0).bbox));
    assert_eq!(*drawn.lock().unwrap(), [both]);
    // and the steps are where the masks are, valid where there is one
    let whole = rewards(&folder.join("masks"));
    for (index, (_, step)) in whole.iter().enumerate() {
        let is_lost = (10..15).contains(&index);
        assert_eq!(
            step.reason == "lost_box",
            is_lost,
            "{index}: {}",
            step.reason
        );
        if !is_lost {
            assert_eq!(step.target_box, target_box, "{index}");
        }
    }
    // and a live node would say the same
    let mut as_live = settings.config().clone();
    as_live.matching.as_live = true;
    let as_live = Estimators::default().settings(as_live).unwrap();
    label(&folder, "as_live", &as_live, &networks).unwrap();
    let live = rewards(&folder.join("as_live"));
    assert_eq!(live.len(), whole.len());
    for ((_, live), (_, whole)) in live.iter().zip(&whole) {
        assert_eq!(
            (&live.reason, live.reward.to_bits()),
            (&whole.reason, whole.reward.to_bits())
        );
    }
}

#[test]
fn a_live_follower_looks_again_for_what_it_lost() {
    // given a detector that sees both from the first picture on, and a target whose masks are gone for a while
    let (_guard, folder, [fingertip_box, target_box]) = recording();
    let yaml = format!(
        "{}\nsegmenter: {{path: made up}}\nmatching: {{as_live: true}}",
        WORDS
            .replace("]}", "], follow: sam2}")
            .replace("made up", "made up, again_after_s: 0.1")
    );
    let settings = settings(&yaml);
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let seen = [
        Some(vec![candidate(fingertip_box, 0.4)]),
        Some(vec![candidate(target_box, 0.6)]),
    ];
    let networks = RegionNetworks {
        segmenter: Some(Arc::new(Stays {
            drawn: Arc::clone(&drawn),
            lost: 10..30,
        })),
        ..by_words(seen, 0, &settings)
    };
    // when it is labelled as it would be live
    label(&folder, "live", &settings, &networks).unwrap();
    // then both begin in the first picture, and the target alone is drawn again while it is lost
    let drawn = drawn.lock().unwrap().clone();
    assert!(drawn[0].iter().all(Option::is_some), "{drawn:?}");
    assert!(drawn.len() > 2, "{drawn:?}");
    assert!(
        drawn[1..]
            .iter()
            .all(|both| both[0].is_none() && both[1].is_some()),
        "{drawn:?}"
    );
}

fn typed([x_min, y_min, x_max, y_max]: [f64; 4]) -> String {
    format!("{x_min},{y_min},{x_max},{y_max}")
}
