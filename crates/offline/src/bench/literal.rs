//! Python literals as JSON values: the hub's Parquet copy of the benchmark holds nested fields as text that Python wrote.

use serde_json::{Map, Number, Value};

/// Brackets within brackets, beyond which a text is no field of a table.
const MAX_DEPTH: usize = 32;

/// The value that a literal of Python states: dicts, lists, tuples, texts, bytes, numbers, `True`, `False`, `None`. JSON
/// reads too. The error says what stands where.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.space();
    match parser.rest().chars().next() {
        None => Ok(value),
        Some(found) => Err(parser.unexpected(found)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn unexpected(&self, found: char) -> String {
        format!("'{found}' at byte {} of a Python literal", self.at)
    }

    /// Takes a character if it is the next one.
    fn takes(&mut self, wanted: char) -> bool {
        self.space();
        let is_next = self.rest().starts_with(wanted);
        self.at += if is_next { wanted.len_utf8() } else { 0 };
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("brackets that are nested too deep".to_owned());
        }
        self.space();
        let first = self
            .rest()
            .chars()
            .next()
            .ok_or("a literal that is cut off")?;
        match first {
            '{' => self.dict(depth),
            '[' => self.list(']', depth),
            '(' => self.list(')', depth),
            '\'' | '"' => self.texts().map(Value::String),
            'b' | 'u' | 'r'
                if self
                    .rest()
                    .get(1..)
                    .is_some_and(|r| r.starts_with(['\'', '"'])) =>
            {
                self.at += 1;
                self.texts().map(Value::String)
            }
            _ => self.word(),
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, String> {
        self.takes('{');
        let mut map = Map::new();
        while !self.takes('}') {
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                other => other.to_string(),
            };
            if !self.takes(':') {
                return Err(self.rest().chars().next().map_or_else(
                    || "a dict that is cut off".to_owned(),
                    |found| self.unexpected(found),
                ));
            }
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            self.comma_or('}')?;
        }
        Ok(Value::Object(map))
    }

    fn list(&mut self, closing: char, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut list = Vec::new();
        while !self.takes(closing) {
            list.push(self.value(depth + 1)?);
            self.comma_or(closing)?;
        }
        Ok(Value::Array(list))
    }

    /// A comma is taken; the closing bracket stays; anything else is none of both.
    fn comma_or(&mut self, closing: char) -> Result<(), String> {
        if self.takes(',') || self.rest().starts_with(closing) {
            return Ok(());
        }
        match self.rest().chars().next() {
            // numpy separates dicts and lists of an object array by nothing but space.
            Some('{' | '[') => Ok(()),
            Some(found) => Err(self.unexpected(found)),
            None => Err("a literal that is cut off".to_owned()),
        }
    }

    /// A text, with those that follow it: Python joins them.
    fn texts(&mut self) -> Result<String, String> {
        let mut text = self.one_text()?;
        loop {
            self.space();
            if !self.rest().starts_with(['\'', '"']) {
                return Ok(text);
            }
            text.push_str(&self.one_text()?);
        }
    }

    fn one_text(&mut self) -> Result<String, String> {
        let quote = self.rest().chars().next().unwrap_or('\'');
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            let next = self.rest().chars().next().ok_or("a text that is cut off")?;
            self.at += next.len_utf8();
            match next {
                '\\' => self.escape(&mut text)?,
                next if next == quote => return Ok(text),
                next => text.push(next),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), String> {
        let escaped = self.rest().chars().next().ok_or("a text that is cut off")?;
        self.at += escaped.len_utf8();
        let plain = match escaped {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            '\\' | '\'' | '"' | '/' => Some(escaped),
            _ => None,
        };
        if let Some(plain) = plain {
            text.push(plain);
            return Ok(());
        }
        let digits = match escaped {
            '\n' => return Ok(()),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => {
                // Python leaves what it does not know as it is; `\^` and its like stand in masks.
                text.push('\\');
                text.push(other);
                return Ok(());
            }
        };
        let code = self
            .rest()
            .get(..digits)
            .and_then(|code| u32::from_str_radix(code, 16).ok());
        let character = code.and_then(char::from_u32);
        text.push(character.ok_or("an escape that is no character")?);
        self.at += digits;
        Ok(())
    }

    fn word(&mut self) -> Result<Value, String> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        let length = self
            .rest()
            .find(|c| !is_part(c))
            .unwrap_or(self.rest().len());
        let word = self.rest().get(..length).unwrap_or_default();
        let value = match word {
            "True" | "true" => Value::Bool(true),
            "False" | "false" => Value::Bool(false),
            "None" | "null" | "nan" | "NaN" => Value::Null,
            word => {
                let whole = word.parse::<i64>().ok().map(Number::from);
                let number = whole.or_else(|| word.parse().ok().and_then(Number::from_f64));
                number.map(Value::Number).ok_or_else(|| {
                    format!(
                        "'{}' at byte {} of a Python literal",
                        self.rest().chars().next().unwrap_or(' '),
                        self.at
                    )
                })?
            }
        };
        self.at += length;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn what_python_writes_is_read() {
        for (text, value) in [
            (
                "{'type': 'quantitative', 'category': 'width_data', }",
                json!({"type": "quantitative", "category": "width_data"}),
            ),
            (
                "[{'size': [480, 640], 'counts': 'a\\\\b\"c'}]",
                json!([{"size": [480, 640], "counts": "a\\b\"c"}]),
            ),
            (
                "[{'counts': b'R]\\x5c\\'1'}]",
                json!([{"counts": "R]\\'1"}]),
            ),
            (r"'\^'", json!("\\^")),
            ("[(1, 2.5), (-3, 1e2)]", json!([[1, 2.5], [-3, 100.0]])),
            ("[True, False, None, nan]", json!([true, false, null, null])),
            ("\"it's\" ' so'", json!("it's so")),
            ("[{'a': 1}\n {'a': 2}]", json!([{"a": 1}, {"a": 2}])),
            ("'\\u00e9\\n'", json!("é\n")),
            ("()", json!([])),
        ] {
            assert_eq!(parse(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_is_refused_by_its_place() {
        for text in [
            "",
            "{",
            "[1",
            "{'a'}",
            "[1 2]",
            "'a",
            "import os",
            "[1]]",
            "'\\x5'",
            "{'a': }",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        assert!(parse("[1]]").unwrap_err().contains("byte 3"));
    }

    #[test]
    fn every_prefix_of_a_literal_is_refused_or_read_without_a_panic() {
        let text = "[{'a': b'\\x5c\\u00e9', 'é': (1, -2.5, None)}]";
        for (at, _) in text.char_indices() {
            let _ = parse(&text[..at]);
            let _ = parse(&text[at..]);
        }
    }
}
