"""Frames at even times: LeRobot's frame i of an episode was taken at i / fps.

Each time of the grid has the frame that was taken nearest to it. A recording at an even rate is left as it is; of
another, frames are repeated or left out, and it is told how many.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")
_NS = 1_000_000_000


@dataclass
class Resampled:
    """What became of a recording's frames on the grid."""

    repeated: int = 0
    """Rows that hold the frame of the row before."""
    left_out: int = 0
    """Frames that are in no row."""
    largest_shift_s: float = 0.0
    """How far a frame is from the time of its row."""

    def add(self, other: "Resampled") -> None:
        self.repeated += other.repeated
        self.left_out += other.left_out
        self.largest_shift_s = max(self.largest_shift_s, other.largest_shift_s)


@dataclass
class Grid(Generic[T]):
    """Puts the frames of one episode at even times.

    `too_long` is called with the seconds of a pause that is longer than `max_gap_s`, and when it began, in seconds from
    the episode's first frame.
    """

    fps: int
    max_gap_s: float
    too_long: Callable[[float, float], Exception]
    told: Resampled = field(default_factory=Resampled)
    _first_ns: int | None = None
    _before: tuple[int, T] | None = None
    _used: bool = False
    _row: int = 0

    def _time_ns(self) -> int:
        return (self._first_ns or 0) + round(self._row * _NS / self.fps)

    def add(self, stamp_ns: int, frame: T) -> Iterator[tuple[int, T]]:
        """The rows that are decided with this frame, each as the time of the grid in nanoseconds and its frame."""
        before = self._before
        if before is None:
            self._first_ns = stamp_ns
            self._before = (stamp_ns, frame)
            return
        gap_s = (stamp_ns - before[0]) / _NS
        if gap_s <= 0:  # the same time again
            self.told.left_out += 1
            return
        if gap_s > max(self.max_gap_s, 2 / self.fps):
            raise self.too_long(gap_s, (before[0] - (self._first_ns or 0)) / _NS)
        while self._time_ns() <= stamp_ns:
            wanted = self._time_ns()
            if stamp_ns - wanted < wanted - before[0]:
                # Later times may be nearest to this one too.
                self._advance(stamp_ns, frame)
                before = (stamp_ns, frame)
            yield self._take(*before)
        if self._before is not None and self._before[0] != stamp_ns:
            self._advance(stamp_ns, frame)

    def _advance(self, stamp_ns: int, frame: T) -> None:
        self.told.left_out += not self._used
        self._before, self._used = (stamp_ns, frame), False

    def _take(self, stamp_ns: int, frame: T) -> tuple[int, T]:
        wanted = self._time_ns()
        self.told.repeated += self._used
        self.told.largest_shift_s = max(self.told.largest_shift_s, abs(stamp_ns - wanted) / _NS)
        self._used = True
        self._row += 1
        return wanted, frame

    def end(self) -> Iterator[tuple[int, T]]:
        """The rows that the end of the episode decides."""
        if self._before is None:
            return
        while self._time_ns() - self._before[0] <= _NS / self.fps / 2 and not self._used:
            yield self._take(*self._before)
        self.told.left_out += not self._used
        self._before = None


def rate_of(stamps_ns: list[int]) -> float | None:
    """Frames a second by the median of what is between two; None of fewer than two frames."""
    between = [after - before for before, after in pairwise(stamps_ns) if after > before]
    return _NS / median(between) if between else None
