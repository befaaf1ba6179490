"""LeRobot datasets: rewards for those that there are, as columns and as sidecars; and recordings made into new ones
(`spatial_reward.lerobot.export`).

>>> from spatial_reward.lerobot import label_dataset
>>> label_dataset("recordings/pick", "recordings/pick_rewarded",
...               target=(382, 251, 426, 297), fingertip=(321, 223, 348, 246))  # doctest: +SKIP

LeRobot itself is not needed; `pip install spatial-reward[lerobot]` brings what is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .labelling import LabelledDataset, label_dataset

__all__ = ["LabelledDataset", "label_dataset"]

# What is imported when it is first asked for, and from where: pyarrow and PyAV take their time, and not everybody has
# them.
_LAZY = {"LabelledDataset": "labelling", "label_dataset": "labelling"}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
