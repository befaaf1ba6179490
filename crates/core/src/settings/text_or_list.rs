//! Settings of several numbers, typed as one text or as a list.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Reads a value from a text, or from a list of `N` numbers.
///
/// # Errors
/// `form`, which says what it should be, for whatever else is typed.
pub(super) fn text_or_list<'de, D, T, V, const N: usize>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Option<V>,
    of: impl FnOnce([T; N]) -> Option<V>,
    form: &str,
) -> Result<V, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Typed<T> {
        Text(String),
        List(Vec<T>),
    }
    let value = match Typed::deserialize(deserializer) {
        Ok(Typed::Text(text)) => parse(&text),
        Ok(Typed::List(numbers)) => numbers.try_into().ok().and_then(of),
        Err(_) => None,
    };
    value.ok_or_else(|| D::Error::custom(form))
}
