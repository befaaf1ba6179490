//! What the original's pipeline does to an object's cloud, step by step as Open3D does it: stray points, voxels, the largest
//! cluster, boxes. Pure functions over points, in the original: `osdsynth/processor/pointcloud.py`, `process_pcd`.

use std::collections::{BTreeMap, BTreeSet};

use nalgebra::{Matrix3, SymmetricEigen, Vector3};
use spatial_reward_core::settings;

use super::hull::hull_corners;
use super::kd_tree::KdTree;

/// A place in space, metres.
pub(super) type Point3 = Vector3<f64>;

/// A cluster of fewer points is not worth leaving the rest out.
const LEAST_CLUSTER: usize = 5;

/// Which steps are taken how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steps {
    /// Neighbours whose mean distance tells a stray point, itself among them.
    pub neighbours: usize,
    /// A point is one whose neighbours are farther than the mean and so many standard deviations.
    pub ratio: f64,
    /// The least side of a voxel, metres.
    pub min_voxel_m: f64,
    /// A voxel's side is the cloud's size by this.
    pub voxels: f64,
    /// Points of a cluster are nearer to each other, metres.
    pub cluster_m: f64,
    /// The inner ones of them have so many points near them, themselves among them.
    pub cluster_points: usize,
}

impl Steps {
    /// As they are set.
    pub(super) fn new(photos: &settings::Photos) -> Self {
        Self {
            neighbours: photos.outlier_neighbours as usize,
            ratio: photos.outlier_ratio,
            min_voxel_m: photos.min_voxel_m,
            voxels: photos.voxels,
            cluster_m: photos.cluster_m,
            cluster_points: photos.cluster_points as usize,
        }
    }

    /// All of them.
    pub(super) fn cleaned(&self, points: &[Point3]) -> Vec<Point3> {
        let voxel_m = self.voxel_m(points);
        let kept = without_strays(points, self.neighbours, self.ratio);
        let kept: Vec<Point3> = kept
            .into_iter()
            .filter_map(|at| points.get(at).copied())
            .collect();
        let sampled = voxels(&kept, voxel_m);
        largest_cluster(
            &sampled,
            &clusters(&sampled, self.cluster_m, self.cluster_points),
        )
    }

    /// The side of a voxel for a cloud.
    pub(super) fn voxel_m(&self, points: &[Point3]) -> f64 {
        self.min_voxel_m.max(size_m(points) / self.voxels)
    }
}

/// Thrice the length of the standard deviations along the axes.
fn size_m(points: &[Point3]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean = points.iter().sum::<Point3>() / count;
    let squared: f64 = points
        .iter()
        .map(|point| (point - mean).norm_squared())
        .sum();
    (squared / count).sqrt() * 3.0 + 1e-6
}

/// The numbers of the points that are not stray, ascending.
pub(super) fn without_strays(points: &[Point3], neighbours: usize, ratio: f64) -> Vec<usize> {
    let tree = KdTree::new(points);
    let mean_m = |point: &Point3| {
        let nearest = tree.nearest(point, neighbours);
        nearest.iter().map(|squared| squared.sqrt()).sum::<f64>() / nearest.len().max(1) as f64
    };
    let means: Vec<f64> = points.iter().map(mean_m).collect();
    // Points that coincide with all of their neighbours say nothing of the cloud, and are left out.
    let valid = means.iter().copied().filter(|mean| *mean > 0.0);
    let mean = valid.clone().sum::<f64>() / means.len().max(1) as f64;
    let squared: f64 = valid.map(|of_one| (of_one - mean).powi(2)).sum();
    let deviation = (squared / means.len().saturating_sub(1).max(1) as f64).sqrt();
    let most = mean + ratio * deviation;
    let is_kept = |at: &usize| {
        means
            .get(*at)
            .is_some_and(|mean| *mean > 0.0 && *mean < most)
    };
    (0..points.len()).filter(is_kept).collect()
}

/// The mean of the points in each voxel, in the order of the voxels.
pub(super) fn voxels(points: &[Point3], voxel_m: f64) -> Vec<Point3> {
    let Some(bounds) = LevelBounds::around(points) else {
        return Vec::new();
    };
    let least = bounds.min - Point3::repeat(voxel_m / 2.0);
    let mut sums: BTreeMap<[i64; 3], (Point3, f64)> = BTreeMap::new();
    for point in points {
        let place = (point - least) / voxel_m;
        let key = [place.x, place.y, place.z].map(|at| at.floor() as i64);
        let (sum, count) = sums.entry(key).or_default();
        *sum += point;
        *count += 1.0;
    }
    sums.into_values().map(|(sum, count)| sum / count).collect()
}

/// The cluster of each point, by density (DBSCAN, Ester et al. 1996); `None` for noise.
pub(super) fn clusters(points: &[Point3], cluster_m: f64, least: usize) -> Vec<Option<usize>> {
    let tree = KdTree::new(points);
    let near: Vec<Vec<usize>> = points.iter().map(|p| tree.within(p, cluster_m)).collect();
    let near = |at: usize| near.get(at).map_or(&[][..], Vec::as_slice);
    let mut labels = vec![None; points.len()];
    let mut cluster = 0;
    for start in 0..points.len() {
        if labels.get(start).is_none_or(Option::is_some) || near(start).len() < least {
            continue;
        }
        let mut waiting = BTreeSet::from([start]);
        while let Some(at) = waiting.pop_first() {
            let Some(label @ None) = labels.get_mut(at) else {
                continue;
            };
            *label = Some(cluster);
            if near(at).len() >= least {
                let open = |next: &&usize| labels.get(**next) == Some(&None);
                waiting.extend(near(at).iter().filter(open));
            }
        }
        cluster += 1;
    }
    labels
}

/// The points of the cluster with the most of them, of equals the first; all points where there is none worth it.
pub(super) fn largest_cluster(points: &[Point3], labels: &[Option<usize>]) -> Vec<Point3> {
    let mut counts: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (at, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            counts.entry(*label).or_insert((0, at)).0 += 1;
        }
    }
    let most = counts
        .into_iter()
        .min_by_key(|(_, (count, first))| (usize::MAX - count, *first));
    match most {
        Some((label, (count, _))) if count >= LEAST_CLUSTER => {
            let of_it = points
                .iter()
                .zip(labels)
                .filter(|(_, own)| **own == Some(label));
            of_it.map(|(point, _)| *point).collect()
        }
        _ => points.to_vec(),
    }
}

/// The box along the axes around points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LevelBounds {
    /// The least of each axis.
    pub min: Point3,
    /// The greatest.
    pub max: Point3,
}

impl LevelBounds {
    /// `None` of no points.
    pub(super) fn around(points: &[Point3]) -> Option<Self> {
        let first = points.first()?;
        let (min, max) = points.iter().fold((*first, *first), |(min, max), point| {
            (min.inf(point), max.sup(point))
        });
        Some(Self { min, max })
    }

    /// Its sides.
    pub(super) fn extent(&self) -> Point3 {
        self.max - self.min
    }

    /// Its middle.
    pub(super) fn center(&self) -> Point3 {
        (self.min + self.max) / 2.0
    }

    /// Cubic metres.
    pub(super) fn volume(&self) -> f64 {
        self.extent().product()
    }
}

/// A box along the principal axes of a cloud's hull.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TurnedBox {
    /// Its middle.
    pub center: Point3,
    /// Its sides, along the columns of `rotation`.
    pub extent: Point3,
    /// Its axes as columns, that of the most spread first.
    pub rotation: Matrix3<f64>,
}

impl TurnedBox {
    /// `None` where all points lie in a plane.
    pub(super) fn around(points: &[Point3]) -> Option<Self> {
        let corners = hull_corners(points)?;
        let corners: Vec<Point3> = corners
            .into_iter()
            .filter_map(|at| points.get(at).copied())
            .collect();
        let count = corners.len() as f64;
        let mean = corners.iter().sum::<Point3>() / count;
        let products = corners
            .iter()
            .map(|point| (point - mean) * (point - mean).transpose());
        let covariance = products.sum::<Matrix3<f64>>() / count;
        let eigen = SymmetricEigen::new(covariance);
        let mut order = [0, 1, 2];
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let [first, second, _] = order.map(|at| Point3::from(eigen.eigenvectors.column(at)));
        let rotation = Matrix3::from_columns(&[first, second, first.cross(&second)]);
        let turned: Vec<Point3> = corners.iter().map(|point| rotation.tr_mul(point)).collect();
        let bounds = LevelBounds::around(&turned)?;
        Some(Self {
            center: rotation * bounds.center(),
            extent: bounds.extent(),
            rotation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Golden {
        name: String,
        points: Vec<[f64; 3]>,
        voxel_m: f64,
        kept: Vec<usize>,
        voxels: Vec<[f64; 3]>,
        labels: Vec<i64>,
        largest: usize,
        #[serde(rename = "box")]
        level: Corners,
        turned: Option<Turned>,
    }

    #[derive(Deserialize)]
    struct Corners {
        min: [f64; 3],
        max: [f64; 3],
    }

    #[derive(Deserialize)]
    struct Turned {
        center: [f64; 3],
        extent: [f64; 3],
        #[serde(rename = "R")]
        rotation: [[f64; 3]; 3],
    }

    fn goldens() -> Vec<Golden> {
        let path = "../../tests/fixtures/clouds/clouds.json";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn points(of: &[[f64; 3]]) -> Vec<Point3> {
        of.iter().map(|at| Point3::from(*at)).collect()
    }

    fn steps() -> Steps {
        Steps::new(&settings::Photos::default())
    }

    #[test]
    fn every_step_gives_what_open3d_gives() {
        let goldens = goldens();
        assert!(goldens.len() > 5);
        for golden in goldens {
            // Given a cloud
            let (name, cloud, steps) = (&golden.name, points(&golden.points), steps());
            assert!(
                (steps.voxel_m(&cloud) - golden.voxel_m).abs() < 1e-12,
                "{name}"
            );
            // When its strays are taken away, then the same points stay
            let kept = without_strays(&cloud, steps.neighbours, steps.ratio);
            assert_eq!(kept, golden.kept, "{name}");
            // When it is made of voxels, then they are in the same places
            let kept: Vec<Point3> = kept.iter().map(|at| cloud[*at]).collect();
            let mut sampled = voxels(&kept, golden.voxel_m);
            sampled.sort_by(|a, b| a.as_slice().partial_cmp(b.as_slice()).unwrap());
            let expected = points(&golden.voxels);
            assert_eq!(sampled.len(), expected.len(), "{name}");
            for (ours, theirs) in sampled.iter().zip(&expected) {
                assert!((ours - theirs).norm() < 1e-12, "{name}");
            }
            // When clusters are looked for, then each point has the same
            let labels = clusters(&expected, steps.cluster_m, steps.cluster_points);
            let known = golden
                .labels
                .iter()
                .map(|label| usize::try_from(*label).ok());
            assert_eq!(labels, known.collect::<Vec<_>>(), "{name}");
            let largest = largest_cluster(&expected, &labels);
            assert_eq!(largest.len(), golden.largest, "{name}");
            // When all steps are taken one after the other, then the box is the same
            let bounds = LevelBounds::around(&steps.cleaned(&cloud)).unwrap();
            let (min, max) = (
                Point3::from(golden.level.min),
                Point3::from(golden.level.max),
            );
            assert!(
                (bounds.min - min).norm() + (bounds.max - max).norm() < 1e-12,
                "{name}"
            );
        }
    }

    #[test]
    fn turned_boxes_are_open3ds() {
        let mut compared = 0;
        for golden in goldens() {
            let found = TurnedBox::around(&steps().cleaned(&points(&golden.points)));
            let Some(expected) = golden.turned else {
                // Flat: there is no such box.
                assert_eq!(found, None, "{}", golden.name);
                continue;
            };
            compared += 1;
            let found = found.unwrap();
            let off = (found.center - Point3::from(expected.center)).norm();
            let off = off + (found.extent - Point3::from(expected.extent)).norm();
            assert!(off < 1e-9, "{}: {off}", golden.name);
            // An axis may point either way.
            for (column, axis) in found.rotation.column_iter().enumerate() {
                let theirs = Point3::from_fn(|row, _| expected.rotation[row][column]);
                assert!(
                    (axis.dot(&theirs).abs() - 1.0).abs() < 1e-9,
                    "{}",
                    golden.name
                );
            }
        }
        assert!(compared > 3);
    }

    #[test]
    fn clouds_of_nothing_and_of_one_place_are_no_trouble() {
        assert!(steps().cleaned(&[]).is_empty());
        let same = vec![Point3::new(1.0, 2.0, 3.0); 40];
        assert!(steps().cleaned(&same).is_empty());
        assert_eq!(TurnedBox::around(&same), None);
    }
}
