"""What the regions stand on and in front of: planes that the surroundings of a box show and that run
on behind it. The counterpart of src/geometry/background.rs; the random triples are the same ones.

A plane is linear in disparity: 1/z = a x/z + b y/z + c. All its tests compare z * (a x/z + b y/z + c)
with 1, so that one matrix product answers them for many pixels and planes at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .window import Window, median

SECTORS, MIN_SECTORS = 16, 8
MAX_PLANES = 3
TRIALS = 100
MAX_SAMPLES = 600
MIN_FRONT_SHARE, MAX_BEHIND_SHARE = 0.06, 0.25
TRIAL_TOLERANCE, MIN_TOLERANCE = 0.008, 0.003


class Plane(NamedTuple):
    coefficients: np.ndarray  # (3,) float32
    tolerance: float  # depth residual that still belongs to the plane, relative to the depth

    def ratio(self, homogeneous: np.ndarray) -> np.ndarray:
        """Measured depth over the plane's depth; not positive where the ray never meets the plane."""
        return homogeneous @ self.coefficients

    def hides(self, homogeneous: np.ndarray) -> np.ndarray:
        """Whether each measured depth is on the plane or behind it."""
        return self.ratio(homogeneous) * (1 + self.tolerance) > 1

    def contains(self, ratio: np.ndarray) -> np.ndarray:
        return (ratio * (1 + self.tolerance) >= 1) & (ratio * (1 - self.tolerance) <= 1)


def homogeneous(window: Window, pixels: np.ndarray) -> np.ndarray:
    """(N, 3): x, y and z of each pixel's point: depth times (x/z, y/z, 1)."""
    return window.points[pixels]


def planes(window: Window, in_box: int, in_ring: int, center: tuple[float, float]) -> list[Plane]:
    """The background planes around one box. `in_box` and `in_ring` are the place bits of its pixels."""
    ring, sectors = _ring_samples(window, in_ring, center)
    in_box_points = homogeneous(window, np.flatnonzero((window.place & in_box != 0) & window.measured))
    enough = max(len(ring) // 10, 12)
    found = []
    for attempt in range(MAX_PLANES):
        if len(ring) < enough:
            break
        plane = _fit(ring, _RANDOM[attempt])
        if plane is None:
            break
        on_plane = plane.contains(plane.ratio(ring))
        if np.count_nonzero(on_plane) < enough:
            break
        everywhere = np.bincount(sectors, minlength=SECTORS)
        seen = np.bincount(sectors[on_plane], minlength=SECTORS)
        around = np.count_nonzero((seen > 0) & (seen * 3 >= everywhere))
        ratio = plane.ratio(in_box_points)
        front = np.count_nonzero(ratio * (1 + plane.tolerance) <= 1)
        behind = np.count_nonzero(ratio * (1 - 3 * plane.tolerance) > 1)
        if (
            around >= MIN_SECTORS
            and behind <= MAX_BEHIND_SHARE * len(in_box_points)
            and front >= MIN_FRONT_SHARE * len(in_box_points)
        ):
            found.append(plane)
        ring, sectors = ring[~on_plane], sectors[~on_plane]
    return found


def _ring_samples(window: Window, in_ring: int, center: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.flatnonzero((window.place & in_ring != 0) & window.measured)
    pixels = pixels[:: max(-(-len(pixels) // MAX_SAMPLES), 1)]
    rows, columns = np.divmod(pixels, window.width)
    turn = np.arctan2(rows + 0.5 - center[1], columns + 0.5 - center[0]) / (2 * np.pi) + 0.5
    sectors = np.minimum((turn * SECTORS).astype(int), SECTORS - 1)
    return homogeneous(window, pixels), sectors


def _fit(ring: np.ndarray, random: np.ndarray) -> Plane | None:
    """RANSAC, all trials at once, then least squares on the inliers, whose spread sets the tolerance."""
    triples = ring[random % np.uint64(len(ring))].astype(float)  # (TRIALS, 3 points, 3)
    rays = triples / triples[..., 2:]
    spanning = np.abs(np.linalg.det(rays)) >= 1e-7
    if not spanning.any():
        return None
    right = 1 / triples[spanning][..., 2:]
    trials = np.linalg.solve(rays[spanning], right)[..., 0].astype(np.float32)
    ratios = trials @ ring.T
    low, high = np.float32(1 / (1 + TRIAL_TOLERANCE)), np.float32(1 / (1 - TRIAL_TOLERANCE))
    votes = np.count_nonzero((ratios >= low) & (ratios <= high), axis=1)
    plane = Plane(trials[votes.argmax()], TRIAL_TOLERANCE)
    for _ in range(2):
        inliers = ring[plane.contains(plane.ratio(ring))].astype(float)
        if len(inliers) < 3:
            return None
        try:
            # The weight of a disparity error, depth squared, is already in these points.
            coefficients = np.linalg.solve(inliers.T @ inliers, inliers.sum(axis=0))
        except np.linalg.LinAlgError:
            return None
        residuals = np.abs(1 - 1 / (inliers @ coefficients))
        tolerance = np.clip(4 * 1.4826 * median(residuals), MIN_TOLERANCE, TRIAL_TOLERANCE)
        plane = Plane(coefficients.astype(np.float32), float(tolerance))
    return plane


def _split_mix(seed: int, count: int) -> np.ndarray:
    """The first numbers of the generator of Steele et al. (2014)."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


_RANDOM = _split_mix(0x5EED, MAX_PLANES * TRIALS * 3).reshape(MAX_PLANES, TRIALS, 3)
