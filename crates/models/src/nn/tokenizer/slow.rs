//! The tokenizer of the LLaMA-2 variants: a sentencepiece model with tokens added around it, in
//! transformers' newer ("legacy=False") manner, in which the published variants were trained.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::files::{AddedToken, Settings};
use super::sentencepiece::{PieceKind, SPACE_SYMBOL, SentencePiece};

/// A model with the tokens added around it.
pub(super) struct SlowTokenizer {
    model: SentencePiece,
    /// Cut out of a text first; the longest first.
    added: Vec<(i64, AddedToken)>,
    added_by_id: HashMap<i64, String>,
    special_ids: HashSet<i64>,
    /// Before and after every piece of a prompt.
    before: Option<i64>,
    after: Option<i64>,
    /// A lone space: the prefix of a text that begins with a special token.
    space: Option<i64>,
    length: usize,
}

/// A stretch of a text, or an added token in it.
enum Segment<'a> {
    Text(&'a str),
    Token(i64),
}

impl SlowTokenizer {
    /// Joins a model with what the files beside it add. A special token without an id gets the next
    /// free one, as in the original.
    ///
    /// # Errors
    /// A sentence that names the token whose id cannot be.
    pub(super) fn new(model: SentencePiece, settings: &Settings) -> Result<Self, String> {
        let (bos, eos) = (named(&settings.bos, "<s>"), named(&settings.eos, "</s>"));
        let mut ids: HashMap<String, i64> = HashMap::new();
        let mut added: Vec<(i64, AddedToken)> = Vec::new();
        for (id, token) in &settings.added {
            check_id(&model, *id, &token.content)?;
            ids.insert(token.content.clone(), *id);
            added.push((*id, token.clone()));
        }
        let beyond = added
            .iter()
            .filter(|(id, _)| !is_piece(&model, *id))
            .count();
        let mut length = model.len() + beyond;
        for token in special_tokens(settings, [bos, eos]) {
            if ids.contains_key(&token.content) {
                continue;
            }
            let id = model.id_of(&token.content).unwrap_or_else(|| {
                length += 1;
                length - 1
            });
            let id = i64::try_from(id).map_err(|error| error.to_string())?;
            ids.insert(token.content.clone(), id);
            added.push((id, token));
        }
        added.sort_by_key(|(_, token)| Reverse(token.content.len()));
        Ok(Self {
            before: ids
                .get(bos)
                .copied()
                .filter(|_| settings.add_bos.unwrap_or(true)),
            after: ids
                .get(eos)
                .copied()
                .filter(|_| settings.add_eos.unwrap_or(false)),
            space: model.id_of("▁").and_then(|id| i64::try_from(id).ok()),
            special_ids: added
                .iter()
                .filter(|(_, t)| t.special)
                .map(|(id, _)| *id)
                .collect(),
            added_by_id: added
                .iter()
                .map(|(id, t)| (*id, t.content.clone()))
                .collect(),
            added,
            model,
            length,
        })
    }

    /// The number of tokens, added ones included.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The id of the token with exactly this text.
    pub(super) fn id_of(&self, token: &str) -> Option<i64> {
        let added = self.added.iter().find(|(_, added)| added.content == token);
        let model = || {
            self.model
                .id_of(token)
                .and_then(|id| i64::try_from(id).ok())
        };
        added.map(|(id, _)| *id).or_else(model)
    }

    /// The ids of a text, with what begins and ends it.
    pub(super) fn encode(&self, text: &str) -> Vec<i64> {
        let mut ids = Vec::new();
        if !text.is_empty() {
            // A text's own space symbols count as spaces; the first one is the prefix.
            let text = format!("{SPACE_SYMBOL}{}", text.replace(SPACE_SYMBOL, " "));
            for segment in self.segments(&text) {
                match segment {
                    Segment::Token(id) => ids.push(id),
                    Segment::Text(text) => {
                        let pieces = self.model.encode(text).into_iter();
                        ids.extend(pieces.filter_map(|id| i64::try_from(id).ok()));
                    }
                }
            }
            if let [first, second, ..] = ids[..]
                && Some(first) == self.space
                && self.special_ids.contains(&second)
            {
                ids.remove(0);
            }
        }
        self.before
            .into_iter()
            .chain(ids)
            .chain(self.after)
            .collect()
    }

    /// Cuts the added tokens out of a text: from the left, and the longest where several begin.
    fn segments<'a>(&self, text: &'a str) -> Vec<Segment<'a>> {
        let mut segments = Vec::new();
        let (mut start, mut at) = (0, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let starts = |(_, token): &&(i64, AddedToken)| rest.starts_with(&token.content);
            let Some((id, token)) = self.added.iter().find(starts) else {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let mut before = text.get(start..at).unwrap_or_default();
            if token.lstrip {
                before = before.trim_end();
            }
            if !before.is_empty() {
                segments.push(Segment::Text(before));
            }
            segments.push(Segment::Token(*id));
            at += token.content.len();
            if token.rstrip {
                let rest = text.get(at..).unwrap_or_default();
                at += rest.len() - rest.trim_start().len();
            }
            start = at;
        }
        let rest = text.get(start..).filter(|rest| !rest.is_empty());
        segments.extend(rest.map(Segment::Text));
        segments
    }

    /// The text of ids without the special ones; an added token that is not special stands between
    /// spaces.
    ///
    /// # Errors
    /// The id that no token has.
    pub(super) fn decode(&self, ids: &[i64]) -> Result<String, i64> {
        let mut parts: Vec<String> = Vec::new();
        let mut pieces = Vec::new();
        for id in ids.iter().filter(|id| !self.special_ids.contains(id)) {
            if let Some(token) = self.added_by_id.get(id) {
                let text = self.join(&std::mem::take(&mut pieces));
                parts.extend(Some(text).filter(|text| !text.is_empty()));
                parts.push(token.clone());
                continue;
            }
            let piece = usize::try_from(*id)
                .ok()
                .and_then(|id| self.model.piece(id));
            pieces.push(piece.ok_or(*id)?);
        }
        if !pieces.is_empty() {
            parts.push(self.join(&pieces));
        }
        Ok(parts.join(" "))
    }

    /// The text of pieces, the first of which may carry the space that encoding put before it.
    fn join(&self, pieces: &[(&str, PieceKind)]) -> String {
        let mut text = String::new();
        let mut bytes = Vec::new();
        for (index, (piece, kind)) in pieces.iter().enumerate() {
            if let PieceKind::Byte(byte) = kind {
                bytes.push(*byte);
                continue;
            }
            push_bytes(&mut text, &std::mem::take(&mut bytes));
            match kind {
                PieceKind::Control => {}
                PieceKind::Unknown => text.push_str(" ⁇ "),
                _ => {
                    let prefixed = piece.strip_prefix(SPACE_SYMBOL).filter(|_| index == 0);
                    text.push_str(&prefixed.unwrap_or(piece).replace(SPACE_SYMBOL, " "));
                }
            }
        }
        push_bytes(&mut text, &bytes);
        text
    }
}

/// What a token with a role is called: its own name, or LLaMA's where the files have none.
fn named<'a>(name: &'a Option<String>, default: &'a str) -> &'a str {
    name.as_deref().unwrap_or(default)
}

/// The tokens with a role, those of LLaMA's class among them.
fn special_tokens(settings: &Settings, [bos, eos]: [&str; 2]) -> Vec<AddedToken> {
    let mut special: Vec<AddedToken> = settings.special.clone();
    for content in [bos, eos, named(&settings.unknown, "<unk>")] {
        if !special.iter().any(|token| token.content == content) {
            special.push(AddedToken {
                content: content.to_owned(),
                special: true,
                ..AddedToken::default()
            });
        }
    }
    special
}

fn is_piece(model: &SentencePiece, id: i64) -> bool {
    usize::try_from(id).is_ok_and(|id| id < model.len())
}

/// An added token is either new or names the piece that it has been all along.
fn check_id(model: &SentencePiece, id: i64, content: &str) -> Result<(), String> {
    let piece = usize::try_from(id).ok().and_then(|id| model.piece(id));
    match piece {
        Some((text, _)) if text != content => Err(format!(
            "the added token '{content}' has the id {id}, which in the model is '{text}'"
        )),
        _ => Ok(()),
    }
}

/// Appends bytes as text. A byte that is not part of a character becomes a replacement character of
/// its own, which is sentencepiece's way and differs from the usual lossy conversion.
fn push_bytes(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}
