"""The arms of robosuite, each with grippers of robosuite or with fingers of a drawn shape."""

from functools import partial
from pathlib import Path

import numpy as np

import appearance
import mjcf
import shaped_hand
from rigs import GRIPPERS
from robots import Model

MOUNT = "right_hand"  # the body to which robosuite fixes grippers too, z towards the fingertips
ARMS = {
    "panda": ("joint{}", (0, 0.196, 0, -2.618, 0, 2.942, 0.785)),
    "ur5e": (
        ("shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint"),
        (-0.47, -1.735, 2.48, -2.275, -1.59, -1.991),
    ),
    "sawyer": (tuple(f"right_j{i}" for i in range(7)), (0, -1.18, 0, 2.18, 0, 0.57, -1.57)),
    "iiwa": ("joint_{}", (0, 0.65, 0, -1.89, 0, 0.6, 0)),
    "jaco": ("j2s7s300_joint_{}", (3.192, 3.68, 0, 1.17, 0.05, 3.76, 3.142)),
    "kinova3": ("Actuator{}", (0, 0.65, 0, 1.89, 0, 0.6, -1.571)),
}
PAIRS = (  # robosuite's own pairs first
    ("panda", "panda"),
    ("ur5e", "robotiq85"),
    ("sawyer", "rethink"),
    ("iiwa", "robotiq140"),
    ("jaco", "jaco"),
    ("kinova3", "robotiq85"),
    ("panda", "robotiq140"),
    ("ur5e", "robotiq3f"),
    ("iiwa", "panda"),
    ("kinova3", "rethink"),
)


def _arm(name: str):
    folder = _assets() / "robots" / name
    return mjcf.read([folder / "robot.xml"], folder)


def _joints(name: str) -> dict[str, float]:
    joints, home = ARMS[name]
    if isinstance(joints, str):
        joints = tuple(joints.format(i + 1) for i in range(len(home)))
    return dict(zip(joints, home, strict=True))


def _assets() -> Path:
    return mjcf.package("robosuite") / "models" / "assets"


def _with_gripper(arm: str, gripper: str, rng: np.random.Generator) -> Model:
    known, folder = GRIPPERS[gripper], _assets() / "grippers"
    hand = mjcf.read([folder / known.file], folder, _of_hand)
    return Model(
        mjcf=mjcf.joined(_arm(arm), hand, MOUNT),
        hand=MOUNT,
        home=_joints(arm),
        finger_joints={_of_hand(joint): ends for joint, ends in known.joints.items()},
        fingers=tuple(tuple(map(_of_hand, links)) for links in known.fingers),
        palm=tuple(map(_of_hand, known.palm)),
        drawn=_drawn,
    )


def _of_hand(name: str) -> str:
    return f"hand/{name}"


def _with_shaped_hand(arm: str, rng: np.random.Generator) -> Model:
    root = _arm(arm)
    hand = shaped_hand.build(mjcf.body(root, MOUNT), [appearance.robot_colour(rng) for _ in range(3)], rng)
    return Model(
        mjcf=root,
        hand=MOUNT,
        home=_joints(arm),
        finger_joints=hand.joints,
        fingers=hand.fingers,
        palm=hand.palm,
        drawn=_drawn,
    )


def _drawn(geom) -> bool:
    """robosuite draws group 1 and lets group 0 collide; shaped hands are of group 2."""
    return geom.group in (1, 2)


ROBOTS = {f"{arm}-{gripper}": partial(_with_gripper, arm, gripper) for arm, gripper in PAIRS} | {
    f"{arm}-shaped": partial(_with_shaped_hand, arm) for arm in ("ur5e", "panda", "iiwa", "kinova3")
}
