//! The hour of the clock that an answer names.

use super::reader::Reader;
use super::statement::Unread;
use super::unit::is_unit;

/// An hour of the answer.
struct Hour {
    /// From 1 up to 13, with minutes as a fraction.
    value: f64,
    start: usize,
    next: usize,
}

/// The hour: said with "o'clock" if one is, else the only number that may be one. Of several the one where the answer comes
/// to its point, or the last.
pub(super) fn read(reader: &Reader) -> Result<f64, Unread> {
    let said = hours(reader, true)?;
    let meant = |hours: Vec<Hour>| -> Option<f64> {
        let conclusion = reader.conclusion().unwrap_or(0);
        let concluded = hours.iter().rfind(|hour| hour.start >= conclusion);
        concluded.or(hours.last()).map(|hour| hour.value)
    };
    if let Some(hour) = meant(said) {
        return Ok(hour);
    }
    let bare = hours(reader, false)?;
    let conclusion = reader.conclusion().unwrap_or(0);
    let concluded = bare.iter().filter(|hour| hour.start >= conclusion);
    let mut values: Vec<f64> = concluded.map(|hour| hour.value).collect();
    if values.is_empty() {
        values = bare.iter().map(|hour| hour.value).collect();
    }
    values.dedup();
    match values.as_slice() {
        [] => Err(Unread::NoHour),
        [hour] => Ok(*hour),
        _ => Err(Unread::SeveralNumbers),
    }
}

/// The hours that an answer names, `with_clock` or as bare numbers.
fn hours(reader: &Reader, with_clock: bool) -> Result<Vec<Hour>, Unread> {
    let mut hours = Vec::new();
    let mut at = 0;
    while at < reader.len() {
        let Some((hour, next)) = span(reader, at, with_clock) else {
            at += 1;
            continue;
        };
        let start = std::mem::replace(&mut at, next);
        let value = match hour {
            hour if (1.0..13.0).contains(&hour) => hour,
            hour if (0.0..1.0).contains(&hour) => hour + 12.0,
            _ if with_clock => return Err(Unread::NoHourOfTheClock),
            _ => continue,
        };
        let hour = Hour { value, start, next };
        if !is_denied(reader, start) {
            hours.push(hour);
        }
    }
    // What others are told from is the answer only where nothing else is said.
    if hours.iter().any(|hour| !is_reference(reader, hour)) {
        hours.retain(|hour| !is_reference(reader, hour));
    }
    Ok(hours)
}

/// An hour or the middle of two, and the token behind it.
fn span(reader: &Reader, at: usize, with_clock: bool) -> Option<(f64, usize)> {
    let (first, behind) = hour(reader, at)?;
    let clock = o_clock(reader, behind);
    let after = clock.unwrap_or(behind);
    if let Some(next) = joined(reader, at, after)
        && let Some((second, behind)) = hour(reader, next)
    {
        let second_clock = o_clock(reader, behind);
        let said = clock.is_some() || second_clock.is_some();
        if said || !with_clock && is_bare(reader, next, behind) {
            let next = second_clock.unwrap_or(behind);
            return Some((middle(first, second), next));
        }
    }
    match clock {
        Some(next) => Some((first, next)),
        None if !with_clock && is_bare(reader, at, behind) => Some((first, behind)),
        None if is_time(reader, at, behind) => Some((first, behind)),
        None => None,
    }
}

/// "3", "three", "2:30", "half past two", "quarter to 3".
fn hour(reader: &Reader, at: usize) -> Option<(f64, usize)> {
    let skip = usize::from(reader.word(at) == Some("a"));
    let part = match (reader.word(at + skip), reader.word(at + skip + 1)) {
        (Some("half"), Some("past")) => Some(0.5),
        (Some("quarter"), Some("past" | "after")) => Some(0.25),
        (Some("quarter"), Some("to" | "before")) => Some(-0.25),
        _ => None,
    };
    if let Some(part) = part {
        let (hour, next) = reader.small_whole(at + skip + 2)?;
        return Some((f64::from(hour) + part, next));
    }
    if let Some(word) = reader.small(at) {
        let part = reader.and_a_part(at + 1);
        let (part, next) = part.unwrap_or((0.0, at + 1));
        let hyphen = usize::from(reader.mark(at + 1) == Some('-'));
        let (part, next) = match reader.word(at + 1 + hyphen) {
            Some("thirty") => (0.5, at + 2 + hyphen),
            _ => (part, next),
        };
        return (word > 0 || o_clock(reader, next).is_some())
            .then_some((f64::from(word) + part, next));
    }
    let value = reader.figure(at)?.value?;
    let minutes = (reader.mark(at + 1) == Some(':'))
        .then(|| reader.figure(at + 2)?.value)
        .flatten()
        .filter(|minutes| (0.0..60.0).contains(minutes) && reader.is_adjoining(at + 2));
    if let Some(minutes) = minutes {
        return Some((value + minutes / 60.0, at + 3));
    }
    let (part, next) = reader.and_a_part(at + 1).unwrap_or((0.0, at + 1));
    Some((value + part, next))
}

/// The token behind "o'clock" in any of its spellings, and its noun's hyphen.
fn o_clock(reader: &Reader, at: usize) -> Option<usize> {
    let at = at + usize::from(reader.mark(at) == Some('-'));
    match reader.word(at)? {
        "oclock" => Some(at + 1),
        "o" => {
            let marks = (at + 1..at + 3).take_while(|at| reader.mark(*at).is_some());
            let next = at + 1 + marks.count();
            (reader.word(next) == Some("clock")).then_some(next + 1)
        }
        "clock" => Some(at + 1),
        _ => None,
    }
}

/// The token behind what joins two hours.
fn joined(reader: &Reader, start: usize, at: usize) -> Option<usize> {
    let between = (1..=3).any(|back| {
        let before = start.checked_sub(back);
        before.is_some_and(|before| reader.word(before) == Some("between"))
    });
    match (reader.mark(at), reader.word(at)) {
        (Some('-' | '–' | '—' | '~' | '/'), _) | (_, Some("to" | "or")) => Some(at + 1),
        (_, Some("and")) | (Some('&'), _) if between => Some(at + 1),
        _ => None,
    }
    .map(|next| {
        next + usize::from(matches!(
            reader.word(next),
            Some("about" | "around" | "perhaps" | "maybe" | "even")
        ))
    })
}

/// The middle of two hours the short way round.
fn middle(first: f64, second: f64) -> f64 {
    let difference = (second - first).rem_euclid(12.0);
    let half = if difference > 6.0 {
        difference - 12.0
    } else {
        difference
    } / 2.0;
    let middle = (first + half).rem_euclid(12.0);
    if middle < 1.0 { middle + 12.0 } else { middle }
}

/// "2:30" is a time without a word.
fn is_time(reader: &Reader, at: usize, behind: usize) -> bool {
    let minutes = behind == at + 3 && reader.mark(at + 1) == Some(':');
    let past = matches!(reader.word(at), Some("half" | "quarter" | "a")) && behind > at + 2;
    minutes || past
}

/// A number that names nothing and measures nothing.
fn is_bare(reader: &Reader, at: usize, behind: usize) -> bool {
    let unit = (reader.word(behind)).is_some_and(|word| {
        is_unit(word)
            || matches!(
                word,
                "degree" | "degrees" | "deg" | "percent" | "times" | "of" | "region" | "regions"
            )
    });
    let measured = matches!(
        reader.mark(behind),
        Some('°' | '%' | '\'' | '"' | '′' | '″')
    );
    let word = reader.word(at) == Some("one");
    !reader.is_name(at) && !unit && !measured && !word
}

/// "not at 3 o'clock"
fn is_denied(reader: &Reader, start: usize) -> bool {
    let between = (0..start).rev().take_while(|at| {
        matches!(
            reader.word(*at),
            Some("at" | "in" | "the" | "around" | "exactly" | "to" | "be")
        )
    });
    let before = start - between.count();
    before
        .checked_sub(1)
        .is_some_and(|before| reader.word(before) == Some("not"))
}

/// "12 o'clock is straight ahead", "facing 12 o'clock", "with 12 o'clock as the front", `[0]'s 12 o'clock`.
fn is_reference(reader: &Reader, hour: &Hour) -> bool {
    let ahead = |word: &str| {
        matches!(
            word,
            "straight"
                | "ahead"
                | "front"
                | "forward"
                | "directly"
                | "facing"
                | "north"
                | "top"
                | "up"
                | "reference"
        )
    };
    let noun = usize::from(matches!(
        reader.word(hour.next),
        Some("direction" | "position")
    ));
    let verb = hour.next + noun;
    let is = matches!(
        reader.word(verb),
        Some("is" | "being" | "as" | "means" | "represents")
    ) || reader.mark(verb) == Some('=');
    let explained = is && (verb + 1..verb + 4).any(|at| reader.word(at).is_some_and(ahead));
    let introduced = (1..=3).any(|back| {
        let word = hour.start.checked_sub(back).and_then(|at| reader.word(at));
        matches!(
            word,
            Some("facing" | "looking" | "if" | "assuming" | "s" | "where")
        )
    });
    explained || introduced
}
