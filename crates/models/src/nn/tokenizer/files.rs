//! The small files beside a tokenizer: which class it is, which tokens were added to it, and which of
//! them are special. Every transformers version spreads this over other files; here it becomes one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A token that is cut out of a text before anything else happens to it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(super) struct AddedToken {
    /// Its text.
    pub content: String,
    /// Swallows the white space to its left.
    #[serde(default)]
    pub lstrip: bool,
    /// Swallows the white space to its right.
    #[serde(default)]
    pub rstrip: bool,
    /// Matches whole words only.
    #[serde(default)]
    pub single_word: bool,
    /// Is searched in the normalised text.
    #[serde(default)]
    pub normalized: bool,
    /// Has a role, and is left out of decoded text.
    #[serde(default)]
    pub special: bool,
}

impl AddedToken {
    /// The same for the crate `tokenizers`.
    pub(super) fn to_fast(&self) -> tokenizers::AddedToken {
        tokenizers::AddedToken::from(self.content.clone(), self.special)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized)
    }
}

/// A token in a file that may have only its text.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added(AddedToken),
}

impl Token {
    fn into_added(self) -> AddedToken {
        let mut token = match self {
            Self::Text(content) => AddedToken {
                content,
                ..AddedToken::default()
            },
            Self::Added(token) => token,
        };
        token.special = true;
        token
    }
}

/// The named tokens: `tokenizer_config.json` has them among much else, `special_tokens_map.json` alone.
#[derive(Default, Deserialize)]
struct Named {
    bos_token: Option<Token>,
    eos_token: Option<Token>,
    unk_token: Option<Token>,
    sep_token: Option<Token>,
    pad_token: Option<Token>,
    cls_token: Option<Token>,
    mask_token: Option<Token>,
    additional_special_tokens: Option<Vec<Token>>,
}

#[derive(Default, Deserialize)]
struct ConfigFile {
    tokenizer_class: Option<String>,
    clean_up_tokenization_spaces: Option<bool>,
    add_bos_token: Option<bool>,
    add_eos_token: Option<bool>,
    /// Written as 1e30 where there is no such length.
    model_max_length: Option<f64>,
    #[serde(default)]
    added_tokens_decoder: BTreeMap<String, AddedToken>,
    #[serde(flatten)]
    named: Named,
}

/// What the files beside a tokenizer say, joined.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// The tokenizer's class in transformers.
    pub class: Option<String>,
    /// Whether decoding cleans up spaces.
    pub clean_up_spaces: Option<bool>,
    /// Whether a text begins with `bos`.
    pub add_bos: Option<bool>,
    /// Whether a text ends with `eos`.
    pub add_eos: Option<bool>,
    /// The token that begins a text.
    pub bos: Option<String>,
    /// The token that ends a text.
    pub eos: Option<String>,
    /// The token that fills a text up.
    pub pad: Option<String>,
    /// To how many tokens it is filled up.
    pub longest: Option<usize>,
    /// The token for what no piece covers.
    pub unknown: Option<String>,
    /// By id, and each content once.
    pub added: BTreeMap<i64, AddedToken>,
    /// Tokens with a role, in the order in which they would get ids if they had none.
    pub special: Vec<AddedToken>,
}

impl Settings {
    /// Reads `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`, each of which
    /// may be missing.
    ///
    /// # Errors
    /// `Error::Io`, or `Error::Tokenizer` with the file that is not what it should be.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let config_path = folder.join("tokenizer_config.json");
        let config: ConfigFile = read_json(&config_path)?.unwrap_or_default();
        let map: Named = read_json(&folder.join("special_tokens_map.json"))?.unwrap_or_default();
        let plain_path = folder.join("added_tokens.json");
        let plain: BTreeMap<String, i64> = read_json(&plain_path)?.unwrap_or_default();

        let named = config.named.or(map);
        let mut settings = Self {
            class: config.tokenizer_class,
            clean_up_spaces: config.clean_up_tokenization_spaces,
            add_bos: config.add_bos_token,
            add_eos: config.add_eos_token,
            longest: (config.model_max_length)
                .filter(|length| (1.0..1e9).contains(length))
                .map(|length| length as usize),
            ..Self::default()
        };
        let content = |token: &Option<Token>| token.clone().map(|token| token.into_added().content);
        settings.bos = content(&named.bos_token);
        settings.eos = content(&named.eos_token);
        settings.pad = content(&named.pad_token);
        settings.unknown = content(&named.unk_token);
        settings.special = named.into_tokens();

        for (id, token) in config.added_tokens_decoder {
            let id = id.parse().map_err(|_| Error::Tokenizer {
                path: config_path.clone(),
                message: format!("added_tokens_decoder has '{id}' where an id should be"),
            })?;
            settings.add(id, token, &config_path)?;
        }
        for (content, id) in plain {
            let token = AddedToken {
                content,
                ..AddedToken::default()
            };
            settings.add(id, token, &plain_path)?;
        }
        Ok(settings)
    }

    /// Files may repeat a token but not contradict each other.
    fn add(&mut self, id: i64, mut token: AddedToken, path: &Path) -> Result<()> {
        if let Some(special) = self.special.iter().find(|s| s.content == token.content) {
            token.special |= special.special;
        }
        let known = self
            .added
            .iter()
            .find(|(_, known)| known.content == token.content);
        let known_id = known.map(|(id, _)| *id);
        let holder = self
            .added
            .get(&id)
            .filter(|holder| holder.content != token.content);
        if holder.is_some() || known_id.is_some_and(|known| known != id) || id < 0 {
            return Err(Error::Tokenizer {
                path: path.to_path_buf(),
                message: format!(
                    "it gives '{}' the id {id}, which contradicts the other added tokens",
                    token.content
                ),
            });
        }
        if token.single_word || token.content.is_empty() {
            return Err(Error::Tokenizer {
                path: path.to_path_buf(),
                message: format!(
                    "the added token '{}' matches only whole words or nothing at all, which is not supported",
                    token.content
                ),
            });
        }
        self.added.entry(id).or_insert(token);
        Ok(())
    }
}

impl Named {
    fn or(self, other: Self) -> Self {
        Self {
            bos_token: self.bos_token.or(other.bos_token),
            eos_token: self.eos_token.or(other.eos_token),
            unk_token: self.unk_token.or(other.unk_token),
            sep_token: self.sep_token.or(other.sep_token),
            pad_token: self.pad_token.or(other.pad_token),
            cls_token: self.cls_token.or(other.cls_token),
            mask_token: self.mask_token.or(other.mask_token),
            additional_special_tokens: self
                .additional_special_tokens
                .or(other.additional_special_tokens),
        }
    }

    fn into_tokens(self) -> Vec<AddedToken> {
        let roles = [
            self.bos_token,
            self.eos_token,
            self.unk_token,
            self.sep_token,
            self.pad_token,
            self.cls_token,
            self.mask_token,
        ];
        let additional = self.additional_special_tokens.unwrap_or_default();
        let tokens = roles.into_iter().flatten().chain(additional);
        tokens
            .map(Token::into_added)
            .filter(|token| !token.content.is_empty())
            .collect()
    }
}

/// A JSON file's contents, or `None` if there is no such file.
///
/// # Errors
/// `Error::Io`, or `Error::Tokenizer` with the parser's line and column.
pub(super) fn read_json<T: DeserializeOwned>(path: &PathBuf) -> Result<Option<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|error| Error::Tokenizer {
        path: path.clone(),
        message: error.to_string(),
    })
}
