//! A finger's outline to part of a pixel. Each pixel tells only that the surface ends somewhere between
//! it and the next one. A finger's edges are straight and its end is flat, so all pixels along an edge
//! tell of one line; where they do not agree on one, the outline stays as it was seen.

use crate::geometry::solid::Point;
use crate::geometry::window::Window;

/// Share of an edge's points that must lie on one line.
const STRAIGHT_SHARE: f32 = 0.6;
/// How far they may lie off it, root mean square in pixels: pixels alone give 0.29.
const STRAIGHT_PX: f32 = 0.4;
/// Fewer points make no edge.
const MIN_EDGE: usize = 4;
/// Share of the pixels at an end that may contradict it: those of faces that the camera sees at a
/// grazing angle.
const MAX_CONTRADICTING: f32 = 1.0 / 3.0;
/// Fewer pixels with something behind them make no end.
const MIN_END: usize = 3;
/// A pixel so many pixels short of the farthest is not at the end.
const SIDE_PX: f32 = 2.0;
/// A surface that goes on for this many pixels beyond its box does not end there.
const BEYOND_PX: isize = 4;

/// Where a finger's axis lies, and what one pixel measures at its distance.
pub(super) struct Frame {
    pub origin: Point,
    /// Unit vectors along the finger, and across it and the line of sight.
    pub direction: Point,
    pub side: Point,
    /// One pixel across the finger and along it, in metres.
    pub across_m: f32,
    pub along_m: f32,
    /// The step of one row or column in the picture that leads most along the axis.
    pub forward: (isize, isize),
}

impl Frame {
    /// Metres along the axis and across it.
    fn place(&self, p: &Point) -> [f32; 2] {
        let from = p - self.origin;
        [from.dot(&self.direction), from.dot(&self.side)]
    }
}

/// The straight parts of an outline; `None` where it is not straight, or not to be seen.
pub(super) struct Outline {
    frame: Frame,
    edges: [Option<Line>; 2],
    /// Metres along the axis.
    end_m: Option<f32>,
}

impl Outline {
    /// `edges` are the points where the finger ends across its axis, to both sides. Where something
    /// `hides` its end, no end is looked for.
    pub(super) fn of(
        window: &Window,
        pixels: &[usize],
        inside: &[bool],
        frame: Frame,
        edges: [Vec<Point>; 2],
        hides: bool,
    ) -> Self {
        let edges = edges.map(|points| {
            let places: Vec<[f32; 2]> = points.iter().map(|p| frame.place(p)).collect();
            Line::through(&places, frame.across_m)
        });
        let end_m = if hides {
            None
        } else {
            end_m(window, pixels, inside, &frame)
        };
        Self {
            frame,
            edges,
            end_m,
        }
    }

    /// Both edges are lines: what lies between them is a prism.
    pub(super) fn is_straight(&self) -> bool {
        self.edges.iter().all(Option::is_some)
    }

    /// A point of the outline, moved to the edge or end that it belongs to; at a corner to both.
    pub(super) fn straightened(&self, p: Point) -> Point {
        let [along, across] = self.frame.place(&p);
        let mut moved = [along, across];
        for edge in self.edges.iter().flatten() {
            let at = edge.at(along);
            if (at - moved[1]).abs() < self.frame.across_m {
                moved[1] = at;
            }
        }
        if let Some(end) = self
            .end_m
            .filter(|end| (end - along).abs() < self.frame.along_m)
        {
            moved[0] = end;
        }
        p + self.frame.direction * (moved[0] - along) + self.frame.side * (moved[1] - across)
    }
}

/// y = `offset` + `slope` * x.
#[derive(Clone, Copy)]
struct Line {
    offset: f32,
    slope: f32,
}

impl Line {
    fn at(&self, x: f32) -> f32 {
        self.offset + self.slope * x
    }

    /// The line that most of the points lie on, within a pixel.
    fn through(points: &[[f32; 2]], pixel_m: f32) -> Option<Self> {
        const ROUNDS: usize = 4;
        let mut line = Self::least_squares(points)?;
        let mut kept = points.to_vec();
        for round in 0..ROUNDS {
            let off = |[x, y]: &[f32; 2]| (y - line.at(*x)).abs();
            // The first lines are drawn off by what is not on the edge: most points stay at first.
            let mut all: Vec<f32> = points.iter().map(off).collect();
            let most = (STRAIGHT_SHARE * all.len() as f32) as usize;
            let (_, most, _) = all.select_nth_unstable_by(most, f32::total_cmp);
            let within = if 2 * round < ROUNDS {
                most.max(pixel_m)
            } else {
                pixel_m
            };
            kept = points
                .iter()
                .copied()
                .filter(|p| off(p) <= within)
                .collect();
            line = Self::least_squares(&kept)?;
        }
        let squares: f32 = kept.iter().map(|[x, y]| (y - line.at(*x)).powi(2)).sum();
        let off_m = (squares / kept.len() as f32).sqrt();
        let enough =
            kept.len() >= MIN_EDGE && kept.len() as f32 >= STRAIGHT_SHARE * points.len() as f32;
        (enough && off_m < STRAIGHT_PX * pixel_m).then_some(line)
    }

    /// `None` for points that do not tell a slope.
    fn least_squares(points: &[[f32; 2]]) -> Option<Self> {
        let count = points.len() as f32;
        let mean = |k: usize| points.iter().map(|p| p[k]).sum::<f32>() / count;
        let (mx, my) = (mean(0), mean(1));
        let xx: f32 = points.iter().map(|[x, _]| (x - mx).powi(2)).sum();
        let xy: f32 = points.iter().map(|[x, y]| (x - mx) * (y - my)).sum();
        (points.len() >= MIN_EDGE && xx > 1e-12).then(|| Self {
            offset: my - xy / xx * mx,
            slope: xy / xx,
        })
    }
}

/// How far a flat end reaches along the axis. In each row or column it lies between the last pixel and
/// the next one; all of them together leave much less than a pixel.
fn end_m(window: &Window, pixels: &[usize], inside: &[bool], frame: &Frame) -> Option<f32> {
    let (dx, dy) = frame.forward;
    let along = |pixel: usize| {
        let [along, _] = frame.place(&Point::from(window.point(pixel)));
        along
    };
    let (mut at_least, mut at_most) = (Vec::new(), Vec::new());
    let farthest = pixels.iter().map(|&i| along(i)).fold(f32::MIN, f32::max);
    for &pixel in pixels {
        // A row or column of a slanted finger may also leave it through its side.
        if along(pixel) < farthest - SIDE_PX * frame.along_m {
            continue;
        }
        let before = window.beside(pixel, -dx, -dy);
        if inside[window.beside(pixel, dx, dy)] || !inside[before] {
            continue;
        }
        let step = (along(pixel) - along(before)).abs();
        let step = step.clamp(0.3 * frame.across_m, 3.0 * frame.along_m);
        let (last, beyond_px) = last_of_surface(window, pixel, frame.forward);
        at_least.push(along(last));
        at_most.extend(beyond_px.map(|px| along(last) + px * step));
    }
    if at_most.len() < MIN_END {
        return None;
    }
    let contradicting = |end: f32| {
        let beyond = at_least.iter().filter(|&&least| least > end).count();
        beyond + at_most.iter().filter(|&&most| most < end).count()
    };
    let mut bounds: Vec<f32> = at_least.iter().chain(&at_most).copied().collect();
    bounds.sort_unstable_by(f32::total_cmp);
    let between = bounds.windows(2).map(|gap| {
        let middle = 0.5 * (gap[0] + gap[1]);
        (contradicting(middle), gap[1] - gap[0], middle)
    });
    // Of several ends that are contradicted as little, the one with most room around it.
    let (least, _, end) = between.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))?;
    (least as f32 <= MAX_CONTRADICTING * at_least.len() as f32).then_some(end)
}

/// Follow a surface forward out of its box, which may be a pixel or two off: its last pixel, and within
/// how many pixels beyond it ends. `None` if it goes on, or behind something nearer.
fn last_of_surface(window: &Window, from: usize, (dx, dy): (isize, isize)) -> (usize, Option<f32>) {
    let mut last = from;
    for step in 1..=BEYOND_PX {
        let next = window.beside(from, dx * step, dy * step);
        let gap = window.depth_m[next] - window.depth_m[last];
        let jump = window.jump_m(window.depth_m[last]);
        if window.place[next] == 0 || gap < -jump {
            return (last, None);
        }
        if gap.is_nan() {
            // The sensor lost this one: the end is before the next.
            return (last, Some(2.0));
        }
        if gap > jump {
            return (last, Some(1.0));
        }
        last = next;
    }
    (last, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last pixel's middle inside an edge, row by row, and half a pixel more.
    fn seen(rows: i16, edge: impl Fn(f32) -> f32) -> Vec<[f32; 2]> {
        let row = |row: i16| [f32::from(row), edge(f32::from(row)).floor() + 0.5];
        (0..rows).map(row).collect()
    }

    #[test]
    fn an_edge_is_known_to_part_of_a_pixel() {
        for offset in [3.0, 3.3, 3.6, 3.9] {
            // given a slanted edge as pixels of size one show it, and something else beside it
            let edge = |row: f32| offset + 0.13 * row;
            let mut points = seen(24, edge);
            for point in &mut points[9..13] {
                point[1] += 4.0;
            }
            // when its line is looked for
            let line = Line::through(&points, 1.0).unwrap();
            // then it is the edge's, all along
            for row in [0.0, 12.0, 24.0] {
                let off = line.at(row) - edge(row);
                assert!(off.abs() < 0.25, "{offset} {row}: {off}");
            }
        }
    }

    #[test]
    fn what_is_round_has_no_edge() {
        // given the outline of a ball 20 pixels wide
        let points = seen(20, |row| (100.0 - (row - 9.5).powi(2)).sqrt());
        // then no line is made of it
        assert!(Line::through(&points, 1.0).is_none());
    }
}
