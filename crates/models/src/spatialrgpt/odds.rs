//! What a model's logits say of the next token.

/// So many alternatives are kept of each token: as many as there are digits, and some that are none.
const ALTERNATIVES: usize = 16;
/// What is less likely is left out: a thousandth of the answers, whatever they say, is not what makes them uncertain.
const LEAST_PROBABILITY: f32 = 1e-3;

/// The likeliest token and those that might have been.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Odds {
    pub id: i64,
    pub probability: f32,
    /// The likeliest others with their probabilities, the likeliest first.
    pub alternatives: Vec<(i64, f32)>,
}

impl Odds {
    /// The softmax of logits (V).
    pub(super) fn of(logits: &[f32]) -> Self {
        // The maximum of the logits themselves, the first of several: probabilities may round to a tie.
        let mut best = (0, f32::NEG_INFINITY);
        for (id, logit) in logits.iter().enumerate() {
            if *logit > best.1 {
                best = (id, *logit);
            }
        }
        let (chosen, largest) = best;
        let sum: f64 = (logits.iter())
            .map(|logit| f64::from((logit - largest).exp()))
            .sum();
        let probability = |logit: f32| (f64::from((logit - largest).exp()) / sum) as f32;
        // Most are left out before anything is asked of them.
        let least = largest + (LEAST_PROBABILITY.ln() + sum.ln() as f32 - 1e-3);
        let likely = logits
            .iter()
            .enumerate()
            .filter(|(_, logit)| **logit >= least);
        let likely = likely.map(|(id, logit)| (id as i64, probability(*logit)));
        let mut likely: Vec<(i64, f32)> = likely
            .filter(|(id, probability)| *id != chosen as i64 && *probability >= LEAST_PROBABILITY)
            .collect();
        likely.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        likely.truncate(ALTERNATIVES - 1);
        Self {
            id: chosen as i64,
            probability: probability(largest),
            alternatives: likely,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_tokens_are_kept_the_likeliest_first() {
        // given 20 tokens of which four are likely
        let mut odds = [1e-9_f32; 20];
        (odds[3], odds[7], odds[11], odds[19]) = (0.25, 0.6, 0.0009, 0.15);
        let logits = odds.map(f32::ln);

        let kept = Odds::of(&logits);

        // then what is less likely than a thousandth is left out
        assert_eq!(kept.id, 7);
        let near = |one: f32, other: f32| (one - other).abs() < 1e-3;
        assert!(near(kept.probability, 0.6));
        assert_eq!(kept.alternatives.len(), 2);
        assert!(kept.alternatives[0].0 == 3 && near(kept.alternatives[0].1, 0.25));
        assert!(kept.alternatives[1].0 == 19 && near(kept.alternatives[1].1, 0.15));
    }

    #[test]
    fn of_tokens_that_are_all_alike_the_first_is_chosen_and_some_are_kept() {
        let kept = Odds::of(&[2.5; 20]);
        assert_eq!((kept.id, kept.alternatives.len()), (0, 15));
        assert!(
            kept.alternatives
                .iter()
                .all(|(_, p)| (p - 0.05).abs() < 1e-6)
        );
    }

    #[test]
    fn a_vocabulary_may_be_small() {
        let kept = Odds::of(&[0.4_f32.ln(), 0.6_f32.ln()]);
        assert_eq!(kept.id, 1);
        assert_eq!(kept.alternatives.len(), 1);
    }
}
