//! `serve`: the vision-language model for other programs, as a chat endpoint in OpenAI's form.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use spatial_reward_core::question::{Asked, Reply};
use spatial_reward_core::settings::Settings;
use spatial_reward_serve::door::Token;
use spatial_reward_serve::{Answerer, Error, Limits, Options, Server, Unanswered};

use super::output::print;
use super::settings::{config_file, ready};
use super::signals::end_on_signal_within;
use crate::program::cli::Serve;
use crate::program::logging::Terminal;
use crate::program::model::Respondent;
use crate::program::outcome::Outcome;

/// The token, where no file is named. On the command line every user of the machine could read it.
const TOKEN_VARIABLE: &str = "SPATIAL_REWARD_TOKEN";
/// What the model that comes with the program is called.
const BUNDLED: &str = "nano";
const MEGABYTE: u64 = 1_000_000;
/// Beyond what was begun, the program has so long to end.
const LAST_STEPS: Duration = Duration::from_secs(2);

pub(super) fn run(options: Serve, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let mut config = config_file(options.config.as_deref())?;
    options.model.clone().set(&mut config.model);
    let settings = ready(config)?;
    // What is wrong with the address is told before a large model is read.
    let listens = listening(&options, &settings)?;
    let end = listens.limits.end;
    let server = Server::bind(listens).map_err(with_way_out)?;
    let bar = terminal.download_bar();
    let respondent = Respondent::load(&settings, &mut |progress| {
        Terminal::show(&bar, progress);
    });
    bar.finish_and_clear();
    let mut desk = Desk {
        respondent: respondent?,
        batch: settings.model.batch as usize,
    };
    let stop = end_on_signal_within(terminal, end + LAST_STEPS, "")?;
    tell(server.address())?;
    let answers = server.serve(&mut desk, &stop).map_err(with_way_out)?;
    let plural = if answers == 1 { "" } else { "s" };
    tracing::info!("{answers} answer{plural} given");
    Ok(Outcome::Fine)
}

fn listening(options: &Serve, settings: &Settings) -> anyhow::Result<Options> {
    let count = |count: u32| count as usize;
    Ok(Options {
        address: options.listen,
        token: token(options.token_file.as_deref())?,
        names: options.host_name.clone(),
        model: match &options.model_name {
            Some(name) => name.clone(),
            None => name_of(settings.model.path.as_deref()),
        },
        limits: Limits {
            queue: count(options.queue),
            connections: count(options.connections),
            body_bytes: count(options.body_mb) * MEGABYTE as usize,
            pixels: u64::from(options.megapixels) * MEGABYTE,
            held_bytes: u64::from(options.memory_mb) * MEGABYTE,
            ..Limits::default()
        },
    })
}

fn token(file: Option<&Path>) -> anyhow::Result<Option<Token>> {
    let (text, place) = match file {
        Some(file) => {
            let read = std::fs::read_to_string(file);
            let read = read.map_err(spatial_reward_core::Error::io("read", file))?;
            (read, file.display().to_string())
        }
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => (text, TOKEN_VARIABLE.to_owned()),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(error).context(TOKEN_VARIABLE),
        },
    };
    Token::chosen(&text).map(Some).context(place)
}

/// The last part of a folder or of a hub's id.
fn name_of(model: Option<&str>) -> String {
    let name = model.and_then(|model| Path::new(model).file_name());
    name.map_or_else(
        || BUNDLED.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Results go to stdout: the address is one, as clients take it.
fn tell(address: SocketAddr) -> anyhow::Result<()> {
    print(&format!("http://{address}/v1"))
}

fn with_way_out(error: Error) -> anyhow::Error {
    let way_out = match &error {
        Error::NoToken { .. } => {
            "give --token-file FILE with one, or set SPATIAL_REWARD_TOKEN, or listen on 127.0.0.1"
        }
        Error::Listen { .. } => "give another --listen ADDRESS:PORT; port 0 takes any that is free",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}: {way_out}")
}

/// The model at its desk.
struct Desk {
    respondent: Respondent,
    batch: usize,
}

impl Answerer for Desk {
    fn batch(&self) -> usize {
        self.batch
    }

    fn answer(&mut self, asked: &[Asked]) -> Vec<Result<Reply, Unanswered>> {
        self.respondent.answer(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_the_last_part_of_its_place() {
        assert_eq!(name_of(None), "nano");
        assert_eq!(name_of(Some("/models/desk/")), "desk");
        assert_eq!(name_of(Some("ORG/NAME")), "NAME");
    }

    #[test]
    fn the_token_of_a_file_has_no_end_of_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        assert!(token(Some(&file)).unwrap().unwrap().is("0123456789abcdef"));
        std::fs::write(&file, "short\n").unwrap();
        let words = format!("{:#}", token(Some(&file)).unwrap_err());
        assert!(words.contains("token") && words.contains("16"), "{words}");
    }
}
