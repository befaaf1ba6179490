//! A data set of photos whose parts several processes make: the door of the Python package, whose fleet spreads them. Where
//! networks are named and not in this build, a program that has them makes the parts.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::{Config, Settings};
use spatial_reward_offline::Error as OfflineError;
use spatial_reward_offline::dataset::photos::{
    self, Begun, Made, Networks, PhotosReport, PhotosRequest, Run,
};
use spatial_reward_offline::dataset::rephrase::Rephrase;

use super::cli::RephraseOptions;
use super::commands::chat::Endpoint;
use super::commands::photo_networks::PhotoNetworks;
use super::commands::settings::ready;
use super::logging::Terminal;
use super::model::{self, Process, wire};
use super::remedies::in_words;

/// Which photos, and what to make of them: the same in all processes.
pub struct PhotoSet {
    /// Photos, and folders of photos.
    pub photos: Vec<PathBuf>,
    /// The folder to make.
    pub target: PathBuf,
    /// With the networks that find and segment.
    pub settings: Settings,
    /// A text of words to look for.
    pub vocabulary: Option<String>,
    /// The network that tells metres.
    pub depth_model: Option<String>,
    /// Every so manieth photo.
    pub every: u64,
    /// What chance begins with.
    pub seed: u64,
    /// Threads.
    pub jobs: usize,
    /// Who gives other words, of whoever joins the parts.
    pub rephrasing: Option<Rephrasing>,
    /// Who asks, for the record.
    pub command: &'static str,
}

/// A chat endpoint, and what is asked of it.
pub struct Rephrasing {
    /// As far as `/v1`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// An answer that takes longer is none.
    pub timeout_s: u16,
    /// At a time.
    pub requests: u16,
}

/// What goes wrong with a set.
#[derive(Debug)]
pub enum PhotoSetError {
    /// In the work.
    Work(OfflineError),
    /// With what was asked for, or with the process that was to do it: its kind, and words.
    Asked(&'static str, String),
}

impl From<OfflineError> for PhotoSetError {
    fn from(error: OfflineError) -> Self {
        Self::Work(error)
    }
}

type Result<T> = std::result::Result<T, PhotoSetError>;

impl PhotoSet {
    /// Whether networks are to be asked.
    pub fn has_networks(&self) -> bool {
        let settings = &self.settings;
        let named = [
            &settings.detector.path,
            &settings.segmenter.path,
            &self.depth_model,
        ];
        named.into_iter().any(Option::is_some)
    }

    /// Whether it can be begun, as far as one can tell before.
    ///
    /// # Errors
    /// A path without a photo, words that are none.
    pub fn check(&self) -> Result<()> {
        for path in &self.photos {
            if !photos::has_photos(path) {
                let words = format!(
                    "{} is no photo (.jpg, .png), and no folder with photos that can be read",
                    path.display()
                );
                return Err(PhotoSetError::Asked("no_photos", words));
            }
        }
        match &self.vocabulary {
            Some(text) if photos::words(text).is_empty() => {
                let words = "the vocabulary names nothing to look for: it takes a word or phrase a line, or several \
                             with commas between";
                Err(PhotoSetError::Asked("config", words.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Begin, or with `resume` go on where a run was ended.
    ///
    /// # Errors
    /// Those of [`Run::begin`]; an endpoint that is none.
    pub fn begin(&self, resume: bool) -> Result<Begun> {
        let stop = AtomicBool::new(false);
        self.with_endpoint(&stop, resume, Run::begin)
    }

    /// Join a run's parts, of which none is missing.
    ///
    /// # Errors
    /// Those of [`Run::join`].
    pub fn join(
        &self,
        run: Run,
        stop: &AtomicBool,
        progress: OnProgress<'_>,
    ) -> Result<PhotosReport> {
        self.with_endpoint(stop, true, |request| run.join(request, progress))
    }

    fn with_endpoint<T>(
        &self,
        stop: &AtomicBool,
        resume: bool,
        act: impl FnOnce(&PhotosRequest<'_>) -> spatial_reward_offline::Result<T>,
    ) -> Result<T> {
        let endpoint = match &self.rephrasing {
            None => None,
            Some(own) => {
                let options = RephraseOptions {
                    rephrase: Some(own.url.clone()),
                    rephrase_model: Some(own.model.clone()),
                    rephrase_timeout: own.timeout_s,
                    rephrase_requests: own.requests,
                };
                let found = Endpoint::of(&options);
                found.map_err(|error| PhotoSetError::Asked("config", in_words(&error)))?
            }
        };
        let asked = endpoint.as_ref().zip(self.rephrasing.as_ref());
        let request = PhotosRequest {
            resume,
            rephrase: asked.map(|(endpoint, own)| Rephrase {
                chat: endpoint,
                url: endpoint.url(),
                model: endpoint.model(),
                requests: own.requests.into(),
            }),
            ..self.request(Networks::default(), stop)
        };
        Ok(act(&request)?)
    }

    fn request<'a>(&'a self, networks: Networks<'a>, stop: &'a AtomicBool) -> PhotosRequest<'a> {
        PhotosRequest {
            sources: &self.photos,
            target: &self.target,
            overwrite: false,
            resume: true,
            shard: None,
            settings: &self.settings,
            vocabulary: self.vocabulary.as_deref(),
            networks,
            depth_model: self.depth_model.as_deref(),
            rephrase: None,
            every: self.every,
            seed: self.seed,
            jobs: self.jobs,
            command: self.command,
            stop,
        }
    }
}

/// Makes parts of a set that was begun, with the networks that are named.
pub struct PhotoMaker(Inner);

enum Inner {
    Here(Box<(photos::PartMaker, PhotoNetworks)>),
    /// In a process of a program that has the networks.
    Elsewhere(Process),
}

impl PhotoMaker {
    /// Load what is needed.
    ///
    /// # Errors
    /// Those of [`photos::PartMaker::open`]; what is wrong with a network, or that there are none.
    pub fn open(set: &PhotoSet) -> Result<Self> {
        match model::other_program().filter(|_| set.has_networks()) {
            None => Self::here(set, &Terminal::silent()),
            Some(program) => {
                let started = Hello::of(set)
                    .and_then(|hello| Process::start::<()>(&program, "photo-parts", &hello));
                let (process, ()) = started.map_err(|error| no_networks(&error))?;
                Ok(Self(Inner::Elsewhere(process)))
            }
        }
    }

    /// The same by this process, whatever it has.
    pub(crate) fn here(set: &PhotoSet, terminal: &Terminal) -> Result<Self> {
        let stop = AtomicBool::new(false);
        let maker = photos::PartMaker::open(&set.request(Networks::default(), &stop))?;
        let networks = PhotoNetworks::open(set.depth_model.as_deref(), &set.settings, terminal);
        let networks = networks.map_err(|error| no_networks(&error))?;
        Ok(Self(Inner::Here(Box::new((maker, networks)))))
    }

    /// Make a part.
    ///
    /// # Errors
    /// Those of [`photos::PartMaker::make`]; a process that is gone.
    pub fn make(&mut self, set: &PhotoSet, part: usize, stop: &AtomicBool) -> Result<Made> {
        match &mut self.0 {
            Inner::Here(here) => {
                let (maker, networks) = here.as_mut();
                Ok(maker.make(&set.request(networks.of_photos(), stop), part)?)
            }
            Inner::Elsewhere(process) => {
                let exchange = |process: &mut Process| -> io::Result<Option<Answered>> {
                    wire::send(&mut process.out, &Asked { part })?;
                    wire::receive(&mut process.input)
                };
                match exchange(process) {
                    Ok(Some(answered)) => answered.told(set),
                    Ok(None) | Err(_) => {
                        let words = "the process that has the networks has ended";
                        Err(PhotoSetError::Asked("networks_gone", words.to_owned()))
                    }
                }
            }
        }
    }
}

fn no_networks(error: &anyhow::Error) -> PhotoSetError {
    PhotoSetError::Asked("networks", in_words(error))
}

/// What a process that makes parts is told first.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    photos: Vec<PathBuf>,
    target: PathBuf,
    /// As YAML.
    config: String,
    vocabulary: Option<String>,
    depth_model: Option<String>,
    every: u64,
    seed: u64,
    jobs: usize,
}

impl Hello {
    fn of(set: &PhotoSet) -> anyhow::Result<Self> {
        Ok(Self {
            photos: set.photos.clone(),
            target: set.target.clone(),
            config: set.settings.changed_yaml()?,
            vocabulary: set.vocabulary.clone(),
            depth_model: set.depth_model.clone(),
            every: set.every,
            seed: set.seed,
            jobs: set.jobs,
        })
    }

    /// The set that it is of.
    ///
    /// # Errors
    /// Settings that are none here.
    pub(crate) fn set(self) -> spatial_reward_core::Result<PhotoSet> {
        Ok(PhotoSet {
            photos: self.photos,
            target: self.target,
            settings: ready(Config::from_yaml(&self.config)?)?,
            vocabulary: self.vocabulary,
            depth_model: self.depth_model,
            every: self.every,
            seed: self.seed,
            jobs: self.jobs,
            rephrasing: None,
            command: "",
        })
    }
}

/// What it is asked for.
#[derive(Serialize, Deserialize)]
pub(crate) struct Asked {
    pub part: usize,
}

/// What comes of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answered {
    Made(Made),
    /// Another process is at work on the part.
    Held,
    Failed(String),
}

impl Answered {
    /// As it is told.
    pub(crate) fn of(made: Result<Made>) -> Self {
        match made {
            Ok(made) => Self::Made(made),
            Err(PhotoSetError::Work(OfflineError::Core(
                spatial_reward_core::Error::OutputHeld { .. },
            ))) => Self::Held,
            Err(error) => Self::Failed(worded(error)),
        }
    }

    fn told(self, set: &PhotoSet) -> Result<Made> {
        match self {
            Self::Made(made) => Ok(made),
            Self::Held => {
                let held = spatial_reward_core::Error::OutputHeld {
                    path: set.target.clone(),
                    holder: None,
                };
                Err(OfflineError::Core(held).into())
            }
            Self::Failed(words) => Err(PhotoSetError::Asked("part", words)),
        }
    }
}

/// An error as words.
pub(crate) fn worded(error: PhotoSetError) -> String {
    match error {
        PhotoSetError::Work(error) => in_words(&error.into()),
        PhotoSetError::Asked(_, words) => words,
    }
}
