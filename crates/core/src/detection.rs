//! What a detector that is asked finds in one picture: boxes with scores, best first, and which of the boxes that a network
//! proposes are told. Plain data; the networks are elsewhere.

use crate::frame::BoundingBox;

/// One thing that was asked for and found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Which of the queries it answers, counted from 0.
    pub query: usize,
    /// In pixels of the picture, as the network has it: it may reach beyond the edges ([`BoundingBox::clipped`]).
    pub bbox: BoundingBox,
    /// 0 to 1. By words it is the network's own; by an example, how near it comes to the best one in the picture.
    pub score: f64,
}

/// Which boxes are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectOptions {
    /// The network's own score that a box must have: by words more than it, by an example at least it.
    pub threshold: f64,
    /// A box that shares more than this with a better one (intersection over union) is left out, whatever the two were found
    /// by; `None` keeps all.
    pub most_overlap: Option<f64>,
}

impl DetectOptions {
    /// What transformers takes for words.
    pub const WORDS: Self = Self {
        threshold: 0.1,
        most_overlap: None,
    };
    /// What transformers takes for an example.
    pub const EXAMPLE: Self = Self {
        threshold: 0.0,
        most_overlap: Some(0.3),
    };
}

/// What to tell of a network's proposals for words: those above the threshold, best first.
pub fn by_words(proposals: Vec<Detection>, options: &DetectOptions) -> Vec<Detection> {
    let threshold = f64::from(options.threshold as f32);
    let above = |detection: &Detection| detection.score > threshold;
    apart(proposals.into_iter().filter(above), options)
}

/// What to tell of a network's proposals for one example: scores are brought to 1 for the best, and what has less than a tenth
/// of the best one's is nothing.
pub fn by_example(proposals: Vec<Detection>, options: &DetectOptions) -> Vec<Detection> {
    // Single precision, as the network's scores have it: a tenth is a border that is met.
    let threshold = options.threshold as f32;
    let above = |detection: &Detection| detection.score as f32 >= threshold;
    let mut found = apart(proposals.into_iter().filter(above), options);
    let best = found.first().map_or(0.0, |best| best.score as f32) + 1e-6;
    for detection in &mut found {
        let share = (detection.score as f32 - best * 0.1) / (best * 0.9);
        detection.score = f64::from(share.clamp(0.0, 1.0));
    }
    found.retain(|detection| detection.score > 0.0);
    found
}

/// Best first, without those that share too much with a better one that stays.
fn apart(proposals: impl Iterator<Item = Detection>, options: &DetectOptions) -> Vec<Detection> {
    let mut proposals: Vec<Detection> = proposals.collect();
    proposals.sort_by(|one, other| other.score.total_cmp(&one.score));
    let Some(most_overlap) = options.most_overlap.filter(|most| *most < 1.0) else {
        return proposals;
    };
    let mut kept: Vec<Detection> = Vec::new();
    for proposal in proposals {
        let hides = |better: &Detection| better.bbox.overlap(&proposal.bbox) > most_overlap;
        if !kept.iter().any(hides) {
            kept.push(proposal);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(query: usize, left: f64, score: f64) -> Detection {
        let bbox = BoundingBox::new(left, 0.0, left + 10.0, 10.0);
        Detection { query, bbox, score }
    }

    fn lefts(found: &[Detection]) -> Vec<f64> {
        found.iter().map(|found| found.bbox.x_min).collect()
    }

    #[test]
    fn words_find_what_is_above_the_threshold_best_first() {
        // given scores of which one is the threshold itself
        let proposals = vec![
            proposal(0, 0.0, 0.3),
            proposal(1, 20.0, f64::from(0.1_f32)),
            proposal(0, 40.0, 0.9),
        ];
        // when, then
        let found = by_words(proposals, &DetectOptions::WORDS);
        assert_eq!(lefts(&found), [40.0, 0.0]);
        assert_eq!(found[0].score, 0.9);
    }

    #[test]
    fn two_phrases_that_fire_on_one_thing_give_one_box_where_it_is_asked_for() {
        // given two boxes that share 9 of 11 parts, and one that shares 7 of 13 with the second
        let proposals = vec![
            proposal(0, 1.0, 0.8),
            proposal(1, 0.0, 0.9),
            proposal(2, 3.0, 0.5),
        ];
        let options = |most_overlap| DetectOptions {
            most_overlap,
            ..DetectOptions::WORDS
        };
        // when, then
        let all = by_words(proposals.clone(), &options(None));
        assert_eq!(lefts(&all), [0.0, 1.0, 3.0]);
        let apart = by_words(proposals.clone(), &options(Some(0.6)));
        assert_eq!(lefts(&apart), [0.0, 3.0]);
        assert_eq!(
            lefts(&by_words(proposals.clone(), &options(Some(0.5)))),
            [0.0]
        );
        assert_eq!(by_words(proposals, &options(Some(1.0))), all);
    }

    #[test]
    fn an_example_finds_shares_of_the_best_and_not_what_is_below_a_tenth() {
        let proposals = vec![
            proposal(0, 0.0, 0.5),
            proposal(0, 20.0, 0.275),
            proposal(0, 40.0, 0.049),
        ];
        // when
        let found = by_example(proposals.clone(), &DetectOptions::EXAMPLE);
        // then
        assert_eq!(lefts(&found), [0.0, 20.0]);
        assert!((found[0].score - 1.0).abs() < 1e-5 && (found[1].score - 0.5).abs() < 1e-5);
        // and the threshold is about the scores before
        let options = DetectOptions {
            threshold: 0.3,
            ..DetectOptions::EXAMPLE
        };
        assert_eq!(lefts(&by_example(proposals, &options)), [0.0]);
        assert_eq!(by_example(Vec::new(), &DetectOptions::EXAMPLE), []);
    }
}
