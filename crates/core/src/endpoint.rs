//! Addresses of servers that are asked: a model's hub, a chat endpoint.

use std::net::IpAddr;

/// Whether a URL's host, with or without a port, is this machine: no proxy elsewhere could reach it, and what is said
/// to it crosses no network.
pub fn is_this_machine(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machine() {
        for here in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8000",
            "127.8.9.10",
            "[::1]",
            "[::1]:1",
        ] {
            assert!(is_this_machine(here), "{here}");
        }
        for elsewhere in [
            "api.example.org",
            "10.0.0.1:8000",
            "127.0.0.1.example.org",
            "127.example.org:80",
            "localhost.example.org",
            "[2001:db8::1]:8000",
            "",
        ] {
            assert!(!is_this_machine(elsewhere), "{elsewhere}");
        }
    }
}
