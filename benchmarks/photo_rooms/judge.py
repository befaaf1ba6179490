"""Rows of `dataset` held against the truth of their photos: what was said of things that are wholly seen."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from photo_rooms.answers import POLES, hour, length_m, said_to_be_more

AXES = {"width": 0, "height": 1}
BETWEEN = {"horizontal_distance": 0, "vertical_distance": 1}


@dataclass(frozen=True)
class Length:
    """Metres, as said and as true of the whole things and of what is seen of them."""

    said: float
    whole: float
    seen: float


@dataclass(frozen=True)
class Judged:
    """All that was said of the photos of an engine."""

    engine: str
    lengths: dict[str, list[Length]]
    right: dict[str, list[bool]]
    hours_off: list[float]
    up_off: list[float]
    photos: int


def judged(engine: str, rows: list[dict], truths: dict[str, dict]) -> Judged:
    """The rows of one engine's photos."""
    result = Judged(engine, {}, {}, [], [], sum(truth["engine"] == engine for truth in truths.values()))
    for row in rows:
        truth = truths[row["photo"]]
        if truth["engine"] != engine:
            continue
        if "up" in row:
            result.up_off.append(degrees_between(row["up"], truth["up"]))
        asked = set()
        for category, names, answer in _turns(row, truth):
            # One thing's size is asked for with each other thing.
            if category not in AXES or (category, *names) not in asked:
                _judge(result, truth, category, names, answer)
            asked.add((category, *names))
    return result


def _turns(row: dict, truth: dict) -> Iterator[tuple[str, list[str], str]]:
    said = [message["value"] for message in row["conversations"]]
    for turn, (category, mentions) in enumerate(zip(row["categories"], row["mentions"], strict=True)):
        names = [row["regions"][number] for number in mentions]
        if all(name in truth["things"] for name in names):
            yield category, names, said[2 * turn + 1]


def _judge(result: Judged, truth: dict, category: str, names: list[str], answer: str) -> None:
    things = [truth["things"][name] for name in names]
    if category in POLES:
        right = said_to_be_more(category, answer) == is_more(category, *(thing["whole"] for thing in things))
        result.right.setdefault(category, []).append(right)
    elif category == "direction":
        result.hours_off.append(hours_off(answer, *(thing["whole"] for thing in things)))
    else:
        whole, seen = (_length(category, things, names, truth, part) for part in ("whole", "seen"))
        result.lengths.setdefault(category, []).append(Length(length_m(answer), whole, seen))


def _length(category: str, things: list[dict], names: list[str], truth: dict, part: str) -> float:
    if category in AXES:
        return side(things[0][part], AXES[category])
    if category in BETWEEN:
        axis = BETWEEN[category]
        return float(abs(center(things[0][part])[axis] - center(things[1][part])[axis]))
    return next(known[part] for known in truth["distances"] if set(known["of"]) == set(names))


def is_more(category: str, a: dict, b: dict) -> bool:
    """Of two extents, whether the first is more so."""
    if category == "left_right":
        return bool(center(a)[0] < center(b)[0])
    if category == "above_below":
        return bool(center(a)[1] > center(b)[1])
    if category == "front_behind":
        return a["min"][2] < b["min"][2]
    axes = {"tall_short": [1], "wide_thin": [0]}.get(category, range(3))
    return math.prod(side(a, axis) for axis in axes) > math.prod(side(b, axis) for axis in axes)


def hours_off(answer: str, a: dict, b: dict) -> float:
    """How far the clock's hour that is said is from where the second thing is, seen from the first."""
    across, _, ahead = center(b) - center(a)
    true = math.degrees(math.atan2(across, ahead)) / 30
    return abs((hour(answer) - true + 6) % 12 - 6)


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    """Of two directions of length 1."""
    return math.degrees(math.acos(min(1.0, max(-1.0, float(np.dot(a, b))))))


def side(extent: dict, axis: int) -> float:
    return extent["max"][axis] - extent["min"][axis]


def center(extent: dict) -> np.ndarray:
    return (np.array(extent["min"]) + extent["max"]) / 2
