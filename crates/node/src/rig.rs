//! What the node says of transforms and of its depth camera: what is missing, with the way out.

use spatial_reward_core::pipeline::TaskMatcher;
use spatial_reward_core::pipeline::reading::StreamKind;
use spatial_reward_core::registration::Registration;

use super::inputs::Inputs;
use super::outgoing::shortened;

/// The state of both, for the log and for /diagnostics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RigState {
    /// Why a region at a TF frame is nowhere for the camera.
    pub unplaced: Option<String>,
    /// Why depth of a camera of its own is not registered, and what to do about it.
    pub unregistered: Option<String>,
    /// Where the depth camera is, whose depth is registered: millimetres from the colour camera.
    pub depth_camera_mm: Option<String>,
    /// What was wrong with transforms.
    pub refused: Option<String>,
}

impl RigState {
    /// What the matchers of all pairs say, the first that has something to say.
    pub(crate) fn of(matcher: &TaskMatcher, inputs: &Inputs) -> Self {
        let short = |words: String| shortened(&words).into_owned();
        let mut state = Self::default();
        let mut refused: Vec<String> = Vec::new();
        for (matcher, pair) in matcher.matchers().zip(0..) {
            let camera_info = inputs
                .topic_of(inputs.camera_of(pair), StreamKind::DepthCameraInfo)
                .unwrap_or("depth/camera_info");
            let way_out = |why: &str| {
                format!(
                    "{why}: publish the depth's camera info on {camera_info} (topics.depth_camera_info) and where its \
                     frame is on /tf_static, or set depth.extrinsics; or depth.registered, if it is registered to the \
                     image all the same"
                )
            };
            let registered = matcher
                .registered()
                .filter(|_| matcher.unregistered().is_none());
            let unplaced = || matcher.unplaced().map(short);
            state.unplaced = state.unplaced.or_else(unplaced);
            let unregistered = || matcher.unregistered().map(way_out).map(short);
            state.unregistered = state.unregistered.or_else(unregistered);
            state.depth_camera_mm = state.depth_camera_mm.or_else(|| registered.map(in_mm));
            for words in matcher.refused_transforms() {
                if !refused.contains(&words) {
                    refused.push(words);
                }
            }
        }
        state.refused = (!refused.is_empty()).then(|| short(refused.join("; ")));
        state
    }

    /// Write what is new since `before` to the log. Why a region is nowhere changes with each image, and is told while no
    /// reward comes.
    pub(crate) fn tell(&self, before: &Self) {
        let is_new = |of: fn(&Self) -> &Option<String>| of(self) != of(before);
        if let Some(why) = &self.unregistered
            && before.unregistered.is_none()
        {
            tracing::warn!("{why}. Until then every step is no_depth");
        }
        if let Some(camera) = &self.depth_camera_mm
            && is_new(|state| &state.depth_camera_mm)
        {
            tracing::info!(
                "the depth is registered to the colour image: its camera is {camera} mm from the colour camera"
            );
        }
        if let Some(why) = &self.refused
            && before.refused.is_none()
        {
            tracing::warn!("transforms are left out: {why}");
        }
    }

    /// What is waited for, in words.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = [&self.unplaced, &self.unregistered];
        missing.into_iter().flatten().map(String::as_str)
    }
}

/// Where a depth camera is, in millimetres from the colour camera.
fn in_mm(registered: &Registration) -> String {
    let translation = registered.camera.color_from_depth().translation;
    let [x, y, z]: [f64; 3] = translation.vector.into();
    format!("{:.0}, {:.0}, {:.0}", 1e3 * x, 1e3 * y, 1e3 * z)
}
