"""Fingers: unlike an object, a finger runs on out of its box towards the arm. It is taken as symmetric
about its axis, and its centre is the middle of the cross-section at its end. The counterpart of
src/geometry/finger.rs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .solid import Solid, completed, depth_of_center, front_of, rim
from .window import Window

SAME_DIRECTION = 0.866
MIN_DIRECTION_SHARE = 0.25
LOST_PX = 3
BEYOND_PX = 4
MIN_CROSSINGS = 3
END_OUTLIERS = 50
MIN_SIGHT = 0.2
APART_M = 0.01
OUTWARD = ((-1, 0), (1, 0), (0, -1), (0, 1))


class Axis(NamedTuple):
    """A unit vector along a finger, away from the arm, and how far it reaches along it."""

    direction: np.ndarray
    end_m: float


def axes(window: Window, parts: list[np.ndarray], target: np.ndarray) -> list[Axis | None]:
    """The axis of each part of the fingertip; None where nothing tells. Parallel fingers share one
    direction, and one whose end the target hides reaches as far as its neighbour."""
    near_target = _surroundings(window, target)
    largest = max(map(len, parts))
    own = [_direction(window, part) if len(part) >= MIN_DIRECTION_SHARE * largest else None for part in parts]
    weighted = [(d, len(part)) for d, part in zip(own, parts, strict=True) if d is not None]
    if not weighted:
        return [None] * len(parts)

    def shared(direction: np.ndarray) -> np.ndarray:
        total = sum(d * weight for d, weight in weighted if d @ direction > SAME_DIRECTION)
        return total / np.linalg.norm(total)

    # Of equally large parts the last one, as in the original.
    strongest = shared(max(reversed(weighted), key=lambda pair: pair[1])[0])
    directions = [strongest if d is None else shared(d) for d in own]
    ends = [_end(window, part, d, near_target) for part, d in zip(parts, directions, strict=True)]
    seen = [Axis(d, end) for d, (end, _) in zip(directions, ends, strict=True)]

    def level(axis: Axis) -> Axis:
        parallel = (other for other in seen if other.direction @ axis.direction > SAME_DIRECTION)
        return axis._replace(end_m=max(other.end_m for other in parallel))

    return [level(axis) if hidden else axis for axis, (_, hidden) in zip(seen, ends, strict=True)]


def _end(window: Window, part: np.ndarray, direction: np.ndarray, near_target: np.ndarray) -> tuple[float, bool]:
    """How far a part reaches along its direction, and whether the target may hide its end."""
    reach = window.points[part] @ direction
    rank = len(part) - 1 - len(part) // END_OUTLIERS
    return float(np.partition(reach, rank)[rank]), bool(near_target[part].any())


def _surroundings(window: Window, mask: np.ndarray) -> np.ndarray:
    """The mask's pixels and those beside them, across the few that a sensor loses at an edge."""
    for step in (1, window.width):
        near = mask.copy()
        for away in range(step, LOST_PX * step + 1, step):
            near[away:] |= mask[:-away]
            near[:-away] |= mask[away:]
        mask = near
    return mask


def _direction(window: Window, part: np.ndarray) -> np.ndarray | None:
    """From where a part leaves the fingertip's box for good to its middle."""
    box = window.fingertip
    rows, columns = np.divmod(part, window.width)
    x, y = columns + 0.5, rows + 0.5
    to_sides = np.stack([x - box.x_min, box.x_max - x, y - box.y_min, box.y_max - y])
    crossings = np.array(
        [
            np.count_nonzero(_runs_on(window, part[distance < 1.5], dx, dy))
            for distance, (dx, dy) in zip(to_sides, OUTWARD, strict=True)
        ]
    )
    if crossings.max() < MIN_CROSSINGS:
        return None
    # The whole cut through the finger, not only where the arm's side is seen to continue.
    cut = (to_sides[crossings * 3 >= crossings.max()] < 2).any(axis=0)
    points = window.points[part]
    direction = points.mean(axis=0) - points[cut].mean(axis=0)
    length = np.linalg.norm(direction)
    return direction / length if length > 1e-4 else None


def _runs_on(window: Window, pixels: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """Whether the surface continues from each pixel for `BEYOND_PX` pixels in one direction."""
    toward = dy * window.width + dx
    runs = np.ones(len(pixels), bool)
    for _ in range(BEYOND_PX):
        depth = window.depth_m[pixels]
        pixels = pixels + toward
        runs &= np.abs(window.depth_m[pixels] - depth) <= window.jump_share * depth
    return runs


def complete_finger(window: Window, pixels: np.ndarray, axis: Axis) -> Solid:
    inside = window.mask(pixels)
    direction = axis.direction
    points = window.points[pixels]
    origin = points.mean(axis=0)
    left, right, widths_px, (dx, dy) = _slices(window, pixels, origin, direction)
    middles = (_edges(window, left, -dx, -dy, inside) + _edges(window, right, dx, dy, inside)) / 2
    middles -= np.outer(middles @ direction, direction)
    middle = _middle_mean(middles)

    # Along the line of sight, as far as it is across the finger.
    view = origin / np.linalg.norm(origin)
    sight = view - direction * (view @ direction)
    length = np.linalg.norm(sight)
    if length > MIN_SIGHT:
        sight /= length
        front = front_of(points @ sight)
        compact = front + 0.5 * _middle_mean(widths_px) * window.footprint_m(origin[2])
        outline = middle @ sight
        middle = middle + sight * (depth_of_center(front, outline, compact) - outline)

    def mirrored(points: np.ndarray) -> np.ndarray:
        return 2 * (middle + np.outer(points @ direction, direction)) - points

    surface = completed(window, pixels, inside, mirrored)
    return Solid(middle + direction * np.float32(axis.end_m), surface)


def _slices(window: Window, pixels: np.ndarray, origin: np.ndarray, direction: np.ndarray):
    """One-pixel slices across the finger in the picture: the outermost pixels of each, its width in
    pixels, and the step of one pixel across."""
    ahead = origin + direction * APART_M
    du, dv = ahead[:2] / ahead[2] - origin[:2] / origin[2]
    length = max(np.hypot(du, dv), 1e-9)
    du, dv = du / length, dv / length
    x, y = window.rays[:, pixels] * np.float32(window.focal_px)
    along, across = np.rint(x * du + y * dv), -x * dv + y * du
    order = np.lexsort((across, along))
    starts = np.flatnonzero(np.diff(along[order], prepend=np.nan) != 0)
    left, right = order[starts], order[np.append(starts[1:], len(order)) - 1]
    step = int(np.rint(-dv)), int(np.rint(du))
    return pixels[left], pixels[right], across[right] - across[left] + 1, step


def _edges(window: Window, pixels: np.ndarray, dx: int, dy: int, inside: np.ndarray) -> np.ndarray:
    """The surface's rim beside each pixel, or the pixel's own point where it does not end there."""
    edges = window.points[pixels]
    points, ends = rim(window, pixels, dx, dy, inside)
    edges[ends] = points
    return edges


def _middle_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the values, column by column."""
    ordered = np.sort(values, axis=0)
    cut = len(ordered) // 4
    return ordered[cut : len(ordered) - cut].mean(axis=0)
