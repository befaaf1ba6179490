//! The samples of all frames, and the transform between any two of them at a stamp.

use std::collections::{BTreeSet, HashMap};

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};

use super::chain::{Broken, Chain};
use super::error::TransformError;
use super::link::{FrameId, History, Link, Unplaced};

/// A quaternion shorter than this tells no direction; what rounding does to a unit one is far less.
const MIN_QUATERNION_NORM: f64 = 1e-3;

/// A transform from numbers as messages carry them: metres, and a quaternion `x y z w`, which is normalised.
///
/// # Errors
/// What the numbers are instead: `a quaternion of length 0`, `a number that is not finite`.
pub fn transform_of(
    translation: [f64; 3],
    rotation: [f64; 4],
) -> Result<Isometry3<f64>, &'static str> {
    if !(translation.iter().chain(&rotation)).all(|number| number.is_finite()) {
        return Err("a number that is not finite");
    }
    let [x, y, z, w] = rotation;
    let rotation = UnitQuaternion::try_new(Quaternion::new(w, x, y, z), MIN_QUATERNION_NORM);
    let rotation = rotation.ok_or("a quaternion of length 0")?;
    let [x, y, z] = translation;
    Ok(Isometry3::from_parts(Translation3::new(x, y, z), rotation))
}

/// A transform at a stamp, and how far from it the samples lie that it was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looked {
    /// Maps coordinates of the one frame into the other.
    pub into_from: Isometry3<f64>,
    /// Between the stamp and the nearest sample, of that link of the chain for which it is farthest; 0 for static ones.
    pub age_nanos: i64,
}

/// All frames that were heard of, and where each is in its parent, over time.
///
/// tf2's rules: a leading slash of a name does not count; between two samples a transform is interpolated, linearly and
/// along the shortest rotation; a static one holds at all times; of two samples of a stamp the first counts. Unlike in tf2
/// the first and the last sample hold a while beyond their stamps, up to a limit, because a picture may be stamped
/// a little before the first or after the last transform of its recording.
#[derive(Debug, Clone)]
pub struct TransformTree {
    names: Vec<String>,
    ids: HashMap<String, FrameId>,
    /// Of each frame; none of one that was only ever a parent.
    links: Vec<Option<Link>>,
    hold_nanos: i64,
    history: Option<History>,
    /// Those of which a static sample said something else than one before.
    changed: BTreeSet<FrameId>,
}

/// So many frames are told by name, and so many letters of each.
const TOLD: usize = 30;
const LETTERS: usize = 60;

impl TransformTree {
    /// An empty tree. At both ends of its samples the nearest one holds for `hold_nanos`.
    pub fn new(hold_nanos: i64) -> Self {
        Self {
            names: Vec::new(),
            ids: HashMap::new(),
            links: Vec::new(),
            hold_nanos: hold_nanos.max(0),
            history: None,
            changed: BTreeSet::new(),
        }
    }

    /// The same, with samples forgotten so long after they were taken in: for live use.
    pub fn with_history(self, kept_nanos: i64) -> Self {
        let history = Some(History {
            now_nanos: i64::MIN,
            kept_nanos: kept_nanos.max(0),
        });
        Self { history, ..self }
    }

    /// What is taken in from now on is taken in at this time; it only goes forward.
    pub fn advance(&mut self, now_nanos: i64) {
        if let Some(history) = &mut self.history {
            history.now_nanos = history.now_nanos.max(now_nanos);
        }
    }

    /// Take in where `child` is in `parent` at a stamp; the transform maps coordinates of the child into the parent.
    ///
    /// # Errors
    /// A name that is empty, a transform that is not finite, a frame that is its own parent. Nothing changes then.
    pub fn insert(
        &mut self,
        parent: &str,
        child: &str,
        stamp_nanos: i64,
        parent_from_child: Isometry3<f64>,
        is_static: bool,
    ) -> Result<(), TransformError> {
        let [parent, child] = [parent, child].map(bare);
        for (name, role) in [(parent, "parent"), (child, "child")] {
            if name.is_empty() {
                return Err(TransformError::Unnamed { role });
            }
        }
        if parent == child {
            let frames = vec![child.to_owned(), parent.to_owned()];
            return Err(TransformError::Loop { frames });
        }
        let rotation = parent_from_child.rotation.coords;
        let translation = parent_from_child.translation.vector;
        if !(translation.iter().chain(rotation.iter())).all(|number| number.is_finite()) {
            return Err(TransformError::NoTransform {
                parent: parent.to_owned(),
                child: child.to_owned(),
                what: "a number that is not finite",
            });
        }
        let parent = self.intern(parent);
        let child = self.intern(child);
        let link = self.links[child].get_or_insert_default();
        match is_static {
            true if link.insert_static(parent, parent_from_child) => {
                self.changed.insert(child);
            }
            true => {}
            false => link.insert(stamp_nanos, parent, parent_from_child, self.history),
        }
        Ok(())
    }

    /// The transform that maps coordinates of `from` into `into` at a stamp.
    ///
    /// # Errors
    /// What is missing, by name: a frame, a link of the chain, a sample near enough.
    pub fn lookup(
        &self,
        into: &str,
        from: &str,
        stamp_nanos: i64,
    ) -> Result<Isometry3<f64>, TransformError> {
        self.look(into, from, stamp_nanos)
            .map(|looked| looked.into_from)
    }

    /// The same with the age of what it was made of.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn look(&self, into: &str, from: &str, stamp_nanos: i64) -> Result<Looked, TransformError> {
        let [into, from] = [self.id(into)?, self.id(from)?];
        let [of_from, of_into] = self.chains(into, from, stamp_nanos);
        if let Some((into_from, age_nanos)) = of_from.joined(&of_into) {
            return Ok(Looked {
                into_from,
                age_nanos,
            });
        }
        // What broke a chain explains why they do not meet; two that end in roots are of two trees.
        if let Some(broken) = of_from.broken.as_ref().or(of_into.broken.as_ref()) {
            return Err(self.error_of(broken));
        }
        Err(TransformError::NotConnected {
            from: self.name(from),
            from_root: self.name(of_from.end()),
            into: self.name(into),
            into_root: self.name(of_into.end()),
        })
    }

    /// Whether the transform between two frames at a stamp is there and no sample that is still to come would change it: each
    /// link between them is fixed, or has a sample at the stamp or at most `ahead_nanos` later.
    pub fn has_reached(&self, into: &str, from: &str, stamp_nanos: i64, ahead_nanos: i64) -> bool {
        let (Ok(into), Ok(from)) = (self.id(into), self.id(from)) else {
            return false;
        };
        let [of_from, of_into] = self.chains(into, from, stamp_nanos);
        let has_reached = |frame: FrameId| {
            let link = self.links.get(frame).and_then(Option::as_ref);
            link.is_some_and(|link| link.has_reached(stamp_nanos, ahead_nanos))
        };
        of_from.joined(&of_into).is_some() && of_from.links_to(&of_into).all(has_reached)
    }

    /// The way up from each of two frames, of which the second ends where they meet.
    fn chains(&self, into: FrameId, from: FrameId, stamp_nanos: i64) -> [Chain; 2] {
        let (links, hold_nanos) = (self.links.as_slice(), self.hold_nanos);
        // All the way up even where the common ancestor comes earlier: which one that is, only the other chain tells.
        let of_from = Chain::climb(links, from, stamp_nanos, hold_nanos, |_| false);
        let is_common = |frame| of_from.has(frame);
        let of_into = Chain::climb(links, into, stamp_nanos, hold_nanos, is_common);
        [of_from, of_into]
    }

    /// What static samples alone tell.
    pub fn fixed(&self) -> Self {
        let links = self.links.iter();
        let fixed = |link: &Option<Link>| link.as_ref().and_then(Link::fixed);
        Self {
            links: links.map(fixed).collect(),
            ..self.clone()
        }
    }

    /// The frames of which a static sample said something else than one before: the newest counts.
    pub fn changed(&self) -> Vec<&str> {
        let names = self.changed.iter().filter_map(|id| self.names.get(*id));
        names.map(String::as_str).collect()
    }

    /// How many frames were named.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Which frames there are: `there are base, tip`, cut where they are many or long.
    pub fn in_words(&self) -> String {
        let frames = self.frames();
        let cut = |name: &&str| name.chars().take(LETTERS).collect::<String>();
        let first: Vec<String> = frames.iter().take(TOLD).map(cut).collect();
        let first = first.join(", ");
        match frames.len() {
            0 => "no transform has come at all".to_owned(),
            all if all > TOLD => format!("there are {first} and {} more", all - TOLD),
            _ => format!("there are {first}"),
        }
    }

    /// Whether a sample named that frame, as a parent or a child.
    pub fn has(&self, frame: &str) -> bool {
        self.ids.contains_key(bare(frame))
    }

    /// Every frame that was named, in alphabetical order.
    pub fn frames(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Forget everything: a live clock was set back.
    pub fn clear(&mut self) {
        self.names.clear();
        self.ids.clear();
        self.links.clear();
        self.changed.clear();
    }

    fn error_of(&self, broken: &Broken) -> TransformError {
        let name = |frame: &FrameId| self.name(*frame);
        match broken {
            Broken::Loop(frames) => TransformError::Loop {
                frames: frames.iter().map(name).collect(),
            },
            Broken::At(child, Unplaced::TwoParents(parents)) => TransformError::TwoParents {
                child: name(child),
                parents: parents.each_ref().map(name),
            },
            Broken::At(child, Unplaced::BeforeFirst { parent, by_nanos }) => {
                TransformError::BeforeFirst {
                    parent: name(parent),
                    child: name(child),
                    by_nanos: *by_nanos,
                }
            }
            Broken::At(child, Unplaced::AfterLast { parent, by_nanos }) => {
                TransformError::AfterLast {
                    parent: name(parent),
                    child: name(child),
                    by_nanos: *by_nanos,
                }
            }
        }
    }

    fn intern(&mut self, name: &str) -> FrameId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len();
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        self.links.push(None);
        id
    }

    fn id(&self, frame: &str) -> Result<FrameId, TransformError> {
        let frame = bare(frame);
        let unknown = || TransformError::UnknownFrame {
            frame: frame.to_owned(),
        };
        self.ids.get(frame).copied().ok_or_else(unknown)
    }

    fn name(&self, id: FrameId) -> String {
        self.names.get(id).cloned().unwrap_or_default()
    }
}

/// Without the leading slash that names had before tf2.
fn bare(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}
