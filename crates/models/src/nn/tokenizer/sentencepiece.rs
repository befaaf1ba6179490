//! A sentencepiece model of type BPE (`tokenizer.model`): its pieces, and how text falls into them.
//! Merging is by score with the leftmost pair first among equals, as in sentencepiece itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use super::protobuf::{Fields, Value};

/// Stands for a space inside pieces.
pub(super) const SPACE_SYMBOL: char = '▁';

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PieceKind {
    /// Text as it was learned.
    Normal,
    /// Stands for what no piece covers.
    Unknown,
    /// Has an id but no text: `<s>`, `</s>`.
    Control,
    /// Text that is kept whole wherever it stands.
    UserDefined,
    /// Helps to build longer pieces and is never given out.
    Unused,
    /// A byte of a character that has no piece.
    Byte(u8),
}

#[derive(Debug)]
struct Piece {
    text: String,
    score: f32,
    kind: PieceKind,
}

/// A model's pieces.
pub(super) struct SentencePiece {
    pieces: Vec<Piece>,
    /// Pieces that text can become.
    by_text: HashMap<String, usize>,
    /// Pieces that only ids or other programs name: control, unknown, bytes.
    reserved: HashMap<String, usize>,
    /// Kept whole wherever they stand in a text, the longest first.
    user_defined: Vec<String>,
    bytes: Option<Box<[usize; 256]>>,
    unknown: usize,
}

/// One symbol of a text that is being merged; an emptied range has gone into its left neighbour.
struct Symbol {
    range: Range<usize>,
    previous: Option<usize>,
    next: Option<usize>,
    frozen: bool,
}

/// Two neighbours that a piece could replace; the order is that of their turns.
#[derive(PartialEq)]
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_place = Reverse(self.left).cmp(&Reverse(other.left));
        self.score.total_cmp(&other.score).then(by_place)
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl SentencePiece {
    /// Reads a serialised `ModelProto`.
    ///
    /// # Errors
    /// A sentence that says what is wrong: bytes that are no such message, a model that is not BPE,
    /// or one that rewrites its text before splitting it (LLaMA's do not).
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let broken = |()| "it is no sentencepiece model, or a cut one".to_string();
        let mut pieces = Vec::new();
        let mut is_bpe = false;
        for field in Fields::of(bytes) {
            match field.map_err(broken)? {
                (1, Value::Bytes(piece)) => pieces.push(parse_piece(piece)?),
                (2, Value::Bytes(trainer)) => is_bpe |= find(trainer, 3)? == Some(2),
                (3, Value::Bytes(normalizer)) => check_normalizer(normalizer)?,
                _ => {}
            }
        }
        if pieces.is_empty() {
            return Err("it is no sentencepiece model: it has no pieces".into());
        }
        if !is_bpe {
            return Err(
                "it is a sentencepiece model of another type than BPE, which LLaMA's are".into(),
            );
        }
        Self::index(pieces)
    }

    fn index(pieces: Vec<Piece>) -> Result<Self, String> {
        let mut by_text = HashMap::with_capacity(pieces.len());
        let mut reserved = HashMap::new();
        let mut user_defined = Vec::new();
        let mut byte_ids = [None; 256];
        for (id, piece) in pieces.iter().enumerate() {
            let map = match piece.kind {
                PieceKind::Normal | PieceKind::Unused => &mut by_text,
                PieceKind::UserDefined => {
                    user_defined.push(piece.text.clone());
                    &mut by_text
                }
                PieceKind::Byte(value) => {
                    byte_ids[usize::from(value)] = Some(id);
                    &mut reserved
                }
                PieceKind::Unknown | PieceKind::Control => &mut reserved,
            };
            if map.insert(piece.text.clone(), id).is_some() {
                return Err(format!("it has the piece '{}' twice", piece.text));
            }
        }
        let unknown = pieces.iter().position(|p| p.kind == PieceKind::Unknown);
        let unknown = unknown.ok_or("it has no piece for what is unknown")?;
        user_defined.sort_by_key(|text| Reverse(text.len()));
        let bytes: Option<Vec<usize>> = byte_ids.into_iter().collect();
        Ok(Self {
            pieces,
            by_text,
            reserved,
            user_defined,
            bytes: bytes.and_then(|ids| ids.try_into().ok().map(Box::new)),
            unknown,
        })
    }

    /// The number of pieces.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The id of the piece with exactly this text.
    pub(super) fn id_of(&self, text: &str) -> Option<usize> {
        let reserved = self.reserved.get(text);
        reserved.or_else(|| self.by_text.get(text)).copied()
    }

    /// The text and the kind of a piece.
    pub(super) fn piece(&self, id: usize) -> Option<(&str, PieceKind)> {
        let piece = self.pieces.get(id)?;
        Some((&piece.text, piece.kind))
    }

    /// The ids of a text, without a space before it. What no piece covers becomes its bytes, or the
    /// unknown piece (once for a run of them) where the model has no pieces for bytes.
    pub(super) fn encode(&self, text: &str) -> Vec<usize> {
        let text = text.replace(' ', SPACE_SYMBOL.encode_utf8(&mut [0; 4]));
        let mut ids = Vec::new();
        let mut after_unknown = false;
        for range in self.merge(&text) {
            let piece = text.get(range).unwrap_or_default();
            let id = self.id_of(piece).filter(|id| *id != self.unknown);
            match (id, &self.bytes) {
                (Some(id), _) => ids.push(id),
                (None, Some(bytes)) => ids.extend(piece.bytes().map(|b| bytes[usize::from(b)])),
                (None, None) if after_unknown => {}
                (None, None) => ids.push(self.unknown),
            }
            after_unknown = id.is_none();
        }
        ids
    }

    /// Where the pieces of a text begin and end.
    fn merge(&self, text: &str) -> Vec<Range<usize>> {
        let mut symbols = self.symbols(text);
        let mut agenda = BinaryHeap::new();
        let mut parts = HashMap::new();
        for right in 1..symbols.len() {
            self.propose(
                text,
                &symbols,
                Some(right - 1),
                Some(right),
                &mut agenda,
                &mut parts,
            );
        }
        while let Some(candidate) = agenda.pop() {
            let Candidate {
                left,
                right,
                length,
                ..
            } = candidate;
            let (l, r) = (symbols[left].range.clone(), symbols[right].range.clone());
            // One of the two has been merged into something else since.
            if l.is_empty() || r.is_empty() || l.len() + r.len() != length {
                continue;
            }
            let next = symbols[right].next;
            symbols[left].range = l.start..r.end;
            symbols[left].next = next;
            symbols[right].range = r.end..r.end;
            if let Some(next) = next {
                symbols[next].previous = Some(left);
            }
            let previous = symbols[left].previous;
            self.propose(
                text,
                &symbols,
                previous,
                Some(left),
                &mut agenda,
                &mut parts,
            );
            self.propose(text, &symbols, Some(left), next, &mut agenda, &mut parts);
        }
        let mut ranges = Vec::new();
        for symbol in symbols.into_iter().filter(|s| !s.range.is_empty()) {
            self.split_unused(text, symbol.range, &parts, &mut ranges);
        }
        ranges
    }

    /// One symbol a character, or a user's piece.
    fn symbols(&self, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::new();
        let mut start = 0;
        while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            let user = self
                .user_defined
                .iter()
                .find(|piece| rest.starts_with(piece.as_str()));
            let length = match user {
                Some(piece) => piece.len(),
                None => rest.chars().next().map_or(1, char::len_utf8),
            };
            let index = symbols.len();
            if let Some(last) = symbols.last_mut() {
                last.next = Some(index);
            }
            symbols.push(Symbol {
                range: start..start + length,
                previous: index.checked_sub(1),
                next: None,
                frozen: user.is_some(),
            });
            start += length;
        }
        symbols
    }

    /// Puts two neighbours on the agenda if together they are a piece, and notes of an unused piece
    /// where it would have to be split again.
    fn propose(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: Option<usize>,
        right: Option<usize>,
        agenda: &mut BinaryHeap<Candidate>,
        parts: &mut HashMap<String, usize>,
    ) {
        let (Some(left), Some(right)) = (left, right) else {
            return;
        };
        let (l, r) = (&symbols[left], &symbols[right]);
        if l.frozen || r.frozen {
            return;
        }
        let Some(joined) = text.get(l.range.start..r.range.end) else {
            return;
        };
        let Some(piece) = self.by_text.get(joined).map(|id| &self.pieces[*id]) else {
            return;
        };
        let length = joined.len();
        agenda.push(Candidate {
            score: piece.score,
            left,
            right,
            length,
        });
        if piece.kind == PieceKind::Unused {
            parts.insert(joined.to_string(), l.range.len());
        }
    }

    /// An unused piece helps to build longer ones but is never given out: it falls apart again.
    fn split_unused(
        &self,
        text: &str,
        range: Range<usize>,
        parts: &HashMap<String, usize>,
        ranges: &mut Vec<Range<usize>>,
    ) {
        let mut waiting = vec![range];
        while let Some(range) = waiting.pop() {
            let piece = text.get(range.clone()).unwrap_or_default();
            let id = self.by_text.get(piece);
            let unused = id.is_some_and(|id| self.pieces[*id].kind == PieceKind::Unused);
            match parts.get(piece).filter(|_| unused) {
                Some(left) => {
                    let middle = range.start + left;
                    waiting.extend([middle..range.end, range.start..middle]);
                }
                None => ranges.push(range),
            }
        }
    }
}

fn parse_piece(message: &[u8]) -> Result<Piece, String> {
    let (mut text, mut score, mut kind) = (None, 0.0, 1);
    for field in Fields::of(message) {
        match field.map_err(|()| "a piece of it is broken".to_string())? {
            (1, Value::Bytes(bytes)) => text = std::str::from_utf8(bytes).ok(),
            (2, Value::Fixed32(bytes)) => score = f32::from_le_bytes(bytes),
            (3, Value::Varint(value)) => kind = value,
            _ => {}
        }
    }
    let text = text.filter(|text| !text.is_empty());
    let text = text.ok_or("a piece of it has no text")?.to_string();
    let kind = match kind {
        1 => PieceKind::Normal,
        2 => PieceKind::Unknown,
        3 => PieceKind::Control,
        4 => PieceKind::UserDefined,
        5 => PieceKind::Unused,
        6 => {
            let digits = text.strip_prefix("<0x").and_then(|t| t.strip_suffix('>'));
            let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            PieceKind::Byte(value.ok_or_else(|| format!("its piece '{text}' names no byte"))?)
        }
        other => return Err(format!("its piece '{text}' is of the unknown type {other}")),
    };
    Ok(Piece { text, score, kind })
}

/// LLaMA's models leave their text alone; one that does not would silently give other ids here.
fn check_normalizer(message: &[u8]) -> Result<(), String> {
    let charsmap = Fields::of(message)
        .any(|field| matches!(field, Ok((2, Value::Bytes(map))) if !map.is_empty()));
    // The two flags are true unless they are written down as false.
    let removes_spaces = find(message, 4)? != Some(0);
    let escapes_spaces = find(message, 5)? != Some(0);
    if charsmap || removes_spaces || !escapes_spaces {
        return Err("its normalizer rewrites the text; only the identity of LLaMA's models, which keeps all spaces, is supported".into());
    }
    Ok(())
}

/// The number in a field of a message.
fn find(message: &[u8], number: u64) -> Result<Option<u64>, String> {
    let mut found = None;
    for field in Fields::of(message) {
        match field.map_err(|()| "its settings are broken")? {
            (at, Value::Varint(value)) if at == number => found = Some(value),
            _ => {}
        }
    }
    Ok(found)
}
