"""Depth as datasets hold it, in metres: LeRobot 0.6's 12-bit code in a video, image files of 16 bits or of floats, and
bare numbers.

The code is q = 4095 (log(z + shift) - log(min + shift)) / (log(max + shift) - log(min + shift)), rounded; its
parameters are in the feature's info, and 0.01, 10 and 3.5 m where they are not. What was not measured, and what is
beyond either end, has the code of that end: both ends are NaN here. Integers are millimetres, of which 0 was not
measured, and floats are metres, unless `depth_unit` in the feature's info says another (LeRobot 0.6 writes it there).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import error
from .dataset import Dataset, Feature, details
from .pictures import ColumnPictures, Pictures, VideoPictures

_STEPS = 4095
_MINIMUM_M, _MAXIMUM_M, _SHIFT_M = 0.01, 10.0, 3.5
# Formats of video whose first plane is the code.
_FORMATS = {"gray12le", "yuv420p12le", "yuv422p12le", "yuv444p12le"}


def depth_pictures(dataset: Dataset, key: str) -> Pictures:
    """A feature's depth, as `Annotator.step` takes it.

    Raises:
        Error: it is none.
    """
    feature = dataset.features[key]
    if feature.get("dtype") == "video":
        table = metres_of_codes(feature, key)

        def decoded(frame: Any) -> npt.NDArray[np.float32]:
            return table[codes(frame, key)]

        return VideoPictures(dataset, key, decoded)
    unit = details(feature).get("depth_unit")
    if unit not in {None, "m", "mm"}:
        raise error("depth", f"the info of {key} has the depth_unit {unit!r}, and it is m or mm")
    if feature.get("dtype") == "image":
        return ColumnPictures(dataset, key, lambda image: of_numbers(_of_image(image, key), key, unit))
    return _NumberDepth(dataset, key, unit)


class _NumberDepth(ColumnPictures):
    def __init__(self, dataset: Dataset, key: str, unit: str | None) -> None:
        super().__init__(dataset, key, None)
        self._name, self._unit = key, unit
        self._dtype = str(dataset.features[key].get("dtype"))

    def _decoded(self, value: Any, episode: Any, frame: int) -> npt.NDArray[Any]:
        return of_numbers(super()._decoded(value, episode, frame), self._name, self._unit)


def metres_of_codes(feature: Feature, key: str) -> npt.NDArray[np.float32]:
    """The depth of each code."""
    said = details(feature)
    try:
        minimum = float(said.get("video.depth_min", _MINIMUM_M))
        maximum = float(said.get("video.depth_max", _MAXIMUM_M))
        shift = float(said.get("video.shift", _SHIFT_M))
        if not (math.isfinite(shift) and 0.0 <= minimum < maximum < math.inf):
            raise ValueError(f"depth from {minimum} to {maximum} m, shifted by {shift} m")
        share = np.arange(_STEPS + 1) / _STEPS
        if said.get("video.use_log", True):
            if minimum + shift <= 0.0:
                raise ValueError(f"depth from {minimum} m, shifted by {shift} m, has no logarithm")
            low, high = math.log(minimum + shift), math.log(maximum + shift)
            metres = np.exp(low + share * (high - low)) - shift
        else:
            metres = minimum + share * (maximum - minimum)
    except (TypeError, ValueError) as cause:
        raise error("depth", f"the info of {key} is of no depth code: {cause}") from cause
    metres[[0, _STEPS]] = np.nan
    return metres.astype(np.float32)


def codes(frame: Any, key: str) -> npt.NDArray[np.uint16]:
    """The 12-bit codes of a video's picture: they are read from its plane, for a conversion would change them."""
    if frame.format.name not in _FORMATS:
        words = f"the video of {key} has pictures of {frame.format.name}, and depth is of 12 bits (gray12le)"
        raise error("depth", words, "name the depth's feature")
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.dtype("<u2")).reshape(-1, plane.line_size // 2)
    return np.minimum(lines[: frame.height, : frame.width], _STEPS)


def of_numbers(depth: npt.NDArray[Any], key: str, unit: str | None = None) -> npt.NDArray[Any]:
    """Depth of an array with or without an axis of one channel: float32 in metres or uint16 in millimetres."""
    if depth.ndim == 3 and 1 in {depth.shape[0], depth.shape[-1]}:
        depth = depth[0] if depth.shape[0] == 1 else depth[..., 0]
    if depth.ndim != 2:
        raise error("depth", f"{key} has the shape {depth.shape}, and depth is (height, width)")
    if np.issubdtype(depth.dtype, np.floating):
        return np.ascontiguousarray(depth / 1000 if unit == "mm" else depth, np.float32)
    if unit == "m":
        return np.where(depth > 0, depth, np.nan).astype(np.float32)
    if depth.size and (depth.min() < 0 or depth.max() > np.iinfo(np.uint16).max):
        raise error("depth", f"{key} has values from {depth.min()} to {depth.max()}, and millimetres are 0 to 65535")
    return np.ascontiguousarray(depth, np.uint16)


def _of_image(image: Any, key: str) -> npt.NDArray[Any]:
    if image.mode not in {"I", "I;16", "I;16L", "I;16B", "F"}:
        words = f"the images of {key} are of Pillow's mode {image.mode}, and depth is of 16 bits or of floats"
        raise error("depth", words, "name the depth's feature")
    return np.asarray(image)
