"""Hands of drawn shapes: one to four fingers, straight, tapered, hooked, curved, bent or round, on a palm."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

import mjcf

SHAPES = ("plate", "tapered", "hooked", "curved", "bent", "round")
COUNTS = (0.1, 0.65, 0.2, 0.05)  # how often one, two, three or four fingers


@dataclass
class Hand:
    """The names in a hand."""

    joints: dict[str, tuple[float, float]]
    fingers: tuple[tuple[str, ...], ...]
    palm: tuple[str, ...]


def build(mount: Element, colours: Sequence[np.ndarray], rng: np.random.Generator) -> Hand:
    """Adds a hand to a body, z towards the fingertips. Fingers slide outwards to open. Colours: palm, fingers, pads."""
    count = int(rng.choice(4, p=COUNTS)) + 1
    length, width, thick = rng.uniform(0.035, 0.11), rng.uniform(0.007, 0.026), rng.uniform(0.004, 0.014)
    closed = thick / 2 + rng.uniform(0.0015, 0.004) + (0.6 * width if count > 2 else 0.0)  # sides must not meet either
    opened = closed + rng.uniform(0.015, 0.05)
    height = rng.uniform(0.02, 0.1)
    palm = mjcf.add(mount, "body", name="shaped/palm")
    _palm(palm, (opened + thick, width, height), colours[0], rng)
    shape = SHAPES[rng.integers(len(SHAPES))]
    joints, fingers, seed = {}, [], int(rng.integers(2**31))
    for i in range(count):
        turn = 2 * np.pi * i / count
        finger = mjcf.add(
            palm, "body", name=f"shaped/finger{i}", pos=(0, 0, height), quat=(np.cos(turn / 2), 0, 0, np.sin(turn / 2))
        )
        if count > 1:
            mjcf.add(finger, "joint", name=f"shaped/slide{i}", type="slide", axis=(1, 0, 0))
            joints[f"shaped/slide{i}"] = (closed, opened)
        _finger(finger, shape, (length, width, thick), colours[1:], np.random.default_rng(seed))
        fingers.append((f"shaped/finger{i}",))
    return Hand(joints, tuple(fingers), ("shaped/palm",))


def _palm(body: Element, size: tuple, colour: np.ndarray, rng: np.random.Generator) -> None:
    """A box or a cylinder, and at times the flange by which it is fixed."""
    reach, width, height = size
    broad = max(width * rng.uniform(0.6, 2.0), 0.012)
    if rng.random() < 0.5:
        _geom(body, "box", (reach * rng.uniform(0.8, 1.2), broad, height / 2), (0, 0, height / 2), colour)
    else:
        _geom(body, "cylinder", (reach * rng.uniform(0.6, 1.1), height / 2), (0, 0, height / 2), colour)
    if rng.random() < 0.5:
        _geom(body, "cylinder", (rng.uniform(0.02, 0.045), 0.012), (0, 0, 0), np.full(3, rng.uniform(0.1, 0.9)))


def _finger(body: Element, shape: str, size: tuple, colours: list, rng: np.random.Generator) -> None:
    """One finger along z whose inner side looks to -x."""
    length, width, thick = size
    main, pad = colours
    if shape == "plate":
        _geom(body, "box", (thick / 2, width / 2, length / 2), (0, 0, length / 2), main)
    elif shape == "round":
        _geom(body, "capsule", (thick / 2, length / 2 - thick / 4), (0, 0, length / 2), main)
    elif shape == "tapered":
        steps = int(rng.integers(3, 6))
        for k in range(steps):
            part = 1 - 0.7 * k / steps
            middle = (0.5 * thick * (part - 1), 0, length * (k + 0.5) / steps)
            _geom(body, "box", (thick / 2 * part, width / 2 * part, length / steps / 2), middle, main)
    elif shape == "hooked":
        _geom(body, "box", (thick / 2, width / 2, length / 2), (thick * 1.2, 0, length / 2), main)
        _geom(body, "box", (thick, width / 2, thick * 0.7), (0.5 * thick, 0, length + thick * 0.4), pad)
    else:
        _bowed(body, shape, size, main, rng)
    if shape in ("plate", "hooked") and rng.random() < 0.5:
        _geom(body, "box", (0.001, width / 2, length / 6), (-thick / 2, 0, length * 0.8), pad)


def _bowed(body: Element, shape: str, size: tuple, colour: np.ndarray, rng: np.random.Generator) -> None:
    """Outwards and back: in an arc, or in two straight pieces. The end is where it would be if it were straight."""
    length, _, thick = size
    bulge = length * rng.uniform(0.12, 0.35)
    along = np.linspace(0, 1, 9 if shape == "curved" else 3)
    out = bulge * (np.sin(np.pi * along) if shape == "curved" else 1 - np.abs(2 * along - 1))
    points = np.stack([out, np.zeros_like(along), along * length], 1)
    for start, end in itertools.pairwise(points):
        mjcf.add(body, "geom", type="capsule", size=thick / 2, fromto=(*start, *end), rgba=(*colour, 1), group="2")


def _geom(body: Element, kind: str, size: tuple, position: tuple, colour: np.ndarray) -> None:
    mjcf.add(body, "geom", type=kind, size=size, pos=position, rgba=(*colour, 1), group="2")
