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
    if let Some(hour) = lead(reader) {
        return Ok(hour);
    }
    let said = hours(reader, true)?;
    let meant = |hours: Vec<Hour>| -> Option<f64> {
        let conclusion = reader.turns_of_number().first().copied().unwrap_or(0);
        // Behind "Answer: 4 o'clock." may stand why.
        let end = (conclusion + 1..reader.len()).find(|at| reader.ends_sentence(*at));
        let end = end.filter(|_| conclusion > 0).unwrap_or(reader.len());
        let within = hours
            .iter()
            .rfind(|hour| (conclusion..end).contains(&hour.start));
        let concluded = within.or_else(|| hours.iter().rfind(|hour| hour.start >= conclusion));
        concluded.or(hours.last()).map(|hour| hour.value)
    };
    if let Some(hour) = meant(said) {
        return Ok(hour);
    }
    let bare = hours(reader, false)?;
    let conclusion = reader.turns_of_number().first().copied().unwrap_or(0);
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

/// The hour of an answer whose first sentence is an hour and nothing else, unless it comes to its point later.
fn lead(reader: &Reader) -> Option<f64> {
    let said = |at: usize| reader.word(at) == Some("at") || reader.word(at) == Some("about");
    let start = (0..reader.len()).find(|at| reader.mark(*at).is_none() && !said(*at))?;
    let (hour, next) = span(reader, start, false)?;
    let ends = reader.ends_sentence(next) && next + 1 < reader.len();
    let is_hour = (1.0..13.0).contains(&hour) && !reader.is_name(start);
    (ends && is_hour && reader.turns_of_number().is_empty()).then_some(hour)
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
    // Twelve is where one looks wherever another hour is said too.
    let corrected = reader
        .turns_of_number()
        .first()
        .copied()
        .unwrap_or(usize::MAX);
    let is_ahead = |hour: &Hour| hour.value == 12.0 && hour.start < corrected;
    if hours.iter().any(|hour| !is_ahead(hour)) {
        hours.retain(|hour| !is_ahead(hour));
    }
    // What others are told from is the answer only where nothing else is said.
    if hours.iter().any(|hour| !is_reference(reader, hour)) {
        hours.retain(|hour| !is_reference(reader, hour));
    }
    if hours.iter().any(|hour| !is_aside(reader, hour)) {
        hours.retain(|hour| !is_aside(reader, hour));
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
    let hyphen = usize::from(reader.mark(at + skip + 1) == Some('-'));
    let part = match (reader.word(at + skip), reader.word(at + skip + 1 + hyphen)) {
        (Some("half"), Some("past")) => Some(0.5),
        (Some("quarter"), Some("past" | "after")) => Some(0.25),
        (Some("quarter"), Some("to" | "before")) => Some(-0.25),
        _ => None,
    };
    if let Some(part) = part {
        let (hour, next) = reader.small_whole(at + skip + hyphen + 2)?;
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
    let figure = reader.figure(at)?;
    let value = figure.value?;
    // "5/6 o'clock"
    if figure.is_fraction && o_clock(reader, at + 1).is_some() {
        let text = reader.text.get(reader.tokens.get(at)?.range.clone())?;
        let (first, second) = text.split_once('/')?;
        let on_the_clock =
            |hour: &str| hour.parse().ok().filter(|hour| (1.0..=12.0).contains(hour));
        return Some((middle(on_the_clock(first)?, on_the_clock(second)?), at + 1));
    }
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
    }) && !reader.begins_line(behind);
    let measured = matches!(
        reader.mark(behind),
        Some('°' | '%' | '\'' | '"' | '′' | '″')
    );
    let word = reader.word(at) == Some("one");
    !reader.is_name(at) && !unit && !measured && !word
}

/// "not at 3 o'clock", "not to the left (9 o'clock)", "rather than 3 o'clock"
fn is_denied(reader: &Reader, start: usize) -> bool {
    let clause = clause_start(reader, start);
    if reader.word(clause) == Some("not") {
        return true;
    }
    let between = (clause..start).rev().take_while(|at| {
        matches!(
            reader.word(*at),
            Some("at" | "in" | "the" | "around" | "exactly" | "to" | "be")
        )
    });
    let start = start - between.count();
    let before = start.checked_sub(2).and_then(|at| reader.word(at));
    match reader.word_before(start) {
        Some("not" | "than") => true,
        Some("of") => before == Some("instead"),
        _ => false,
    }
}

/// The first token of the clause in which a token stands; parentheses belong to what they stand behind.
fn clause_start(reader: &Reader, at: usize) -> usize {
    let ends = |before: &usize| {
        reader.begins_line(before + 1)
            || matches!(
                reader.mark(*before),
                Some('.' | ',' | ';' | ':' | '!' | '?')
            )
            || reader.word(*before) == Some("but")
    };
    let start = reader.sentence_start(at);
    let clause = (start..at).rev().find(ends);
    clause.map_or(start, |before| before + 1)
}

/// What an answer only holds possible beside the hour that it names, and the hours of which it makes that one out.
fn is_aside(reader: &Reader, hour: &Hour) -> bool {
    let mut before = (reader.sentence_start(hour.start)..hour.start).rev();
    let mut clause = (clause_start(reader, hour.start)..hour.start).rev();
    let is_possible = clause.any(|at| {
        matches!(
            reader.word(at),
            Some("may" | "might" | "could" | "possibly" | "maybe" | "perhaps")
        )
    });
    is_possible || before.any(|at| matches!(reader.word(at), Some("since" | "because")))
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
    explained || introduced || explains_side(reader, hour.start)
}

/// "the left would be 9 o'clock", "behind me is 6 o'clock": a side is explained, and nothing is said of anything there.
fn explains_side(reader: &Reader, start: usize) -> bool {
    let mut clause = (0..start).rev().take_while(|at| {
        !reader.begins_line(at + 1)
            && !matches!(
                reader.mark(*at),
                Some('.' | ',' | ';' | ':' | '!' | '?' | '(')
            )
            && !matches!(reader.word(*at), Some("and" | "so" | "while"))
    });
    let is_part = |at: usize| {
        matches!(
            reader.word(at),
            Some(
                "the"
                    | "my"
                    | "your"
                    | "me"
                    | "you"
                    | "to"
                    | "directly"
                    | "side"
                    | "hand"
                    | "of"
                    | "is"
                    | "would"
                    | "be"
                    | "at"
                    | "left"
                    | "right"
                    | "behind"
                    | "back"
                    | "front"
                    | "ahead"
                    | "straight"
                    | "means"
            )
        ) || matches!(reader.mark(at), Some('-' | '='))
    };
    let words: Option<Vec<usize>> = clause
        .by_ref()
        .map(|at| is_part(at).then_some(at))
        .collect();
    words.is_some_and(|words| {
        let has = |these: &[&str]| {
            words
                .iter()
                .any(|at| reader.word(*at).is_some_and(|word| these.contains(&word)))
        };
        let equals = words.iter().any(|at| reader.mark(*at) == Some('='));
        has(&["left", "right", "behind", "back", "front", "ahead"])
            && (equals || has(&["is", "be", "means"]))
    })
}
