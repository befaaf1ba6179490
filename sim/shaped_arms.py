"""Arms of drawn shapes with hands of drawn shapes: six joints, round or square links of any length and colour."""

from xml.etree.ElementTree import Element

import numpy as np

import appearance
import mjcf
import shaped_hand
from robots import Model

LEAN, BEND = 0.5, 1.4  # shoulder and elbow at rest; the wrist makes up what is left until the hand points down


def _arm(rng: np.random.Generator) -> Model:
    root = Element("mujoco")
    for section in ("default", "asset", "worldbody"):
        mjcf.add(root, section)
    column, upper, fore = rng.uniform(0.15, 0.4), rng.uniform(0.25, 0.42), rng.uniform(0.22, 0.4)
    thick = rng.uniform(0.025, 0.06)
    look = [appearance.robot_colour(rng) for _ in range(2)]
    square = bool(rng.random() < 0.4)
    body = mjcf.add(root.find("worldbody"), "body", name="shaped/base")
    _round(body, (0, 0, 0), (0, 0, 0.04), thick * 2, look[1])
    links = (
        ("waist", (0, 0, 1), 0.0, column, 1.2),
        ("shoulder", (0, 1, 0), LEAN, upper, 1.0),
        ("elbow", (0, 1, 0), BEND, fore, 0.8),
        ("roll", (0, 0, 1), 0.0, 0.03, 0.7),
        ("wrist", (0, 1, 0), np.pi - LEAN - BEND, rng.uniform(0.05, 0.1), 0.6),
        ("turn", (0, 0, 1), 0.0, 0.02, 0.6),
    )
    height, home = 0.02, {}
    for i, (name, axis, rest, length, share) in enumerate(links):
        body = mjcf.add(body, "body", name=f"shaped/{name}", pos=(0, 0, height))
        mjcf.add(body, "joint", name=f"shaped/{name}", axis=axis, range=(-3.1, 3.1), limited="true")
        radius = thick * share
        if axis[1]:
            _round(body, (0, -radius * 1.3, 0), (0, radius * 1.3, 0), radius * 1.1, look[1])
        if square:
            mjcf.add(
                body,
                "geom",
                type="box",
                size=(radius * 0.8, radius * 0.8, length / 2),
                pos=(0, 0, length / 2),
                rgba=(*look[i % 2], 1),
                group="2",
            )
        else:
            _round(body, (0, 0, 0), (0, 0, length), radius, look[i % 2])
        home[f"shaped/{name}"], height = rest, length
    mount = mjcf.add(body, "body", name="shaped/mount", pos=(0, 0, height))
    hand = shaped_hand.build(mount, [appearance.robot_colour(rng) for _ in range(3)], rng)
    reach = 0.75 * (upper + fore)
    return Model(
        mjcf=root,
        hand="shaped/mount",
        home=home,
        finger_joints=hand.joints,
        fingers=hand.fingers,
        palm=hand.palm,
        area=(0.45 * reach, 1.1 * reach, -0.6 * reach, 0.6 * reach),
    )


def _round(body: Element, start: tuple, end: tuple, radius: float, colour: np.ndarray) -> None:
    mjcf.add(body, "geom", type="cylinder", size=radius, fromto=(*start, *end), rgba=(*colour, 1), group="2")


ROBOTS = {"arm": _arm}
