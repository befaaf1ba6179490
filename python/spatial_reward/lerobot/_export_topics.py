"""State, action and task of a recording from its topics, whatever their types, and what of them belongs to a frame.

Messages are decoded by the definitions in the recording. Their time is their header's, as a picture's is; of one
without a header (or with an empty one) it is when it was recorded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from spatial_reward._errors import error
from spatial_reward._native import Messages
from spatial_reward.lerobot._export_fields import Field, WithoutJoint, WrongField

_NS = 1_000_000_000
_KEYS = {"topic", "fields", "names", "sample", "max_age_s", "missing"}
_TEXT = "std_msgs/msg/String"


@dataclass(frozen=True)
class Signal:
    """Which numbers of which topic belong to a row."""

    topic: str
    fields: tuple[Field, ...]
    names: tuple[str, ...] | None
    sample: str
    max_age_s: float
    missing: str

    @staticmethod
    def parse(given: Mapping[str, Any]) -> "Signal":
        """From what the caller gave; raises the package's error where it says no such thing."""
        unknown = set(given) - _KEYS
        if unknown:
            raise _wrong(f"there is no '{min(unknown)}' in a signal", f"there are {', '.join(sorted(_KEYS))}")
        topic, paths, names = given.get("topic"), given.get("fields"), given.get("names")
        if not isinstance(topic, str) or not paths:
            raise _wrong(
                f"{dict(given)} has no topic or no fields", "give {'topic': '/joint_states', 'fields': ['position']}"
            )
        sample, missing = given.get("sample", "nearest"), given.get("missing", "error")
        if sample not in {"nearest", "previous"}:
            raise _wrong(f"sample is '{sample}' for {topic}", "give nearest or previous")
        if missing not in {"error", "hold"}:
            raise _wrong(f"missing is '{missing}' for {topic}", "give error or hold")
        paths = [paths] if isinstance(paths, str) else paths
        try:
            parsed = tuple(Field.parse(path) for path in paths)
        except WrongField as wrong:
            raise _wrong(f"{topic}: {wrong}") from None
        age = float(given.get("max_age_s", 0.5))
        return Signal(topic, parsed, None if names is None else tuple(names), sample, age, missing)


def _wrong(message: str, remedy: str | None = None) -> Exception:
    return error("signal", message, remedy)


@dataclass(frozen=True)
class Series:
    """A signal's numbers over a whole recording, by their time."""

    signal: Signal
    bag: str
    stamps_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    names: tuple[str, ...]

    def at(self, times_ns: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], int]:
        """The numbers for rows of these times, and for how many of them none were near enough (and others held)."""
        after = np.searchsorted(self.stamps_ns, times_ns, side="right")
        previous = np.clip(after - 1, 0, len(self.stamps_ns) - 1)
        picked = previous
        if self.signal.sample == "nearest":
            following = np.clip(after, 0, len(self.stamps_ns) - 1)
            nearer = np.abs(self.stamps_ns[following] - times_ns) < np.abs(self.stamps_ns[previous] - times_ns)
            picked = np.where(nearer, following, previous)
        away = np.abs(self.stamps_ns[picked] - times_ns)
        missing = away > self.signal.max_age_s * _NS
        if self.signal.sample == "previous":
            missing |= self.stamps_ns[picked] > times_ns
        count = int(missing.sum())
        if count and self.signal.missing == "error":
            worst = int(np.argmax(np.where(missing, away, -1)))
            raise error(
                "missing_signal",
                f"{count} of {len(times_ns)} rows have no message of {self.signal.topic} within "
                f"{self.signal.max_age_s:g} s ({self.signal.sample}); the farthest is {away[worst] / _NS:.3f} s off, "
                f"at {(times_ns[worst] - times_ns[0]) / _NS:.3f} s",
                "set 'max_age_s' for this signal, or 'missing' to 'hold'",
                self.bag,
            )
        return self.values[picked], count


@dataclass(frozen=True)
class Topics:
    """What the topics of a recording say."""

    state: list[Series]
    action: list[Series]
    prompts: list[tuple[int, str]]
    """By their time."""

    def task_at(self, stamp_ns: int) -> str | None:
        """What was to be done then; before the first prompt it is the first."""
        before = [text for stamp, text in self.prompts if stamp <= stamp_ns]
        return before[-1] if before else (self.prompts[0][1] if self.prompts else None)


def read(
    bag: str | PathLike[str],
    state: Sequence[Signal],
    action: Sequence[Signal],
    task_topic: str | None,
    *,
    prompts: bool,
) -> Topics:
    """Read what is asked for, in one pass over the recording, as far as that goes where it is cut off."""
    if not (state or action or prompts):
        return Topics([], [], [])
    name = str(bag)
    signals = [*state, *action]
    collected = [_Collected(signal, name) for signal in signals]
    said: list[tuple[int, str]] = []
    types: dict[str, str] = {}
    definitions: dict[str, tuple[str, str] | None] = {}
    for topic, kind, definition in Messages(bag).topics:
        types[topic] = kind if kind.count("/") > 1 else kind.replace("/", "/msg/")
        definitions[topic] = definition
    spoken = _prompt_topic(types, task_topic, name) if prompts else None
    for signal in signals:
        if signal.topic not in types:
            raise error("no_topic", f"there is no topic {signal.topic}", _offered(types), name)
    wanted = sorted({signal.topic for signal in signals} | ({spoken} if spoken else set()))
    decode = _decoder({types[topic]: definitions[topic] for topic in wanted}, name)
    for topic, log_ns, raw in Messages(bag, wanted):
        message = decode(raw, types[topic])
        if topic == spoken:
            said.append((log_ns, str(getattr(message, "data", ""))))
        for one in collected:
            if one.signal.topic == topic:
                one.take(message, log_ns)
    series = [one.series() for one in collected]
    return Topics(series[: len(state)], series[len(state) :], said)


def _decoder(definitions: Mapping[str, tuple[str, str] | None], bag: str) -> Callable[[bytes, str], object]:
    """Decodes messages of these types: by their definitions, or as ROS 2 knows them where the recording has none (old
    sqlite3 recordings have none)."""
    try:
        from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore
    except ImportError:
        raise error(
            "missing_package",
            "state, action and task topics are read with rosbags",
            "pip install spatial-reward[lerobot]",
        ) from None
    from rosbags.serde import SerdeError

    types = dict(get_typestore(Stores.ROS2_HUMBLE).fielddefs)
    store = get_typestore(Stores.EMPTY)
    try:
        for kind, definition in definitions.items():
            if definition is None:
                continue
            encoding, text = definition
            if encoding == "ros2idl":
                # Several files follow each other, each below a line that names it.
                for part in text.split("=" * 80 + "\n"):
                    types |= get_types_from_idl(part.split("\n", 1)[1] if part.startswith("IDL: ") else part)
            else:
                types |= get_types_from_msg(text, kind)
        store.register(types)
    except TypesysError as cause:
        raise error("topics", f"the topics' definitions cannot be read: {cause}", None, bag) from cause

    def decode(raw: bytes, kind: str) -> object:
        try:
            return store.deserialize_cdr(raw, kind)
        except (SerdeError, TypesysError, ValueError, KeyError, IndexError) as cause:
            raise error("topics", f"a message of {kind} cannot be read: {cause}", None, bag) from cause

    return decode


def _offered(there: Mapping[str, str]) -> str:
    return "there are " + ", ".join(f"{topic} ({kind})" for topic, kind in sorted(there.items()))


def _prompt_topic(there: Mapping[str, str], given: str | None, bag: str) -> str:
    texts = [topic for topic, kind in there.items() if kind == _TEXT]
    if given is not None:
        if given not in texts:
            raise error("no_topic", f"there is no topic {given} of {_TEXT}", _offered(there), bag)
        return given
    named = [topic for topic in texts if "task" in topic.lower() or "prompt" in topic.lower()]
    if len(named) == 1:
        return named[0]
    found = f"several topics say what the task is: {', '.join(named)}" if named else "no topic says what the task is"
    raise error("no_task", found, "give task='...', or task_topic", bag)


class _Collected:
    """A signal's messages as they come."""

    def __init__(self, signal: Signal, bag: str) -> None:
        self.signal, self.bag = signal, bag
        self.stamps: list[int] = []
        self.values: list[list[float]] = []
        self.names: list[str] = []

    def take(self, message: Any, log_ns: int) -> None:
        """What the signal has of this message."""
        numbers: list[float] = []
        names: list[str] = []
        try:
            for field in self.signal.fields:
                read, labels = field.read(message)
                numbers += read
                names += labels
        except WithoutJoint:
            return
        except WrongField as wrong:
            raise error("no_field", f"{self.signal.topic}: {wrong}", None, self.bag) from None
        if not self.values:
            self.names = names
        elif names != self.names:
            raise error(
                "changing_signal",
                f"a message of {self.signal.topic} has {len(names)} numbers ({', '.join(names)}) where those before "
                f"had {len(self.names)} ({', '.join(self.names)})",
                "name what is meant, such as position[elbow,wrist]",
                self.bag,
            )
        stamp = getattr(getattr(message, "header", None), "stamp", None)
        stamp_ns = stamp.sec * _NS + stamp.nanosec if stamp is not None else 0
        self.stamps.append(stamp_ns or log_ns)
        self.values.append(numbers)

    def series(self) -> Series:
        """All of them in their order; raises the package's error where that makes no series."""
        topic, names = self.signal.topic, self.signal.names
        if not self.values:
            paths = ", ".join(field.path for field in self.signal.fields)
            raise error("empty_topic", f"{topic} has no message with {paths}", None, self.bag)
        if names is not None and len(names) != len(self.names):
            found = f"{topic} gives {len(self.names)} numbers ({', '.join(self.names)}) and has {len(names)} names"
            raise error("signal", found, "give a name for each number, or none at all", self.bag)
        values = np.array(self.values, np.float32)
        stamps = np.array(self.stamps, np.int64)
        infinite = ~np.isfinite(values)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise error(
                "not_finite",
                f"{topic} has {values[row, column]} in {self.names[column]}; {int(infinite.any(axis=1).sum())} of its "
                f"{len(values)} messages have such",
                "no learner can use that: leave the field out",
                self.bag,
            )
        order = np.argsort(stamps, kind="stable")
        return Series(self.signal, self.bag, stamps[order], values[order], names or tuple(self.names))
