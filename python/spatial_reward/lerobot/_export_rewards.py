"""Rewards of rows from the steps of their frames, and what stands in for those that could not be measured.

Row t of a LeRobot dataset holds observation t and the reward of the action taken there: that of frame t+1
(`alignment="next_frame"`). The last row of an episode has no next frame, so its reward is missing like one that could
not be measured.
"""

from collections import Counter
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spatial_reward import Step
from spatial_reward._errors import error

OnInvalid = Literal["hold", "zero", "drop", "nan"]
Alignment = Literal["next_frame", "frame"]
POLICIES = {
    "hold": "the last valid reward of the episode; before the first valid one, that one",
    "zero": "the base of the last valid reward, without shaping (potential-based shaping of 0)",
    "drop": "the row is left out of the dataset",
    "nan": "NaN",
}
FEATURES: dict[str, dict[str, Any]] = {
    "next.reward": {"dtype": "float32", "shape": [1], "names": None},
    "next.done": {"dtype": "bool", "shape": [1], "names": None},
    "next.success": {"dtype": "bool", "shape": [1], "names": None},
    "reward.spatial.distance_m": {"dtype": "float32", "shape": [1], "names": None},
    "reward.spatial.valid": {"dtype": "bool", "shape": [1], "names": None},
}
NO_NEXT_FRAME = "no_image"
"""Why the last row of an episode is invalid: as in the reward table, its next picture was not recorded."""


@dataclass
class Shaping:
    """Weight and discount of the shaping term, with which it can be taken out of a reward again."""

    kappa: float = 1.0
    gamma: float = 0.99

    @staticmethod
    def of(config: dict[str, Any] | str | PathLike[str] | None) -> "Shaping":
        """From the settings as `Annotator` takes them."""
        if config is not None and not isinstance(config, dict):
            try:
                from ruamel.yaml import YAML
            except ImportError:
                found = "on_invalid='zero' reads the settings with ruamel.yaml"
                raise error("missing_package", found, "pip install spatial-reward[lerobot]") from None

            config = YAML(typ="safe").load(Path(config))
        settings: Any = config or {}
        reward = settings.get("reward") or {}
        return Shaping(float(reward.get("kappa", 1.0)), float(reward.get("gamma", 0.99)))


@dataclass
class EpisodeRewards:
    """The rewards of one episode's rows, in their order."""

    policy: OnInvalid
    alignment: Alignment
    shaping: Shaping
    invalid: Counter[str] = field(default_factory=Counter)
    _rewards: list[float] = field(default_factory=list)
    _bases: list[float] = field(default_factory=list)
    _distances: list[float] = field(default_factory=list)
    _successes: list[bool] = field(default_factory=list)
    _valid: Step | None = None
    """The valid step before."""

    def add(self, own: Step, following: Step | None) -> bool:
        """A row by the step of its frame and that of the next row's; False where the row is left out."""
        rewarded = own if self.alignment == "frame" else following
        if rewarded is None or not rewarded.valid:
            self.invalid[(rewarded.reason or "invalid") if rewarded else NO_NEXT_FRAME] += 1
            if self.policy == "drop":
                return False
            for values in (self._rewards, self._bases, self._distances):
                values.append(np.nan)
            self._successes.append(False)
            return True
        if self._valid is None and own.valid and own is not rewarded:
            self._valid = own
        self._rewards.append(rewarded.reward)
        self._bases.append(self._base(rewarded))
        self._distances.append(rewarded.distance_m)
        self._successes.append(rewarded.success)
        self._valid = rewarded
        return True

    def _base(self, step: Step) -> float:
        """The reward without its shaping term; the first valid step of an episode has none."""
        if self._valid is None:
            return step.reward
        return step.reward - self.shaping.kappa * (self.shaping.gamma * step.potential - self._valid.potential)

    @property
    def rows(self) -> int:
        return len(self._rewards)

    def columns(self, where: str, bag: str) -> dict[str, npt.NDArray[Any]]:
        """The features of `FEATURES`, each (rows, 1)."""
        rewards = np.array(self._rewards, np.float64)
        valid = ~np.isnan(rewards)
        if self.policy in {"hold", "zero"} and not valid.all():
            if not valid.any():
                reasons = ", ".join(f"{reason} {count}" for reason, count in self.invalid.most_common())
                raise error(
                    "no_reward",
                    f"{where} has no valid reward to hold: {reasons}",
                    "give reward=False to write no rewards, or on_invalid='nan' to write NaN",
                    bag,
                )
            held = np.array(self._bases if self.policy == "zero" else self._rewards)
            last = np.maximum.accumulate(np.where(valid, np.arange(len(valid)), -1))
            rewards = np.where(valid, rewards, held[np.where(last < 0, int(np.argmax(valid)), last)])
        done = np.zeros(len(rewards), bool)
        done[-1] = True
        columns = {
            "next.reward": rewards.astype(np.float32),
            "next.done": done,
            "next.success": np.array(self._successes),
            "reward.spatial.distance_m": np.array(self._distances, np.float32),
            "reward.spatial.valid": valid,
        }
        return {name: column.reshape(-1, 1) for name, column in columns.items()}
