"""The part of a depth image around the two boxes: denoised depth, rays, and which pixel lies in which
box. The counterpart of src/geometry/window.rs.

Pixels are numbered row by row. A margin of `MARGIN` pixels without place or depth surrounds the
window, so that a neighbour is reached by adding to a pixel's number, and whole images are compared
with their shifted selves, without a look at the edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

IN_FINGERTIP, IN_TARGET, RING_FINGERTIP, RING_TARGET = 1, 2, 4, 8
IN_ANY_BOX = IN_FINGERTIP | IN_TARGET
MARGIN = 4
RING_SHARE, RING_MIN_PX = 0.5, 6.0
MIN_DEPTH_M, MAX_DEPTH_M = np.float32(0.05), np.float32(20.0)


class Box(NamedTuple):
    """[x_min, x_max) x [y_min, y_max) in pixels."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        return self.y_max - self.y_min

    @property
    def center(self) -> tuple[float, float]:
        return (self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2

    def grown(self, margin: float) -> Box:
        return Box(self.x_min - margin, self.y_min - margin, self.x_max + margin, self.y_max + margin)

    def shifted(self, x: float, y: float) -> Box:
        return Box(self.x_min + x, self.y_min + y, self.x_max + x, self.y_max + y)


class Color(Protocol):
    """A colour image whose pixels are decoded when somebody looks at them."""

    size: tuple[int, int]  # width, height

    @property
    def pixels(self) -> np.ndarray: ...  # RGB (H, W, 3) uint8


class Picture(NamedTuple):
    """One frame: its colour, depth (h, w) as it came and its unit, the camera matrix."""

    color: Color
    depth: np.ndarray
    units_per_metre: float
    camera: tuple[float, float, float, float]  # fx fy cx cy, in pixels of the colour image


@dataclass
class Window:
    """Flat arrays over all pixels, margin included; lengths in metres, NaN where nothing was measured."""

    width: int
    height: int
    raw_depth_m: np.ndarray
    depth_m: np.ndarray
    rays: np.ndarray  # (2, N) x/z and y/z
    place: np.ndarray
    color: Color
    color_columns: np.ndarray  # of each pixel without the margin
    color_rows: np.ndarray
    fingertip: Box
    target: Box
    focal_px: float

    @staticmethod
    def cut(picture: Picture, fingertip: Box, target: Box) -> Window | None:
        """The boxes are in pixels of the colour image. None if one of them is outside."""
        full_height, full_width = picture.depth.shape
        scale_x, scale_y = full_width / picture.color.size[0], full_height / picture.color.size[1]
        boxes = [_clipped(box, scale_x, scale_y, full_width, full_height) for box in (fingertip, target)]
        if boxes[0] is None or boxes[1] is None:
            return None
        rings = [box.grown(max(RING_SHARE * (box.width + box.height) / 2, RING_MIN_PX)) for box in boxes]
        x0 = max(int(np.floor(min(ring.x_min for ring in rings))), 0)
        y0 = max(int(np.floor(min(ring.y_min for ring in rings))), 0)
        x1 = min(int(np.ceil(max(ring.x_max for ring in rings))), full_width)
        y1 = min(int(np.ceil(max(ring.y_max for ring in rings))), full_height)

        x, y = np.arange(x0 - MARGIN, x1 + MARGIN), np.arange(y0 - MARGIN, y1 + MARGIN)
        shape = (len(y), len(x))
        inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
        place = np.zeros(shape, np.uint8)
        place[inner] = _places(x[MARGIN:-MARGIN] + 0.5, y[MARGIN:-MARGIN] + 0.5, boxes, rings)

        measured = picture.depth[y0:y1, x0:x1].astype(np.float32)
        if picture.units_per_metre != 1:
            measured /= np.float32(picture.units_per_metre)
        usable = (measured >= MIN_DEPTH_M) & (measured <= MAX_DEPTH_M) & (place[inner] != 0)
        raw = np.full(shape, np.nan, np.float32)
        raw[inner] = np.where(usable, measured, np.float32(np.nan))

        fx, fy, cx, cy = picture.camera
        fx, fy, cx, cy = fx * scale_x, fy * scale_y, cx * scale_x, cy * scale_y
        rays = np.empty((2, *shape), np.float32)
        rays[0] = (x - cx) / fx
        rays[1] = ((y - cy) / fy)[:, None]
        focal_px = float(np.sqrt(fx * fy))
        shift = (MARGIN - x0, MARGIN - y0)
        return Window(
            width=shape[1],
            height=shape[0],
            raw_depth_m=raw.ravel(),
            depth_m=_denoised(raw, _jump_share(focal_px)).ravel(),
            rays=rays.reshape(2, -1),
            place=place.ravel(),
            color=picture.color,
            color_columns=(x[MARGIN:-MARGIN] / scale_x).astype(int),
            color_rows=(y[MARGIN:-MARGIN] / scale_y).astype(int),
            fingertip=boxes[0].shifted(*shift),
            target=boxes[1].shifted(*shift),
            focal_px=focal_px,
        )

    @cached_property
    def color_crop(self) -> np.ndarray:
        """(height, width, 3) without the margin."""
        color, x, y = self.color.pixels, self.color_columns, self.color_rows
        if len(x) == x[-1] - x[0] + 1 and len(y) == y[-1] - y[0] + 1:
            return color[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        return color[y[:, None], x]

    @cached_property
    def jump_share(self) -> np.float32:
        """Neighbours whose depths differ by more than this share of it lie on different surfaces."""
        return _jump_share(self.focal_px)

    @cached_property
    def measured(self) -> np.ndarray:
        return ~np.isnan(self.depth_m)

    @cached_property
    def points(self) -> np.ndarray:
        """(N, 3) in the camera's optical frame."""
        points = np.empty((len(self.depth_m), 3), np.float32)
        np.multiply(self.rays.T, self.depth_m[:, None], out=points[:, :2])
        points[:, 2] = self.depth_m
        return points

    @cached_property
    def forward(self) -> tuple[int, int, int, int]:
        """What to add to a pixel's number for its neighbours to the right and below."""
        return (1, self.width - 1, self.width, self.width + 1)

    @cached_property
    def neighbours(self) -> tuple[int, ...]:
        """The same for all eight, in the order of the pixels' numbers."""
        return tuple(-step for step in reversed(self.forward)) + self.forward

    @cached_property
    def steps(self) -> np.ndarray:
        """(4, N): depth difference to each forward neighbour in units of the jump; NaN without one."""
        steps = np.full((4, len(self.depth_m)), np.nan, np.float32)
        jump = self.jump_share * self.depth_m
        for k, ahead in enumerate(self.forward):
            np.abs(self.depth_m[ahead:] - self.depth_m[:-ahead], out=steps[k, :-ahead])
        steps /= jump
        return steps

    @cached_property
    def links(self) -> np.ndarray:
        """(4, N): whether each forward neighbour continues the surface."""
        return self.steps < 1

    def footprint_m(self, depth_m):
        """How wide one pixel is at that depth."""
        return depth_m / np.float32(self.focal_px)

    @cached_property
    def _straight(self) -> tuple[np.ndarray, np.ndarray]:
        """The first pixel's ray and the step from one pixel to the next, right and down."""
        rays = self.rays.reshape(2, self.height, self.width)
        return rays[:, 0, 0], rays[:, 1, 1] - rays[:, 0, 0]

    def ray_at(self, x: float, y: float) -> np.ndarray:
        """x/z and y/z of a place that is not a pixel's middle: middles lie half a pixel from corners."""
        first, step = self._straight
        return first + step * np.array([x - 0.5, y - 0.5], np.float32)

    def pixels_of(self, rays: np.ndarray) -> np.ndarray:
        """The pixel that each ray, (N, 2), goes through; pixel 0, which is margin, outside the window."""
        first, step = self._straight
        columns, rows = np.rint((rays - first) / step).astype(int).T
        within = (columns >= 0) & (rows >= 0) & (columns < self.width) & (rows < self.height)
        return np.where(within, rows * self.width + columns, 0)

    def extent(self, pixels: np.ndarray) -> Box:
        """The bounding box of some pixels; improper if there are none."""
        if len(pixels) == 0:
            return Box(np.inf, np.inf, 0, 0)
        rows, columns = np.divmod(pixels, self.width)
        return Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)

    def mask(self, pixels: np.ndarray) -> np.ndarray:
        mask = np.zeros(len(self.place), bool)
        mask[pixels] = True
        return mask

    def borders_on(self, pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Which of the pixels have one of the mask's among their neighbours."""
        found = np.zeros(len(pixels), bool)
        for step in self.neighbours:
            found |= mask[pixels + step]
        return found

    def measured_share(self, bit: int) -> float:
        inside = self.place & bit != 0
        return np.count_nonzero(inside & ~np.isnan(self.raw_depth_m)) / max(np.count_nonzero(inside), 1)

    def noise_m(self, pixels: np.ndarray) -> float:
        return float(np.abs(self.raw_depth_m[pixels] - self.depth_m[pixels]).mean())


def median(values: np.ndarray):
    """The upper of the two middle values."""
    middle = len(values) // 2
    return np.partition(values, middle)[middle]


def _clipped(box: Box, scale_x: float, scale_y: float, width: int, height: int) -> Box | None:
    clipped = Box(
        max(box.x_min * scale_x, 0.0),
        max(box.y_min * scale_y, 0.0),
        min(box.x_max * scale_x, width),
        min(box.y_max * scale_y, height),
    )
    return clipped if clipped.width > 0 and clipped.height > 0 else None


def _places(x: np.ndarray, y: np.ndarray, boxes: list[Box], rings: list[Box]) -> np.ndarray:
    def within(box: Box) -> np.ndarray:
        columns, rows = (x >= box.x_min) & (x < box.x_max), (y >= box.y_min) & (y < box.y_max)
        return rows[:, None] & columns

    in_boxes = within(boxes[0]) * np.uint8(IN_FINGERTIP) + within(boxes[1]) * np.uint8(IN_TARGET)
    in_rings = within(rings[0]) * np.uint8(RING_FINGERTIP) + within(rings[1]) * np.uint8(RING_TARGET)
    return np.where(in_boxes != 0, in_boxes, in_rings)


def _jump_share(focal_px: float) -> np.float32:
    return np.float32(3 / focal_px + 0.003)


def _denoised(raw: np.ndarray, jump_share: np.float32) -> np.ndarray:
    """Average each pixel with those neighbours that it lies between; drop flying pixels."""
    height, width = raw.shape

    def beside(dx: int, dy: int) -> np.ndarray:
        return raw[MARGIN + dy : height - MARGIN + dy, MARGIN + dx : width - MARGIN + dx]

    depth = beside(0, 0)
    jump = jump_share * depth
    total, count = depth.copy(), np.ones(depth.shape, np.uint8)
    continuous, seen = np.zeros(depth.shape, np.uint8), np.zeros(depth.shape, np.uint8)
    known = ~np.isnan(raw)
    for dx, dy in ((1, 0), (1, 1), (0, 1), (-1, 1)):
        one, opposite = beside(dx, dy), beside(-dx, -dy)
        near_one, near_opposite = np.abs(one - depth) < jump, np.abs(opposite - depth) < jump
        between = near_one & near_opposite
        np.add(total, one + opposite, out=total, where=between)
        count += between.view(np.uint8) << 1
        continuous += near_one.view(np.uint8)
        continuous += near_opposite.view(np.uint8)
        for x, y in ((dx, dy), (-dx, -dy)):
            seen += known[MARGIN + y : height - MARGIN + y, MARGIN + x : width - MARGIN + x].view(np.uint8)
    total /= count
    total[(continuous < 2) & (seen > 2)] = np.nan
    denoised = np.full(raw.shape, np.nan, np.float32)
    denoised[MARGIN:-MARGIN, MARGIN:-MARGIN] = total
    return denoised
