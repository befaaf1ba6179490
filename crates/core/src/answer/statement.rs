//! What can be asked for, what an answer can state to it, and why nothing could be read.

/// A length that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// Between two things.
    Distance,
    /// Between two things as seen from above.
    HorizontalDistance,
    /// Between the heights of two things.
    VerticalDistance,
    /// Of one thing.
    Width,
    /// Of one thing.
    Height,
}

/// What one thing is to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "they are the words themselves")]
pub enum Relation {
    Left,
    Right,
    Above,
    Below,
    Tall,
    Short,
    Wide,
    Thin,
    Big,
    Small,
    Behind,
    Front,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// A length.
    Length(Length),
    /// The hour of the clock at which one thing is for another.
    Direction,
    /// Whether the first thing is that to the second.
    YesOrNo(Relation),
    /// Which of two things is that to the other.
    Choice(Relation),
}

/// What an answer states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statement {
    /// A length in metres, from 0 to 1000.
    Metres(f64),
    /// An hour of the clock, from 1 to below 13.
    Hours(f64),
    /// Yes (`true`) or no.
    Yes(bool),
    /// The number by which the answer names a region.
    Region(u32),
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is empty.
    #[error("the answer is empty")]
    Empty,
    /// Nothing is counted or measured.
    #[error("no number")]
    NoNumber,
    /// Nobody knows of what.
    #[error("a number without a unit")]
    NoUnit,
    /// One that is not read.
    #[error("a number in {0}, which are not read")]
    OtherUnit(String),
    /// No length is.
    #[error("the length is negative")]
    Negative,
    /// Over a kilometre.
    #[error("no length of things in a picture")]
    Implausible,
    /// It says that it does not know.
    #[error("the answer refuses")]
    Refusal,
    /// None is said, or none that is one.
    #[error("no hour of the clock")]
    NoHour,
    /// Beyond twelve.
    #[error("an hour that no clock has")]
    NoHourOfTheClock,
    /// One of them may be it.
    #[error("several numbers, of which none is said to be the answer")]
    SeveralNumbers,
    /// Neither is said.
    #[error("neither yes nor no")]
    NoYesOrNo,
    /// Both are said.
    #[error("both yes and no")]
    YesAndNo,
    /// They are said to be alike, or it is left open.
    #[error("the answer prefers neither")]
    Neither,
    /// None is named.
    #[error("no region is named")]
    NoRegion,
    /// None of them is preferred.
    #[error("several regions are named, and none is preferred")]
    SeveralRegions,
}
