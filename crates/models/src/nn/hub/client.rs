//! Requests to a hub: what a model's revision consists of, a file's size and checksum, its bytes from any
//! place on.

use std::time::Duration;

use hf_hub::Repo;
use hf_hub::api::RepoInfo;
use spatial_reward_core::endpoint::is_this_machine;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use super::failure::{Failure, hub_error};
use super::options::HubOptions;

const REDIRECTS: usize = 10;
/// A listing is some kilobytes; no answer makes this program fill its memory.
const LISTING_BYTES: u64 = 16 << 20;
const CONNECT: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(60);

/// Speaks to one hub about one model.
pub(super) struct Client<'a> {
    agent: Agent,
    model: &'a str,
    endpoint: &'a str,
    token: Option<&'a str>,
}

/// A revision of a model.
pub(super) struct Listing {
    /// The commit that the revision is.
    pub commit: String,
    /// Paths in the repository.
    pub files: Vec<String>,
}

/// What the hub says of a file before sending it.
#[derive(Debug)]
pub(super) struct Remote {
    /// The SHA-256 in hexadecimal for files in large file storage, else git's own hash.
    pub etag: String,
    /// Of the whole file.
    pub size_bytes: u64,
}

impl<'a> Client<'a> {
    /// `model` is named in errors.
    pub(super) fn new(model: &'a str, options: &'a HubOptions) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed by hand: a redirect's own headers carry the checksum, and no other host gets the token.
            .max_redirects(0)
            .user_agent(concat!("spatial_reward/", env!("CARGO_PKG_VERSION")))
            // A resumed transfer needs places in the file itself, not in a compressed form of it.
            .accept_encoding("identity")
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE));
        let authority = origin(&options.endpoint).rsplit("://").next();
        if authority.is_some_and(is_this_machine) {
            // No proxy elsewhere could reach it.
            config = config.proxy(None);
        }
        Self {
            agent: config.build().into(),
            model,
            endpoint: &options.endpoint,
            token: options.token.as_deref(),
        }
    }

    /// The files of the repository's revision.
    pub(super) fn listing(&self, repo: &Repo) -> Result<Listing, Failure> {
        let url = format!("{}/api/{}", self.endpoint, repo.api_url());
        let (mut response, _) = self.request(Method::Get, &url, None)?;
        self.expect_success(&response, &url)?;
        let info: RepoInfo = response
            .body_mut()
            .with_config()
            .limit(LISTING_BYTES)
            .read_json()
            .map_err(|error| self.nonsense(&url, &format!("no listing of a model: {error}")))?;
        if !is_plain_name(&info.sha) {
            return Err(self.nonsense(&url, &format!("'{}' for a commit", info.sha)));
        }
        Ok(Listing {
            commit: info.sha,
            files: info
                .siblings
                .into_iter()
                .map(|file| file.rfilename)
                .collect(),
        })
    }

    /// Where a file's bytes are to be had.
    pub(super) fn file_url(&self, repo: &Repo, commit: &str, file: &str) -> String {
        format!(
            "{endpoint}/{repo}/resolve/{commit}/{file}",
            endpoint = self.endpoint,
            repo = repo.url(),
            file = percent_encoded(file),
        )
    }

    /// A file's size and checksum.
    pub(super) fn examine(&self, url: &str) -> Result<Remote, Failure> {
        let (response, linked) = self.request(Method::Head, url, None)?;
        if !response.status().is_redirection() {
            self.expect_success(&response, url)?;
        }
        let headers = response.headers();
        let etag = linked.etag.or_else(|| header(headers, "etag"));
        let etag = etag
            .as_deref()
            .map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned())
            .filter(|etag| is_plain_name(etag))
            .ok_or_else(|| self.nonsense(url, "no usable ETag"))?;
        let size = linked.size.or_else(|| header(headers, "content-length"));
        let size_bytes = size
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| self.nonsense(url, "no size"))?;
        Ok(Remote { etag, size_bytes })
    }

    /// A file's bytes from `start` on, or whatever the hub makes of the request.
    pub(super) fn bytes_from(&self, url: &str, start: u64) -> Result<Response<Body>, Failure> {
        let (response, _) = self.request(Method::Get, url, Some(start))?;
        // 416: nothing from there on. What that means is for the caller to say.
        if response.status().as_u16() != 416 {
            self.expect_success(&response, url)?;
        }
        Ok(response)
    }

    /// Sends a request and follows redirects; a HEAD only until both checksum and size are known.
    fn request(
        &self,
        method: Method,
        url: &str,
        start: Option<u64>,
    ) -> Result<(Response<Body>, Linked), Failure> {
        let mut linked = Linked::default();
        let mut url = url.to_owned();
        for _ in 0..REDIRECTS {
            let mut request = match method {
                Method::Get => self.agent.get(&url),
                Method::Head => self.agent.head(&url),
            };
            if let Some(start) = start {
                request = request.header("Range", format!("bytes={start}-"));
            }
            if let Some(token) = self.token
                && origin(&url) == origin(self.endpoint)
            {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let response = request
                .call()
                .map_err(|error| Failure::Unreachable(format!("no answer from {url}: {error}")))?;
            let headers = response.headers();
            linked.etag = linked.etag.or_else(|| header(headers, "x-linked-etag"));
            linked.size = linked.size.or_else(|| header(headers, "x-linked-size"));
            let known =
                matches!(method, Method::Head) && linked.etag.is_some() && linked.size.is_some();
            let location = header(headers, "location");
            match location {
                Some(location) if response.status().is_redirection() && !known => {
                    url = self.redirected(&url, &location)?;
                }
                _ => return Ok((response, linked)),
            }
        }
        Err(self.nonsense(&url, "one redirect after the other"))
    }

    fn redirected(&self, url: &str, location: &str) -> Result<String, Failure> {
        if location.starts_with("https://") || location.starts_with("http://") {
            Ok(location.to_owned())
        } else if location.starts_with('/') && !location.starts_with("//") {
            Ok(format!("{}{location}", origin(url)))
        } else {
            Err(self.nonsense(url, &format!("a redirect to '{location}'")))
        }
    }

    fn expect_success(&self, response: &Response<Body>, url: &str) -> Result<(), Failure> {
        let status = response.status();
        let fatal = |what: &str, remedy: &str| {
            let what = format!("{what} ({status} for {url})");
            Err(Failure::Fatal(hub_error(self.model, &what, remedy)))
        };
        match status.as_u16() {
            200..=299 => Ok(()),
            404 => fatal(
                &format!("{} has no such model, revision or file", self.endpoint),
                "Check the spelling of org/name and of @revision; HF_ENDPOINT says which hub is asked",
            ),
            401 | 403 => fatal(
                &format!("{} does not show it to you", self.endpoint),
                "It does not exist, or is private or gated: check the spelling, accept the model's terms on \
                 its page, and set HF_TOKEN to a token of yours",
            ),
            429 | 500..=599 => Err(Failure::Unreachable(format!("{url} answers {status}"))),
            _ => fatal(
                "the hub refuses",
                "Check HF_ENDPOINT, which says which hub is asked",
            ),
        }
    }

    fn nonsense(&self, url: &str, what: &str) -> Failure {
        Failure::Fatal(hub_error(
            self.model,
            &format!("{url} answers with {what}"),
            "Check HF_ENDPOINT, and whether a proxy or a login page stands between",
        ))
    }
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Head,
}

/// What a redirect to the storage says of the file there.
#[derive(Default)]
struct Linked {
    etag: Option<String>,
    size: Option<String>,
}

/// A header's value, if it is text.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(host..)
        .and_then(|rest| rest.find(['/', '?', '#']))
        .map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or(url)
}

/// Whether a word from the hub may become a file name in the cache.
fn is_plain_name(word: &str) -> bool {
    (1..=128).contains(&word.len())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn percent_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
