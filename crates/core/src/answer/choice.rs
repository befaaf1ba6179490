//! Which of two regions an answer names.

use super::reader::Reader;
use super::relation::Assertion;
use super::statement::{Relation, Unread};
use super::verdict::PREAMBLE;

/// Which region an answer names: where it comes to its point, else anywhere.
pub(super) fn choice(reader: &Reader, relation: Relation) -> Result<u32, Unread> {
    if let Some(at) = reader.turn()
        && let Ok(region) = chosen(reader, relation, at)
    {
        return Ok(region);
    }
    let from = reader.behind_equality(relation, 0)?;
    chosen(reader, relation, from)
}

fn chosen(reader: &Reader, relation: Relation, from: usize) -> Result<u32, Unread> {
    let led = lead(reader, from);
    if let Some((region, true)) = led {
        return Ok(region);
    }
    let regions = reader.regions(from, reader.len());
    let claim = reader.claim(relation, from);
    if let Some(region) = claim.and_then(|claim| preferred(reader, &claim, &regions)) {
        return Ok(region);
    }
    if let Some((region, _)) = led {
        return Ok(region);
    }
    let is_named = |region: &&(u32, usize)| {
        reader.word_before(region.1) != Some("not") && !reader.is_in_refusal(region.1)
    };
    let named: Vec<(u32, usize)> = regions.iter().filter(is_named).copied().collect();
    let subjects: Vec<u32> = (named.iter())
        .filter(|region| !reader.is_object(region.1))
        .map(|region| region.0)
        .collect();
    let mut distinct: Vec<u32> = named.iter().map(|(region, _)| *region).collect();
    distinct.sort_unstable();
    distinct.dedup();
    match (distinct.as_slice(), subjects.as_slice(), named.last()) {
        // "[1] towers over [0]"
        ([_, _], [subject], _) => Ok(*subject),
        ([region], ..) => Ok(*region),
        // "Between [0] and [1], [0]."
        (_, _, Some(last)) if named.len() > 2 => Ok(last.0),
        ([], ..) if regions.is_empty() => only_number(reader, from),
        ([], ..) => Err(Unread::Refusal),
        _ => Err(Unread::SeveralRegions),
    }
}

/// The region that a comparison says to be what is asked for.
fn preferred(reader: &Reader, claim: &Assertion, regions: &[(u32, usize)]) -> Option<u32> {
    let other_than = |region: u32| {
        let mentioned = regions.iter().map(|(other, _)| *other);
        let mentioned = mentioned.chain(reader.asked.iter().copied());
        let mut rest: Vec<u32> = mentioned.filter(|other| *other != region).collect();
        rest.dedup();
        match rest.as_slice() {
            [other] => Some(*other),
            [] if region < 2 => Some(1 - region),
            _ => None,
        }
    };
    match (claim.subject, claim.object) {
        (Some(subject), _) if claim.holds => Some(subject),
        (Some(subject), object) => object.or_else(|| other_than(subject)),
        (None, Some(object)) if claim.holds => other_than(object),
        (None, object) => object,
    }
}

/// The region that begins an answer, and whether nothing but a reason stands behind it in its sentence.
fn lead(reader: &Reader, from: usize) -> Option<(u32, bool)> {
    let passed = (from..reader.len()).take_while(|at| {
        let word = reader.word(*at);
        word.is_some_and(|word| PREAMBLE.contains(&word) && reader.region(*at).is_none())
            || reader.region(*at).is_none() && reader.mark(*at).is_some()
    });
    let (region, next) = reader.region(from + passed.count())?;
    let comma = usize::from(reader.mark(next) == Some(','));
    let is_reason = match reader.word(next + comma) {
        Some("because" | "since") => true,
        Some("as") => comma == 1,
        _ => false,
    };
    if next >= reader.len() || reader.ends_sentence(next) || is_reason {
        return Some((region, true));
    }
    matches!(reader.mark(next), Some(',' | '(' | '—' | '–')).then_some((region, false))
}

/// "1", "The answer is 1."
fn only_number(reader: &Reader, from: usize) -> Result<u32, Unread> {
    let numbers: Vec<u32> = (from..reader.len())
        .filter(|at| reader.figure(*at).is_some() && reader.range(*at).is_none())
        .filter_map(|at| reader.small_whole(at).map(|(value, _)| value))
        .collect();
    match numbers.as_slice() {
        [region] => Ok(*region),
        [] => Err(Unread::NoRegion),
        _ => Err(Unread::SeveralRegions),
    }
}
