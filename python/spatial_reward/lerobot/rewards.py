"""From the steps of an episode's frames to the values of its rows.

Row t of a LeRobot dataset holds observation t, the action that was taken there, and what that action brought: the
reward of frame t + 1. The last row of an episode has no next frame, so its reward is invalid like that of a frame that
could not be measured. What stands in an invalid row is said by a policy, and the policy stands in the dataset's
metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._errors import error
from .._native import Step

POLICIES = ("hold", "zero", "nan")
ALIGNMENTS = ("next_frame", "frame")

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """The steps of an episode, one a frame; numbers of invalid ones are NaN. Lengths are metres."""

    valid: _Bools
    reasons: list[str | None]
    reward: _Floats
    shaped: _Floats
    potential: _Floats
    distance_m: _Floats
    distance_std_m: _Floats
    confidence: _Floats
    success: _Bools
    terminated: _Bools

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Measured:
        def floats(name: str) -> _Floats:
            values = [getattr(step, name) if step.valid else np.nan for step in steps]
            return np.array(values, np.float64)

        def bools(name: str) -> _Bools:
            return np.array([getattr(step, name) for step in steps], np.bool_)

        return cls(
            valid=bools("valid"),
            reasons=[step.reason for step in steps],
            reward=floats("reward"),
            shaped=floats("shaped_reward"),
            potential=floats("potential"),
            distance_m=floats("distance_m"),
            distance_std_m=floats("distance_std_m"),
            confidence=np.array([step.confidence for step in steps], np.float64),
            success=bools("success"),
            terminated=bools("terminated"),
        )

    def progress(self) -> _Floats:
        """How much of the first valid distance is overcome, 0 to 1: the reward `progress`, whatever reward was
        chosen."""
        filtered = np.where(self.terminated, self.distance_m, -self.potential)
        first = filtered[self.valid][:1]
        if not len(first):
            return filtered
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.clip(1.0 - filtered / first[0], 0.0, 1.0)
        return np.where(np.isnan(filtered), np.nan, np.where(filtered <= 0.0, 1.0, share))


@dataclass(frozen=True)
class Rows:
    """What an episode's rows hold. `valid` is whether the reward is of the row's own frame, and not of the policy."""

    reward: _Floats
    done: _Bools
    success: _Bools
    truncated: _Bools
    valid: _Bools
    distance: _Floats


def rows(measured: Measured, alignment: str, policy: str, shaping: tuple[float, float], episode: int) -> Rows:
    """The rows of an episode.

    Args:
        shaping: kappa and gamma.

    Raises:
        Error: there is no valid step, and the policy needs one.
    """
    length = len(measured.valid)
    last = np.arange(length) == length - 1

    def aligned(values: npt.NDArray[np.generic], beyond: float | bool) -> npt.NDArray[np.generic]:
        return values if alignment == "frame" else np.append(values[1:], np.asarray([beyond], values.dtype))

    valid = aligned(measured.valid, False).astype(np.bool_)
    reward = aligned(measured.reward, np.nan).astype(np.float64)
    distance = aligned(measured.distance_m, np.nan).astype(np.float64)
    success = aligned(measured.success, False).astype(np.bool_)
    terminated = aligned(measured.terminated, False).astype(np.bool_)
    if policy != "nan":
        if not measured.valid.any():
            counts = {reason: measured.reasons.count(reason) for reason in dict.fromkeys(measured.reasons)}
            told = ", ".join(f"{count} {reason}" for reason, count in counts.items())
            words = f"episode {episode} has no valid step ({told}), so there is no reward to put into its rows"
            raise error(
                "no_valid_step", words, "mend its regions, take it out of the dataset, or ask for on_invalid='nan'"
            )
        fill = measured.reward if policy == "hold" else _base(measured, shaping)
        frames = np.minimum(np.arange(length) + (alignment == "next_frame"), length - 1)
        held = _held(measured.valid)[frames]
        reward = np.where(valid, reward, fill[held])
        distance = np.where(valid, distance, measured.distance_m[held])
        if alignment == "next_frame" and length > 1:
            success[-1] = success[-2]
    done = last | terminated
    return Rows(reward, done, success, last & ~terminated, valid, distance)


def _held(valid: _Bools) -> npt.NDArray[np.intp]:
    """For each frame the last valid one until then; before the first, that one."""
    own = np.where(valid, np.arange(len(valid)), -1)
    held = np.maximum.accumulate(own)
    return np.where(held < 0, int(np.flatnonzero(valid)[0]), held)


def _base(measured: Measured, shaping: tuple[float, float]) -> _Floats:
    """The reward that the shaping is added to: the shaped one without its term kappa (gamma Phi' - Phi)."""
    kappa, gamma = shaping
    base: npt.NDArray[np.float64] = measured.shaped.copy()
    before: float | None = None
    for frame in np.flatnonzero(measured.valid):
        potential = float(measured.potential[frame])
        if before is not None:
            base[frame] -= kappa * (gamma * potential - before)
        before = None if measured.terminated[frame] else potential
    return base
