//! Who may not ask.

use std::net::SocketAddr;

use spatial_reward_serve::{Error, Limits, Options, Server};

use crate::client::*;
use crate::model::*;

#[test]
fn a_page_that_a_name_server_leads_here_is_not_answered() {
    let serving = serving(Limits::default());
    let body = question("How far?").to_string();
    let ask = |headers: &[(&str, &str)]| {
        let mut stream = ask_with(serving.address, headers, body.as_bytes());
        hear(&mut stream).unwrap()
    };
    for host in [
        "evil.example",
        "evil.example:8000",
        "192.168.1.7",
        "127.0.0.1.evil.example",
    ] {
        let heard = ask(&[("Host", host)]);
        assert_eq!(
            (heard.status, &heard.error()["code"]),
            (403, &"forbidden".into()),
            "{host}"
        );
    }
    let heard = ask(&[("Origin", "http://evil.example")]);
    assert_eq!(heard.status, 403);
    // a page can send this without asking first
    let heard = ask(&[("Content-Type", "text/plain")]);
    assert_eq!(heard.status, 415);
    assert!(serving.questions().is_empty());
    // and nothing tells a page that it may
    let heard = ask(&[("Host", "localhost:1")]);
    assert_eq!(heard.status, 200);
    assert!(
        !heard.head.to_lowercase().contains("access-control"),
        "{}",
        heard.head
    );
}

#[test]
fn a_token_is_asked_for_all_but_health() {
    let serving = serving_with_token();
    let address = serving.address;
    let body = question("How far?").to_string();
    let ask = |told: &str| {
        let mut stream = ask_with(address, &[("Authorization", told)], body.as_bytes());
        hear(&mut stream).unwrap()
    };
    for wrong in [
        "",
        "Bearer",
        "Bearer 0123456789abcdeF",
        "Bearer 0123456789abcde",
        "Basic 0123456789abcdef",
        "0123456789abcdef",
    ] {
        let heard = ask(wrong);
        assert_eq!(
            (heard.status, &heard.error()["code"]),
            (401, &"invalid_api_key".into())
        );
        assert_eq!(heard.header("www-authenticate"), Some("Bearer"));
    }
    assert!(serving.questions().is_empty());
    assert_eq!(ask(&format!("Bearer {TOKEN}")).status, 200);
    for path in ["/v1/models", "/metrics", "/nowhere"] {
        assert_eq!(get(address, path).status, 401, "{path}");
    }
    assert_eq!(get(address, "/health").status, 200);
    // with it the machine may be asked for by an address or a name that is told
    let right = ("Authorization", &*format!("Bearer {TOKEN}"));
    for (host, status) in [
        ("192.168.1.7:80", 200),
        ("reward:80", 200),
        ("evil.example", 403),
    ] {
        let heard = get_with(address, "/v1/models", &[("Host", host), right]);
        assert_eq!(heard.status, status, "{host}");
    }
}

#[test]
fn others_than_this_machine_need_a_token() {
    let beyond: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let beyond = Options {
        address: beyond,
        ..options(Limits::default())
    };
    assert!(matches!(Server::bind(beyond), Err(Error::NoToken { .. })));
    let serving = serving(Limits::default());
    let taken = Options {
        address: serving.address,
        ..options(Limits::default())
    };
    assert!(matches!(Server::bind(taken), Err(Error::Listen { .. })));
}
