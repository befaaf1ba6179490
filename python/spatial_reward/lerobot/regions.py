"""Where the fingertip and the target of a dataset come from: boxes that somebody drew, which are followed; one box for
every picture; columns with boxes, keypoints or poses; and boxes that LeRobot's annotate wrote. One source for each
region.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._errors import error
from .dataset import Dataset, Episode
from .packages import needed

Role = Literal["fingertip", "target"]
ROLES: tuple[Role, Role] = ("fingertip", "target")

Box = tuple[float, float, float, float]
"""`(x_min, y_min, x_max, y_max)` in pixels of the colour picture."""

Given = str | Sequence[Any] | Mapping[str, Any] | np.ndarray[Any, Any]
"""How a region is said: see `label_dataset`."""

# How many numbers each kind of column has for a frame.
KINDS = {"box": 4, "keypoint": 2, "position": 3, "pose": 7}
# How large an object is taken to be of which a column says only where it is, as `regions.*.size_m`.
_SIZE_M = 0.03


@dataclass(frozen=True)
class Drawn:
    """A box that somebody drew, in the first picture that is so many seconds or more after an episode's first."""

    box: Box
    at_s: float = 0.0


@dataclass(frozen=True)
class Followed:
    """Boxes that were drawn: the same in each episode, or each episode's own."""

    everywhere: tuple[Drawn, ...] = ()
    by_episode: Mapping[int, tuple[Drawn, ...]] = field(default_factory=dict)

    def due(self, episode: Episode, role: Role) -> dict[int, Box]:
        """The boxes of an episode, by the frame that each was drawn in.

        Raises:
            Error: one was drawn after the end.
        """
        due: dict[int, Box] = {}
        since = episode.timestamps - episode.timestamps[0]
        for drawn in self.everywhere or self.by_episode.get(episode.index, ()):
            # A float32 of seconds is a little less than what was meant.
            later = np.flatnonzero(since >= drawn.at_s - 1e-4)
            if not len(later):
                words = (
                    f"the {role} of episode {episode.index} was drawn at {drawn.at_s:g} s, and the episode lasts "
                    f"{since[-1]:.3f} s"
                )
                raise error("region", words, "draw it in a picture that the episode has")
            due[int(later[0])] = drawn.box
        return due


@dataclass(frozen=True)
class Fixed:
    """The same box in every picture."""

    box: Box


@dataclass(frozen=True)
class Column:
    """A feature that says where the region is in each frame.

    `kind` is box (x_min, y_min, x_max, y_max in pixels), keypoint (x, y in pixels), position (x, y, z in metres) or
    pose (the same and a quaternion qx, qy, qz, qw). `camera_from_frame` is a pose too: that of the frame that a
    position or pose is in, in the camera's optical frame; None where it is in that already.
    """

    key: str
    kind: str
    elements: tuple[int, ...]
    size_m: float = _SIZE_M
    size_px: float | None = None
    offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    camera_from_frame: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Annotated:
    """What LeRobot's annotate calls so: each of its boxes is taken as drawn in its frame."""

    labels: tuple[str, ...]


Source = Followed | Fixed | Column | Annotated


def source(given: Given, dataset: Dataset, role: Role) -> Source:
    """What somebody said of a region.

    Raises:
        Error: it is no source, or the dataset has not what it names.
    """
    if isinstance(given, str) and given in dataset.features:
        return _column({"column": given}, dataset, role)
    if isinstance(given, Mapping):
        keys = set(given)
        if keys == {"box"}:
            return Followed(_drawn_boxes(given["box"], role))
        if keys == {"fixed"}:
            return Fixed(_box(given["fixed"], role).box)
        if keys == {"label"}:
            labels = [given["label"]] if isinstance(given["label"], str) else list(given["label"])
            if not labels or not all(isinstance(label, str) for label in labels):
                raise error("region", f"the label of the {role} is {given['label']!r}, and words are needed")
            return Annotated(tuple(labels))
        if "column" in keys:
            return _column(given, dataset, role)
        words = f"the {role} is {dict(given)!r}, and one of box, fixed, column and label is needed"
        raise error("region", words)
    return Followed(_drawn_boxes(given, role))


def read_regions(path: str | os.PathLike[str]) -> dict[int, dict[Role, tuple[Drawn, ...]]]:
    """A file of drawn boxes, by episode: YAML with a list `episodes`, each with its number `episode`, and with lists of
    boxes `fingertip` and `target`.

    Raises:
        Error: the file is none.
    """
    text = read_yaml(path, "the file of regions")
    entries = text.get("episodes") if isinstance(text, dict) else None
    if not isinstance(entries, list) or set(text) != {"episodes"}:
        words = f"{path} is no file of an episode's regions: it needs a list `episodes` and nothing else"
        raise error("regions_file", words, path=str(path))
    regions: dict[int, dict[Role, tuple[Drawn, ...]]] = {}
    for entry in entries:
        index = entry.get("episode") if isinstance(entry, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not set(entry) <= {"episode", *ROLES}:
            words = f"{path}: {entry!r} is not an episode's number `episode` with `fingertip` and `target`"
            raise error("regions_file", words, path=str(path))
        if index in regions:
            raise error("regions_file", f"{path} has episode {index} twice", path=str(path))
        regions[index] = {role: _drawn_boxes(entry[role], role) for role in ROLES if role in entry}
    return regions


def read_yaml(path: str | os.PathLike[str], what: str) -> Any:
    """What a YAML file holds.

    Raises:
        Error: it cannot be read.
    """
    yaml = needed("yaml", f"reading {what}")
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise error("yaml", f"cannot read {what} {path}: {cause}", path=str(path)) from cause


def check_episodes(followed: Followed, episodes: Iterable[Episode], role: Role, path: object) -> None:
    """Each episode has boxes of its own, where none counts for all.

    Raises:
        Error: one has none.
    """
    if followed.everywhere:
        return
    missing = [episode.index for episode in episodes if not followed.by_episode.get(episode.index)]
    if missing:
        shown = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        words = f"{path} has no {role} for {len(missing)} of the episodes ({shown})"
        raise error("regions_file", words, f"draw it there, or give one {role} for every episode", str(path))


def _drawn_boxes(given: Any, role: Role) -> tuple[Drawn, ...]:
    is_one = isinstance(given, str) or (_length(given) == 4 and not any(_length(side) for side in given))
    boxes = tuple(_box(box, role) for box in ([given] if is_one else given)) if _length(given) or is_one else ()
    if not boxes:
        raise error("region", f"the {role} is {given!r}, and a box around it or the name of a feature is needed")
    return boxes


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return 0


def _box(given: Any, role: Role) -> Drawn:
    sides, at_s = given, 0.0
    try:
        if isinstance(given, str):
            text, at, seconds = given.partition("@")
            sides, at_s = text.split(","), float(seconds) if at else 0.0
        x_min, y_min, x_max, y_max = (float(side) for side in sides)
    except (TypeError, ValueError) as cause:
        words = f"the {role} is {given!r}, neither a feature of the dataset nor a box X0,Y0,X1,Y1[@SECONDS] in pixels"
        raise error("region", words) from cause
    if not (
        x_min < x_max and y_min < y_max and math.isfinite(x_max - x_min + y_max - y_min) and 0.0 <= at_s < math.inf
    ):
        words = f"the box {given!r} of the {role} has no area, or a time before the episode"
        raise error("region", words, "give left, top, right and bottom, in this order")
    return Drawn((x_min, y_min, x_max, y_max), at_s)


def _column(given: Mapping[str, Any], dataset: Dataset, role: Role) -> Column:
    known = {"column", "as", "elements", "size_m", "size_px", "offset_m", "camera_from_frame"}
    if unknown := set(given) - known:
        words = f"the {role} has the key {min(unknown)}, and a column has {', '.join(sorted(known))}"
        raise error("region", words)
    key = given["column"]
    feature = dataset.features.get(key)
    if feature is None or feature.get("dtype") in {"video", "image", "string", "language"}:
        numeric = [name for name in dataset.features if name.startswith("observation.") and "image" not in name]
        words = f"the dataset has no numbers {key}, which are to say where the {role} is"
        raise error("region", words, f"it has {', '.join(numeric) or 'no such features'}")
    width = math.prod(int(side) for side in feature.get("shape", [1]))
    elements = tuple(int(element) for element in given.get("elements", range(width)))
    kind = given.get("as") or {count: name for name, count in KINDS.items()}.get(len(elements))
    if kind not in KINDS or len(elements) != KINDS[kind] or not all(0 <= element < width for element in elements):
        words = f"{key} has {width} numbers, {len(elements)} of which are to say where the {role} is"
        kinds = ", ".join(f"{count} as {name}" for name, count in KINDS.items())
        raise error("region", words, f"name the elements that do: {kinds}")
    try:
        offset = tuple(float(value) for value in given.get("offset_m", (0.0, 0.0, 0.0)))
        pose = given.get("camera_from_frame")
        pose = None if pose is None else tuple(float(value) for value in pose)
        size_m = float(given.get("size_m", _SIZE_M))
        size_px = None if given.get("size_px") is None else float(given["size_px"])
    except (TypeError, ValueError) as cause:
        raise error("region", f"the {role}'s {dict(given)!r} has what is no number: {cause}") from cause
    if len(offset) != 3 or (pose is not None and len(pose) != 7) or not size_m > 0.0 or not (size_px or 1.0) > 0.0:
        words = (
            f"the {role}'s {dict(given)!r} is wrong: offset_m has 3 numbers, camera_from_frame 7, and sizes are above 0"
        )
        raise error("region", words)
    return Column(key, kind, elements, size_m, size_px, (offset[0], offset[1], offset[2]), pose)
