"""Dense, trustworthy rewards for robot learning, measured from a camera.

Lengths are metres, times seconds, boxes `(x_min, y_min, x_max, y_max)` in pixels, pictures `(height, width, 3)` of
uint8 in the order RGB, depth `(height, width)` of float32 in metres (NaN where nothing was measured) or of uint16 in
millimetres (0 where nothing was). Arrays are read where they are, without a copy.

Two blocks 6 cm apart, half a metre before a wall, and the reward for bringing them together:

>>> import numpy as np
>>> import spatial_reward as sr
>>> depth = np.full((120, 160), 1.1, np.float32)
>>> depth[40:80, 30:70] = depth[40:80, 80:120] = 0.6
>>> color = np.zeros((120, 160, 3), np.uint8)
>>> camera = sr.Camera(fx=100, fy=100, cx=80, cy=60, width=160, height=120)
>>> annotator = sr.Annotator(reward="shaped", distance="surface", camera=camera)
>>> step = annotator.step(color, depth, fingertip=(30, 40, 70, 80), target=(80, 40, 120, 80))
>>> step.valid, round(step.distance_m, 2)
(True, 0.06)

What could not be measured is no zero: it has a reason, and its reward is NaN.

>>> annotator.step(color, depth, fingertip=(30, 40, 70, 80)).reason
'no_target_box'
"""

from importlib import import_module
from pkgutil import extend_path
from types import ModuleType

# The ROS 2 interfaces of this project are a package of the same name: both are found, wherever they are installed.
__path__ = extend_path(__path__, __name__)

from spatial_reward._native import (
    Annotator,
    Camera,
    Error,
    Evaluation,
    Frame,
    Frames,
    Inspection,
    Labelled,
    Measurement,
    PairStep,
    QuantityStep,
    Recording,
    Step,
    TaskStep,
    Tracked,
    Tracker,
    __version__,
    evaluate,
    inspect,
    label,
    measure,
)

__all__ = [
    "Annotator",
    "Camera",
    "Error",
    "Evaluation",
    "Frame",
    "Frames",
    "Inspection",
    "Labelled",
    "Measurement",
    "PairStep",
    "QuantityStep",
    "Recording",
    "Step",
    "TaskStep",
    "Tracked",
    "Tracker",
    "__version__",
    "evaluate",
    "inspect",
    "label",
    "measure",
]

# Each needs packages that not everybody has, so it is imported when it is first asked for.
_PARTS = ("gymnasium", "lerobot", "ray")


def __getattr__(name: str) -> ModuleType:
    if name in _PARTS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
