//! Which pixels lie on one surface: connected pieces under a neighbour relation, and the borders
//! between surfaces that touch (steps in depth, creases, edges of colour).

use crate::frame::Reason;
use crate::geometry::window::Window;

/// Cosine between the normals of one smooth surface's pixels (25 degrees).
const SMOOTH: f32 = 0.9;
/// Euclidean distance in 8-bit RGB, two pixels apart, from which on it is an edge.
const COLOR_EDGE: i32 = 45;
/// A finger leaves its region by at least this much: a detector's box is a pixel or two off.
pub(super) const RUNS_ON_PX: isize = 4;
/// How far to either side normals are compared and measured, in pixels.
const CREASE_REACH: isize = 2;

/// Whether two neighbouring pixels can lie on one surface; `strictness` scales the allowed step.
pub(super) fn continuous(window: &Window, a: usize, b: usize, allowance: f32) -> bool {
    let depth = window.depth_m[a];
    (depth - window.depth_m[b]).abs() < allowance * window.jump_m(depth)
}

/// Whether the surface continues from a pixel for `RUNS_ON_PX` pixels in one direction.
pub(super) fn runs_on(window: &Window, from: usize, (dx, dy): (isize, isize)) -> bool {
    let mut last = from;
    (1..=RUNS_ON_PX).all(|step| {
        let next = window.beside(from, dx * step, dy * step);
        let gap = (window.depth_m[next] - window.depth_m[last]).abs();
        let continues = window.place[next] != 0 && gap <= window.jump_m(window.depth_m[last]);
        last = next;
        continues
    })
}

/// The connected sets of `pixels` under a neighbour relation, in the order of their first pixel.
pub(super) fn connected(
    window: &Window,
    pixels: &[usize],
    joined: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut open = window.mask(pixels);
    let mut found = Vec::new();
    for &start in pixels {
        if !open[start] {
            continue;
        }
        open[start] = false;
        let mut members = vec![start];
        let mut next = 0;
        while let Some(&index) = members.get(next) {
            next += 1;
            for neighbour in window.neighbours(index) {
                if open[neighbour] && joined(index, neighbour) {
                    open[neighbour] = false;
                    members.push(neighbour);
                }
            }
        }
        found.push(members);
    }
    found
}

/// The wanted pixels on creases between surfaces that may touch: where the surface to one side runs in
/// another direction than that to the other.
pub(super) fn creases(window: &Window, wanted: &[usize], is_wanted: &[bool]) -> Vec<bool> {
    let normals = normals(window, wanted);
    between(window, wanted, is_wanted, CREASE_REACH, |a, b| {
        let (n, m) = (&normals[a], &normals[b]);
        n[0] * m[0] + n[1] * m[1] + n[2] * m[2] <= SMOOTH
    })
}

/// The wanted pixels on edges of colour.
///
/// # Errors
/// `no_image` if there is no colour to look at.
pub(super) fn color_edges(
    window: &Window,
    wanted: &[usize],
    is_wanted: &[bool],
) -> Result<Vec<bool>, Reason> {
    let colors = window.colors(wanted)?;
    Ok(between(window, wanted, is_wanted, 1, |a, b| {
        let (c, d) = (&colors[a], &colors[b]);
        let squares = (0..3).map(|k| (i32::from(c[k]) - i32::from(d[k])).pow(2));
        squares.sum::<i32>() >= COLOR_EDGE.pow(2)
    }))
}

/// Wanted pixels whose opposite neighbours, `reach` pixels to either side, are wanted and differ.
fn between(
    window: &Window,
    wanted: &[usize],
    is_wanted: &[bool],
    reach: isize,
    differ: impl Fn(usize, usize) -> bool,
) -> Vec<bool> {
    let differs_along = |i: usize, dx: isize, dy: isize| {
        let [a, b] = [-reach, reach].map(|r| window.beside(i, dx * r, dy * r));
        is_wanted[a] && is_wanted[b] && differ(a, b)
    };
    let mut found = vec![false; window.place.len()];
    for &i in wanted {
        found[i] = differs_along(i, 1, 0) || differs_along(i, 0, 1);
    }
    found
}

/// Unit normals of the wanted pixels from the depth on both sides; zero where nothing continuous is
/// beside a pixel.
fn normals(window: &Window, wanted: &[usize]) -> Vec<[f32; 3]> {
    let farthest = |i: usize, dx: isize, dy: isize| -> [f32; 3] {
        let mut last = i;
        for step in 1..=CREASE_REACH {
            let next = window.beside(i, dx * step, dy * step);
            if !continuous(window, last, next, 1.0) {
                break;
            }
            last = next;
        }
        window.point(last)
    };
    let span = |i: usize, dx: isize, dy: isize| {
        let (a, b) = (farthest(i, dx, dy), farthest(i, -dx, -dy));
        [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
    };
    let mut normals = vec![[0.0; 3]; window.place.len()];
    for &i in wanted {
        let (u, v) = (span(i, 1, 0), span(i, 0, 1));
        let n = [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ];
        let length = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt();
        if length > 1e-12 {
            normals[i] = n.map(|k| k / length);
        }
    }
    normals
}
