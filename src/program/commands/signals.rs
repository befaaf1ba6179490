//! Ctrl-C and a polite kill. A command ends between two pieces of work, so that nothing unfinished is left; where a piece
//! takes too long, it is ended in the middle of it, and what is unfinished is cleared away from here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use spatial_reward_core::whole_folder;

use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;

/// How long a command has to end by itself. It is gone within a second, with what is cleared away.
const PATIENCE: Duration = Duration::from_millis(600);

/// How long the last words may take: nobody may be reading them.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Raised when somebody asks the program to stop. A second time, it ends at once.
pub(crate) fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    on_signal(|| {})
}

/// The same; and wherever the program is then, a second later it is gone. `way_out` is what to do then, if anything.
pub(crate) fn end_on_signal(
    terminal: &Terminal,
    way_out: &'static str,
) -> anyhow::Result<Arc<AtomicBool>> {
    end_on_signal_within(terminal, PATIENCE, way_out)
}

/// The same with another time than a second.
pub(crate) fn end_on_signal_within(
    terminal: &Terminal,
    patience: Duration,
    way_out: &'static str,
) -> anyhow::Result<Arc<AtomicBool>> {
    let terminal = terminal.clone();
    on_signal(move || {
        let terminal = terminal.clone();
        thread::spawn(move || {
            thread::sleep(patience);
            end_now(terminal, way_out);
        });
    })
}

fn on_signal(first: impl Fn() + Send + 'static) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let heard = move || match raised.swap(true, Ordering::Relaxed) {
        false => first(),
        true => exit(),
    };
    ctrlc::set_handler(heard).context("cannot listen for signals")?;
    Ok(stop)
}

/// Clears away what is unfinished, says so, and ends the process.
fn end_now(terminal: Terminal, way_out: &str) {
    let removed = whole_folder::abandon();
    let folders = removed.iter().filter_map(|path| {
        let name = path.to_string_lossy();
        // Lock files and replaced outputs are nothing that anybody waits for.
        name.ends_with(".partial").then(|| name.into_owned())
    });
    let folders: Vec<String> = folders.collect();
    let mut words = "interrupted".to_owned();
    if !folders.is_empty() {
        words = format!("{words}; the unfinished {} was removed", folders.join(", "));
    }
    if !way_out.is_empty() {
        words = format!("{words}: {way_out}");
    }
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        terminal.report_error(&words);
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(LAST_WORDS);
    exit();
}

/// Ends the process without what libraries do at its end: their threads may be at work, and would be waited for.
fn exit() -> ! {
    let code = i32::from(Outcome::Failed.code());
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code) }
}
