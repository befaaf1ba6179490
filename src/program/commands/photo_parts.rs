//! `photo-parts`: makes parts of a data set of photos for another process, which has no networks of its own. Nobody types it.

use std::io::{BufReader, BufWriter, Write, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::program::logging::Terminal;
use crate::program::model::IS_HERE;
use crate::program::model::wire::{Greeting, receive, send};
use crate::program::outcome::Outcome;
use crate::program::photo_set::{Answered, Asked, Hello, PhotoMaker, PhotoSet, worded};

pub(super) fn run(terminal: &Terminal) -> anyhow::Result<Outcome> {
    let (mut input, mut out) = (BufReader::new(stdin()), BufWriter::new(stdout().lock()));
    if let Some(hello) = receive::<Hello>(&mut input)? {
        serve(hello, input, &mut out, terminal)?;
    }
    Ok(Outcome::Fine)
}

fn serve(
    hello: Hello,
    input: BufReader<std::io::Stdin>,
    out: &mut impl Write,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let (set, mut maker) = match open(hello, terminal) {
        Ok(opened) => {
            send(out, &Greeting::Ready(()))?;
            opened
        }
        Err(words) => return Ok(send(out, &Greeting::<()>::Refused(words))?),
    };
    let stop = Arc::new(AtomicBool::new(false));
    for Asked { part } in asked(input, Arc::clone(&stop)) {
        send(out, &Answered::of(maker.make(&set, part, &stop)))?;
    }
    Ok(())
}

fn open(hello: Hello, terminal: &Terminal) -> Result<(PhotoSet, PhotoMaker), String> {
    // Or each would look for another.
    if !IS_HERE {
        return Err(
            "the networks are not in this build either: they need the feature torch".to_owned(),
        );
    }
    let set = hello.set().map_err(|error| error.to_string())?;
    let maker = PhotoMaker::here(&set, terminal).map_err(worded)?;
    Ok((set, maker))
}

/// What is asked for. It is read while a part is made: where nobody asks any more, the process is not to hold that part from
/// whoever makes it now.
fn asked(mut input: BufReader<std::io::Stdin>, stop: Arc<AtomicBool>) -> Receiver<Asked> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        while let Ok(Some(next)) = receive::<Asked>(&mut input) {
            if tell.send(next).is_err() {
                return;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    told
}
