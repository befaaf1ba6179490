"""From the visible skin of an object to the solid behind it: the hidden half follows from taking the
object as symmetric about its centre. The counterpart of src/geometry/solid.rs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .window import IN_ANY_BOX, IN_FINGERTIP, IN_TARGET, Box, Window, median

DIRECTIONS = 24
PAIR_BALANCE = 0.6
MIN_PAIRS_SHARE = 1 / 6
FRONT_SHARE = 0.03
OCCLUDER_REACH_PX = 4.0
OCCLUDED_SHARE = 0.1
STEP_PX = 0.7
MOST_STEPS = 60
SIDES_SHOW = 0.5


class Solid(NamedTuple):
    """In metres in the camera's optical frame."""

    center: np.ndarray  # (3,)
    surface: np.ndarray  # (N, 3), seen and completed


def complete_object(window: Window, pixels: np.ndarray, box: Box, occluder: np.ndarray) -> Solid:
    """Complete an object that its box holds whole. `occluder` marks pixels of what may hide a part."""
    inside = window.mask(pixels)
    front = front_of(window.depth_m[pixels])
    width = min(box.width, box.height)
    hidden = np.count_nonzero(window.borders_on(pixels, occluder))
    # Of an object that something hides a part of, only its box tells the size.
    if hidden < OCCLUDED_SHARE * (box.width + box.height):
        width = min(width, 1.1 * _minor_width_px(window, pixels))
    compact = front + 0.5 * width * window.footprint_m(front)
    outline = _outline_depth(window, inside, box, occluder)
    depth = compact if outline is None else depth_of_center(front, outline, compact)
    center = np.append(window.ray_at(*box.center), np.float32(1)) * np.float32(depth)
    return Solid(center, completed(window, pixels, inside, lambda points: 2 * center - points))


def depth_of_center(front: float, outline: float, compact: float) -> float:
    """A body of which two or more sides show has its outline's mean depth; one that turns a flat side
    to the camera is taken to be as deep as it is wide (`compact`)."""
    return outline if outline - front > SIDES_SHOW * (compact - front) else compact


def front_of(depths: np.ndarray):
    """The nearest of some distances along the line of sight, robustly."""
    rank = int(len(depths) * FRONT_SHARE)
    return np.partition(depths, rank)[rank]


def completed(window: Window, pixels: np.ndarray, inside: np.ndarray, mirrored: Callable) -> np.ndarray:
    """The seen points, their mirror images, and between outline points and theirs the hidden sides."""
    seen = window.points[pixels]
    hidden = mirrored(seen)
    # A mirror image in front of the skin would have been seen: the symmetry is broken there.
    hidden = hidden[np.einsum("ij,ij->i", hidden - seen, seen) > 0]
    # And where the camera sees past it, it only shows that the centre is a little off.
    hidden = hidden[~_seen_through(window, hidden)]
    rims = np.concatenate([rim(window, pixels, dx, dy, inside)[0] for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1))])
    behind = mirrored(rims) - rims
    facing = np.einsum("ij,ij->i", behind, rims) > 0
    origins, behind = rims[facing], behind[facing]
    length = np.sqrt(np.einsum("ij,ij->i", behind, behind))
    steps = (length / (2 * window.footprint_m(origins[:, 2]))).astype(int)
    used = np.minimum(steps, MOST_STEPS)
    step = np.arange(1, used.sum() + 1) - np.repeat(np.cumsum(used) - used, used)
    share = (step / np.repeat(steps, used)).astype(np.float32)
    sides = np.repeat(origins, used, axis=0) + np.repeat(behind, used, axis=0) * share[:, None]
    sides = sides[~_seen_through(window, sides)]
    return np.concatenate([seen, hidden, rims, sides])


def _seen_through(window: Window, points: np.ndarray) -> np.ndarray:
    """Whether the camera sees something behind each point: then no surface is there."""
    pixels = window.pixels_of(points[:, :2] / points[:, 2:])
    behind_m = window.depth_m[pixels] - points[:, 2]
    return behind_m > 0.5 * window.footprint_m(points[:, 2])


def rim(window: Window, pixels: np.ndarray, dx: int, dy: int, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the surface ends beside those of the pixels where it does: the points, and which those are.
    On average it ends half a pixel beyond, and a whole one where the sensor saw nothing."""
    toward = dy * window.width + dx
    ends = ~inside[pixels + toward] & (window.place[pixels + toward] != 0)
    last = pixels[ends]
    beyond = _beyond_px(window, last, dx, dy)
    depth = window.depth_m[last] + beyond * _slope(window, last, toward, inside)
    ray = window.rays[:, last]
    points = np.empty((len(last), 3), np.float32)
    points[:, :2] = ((ray + beyond * (window.rays[:, last + toward] - ray)) * depth).T
    points[:, 2] = depth
    return points, ends


def _beyond_px(window: Window, last: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """How many pixels beyond the outline pixels' middles the surface ends: on average half a one, a whole
    one where the sensor saw nothing beside it, and with the box where that ends in between."""
    beyond = np.where(window.measured[last + dy * window.width + dx], np.float32(0.5), np.float32(1))
    if dx and dy:
        return beyond
    row, column = np.divmod(last, window.width)
    place = window.place[last] & IN_ANY_BOX
    for box, bit in ((window.fingertip, IN_FINGERTIP), (window.target, IN_TARGET)):
        if dx:
            to_side = dx * ((box.x_max if dx > 0 else box.x_min) - column - 0.5)
        else:
            to_side = dy * ((box.y_max if dy > 0 else box.y_min) - row - 0.5)
        told = (place == bit) & (to_side >= 0) & (to_side <= 1)
        beyond = np.where(told, to_side, beyond)
    return beyond.astype(np.float32)


def _slope(window: Window, pixels: np.ndarray, toward: np.ndarray | int, inside: np.ndarray) -> np.ndarray:
    """How much deeper the surface gets per pixel towards a side, from the pixel on the other side."""
    depth = window.depth_m[pixels]
    jump = window.jump_share * depth
    rise = np.clip(depth - window.depth_m[pixels - toward], -jump, jump)
    return np.where(inside[pixels - toward], rise, np.float32(0))


def _outline_depth(window: Window, inside: np.ndarray, box: Box, occluder: np.ndarray):
    """Opposite points of a symmetric body's outline lie on both sides of the centre's depth: the median
    of their means. None if too few pairs show."""
    distance, depth = _outermost(window, inside, box, occluder)
    near = np.minimum(distance[:DIRECTIONS], distance[DIRECTIONS:])
    far = np.maximum(distance[:DIRECTIONS], distance[DIRECTIONS:])
    means = ((depth[:DIRECTIONS] + depth[DIRECTIONS:]) / 2)[near > PAIR_BALANCE * far]
    return median(means) if len(means) >= MIN_PAIRS_SHARE * DIRECTIONS else None


_TURNS = np.pi * np.arange(2 * DIRECTIONS) / DIRECTIONS
_DX, _DY = np.cos(_TURNS)[:, None], np.sin(_TURNS)[:, None]


def _outermost(window: Window, inside: np.ndarray, box: Box, occluder: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In each direction, and then in the opposite ones, the distance in pixels from the box's centre to
    the outline and the depth there; NaN without one."""
    r = np.arange(int(np.hypot(box.width, box.height) / STEP_PX) + 1) * STEP_PX
    x, y = box.center[0] + r * _DX, box.center[1] + r * _DY
    within = (x >= 0) & (y >= 0) & (x < window.width) & (y < window.height)
    pixels = np.where(within, y.astype(int) * window.width + x.astype(int), 0)
    on = inside[pixels]  # pixel 0 is margin: not inside, no occluder
    last = np.maximum.accumulate(np.where(on, np.arange(len(r)), -1), axis=1)
    goes_on_behind = occluder[pixels] & ~on & (last >= 0) & (r - r[last] < OCCLUDER_REACH_PX)
    ends = (last[:, -1] >= 0) & ~goes_on_behind.any(axis=1)
    at = np.maximum(last[:, -1], 0)
    pixel = np.where(ends, pixels[np.arange(len(at)), at], np.flatnonzero(inside)[0])
    toward = (np.rint(_DY) * window.width + np.rint(_DX)).astype(int)[:, 0]
    depth = window.depth_m[pixel] + 0.5 * _slope(window, pixel, toward, inside)
    return np.where(ends, r[at], np.nan), np.where(ends, depth, np.nan)


def _minor_width_px(window: Window, pixels: np.ndarray) -> float:
    """Width of the region across its long side: sqrt(12) standard deviations of a uniform strip."""
    y, x = np.divmod(pixels, window.width)
    x, y = x - x.mean(), y - y.mean()
    xx, yy, xy = (x @ x) / len(x), (y @ y) / len(x), (x @ y) / len(x)
    minor = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    return float(np.sqrt(12 * max(minor, 0)))
