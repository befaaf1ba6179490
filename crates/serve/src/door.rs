//! Who comes in: requests to this machine by a name that no name server gives to another one, from no page of somebody else's,
//! and by who knows the token. Else any page that is open in a browser could ask, or any other user of the machine.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, ORIGIN};

use crate::error::{Error, Result};

/// Names of this machine that no name server gives to another one. The port is not asked for: a forwarded one differs.
const OWN_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// How long a token of somebody's choice may be, in characters.
const TOKEN_LENGTH: RangeInclusive<usize> = 16..=512;

/// What has to be known to come in.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// # Errors
    /// `Error::Random`.
    pub fn random() -> Result<Self> {
        Ok(Self(random_hex::<16>()?))
    }

    /// Of somebody's choice; white space around it is none of it.
    ///
    /// # Errors
    /// `Error::Token` for one that is too short or cannot be sent.
    pub fn chosen(text: &str) -> Result<Self> {
        let text = text.trim();
        let (least, most) = (*TOKEN_LENGTH.start(), *TOKEN_LENGTH.end());
        let refused = |what| Err(Error::Token { what, least, most });
        match text.len() {
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                refused("has other characters")
            }
            0 => refused("is empty"),
            length if length < least => refused("is too short"),
            length if length > most => refused("is too long"),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compared in a time that does not tell how much of it is right.
    pub fn is(&self, told: &str) -> bool {
        let pairs = self.0.bytes().zip(told.bytes());
        let differing = pairs.fold(0, |differing, (own, told)| differing | (own ^ told));
        self.0.len() == told.len() && std::hint::black_box(differing) == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// Random bytes as hexadecimal digits.
///
/// # Errors
/// `Error::Random`.
pub(crate) fn random_hex<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat())
}

/// The names by which a server may be asked for.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Beside this machine's own; without the port.
    pub others: Vec<String>,
    /// Any address may stand in a name's place: no name server gives those to another machine.
    pub addresses: bool,
}

/// Why a request is not for this server, whatever it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// It asks for the machine by a name that is not in [`Names`], or by none.
    Name,
    /// A page of another server sends it.
    Page,
}

/// `None` for one that may come in as far as its headers tell.
pub fn stranger(names: &Names, headers: &HeaderMap) -> Option<Stranger> {
    let host = text(headers, HOST).unwrap_or_default();
    if !names.has(name_of(host)) {
        return Some(Stranger::Name);
    }
    if headers.contains_key(ORIGIN) {
        let origin = text(headers, ORIGIN).unwrap_or_default();
        if origin.strip_prefix("http://") != Some(host) {
            return Some(Stranger::Page);
        }
    }
    None
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

impl Names {
    fn has(&self, name: &str) -> bool {
        let is_address = || {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            bare.parse::<IpAddr>().is_ok()
        };
        let is_other = |other: &String| other.eq_ignore_ascii_case(name);
        OWN_NAMES.contains(&name)
            || self.others.iter().any(is_other)
            || self.addresses && is_address()
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
    fn this_machine_is_asked_for_by_its_own_names_alone() {
        let names = Names::default();
        // given the names of this machine, with any port: it may be forwarded
        for host in [
            "127.0.0.1:8123",
            "localhost",
            "localhost:9000",
            "[::1]:1",
            "[::1]",
        ] {
            assert_eq!(stranger(&names, &headers(&[("host", host)])), None);
        }
        // then no other name that leads here comes in, nor none
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.evil.example",
            "",
            "[::1].x",
            "192.168.1.7",
        ] {
            let asked = headers(&[("host", host)]);
            assert_eq!(stranger(&names, &asked), Some(Stranger::Name), "{host}");
        }
        assert_eq!(stranger(&names, &HeaderMap::new()), Some(Stranger::Name));
        // nor does another page
        let own = headers(&[("host", "localhost:1"), ("origin", "http://localhost:1")]);
        assert_eq!(stranger(&names, &own), None);
        for origin in [
            "http://evil.example",
            "null",
            "https://localhost:1",
            "http://localhost:2",
        ] {
            let other = headers(&[("host", "localhost:1"), ("origin", origin)]);
            assert_eq!(stranger(&names, &other), Some(Stranger::Page), "{origin}");
        }
    }

    #[test]
    fn beyond_this_machine_addresses_and_given_names_come_in() {
        let names = Names {
            others: vec!["reward".into()],
            addresses: true,
        };
        for host in [
            "192.168.1.7:8000",
            "[fe80::1]:80",
            "reward:8000",
            "REWARD",
            "localhost",
        ] {
            let asked = headers(&[("host", host)]);
            assert_eq!(stranger(&names, &asked), None, "{host}");
        }
        for host in ["reward.evil.example", "1.2.3", "evil.example:8000"] {
            let asked = headers(&[("host", host)]);
            assert_eq!(stranger(&names, &asked), Some(Stranger::Name), "{host}");
        }
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let token = Token::random().unwrap();
        assert_eq!(token.as_str().len(), 32);
        assert!(!token.is(Token::random().unwrap().as_str()));
        assert!(token.is(&token.0.clone()));
        for wrong in ["", &token.0[1..], &format!("{}0", token.0)] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn a_chosen_token_can_be_sent_and_not_be_guessed() {
        assert!(
            Token::chosen(" 0123456789abcdef\n")
                .unwrap()
                .is("0123456789abcdef")
        );
        for wrong in ["", "  \n", "short", "0123456789 abcdef", "0123456789abcdé"] {
            assert!(Token::chosen(wrong).is_err(), "{wrong}");
        }
        assert!(Token::chosen(&"x".repeat(513)).is_err());
    }
}
