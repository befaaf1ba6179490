//! Text to token ids and back, as the checkpoint's own tokenizer does it: a fast `tokenizer.json`, or
//! the sentencepiece `tokenizer.model` of the LLaMA-2 variants with the tokens added beside it; and, of phrases to token ids,
//! CLIP's.

mod clip;
mod files;
mod protobuf;
mod sentencepiece;
mod slow;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::{Path, PathBuf};

use files::{AddedToken, Settings};
use sentencepiece::SentencePiece;
use slow::SlowTokenizer;

pub use clip::{ClipTokenizer, Phrase};

use crate::error::{Error, Result};
use spatial_reward_core::prompt::format::{DEPTH, IMAGE, MASK};

/// Stands for the image among a prompt's ids; no tokenizer has it.
pub const IMAGE_TOKEN: i64 = -200;

/// Spaces before punctuation and contractions that cleaning up removes; in this order, each over the
/// whole text.
const CLEANED: [(&str, &str); 10] = [
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
];

enum Backend {
    Fast(Box<tokenizers::Tokenizer>),
    Slow(Box<SlowTokenizer>),
}

/// A checkpoint's tokenizer.
pub struct Tokenizer {
    backend: Backend,
    /// The file it came from, for errors.
    path: PathBuf,
    bos: Option<i64>,
    clean_up_spaces: bool,
}

impl Tokenizer {
    /// Loads the tokenizer of a checkpoint's folder `llm`. Which one counts where there are two is the
    /// original's choice: `tokenizer.json` if `tokenizer_config.json` names a fast class, else
    /// `tokenizer.model`.
    ///
    /// # Errors
    /// `Error::Io`, or `Error::Tokenizer` with the file (or the folder that has none) and what is wrong.
    pub fn load(llm_folder: &Path) -> Result<Self> {
        let settings = Settings::read(llm_folder)?;
        let class = settings.class.as_deref().unwrap_or_default();
        let (fast, slow) = (
            llm_folder.join("tokenizer.json"),
            llm_folder.join("tokenizer.model"),
        );
        let (backend, path) = match (fast.is_file(), slow.is_file()) {
            (true, slow_too) if class.ends_with("Fast") || !slow_too => {
                (Backend::Fast(Box::new(load_fast(&fast, &settings)?)), fast)
            }
            (_, true) => (Backend::Slow(Box::new(load_slow(&slow, &settings)?)), slow),
            _ => {
                return Err(Error::Tokenizer {
                    path: llm_folder.to_path_buf(),
                    message: "the folder has neither tokenizer.json nor tokenizer.model".into(),
                });
            }
        };
        let default_bos = matches!(backend, Backend::Slow(_)).then(|| "<s>".to_string());
        // LLaMA's classes leave spaces as they are unless told otherwise, all others clean them up.
        let clean_up_spaces = !class.starts_with("Llama") && !matches!(backend, Backend::Slow(_));
        let mut tokenizer = Self {
            backend,
            path,
            bos: None,
            clean_up_spaces: settings.clean_up_spaces.unwrap_or(clean_up_spaces),
        };
        if let Some(bos) = settings.bos.or(default_bos) {
            let id = tokenizer.id_of(&bos);
            tokenizer.bos = Some(id.ok_or_else(|| tokenizer.lacks(&bos))?);
        }
        Ok(tokenizer)
    }

    /// The number of tokens, added ones included: the rows of the checkpoint's embedding table.
    pub fn len(&self) -> usize {
        match &self.backend {
            Backend::Fast(fast) => fast.get_vocab_size(true),
            Backend::Slow(slow) => slow.len(),
        }
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token that begins a text, if this tokenizer has one.
    pub fn bos_id(&self) -> Option<i64> {
        self.bos
    }

    /// The id of the token with exactly this text.
    pub fn id_of(&self, token: &str) -> Option<i64> {
        match &self.backend {
            Backend::Fast(fast) => fast.token_to_id(token).map(i64::from),
            Backend::Slow(slow) => slow.id_of(token),
        }
    }

    /// The token that a region's colour features replace.
    ///
    /// # Errors
    /// `Error::Tokenizer` if there is none: the checkpoint is no region model.
    pub fn mask_id(&self) -> Result<i64> {
        self.id_of(MASK).ok_or_else(|| self.lacks(MASK))
    }

    /// The token that a region's depth features replace. Only prompts with depth need it.
    ///
    /// # Errors
    /// `Error::Tokenizer` if there is none: the checkpoint looks at colour only.
    pub fn depth_id(&self) -> Result<i64> {
        self.id_of(DEPTH).ok_or_else(|| self.lacks(DEPTH))
    }

    /// The ids of a text, with the token that begins a text before them if the checkpoint's tokenizer
    /// puts one there.
    ///
    /// # Errors
    /// `Error::Tokenizer` if a `tokenizer.json` has rules that this text trips over.
    pub fn encode(&self, piece: &str) -> Result<Vec<i64>> {
        match &self.backend {
            Backend::Fast(fast) => {
                let encoding = fast.encode(piece, true);
                let encoding = encoding.map_err(|error| self.error(error.to_string()))?;
                Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
            }
            Backend::Slow(slow) => Ok(slow.encode(piece)),
        }
    }

    /// The ids of a prompt, with [`IMAGE_TOKEN`] where it has `<image>`. What stands around the images
    /// is encoded piece by piece, each with its own beginning, and only the first beginning stays: the
    /// model was trained on the very ids that come of that.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_prompt(&self, prompt: &str) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        let mut beginning = None;
        for (index, piece) in prompt.split(IMAGE).enumerate() {
            let piece_ids = self.encode(piece)?;
            if index == 0 {
                beginning = piece_ids
                    .first()
                    .copied()
                    .filter(|first| Some(*first) == self.bos);
                ids.extend(beginning);
            } else {
                ids.push(IMAGE_TOKEN);
            }
            ids.extend(piece_ids.into_iter().skip(usize::from(beginning.is_some())));
        }
        Ok(ids)
    }

    /// The text of ids, without special tokens.
    ///
    /// # Errors
    /// `Error::Tokenizer` with an id that no token has.
    pub fn decode(&self, ids: &[i64]) -> Result<String> {
        let text = match &self.backend {
            Backend::Fast(fast) => {
                let ids: Vec<u32> = ids
                    .iter()
                    .map(|id| {
                        let id_32 = u32::try_from(*id).ok();
                        let known = id_32.filter(|id| fast.id_to_token(*id).is_some());
                        known.ok_or_else(|| self.no_token(*id))
                    })
                    .collect::<Result<_>>()?;
                let text = fast.decode(&ids, true);
                text.map_err(|error| self.error(error.to_string()))?
            }
            Backend::Slow(slow) => slow.decode(ids).map_err(|id| self.no_token(id))?,
        };
        if !self.clean_up_spaces {
            return Ok(text);
        }
        Ok(CLEANED
            .iter()
            .fold(text, |text, (from, to)| text.replace(from, to)))
    }

    /// The text of ids as [`Tokenizer::decode`] gives it, and for each id its byte range in there:
    /// disjoint, in order, together the whole text, each a valid slice. Special tokens have an empty
    /// range; a character made by several tokens belongs to the one that completes it.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_spans(&self, ids: &[i64]) -> Result<(String, Vec<Range<usize>>)> {
        let text = self.decode(ids)?;
        let mut spans = Vec::with_capacity(ids.len());
        let mut start = 0;
        for count in 1..=ids.len() {
            // What the first tokens say for good: later ones may still complete a character or take
            // a space away.
            let so_far = self.decode(ids.get(..count).unwrap_or_default())?;
            let end = common_prefix(&text, &so_far).max(start);
            spans.push(start..end);
            start = end;
        }
        Ok((text, spans))
    }

    fn error(&self, message: String) -> Error {
        Error::Tokenizer {
            path: self.path.clone(),
            message,
        }
    }

    fn lacks(&self, token: &str) -> Error {
        self.error(format!(
            "it has no token {token}, nor do the files beside it add one"
        ))
    }

    fn no_token(&self, id: i64) -> Error {
        self.error(format!(
            "no token has the id {id}; the tokenizer has {}",
            self.len()
        ))
    }
}

/// The length in bytes of the longest common beginning of whole characters.
fn common_prefix(text: &str, other: &str) -> usize {
    let differs = text
        .char_indices()
        .zip(other.chars())
        .find(|((_, a), b)| a != b);
    differs.map_or(text.len().min(other.len()), |((at, _), _)| at)
}

fn load_slow(path: &Path, settings: &Settings) -> Result<SlowTokenizer> {
    let broken = |message| Error::Tokenizer {
        path: path.to_path_buf(),
        message,
    };
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let model = SentencePiece::parse(&bytes).map_err(broken)?;
    SlowTokenizer::new(model, settings).map_err(broken)
}

/// Loads a `tokenizer.json` and adds the tokens that only the files beside it have.
fn load_fast(path: &Path, settings: &Settings) -> Result<tokenizers::Tokenizer> {
    let broken = |message: String| Error::Tokenizer {
        path: path.to_path_buf(),
        message,
    };
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let parsed = tokenizers::Tokenizer::from_bytes(&bytes);
    let mut fast = parsed.map_err(|error| broken(error.to_string()))?;
    // The file may say how its training batches were cut and filled; a prompt is never either.
    fast.with_truncation(None)
        .map_err(|error| broken(error.to_string()))?;
    fast.with_padding(None);
    for (id, token) in &settings.added {
        if fast.token_to_id(&token.content).is_none() {
            fast.add_tokens([token.to_fast()])
                .map_err(|error| broken(error.to_string()))?;
        }
        let found = fast.token_to_id(&token.content).map(i64::from);
        if found != Some(*id) {
            return Err(broken(format!(
                "'{}' has the id {} here, but {id} in the files beside it",
                token.content,
                found.unwrap_or(-1)
            )));
        }
    }
    let special = settings
        .special
        .iter()
        .filter(|s| fast.token_to_id(&s.content).is_some());
    let special: Vec<_> = special.map(AddedToken::to_fast).collect();
    let known = fast.get_added_tokens_decoder();
    let new = special
        .into_iter()
        .filter(|s| !known.values().any(|k| k.content == s.content));
    let new: Vec<_> = new.collect();
    fast.add_special_tokens(new)
        .map_err(|error| broken(error.to_string()))?;
    Ok(fast)
}
