//! What an answer states to a question of a known kind: metres, an hour, yes or no, a region. This reads the answers of any
//! model, where [`parse_distance`](super::parse_distance) reads those of one that was trained to answer with a distance.

use super::plain::plain;
use super::reader::Reader;
use super::statement::{Statement, Unread, Wanted};
use super::{choice, hours, lengths, verdict};

/// What an answer states, or why nothing can be read from it. `question` helps where it is known: which region a yes or no is
/// about. Any text is fine; none panics.
///
/// # Errors
/// Why nothing could be read.
pub fn read(answer: &str, wanted: Wanted, question: Option<&str>) -> Result<Statement, Unread> {
    if answer.trim().is_empty() {
        return Err(Unread::Empty);
    }
    let plain_answer = plain(answer);
    let asked = question.map(regions_of).unwrap_or_default();
    let reader = Reader::of(&plain_answer).asked(asked);
    match wanted {
        Wanted::Length(length) => lengths::read(&reader, length).map(Statement::Metres),
        Wanted::Direction => hours::read(&reader).map(Statement::Hours),
        Wanted::YesOrNo(relation) => verdict::yes(&reader, relation).map(Statement::Yes),
        Wanted::Choice(relation) => choice::choice(&reader, relation).map(Statement::Region),
    }
}

/// The regions that a question names, in its order.
fn regions_of(question: &str) -> Vec<u32> {
    let reader = Reader::of(question);
    let regions = reader.regions(0, reader.len());
    regions.into_iter().map(|(region, _)| region).collect()
}
