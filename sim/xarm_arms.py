"""The xArm 7 with its gripper, as gym-xarm has it."""

import numpy as np

import mjcf
from robots import Model

SIDES = ("left", "right")
HOME = (0, -0.247, 0, 0.909, 0, 1.156, 0)


def _xarm(rng: np.random.Generator) -> Model:
    folder = mjcf.package("gym_xarm") / "tasks" / "assets"
    root = mjcf.read([folder / "shared.xml", folder / "xarm.xml"], folder / "mesh")
    world = root.find("worldbody")
    world.remove(mjcf.body(root, "robot0:mocap2"))
    mjcf.body(root, "link0").set("pos", "0 0 0")
    linkage = [f"{side}_{part}_joint" for side in SIDES for part in ("finger", "inner_knuckle")]
    return Model(
        mjcf=root,
        hand="link7",
        home={f"joint{i + 1}": angle for i, angle in enumerate(HOME)},
        finger_joints=dict.fromkeys([*linkage, "drive_joint", "right_outer_knuckle_joint"], (0.8, 0.0)),
        fingers=tuple((f"{s}_outer_knuckle", f"{s}_finger", f"{s}_inner_knuckle") for s in SIDES),
        palm=("link7",),
    )


ROBOTS = {"xarm7": _xarm}
