//! A region followed from picture to picture, as Python uses it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use spatial_reward_core::following::{Drawing, Follower, Sight};
use spatial_reward_core::frame::{BoxOrigin, BoxSource, Reason};
use spatial_reward_core::pipeline::annotator::Placed;
use spatial_reward_core::tracking::{Cover, StartError};

use crate::arrays;
use crate::boxes::{Edges, Else, bbox, edges};
use crate::error::Failure;
use crate::process::Made;

/// Where a region is in a picture; it may be given to `Annotator.step` in the place of a box.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Tracked(Sight);

impl Tracked {
    /// The box, or why there is none.
    pub(crate) fn placed(&self) -> Result<Placed, Reason> {
        self.0.placed().ok_or(Reason::LostBox)
    }
}

#[pymethods]
impl Tracked {
    #[getter]
    fn r#box(&self) -> Option<Edges> {
        self.0.placed().map(|(bbox, _)| edges(&bbox))
    }

    #[getter]
    fn lost(&self) -> bool {
        self.0.placed().is_none()
    }

    #[getter]
    fn doubt_px(&self) -> f64 {
        self.0
            .placed()
            .map_or(f64::NAN, |(_, source)| source.doubt.std_px())
    }

    #[getter]
    fn seen(&self) -> f64 {
        match self.0 {
            Sight::Followed { seen, .. } => seen,
            Sight::Lost | Sight::Unseen => 0.0,
        }
    }

    /// What two trackers say of one picture that went through a recording in both directions of time.
    #[staticmethod]
    fn joined(earlier: &Bound<'_, Self>, later: &Bound<'_, Self>) -> Self {
        Self(Sight::joined(earlier.get().0, later.get().0))
    }

    fn __repr__(&self) -> String {
        match self.r#box() {
            Some((x0, y0, x1, y1)) => {
                format!(
                    "Tracked(box=({x0:.1}, {y0:.1}, {x1:.1}, {y1:.1}), doubt_px={:.1})",
                    self.doubt_px()
                )
            }
            None => "Tracked(lost)".to_owned(),
        }
    }
}

/// Follows a region that was drawn in one picture through those that come.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Tracker {
    made: Made,
    state: Mutex<State>,
}

/// A follower after some pictures.
struct State {
    follower: Follower,
    /// Width and height of all pictures, those of the first.
    size: Option<(u32, u32)>,
    pictures: i64,
    last: Sight,
}

#[pymethods]
impl Tracker {
    #[new]
    #[pyo3(signature = (color, r#box, depth = None, *, other = None))]
    fn new(
        py: Python<'_>,
        color: &Bound<'_, PyAny>,
        r#box: &Bound<'_, PyAny>,
        depth: Option<&Bound<'_, PyAny>>,
        other: Option<&Bound<'_, Tracker>>,
    ) -> PyResult<Self> {
        let tracker = Self {
            made: Made::here(),
            state: Mutex::new(State {
                follower: Follower::default(),
                size: None,
                pictures: 0,
                last: Sight::Lost,
            }),
        };
        tracker.see(py, color, Some(r#box), depth, other)?;
        Ok(tracker)
    }

    /// Where it was in the last picture.
    #[getter]
    fn last(&self) -> PyResult<Tracked> {
        Ok(Tracked(self.state()?.last))
    }

    /// Where the region is in the next picture.
    #[pyo3(signature = (color, depth = None, *, r#box = None, other = None))]
    fn update(
        &self,
        py: Python<'_>,
        color: &Bound<'_, PyAny>,
        depth: Option<&Bound<'_, PyAny>>,
        r#box: Option<&Bound<'_, PyAny>>,
        other: Option<&Bound<'_, Tracker>>,
    ) -> PyResult<Tracked> {
        self.see(py, color, r#box, depth, other)
    }
}

impl Tracker {
    fn see(
        &self,
        py: Python<'_>,
        color: &Bound<'_, PyAny>,
        drawn: Option<&Bound<'_, PyAny>>,
        depth: Option<&Bound<'_, PyAny>>,
        other: Option<&Bound<'_, Tracker>>,
    ) -> PyResult<Tracked> {
        let color = arrays::color(color)?;
        let depth = depth.map(arrays::depth).transpose()?;
        if let Some(depth) = &depth
            && (depth.width, depth.height) != (color.width, color.height)
        {
            let words = format!(
                "depth has {}x{} pixels and color {}x{}: a tracker needs depth of each pixel",
                depth.width, depth.height, color.width, color.height
            );
            return Err(Failure::of("array", words).into());
        }
        let size = (color.width, color.height);
        let first = self.state()?.size;
        if let Some(first) = first.filter(|first| *first != size) {
            let words = format!(
                "color has {}x{} pixels, and the pictures before {}x{}",
                size.0, size.1, first.0, first.1
            );
            let remedy = "pictures of another size are followed by another Tracker";
            return Err(Failure::of("array", words).remedy(remedy).into());
        }
        let drawn = drawn
            .map(|drawn| bbox("box", drawn, Else::Nothing))
            .transpose()?
            .map(|bbox| Drawing { bbox, on: None });
        let other: Option<Cover> = match other {
            Some(other) => other.get().state()?.follower.cover().cloned(),
            None => None,
        };
        self.check_process()?;
        let seen = py.detach(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State {
                follower,
                size: of_all,
                pictures,
                last,
            } = &mut *state;
            *pictures += 1;
            let seen = follower.see(
                drawn,
                *pictures,
                Some((&color, depth.as_ref())),
                other.as_ref(),
            )?;
            *of_all = Some(size);
            *last = seen.unwrap_or(Sight::Lost);
            Ok::<_, StartError>(*last)
        });
        let seen = seen.map_err(|error| PyErr::from(Failure::of("region", error.to_string())))?;
        Ok(Tracked(seen))
    }

    fn state(&self) -> PyResult<MutexGuard<'_, State>> {
        self.check_process()?;
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn check_process(&self) -> PyResult<()> {
        self.made
            .check("this Tracker was", "make one here: Tracker(...)")
    }
}

/// A box of a source, so that a step tells where it comes from.
pub(crate) fn origin(source: Option<BoxSource>) -> Option<&'static str> {
    source.map(|source| BoxOrigin::name(source.origin))
}
