//! Cuts an answer into numbers, words and marks. What names a region (`[0]`, `<region1>`) is one mark,
//! so that its number cannot be taken for a length.

use std::ops::Range;

/// Stands for a whole region tag; nothing else can be this mark, because it is a digit.
pub(super) const TAG: char = '0';

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Number(Number),
    /// In lower case.
    Word(String),
    Mark(char),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    /// `None` if the digits are no number ("1.2.3").
    pub value: Option<f64>,
    /// Written as a fraction, so that it may follow a whole number.
    pub is_fraction: bool,
    /// Part of a name: "D435".
    pub is_name: bool,
}

#[derive(Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
}

/// Spaces that only stand inside numbers.
const THIN_SPACES: [char; 3] = ['\u{a0}', '\u{2009}', '\u{202f}'];

const VULGAR_FRACTIONS: [(char, f64); 7] = [
    ('½', 0.5),
    ('¼', 0.25),
    ('¾', 0.75),
    ('⅛', 0.125),
    ('⅜', 0.375),
    ('⅝', 0.625),
    ('⅞', 0.875),
];

pub(super) fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut previous = ' ';
    while let Some((rest, first)) = text.get(at..).and_then(|r| Some((r, r.chars().next()?))) {
        let dotted = first == '.' && !previous.is_alphanumeric();
        let is_number = first.is_ascii_digit() || dotted && starts_with_digit(rest.get(1..));
        let vulgar = VULGAR_FRACTIONS.iter().find(|(c, _)| *c == first);
        let (kind, length) = if let Some(length) = tag_length(rest) {
            (Some(Kind::Mark(TAG)), length)
        } else if let Some((_, value)) = vulgar {
            let value = Some(*value);
            let number = Number {
                value,
                is_fraction: true,
                is_name: false,
            };
            (Some(Kind::Number(number)), first.len_utf8())
        } else if is_number {
            let (mut number, length) = number(rest);
            number.is_name =
                (previous.is_alphabetic() || previous == '_') && !continues(&tokens, rest);
            (Some(Kind::Number(number)), length)
        } else if first.is_alphabetic() {
            let length = rest
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default().to_lowercase();
            (Some(Kind::Word(word)), length)
        } else {
            (
                Some(Kind::Mark(first)).filter(|_| !first.is_whitespace()),
                first.len_utf8(),
            )
        };
        let range = at..at + length;
        previous = text
            .get(range.clone())
            .and_then(|t| t.chars().last())
            .unwrap_or(first);
        at = range.end;
        tokens.extend(kind.map(|kind| Token { kind, range }));
    }
    tokens
}

/// "5ft3in", "1m20cm", "1m50": what follows feet or metres right away are their smaller units.
fn continues(tokens: &[Token], rest: &str) -> bool {
    let [.., number, unit] = tokens else {
        return false;
    };
    let Kind::Word(word) = &unit.kind else {
        return false;
    };
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let goes_on = match word.as_str() {
        "ft" | "feet" | "foot" => true,
        "m" => {
            let ends = !behind.starts_with(|c: char| c.is_alphanumeric());
            behind.starts_with("cm") || ends && rest.len() - behind.len() == 2
        }
        _ => false,
    };
    goes_on && matches!(number.kind, Kind::Number(_)) && number.range.end == unit.range.start
}

fn starts_with_digit(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()))
}

/// The length of `[12]` or `<region12>` at the beginning of a text.
fn tag_length(text: &str) -> Option<usize> {
    let (opening, closing) = if text.starts_with('[') {
        ("[", ']')
    } else {
        ("<region", '>')
    };
    let inside = text.strip_prefix(opening)?;
    let digits = digits_length(inside);
    let closed = digits > 0 && inside.get(digits..)?.starts_with(closing);
    closed.then_some(opening.len() + digits + closing.len_utf8())
}

fn digits_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len())
}

/// The number at the beginning of a text and its length, which is never 0.
fn number(text: &str) -> (Number, usize) {
    let mut length = digits_length(text);
    while let Some(rest) = text.get(length..) {
        let mut chars = rest.chars();
        let separator = chars
            .next()
            .filter(|c| ['.', ','].contains(c) || THIN_SPACES.contains(c));
        let digits = digits_length(chars.as_str());
        match separator {
            Some(separator) if digits > 0 => length += separator.len_utf8() + digits,
            _ => break,
        }
    }
    let mut value = text.get(..length).and_then(decimal);
    let rest = text.get(length..).unwrap_or_default();
    if let Some(digits) = rest
        .strip_prefix('/')
        .map(digits_length)
        .filter(|digits| *digits > 0)
    {
        let divisor: Option<f64> = rest.get(1..1 + digits).and_then(|d| d.parse().ok());
        value = value.zip(divisor).map(|(value, divisor)| value / divisor);
        return (
            Number {
                value,
                is_fraction: true,
                is_name: false,
            },
            length + 1 + digits,
        );
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let digits = exponent.get(sign..).map_or(0, digits_length);
        if digits > 0 {
            let power = exponent
                .get(..sign + digits)
                .and_then(|e| e.parse::<i32>().ok());
            value = value
                .zip(power)
                .map(|(value, power)| value * 10f64.powi(power));
            length += 1 + sign + digits;
        }
    }
    (
        Number {
            value,
            is_fraction: false,
            is_name: false,
        },
        length,
    )
}

/// Digits with separators as a number: `1,234.5`, `0,85`, `1.5`.
fn decimal(text: &str) -> Option<f64> {
    let is_separator = |c: char| c == ',' || THIN_SPACES.contains(&c);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let groups: Vec<&str> = whole.split(is_separator).collect();
    let (first, others) = groups.split_first()?;
    let grouped = (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && others.iter().all(|group| group.len() == 3);
    // One comma that does not set off thousands is a decimal one.
    if let ([decimals], false, "", true) = (others, grouped, fraction, whole.contains(',')) {
        return format!("{first}.{decimals}").parse().ok();
    }
    if !others.is_empty() && !grouped {
        return None;
    }
    format!("0{}.{fraction}0", groups.concat()).parse().ok()
}
