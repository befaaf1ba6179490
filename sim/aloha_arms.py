"""The two ViperX 300 of ALOHA, as gym-aloha has them: one reaches for the target, the other stands by."""

import numpy as np

import mjcf
from robots import Model

HOME = {"waist": 0, "shoulder": -0.96, "elbow": 1.16, "forearm_roll": 0, "wrist_angle": -0.3, "wrist_rotate": 0}
FINGERS = {"left_finger": (0.021, 0.057), "right_finger": (-0.021, -0.057)}
PLACE = 0.469  # each base is so far from the table's middle, metres


def _viperx(rng: np.random.Generator) -> Model:
    folder = mjcf.package("gym_aloha") / "assets"
    files = [folder / f"vx300s_{part}.xml" for part in ("dependencies", "left", "right")]
    root = mjcf.read(files, folder)
    mjcf.body(root, "vx300s_left").set("pos", "0 0 0")
    mjcf.body(root, "vx300s_right").set("pos", f"{2 * PLACE} 0 0")
    aside = dict(HOME, waist=rng.choice([-1, 1]) * rng.uniform(0.5, 1.5), shoulder=rng.uniform(-1.6, -0.7))
    still = {f"vx300s_right/{joint}": value for joint, value in aside.items()}
    return Model(
        mjcf=root,
        hand="vx300s_left/gripper_link",
        home={f"vx300s_left/{joint}": value for joint, value in HOME.items()},
        finger_joints={f"vx300s_left/{joint}": ends for joint, ends in FINGERS.items()},
        fingers=(("vx300s_left/left_finger_link",), ("vx300s_left/right_finger_link",)),
        palm=("vx300s_left/gripper_link", "vx300s_left/gripper_prop_link"),
        axis=(1, 0, 0),
        area=(0.2, 0.55, -0.3, 0.3),
        other_joints=still | {f"vx300s_right/{joint}": ends[0] for joint, ends in FINGERS.items()},
    )


ROBOTS = {"viperx": _viperx}
