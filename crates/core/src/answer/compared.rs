//! A comparison by measures: `Region [0] is 1.2 m tall and Region [1] is 1.9 m tall` says which of them is taller.

use super::candidate::{Candidate, Quantity, candidates};
use super::reader::Reader;
use super::relation::Assertion;
use super::statement::Relation;

impl Reader<'_> {
    /// What the measures that are given of two regions say of them, from a token on.
    pub(super) fn compared(&self, relation: Relation, from: usize) -> Option<Assertion> {
        let measures = candidates(self);
        let measures: Vec<&Candidate> = (measures.iter())
            .filter(|measure| measure.start >= from && relation.is_told_by(measure.quantity))
            .collect();
        let is_of_viewer = |measure: &&Candidate| measure.quantity == Some(Quantity::FromViewer);
        if matches!(relation, Relation::Behind | Relation::Front)
            && !measures.iter().any(is_of_viewer)
        {
            return None;
        }
        let regions = self.regions(from, self.len());
        let mut numbers: Vec<u32> = regions.iter().map(|(region, _)| *region).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let [first, second] = numbers.as_slice() else {
            return None;
        };
        // Behind each region its measure, else before each.
        let behind = |region: u32| self.measure_behind(&regions, &measures, region);
        let before = |region: u32| self.measure_before(&regions, &measures, region);
        let (of_first, of_second) = (behind(*first).zip(behind(*second)))
            .or_else(|| before(*first).zip(before(*second)))
            .or_else(|| in_order(&regions, &measures, *first))?;
        let (greater, lesser) = match of_first.total_cmp(&of_second) {
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => (*first, *second),
            std::cmp::Ordering::Less => (*second, *first),
        };
        Some(Assertion {
            subject: Some(greater),
            object: Some(lesser),
            holds: relation.is_of_greater(),
            is_denied: false,
        })
    }

    /// The first measure between a region and the next other one.
    fn measure_behind(
        &self,
        regions: &[(u32, usize)],
        measures: &[&Candidate],
        region: u32,
    ) -> Option<f64> {
        let places = regions.iter().filter(|(other, _)| *other == region);
        let mut found = places.filter_map(|(_, at)| {
            let end = regions
                .iter()
                .find(|(other, next)| next > at && *other != region);
            let end = end.map_or(self.len(), |(_, next)| *next);
            let between = |measure: &&&Candidate| (*at..end).contains(&measure.start);
            measures
                .iter()
                .find(between)
                .map(|measure| measure.measure.metres)
        });
        found.next()
    }

    /// The last measure between the region before and this one.
    fn measure_before(
        &self,
        regions: &[(u32, usize)],
        measures: &[&Candidate],
        region: u32,
    ) -> Option<f64> {
        let places = regions.iter().filter(|(other, _)| *other == region);
        let mut found = places.filter_map(|(_, at)| {
            let begin = regions.iter().rfind(|(_, before)| before < at);
            let begin = begin.map_or(0, |(_, before)| *before);
            let between = |measure: &&&Candidate| (begin..*at).contains(&measure.start);
            measures
                .iter()
                .rfind(between)
                .map(|measure| measure.measure.metres)
        });
        found.next()
    }
}

/// Two measures in the order of the two regions: `2 m in width, compared to 1.5 m for Region [1]`.
fn in_order(regions: &[(u32, usize)], measures: &[&Candidate], first: u32) -> Option<(f64, f64)> {
    let ([of_one, of_other], [(one, _), ..]) = (measures, regions) else {
        return None;
    };
    let (of_one, of_other) = (of_one.measure.metres, of_other.measure.metres);
    Some(match *one == first {
        true => (of_one, of_other),
        false => (of_other, of_one),
    })
}

impl Relation {
    /// Whether a measure of this decides it.
    fn is_told_by(self, quantity: Option<Quantity>) -> bool {
        match self {
            Self::Tall | Self::Short => matches!(quantity, None | Some(Quantity::Height)),
            Self::Wide | Self::Thin => matches!(quantity, None | Some(Quantity::Width)),
            Self::Big | Self::Small => quantity != Some(Quantity::FromViewer),
            Self::Behind | Self::Front => {
                matches!(
                    quantity,
                    None | Some(Quantity::FromViewer | Quantity::Distance)
                )
            }
            Self::Left | Self::Right | Self::Above | Self::Below => false,
        }
    }

    /// Whether the region with the greater measure is what is asked for.
    fn is_of_greater(self) -> bool {
        matches!(self, Self::Tall | Self::Wide | Self::Big | Self::Behind)
    }
}
