"""A box is not an object. This separates, inside the two boxes, the pixels of the fingertip and of the
target from what shows behind and between them, and from each other. The counterpart of
src/geometry/segment.rs.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from . import background
from .surfaces import Borders, Parts, connected
from .window import IN_ANY_BOX, IN_FINGERTIP, IN_TARGET, RING_FINGERTIP, RING_TARGET, Box, Window, median

CONTAINED_SHARE = 0.85
MIN_PART_SHARE = 0.08
MIN_TARGET_SHARE = 0.02
FILLED_SHARE = 0.5
STRICT = 0.7
SPREAD, MIN_SPREAD_M = 1.5, 0.07
SLIVER_SHARE, STEEPER = 0.3, 2.5
SEEDS = 150
FULL_SCORE = 10

UNKNOWN, FINGERTIP, TARGET, OTHER = range(4)


class Segments(NamedTuple):
    """The pixels of the two regions."""

    fingertip_parts: list[np.ndarray]  # the largest first
    target: np.ndarray
    score: int  # how well the pixels explain the boxes: 0 to FULL_SCORE


class Cut(NamedTuple):
    """Along what surfaces that touch are cut."""

    creases: bool
    colors: bool


CUTS = (Cut(True, False), Cut(False, True), Cut(True, True))


class Piece(NamedTuple):
    """A connected set of pixels and how many of them lie in which box."""

    pixels: np.ndarray
    in_fingertip: int
    in_target: int

    @staticmethod
    def of(window: Window, pixels: np.ndarray) -> Piece:
        place = window.place[pixels]
        return Piece(pixels, np.count_nonzero(place & IN_FINGERTIP), np.count_nonzero(place & IN_TARGET))

    def share(self, count: int) -> float:
        return count / len(self.pixels)


def segment(window: Window, min_pixels: int) -> Segments:
    """Find both regions. Either may come out empty."""
    sure, touching = _pieces(window, min_pixels)
    if not touching:
        return _segments(window, _label(window, sure, None, min_pixels, False), min_pixels)
    touching_mask = window.mask(np.concatenate([piece.pixels for piece in touching]))
    borders = Borders(window, touching_mask)
    strict_links = window.steps < STRICT
    best = Segments([], np.zeros(0, int), 0)
    cuts: dict[Cut, list[Piece]] = {}
    for fingertip_inside_target, cut in product((False, True), CUTS):
        if cut not in cuts:
            cuts[cut] = sure + _cut_up(window, touching_mask, strict_links, borders, cut, min_pixels=min_pixels)
        labels = _label(window, cuts[cut], touching_mask, min_pixels, fingertip_inside_target)
        found = _segments(window, labels, min_pixels)
        if found.score > best.score:
            best = found
        if best.score == FULL_SCORE:
            return best
    by_boxes = _segments(window, _label_by_boxes(window, sure + touching), min_pixels)
    score = max(by_boxes.score - 2, 0)
    return by_boxes._replace(score=score) if score > best.score else best


def _pieces(window: Window, min_pixels: int) -> tuple[list[Piece], list[Piece]]:
    """The foreground's connected pieces: those that clearly are one thing, and those that may be both
    regions (or region and arm) touching."""
    foreground = window.measured.copy()
    pixels = np.flatnonzero(foreground)
    points = background.homogeneous(window, pixels)
    planes = background.planes(window, IN_FINGERTIP, RING_FINGERTIP, window.fingertip.center)
    planes += background.planes(window, IN_TARGET, RING_TARGET, window.target.center)
    for plane in planes:
        foreground[pixels[plane.hides(points)]] = False
    sure, touching = [], []
    for pixels in _in_boxes(window, connected(window, foreground, window.links)):
        piece = Piece.of(window, pixels)
        only_target = piece.in_fingertip == 0 and piece.share(piece.in_target) >= CONTAINED_SHARE
        only_fingertip = piece.in_target == 0 and piece.share(piece.in_fingertip) > 0.5
        is_sure = only_target or only_fingertip or len(pixels) < 3 * min_pixels
        (sure if is_sure else touching).append(piece)
    return sure, touching


def _in_boxes(window: Window, parts: Parts) -> list[np.ndarray]:
    """The parts that have any pixel in a box."""
    inside = window.place[parts.pixels] & IN_ANY_BOX != 0
    reaching = np.bincount(parts.part[inside], minlength=len(parts.sizes)) > 0
    keep = reaching[parts.part]
    renumbered = (np.cumsum(reaching) - 1)[parts.part[keep]]
    return Parts(parts.pixels[keep], renumbered, parts.sizes[reaching]).split() if keep.any() else []


def _cut_up(
    window: Window, touching: np.ndarray, links: np.ndarray, borders: Borders, cut: Cut, *, min_pixels: int
) -> list[Piece]:
    inner = touching.copy()
    if cut.creases:
        inner &= ~borders.crease
    if cut.colors:
        inner &= ~borders.color
    return [Piece.of(window, pixels) for pixels in connected(window, inner, links).split(min_pixels)]


def _label(
    window: Window, pieces: list[Piece], touching: np.ndarray | None, min_pixels: int, fingertip_inside_target: bool
) -> np.ndarray:
    most_in_target = max((piece.in_target for piece in pieces), default=0)
    fingertip_area = window.fingertip.width * window.fingertip.height

    def in_front_of_target(piece: Piece) -> bool:
        if piece.in_fingertip >= FILLED_SHARE * fingertip_area and piece.in_target < most_in_target:
            return True
        sides = [sides_touched(window, piece.pixels, box).bit_count() for box in (window.target, window.fingertip)]
        return piece.share(piece.in_fingertip) >= CONTAINED_SHARE and sides[0] < sides[1]

    labels = np.zeros(len(window.place), np.uint8)
    for piece in pieces:
        inside_target = piece.share(piece.in_target) >= CONTAINED_SHARE
        if inside_target and not (fingertip_inside_target and in_front_of_target(piece)):
            label = TARGET
        else:
            label = FINGERTIP if piece.in_fingertip >= min_pixels else OTHER
        labels[piece.pixels] = label
    if touching is not None:
        _spread(window, touching, labels)
    return labels


def _spread(window: Window, touching: np.ndarray, labels: np.ndarray) -> None:
    """Border pixels, in no piece themselves, go with the nearest labelled surface that they continue."""
    open_pixels = np.flatnonzero(touching & (labels == UNKNOWN))
    # Whether each open pixel continues the surface of each of its eight neighbours.
    joined = [window.links[k, open_pixels - ahead] for k, ahead in reversed(list(enumerate(window.forward)))]
    joined += [window.links[k, open_pixels] for k in range(4)]
    neighbours = [open_pixels + step for step in window.neighbours]
    # A neighbour that is not in the touching surfaces hands on nothing.
    joined = np.stack([link & touching[neighbour] for link, neighbour in zip(joined, neighbours, strict=True)])
    neighbours = np.stack(neighbours)
    while open_pixels.size:
        offered = np.where(joined, labels[neighbours], UNKNOWN)
        first = (offered != UNKNOWN).argmax(axis=0)
        taken = offered[first, np.arange(len(open_pixels))]
        grown = taken != UNKNOWN
        if not grown.any():
            return
        labels[open_pixels[grown]] = taken[grown]
        open_pixels, joined, neighbours = open_pixels[~grown], joined[:, ~grown], neighbours[:, ~grown]


def _label_by_boxes(window: Window, pieces: list[Piece]) -> np.ndarray:
    """Each pixel to the box that it is in; in both, to the nearer of the pixels that are in one only."""
    labels = np.zeros(len(window.place), np.uint8)
    by_place = np.array([OTHER, FINGERTIP, TARGET, TARGET], np.uint8)
    for piece in pieces:
        place = window.place[piece.pixels] & IN_ANY_BOX
        own = by_place[place]
        both = np.flatnonzero(place == IN_ANY_BOX)
        if len(both):
            points = window.points[piece.pixels[both]]
            distances = []
            for bit in (IN_FINGERTIP, IN_TARGET):
                seeds = piece.pixels[place == bit]
                seeds = window.points[seeds[:: max(-(-len(seeds) // SEEDS), 1)]]
                distances.append(_squared_to_nearest(points, seeds))
            own[both[distances[0] < distances[1]]] = FINGERTIP
        labels[piece.pixels] = own
    return labels


def _squared_to_nearest(points: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Squared distance of each point to the nearest seed."""
    if len(seeds) == 0:
        return np.full(len(points), np.inf, np.float32)
    origin = seeds.mean(axis=0)
    points, seeds = points - origin, seeds - origin
    crossed = points @ (-2 * seeds.T) + (seeds * seeds).sum(axis=1)
    return crossed.min(axis=1) + (points * points).sum(axis=1)


def _segments(window: Window, labels: np.ndarray, min_pixels: int) -> Segments:
    target = _bulk(window, (labels == TARGET) & (window.place & IN_TARGET != 0))
    parts = _fingertip_parts(window, (labels == FINGERTIP) & (window.place & IN_FINGERTIP != 0), min_pixels)
    enough = max(MIN_TARGET_SHARE * window.target.width * window.target.height, min_pixels)
    score = 0
    if len(target) >= enough:
        score += 1 + sides_touched(window, target, window.target).bit_count()
    if sum(map(len, parts)) >= min_pixels:
        score += 1 + sides_touched(window, np.concatenate(parts), window.fingertip).bit_count()
    return Segments(parts, target, score)


def _bulk(window: Window, mask: np.ndarray) -> np.ndarray:
    """The target without specks elsewhere and without what lies far in front or behind."""
    parts = connected(window, mask, window.links)
    if len(parts.pixels) == 0:
        return parts.pixels
    pixels = parts.pixels[(parts.sizes >= MIN_PART_SHARE * parts.sizes.max())[parts.part]]
    depths = window.depth_m[pixels]
    middle = median(depths)
    size = window.footprint_m(middle) * max(window.target.width, window.target.height)
    return pixels[np.abs(depths - middle) < size]


def _fingertip_parts(window: Window, mask: np.ndarray, min_pixels: int) -> list[np.ndarray]:
    """The fingertip's parts, the largest first, without specks and without what is far behind."""
    whole = sorted(_with_slivers(window, connected(window, mask, window.links)), key=len, reverse=True)
    if not whole:
        return []
    largest, reached, parts = len(whole[0]), 0, []
    for part in whole:
        if len(part) < min(min_pixels, largest):
            break
        sides = sides_touched(window, part, window.fingertip)
        # A sliver counts when it alone explains why the box reaches so far.
        if len(part) >= MIN_PART_SHARE * largest or sides & ~reached:
            reached |= sides
            parts.append(part)
    depths = [median(window.depth_m[part]) for part in parts]
    diagonal = np.hypot(window.fingertip.width, window.fingertip.height)
    spread = SPREAD * max(window.footprint_m(min(depths)) * diagonal, MIN_SPREAD_M)
    return [part for part, depth in zip(parts, depths, strict=True) if depth - min(depths) < spread]


def _with_slivers(window: Window, parts: Parts) -> list[np.ndarray]:
    """A side seen at a grazing angle is a few pixels wide and steep: it goes with the face it borders on."""
    if len(parts.sizes) < 2:
        return parts.split()
    part_of = np.full(len(window.place), -1)
    part_of[parts.pixels] = parts.part
    touches: dict[int, list[int]] = {}
    for k, ahead in enumerate(window.forward):
        a, b = part_of[parts.pixels], part_of[parts.pixels + ahead]
        beside = (a != b) & (b >= 0) & (window.steps[k, parts.pixels] < STEEPER)
        for one, other in set(zip(a[beside].tolist(), b[beside].tolist(), strict=True)):
            touches.setdefault(one, []).append(other)
            touches.setdefault(other, []).append(one)
    sizes = parts.sizes.tolist()
    owner: dict[int, int] = {}
    whole: list[int] = []
    owner_of_part = np.zeros(len(sizes), int)
    for part in np.argsort(-parts.sizes, kind="stable").tolist():
        hosts = (owner[other] for other in sorted(touches.get(part, [])) if other in owner)
        host = next((host for host in hosts if sizes[part] <= SLIVER_SHARE * whole[host]), None)
        if host is None:
            host = len(whole)
            whole.append(0)
        whole[host] += sizes[part]
        owner[part] = owner_of_part[part] = host
    return Parts(parts.pixels, owner_of_part[parts.part], np.array(whole)).split()


def sides_touched(window: Window, pixels: np.ndarray, box: Box) -> int:
    """Which sides of its box a set of pixels reaches (left, right, top, bottom as bits 0 to 3)."""
    extent = window.extent(pixels)
    x, y = 2 + 0.06 * box.width, 2 + 0.06 * box.height
    touched = (
        abs(extent.x_min - box.x_min) < x,
        abs(extent.x_max - box.x_max) < x,
        abs(extent.y_min - box.y_min) < y,
        abs(extent.y_max - box.y_max) < y,
    )
    return sum(1 << side for side in range(4) if touched[side])
