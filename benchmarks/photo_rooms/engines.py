"""The renderers: what each draws, in what rooms, and the picture that it makes of one."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from photo_rooms import shapes
from photo_rooms.raster import depth_of
from photo_rooms.room import Camera, Make, Room


@dataclass(frozen=True)
class Picture:
    """What a renderer gives. `camera` is the room's, with the principal point that the renderer really has."""

    colour: np.ndarray  # 8 bits
    depth: np.ndarray  # metres along the optical axis, 0 where there is nothing
    seen: np.ndarray  # number of the thing in the room, -1 for none
    camera: Camera


Draw = Callable[[Room], Picture]
# By name: the module that draws, the furniture of its rooms. "numpy" is our own z-buffer, for tests without an engine.
ENGINES = {
    "mujoco": ("photo_rooms.in_mujoco", ["floor", "table"]),
    "pybullet": ("photo_rooms.in_pybullet", ["table", "table", "floor"]),
    "mitsuba": ("photo_rooms.in_mitsuba", ["shelf", "shelf", "table"]),
    "numpy": ("photo_rooms.engines", ["floor", "table", "shelf"]),
}


def engine(name: str) -> tuple[Draw, dict[str, Make], list[str]]:
    """How it draws, its catalogue and its furniture."""
    module, furniture = ENGINES[name]
    made = importlib.import_module(module)
    return made.draw, made.CATALOGUE, furniture


def slim(rng: np.random.Generator, make: Callable[[float, float], shapes.Shape], long: float) -> shapes.Shape:
    """Of a radius and a height, the height being the longest."""
    return make(long * rng.uniform(0.15, 0.4), long)


def any_box(rng: np.random.Generator, long: float) -> shapes.Shape:
    return shapes.box(*rng.permutation(long / 2 * np.array([1, *rng.uniform(0.3, 1.0, 2)])))


def any_cylinder(rng: np.random.Generator, long: float) -> shapes.Shape:
    return shapes.cylinder(long * rng.uniform(0.15, 0.45), long / 2)


CATALOGUE: dict[str, Make] = {
    "box": any_box,
    "cylinder": any_cylinder,
    "ball": lambda rng, long: shapes.ball(long / 2),
    "bottle": lambda rng, long: slim(rng, shapes.bottle, long),
}


def draw(room: Room) -> Picture:
    """With our own z-buffer, in plain colours."""
    depths = np.stack([depth_of(thing.triangles(), room.camera) for thing in room.things])
    seen = np.where(np.isfinite(depths.min(0)), depths.argmin(0), -1)
    depth = np.where(seen < 0, 0, depths.min(0))
    colours = np.array([thing.colour for thing in room.things])
    return Picture((255 * colours[seen]).astype(np.uint8), depth, seen, room.camera)


def patterned(colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A texture for a surface of this colour: checks, stripes or speckles, 8 bits."""
    y, x = np.mgrid[:128, :128] / 128
    kind, count = rng.integers(3), rng.integers(4, 17)
    if kind == 0:
        blend = (np.floor(x * count) + np.floor(y * count)) % 2
    elif kind == 1:
        blend = 0.5 + 0.5 * np.sin(2 * np.pi * count * x)
    else:
        blend = rng.random((128, 128))
    return (255 * np.clip(colour * (0.7 + 0.3 * blend[..., None]), 0, 1)).astype(np.uint8)
