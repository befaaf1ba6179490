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
mod job;
mod metrics;
mod picture;
mod refusal;
mod routes;
mod server;
mod shared;
mod told;

use std::net::SocketAddr;
use std::time::Duration;

use self::door::Token;
pub use self::error::{Error, Result};
pub use self::server::Server;
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
    /// Names by which it may be asked for, beside those of loopback; where there is a token, addresses need none.
    pub names: Vec<String>,
    /// What the model is called.
    pub model: String,
    /// How much is taken in.
    pub limits: Limits,
}
