//! Downloads against a hub served here on the loopback interface, which can cut a transfer short, send
//! wrong bytes, and go away.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};
use spatial_reward_core::progress::Progress;
use spatial_reward_models::nn::hub::{HubOptions, resolve};
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS: &str = "llm/model.safetensors";

/// What the hub serves and how it misbehaves.
#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// File and how many bytes of it the next transfers send before the connection is cut.
    cuts: Vec<(String, usize)>,
    /// Files of which wrong bytes are sent.
    wrong: Vec<String>,
    ignores_ranges: bool,
    /// Method, path and headers of every request, one string each.
    requests: Vec<String>,
    stopped: bool,
}

struct Hub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Hub {
    fn start() -> Self {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Closes the port: afterwards nobody answers.
    fn stop(&self) {
        self.state().stopped = true;
        let _ = TcpStream::connect(self.address);
        while TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Requests for a file's bytes so far: where each one began.
    fn transfers(&self, file: &str) -> Vec<String> {
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

    fn options(&self, cache: &TempDir) -> HubOptions {
        HubOptions {
            endpoint: format!("http://{}", self.address),
            cache: Some(cache.path().join("hub")),
            token: Some("secret".into()),
            offline: false,
            retries: 1,
        }
    }
}

fn model_files() -> BTreeMap<String, Vec<u8>> {
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

/// Whether the folder holds exactly the model's files.
#[track_caller]
fn assert_is_the_model(folder: &Path) {
    for (name, bytes) in model_files() {
        if name == "README.md" {
            assert!(!folder.join(name).exists(), "downloaded without need");
        } else {
            assert!(
                fs::read(folder.join(&name)).unwrap() == bytes,
                "{name} differs"
            );
        }
    }
}

fn blobs(cache: &TempDir) -> Vec<String> {
    let folder = cache.path().join("hub/models--org--name/blobs");
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".lock")).collect()
}

/// What a download tells, file by file: its name, its size and how much of it is here.
#[derive(Default)]
struct Told(Vec<(String, f64, f64)>);

impl Told {
    fn hear(&mut self, progress: Progress<'_>) {
        let total = progress.total.unwrap();
        match self.0.last_mut() {
            Some((file, _, done)) if file == progress.subject => *done = progress.done,
            _ => self.0.push((progress.subject.into(), total, progress.done)),
        }
    }
}

#[test]
fn the_first_run_downloads_and_the_second_needs_no_hub() {
    // given
    let (hub, cache, mut told) = (Hub::start(), TempDir::new().unwrap(), Told::default());
    // when
    let first = resolve("org/name", &hub.options(&cache), &mut |progress| {
        told.hear(progress)
    })
    .unwrap();
    // then
    assert_is_the_model(&first);
    let told = told.0;
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|(_, total, done)| total == done));
    assert!(told.contains(&(WEIGHTS.into(), 700_000.0, 700_000.0)));
    // when: a second run with the hub still there asks what there is, and takes nothing
    hub.state().requests.clear();
    assert_eq!(
        resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap(),
        first
    );
    assert_eq!(hub.state().requests.len(), 1);
    let reference = cache.path().join("hub/models--org--name/refs/main");
    assert_eq!(fs::read_to_string(reference).unwrap(), COMMIT);
    // when: the hub is gone
    hub.stop();
    // then
    assert_eq!(
        resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap(),
        first
    );
    // when: told not to ask
    let options = HubOptions {
        offline: true,
        ..hub.options(&cache)
    };
    assert_eq!(resolve("org/name", &options, &mut |_| {}).unwrap(), first);
    assert_is_the_model(&first);
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    // given
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    // when
    resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    let requests = hub.state().requests.clone();
    let (storage, own): (Vec<_>, Vec<_>) = requests.iter().partition(|r| r.contains(" /storage/"));
    assert!(
        own.len() > 5
            && own
                .iter()
                .all(|r| r.contains("authorization: Bearer secret"))
    );
    assert!(storage.len() == 5 && !storage.iter().any(|r| r.contains("secret")));
}

#[test]
fn a_cut_download_goes_on_where_it_was_cut() {
    // given: two cuts, one of them right at the end
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().cuts = vec![(WEIGHTS.into(), 300_000), (WEIGHTS.into(), 399_999)];
    // when
    let folder = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    assert_eq!(
        hub.transfers(WEIGHTS),
        ["bytes=0-", "bytes=300000-", "bytes=699999-"]
    );
    assert_is_the_model(&folder);
}

#[test]
fn a_download_given_up_goes_on_in_the_next_run() {
    // given: a transfer that is cut and gets no further
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().cuts = vec![
        (WEIGHTS.into(), 500_000),
        (WEIGHTS.into(), 0),
        (WEIGHTS.into(), 0),
    ];
    // when
    let error = resolve("org/name", &hub.options(&cache), &mut |_| {})
        .unwrap_err()
        .to_string();
    // then
    assert!(
        error.contains("after 500000 of 700000 bytes, which are kept"),
        "{error}"
    );
    // Nothing of it counts as downloaded.
    let offline = HubOptions {
        offline: true,
        ..hub.options(&cache)
    };
    let error = resolve("org/name", &offline, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("does not have it"), "{error}");
    // when
    hub.state().requests.clear();
    let folder = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    assert_eq!(hub.transfers(WEIGHTS), ["bytes=500000-"]);
    assert_is_the_model(&folder);
    assert!(!blobs(&cache).iter().any(|name| name.ends_with(".part")));
}

#[test]
fn a_hub_that_cannot_resume_sends_the_whole_again() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().cuts = vec![(WEIGHTS.into(), 500_000)];
    hub.state().ignores_ranges = true;
    let folder = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    assert_eq!(hub.transfers(WEIGHTS).len(), 2);
    assert_is_the_model(&folder);
}

#[test]
fn a_wrong_checksum_is_refused_and_leaves_nothing_behind() {
    // given
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.state().wrong = vec![WEIGHTS.into()];
    // when
    let error = resolve("org/name", &hub.options(&cache), &mut |_| {})
        .unwrap_err()
        .to_string();
    // then
    assert!(
        error.contains(WEIGHTS) && error.contains("SHA-256"),
        "{error}"
    );
    let snapshot = cache
        .path()
        .join("hub/models--org--name/snapshots")
        .join(COMMIT);
    assert!(snapshot.join("config.json").exists() && !snapshot.join(WEIGHTS).exists());
    let sound: Vec<usize> = model_files()
        .values()
        .map(Vec::len)
        .filter(|l| *l != 700_000)
        .collect();
    for blob in blobs(&cache) {
        let path = cache.path().join("hub/models--org--name/blobs").join(&blob);
        assert!(
            sound.contains(&(fs::metadata(path).unwrap().len() as usize)),
            "{blob}"
        );
    }
    // Neither with nor without the hub does it count as a model.
    let offline = HubOptions {
        offline: true,
        ..hub.options(&cache)
    };
    resolve("org/name", &offline, &mut |_| {}).unwrap_err();
    // when: the hub has come to its senses
    hub.state().wrong.clear();
    // then
    assert_is_the_model(&resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap());
}

#[test]
fn a_beginning_that_was_damaged_earlier_is_noticed_and_fetched_again() {
    // given: half a file from an earlier run, with a wrong byte
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    let bytes = &model_files()[WEIGHTS];
    let sha256: String = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let folder = cache.path().join("hub/models--org--name/blobs");
    fs::create_dir_all(&folder).unwrap();
    let mut half = bytes[..350_000].to_vec();
    half[7] ^= 1;
    fs::write(folder.join(format!("{sha256}.part")), half).unwrap();
    // when
    let snapshot = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // then
    assert_eq!(hub.transfers(WEIGHTS), ["bytes=350000-", "bytes=0-"]);
    assert_is_the_model(&snapshot);
}

#[test]
fn a_model_that_is_not_there_or_not_shown_says_what_to_do() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    for (model, words) in [
        ("org/nmae", ["404", "spelling"]),
        ("org/name@v9", ["404", "@revision"]),
        ("org/gated", ["401", "HF_TOKEN"]),
    ] {
        let error = resolve(model, &hub.options(&cache), &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn without_hub_and_cache_the_error_says_how_to_get_the_model() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    hub.stop();
    let error = resolve("org/name", &hub.options(&cache), &mut |_| {})
        .unwrap_err()
        .to_string();
    for word in [
        "org/name",
        "no answer",
        "does not have it",
        "HF_HOME",
        "own folder",
    ] {
        assert!(error.contains(word), "no '{word}' in {error}");
    }
}

#[test]
fn the_cache_can_be_moved() {
    // given
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    let before = resolve("org/name", &hub.options(&cache), &mut |_| {}).unwrap();
    // when
    let moved: PathBuf = cache.path().join("moved");
    fs::rename(cache.path().join("hub"), &moved).unwrap();
    // then
    let options = HubOptions {
        cache: Some(moved),
        offline: true,
        ..hub.options(&cache)
    };
    let after = resolve("org/name", &options, &mut |_| {}).unwrap();
    assert_ne!(before, after);
    assert_is_the_model(&after);
}
