//! A hub on the loopback interface, which can cut a transfer short, send wrong bytes, and go away.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};
use spatial_reward_models::nn::hub::HubOptions;
use tempfile::TempDir;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const WEIGHTS: &str = "llm/model.safetensors";

/// What the hub serves and how it misbehaves.
#[derive(Default)]
pub(crate) struct State {
    pub files: BTreeMap<String, Vec<u8>>,
    /// File and how many bytes of it the next transfers send before the connection is cut.
    pub cuts: Vec<(String, usize)>,
    /// Files of which wrong bytes are sent.
    pub wrong: Vec<String>,
    pub ignores_ranges: bool,
    /// Method, path and headers of every request, one string each.
    pub requests: Vec<String>,
    pub stopped: bool,
}

pub(crate) struct Hub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Hub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            files: model_files(),
            ..State::default()
        }));
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.lock().unwrap().stopped {
                    return;
                }
                let served = Arc::clone(&served);
                std::thread::spawn(move || serve(stream.unwrap(), address, &served));
            }
        });
        Self { address, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Closes the port: afterwards nobody answers.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        let _ = TcpStream::connect(self.address);
        while TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Requests for a file's bytes so far: where each one began.
    pub(crate) fn transfers(&self, file: &str) -> Vec<String> {
        let path = format!("GET /storage/{file} ");
        let requests = self.state().requests.clone();
        let of_file = requests.iter().filter(|request| request.starts_with(&path));
        let range = |request: &String| {
            let line = request
                .lines()
                .find_map(|line| line.strip_prefix("range: "));
            line.unwrap_or("whole").to_owned()
        };
        of_file.map(range).collect()
    }

    pub(crate) fn options(&self, cache: &TempDir) -> HubOptions {
        HubOptions {
            endpoint: format!("http://{}", self.address),
            cache: Some(cache.path().join("hub")),
            token: Some("secret".into()),
            offline: false,
            retries: 1,
        }
    }
}

pub(crate) fn model_files() -> BTreeMap<String, Vec<u8>> {
    let noise = |length: u32| {
        (0..length)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    };
    [
        (
            "config.json",
            br#"{"llm_cfg": {}, "vision_tower_cfg": {}}"#.to_vec(),
        ),
        ("README.md", b"not needed".to_vec()),
        ("llm/config.json", b"{}".to_vec()),
        ("llm/tokenizer.model", noise(3_000)),
        (WEIGHTS, noise(700_000)),
        ("vision_tower/model.safetensors", noise(90_000)),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into()
}

/// Answers one request and closes the connection.
fn serve(mut stream: TcpStream, address: SocketAddr, state: &Mutex<State>) {
    let mut request = String::new();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            break;
        }
        // Header names are the same in any case; the request's own line keeps its own.
        let line = match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line,
        };
        request.push_str(&line);
        request.push('\n');
    }
    let Some((method, path)) = request
        .split_once(' ')
        .and_then(|(method, rest)| Some((method.to_owned(), rest.split_once(' ')?.0.to_owned())))
    else {
        return;
    };
    let mut state = state.lock().unwrap();
    state.requests.push(request.clone());
    let resolve = format!("/org/name/resolve/{COMMIT}/");
    let answer = if path == "/api/models/org/name/revision/main" {
        let siblings: Vec<String> = state
            .files
            .keys()
            .map(|f| format!(r#"{{"rfilename":"{f}"}}"#))
            .collect();
        let body = format!(
            r#"{{"sha":"{COMMIT}","siblings":[{}]}}"#,
            siblings.join(",")
        );
        head(
            "200 OK",
            &[("Content-Length", body.len().to_string())],
            body.as_bytes(),
        )
    } else if path.starts_with("/api/models/org/gated/") {
        head("401 Unauthorized", &[("Content-Length", "0".into())], b"")
    } else if let Some(file) = path.strip_prefix(&resolve) {
        redirect(&state, file, address)
    } else if let Some(file) = path.strip_prefix("/storage/") {
        transfer(&mut state, file, &request)
    } else {
        head("404 Not Found", &[("Content-Length", "0".into())], b"")
    };
    drop(state);
    let answer = if method == "HEAD" {
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        &answer[..end + 4]
    } else {
        &answer
    };
    let _ = stream.write_all(answer);
}

fn head(status: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    [answer.as_bytes(), body].concat()
}

/// As the public hub does: weights lie in a storage of another host name, and the redirect there tells of
/// their checksum and size; small files have git's hash.
fn redirect(state: &State, file: &str, address: SocketAddr) -> Vec<u8> {
    let Some(bytes) = state.files.get(file) else {
        return head("404 Not Found", &[("Content-Length", "0".into())], b"");
    };
    let sha256: String = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let etag = if file.ends_with(".json") {
        &sha256[..40]
    } else {
        &sha256
    };
    let location = format!("http://localhost:{}/storage/{file}", address.port());
    head(
        "302 Found",
        &[
            ("Location", location),
            ("X-Repo-Commit", COMMIT.into()),
            ("X-Linked-Etag", format!("\"{etag}\"")),
            ("X-Linked-Size", bytes.len().to_string()),
            ("Content-Length", "0".into()),
        ],
        b"",
    )
}

fn transfer(state: &mut State, file: &str, request: &str) -> Vec<u8> {
    let mut bytes = state.files[file].clone();
    if state.wrong.iter().any(|wrong| wrong == file) {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let range = request
        .lines()
        .find_map(|line| line.strip_prefix("range: bytes="));
    let start = range.and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
    let start = if state.ignores_ranges { None } else { start };
    let total = bytes.len();
    let mut headers = vec![("Content-Length", (total - start.unwrap_or(0)).to_string())];
    if let Some(start) = start {
        headers.push((
            "Content-Range",
            format!("bytes {start}-{}/{total}", total - 1),
        ));
    }
    let mut body = &bytes[start.unwrap_or(0)..];
    if let Some(at) = state.cuts.iter().position(|(cut, _)| cut == file) {
        let (_, length) = state.cuts.remove(at);
        body = &body[..length.min(body.len())];
    }
    let status = if start.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    head(status, &headers, body)
}
