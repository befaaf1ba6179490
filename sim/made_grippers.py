"""Grippers that nobody builds: jaws, bent fingers, claws, hooks, rods and suction cups of random shapes and colours.

They are drawn like the grippers of packages (`rigs.Rig`), and are there so that a detector learns what makes a
fingertip, not how a few robots' fingers look.
"""

import numpy as np

import appearance
import rigs
import solids
from solids import Solid

FAMILIES = ("jaws", "jaws", "bent", "bent", "claw", "hook", "rod", "suction")


def make(rng: np.random.Generator) -> rigs.Rig:
    """A gripper of a random family at a random openness; z points from the palm to the fingertips."""
    family = str(rng.choice(FAMILIES))
    fingers = {"jaws": _jaws, "bent": _bent, "claw": _claw, "hook": _hook, "rod": _rod, "suction": _suction}[family](
        rng
    )
    colours = [_machine_colour(rng) for _ in range(4)]
    one_colour = rng.random() < 0.5
    parts = [
        rigs.Part(_triangles([solid]), tuple(colours[0 if one_colour else min(i, 1)]), number)
        for number, finger in enumerate(fingers)
        for i, solid in enumerate(finger)
    ]
    palm = _palm(rng, max(float(np.abs(part.triangles[..., :2]).max()) for part in parts))
    parts += [rigs.Part(_triangles([solid]), tuple(colours[2 + i % 2]), -1) for i, solid in enumerate(palm)]
    back = min(float(part.triangles[..., 2].min()) for part in parts)
    radius = rng.uniform(0.025, 0.055)
    forearm = [solids.capsule(radius, (0, 0, back - rigs.FOREARM), (0, 0, back - radius * 0.3))]
    return rigs.Rig(f"{family} {rng.integers(1000)}", parts, forearm)


def _machine_colour(rng: np.random.Generator) -> np.ndarray:
    """Grey of any shade in two thirds, as machines are; else anything."""
    return np.full(3, rng.uniform(0.05, 0.95)) if rng.random() < 0.65 else appearance.any_colour(rng)


def _triangles(parts: list[Solid]) -> np.ndarray:
    return np.concatenate([vertices[faces] for vertices, faces in map(solids.mesh, parts)])


def _turned(parts: list[Solid], angle: float) -> list[Solid]:
    """About the hand's axis."""
    c, s = np.cos(angle), np.sin(angle)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return [part.moved(rotation, np.zeros(3)) for part in parts]


def _around(finger: list[Solid], count: int) -> list[list[Solid]]:
    return [_turned(finger, turn) for turn in np.arange(count) / count * 2 * np.pi]


def _palm(rng: np.random.Generator, reach: float) -> list[Solid]:
    """A block or a disc behind the fingers, and a flange or two."""
    wide, deep, high = max(reach, 0.025) + rng.uniform(0.0, 0.02), rng.uniform(0.015, 0.045), rng.uniform(0.01, 0.05)
    parts = [
        solids.box(wide, deep, high, (0, 0, -high))
        if rng.random() < 0.6
        else solids.cylinder(min(wide, 0.06), (0, 0, -2 * high), (0, 0, 0))
    ]
    back = -2 * high
    for _ in range(rng.integers(0, 3)):
        radius, long = rng.uniform(0.02, 0.05), rng.uniform(0.01, 0.06)
        parts.append(solids.cylinder(radius, (0, 0, back - long), (0, 0, back)))
        back -= long
    return parts


def _jaws(rng: np.random.Generator) -> list[list[Solid]]:
    """Two straight fingers, each a block with a thinner, shifted or equal end, some with a pad."""
    long, gap = rng.uniform(0.03, 0.1), rng.uniform(0.002, 0.06)
    thick, wide = rng.uniform(0.004, 0.014), rng.uniform(0.005, 0.016)
    split = rng.uniform(0.2, 0.9)
    thin = rng.uniform(0.35, 1.0)
    shift = rng.choice([0.0, rng.uniform(-0.02, 0.02)])
    x = gap + thick
    finger = [
        solids.box(thick, wide, long * split / 2, (x + shift, 0, long * split / 2)),
        solids.box(
            thick * thin,
            wide * rng.uniform(0.5, 1.1),
            long * (1 - split) / 2,
            (gap + thick * thin, 0, long * (1 + split) / 2),
        ),
    ]
    if abs(shift) > thick:
        finger.insert(1, solids.box(abs(shift) / 2 + thick, wide, thick, (x + shift / 2, 0, long * split)))
    if rng.random() < 0.3:
        pad = rng.uniform(0.008, 0.02)
        finger.append(solids.box(0.002, wide, pad / 2, (max(gap - 0.001, 0.001), 0, long - pad / 2)))
    return _around(finger, 2)


def _links(rng: np.random.Generator, count: int, first: float, bends: list[float]) -> list[Solid]:
    """Links one after another in the plane of x and z, each leaning by another angle from the hand's axis."""
    at = np.array([first, 0, 0.0])
    made, radius = [], rng.uniform(0.006, 0.013)
    square = rng.random() < 0.5
    for bend in bends[:count]:
        long = rng.uniform(0.022, 0.055)
        end = at + long * np.array([np.sin(bend), 0, np.cos(bend)])
        if square:
            turned = np.array([[np.cos(bend), 0, np.sin(bend)], [0, 1, 0], [-np.sin(bend), 0, np.cos(bend)]])
            made.append(
                solids.box(radius, radius * rng.uniform(0.7, 1.4), long / 2 + radius / 2, (at + end) / 2, turned)
            )
        else:
            made.append(solids.capsule(radius, at, end))
        at, radius = end, radius * rng.uniform(0.7, 1.0)
    return made


def _bent(rng: np.random.Generator) -> list[list[Solid]]:
    """Two fingers of several links, out and in again."""
    out = rng.uniform(0.1, 0.8)
    bends = [out, rng.uniform(-0.5, 0.3), rng.uniform(-0.7, 0.1)]
    return _around(_links(rng, int(rng.integers(2, 4)), rng.uniform(0.012, 0.035), bends), 2)


def _claw(rng: np.random.Generator) -> list[list[Solid]]:
    """Three or four fingers round about."""
    bends = [rng.uniform(0.2, 0.8), rng.uniform(-0.2, 0.4), rng.uniform(-0.7, 0.1)]
    return _around(_links(rng, int(rng.integers(2, 4)), rng.uniform(0.015, 0.04), bends), int(rng.integers(3, 5)))


def _hook(rng: np.random.Generator) -> list[list[Solid]]:
    """One bent rod."""
    radius, long, bend = rng.uniform(0.004, 0.009), rng.uniform(0.05, 0.1), rng.uniform(0.015, 0.03)
    turns = np.linspace(0, rng.uniform(1.5, 3.3), 9)
    arc = np.stack([bend * (1 - np.cos(turns)), 0 * turns, long + bend * np.sin(turns)], 1)
    return [_turned(solids.chain(np.vstack([[0, 0, 0], arc]), radius), rng.uniform(0, 6.3))]


def _rod(rng: np.random.Generator) -> list[list[Solid]]:
    """One straight rod, some with a ball or a block at the end."""
    radius, long = rng.uniform(0.005, 0.012), rng.uniform(0.06, 0.14)
    parts = [solids.cylinder(radius, (0, 0, 0), (0, 0, long))]
    kind = rng.random()
    if kind < 0.35:
        size = radius * rng.uniform(1.1, 2.2)
        parts.append(solids.ball(size, (0, 0, long)))
    elif kind < 0.6:
        size = rng.uniform(1.0, 2.5, 3) * radius
        parts.append(solids.box(*size, (0, 0, long + size[2])))
    return [parts]


def _suction(rng: np.random.Generator) -> list[list[Solid]]:
    """A tube that ends in a bellows."""
    tube, long, wide = rng.uniform(0.006, 0.012), rng.uniform(0.03, 0.1), rng.uniform(0.012, 0.026)
    parts = [solids.cylinder(tube, (0, 0, 0), (0, 0, long))]
    at = long
    for share in np.linspace(0.55, 1.0, rng.integers(2, 5)):
        high = rng.uniform(0.003, 0.006)
        parts.append(solids.cylinder(max(wide * share, tube), (0, 0, at), (0, 0, at + high)))
        at += high
    return [parts]
