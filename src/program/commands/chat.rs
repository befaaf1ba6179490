//! The transport to a chat endpoint in OpenAI's form: a URL, a key and a time limit. What is asked and what replies mean is
//! the work's (`offline::dataset::rephrase`).

use std::env::{self, VarError};
use std::io;
use std::time::Duration;

use anyhow::Context;
use spatial_reward_core::endpoint::is_this_machine;
use spatial_reward_offline::dataset::rephrase::{Chat, Reply, Trouble};
use ureq::{Agent, Timeout};

use crate::program::cli::RephraseOptions;

/// The endpoint's key. On the command line every user of the machine could read it, and it would stand in `dataset.json`.
const KEY_VARIABLE: &str = "SPATIAL_REWARD_REPHRASE_KEY";
/// Nobody needs longer to connect.
const CONNECT: Duration = Duration::from_secs(20);
/// A rephrasing is some hundred bytes; no reply makes this program fill its memory.
const REPLY_BYTES: u64 = 1 << 20;
/// What stands in a key's place where a server says it back.
const HIDDEN: &str = "***";

/// An endpoint, and a model there.
pub(crate) struct Endpoint {
    agent: Agent,
    url: String,
    model: String,
    key: Option<String>,
}

impl Endpoint {
    /// The one that was named, if any.
    ///
    /// # Errors
    /// A URL or a key that is none.
    pub(crate) fn of(options: &RephraseOptions) -> anyhow::Result<Option<Self>> {
        let (Some(base), Some(model)) = (&options.rephrase, &options.rephrase_model) else {
            return Ok(None);
        };
        let host = host_of(base).with_context(|| {
            format!(
                "--rephrase {base} is no endpoint: it takes http:// or https://, a host and a path, such as \
                 http://127.0.0.1:8000/v1, without a key, a query or a fragment"
            )
        })?;
        let key = key()?;
        let is_here = is_this_machine(host);
        if key.is_some() && !is_here && !base.starts_with("https://") {
            tracing::warn!(
                "the key in {KEY_VARIABLE} goes to {host} unencrypted: {base} is not https"
            );
        }
        let whole = Duration::from_secs(options.rephrase_timeout.into());
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Nobody else gets the key or the questions.
            .max_redirects(0)
            .user_agent(concat!("spatial_reward/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            // A kept connection that the server closes meanwhile would look like silence.
            .max_idle_connections(0)
            .timeout_resolve(Some(whole.min(CONNECT)))
            .timeout_connect(Some(whole.min(CONNECT)))
            .timeout_global(Some(whole));
        if is_here {
            // No proxy elsewhere could reach it.
            config = config.proxy(None);
        }
        Ok(Some(Self {
            agent: config.build().into(),
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            model: model.clone(),
            key,
        }))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    fn without_key(&self, text: String) -> String {
        match &self.key {
            Some(key) => text.replace(key.as_str(), HIDDEN),
            None => text,
        }
    }
}

impl Chat for Endpoint {
    fn post(&self, body: &str) -> Result<Reply, Trouble> {
        let mut request = self.agent.post(&self.url);
        request = request.header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(trouble)?;
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let read = response.body_mut().with_config().limit(REPLY_BYTES);
        let bytes = read.read_to_vec();
        let bytes = bytes.map_err(|error| Trouble::Silent(broken_off(&error)))?;
        Ok(Reply {
            status: response.status().as_u16(),
            body: self.without_key(String::from_utf8_lossy(&bytes).into_owned()),
            retry_after,
        })
    }
}

fn trouble(error: ureq::Error) -> Trouble {
    let is_connecting = match &error {
        ureq::Error::Timeout(at) => matches!(at, Timeout::Resolve | Timeout::Connect),
        ureq::Error::Io(error) => !matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::TimedOut
        ),
        ureq::Error::Protocol(_) => false,
        _ => true,
    };
    match is_connecting {
        true => Trouble::Unreachable(format!("cannot be reached ({error})")),
        false => Trouble::Silent(format!("gives no answer ({error})")),
    }
}

fn broken_off(error: &ureq::Error) -> String {
    format!("stops in the middle of an answer ({error})")
}

/// # Errors
/// Where it cannot stand in a header.
fn key() -> anyhow::Result<Option<String>> {
    let key = match env::var(KEY_VARIABLE) {
        Ok(key) => key.trim().to_owned(),
        Err(VarError::NotPresent) => String::new(),
        Err(error) => return Err(error).context(KEY_VARIABLE),
    };
    anyhow::ensure!(
        key.chars().all(|c| c.is_ascii_graphic()),
        "{KEY_VARIABLE} has characters that no key has"
    );
    Ok((!key.is_empty()).then_some(key))
}

/// Host and port of an endpoint's address; `None` if it is none, or holds a name or a query.
fn host_of(base: &str) -> Option<&str> {
    let rest = base
        .strip_prefix("https://")
        .or_else(|| base.strip_prefix("http://"))?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let is_plain = base.chars().all(|c| c.is_ascii_graphic()) && !base.contains(['?', '#', '@']);
    is_plain.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_secret() {
        assert_eq!(host_of("http://127.0.0.1:8000/v1"), Some("127.0.0.1:8000"));
        assert_eq!(
            host_of("https://api.example.org/v1/"),
            Some("api.example.org")
        );
        for other in [
            "127.0.0.1:8000/v1",
            "ftp://a/v1",
            "http:///v1",
            "https://me:secret@a/v1",
            "https://a/v1?key=secret",
            "http://a b/v1",
            "",
        ] {
            assert_eq!(host_of(other), None, "{other}");
        }
    }
}
