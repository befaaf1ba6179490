//! Who comes in to the page: as to every server here ([`spatial_reward_serve::door`]), and by an address that begins with the token.

use axum::http::HeaderMap;
use spatial_reward_serve::door::{Names, Stranger, Token, stranger};

/// Nothing is fetched from anywhere but here; nothing of it is shown in another page.
pub(crate) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Why a request is refused; `None` for one that may come in.
pub(crate) fn refusal(token: &Token, path: &str, headers: &HeaderMap) -> Option<&'static str> {
    match stranger(&Names::default(), headers) {
        Some(Stranger::Name) => {
            return Some(
                "this page is asked for by the name of this machine only: 127.0.0.1 or localhost",
            );
        }
        Some(Stranger::Page) => return Some("another page asks"),
        None => {}
    }
    let told = path.trim_start_matches('/').split('/').next();
    match token.is(told.unwrap_or_default()) {
        true => None,
        false => Some("the address is not the one that spatial-reward pick printed: take it whole"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_with_the_token_comes_in() {
        let token = Token::chosen("0123456789abcdef").unwrap();
        let path = "/0123456789abcdef/state";
        let headers = |host: &str| {
            let pairs = [("host".parse().unwrap(), host.parse().unwrap())];
            pairs.into_iter().collect::<HeaderMap>()
        };
        let own = headers("localhost:9000");
        assert_eq!(refusal(&token, path, &own), None);
        for wrong in [
            "/",
            "/state",
            "/0123456789abcdee/state",
            "/0123456789abcdef0/",
            "/0123/",
        ] {
            assert!(refusal(&token, wrong, &own).is_some(), "{wrong}");
        }
        assert!(refusal(&token, path, &headers("evil.example")).is_some());
        let mut foreign = own;
        foreign.insert("origin", "http://evil.example".parse().unwrap());
        assert!(refusal(&token, path, &foreign).is_some());
    }
}
