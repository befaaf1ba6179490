"""What lies on the table of an episode, and what the two engines have in common when they play it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.spatial.transform import Rotation

import solids
from camera import Picture, View
from episode_rules import Facts
from solids import Solid

FLAT = 0.001  # half the height of a marker that lies flat on the table, metres
BOARDS = 20  # of a round wall
TALL = {"insert": (0.085, 0.105), "pour": (0.08, 0.12)}  # tasks of a peg and of a cup, with their heights, metres


@dataclass
class Block:
    """A box or an upright cylinder on the table. A cylinder's half sizes are radius, radius, half its height."""

    kind: str  # box | cylinder
    half: np.ndarray
    place: np.ndarray  # x, y
    turn: float = 0.0
    free: bool = True  # whether physics moves it
    wall: float = 0.0  # of a container that is open above: how thick; 0: solid

    @property
    def top(self) -> float:
        return 2 * float(self.half[2])

    @property
    def flat(self) -> bool:
        """Whether it is but a marker on the table."""
        return self.top < 3 * FLAT

    def parts(self) -> list[Solid]:
        """What it is made of, about its middle: itself, or a container's floor and walls."""
        if not self.wall:
            return [self.solid(np.zeros(3), np.eye(3))]
        x, y, z = self.half
        w = self.wall / 2
        if self.kind == "box":
            sides = [solids.box(w, y, z, (s * (x - w), 0, 0)) for s in (-1, 1)]
            ends = [solids.box(x, w, z, (0, s * (y - w), 0)) for s in (-1, 1)]
            return [solids.box(x, y, w, (0, 0, w - z)), *sides, *ends]
        boards = [solids.cylinder(x - w, (0, 0, -z), (0, 0, self.wall - z))]
        for turn in np.arange(BOARDS) / BOARDS * 2 * np.pi:
            c, s = np.cos(turn), np.sin(turn)
            turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
            boards.append(solids.box(w, x * np.tan(np.pi / BOARDS), z, (c * (x - w), s * (x - w), 0), turned))
        return boards

    def solid(self, position: np.ndarray, rotation: np.ndarray) -> Solid:
        """The block where it is now."""
        size = tuple(self.half) if self.kind == "box" else (float(self.half[0]), float(self.half[2]))
        return Solid(self.kind, size, position, rotation)


@dataclass
class Layout:
    """Where a robot can work: middle and half extents of the area, the table's height, the way a camera faces it."""

    middle: np.ndarray
    half: np.ndarray
    table: float
    facing: float  # degrees, the azimuth of a camera that looks straight at the robot's front
    widest: float  # widest thing that the fingers take, metres
    closing: int  # the axis along which the fingers close


@dataclass
class Scene:
    """One arrangement: the thing, the goal (only some tasks have one), where the fingertips start."""

    task: str
    thing: Block | None  # None: the thing is a drawer's handle
    goal: Block | None
    start: np.ndarray


class World(Protocol):
    """A robot with its table in one engine. Poses are of the mean of the fingertips, in the world's frame."""

    layout: Layout
    scene: Scene
    first: np.ndarray  # where the thing was at first
    fingers: tuple[list[int], list[int]]  # left, right: ids in a picture
    parts: dict[str, list[int]]  # region -> ids in a picture
    size: tuple[int, int]

    def ends(self) -> np.ndarray: ...  # of the left finger and of the right one
    def tips(self) -> np.ndarray: ...
    def opening(self) -> float: ...
    def widest(self) -> float: ...
    def hook(self) -> np.ndarray: ...  # where the fingertips are behind a drawer's handle
    def thing(self) -> np.ndarray: ...
    def goal(self) -> np.ndarray: ...
    def advance(self, tip: np.ndarray, opening: float, lean: float = 0.0) -> None: ...
    def facts(self) -> Facts: ...
    def snapshot(self) -> Any: ...
    def show(self, snapshot: Any) -> None: ...
    def shoot(self, view: View) -> Picture: ...
    def colour(self) -> np.ndarray: ...
    def close(self) -> None: ...


@dataclass
class Gaps:
    """What an engine knows of a frame: gaps of fingers to the thing and of that to the goal, lowest points, a lean."""

    left: float
    right: float
    goal: float
    bottom: float  # of the thing, in the world
    top: float  # of the goal, or of a container's floor
    lean: float  # of the thing, radians


def facts_of(world: World, gaps: Gaps) -> Facts:
    """The facts of the moment that a world shows."""
    table, thing, tip = world.layout.table, world.thing(), world.tips()
    left, right, name = max(0.0, gaps.left), max(0.0, gaps.right), next(iter(world.parts))
    facts = Facts(
        gap_left=left,
        gap_right=right,
        height=gaps.bottom - table,
        beside=float(np.linalg.norm((thing - world.goal())[:2])) if world.scene.goal else np.inf,
        above_goal=gaps.bottom - gaps.top,
        moved=float(np.linalg.norm(thing - world.first)),
        opening=world.opening(),
        tilt=gaps.lean,
        pairs={},
    )
    facts.pairs = {
        f"fingertip-{name}": facts.nearest,
        f"left_finger-{name}": left,
        f"right_finger-{name}": right,
        f"center:fingertip-{name}": float(np.linalg.norm(tip - thing)),
        "heights": {"fingertip": float(min(world.ends()[:, 2]) - table), name: facts.height},
        "opening": facts.opening,
        "moved": facts.moved,
        "tilt": facts.tilt,
    }
    if "cabinet" in world.parts:
        facts.pairs["center:handle-cabinet"] = float(np.linalg.norm(thing - world.goal()))
    if world.scene.goal:
        facts.pairs["cube-goal"] = max(0.0, gaps.goal)
        facts.pairs["center:cube-goal"] = float(np.linalg.norm(thing - world.goal()))
        facts.pairs["beside:cube-goal"] = facts.beside
    return facts


def lean_of(turn: np.ndarray) -> float:
    """How far what stood upright leans, radians."""
    return float(np.arccos(np.clip(turn[2, 2], -1, 1)))


def leaning(layout: Layout, lean: float) -> Rotation:
    """A hand that leans to the side: about the axis about which its fingers hold a thing by their whole length."""
    return Rotation.from_rotvec(np.eye(3)[1 - layout.closing] * lean)


def arrange(task: str, layout: Layout, rng: np.random.Generator) -> Scene:
    """Draws a scene; the goal lies 12 to 24 cm from the thing."""
    thing = _block(rng, layout.widest)
    if task in TALL:
        thing.half[2] = rng.uniform(*TALL[task]) / 2
    thing.place = _spot(layout, rng)
    goal = None
    if task in ("push", "pick_and_place", "stack", *TALL):
        goal = _container(task, thing, rng) if task in TALL else _goal(task, rng)
        while not _fits(task, layout, goal.place - thing.place):
            thing.place, goal.place = _spot(layout, rng), _spot(layout, rng)
    height = layout.table + rng.uniform(0.12, 0.2) + (0.05 if task in TALL else 0.0)
    around = thing.place
    start = around.copy()
    while not 0.07 <= np.linalg.norm(start - around) <= 0.2:
        start = _spot(layout, rng)
    return Scene(task, None if task == "open_drawer" else thing, goal, np.r_[start, height])


def _fits(task: str, layout: Layout, way: np.ndarray) -> bool:
    """Far enough, not too far; what is pushed is pushed by both fingers, side by side."""
    far = float(np.linalg.norm(way))
    return 0.12 <= far <= 0.24 and (task != "push" or abs(way[layout.closing]) < 0.4 * far)


def _spot(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    return layout.middle + rng.uniform(-1, 1, 2) * layout.half


def _block(rng: np.random.Generator, widest: float) -> Block:
    """A thing that the fingers take: a cube, a cuboid or a cylinder."""
    width, kind = rng.uniform(0.034, widest), rng.choice(["cube", "cuboid", "cylinder"])
    height = width if kind == "cube" else rng.uniform(0.035, 0.06)
    depth = rng.uniform(0.034, widest) if kind == "cuboid" else width
    half = np.array([depth, width, height]) / 2
    turn = float(rng.uniform(-0.3, 0.3))
    return Block("cylinder" if kind == "cylinder" else "box", half, np.zeros(2), turn)


def _container(task: str, thing: Block, rng: np.random.Generator) -> Block:
    """A box or a cup that takes a peg whatever way it is turned, below the fingers that hold it; or a bowl."""
    wall = rng.uniform(0.002, 0.004)
    if task == "insert":
        room = float(np.hypot(*thing.half[:2])) if thing.kind == "box" else thing.half[0]
        radius, height = room + rng.uniform(0.005, 0.009) + wall, thing.top - 0.026
    else:
        radius, height = rng.uniform(0.05, 0.065), rng.uniform(0.03, 0.045)
    half = np.array([radius, radius, height / 2])
    kind = str(rng.choice(["box", "cylinder"]))
    return Block(kind, half, np.zeros(2), float(rng.uniform(-0.5, 0.5)), free=False, wall=wall)


def _goal(task: str, rng: np.random.Generator) -> Block:
    """A marker on the table to push to, that or a pad to place on, a cube to stack on."""
    if task == "stack":
        side = rng.uniform(0.045, 0.055)
        return Block("box", np.full(3, side / 2), np.zeros(2), float(rng.uniform(-0.5, 0.5)))
    radius = rng.uniform(0.045, 0.06)
    flat = task == "push" or rng.random() < 0.4
    half = np.array([radius, radius, FLAT if flat else rng.uniform(0.005, 0.01)])
    return Block(str(rng.choice(["box", "cylinder"])), half, np.zeros(2), float(rng.uniform(-0.5, 0.5)), free=False)
