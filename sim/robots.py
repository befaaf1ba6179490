"""The robots of the workbench: how each is put together from a package, and where its hand and fingers are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np

DOWN_Z = (0.0, 0.0, 1.0)


@dataclass
class Model:
    """A robot as MJCF with the names in it. Its base stands on the table, z = 0, and it looks along x."""

    mjcf: Element
    hand: str  # the body that inverse kinematics places
    home: dict[str, float]  # the arm's joints from base to wrist, and where they rest
    finger_joints: dict[str, tuple[float, float]]  # joint -> position when closed, when open
    fingers: tuple[tuple[str, ...], ...]  # the bodies of each finger
    palm: tuple[str, ...]  # bodies that must not stand in the target
    axis: tuple[float, float, float] = DOWN_Z  # from palm to fingertips in the hand's frame
    area: tuple[float, float, float, float] = (0.32, 0.72, -0.35, 0.35)  # of the table that it reaches
    drawn: Callable[[object], bool] = lambda geom: True  # which of its geoms (MjsGeom) are seen
    other_joints: dict[str, float] = field(default_factory=dict)  # what stands still: a second arm


Maker = Callable[[np.random.Generator], Model]


def engines() -> dict[str, dict[str, Maker]]:
    """Every robot by the engine whose package it comes from."""
    import aloha_arms
    import hil_arms
    import robosuite_arms
    import shaped_arms
    import xarm_arms

    return {
        "robosuite": robosuite_arms.ROBOTS,
        "aloha": aloha_arms.ROBOTS,
        "xarm": xarm_arms.ROBOTS,
        "shaped": shaped_arms.ROBOTS,
        "hil": hil_arms.ROBOTS,
    }


def make(engine: str, robot: str, rng: np.random.Generator) -> Model:
    """A robot; one whose shape is drawn has another at each call."""
    return engines()[engine][robot](rng)
