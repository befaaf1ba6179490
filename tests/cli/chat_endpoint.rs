//! A chat endpoint on the loopback interface that words pairs anew, or misbehaves as a test has it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

/// What the endpoint does with a request.
pub(crate) enum Does {
    /// The model says this.
    Says(String),
    /// A status with headers, each with its line's end, and a body.
    Answers(u16, &'static str, String),
    /// Closes the connection without a word.
    Closes,
    /// Keeps the connection and says nothing.
    Nothing,
    /// Closes the port: nobody answers this one or any other.
    Leaves,
}

/// A request as the endpoint sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The pair, by the order in which pairs came.
    pub pair: usize,
    /// How often it came before.
    pub before: usize,
    pub question: String,
    pub answer: String,
    pub tags: Vec<String>,
    /// The whole request: headers, an empty line, the body.
    pub request: String,
}

#[derive(Default)]
struct State {
    pairs: BTreeMap<String, (usize, usize)>,
    asked: Vec<Asked>,
    has_left: bool,
    /// Connections that are kept and not answered.
    held: Vec<TcpStream>,
}

pub(crate) struct ChatEndpoint {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl ChatEndpoint {
    pub(crate) fn start(does: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, does) = (Arc::clone(&state), Arc::new(does));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().has_left {
                    return;
                }
                let (shared, does) = (Arc::clone(&shared), Arc::clone(&does));
                thread::spawn(move || serve(stream.unwrap(), address, &shared, does.as_ref()));
            }
        });
        Self { address, state }
    }

    /// One that does as it is asked.
    pub(crate) fn well_behaved() -> Self {
        Self::start(|asked| Does::Says(asked.in_other_words()))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }
}

impl Drop for ChatEndpoint {
    fn drop(&mut self) {
        self.state().has_left = true;
        let _ = TcpStream::connect(self.address);
    }
}

impl Asked {
    /// A question and an answer that may stand for the pair.
    pub(crate) fn in_other_words(&self) -> String {
        let question = format!("Tell me, please: {}", self.question);
        let answer = match self.tags.iter().all(|tag| self.answer.contains(tag)) {
            true => self.answer.clone(),
            false => {
                let answer = self.answer.trim_end_matches('.');
                format!("{answer}, of {}.", self.tags.join(" and "))
            }
        };
        said(&question, &answer)
    }
}

/// As a model writes it that was asked for JSON.
pub(crate) fn said(question: &str, answer: &str) -> String {
    let object = json!({"Question": question, "Answer": answer});
    format!("```json\n{object}\n```")
}

fn serve(
    mut stream: TcpStream,
    address: SocketAddr,
    state: &Mutex<State>,
    does: &(impl Fn(&Asked) -> Does + Send + Sync),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        request.push_str(&line);
    }
    let length = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().ok())?
    });
    let Some(length) = length else { return };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let (asked, does) = {
        let mut state = state.lock().unwrap();
        let asked = asked(&mut state, &request, &body);
        let does = does(&asked);
        state.has_left |= matches!(does, Does::Leaves);
        state.asked.push(asked.clone());
        (asked, does)
    };
    let (status, headers, body) = match does {
        Does::Says(words) => (200, "", completion(&words, asked.question.len())),
        Does::Answers(status, headers, body) => (status, headers, body),
        Does::Closes => return,
        Does::Nothing => return state.lock().unwrap().held.push(stream),
        Does::Leaves => {
            let _ = TcpStream::connect(address);
            while TcpStream::connect(address).is_ok() {
                thread::yield_now();
            }
            return;
        }
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all((head + &body).as_bytes());
}

fn asked(state: &mut State, request: &str, body: &str) -> Asked {
    let body_json: Value = serde_json::from_str(body).unwrap();
    let messages = body_json["messages"].as_array().unwrap();
    let told = messages.last().unwrap()["content"].as_str().unwrap();
    let line = |name: &str| {
        let found = told.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().to_owned()
    };
    // What was wrong with a try before stands behind it.
    let key: String = told.lines().take(4).collect();
    let next = state.pairs.len();
    let (pair, times) = state.pairs.entry(key).or_insert((next, 0));
    *times += 1;
    Asked {
        pair: *pair,
        before: *times - 1,
        question: line("Question: "),
        answer: line("Answer: "),
        tags: line("Tags: ").split(", ").map(str::to_owned).collect(),
        request: format!("{request}\n{body}"),
    }
}

fn completion(words: &str, tokens: usize) -> String {
    json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": words}}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 7},
    })
    .to_string()
}
