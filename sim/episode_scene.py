"""What lies on the table of an episode, and what the two engines have in common when they play it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from camera import Picture, View
from episode_rules import Facts
from solids import Solid

FLAT = 0.001  # half the height of a marker that lies flat on the table, metres


@dataclass
class Block:
    """A box or an upright cylinder on the table. A cylinder's half sizes are radius, radius, half its height."""

    kind: str  # box | cylinder
    half: np.ndarray
    place: np.ndarray  # x, y
    turn: float = 0.0
    free: bool = True  # whether physics moves it

    @property
    def top(self) -> float:
        return 2 * float(self.half[2])

    @property
    def flat(self) -> bool:
        """Whether it is but a marker on the table."""
        return self.top < 3 * FLAT

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
    def advance(self, tip: np.ndarray, opening: float) -> None: ...
    def facts(self) -> Facts: ...
    def snapshot(self) -> Any: ...
    def show(self, snapshot: Any) -> None: ...
    def shoot(self, view: View) -> Picture: ...
    def colour(self) -> np.ndarray: ...
    def close(self) -> None: ...


@dataclass
class Gaps:
    """What an engine knows of a frame: gaps of both fingers to the thing, of the thing to the goal, lowest points."""

    left: float
    right: float
    goal: float
    bottom: float  # of the thing, in the world
    top: float  # of the goal


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
    }
    if "cabinet" in world.parts:
        facts.pairs["center:handle-cabinet"] = float(np.linalg.norm(thing - world.goal()))
    if world.scene.goal:
        facts.pairs["cube-goal"] = max(0.0, gaps.goal)
        facts.pairs["center:cube-goal"] = float(np.linalg.norm(thing - world.goal()))
        facts.pairs["beside:cube-goal"] = facts.beside
    return facts


def arrange(task: str, layout: Layout, rng: np.random.Generator) -> Scene:
    """Draws a scene; the goal lies 12 to 24 cm from the thing."""
    thing = _block(rng, layout.widest)
    thing.place = _spot(layout, rng)
    goal = None
    if task in ("push", "pick_and_place", "stack"):
        goal = _goal(task, rng)
        while not _fits(task, layout, goal.place - thing.place):
            thing.place, goal.place = _spot(layout, rng), _spot(layout, rng)
    height = layout.table + rng.uniform(0.12, 0.2)
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


def _goal(task: str, rng: np.random.Generator) -> Block:
    """A marker on the table to push to, that or a pad to place on, a cube to stack on."""
    if task == "stack":
        side = rng.uniform(0.045, 0.055)
        return Block("box", np.full(3, side / 2), np.zeros(2), float(rng.uniform(-0.5, 0.5)))
    radius = rng.uniform(0.045, 0.06)
    flat = task == "push" or rng.random() < 0.4
    half = np.array([radius, radius, FLAT if flat else rng.uniform(0.005, 0.01)])
    return Block(str(rng.choice(["box", "cylinder"])), half, np.zeros(2), float(rng.uniform(-0.5, 0.5)), free=False)
