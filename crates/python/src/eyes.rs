//! The cameras of an annotator: how each sees, and which regions are measured in its pictures.

use std::collections::{BTreeMap, BTreeSet};

use pyo3::prelude::*;
use spatial_reward_core::frame::Intrinsics;

use crate::camera::Camera;
use crate::error::Failure;
use crate::named::{entries, listed};

/// One camera.
pub(crate) struct Eye {
    /// Its name; empty where there is but one, and nobody named it.
    pub name: String,
    /// How it sees, where that is known.
    pub intrinsics: Option<Intrinsics>,
    /// The regions whose places are wanted.
    pub regions: BTreeSet<String>,
}

/// Cameras as they are given: one, or several by their names.
pub(crate) struct Given {
    one: Option<Intrinsics>,
    named: Option<BTreeMap<String, Intrinsics>>,
}

impl Given {
    /// # Errors
    /// Both of them, or what is no camera.
    pub(crate) fn of(
        camera: Option<&Bound<'_, Camera>>,
        cameras: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self, Failure> {
        if camera.is_some() && cameras.is_some() {
            let words = "camera and cameras are given: camera is for one, cameras names several";
            return Err(Failure::of("camera", words));
        }
        let named = cameras.map(|cameras| {
            let each = entries("cameras", cameras)?.into_iter();
            let each = each.map(|(name, given)| match given.cast::<Camera>() {
                Ok(camera) => Ok((name, camera.get().intrinsics)),
                Err(_) => {
                    let words = format!("cameras['{name}'] is no spatial_reward.Camera");
                    Err(Failure::of("camera", words)
                        .remedy("Camera(fx, fy, cx, cy, width, height) is one"))
                }
            });
            each.collect()
        });
        Ok(Self {
            one: camera.map(|camera| camera.get().intrinsics),
            named: named.transpose()?,
        })
    }

    /// The names that were given.
    pub(crate) fn names(&self) -> Vec<String> {
        let named = self.named.iter().flatten();
        named.map(|(name, _)| name.clone()).collect()
    }

    /// The cameras that are wanted, with how they see.
    ///
    /// # Errors
    /// One that is not given where depth needs it; one that is given and not wanted.
    pub(crate) fn eyes(
        self,
        wanted: Vec<(String, BTreeSet<String>)>,
        needs_depth: bool,
    ) -> Result<Vec<Eye>, Failure> {
        let Self { one, named } = self;
        let names: BTreeSet<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
        let unknown = named.iter().flatten().map(|(name, _)| name);
        if let Some(name) = unknown.into_iter().find(|name| !names.contains(*name)) {
            return Err(not_wanted(name, &names));
        }
        let is_one = wanted.len() == 1;
        let eyes = wanted.into_iter().map(|(name, regions)| {
            let own = named.as_ref().and_then(|named| named.get(&name)).copied();
            let intrinsics = own.or(one.filter(|_| is_one));
            match intrinsics.is_none() && needs_depth {
                true if is_one => Err(no_camera()),
                true => Err(no_camera_of(&name, &names)),
                false => Ok(Eye {
                    name,
                    intrinsics,
                    regions,
                }),
            }
        });
        eyes.collect()
    }
}

fn not_wanted(name: &str, names: &BTreeSet<String>) -> Failure {
    match names.iter().all(String::is_empty) {
        true => Failure::of(
            "camera",
            "cameras is for a task whose pairs of regions are measured by several, and no task is given",
        )
        .remedy("camera=spatial_reward.Camera(fx, fy, cx, cy, width, height)"),
        false => {
            let words = format!(
                "cameras has '{name}', and the configuration's cameras that see a pair of regions are {}",
                listed(names)
            );
            Failure::of("camera", words)
        }
    }
}

/// Depth says nothing of space without the camera that it was seen by.
pub(crate) fn no_camera() -> Failure {
    Failure::of(
        "camera",
        "depth is measured in metres only by a camera that is known",
    )
    .remedy("camera=spatial_reward.Camera(fx, fy, cx, cy, width, height)")
}

fn no_camera_of(name: &str, names: &BTreeSet<String>) -> Failure {
    let each = names.iter().map(|name| format!("'{name}': Camera(...)"));
    let each: Vec<_> = each.collect();
    let words = format!(
        "depth is measured in metres only by a camera that is known, and of '{name}' there is none"
    );
    Failure::of("camera", words).remedy(format!("cameras={{{}}}", each.join(", ")))
}
