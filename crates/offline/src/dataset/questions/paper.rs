//! What the Open Spatial Dataset's pipeline asks: of some pairs of regions by chance, some of its 24 kinds of questions each
//! (`osdsynth/processor/prompt.py`, `evaluate_predicates_on_pairs`).

use super::{Category, Scene, Turn};
use crate::dataset::scene::Comparison;
use spatial_reward_core::random::Random;

/// One of the 24: what it is about, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A length or a direction.
    Measured(Category),
    /// Whether the first is more so (or less so) than the second.
    Predicate(Comparison, bool),
    /// Which of the two is more so (or less so).
    Choice(Comparison, bool),
}

impl Kind {
    /// Of each comparison both poles; which one it is, of places and heights alone.
    fn all() -> Vec<Self> {
        let comparisons = [
            Comparison::LeftRight,
            Comparison::WideThin,
            Comparison::BigSmall,
            Comparison::FrontBehind,
            Comparison::TallShort,
            Comparison::AboveBelow,
        ];
        let chosen = [
            Comparison::LeftRight,
            Comparison::TallShort,
            Comparison::AboveBelow,
        ];
        let measured = [
            Category::Direction,
            Category::VerticalDistance,
            Category::HorizontalDistance,
            Category::Width,
            Category::Height,
            Category::DirectDistance,
        ];
        let poles = [true, false];
        let each = |of: &'static dyn Fn(Comparison, bool) -> Self, all: &[Comparison]| {
            let both = all.iter().flat_map(|it| poles.map(|more| of(*it, more)));
            both.collect::<Vec<_>>()
        };
        let mut kinds = each(&Self::Predicate, &comparisons);
        kinds.extend(each(&Self::Choice, &chosen));
        kinds.extend(measured.map(Self::Measured));
        kinds
    }

    fn category(self) -> Category {
        match self {
            Self::Measured(category) => category,
            Self::Predicate(comparison, _) | Self::Choice(comparison, _) => {
                Category::Comparison(comparison)
            }
        }
    }
}

/// The turns about a scene: `pairs` pairs of its regions, `each` questions of different kinds about each. Where a kind has no
/// certain answer another takes its place.
pub(crate) fn ask_paper(
    scene: &Scene,
    pairs: usize,
    each: usize,
    random: &mut Random,
) -> Vec<Turn> {
    let mut all = super::pairs(scene.regions());
    random.shuffle(&mut all);
    let known = |kind: &Kind| scene.has_gravity() || !kind.category().needs_gravity();
    let kinds: Vec<Kind> = Kind::all().into_iter().filter(known).collect();
    let mut turns = Vec::new();
    for pair in all.into_iter().take(pairs) {
        let mut kinds = kinds.clone();
        random.shuffle(&mut kinds);
        let asked = kinds
            .into_iter()
            .filter_map(|kind| turn(scene, kind, pair, random));
        turns.extend(asked.take(each));
    }
    turns
}

fn turn(scene: &Scene, kind: Kind, [a, b]: [usize; 2], random: &mut Random) -> Option<Turn> {
    let (comparison, more_asked, as_predicate) = match kind {
        Kind::Measured(category @ (Category::Width | Category::Height)) => {
            return super::turn(scene, category, &[a], random);
        }
        Kind::Measured(category) => return super::turn(scene, category, &[a, b], random),
        Kind::Predicate(comparison, more) => (comparison, more, true),
        Kind::Choice(comparison, more) => (comparison, more, false),
    };
    let more = scene.compare(comparison, a, b)?;
    let category = Category::Comparison(comparison);
    let said = super::Asked {
        for_more: more_asked,
        as_predicate,
    };
    let poles = super::poles(comparison);
    Some(super::said(category, poles, more, &[a, b], said, random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_24_kinds_each_once() {
        let mut kinds = Kind::all();
        assert_eq!(kinds.len(), 24);
        kinds.dedup();
        assert_eq!(kinds.len(), 24);
        let predicates = kinds
            .iter()
            .filter(|kind| matches!(kind, Kind::Predicate(..)));
        assert_eq!(predicates.count(), 12);
    }
}
