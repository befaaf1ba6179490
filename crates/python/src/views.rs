//! What cameras see at a moment, as Python says it: of one camera picture, depth and regions, of several a dict of such.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use spatial_reward_core::frame::{Frame, Mask};
use spatial_reward_core::pipeline::task_annotator::{PlacedRegion, View};

use crate::arrays;
use crate::error::Failure;
use crate::eyes::Eye;
use crate::named::{entries, listed};
use crate::regions::region;

type Any<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The arguments that say what is seen.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a, 'py> {
    pub color: Any<'a, 'py>,
    pub depth: Any<'a, 'py>,
    pub fingertip: Any<'a, 'py>,
    pub target: Any<'a, 'py>,
    pub regions: Any<'a, 'py>,
    pub views: Any<'a, 'py>,
}

/// What is known of one view's keys.
const KEYS: [&str; 3] = ["color", "depth", "regions"];

impl<'py> Arguments<'_, 'py> {
    /// What each camera sees.
    ///
    /// # Errors
    /// A camera or a region that there is not; an array that is not what is needed; a mask of another picture.
    pub(crate) fn views(&self, eyes: &[Eye]) -> Result<BTreeMap<String, View>, Failure> {
        match self.views {
            Some(views) => self.of_several(views, eyes),
            None => {
                let [eye] = eyes else {
                    let words = format!(
                        "views is not given, and the cameras are {}",
                        listed(eyes.iter().map(|eye| &eye.name))
                    );
                    let remedy =
                        "views={'name': {'color': color, 'depth': depth, 'regions': {...}}, ...}";
                    return Err(Failure::of("argument", words).remedy(remedy));
                };
                Ok([(eye.name.clone(), self.view(eye)?)].into())
            }
        }
    }

    /// What the only camera sees.
    ///
    /// # Errors
    /// As [`views`](Self::views).
    pub(crate) fn view(&self, eye: &Eye) -> Result<View, Failure> {
        let Some(color) = self.color else {
            return Err(Failure::of("argument", "no picture is given")
                .remedy("step(color, depth, ...), or views={...} of several cameras"));
        };
        view(color, self.depth, self.regions()?, eye)
    }

    /// Those that are named by arguments of their own, and those of `regions`.
    fn regions(&self) -> Result<Vec<(String, Bound<'py, PyAny>)>, Failure> {
        let usual = [("fingertip", self.fingertip), ("target", self.target)];
        let usual = usual
            .into_iter()
            .filter_map(|(name, given)| Some((name.to_owned(), given?.clone())));
        let mut regions: Vec<_> = usual.collect();
        let Some(given) = self.regions else {
            return Ok(regions);
        };
        for (name, given) in entries("regions", given)? {
            if regions.iter().any(|(known, _)| *known == name) {
                let words = format!("{name} is given, and so is regions['{name}']");
                return Err(Failure::of("region", words));
            }
            regions.push((name, given));
        }
        Ok(regions)
    }

    fn of_several(
        &self,
        views: &Bound<'py, PyAny>,
        eyes: &[Eye],
    ) -> Result<BTreeMap<String, View>, Failure> {
        let alone = [
            ("color", self.color),
            ("depth", self.depth),
            ("fingertip", self.fingertip),
            ("target", self.target),
            ("regions", self.regions),
        ];
        if let Some((name, _)) = alone.into_iter().find(|(_, given)| given.is_some()) {
            let words = format!("{name} and views are given, and each of the views has its own");
            return Err(Failure::of("argument", words));
        }
        let each = entries("views", views)?.into_iter();
        let each = each.map(|(name, given)| {
            let place = format!("views['{name}']");
            let eye = eyes.iter().find(|eye| eye.name == name && !name.is_empty());
            let eye = eye.ok_or_else(|| no_such_camera(&place, eyes))?;
            let view = of_dict(&place, &given, eye).map_err(|failure| failure.within(&place))?;
            Ok((name, view))
        });
        let views: BTreeMap<_, _> = each.collect::<Result<_, Failure>>()?;
        match views.is_empty() {
            true => Err(Failure::of(
                "argument",
                "views has no picture of any camera",
            )),
            false => Ok(views),
        }
    }
}

fn no_such_camera(place: &str, eyes: &[Eye]) -> Failure {
    let names: Vec<&String> = (eyes.iter().map(|eye| &eye.name))
        .filter(|name| !name.is_empty())
        .collect();
    match names.is_empty() {
        true => Failure::of(
            "argument",
            format!("{place} is given, and the annotator has one camera without a name"),
        )
        .remedy("step(color, depth, regions={...}), or Annotator(cameras={'name': Camera(...)})"),
        false => Failure::of(
            "argument",
            format!(
                "{place} is of no camera that measures: there are {}",
                listed(names)
            ),
        ),
    }
}

fn of_dict(place: &str, given: &Bound<'_, PyAny>, eye: &Eye) -> Result<View, Failure> {
    let mut of: BTreeMap<String, Bound<'_, PyAny>> = entries(place, given)?.into_iter().collect();
    if let Some(unknown) = of.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let words = format!("it has '{unknown}', and a view has {}", listed(KEYS));
        return Err(Failure::of("argument", words));
    }
    let color = of.remove("color");
    let color = color.ok_or_else(|| Failure::of("argument", "it has no 'color'"))?;
    let depth = of.remove("depth").filter(|depth| !depth.is_none());
    let regions = of.remove("regions").filter(|regions| !regions.is_none());
    let regions = regions.map_or(Ok(Vec::new()), |regions| entries("regions", &regions))?;
    view(&color, depth.as_ref(), regions, eye)
}

fn view(
    color: &Bound<'_, PyAny>,
    depth: Option<&Bound<'_, PyAny>>,
    regions: Vec<(String, Bound<'_, PyAny>)>,
    eye: &Eye,
) -> Result<View, Failure> {
    let frame = Frame {
        episode: 0,
        stamp_nanos: 0,
        color: arrays::color(color)?.into(),
        depth: depth.map(arrays::depth).transpose()?,
        intrinsics: eye.intrinsics,
    };
    let mut placed = BTreeMap::new();
    for (name, given) in regions {
        if !eye.regions.contains(&name) {
            return Err(no_such_region(&name, eye));
        }
        if let Some(region) = region(&name, &given)? {
            fit_mask(&name, &region, &frame)?;
            placed.insert(name, region);
        }
    }
    Ok(View {
        frame,
        regions: placed,
    })
}

fn no_such_region(name: &str, eye: &Eye) -> Failure {
    let words = format!(
        "'{name}' is no region that is measured here: those are {}",
        listed(&eye.regions)
    );
    Failure::of("region", words).remedy("task.pairs names the pairs of regions that are measured")
}

/// A mask is of the picture that it is given with.
fn fit_mask(name: &str, region: &PlacedRegion, frame: &Frame) -> Result<(), Failure> {
    let picture = (frame.color.width, frame.color.height);
    let size = region.mask.as_ref().and_then(Mask::picture);
    match size.filter(|size| *size != picture) {
        None => Ok(()),
        Some(size) => {
            let words = format!(
                "the mask of {name} has {}x{} pixels, and the picture {}x{}",
                size.0, size.1, picture.0, picture.1
            );
            Err(Failure::of("region", words))
        }
    }
}
