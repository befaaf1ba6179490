"""Both regions in each frame of an episode. What was drawn is followed from there: forwards, and backwards to the
episode's first frame; between two drawings the nearer one counts, or the other where it lost the region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import error
from .._native import Error, Tracked, Tracker
from .regions import Box

Place = Box | Tracked | None
"""Where a region is: as `Annotator.step` takes it."""

# So much is held of an episode to go through it backwards.
_MAX_HELD_BYTES = 2 << 30
# The share of a fingertip's box on the target's from which the fingertip is followed first, as in the program.
_LAID_ON = 0.7


@dataclass(frozen=True)
class Frame:
    """A frame's pictures; depth is of the same picture, maybe in another resolution."""

    color: npt.NDArray[np.uint8]
    depth: npt.NDArray[Any] | None

    def depth_of_each_pixel(self) -> npt.NDArray[Any] | None:
        """Depth in the colour picture's resolution: that of the nearest pixel."""
        if self.depth is None or self.depth.shape == self.color.shape[:2]:
            return self.depth
        height, width = self.color.shape[:2]
        rows = (np.arange(height) * self.depth.shape[0]) // height
        columns = (np.arange(width) * self.depth.shape[1]) // width
        return np.ascontiguousarray(self.depth[rows[:, None], columns])


@dataclass(frozen=True)
class Plan:
    """How one region is known in an episode: boxes that were drawn in some frames, or a function of the frame."""

    due: dict[int, Box]
    of_frame: Callable[[int, Frame], Place] | None = None


def placed(frames: Iterator[Frame], fingertip: Plan, target: Plan) -> Iterator[tuple[Frame, Place, Place]]:
    """Each frame with its fingertip and its target.

    Raises:
        Error: a box that no picture holds; too much to hold.
    """
    plans = (fingertip, target)
    last = max((max(plan.due) for plan in plans if plan.due), default=0)
    order = (1, 0) if _is_target_first(fingertip, target) else (0, 1)
    forwards = _Course(plans, order)
    if last > 0:
        held, seen = [], []
        held_bytes = 0
        for index in range(last + 1):
            frame = next(frames)
            held_bytes += frame.color.nbytes + (0 if frame.depth is None else frame.depth.nbytes)
            if held_bytes > _MAX_HELD_BYTES:
                words = f"a region is drawn in frame {last}, and the pictures before it are more than 2 GB"
                raise error("region", words, "draw it nearer to the episode's beginning")
            held.append(frame)
            seen.append(forwards.see(index, frame))
        backwards = _Course(plans, order)
        for index in range(last, -1, -1):
            earlier = seen[index]
            later = backwards.see(index, held[index])
            joined = [_joined(plan, index, earlier[role], later[role]) for role, plan in enumerate(plans)]
            seen[index] = (joined[0], joined[1])
        for frame, (first, second) in zip(held, seen, strict=True):
            yield frame, first, second
        del held, seen
    for index, frame in enumerate(frames, start=last + 1 if last > 0 else 0):
        first, second = forwards.see(index, frame)
        yield frame, first, second


class _Course:
    """One passage through the frames, in either direction of time."""

    def __init__(self, plans: tuple[Plan, Plan], order: tuple[int, int]) -> None:
        self._plans, self._order = plans, order
        self._trackers: list[Tracker | None] = [None, None]

    def see(self, index: int, frame: Frame) -> tuple[Place, Place]:
        found: list[Place] = [None, None]
        depth = frame.depth_of_each_pixel() if any(plan.due for plan in self._plans) else None
        for place, role in enumerate(self._order):
            plan = self._plans[role]
            if plan.of_frame is not None:
                found[role] = plan.of_frame(index, frame)
                continue
            other = self._trackers[self._order[0]] if place == 1 else None
            found[role] = self._follow(role, index, frame, depth, other)
        return found[0], found[1]

    def _follow(
        self, role: int, index: int, frame: Frame, depth: npt.NDArray[Any] | None, other: Tracker | None
    ) -> Place:
        box, tracker = self._plans[role].due.get(index), self._trackers[role]
        try:
            if tracker is not None:
                return tracker.update(frame.color, depth, box=box, other=other)
            if box is not None:
                self._trackers[role] = Tracker(frame.color, box, depth, other=other)
        except Error as cause:
            name = ("fingertip", "target")[role]
            raise error(cause.kind, f"the {name} in frame {index}: {cause.message}", cause.remedy) from cause
        return box


def _joined(plan: Plan, index: int, earlier: Place, later: Place) -> Place:
    """Of two directions of time: `earlier` was drawn before, `later` after."""
    if plan.of_frame is not None or later is None:
        return earlier
    if earlier is None:
        return later
    before = min((index - drawn for drawn in plan.due if drawn <= index), default=None)
    after = min((drawn - index for drawn in plan.due if drawn >= index), default=None)
    first, second = (earlier, later) if after is None or (before is not None and before <= after) else (later, earlier)
    return second if isinstance(first, Tracked) and first.lost else first


def _is_target_first(fingertip: Plan, target: Plan) -> bool:
    """The target is followed first, and what is seen of it is none of the fingertip; but for a fingertip that was drawn
    on the target."""
    for frame, box in fingertip.due.items():
        on = target.due.get(frame)
        if on is None:
            continue
        width = min(box[2], on[2]) - max(box[0], on[0])
        height = min(box[3], on[3]) - max(box[1], on[1])
        area = (box[2] - box[0]) * (box[3] - box[1])
        if width > 0.0 and height > 0.0 and width * height > _LAID_ON * area:
            return False
    return True
