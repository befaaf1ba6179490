//! Who comes in: requests to this machine, by a name that only this machine has, from who knows the token. Else any page that
//! is open in the same browser could ask, or any other user of the machine.

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};

use crate::error::{Error, Result};

/// Nothing is fetched from anywhere but here; nothing of it is shown in another page.
pub(crate) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Names of this machine that no name server gives to another one. The port is not asked for: a forwarded one differs.
const OWN_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// What has to be known to come in.
#[derive(Debug, Clone)]
pub(crate) struct Token(String);

impl Token {
    /// # Errors
    /// `Error::Random`.
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
        Ok(Self(bytes.map(|byte| format!("{byte:02x}")).concat()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Compared in a time that does not tell how much of it is right.
    fn is(&self, told: &str) -> bool {
        let pairs = self.0.bytes().zip(told.bytes());
        let differing = pairs.fold(0, |differing, (own, told)| differing | (own ^ told));
        self.0.len() == told.len() && differing == 0
    }
}

/// Why a request is refused; `None` for one that may come in.
pub(crate) fn refusal(token: &Token, path: &str, headers: &HeaderMap) -> Option<&'static str> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let host = headers.get(HOST).and_then(text).unwrap_or_default();
    if !OWN_NAMES.contains(&name_of(&host)) {
        return Some(
            "this page is asked for by the name of this machine only: 127.0.0.1 or localhost",
        );
    }
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = text(origin).unwrap_or_default();
        if origin.strip_prefix("http://") != Some(host.as_str()) {
            return Some("another page asks");
        }
    }
    let told = path.trim_start_matches('/').split('/').next();
    match token.is(told.unwrap_or_default()) {
        true => None,
        false => Some("the address is not the one that spatial-reward pick printed: take it whole"),
    }
}

/// Without the port.
fn name_of(host: &str) -> &str {
    let Some((name, port)) = host.rsplit_once(':') else {
        return host;
    };
    match port.bytes().all(|byte| byte.is_ascii_digit()) {
        true => name,
        false => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_this_machine_with_the_token_comes_in() {
        let token = Token("0123456789abcdef".into());
        let path = "/0123456789abcdef/state";
        // given the names of this machine, with any port: it may be forwarded
        for host in [
            "127.0.0.1:8123",
            "localhost",
            "localhost:9000",
            "[::1]:1",
            "[::1]",
        ] {
            let asked = headers(&[("host", host)]);
            assert_eq!(refusal(&token, path, &asked), None, "{host}");
            // then another token does not
            for wrong in [
                "/",
                "/state",
                "/0123456789abcdee/state",
                "/0123456789abcdef0/",
                "/0123/",
            ] {
                assert!(refusal(&token, wrong, &asked).is_some(), "{wrong}");
            }
        }
        // nor does another name that leads here, or none
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.evil.example",
            "",
            "[::1].x",
        ] {
            assert!(
                refusal(&token, path, &headers(&[("host", host)])).is_some(),
                "{host}"
            );
        }
        assert!(refusal(&token, path, &HeaderMap::new()).is_some());
        // nor does another page
        let own = headers(&[("host", "localhost:1"), ("origin", "http://localhost:1")]);
        assert_eq!(refusal(&token, path, &own), None);
        for origin in [
            "http://evil.example",
            "null",
            "https://localhost:1",
            "http://localhost:2",
        ] {
            let other = headers(&[("host", "localhost:1"), ("origin", origin)]);
            assert!(refusal(&token, path, &other).is_some(), "{origin}");
        }
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let token = Token::random().unwrap();
        assert_eq!(token.as_str().len(), 32);
        assert!(!token.is(Token::random().unwrap().as_str()));
        assert!(token.is(&token.0.clone()));
    }
}
