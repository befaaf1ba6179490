"""spatial-reward's geometry in numpy and scipy: the same steps with the same constants as src/geometry,
module by module, written for whole arrays. The reasons for the steps are given there. What came later is
not here: the straight outlines of fingers (outline.rs) and the gap from both sides; so it does a little less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import cloud, finger, solid
from .segment import FULL_SCORE, Segments, segment, sides_touched
from .window import IN_FINGERTIP, IN_TARGET, Box, Color, Picture, Window

__all__ = ["Box", "Color", "Measurement", "Picture", "measure"]

MIN_PIXELS = 6
MIN_CENTER_SHARE = 0.25
NOISE_SCALE_M = 0.01
PIXELS_SCALE = 20.0


class Measurement(NamedTuple):
    """Distances in metres; confidence from 0 to 1."""

    center_m: float
    surface_m: float
    cloud_m: float
    confidence: float


def measure(picture: Picture, fingertip: Box, target: Box) -> Measurement | str:
    """All three distances, or the reason why there are none."""
    window = Window.cut(picture, fingertip, target)
    if window is None:
        return "box_outside_image"
    segments = segment(window, MIN_PIXELS)
    if min(len(segments.target), sum(map(len, segments.fingertip_parts))) < MIN_PIXELS:
        return "depth_invalid"
    fingertip_pixels = np.concatenate(segments.fingertip_parts)
    target_solid = solid.complete_object(window, segments.target, window.target, window.mask(fingertip_pixels))
    parts = _fingertip_solids(window, segments)
    center = _fingertip_center(window, segments, parts)
    surface = np.concatenate([part.surface for part in parts])
    return Measurement(
        center_m=float(np.linalg.norm(center - target_solid.center)),
        surface_m=cloud.gap_m(surface, target_solid.surface),
        cloud_m=cloud.mean_nearest_m(window.points[fingertip_pixels], window.points[segments.target]),
        confidence=_confidence(window, segments, fingertip_pixels),
    )


def _fingertip_solids(window: Window, segments: Segments) -> list[solid.Solid]:
    target = window.mask(segments.target)
    axes = finger.axes(window, segments.fingertip_parts, target)
    return [
        solid.complete_object(window, part, window.extent(part), target)
        if axis is None
        else finger.complete_finger(window, part, axis)
        for part, axis in zip(segments.fingertip_parts, axes, strict=True)
    ]


def _fingertip_center(window: Window, segments: Segments, parts: list[solid.Solid]) -> np.ndarray:
    """The mean of the parts' centres, each finger counted once however much of it shows."""
    largest = max(map(len, segments.fingertip_parts))
    reached, centers = 0, []
    for pixels, part in zip(segments.fingertip_parts, parts, strict=True):
        sides = sides_touched(window, pixels, window.fingertip)
        if len(pixels) >= MIN_CENTER_SHARE * largest or sides & ~reached:
            centers.append(part.center)
        reached |= sides
    return np.mean(centers, axis=0)


def _confidence(window: Window, segments: Segments, fingertip: np.ndarray) -> float:
    measured = min(window.measured_share(IN_FINGERTIP), window.measured_share(IN_TARGET))
    pixels = min(len(fingertip), len(segments.target))
    noise_m = max(window.noise_m(fingertip), window.noise_m(segments.target))
    evidence = measured * segments.score / FULL_SCORE * pixels / (pixels + PIXELS_SCALE)
    return float(np.clip(evidence / (1 + noise_m / NOISE_SCALE_M), 0, 1))
