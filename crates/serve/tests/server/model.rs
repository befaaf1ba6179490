//! A scripted model behind a real server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use spatial_reward_core::question::{Asked, Reply};
use spatial_reward_serve::door::Token;
use spatial_reward_serve::{Answerer, Limits, Options, Server, Unanswered};

pub(crate) const TOKEN: &str = "0123456789abcdef";

/// Answers with the question's own words, and keeps what it was asked.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) asked: Arc<Mutex<Vec<Vec<Asked>>>>,
    /// It waits for a word before each answer.
    pub(crate) waits: Option<Arc<Mutex<Receiver<()>>>>,
}

impl Answerer for Script {
    fn batch(&self) -> usize {
        4
    }

    fn answer(&mut self, asked: &[Asked]) -> Vec<Result<Reply, Unanswered>> {
        self.asked.lock().unwrap().push(asked.to_vec());
        if let Some(waits) = &self.waits {
            // A test that has ended lets it go on.
            let _ = waits.lock().unwrap().recv();
        }
        let each = asked.iter().map(|asked| match asked.question.as_str() {
            "refuse" => Err(Unanswered::Refused("nobody can say".into())),
            "fail" => Err(Unanswered::Failed("out of memory".into())),
            "panic" => panic!("on purpose"),
            question => Ok(Reply {
                text: match question {
                    "long" => "x".repeat(30 << 20),
                    question => format!("so: {question}"),
                },
                distance_m: Some(0.25),
                confidence: Some(0.9),
                complete: asked.max_new_tokens.is_none(),
                prompt_tokens: 30,
                answer_tokens: 4,
                ..Reply::default()
            }),
        });
        each.collect()
    }
}

/// A server that ends when it is dropped.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) script: Script,
    /// Lets the model answer once, where it waits.
    pub(crate) go: Sender<()>,
    pub(crate) stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

pub(crate) fn options(limits: Limits) -> Options {
    Options {
        address: "127.0.0.1:0".parse().unwrap(),
        token: None,
        names: Vec::new(),
        model: "nano".into(),
        limits,
    }
}

pub(crate) fn serving(limits: Limits) -> Serving {
    begin(options(limits), false)
}

/// The model waits for [`Serving::go`] before each answer.
pub(crate) fn serving_slowly(limits: Limits) -> Serving {
    begin(options(limits), true)
}

pub(crate) fn serving_with_token() -> Serving {
    let token = Some(Token::chosen(TOKEN).unwrap());
    let names = vec!["reward".to_owned()];
    begin(
        Options {
            token,
            names,
            ..options(Limits::default())
        },
        false,
    )
}

fn begin(options: Options, waits: bool) -> Serving {
    let (go, may_go) = channel();
    let script = Script {
        asked: Arc::default(),
        waits: waits.then(|| Arc::new(Mutex::new(may_go))),
    };
    let server = Server::bind(options).unwrap();
    let address = server.address();
    let stop = Arc::new(AtomicBool::new(false));
    let (mut model, stopped) = (script.clone(), Arc::clone(&stop));
    let thread = thread::spawn(move || server.serve(&mut model, &stopped).unwrap());
    Serving {
        address,
        script,
        go,
        stop,
        thread: Some(thread),
    }
}

impl Serving {
    /// How many questions were asked together, each time.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.script
            .asked
            .lock()
            .unwrap()
            .iter()
            .map(Vec::len)
            .collect()
    }

    pub(crate) fn questions(&self) -> Vec<String> {
        let asked = self.script.asked.lock().unwrap();
        let asked = asked.iter().flatten();
        asked.map(|asked| asked.question.clone()).collect()
    }

    /// Ends it; how many answers it gave, and how long it took to end.
    pub(crate) fn end(mut self) -> (u64, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        (self.thread.take().unwrap().join().unwrap(), begin.elapsed())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Nobody goes on waiting.
        self.go = channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "it never was so: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
