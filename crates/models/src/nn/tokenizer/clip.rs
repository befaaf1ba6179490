//! CLIP's tokenizer, for phrases: byte pairs within words of lower-case letters, of single digits and of other characters,
//! between a token that begins a phrase and one that ends it. From `tokenizer.json`, or from `vocab.json` and `merges.txt`;
//! as transformers does, only the vocabulary and the merges are taken from a file, and the rules are the class's own.
//!
//! In transformers 5.24.0: models/clip/tokenization_clip.py, 53-125, and tokenization_utils_tokenizers.py, 105-199.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::files::{AddedToken, Settings, read_json};
use crate::error::{Error, Result};

const BEGINNING: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Words, and what counts as one: CLIP's.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// CLIP's tokenizer.
pub struct ClipTokenizer {
    fast: tokenizers::Tokenizer,
    beginning: i64,
    end: i64,
    pad: i64,
    longest: usize,
    path: PathBuf,
}

/// A phrase as its network takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// The tokens, filled up.
    pub ids: Vec<i64>,
    /// How many of them the phrase has itself.
    pub tokens: usize,
}

impl ClipTokenizer {
    /// Loads the tokenizer of a folder, of a network that has embeddings of `vocabulary` tokens.
    ///
    /// # Errors
    /// `Error::Io`, or `Error::Tokenizer` with the file (or the folder that has none) and what is wrong.
    pub fn load(folder: &Path, vocabulary: i64) -> Result<Self> {
        let settings = Settings::read(folder)?;
        let stored = Stored::read(folder)?;
        let name = |named: &Option<String>, usual: &str| named.clone().unwrap_or(usual.to_owned());
        let (beginning, end) = (name(&settings.bos, BEGINNING), name(&settings.eos, END));
        let pad = name(&settings.pad, END);
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| Error::Tokenizer {
            path: stored.path.clone(),
            message: error.to_string(),
        };
        let rules = stored.rules(&name(&settings.unknown, END)).to_string();
        let mut fast = tokenizers::Tokenizer::from_bytes(rules).map_err(broken)?;
        let named = [&beginning, &end, &pad].map(|content| AddedToken {
            content: content.clone(),
            special: true,
            ..AddedToken::default()
        });
        let of_settings = settings.added.into_values().chain(settings.special);
        let added = stored.added_tokens.into_iter().chain(of_settings);
        for token in added.chain(named) {
            let known = fast.get_added_tokens_decoder();
            if !known.values().any(|known| known.content == token.content) {
                fast.add_tokens([token.to_fast()]).map_err(broken)?;
            }
        }
        let id = |token: &str| match fast.token_to_id(token).map(i64::from) {
            Some(id) if id < vocabulary => Ok(id),
            Some(id) => Err(format!(
                "the token {token} has the id {id}, but the network has embeddings of {vocabulary} tokens"
            )),
            None => Err(format!("it has no token {token}")),
        };
        let id = |token: &str| {
            id(token).map_err(|message| Error::Tokenizer {
                path: stored.path.clone(),
                message,
            })
        };
        let (beginning, end, pad) = (id(&beginning)?, id(&end)?, id(&pad)?);
        let longest = settings.longest.unwrap_or_default();
        Ok(Self {
            beginning,
            end,
            pad,
            longest,
            path: stored.path,
            fast,
        })
    }

    /// The tokens of phrases, all filled up to the same number: the tokenizer's own, or that of the longest.
    ///
    /// # Errors
    /// `Error::LongPhrase` for one of more than `most` tokens, its beginning and end among them.
    pub fn encode(&self, phrases: &[String], most: usize) -> Result<Vec<Phrase>> {
        let encoded = phrases.iter().map(|phrase| self.encode_one(phrase, most));
        let mut encoded = encoded.collect::<Result<Vec<_>>>()?;
        let longest = encoded.iter().map(|phrase| phrase.tokens).max();
        let length = longest.unwrap_or_default().max(self.longest.min(most));
        for phrase in &mut encoded {
            phrase.ids.resize(length, self.pad);
        }
        Ok(encoded)
    }

    fn encode_one(&self, phrase: &str, most: usize) -> Result<Phrase> {
        let encoding = self.fast.encode(phrase, false);
        let encoding = encoding.map_err(|error| Error::Tokenizer {
            path: self.path.clone(),
            message: error.to_string(),
        })?;
        let words = encoding.get_ids().iter().map(|id| i64::from(*id));
        let ids: Vec<i64> = [self.beginning].into_iter().chain(words).collect();
        let ids = [ids, vec![self.end]].concat();
        match ids.len() {
            tokens if tokens > most => Err(Error::LongPhrase {
                phrase: phrase.to_owned(),
                tokens,
                most,
            }),
            tokens => Ok(Phrase { ids, tokens }),
        }
    }
}

/// What is taken from the files.
struct Stored {
    path: PathBuf,
    vocabulary: Value,
    merges: Vec<(String, String)>,
    added_tokens: Vec<AddedToken>,
}

impl Stored {
    fn read(folder: &Path) -> Result<Self> {
        let (fast, vocabulary) = (folder.join("tokenizer.json"), folder.join("vocab.json"));
        let merges = folder.join("merges.txt");
        if let Some(file) = read_json::<FastFile>(&fast)? {
            return file.stored(fast);
        }
        let Some(tokens) = read_json(&vocabulary)? else {
            return Err(Error::Tokenizer {
                path: folder.to_path_buf(),
                message: "the folder has neither tokenizer.json nor vocab.json".into(),
            });
        };
        let text = std::fs::read_to_string(&merges).map_err(Error::io("read", &merges))?;
        let lines = text.lines().map(str::trim_end);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("#version"));
        let merges = lines.map(|line| pair(line, &merges));
        Ok(Self {
            path: vocabulary,
            vocabulary: tokens,
            merges: merges.collect::<Result<_>>()?,
            added_tokens: Vec::new(),
        })
    }

    /// A `tokenizer.json` of CLIP's rules.
    fn rules(&self, unknown: &str) -> Value {
        json!({
            "version": "1.0",
            "added_tokens": [],
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ]},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            ]},
            "model": {
                "type": "BPE",
                "unk_token": unknown,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "</w>",
                "fuse_unk": false,
                "vocab": self.vocabulary,
                "merges": self.merges,
            },
        })
    }
}

fn pair(line: &str, path: &Path) -> Result<(String, String)> {
    let pair = line.split_once(' ');
    let pair = pair.map(|(left, right)| (left.to_owned(), right.to_owned()));
    pair.ok_or_else(|| Error::Tokenizer {
        path: path.to_path_buf(),
        message: format!("'{line}' is no pair of tokens to be merged"),
    })
}

/// `tokenizer.json`, as far as it is taken.
#[derive(Deserialize)]
struct FastFile {
    model: FastModel,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct FastModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: Value,
    #[serde(default)]
    merges: Vec<Merge>,
}

/// Written as two strings or as one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl FastFile {
    fn stored(self, path: PathBuf) -> Result<Stored> {
        let model = self.model;
        if let Some(kind) = model.kind.filter(|kind| kind != "BPE") {
            return Err(Error::Tokenizer {
                path,
                message: format!("its model is {kind}, but CLIP's is BPE"),
            });
        }
        let merges = model.merges.into_iter().map(|merge| match merge {
            Merge::Pair(left, right) => Ok((left, right)),
            Merge::Line(line) => pair(&line, &path),
        });
        let merges = merges.collect::<Result<_>>()?;
        Ok(Stored {
            vocabulary: model.vocab,
            merges,
            added_tokens: self.added_tokens,
            path,
        })
    }
}
