//! Figures of the server, as Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What others know of how things stand.
pub(crate) struct Gauges {
    /// Questions that wait or are answered.
    pub(crate) waiting: usize,
    /// Memory set aside for requests.
    pub(crate) held_bytes: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default, Clone)]
struct Counts {
    /// By the answer's status.
    requests: BTreeMap<u16, u64>,
    questions: u64,
    answers: u64,
    abandoned: u64,
    batches: u64,
    batched: u64,
    model_s: f64,
    waits: u64,
    wait_s: f64,
    prompt_tokens: u64,
    answer_tokens: u64,
    connections: u64,
    turned_away: u64,
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered, whatever with.
    pub(crate) fn request(&self, status: u16) {
        *self.counts().requests.entry(status).or_default() += 1;
    }

    /// A question was handed to the model.
    pub(crate) fn question(&self) {
        self.counts().questions += 1;
    }

    /// A question waited.
    pub(crate) fn wait(&self, time: Duration) {
        let mut counts = self.counts();
        counts.waits += 1;
        counts.wait_s += time.as_secs_f64();
    }

    /// A client hung up before its question's turn.
    pub(crate) fn abandon(&self) {
        self.counts().abandoned += 1;
    }

    /// The model took so long for so many questions.
    pub(crate) fn answered_together(&self, count: usize, time: Duration) {
        let mut counts = self.counts();
        counts.batches += 1;
        counts.batched += count as u64;
        counts.model_s += time.as_secs_f64();
    }

    /// The model answered a question.
    pub(crate) fn answer(&self, prompt_tokens: usize, answer_tokens: usize) {
        let mut counts = self.counts();
        counts.answers += 1;
        counts.prompt_tokens += prompt_tokens as u64;
        counts.answer_tokens += answer_tokens as u64;
    }

    pub(crate) fn connect(&self) {
        self.counts().connections += 1;
    }

    pub(crate) fn disconnect(&self) {
        self.counts().connections -= 1;
    }

    pub(crate) fn turn_away(&self) {
        self.counts().turned_away += 1;
    }

    /// Answers so far.
    pub(crate) fn answers(&self) -> u64 {
        self.counts().answers
    }

    /// Open connections.
    pub(crate) fn connections(&self) -> u64 {
        self.counts().connections
    }

    /// Seconds that the model takes for a question; a guess before the first.
    pub(crate) fn seconds_a_question(&self) -> f64 {
        let counts = self.counts();
        match counts.batched {
            0 => 1.0,
            count => counts.model_s / count as f64,
        }
    }

    /// All of it in Prometheus's text format.
    pub(crate) fn text(&self, gauges: &Gauges) -> String {
        let counts = self.counts().clone();
        let mut text = String::new();
        let mut tell = |name: &str, kind: &str, help: &str, values: &[(String, f64)]| {
            // A text takes what is written.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let requests = counts.requests.iter();
        let requests: Vec<(String, f64)> = requests
            .map(|(status, count)| (format!("{{status=\"{status}\"}}"), *count as f64))
            .collect();
        tell(
            "spatial_reward_requests_total",
            "counter",
            "Requests by the status of their answer.",
            &requests,
        );
        for (name, help, value) in [
            (
                "questions",
                "Questions that were handed to the model.",
                counts.questions as f64,
            ),
            ("answers", "Answers of the model.", counts.answers as f64),
            (
                "abandoned",
                "Questions whose client hung up before their turn.",
                counts.abandoned as f64,
            ),
            (
                "batches",
                "Times that the model was asked, of several questions once.",
                counts.batches as f64,
            ),
            ("model_seconds", "Time that the model took.", counts.model_s),
            (
                "wait_seconds",
                "Time that questions waited for the model.",
                counts.wait_s,
            ),
            (
                "waits",
                "Questions that waited for it.",
                counts.waits as f64,
            ),
            (
                "prompt_tokens",
                "Tokens that the model read.",
                counts.prompt_tokens as f64,
            ),
            (
                "answer_tokens",
                "Tokens that the model wrote.",
                counts.answer_tokens as f64,
            ),
            (
                "connections_refused",
                "Connections beyond the limit.",
                counts.turned_away as f64,
            ),
        ] {
            let name = format!("spatial_reward_{name}_total");
            tell(&name, "counter", help, &[(String::new(), value)]);
        }
        for (name, help, value) in [
            (
                "spatial_reward_connections",
                "Open connections.",
                counts.connections as f64,
            ),
            (
                "spatial_reward_queue",
                "Questions that wait or are answered.",
                gauges.waiting as f64,
            ),
            (
                "spatial_reward_held_bytes",
                "Memory set aside for requests.",
                gauges.held_bytes as f64,
            ),
            (
                "process_resident_memory_bytes",
                "Memory of the process.",
                resident_bytes().unwrap_or(f64::NAN),
            ),
        ] {
            tell(name, "gauge", help, &[(String::new(), value)]);
        }
        text
    }
}

/// Linux's word on this process.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}
