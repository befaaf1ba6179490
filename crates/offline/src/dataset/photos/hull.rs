//! The corners of the convex hull of points in space, one point after the other.

use std::collections::BTreeMap;

use nalgebra::Vector3;

/// Points nearer to a plane than this share of the cloud's size lie in it.
const FLAT: f64 = 1e-10;
/// Normals that differ by less are of one plane.
const SAME_PLANE: f64 = 1e-6;

/// A triangle of the hull and the plane that it lies in, its normal outwards.
struct Face {
    corners: [usize; 3],
    normal: Vector3<f64>,
    offset: f64,
}

impl Face {
    fn new(points: &[Vector3<f64>], corners: [usize; 3]) -> Option<Self> {
        let [a, b, c] = corners.map(|at| points.get(at).copied());
        let (a, b, c) = (a?, b?, c?);
        // A triangle without area sees nothing.
        let normal = (b - a).cross(&(c - a)).try_normalize(f64::MIN_POSITIVE);
        let normal = normal.unwrap_or_default();
        Some(Self {
            corners,
            normal,
            offset: normal.dot(&a),
        })
    }

    fn height(&self, point: &Vector3<f64>) -> f64 {
        self.normal.dot(point) - self.offset
    }
}

/// The numbers of the points that are corners of the hull, ascending; `None` where all lie in a plane.
pub(super) fn hull_corners(points: &[Vector3<f64>]) -> Option<Vec<usize>> {
    let first = points.first()?;
    let size = points
        .iter()
        .map(|p| (p - first).norm())
        .fold(0.0, f64::max);
    let least = FLAT * size;
    let mut faces = tetrahedron(points, least)?;
    for (number, point) in points.iter().enumerate() {
        let (seen, mut hidden): (Vec<Face>, Vec<Face>) =
            (faces.into_iter()).partition(|face| face.height(point) > least);
        let edges: Vec<[usize; 2]> = (seen.iter())
            .flat_map(|face| {
                let [a, b, c] = face.corners;
                [[a, b], [b, c], [c, a]]
            })
            .collect();
        for [from, to] in &edges {
            // The edge between what the point sees and what it does not.
            if !edges.contains(&[*to, *from]) {
                hidden.push(Face::new(points, [*from, *to, number])?);
            }
        }
        faces = hidden;
    }
    Some(corners_of(&faces))
}

/// Where at least three planes meet; what lies within a side of the hull, or on an edge, is no corner.
fn corners_of(faces: &[Face]) -> Vec<usize> {
    let mut planes: BTreeMap<usize, Vec<Vector3<f64>>> = BTreeMap::new();
    for face in faces.iter().filter(|face| face.normal != Vector3::zeros()) {
        for corner in face.corners {
            let known = planes.entry(corner).or_default();
            if !known
                .iter()
                .any(|normal| (normal - face.normal).norm() < SAME_PLANE)
            {
                known.push(face.normal);
            }
        }
    }
    let corners = planes.into_iter().filter(|(_, normals)| normals.len() > 2);
    corners.map(|(corner, _)| corner).collect()
}

/// Four faces around points that lie as far apart as is easily found.
fn tetrahedron(points: &[Vector3<f64>], least: f64) -> Option<Vec<Face>> {
    let farthest = |of: &dyn Fn(&Vector3<f64>) -> f64| {
        let far = points.iter().map(of).enumerate();
        let far = far.max_by(|a, b| a.1.total_cmp(&b.1))?;
        (far.1 > least).then_some(far.0)
    };
    let at = |number: usize| points.get(number).copied();
    let a = 0;
    let b = farthest(&|p| at(a).map_or(0.0, |a| (p - a).norm()))?;
    let (origin, line) = (at(a)?, (at(b)? - at(a)?).normalize());
    let c = farthest(&|p| (p - origin).cross(&line).norm())?;
    let base = Face::new(points, [a, b, c])?;
    let d = farthest(&|p| base.height(p).abs())?;
    let [a, b, c] = match base.height(&at(d)?) > 0.0 {
        true => [a, c, b],
        false => [a, b, c],
    };
    let corners = [[a, b, c], [a, d, b], [b, d, c], [c, d, a]];
    corners
        .map(|corners| Face::new(points, corners))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cube_full_of_points_has_eight_corners() {
        // Given a grid of points
        let mut points = Vec::new();
        for x in 0..5 {
            for y in 0..5 {
                for z in 0..5 {
                    points.push(Vector3::new(f64::from(x), f64::from(y), f64::from(z)));
                }
            }
        }
        // When its hull is asked for
        let corners = hull_corners(&points).unwrap();
        // Then it has the cube's corners and no other
        let is_corner = |p: &Vector3<f64>| p.iter().all(|at| *at == 0.0 || *at == 4.0);
        assert_eq!(corners.len(), 8);
        assert!(corners.iter().all(|at| is_corner(&points[*at])));
    }

    #[test]
    fn what_lies_in_a_plane_has_no_hull() {
        let plane = (0..20).map(|i| Vector3::new(f64::from(i % 5), f64::from(i / 5), 1.0));
        let plane: Vec<_> = plane.collect();
        assert_eq!(hull_corners(&plane), None);
        assert_eq!(hull_corners(&[]), None);
    }
}
