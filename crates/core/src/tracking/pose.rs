//! An object at a place of a window, in a size and at a depth.

/// Where a template's places lie in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    /// The box's middle in cells of the window; the first cell's corner is 0.
    pub(super) place: [f32; 2],
    /// In parts of the template's size.
    pub(super) scale: f32,
    /// The object's middle depth in metres, if it is known.
    pub(super) depth_m: Option<f32>,
}

impl Pose {
    /// Where a place of the template lies, in cells of the window.
    pub(super) fn place_of(&self, offset: [f32; 2]) -> [f32; 2] {
        [0, 1].map(|k| self.place[k] + offset[k] * self.scale)
    }

    /// The cell that a place of the template lies in.
    pub(super) fn cell_of(&self, offset: [f32; 2]) -> [i32; 2] {
        self.place_of(offset).map(|place| place.floor() as i32)
    }
}
