"""Boxes of what a dataset's columns say of a region, and of what LeRobot's annotate wrote of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import error
from .._native import Camera
from .dataset import Dataset, Episode, open_parquet
from .pictures import numbers
from .regions import Annotated, Box, Column

EVENTS = "language_events"
# Depth so many pixels around a keypoint is looked at to know how far it is.
_AROUND = 3

_Vector = npt.NDArray[np.float64]


class Columns:
    """The columns of a dataset's data files, one file of each of which is held."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._held: dict[str, tuple[Path, Any]] = {}

    def values(self, episode: Episode, key: str) -> Any:
        """A column of an episode, as Arrow has it.

        Raises:
            Error: its data file has not got it.
        """
        held = self._held.get(key)
        if held is None or held[0] != episode.data_file:
            file = open_parquet(self.dataset.root / episode.data_file)
            if key not in file.schema_arrow.names:
                words = f"{self.dataset.root / episode.data_file} has no column {key}"
                raise error("dataset", words, path=str(self.dataset.root / episode.data_file))
            held = self._held[key] = (episode.data_file, file.read(columns=[key])[key])
        return held[1].slice(episode.first_row, episode.length).combine_chunks()


class ColumnBoxes:
    """The boxes of one region in one episode."""

    def __init__(self, column: Column, camera: Camera | None, columns: Columns, episode: Episode) -> None:
        rows = numbers(columns.values(episode, column.key)).reshape(episode.length, -1).astype(np.float64)
        self._rows = rows[:, list(column.elements)]
        self._column, self._camera = column, camera
        if camera is None and (
            column.kind in {"position", "pose"} or (column.kind == "keypoint" and not column.size_px)
        ):
            raise error(
                "camera", f"{column.key} is in metres: the camera's intrinsics are needed to see it in the picture"
            )

    def box(self, frame: int, depth: npt.NDArray[Any] | None) -> Box | None:
        """None where the column says nothing (NaN), or nothing that the camera sees."""
        row = self._rows[frame]
        if not np.isfinite(row).all():
            return None
        if self._column.kind == "box":
            x_min, y_min, x_max, y_max = map(float, row)
            return (x_min, y_min, x_max, y_max) if x_min < x_max and y_min < y_max else None
        if self._column.kind == "keypoint":
            return self._around(float(row[0]), float(row[1]), depth)
        assert self._camera is not None  # as __init__ saw to
        center = (
            rotated(row[3:], np.asarray(self._column.offset_m)) if len(row) == 7 else np.asarray(self._column.offset_m)
        )
        center = center + row[:3]
        if (pose := self._column.camera_from_frame) is not None:
            center = rotated(np.asarray(pose[3:]), center) + np.asarray(pose[:3])
        return ball_box(self._camera, center, self._column.size_m / 2)

    def _around(self, x: float, y: float, depth: npt.NDArray[Any] | None) -> Box | None:
        size = self._column.size_px
        if size is None:
            assert self._camera is not None  # as __init__ saw to
            z = None if depth is None else depth_at(depth, x / self._camera.width, y / self._camera.height)
            if z is None:
                return None
            size = self._column.size_m * self._camera.fx / z
        return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def rotated(quaternion: Sequence[float] | _Vector, vector: _Vector) -> _Vector:
    """A vector, turned by a quaternion (x, y, z, w) of any length."""
    x, y, z, w = np.asarray(quaternion, np.float64) / max(float(np.linalg.norm(quaternion)), 1e-12)
    axis = np.array([x, y, z])
    across: _Vector = 2.0 * np.cross(axis, vector)
    turned: _Vector = vector + w * across + np.cross(axis, across)
    return turned


def ball_box(camera: Camera, center: _Vector, radius: float) -> Box | None:
    """The box of what a camera sees of a ball in its optical frame; None of one that is not before it."""
    x, y, z = map(float, center)
    if z <= radius:
        return None
    sides = []
    for across in (x, y):
        away = math.hypot(across, z)
        angle, half = math.atan2(across, z), math.asin(radius / away)
        sides.append((math.tan(angle - half), math.tan(angle + half)))
    (left, right), (top, bottom) = sides
    middle_x, middle_y = x / z, y / z
    edges = [(left, middle_y), (right, middle_y), (middle_x, top), (middle_x, bottom)]
    seen = [distorted(camera, *edge) for edge in edges]
    xs = [camera.fx * point[0] + camera.cx for point in seen]
    ys = [camera.fy * point[1] + camera.cy for point in seen]
    return min(xs), min(ys), max(xs), max(ys)


def distorted(camera: Camera, x: float, y: float) -> tuple[float, float]:
    """Where the lens shows a point at (x, y) one metre before it: OpenCV's models."""
    given = list(camera.distortion)
    if not any(given):
        return x, y
    squared = x * x + y * y
    if camera.model in {"equidistant", "fisheye"}:
        radius = math.sqrt(squared)
        angle = math.atan(radius)
        bent = angle * (1.0 + sum(k * angle ** (2 * power) for power, k in enumerate(given[:4], start=1)))
        scale = bent / radius if radius > 1e-12 else 1.0
        return x * scale, y * scale
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (given + [0.0] * 12)[:12]
    radial = (1.0 + squared * (k1 + squared * (k2 + squared * k3))) / (
        1.0 + squared * (k4 + squared * (k5 + squared * k6))
    )
    prism_x, prism_y = squared * (s1 + squared * s2), squared * (s3 + squared * s4)
    bent_x = x * radial + 2.0 * p1 * x * y + p2 * (squared + 2.0 * x * x) + prism_x
    bent_y = y * radial + p1 * (squared + 2.0 * y * y) + 2.0 * p2 * x * y + prism_y
    return bent_x, bent_y


def depth_at(depth: npt.NDArray[Any], x: float, y: float) -> float | None:
    """The median depth around a place that is given in shares of the picture, in metres."""
    height, width = depth.shape
    column, row = int(x * width), int(y * height)
    if not (0 <= column < width and 0 <= row < height):
        return None
    near = depth[max(row - _AROUND, 0) : row + _AROUND + 1, max(column - _AROUND, 0) : column + _AROUND + 1]
    metres = near.astype(np.float64) * (1.0 if np.issubdtype(depth.dtype, np.floating) else 0.001)
    metres = metres[np.isfinite(metres) & (metres > 0.0)]
    return float(np.median(metres)) if metres.size else None


def annotated_boxes(
    columns: Columns, episode: Episode, camera: str, annotated: Annotated
) -> tuple[dict[int, Box], set[str]]:
    """The boxes that LeRobot's annotate wrote for a label, by frame, and all labels that it wrote for this camera.

    They are in the column `language_events`: rows of the style `vqa` and the role `assistant`, whose content is JSON
    with `detections`, each a `label`, a `bbox_format` and a `bbox`. Of several with the label in a frame the first
    counts.
    """
    if EVENTS not in columns.dataset.features:
        words = f"{columns.dataset.root} has no annotations (no column {EVENTS}), and a label was given"
        raise error("region", words, "run LeRobot's lerobot-annotate, or draw a box")
    wanted = {label.strip().casefold() for label in annotated.labels}
    boxes: dict[int, Box] = {}
    labels: set[str] = set()
    for frame, events in enumerate(columns.values(episode, EVENTS).to_pylist()):
        for detection in _detections(events, camera):
            label = str(detection.get("label", "")).strip()
            labels.add(label)
            if label.casefold() in wanted and frame not in boxes:
                boxes[frame] = _annotated_box(detection, episode, frame)
    return boxes, labels


def _detections(events: Any, camera: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for event in events or []:
        if event.get("style") != "vqa" or event.get("role") != "assistant" or event.get("camera") != camera:
            continue
        try:
            answer = json.loads(event.get("content") or "null")
        except ValueError:
            continue  # an answer in words
        detections = answer.get("detections") if isinstance(answer, dict) else None
        found += [each for each in detections if isinstance(each, dict)] if isinstance(detections, list) else []
    return found


def _annotated_box(detection: dict[str, Any], episode: Episode, frame: int) -> Box:
    where = f"the annotation of {detection.get('label')!r} in frame {frame} of episode {episode.index}"
    if detection.get("bbox_format", "xyxy") != "xyxy":
        words = f"{where} is in the format {detection['bbox_format']}, and boxes xyxy in pixels are read"
        raise error("region", words, "annotate anew, or draw a box")
    try:
        x_min, y_min, x_max, y_max = (float(side) for side in detection["bbox"])
    except (KeyError, TypeError, ValueError) as cause:
        raise error("region", f"{where} has no box of four numbers", "annotate anew, or draw a box") from cause
    if not (x_min < x_max and y_min < y_max):
        raise error("region", f"{where} has a box without area", "annotate anew, or draw a box")
    return x_min, y_min, x_max, y_max
