"""Which pixels lie on one surface: connected pieces, and the borders between surfaces that touch
(creases, edges of colour). The counterpart of src/geometry/surfaces.rs.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .window import MARGIN, Window

SMOOTH = 0.9
COLOR_EDGE = 45
CREASE_REACH = 2


class Parts(NamedTuple):
    """Connected sets of pixels, numbered in the order of their first pixel."""

    pixels: np.ndarray  # all of them, ascending
    part: np.ndarray  # the part of each
    sizes: np.ndarray

    def split(self, least: int = 1) -> list[np.ndarray]:
        """The pixels, ascending, of each part of at least that size."""
        if len(self.sizes) == 1:
            return [self.pixels] if len(self.pixels) >= least else []
        if least > 1:
            keep = (self.sizes >= least)[self.part]
            pixels, part = self.pixels[keep], self.part[keep]
        else:
            pixels, part = self.pixels, self.part
        order = np.argsort(part, kind="stable")
        ends = np.cumsum(self.sizes[self.sizes >= least])[:-1]
        return np.split(pixels[order], ends) if len(pixels) else []


def connected(window: Window, mask: np.ndarray, links: np.ndarray) -> Parts:
    """The connected sets of the mask's pixels. `links` (4, N) says which forward neighbours are joined.

    A row's unbroken runs are the nodes of a graph, and of the links between two runs one is enough,
    so the graph is much smaller than the picture.
    """
    goes_on = np.zeros_like(mask)  # in the run of the pixel to the left
    goes_on[1:] = mask[1:] & mask[:-1] & links[0, :-1]
    starts = mask & ~goes_on
    run = np.cumsum(starts) - 1
    count = int(run[-1]) + 1
    pixels = np.flatnonzero(mask)
    sources, sinks = [], []
    for k, ahead in list(enumerate(window.forward))[1:]:
        joined = mask[:-ahead] & mask[ahead:] & links[k, :-ahead]
        again = joined[:-1] & goes_on[1:-ahead] & goes_on[ahead + 1 :]
        joined[1:] &= ~again
        source = np.flatnonzero(joined)
        sources.append(run[source])
        sinks.append(run[source + ahead])
    source, sink = np.concatenate(sources), np.concatenate(sinks)
    graph = coo_array((np.ones(len(source)), (source, sink)), shape=(count, count))
    part_of_run = connected_components(graph, directed=False)[1] if count else np.zeros(0, int)
    part = part_of_run[run[pixels]]
    return Parts(pixels, part, np.bincount(part))


class Borders:
    """Pixels on the borders between surfaces that may touch, among the wanted ones, for each of two cues.
    A cue is looked for when somebody asks for it."""

    def __init__(self, window: Window, wanted: np.ndarray):
        self.window, self.wanted = window, wanted

    @cached_property
    def crease(self) -> np.ndarray:
        normals = _normals(self.window, self.wanted)

        def bent(apart: int) -> np.ndarray:
            return np.einsum("ki,ki->i", normals[:, :-apart], normals[:, apart:]) <= SMOOTH

        return _between(self.window, self.wanted, CREASE_REACH, bent)

    @cached_property
    def color(self) -> np.ndarray:
        color = np.zeros((self.window.height, self.window.width, 3), np.int16)
        color[MARGIN:-MARGIN, MARGIN:-MARGIN] = self.window.color_crop
        channels = color.reshape(-1, 3).T.astype(np.float32, order="C")

        def recolored(apart: int) -> np.ndarray:
            change = channels[:, apart:] - channels[:, :-apart]
            return np.einsum("ki,ki->i", change, change) >= COLOR_EDGE**2

        return _between(self.window, self.wanted, 1, recolored)


def _between(window: Window, wanted: np.ndarray, reach: int, differ) -> np.ndarray:
    """Pixels whose opposite neighbours, `reach` pixels to either side, differ."""
    seen = wanted
    found = np.zeros_like(seen)
    for off in (reach, reach * window.width):
        found[off:-off] |= seen[: -2 * off] & seen[2 * off :] & differ(2 * off)
    return found & seen


def _normals(window: Window, wanted: np.ndarray) -> np.ndarray:
    """(3, N) unit normals from the depth on both sides; zero where nothing continuous is beside."""
    pixels = np.flatnonzero(wanted)
    # Rows as contiguous arrays: the cross product runs over them.
    points = np.ascontiguousarray(window.points.T)

    def farthest(link: np.ndarray, step: int, back: int) -> np.ndarray:
        # `back` is where, from a pixel, the link in that direction is written down.
        last = pixels
        going = np.ones(len(pixels), bool)
        for _ in range(CREASE_REACH):
            going = going & link[last + back]
            last = last + step * going
        return points[:, last]

    def span(k: int) -> np.ndarray:
        ahead = window.forward[k]
        return farthest(window.links[k], ahead, 0) - farthest(window.links[k], -ahead, -ahead)

    (ux, uy, uz), (vx, vy, vz) = span(0), span(2)
    normal = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
    length = np.sqrt(np.einsum("ki,ki->i", normal, normal))
    normals = np.zeros_like(points)
    normals[:, pixels] = np.where(length > 1e-12, normal / np.maximum(length, 1e-12), 0)
    return normals
