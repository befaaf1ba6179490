//! Lengths that an answer states beside the one that it means: what it takes back, what is so of all of a kind, what it
//! reckons with.

use super::ABOUT;
use super::candidate::Candidate;
use super::reader::Reader;
use super::statement::Length;

/// Leaves out the lengths that are not meant, wherever one stays.
pub(super) fn leave_out_asides(reader: &Reader, lengths: &mut Vec<Candidate>, wanted: Length) {
    for is_taken_back in [is_denied, is_given_up] {
        leave_out(lengths, |length| is_taken_back(reader, length), wanted, 0);
    }
    for is_aside in [is_rate, is_general, is_reckoned_with] {
        leave_out(lengths, |length| is_aside(reader, length), wanted, 2);
    }
}

/// Leaves some lengths out, if one stays that suits at least so well.
fn leave_out(
    lengths: &mut Vec<Candidate>,
    is_out: impl Fn(&Candidate) -> bool,
    wanted: Length,
    fit: u8,
) {
    if lengths
        .iter()
        .any(|length| !is_out(length) && length.fit(wanted) >= fit)
    {
        lengths.retain(|length| !is_out(length));
    }
}

/// "not 2 m", "rather than 2 m"
fn is_denied(reader: &Reader, candidate: &Candidate) -> bool {
    let start = candidate.start;
    let hedges = (0..start)
        .rev()
        .take_while(|at| reader.word(*at).is_some_and(|word| ABOUT.contains(&word)));
    let start = start - hedges.count();
    let before = start.checked_sub(2).and_then(|at| reader.word(at));
    match reader.word_before(start) {
        Some("not") => true,
        Some("than") => before == Some("rather"),
        Some("of") => before == Some("instead"),
        _ => false,
    }
}

/// "I first thought 2 m, but", "2 m?": what an answer held once.
fn is_given_up(reader: &Reader, candidate: &Candidate) -> bool {
    let turns = |at: usize| {
        matches!(
            reader.word(at),
            Some("but" | "however" | "yet" | "actually" | "now")
        )
    };
    let held = |at: usize| match reader.word(at) {
        Some("initial" | "initially" | "originally" | "glance" | "guessed" | "impression") => true,
        Some("thought") => reader.word_before(at) != Some("second"),
        _ => false,
    };
    reader.mark(candidate.measure.next) == Some('?')
        || reader.is_said_before(candidate.start, turns, held)
}

/// "Desks are typically 72 cm high": of all of a kind, and not of this one.
fn is_general(reader: &Reader, candidate: &Candidate) -> bool {
    let turns = |at: usize| {
        reader.region(at).is_some()
            || matches!(
                reader.word(at),
                Some(
                    "but"
                        | "however"
                        | "yet"
                        | "so"
                        | "this"
                        | "its"
                        | "it"
                        | "here"
                        | "therefore"
                        | "thus"
                        | "hence"
                )
            )
    };
    let of_a_kind = |at: usize| {
        matches!(
            reader.word(at),
            Some(
                "typical"
                    | "typically"
                    | "usual"
                    | "usually"
                    | "standard"
                    | "average"
                    | "most"
                    | "generally"
                    | "normally"
                    | "often"
                    | "commonly"
            )
        )
    };
    reader.is_said_before(candidate.start, turns, of_a_kind)
}

/// "1 cm per pixel"
fn is_rate(reader: &Reader, candidate: &Candidate) -> bool {
    reader.word(candidate.measure.next) == Some("per")
}

/// "Given that the table is 0.9 m wide", "based on a lane of 3.5 m": what others are reckoned from.
fn is_reckoned_with(reader: &Reader, candidate: &Candidate) -> bool {
    // "compared with the bed, which is 1.6 m wide"
    let is_relative = |at: usize| {
        matches!(
            reader.word(at),
            Some("which" | "who" | "whose" | "that" | "at")
        )
    };
    let turns = |at: usize| {
        matches!(reader.mark(at), Some(':' | '—' | '–' | '→' | '='))
            || reader.mark(at) == Some(',') && !is_relative(at + 1)
            || reader.range(at).is_some()
    };
    let reckons = |at: usize| {
        matches!(
            reader.word(at),
            Some(
                "given"
                    | "considering"
                    | "assuming"
                    | "assume"
                    | "if"
                    | "based"
                    | "using"
                    | "comparing"
                    | "compared"
                    | "comparison"
                    | "reference"
                    | "since"
                    | "because"
                    | "judging"
                    | "taking"
                    | "relative"
                    | "scale"
            )
        )
    };
    reader.is_said_before(candidate.start, turns, reckons)
}

impl Reader<'_> {
    /// Whether words before a token say something, behind what turns its sentence.
    fn is_said_before(
        &self,
        at: usize,
        turns: impl Fn(usize) -> bool,
        says: impl Fn(usize) -> bool,
    ) -> bool {
        let sentence = (self.sentence_start(at)..at).rev();
        sentence.take_while(|at| !turns(*at)).any(says)
    }
}
