"""The Panda with a Robotiq 2F-85 of gym-hil: an engine that nothing is trained on, to judge by."""

import numpy as np

import mjcf
from robots import Model

SIDES = ("right", "left")
HOME = (0, 0.195, 0, -2.43, 0, 2.62, 0.785)
FINGERS = {"driver": 0.8, "spring_link": 0.8, "follower": -0.8, "coupler": 0.0}  # positions when closed; open is 0


def _panda(rng: np.random.Generator) -> Model:
    folder = mjcf.package("gym_hil") / "assets"
    return Model(
        mjcf=mjcf.read([folder / "panda.xml"], folder),
        hand="base",
        home={f"joint{i + 1}": angle for i, angle in enumerate(HOME)},
        finger_joints={f"{s}_{link}_joint": (at, 0.0) for s in SIDES for link, at in FINGERS.items()},
        fingers=tuple(tuple(f"{s}_{link}" for link in (*FINGERS, "pad", "silicone_pad")) for s in SIDES),
        palm=("base", "base_mount"),
        drawn=lambda geom: geom.group == 2,
    )


ROBOTS = {"panda-2f85": _panda}
