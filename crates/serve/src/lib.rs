//! HTTP on this machine, in two parts: the door, which says who may ask ([`door`]; the page of `pick` has it too), and a chat
//! endpoint in OpenAI's form, by which other programs ask the vision-language model about pictures.
//!
//! The model is the caller's ([`Answerer`]) and stays on the calling thread; HTTP is on another. Between them is a queue with as
//! many places as [`Limits::queue`] says (`desk`). Nothing here ever opens a connection.

mod budget;
mod chat;
mod connection;
mod desk;
pub mod door;
mod error;
mod metrics;
mod picture;
mod refusal;
mod routes;
mod shared;
mod told;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use self::door::{Names, Token};
pub use self::error::{Error, Result};
use self::shared::Shared;
use spatial_reward_core::question::{Asked, Reply};

/// Who answers.
pub trait Answerer {
    /// How many questions it likes together.
    fn batch(&self) -> usize;

    /// Answers questions that have nothing to do with each other, in their order.
    fn answer(&mut self, asked: &[Asked]) -> Vec<std::result::Result<Reply, Unanswered>>;
}

/// Why a question has no answer, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It cannot be asked so.
    Refused(String),
    /// The model failed.
    Failed(String),
}

/// How much is taken in, and how long is waited for it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Questions that wait or are answered.
    pub queue: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Bytes of a request.
    pub body_bytes: usize,
    /// Pixels of a picture.
    pub pixels: u64,
    /// Bytes that all requests hold together, their decoded pictures among them.
    pub held_bytes: u64,
    /// For the head of a request, and between two requests of a connection.
    pub head: Duration,
    /// For the rest of a request.
    pub body: Duration,
    /// For a client that takes nothing of its answer.
    pub write: Duration,
    /// For what was begun when the server is told to end.
    pub end: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 64,
            connections: 256,
            body_bytes: 16 << 20,
            pixels: 10_000_000,
            held_bytes: 512 << 20,
            head: Duration::from_secs(30),
            body: Duration::from_secs(60),
            write: Duration::from_secs(30),
            end: Duration::from_secs(10),
        }
    }
}

/// Where and for whom the server is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 for any that is free.
    pub address: SocketAddr,
    /// What has to be known to ask. Beyond loopback there must be one.
    pub token: Option<Token>,
    /// Names of this machine by which it may be asked for, beside those of loopback.
    pub names: Vec<String>,
    /// What the model is called.
    pub model: String,
    /// How much is taken in.
    pub limits: Limits,
}

/// A server that listens, and does not answer yet: who asks meanwhile waits.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl Server {
    /// # Errors
    /// `Error::NoToken` beyond loopback without a token, `Error::Listen` for an address that is taken or not this machine's.
    pub fn bind(options: Options) -> Result<Self> {
        let address = options.address;
        if options.token.is_none() && !address.ip().is_loopback() {
            return Err(Error::NoToken { address });
        }
        let listening = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listening)?;
        listener.set_nonblocking(true).map_err(listening)?;
        Ok(Self {
            address: listener.local_addr().map_err(listening)?,
            listener,
            options,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is set; then what was begun is finished, as long as [`Limits::end`] lets it. How many answers were
    /// given.
    ///
    /// # Errors
    /// `Error::Listen` where the system gives no means to go on.
    pub fn serve(self, answerer: &mut dyn Answerer, stop: &AtomicBool) -> Result<u64> {
        let Self {
            listener,
            address,
            options,
        } = self;
        let listening = |source| Error::Listen { address, source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // They decode pictures.
            .max_blocking_threads(thread::available_parallelism().map_or(1, usize::from))
            .build()
            .map_err(listening)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(listening)?
        };
        let names = Names {
            addresses: options.token.is_some(),
            others: match options.token {
                Some(_) => options.names.clone(),
                None => Vec::new(),
            },
        };
        let (shared, jobs) = Shared::new(options, names)?;
        let shared = Arc::new(shared);
        thread::scope(|scope| {
            let serving = Arc::clone(&shared);
            scope.spawn(move || {
                runtime.block_on(connection::serve(listener, serving, stop));
                runtime.shutdown_background();
            });
            desk::work(answerer, &jobs, &shared, stop);
            // Whoever still waits learns that nobody will answer.
            drop(jobs);
        });
        Ok(shared.metrics.answers())
    }
}
