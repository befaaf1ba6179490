"""What the grippers come to: targets and clutter built from primitive solids, lying or leaning on a table at z = 0."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import solids
from solids import Solid

LEANING = (12.0, 40.0)  # degrees


@dataclass(frozen=True)
class Kind:
    """One kind of target: how it is built, how often of ten it leans, and whether it is kept for testing."""

    build: Callable[[np.random.Generator], list[Solid]]
    word: str
    leans: float
    held_out: bool


@dataclass(frozen=True)
class Placed:
    """A target on the table, and the block it leans on, if it does."""

    parts: list[Solid]
    support: list[Solid]
    leaning: bool


def _box(rng):
    return [solids.box(*rng.uniform(0.012, 0.045, 3))]


def _ball(rng):
    return [solids.ball(rng.uniform(0.015, 0.045))]


def _cylinder(rng):
    radius, half = rng.uniform(0.012, 0.04), rng.uniform(0.02, 0.07)
    axis = np.array([0, 0, half]) if rng.random() < 0.5 else np.array([half, 0, 0])
    return [solids.cylinder(radius, -axis, axis)]


def _banana(rng):
    bend, length, thick = rng.uniform(0.8, 1.8), rng.uniform(0.13, 0.2), rng.uniform(0.014, 0.02)
    turns = np.linspace(-bend / 2, bend / 2, 33)
    radius = length / bend
    points = np.stack([radius * np.sin(turns), radius * np.cos(turns), np.zeros(33)], 1)
    return solids.chain(points - points.mean(0), thick * (1 - 0.6 * np.abs(np.linspace(-1, 1, 33)) ** 2.5))


def _pen(rng):
    radius, half = rng.uniform(0.0035, 0.006), rng.uniform(0.06, 0.08)
    clip = solids.box(0.02, 0.0015, 0.001, (half - 0.025, 0, radius + 0.0008))
    nib = [
        solids.cylinder(radius * s, (-half - 0.004 * i, 0, 0), (-half - 0.004 * (i + 1), 0, 0))
        for i, s in enumerate((0.75, 0.5, 0.25))
    ]
    return [solids.cylinder(radius, (-half, 0, 0), (half, 0, 0)), clip, *nib]


def _plate(rng):
    thick = rng.uniform(0.0015, 0.005)
    if rng.random() < 0.5:
        return [solids.box(*rng.uniform(0.05, 0.1, 2), thick)]
    return [solids.cylinder(rng.uniform(0.05, 0.1), (0, 0, -thick), (0, 0, thick))]


def _mug(rng):
    radius, height, wall = rng.uniform(0.032, 0.045), rng.uniform(0.07, 0.11), rng.uniform(0.002, 0.0035)
    bottom = solids.cylinder(radius - wall / 2, (0, 0, 0), (0, 0, 0.005))
    sides = _round_wall(radius, radius, 0.0, height, wall)
    turns = np.linspace(-1.9, 1.9, 13)
    reach = np.array([radius - 0.004, 0, height / 2])
    arc = reach + np.stack([0.026 * (np.cos(turns) + 0.35), np.zeros(13), 0.3 * height * np.sin(turns)], 1)
    return [bottom, *sides, *solids.chain(arc, rng.uniform(0.004, 0.006))]


def _bowl(rng):
    radius, height, wall = rng.uniform(0.06, 0.09), rng.uniform(0.035, 0.06), rng.uniform(0.002, 0.004)
    turns = np.linspace(0.25, np.pi / 2, 5)
    rims = np.stack([radius * np.sin(turns), height * (1 - np.cos(turns))], 1)
    bottom = solids.cylinder(rims[0, 0], (0, 0, rims[0, 1] - wall), (0, 0, rims[0, 1] + wall))
    sides = [
        part for low, high in itertools.pairwise(rims) for part in _round_wall(low[0], high[0], low[1], high[1], wall)
    ]
    around = np.linspace(0, 2 * np.pi, 33)
    rim = np.stack([radius * np.cos(around), radius * np.sin(around), np.full(33, height)], 1)
    return [bottom, *sides, *solids.chain(rim, wall)]


def _round_wall(low_radius: float, high_radius: float, low: float, high: float, wall: float) -> list[Solid]:
    """A wall that goes round, upright or slanted, as flat boards."""
    boards, count = [], 28
    slant = np.array([high_radius - low_radius, high - low])
    length = float(np.linalg.norm(slant))
    for turn in np.arange(count) / count * 2 * np.pi:
        outward, along = np.array([np.cos(turn), np.sin(turn), 0]), np.array([-np.sin(turn), np.cos(turn), 0])
        up = (slant[0] * outward + np.array([0, 0, slant[1]])) / length
        half_width = max(low_radius, high_radius) * np.tan(np.pi / count)
        middle = (low_radius + high_radius) / 2 * outward + np.array([0, 0, (low + high) / 2])
        rotation = np.stack([np.cross(along, up), along, up], 1)
        boards.append(solids.box(wall / 2, half_width, length / 2, middle, rotation))
    return boards


def _screwdriver(rng):
    grip, shaft = rng.uniform(0.011, 0.016), rng.uniform(0.0025, 0.004)
    handle, length = rng.uniform(0.035, 0.05), rng.uniform(0.08, 0.13)
    blade = solids.box(0.006, shaft * 1.3, 0.0008, (handle + length, 0, 0))
    parts = [
        solids.capsule(grip, (-handle, 0, 0), (handle, 0, 0)),
        solids.cylinder(grip * 0.7, (handle, 0, 0), (handle + grip + 0.004, 0, 0)),
        solids.cylinder(shaft, (handle, 0, 0), (handle + length, 0, 0)),
        blade,
    ]
    return _moved(parts, _about_y(np.arctan((grip - shaft) / (2 * handle + length))))  # its tip lies on the table too


def _cable(rng):
    step, count = 0.011, rng.integers(22, 38)
    turns = np.cumsum(np.interp(np.arange(count), np.linspace(0, count - 1, 6), rng.normal(0, 0.13, 6)))
    steps = step * np.stack([np.cos(turns), np.sin(turns), np.zeros(count)], 1)
    points = np.vstack([np.zeros(3), np.cumsum(steps, 0)])
    return solids.chain(points - points.mean(0), rng.uniform(0.0025, 0.0045))


def _spatula(rng):
    grip, length = rng.uniform(0.006, 0.009), rng.uniform(0.07, 0.1)
    rise = rng.uniform(0.015, 0.03)
    neck = np.array([length + 0.06, 0, -rise])
    blade = solids.box(rng.uniform(0.035, 0.05), rng.uniform(0.028, 0.04), 0.0012)
    parts = [
        solids.capsule(grip, (-length, 0, 0), (length, 0, 0)),
        solids.capsule(0.0035, (length, 0, 0), neck),
        replace(blade, position=neck + np.array([blade.size[0] - 0.003, 0, 0])),
    ]
    return _moved(parts, _about_y(-np.arctan((rise - grip) / (2 * length + 0.06))))  # the end of its handle lies too


KINDS = {
    "box": Kind(_box, "box", 0.0, held_out=False),
    "ball": Kind(_ball, "ball", 0.0, held_out=False),
    "cylinder": Kind(_cylinder, "cylinder", 0.0, held_out=False),
    "banana": Kind(_banana, "banana", 0.3, held_out=False),
    "pen": Kind(_pen, "pen", 0.5, held_out=False),
    "plate": Kind(_plate, "plate", 0.5, held_out=False),
    "mug": Kind(_mug, "mug", 0.0, held_out=True),
    "screwdriver": Kind(_screwdriver, "screwdriver", 0.5, held_out=True),
    "cable": Kind(_cable, "cable", 0.0, held_out=True),
    "bowl": Kind(_bowl, "bowl", 0.0, held_out=True),
    "spatula": Kind(_spatula, "spatula", 0.3, held_out=True),
}


def place(kind: Kind, rng: np.random.Generator) -> Placed:
    """A target at a random turn near the middle of the table, some leaning on a block."""
    parts = kind.build(rng)
    leaning = bool(rng.random() < kind.leans)
    if leaning:
        parts = _moved(parts, _about_y(np.radians(rng.uniform(*LEANING)) * rng.choice([-1, 1])))
    turn = rng.uniform(0, 2 * np.pi)
    parts = _moved(parts, _about_z(turn))
    where = np.array([*rng.uniform(-0.06, 0.06, 2), 0.0])
    where[2] = -min(part.lowest() for part in parts)
    parts = _moved(parts, np.eye(3), where)
    block = _block_below(parts, turn, rng) if leaning else []
    if leaning and not block:
        return place(replace(kind, leans=0.0), rng)  # nothing would hold it up
    return Placed(parts, block, leaning)


def lying(kind: Kind, rng: np.random.Generator) -> list[Solid]:
    """A thing that lies about the origin on a table, held up by nothing."""
    parts = kind.build(rng)
    return _moved(parts, np.eye(3), (0, 0, -min(part.lowest() for part in parts)))


def clutter(rng: np.random.Generator) -> Solid:
    """One upright object of no meaning."""
    a, b, c = rng.uniform(0.012, 0.045, 3)
    made = [
        solids.box(a, b, c, (0, 0, c), _about_z(rng.uniform(0, np.pi))),
        solids.ball(a, (0, 0, a)),
        solids.cylinder(a, (0, 0, 0), (0, 0, 2 * c)),
        solids.capsule(a * 0.6, (0, 0, a * 0.6), (0, 0, a * 0.6 + 2 * c)),
    ]
    return made[rng.integers(len(made))]


def _block_below(parts: list[Solid], turn: float, rng: np.random.Generator) -> list[Solid]:
    """A block under the raised end, just as high as the target's underside above it."""
    ends = [p.position + p.rotation @ (p.half_extents() * s) for p in parts for s in np.eye(3).repeat(2, 0) * 1.0]
    ends += [p.position - p.rotation @ (p.half_extents() * s) for p in parts for s in np.eye(3)]
    low, high = min(ends, key=lambda p: p[2]), max(ends, key=lambda p: p[2])
    spot = low + rng.uniform(0.6, 0.9) * (high - low)
    half = np.array([rng.uniform(0.006, 0.015), rng.uniform(0.02, 0.04)])
    rotation = _about_z(turn)
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 15) * half[0], np.linspace(-1, 1, 25) * half[1]), -1).reshape(-1, 2)
    across = spot[:2] + grid @ rotation[:2, :2].T
    top = min(_underside(parts, column) for column in across) - 0.0003
    return [solids.box(*half, top / 2, (*spot[:2], top / 2), rotation)] if top > 0.004 else []


def _underside(parts: list[Solid], column: np.ndarray) -> float:
    """How high above the table a vertical ray from below meets the parts."""
    height = 0.0
    for _ in range(60):
        step = float(solids.signed_distance(parts, np.array([[*column, height]]))[0])
        height += step
        if step < 0.0001 or height > 0.5:
            break
    return height


def _moved(parts: list[Solid], rotation: np.ndarray, translation=(0, 0, 0)) -> list[Solid]:
    return [part.moved(rotation, np.array(translation, float)) for part in parts]


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
