//! Where a region is though a part of it is hidden, or something else is taken for it: it is as large as it was seen to be, so what
//! shows of it leaves but some places, and it is taken to have stayed as near to its last one as these allow.

use nalgebra::{Matrix3, Vector3};

use crate::frame::{RegionInSpace, StandingPlane};
use crate::statistics::{median, percentile};

/// Of the seen points so many on each side of an axis are left to the sensor.
const EDGE_PERCENT: f64 = 4.0;
/// Of all sizes that were seen so many are smaller: more are of hidden regions than of regions with something else in them.
const SIZE_PERCENT: f64 = 65.0;
/// Edges are told so well.
const EDGE_M: f32 = 0.003;
/// What has moved by less is where it was.
const STILL_M: f32 = 0.01;
/// So many frames tell how large it is; more would not tell more, and a live episode may be long.
const MOST_FRAMES: usize = 256;

/// One region as one camera sees it through an episode.
#[derive(Debug, Clone)]
pub(super) struct Whereabouts {
    /// Across, along and up, as rows; as the camera has them where no plane is known.
    axes: Matrix3<f32>,
    /// The plane that it stood on.
    pub stood_on: Option<StandingPlane>,
    /// Sizes along the axes, as they were seen, and what follows of them: asked for often, and sorting takes a while.
    sizes: [Vec<f64>; 3],
    size: Vector3<f32>,
    /// How far the completed region's centre is from the middle of what shows of it, where all sides show.
    offsets: [Vec<f64>; 3],
    /// The middle now, along the axes.
    middle: Vector3<f32>,
    /// What shows of it along the axes, lowest and highest: now, and in the best view of where it was at first.
    shows: [Vector3<f32>; 2],
    began: [Vector3<f32>; 2],
}

impl Whereabouts {
    /// As it is first seen.
    pub(super) fn begin(place: &RegionInSpace) -> Option<Self> {
        let axes = axes(place.stands_on);
        let [low, high] = edges(&axes, place)?;
        let mut begun = Self {
            axes,
            stood_on: place.stands_on,
            sizes: Default::default(),
            size: high - low,
            offsets: Default::default(),
            middle: (low + high) / 2.0,
            shows: [low, high],
            began: [low, high],
        };
        begun.look(place);
        Some(begun)
    }

    /// As it is seen next.
    pub(super) fn follow(&mut self, place: &RegionInSpace) {
        self.look(place);
        // What hides the table at first may show it a little later: then sizes are told along it. What has moved meanwhile is
        // by another plane than the one that it stood on.
        if self.stood_on.is_none()
            && place.stands_on.is_some()
            && self.moved_m() < STILL_M
            && let Some(begun) = Self::begin(place)
        {
            *self = begun;
        }
    }

    fn look(&mut self, place: &RegionInSpace) {
        let Some([low, high]) = edges(&self.axes, place) else {
            return;
        };
        self.shows = [low, high];
        let center = self.axes * Vector3::from(place.center);
        for axis in 0..3 {
            let (low, high) = (low[axis], high[axis]);
            keep(&mut self.sizes[axis], high - low);
            let size = percentile(&self.sizes[axis], SIZE_PERCENT);
            self.size[axis] = size.unwrap_or_default() as f32;
            let seen = (low + high) / 2.0;
            // Where the middle may be, around that of what shows.
            let room = self.room_m(axis, high - low);
            if room <= EDGE_M {
                keep(&mut self.offsets[axis], center[axis] - seen);
            }
            self.middle[axis] = self.middle[axis].clamp(seen - room, seen + room);
            let [began_low, began_high] = [self.began[0][axis], self.began[1][axis]];
            let is_a_better_view = room < self.room_m(axis, began_high - began_low);
            if is_a_better_view && self.moved_along_m(axis) == 0.0 {
                (self.began[0][axis], self.began[1][axis]) = (low, high);
            }
        }
    }

    /// Its centre in the camera's frame, the hidden parts included.
    pub(super) fn center(&self) -> Vector3<f32> {
        let offsets = self.offsets.each_ref();
        let offset = offsets.map(|offsets| median(offsets).unwrap_or_default() as f32);
        self.axes.transpose() * (self.middle + Vector3::from(offset))
    }

    /// How high its lowest and its highest part are above a plane, in metres.
    pub(super) fn heights(&self, plane: &StandingPlane) -> [f32; 2] {
        let middle = plane.height_m(&(self.axes.transpose() * self.middle));
        let half = self.reach_m(&Vector3::from(plane.up));
        [middle - half, middle + half]
    }

    /// How high the lowest and the highest that shows of it now are above a plane, in metres.
    pub(super) fn shows_m(&self, plane: &StandingPlane) -> [f32; 2] {
        // Across the plane only the axis counts that goes along its way up.
        let middle = self.axes.transpose() * ((self.shows[0] + self.shows[1]) / 2.0);
        let along = (self.axes * Vector3::from(plane.up)).abs();
        let half = along.dot(&(self.shows[1] - self.shows[0])) / 2.0;
        let middle = plane.height_m(&middle);
        [middle - half, middle + half]
    }

    /// How far it reaches from its middle in a direction of the camera's frame, of length 1: as a box along its axes does.
    pub(super) fn reach_m(&self, direction: &Vector3<f32>) -> f32 {
        let along = self.axes * direction;
        let reach = along
            .iter()
            .zip(&self.size)
            .map(|(share, size)| size / 2.0 / share.abs().max(f32::EPSILON));
        reach.fold(f32::INFINITY, f32::min)
    }

    /// How far it is from where it was first seen, in metres: as little as what showed of it then and shows of it now allows.
    pub(super) fn moved_m(&self) -> f32 {
        Vector3::from([0, 1, 2].map(|axis| self.moved_along_m(axis))).norm()
    }

    fn moved_along_m(&self, axis: usize) -> f32 {
        // Where the middle may be.
        let middle = |[low, high]: &[Vector3<f32>; 2]| {
            let (low, high) = (low[axis], high[axis]);
            let (seen, room) = ((low + high) / 2.0, self.room_m(axis, high - low));
            [seen - room, seen + room]
        };
        let [from, to] = middle(&self.began);
        let [low, high] = middle(&self.shows);
        (low - to).max(from - high).max(0.0)
    }

    /// How far the middle may be from that of what shows: of a part by what is hidden, and where more shows than there is by
    /// what else is in it.
    fn room_m(&self, axis: usize, shows_m: f32) -> f32 {
        (self.size[axis] - shows_m).abs() / 2.0
    }
}

fn keep(values: &mut Vec<f64>, value: f32) {
    if values.len() < MOST_FRAMES {
        values.push(value.into());
    }
}

fn axes(plane: Option<StandingPlane>) -> Matrix3<f32> {
    let Some(plane) = plane else {
        return Matrix3::identity();
    };
    let up = Vector3::from(plane.up);
    // The camera looks along z, and across is to its right.
    let across = Vector3::x() - up * up.x;
    match across.try_normalize(0.1) {
        Some(across) => {
            let along = up.cross(&across);
            Matrix3::from_rows(&[across.transpose(), along.transpose(), up.transpose()])
        }
        None => Matrix3::identity(),
    }
}

/// The lowest and the highest of what is seen along each axis.
fn edges(axes: &Matrix3<f32>, place: &RegionInSpace) -> Option<[Vector3<f32>; 2]> {
    let mut along: [Vec<f64>; 3] = Default::default();
    for point in &place.points {
        let point = axes * Vector3::from(*point);
        for (along, value) in along.iter_mut().zip(point.iter()) {
            along.push(f64::from(*value));
        }
    }
    let at = |percent: f64| -> Option<Vector3<f32>> {
        let [across, along, up] = along.each_ref().map(|values| percentile(values, percent));
        Some(Vector3::new(across? as f32, along? as f32, up? as f32))
    };
    Some([at(EDGE_PERCENT)?, at(100.0 - EDGE_PERCENT)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a box of 10 cm x 4 cm x 2 cm on a table, seen from above, with its middle at `x` and what is right of `hidden`
    /// hidden.
    fn bar(x: f32, hidden: f32) -> RegionInSpace {
        let steps =
            |count: u8| (0..count).map(move |at| f32::from(at) / f32::from(count - 1) - 0.5);
        let points = steps(11)
            .flat_map(|across| steps(5).map(move |along| [x + 0.1 * across, 0.04 * along, 0.8]));
        RegionInSpace {
            center: [x, 0.0, 0.81],
            points: points.filter(|[x, ..]| *x <= hidden).collect(),
            stands_on: Some(StandingPlane {
                up: [0.0, 0.0, -1.0],
                camera_m: 0.82,
            }),
            axis: None,
        }
    }

    #[test]
    fn what_is_hidden_in_part_has_not_moved() {
        // given: a bar that is seen whole for a while
        let mut bars = Whereabouts::begin(&bar(0.0, 1.0)).unwrap();
        (0..5).for_each(|_| bars.follow(&bar(0.0, 1.0)));

        // when: a hand hides more and more of its right half
        for hidden in [0.03, 0.01, -0.01] {
            let mut place = bar(0.0, hidden);
            // As completing what is seen would have it.
            place.center[0] = (hidden - 0.05) / 2.0;
            bars.follow(&place);

            // then: it is where it was
            assert!(bars.moved_m() < 1e-6, "{}", bars.moved_m());
            assert!(bars.center().x.abs() < 2e-3, "{}", bars.center().x);
        }
    }

    #[test]
    fn what_moves_behind_a_hand_has_moved_as_far_as_shows() {
        // given: a bar whose right end is hidden
        let mut bars = Whereabouts::begin(&bar(0.0, 1.0)).unwrap();
        (0..5).for_each(|_| bars.follow(&bar(0.0, 1.0)));
        bars.follow(&bar(0.0, 0.03));

        // when: it goes to the left, away from what hides it
        bars.follow(&bar(-0.06, 0.03));

        // then
        assert!((bars.moved_m() - 0.06).abs() < 5e-3, "{}", bars.moved_m());
        assert!((bars.center().x + 0.06).abs() < 5e-3, "{}", bars.center().x);
    }

    #[test]
    fn a_place_that_was_half_hidden_at_first_is_no_motion_once_it_is_seen() {
        // given: its right half hidden when the episode begins
        let mut bars = Whereabouts::begin(&bar(0.0, 0.0)).unwrap();

        // when: it comes into view, and then moves by 5 cm
        (0..9).for_each(|_| bars.follow(&bar(0.0, 1.0)));
        let seen_m = bars.moved_m();
        bars.follow(&bar(0.05, 1.0));

        // then
        assert!(seen_m < 1e-6, "{seen_m}");
        assert!((bars.moved_m() - 0.05).abs() < 2e-3, "{}", bars.moved_m());
    }

    #[test]
    fn a_plane_that_comes_near_later_does_not_undo_a_motion() {
        // given: a bar far from any plane
        let mut in_the_air = bar(0.0, 1.0);
        in_the_air.stands_on = None;
        let mut bars = Whereabouts::begin(&in_the_air).unwrap();

        // when: it is seen beside one, 6 cm further on
        bars.follow(&bar(0.06, 1.0));

        // then: it has moved, and did not stand on that one
        assert!((bars.moved_m() - 0.06).abs() < 2e-3, "{}", bars.moved_m());
        assert!(bars.stood_on.is_none());
    }

    #[test]
    fn a_finger_that_is_taken_for_a_part_of_it_moves_nothing() {
        // given
        let mut bars = Whereabouts::begin(&bar(0.0, 1.0)).unwrap();
        (0..5).for_each(|_| bars.follow(&bar(0.0, 1.0)));

        // when: a finger beside it belongs to it for a frame
        let mut place = bar(0.0, 1.0);
        place
            .points
            .extend((0..20).map(|at| [0.05 + 0.002 * at as f32, 0.0, 0.79]));
        bars.follow(&place);

        // then
        assert!(bars.moved_m() < 1e-6, "{}", bars.moved_m());
    }
}
