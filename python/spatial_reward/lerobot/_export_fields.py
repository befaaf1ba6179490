"""Numbers of a message by the path of its field: `position[0:7]`, `pose.position.x`, `wrench.force`, `data`.

A part of a path is a field's name, and may say which of an array's elements are meant: by number, `[3]`, `[-1]`,
`[0:7]`, `[:]`, or by the names of joints that the same message has in `name`, `position[elbow,wrist]`. What the path
leads to is taken with all the numbers in it, in the order of the message's definition.
"""

import re
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

_PART = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\[(?P<which>[^\]]*)\])?")
_RANGE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")
_HEADERS = frozenset({"std_msgs/msg/Header", "std_msgs/Header"})


class WrongField(Exception):
    """The path does not fit the message; says why."""


class WithoutJoint(Exception):
    """A message of other joints: several publishers may share a topic."""


@dataclass(frozen=True)
class _Part:
    name: str
    which: str | None


@dataclass(frozen=True)
class Field:
    """A path to numbers of a message."""

    path: str
    parts: tuple[_Part, ...]

    @staticmethod
    def parse(path: str) -> "Field":
        """Raises `WrongField` where it is no path."""
        parts, at = [], 0
        while True:
            found = _PART.match(path, at)
            if not found:
                break
            parts.append(_Part(found["name"], found["which"]))
            at = found.end()
            if at == len(path):
                return Field(path, tuple(parts))
            if path[at] != ".":
                break
            at += 1
        raise WrongField(f"'{path}' is no path of a field, such as position[0:7] or pose.position.x")

    def read(self, message: Any) -> tuple[list[float], list[str]]:
        """Its numbers, and a name for each."""
        value, named = message, ""
        numbers: list[float] = []
        names: list[str] = []
        for position, part in enumerate(self.parts):
            value = _field(value, part.name, named)
            owner, named = named, f"{named}.{part.name}" if named else part.name
            if part.which is None:
                continue
            joints = list(getattr(message, "name", ())) if not owner else []
            indices = _indices(part.which, value, named, joints)
            last = position == len(self.parts) - 1
            if not last and len(indices) != 1:
                raise WrongField(f"'{self.path}' takes several elements of {named} before its end")
            if not last:
                value, named = value[indices[0]], f"{named}[{indices[0]}]"
                continue
            for index in indices:
                label = joints[index] if len(joints) == len(value) else f"{named}[{index}]"
                _flatten(value[index], label, numbers, names)
            return numbers, names
        joints = list(getattr(message, "name", ())) if len(self.parts) == 1 else []
        if joints and _is_array(value) and len(joints) == len(value):
            for joint, number in zip(joints, value, strict=True):
                _flatten(number, joint, numbers, names)
            return numbers, names
        _flatten(value, named, numbers, names)
        return numbers, names


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, list, tuple))


def _field(value: Any, name: str, named: str) -> Any:
    there = [field.name for field in fields(value) if not field.name.startswith("_")] if is_dataclass(value) else []
    if name in there:
        return getattr(value, name)
    where = f"'{named}'" if named else "the message"
    if not there:
        raise WrongField(f"{where} has no field '{name}': it is no message")
    raise WrongField(f"{where} has no field '{name}', but {', '.join(there)}")


def _indices(which: str, value: Any, named: str, joints: list[str]) -> list[int]:
    if not _is_array(value):
        raise WrongField(f"{named} is no array: [{which}] cannot be taken of it")
    size = len(value)
    if re.fullmatch(r"\s*-?\d+\s*", which):
        index = int(which)
        if not -size <= index < size:
            raise WrongField(f"{named} has {size} elements: there is no [{index}]")
        return [index % size]
    span = _RANGE.fullmatch(which)
    if span:
        first, last = (int(bound) if bound else None for bound in span.groups())
        for bound in (first, last):
            if bound is not None and not -size <= bound <= size:
                raise WrongField(f"{named} has {size} elements: [{which}] goes beyond them")
        return list(range(size))[slice(first, last)]
    wanted = [joint.strip() for joint in which.split(",")]
    if not joints:
        raise WrongField(f"{named}[{which}] asks for joints by name, and the message has no names")
    if not set(wanted) & set(joints):
        raise WithoutJoint
    missing = [joint for joint in wanted if joint not in joints]
    if missing:
        raise WrongField(f"there is no joint '{missing[0]}', but {', '.join(joints)}")
    if len(joints) != size:
        raise WithoutJoint  # such as a velocity that nobody measures
    return [joints.index(joint) for joint in wanted]


def _flatten(value: Any, named: str, numbers: list[float], names: list[str]) -> None:
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        numbers.append(float(value))
        names.append(named)
    elif _is_array(value):
        for index, element in enumerate(value):
            _flatten(element, f"{named}[{index}]", numbers, names)
    elif is_dataclass(value):
        for field in fields(value):
            inner = getattr(value, field.name)
            # A header's stamp and frame are about the message, and no part of what it measures.
            if field.name.startswith("_") or getattr(inner, "__msgtype__", None) in _HEADERS:
                continue
            _flatten(inner, f"{named}.{field.name}", numbers, names)
    else:
        raise WrongField(f"{named} is {type(value).__name__} and no number")
