"""Rooms by chance: a floor before two walls, bare, with a table or with a shelf, things of 5 to 60 cm on them, and a
camera. The world has z up; a camera's optical frame x right, y down, z ahead. The same seed gives the same room.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from photo_rooms import shapes
from photo_rooms.shapes import Shape

WIDTH, HEIGHT = 640, 480
LYING = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
Make = Callable[[np.random.Generator, float], Shape]  # a shape whose longest side is about so long


@dataclass(frozen=True)
class Thing:
    """A shape somewhere. What has a name is a region."""

    name: str
    shape: Shape
    rotation: np.ndarray
    position: np.ndarray
    colour: np.ndarray

    def vertices(self) -> np.ndarray:
        """In the world."""
        return self.shape.vertices @ self.rotation.T + self.position

    def triangles(self) -> np.ndarray:
        return self.vertices()[self.shape.faces]


@dataclass(frozen=True)
class Camera:
    """Columns of `rotation` are the optical axes in the world. `cx` and `cy` count from the first pixel's middle."""

    position: np.ndarray
    rotation: np.ndarray
    focal: float
    cx: float = (WIDTH - 1) / 2
    cy: float = (HEIGHT - 1) / 2

    def rays(self) -> np.ndarray:
        """Of each pixel, of length 1 along the optical axis, in the optical frame."""
        column, row = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        across, down = (column - self.cx) / self.focal, (row - self.cy) / self.focal
        return np.stack([across, down, np.ones(column.shape)], -1)

    def level(self) -> np.ndarray:
        """Rows are right, up and ahead: level, as the camera heads."""
        up = np.array([0.0, 0.0, 1.0])
        ahead = self.rotation[:, 2] * (1, 1, 0)
        ahead /= np.linalg.norm(ahead)
        return np.stack([np.cross(ahead, up), up, ahead])


@dataclass
class Room:
    """All in it; `things` are floor, walls and furniture too."""

    camera: Camera
    things: list[Thing] = field(default_factory=list)


@dataclass(frozen=True)
class Support:
    """A level rectangle for so many things, with so much room above it; their longest sides are between two lengths."""

    low: tuple[float, float]
    high: tuple[float, float]
    height: float
    count: int
    longest: tuple[float, float]
    headroom: float = 1.0


def build(catalogue: dict[str, Make], furniture: list[str], seed: tuple[int, ...]) -> Room:
    """A room with one of these pieces of furniture and things of the catalogue."""
    rng = np.random.default_rng(seed)
    piece = furniture[rng.integers(len(furniture))]
    room = Room(_camera(piece, rng))
    room.things += _shell(rng)
    supports = {"floor": _bare, "table": _table, "shelf": _shelf}[piece](room, rng)
    for support in supports:
        _fill(room, support, catalogue, rng)
    return room


def _camera(piece: str, rng: np.random.Generator) -> Camera:
    """It looks at the middle of what is there, at (0, 0) and some height."""
    target, away, above = {
        "floor": (0.1, (1.3, 3.0), (0.5, 1.7)),
        "table": (0.75, (0.9, 1.7), (0.1, 0.9)),
        "shelf": (0.75, (1.4, 2.4), (-0.1, 0.8)),
    }[piece]
    side, away, above = np.radians(rng.uniform(-40, 40)), rng.uniform(*away), rng.uniform(*above)
    position = np.array([away * np.sin(side), -away * np.cos(side), target + above])
    ahead = np.array([*rng.uniform(-0.15, 0.15, 2), target + rng.uniform(-0.1, 0.1)]) - position
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    roll = np.radians(rng.uniform(-8, 8))
    right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
    focal = HEIGHT / 2 / np.tan(np.radians(rng.uniform(40, 68)) / 2)
    return Camera(position, np.stack([right, down, ahead], 1), focal)


def _shell(rng: np.random.Generator) -> list[Thing]:
    """Floor and two walls, of many triangles, for some renderers drop one that reaches behind the camera."""
    back, side = rng.uniform(0.9, 2.5), rng.uniform(1.6, 3.0) * rng.choice([-1, 1])
    floor, wall = _colour(rng, 0.4), _colour(rng, 0.3)
    return [
        _sheet([-4, -4, 0], [8, 0, 0], [0, 4 + back, 0], floor),
        _sheet([-4, back, 0], [8, 0, 0], [0, 0, 2.6], wall),
        _sheet([side, -4, 0], [0, 4 + back, 0], [0, 0, 2.6], 0.9 * wall),
    ]


def _sheet(corner: list[float], along: list[float], across: list[float], colour: np.ndarray, tiles: int = 24) -> Thing:
    """A rectangle."""
    share = np.linspace(0, 1, tiles + 1)
    a, b = np.meshgrid(share, share, indexing="ij")
    points = a[..., None] * np.array(along) + b[..., None] * np.array(across)
    at = np.arange((tiles + 1) ** 2).reshape(tiles + 1, tiles + 1)
    low, right, far, left = (at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:])
    faces = np.concatenate([np.stack([low, right, far], -1), np.stack([low, far, left], -1)]).reshape(-1, 3)
    return Thing("", Shape("sheet", (), points.reshape(-1, 3), faces), np.eye(3), np.array(corner, float), colour)


def _bare(room: Room, rng: np.random.Generator) -> list[Support]:
    return [Support((-1.1, -0.9), (1.1, 0.8), 0.0, int(rng.integers(5, 9)), (0.08, 0.6))]


def _table(room: Room, rng: np.random.Generator) -> list[Support]:
    x, y, height, thick = rng.uniform(0.45, 0.7), rng.uniform(0.3, 0.42), rng.uniform(0.6, 0.75), 0.03
    colour = _colour(rng, 0.6)
    _put(room, "table", shapes.box(x, y, thick / 2), (0, 0, height - thick / 2), colour)
    for a in (-1, 1):
        for b in (-1, 1):
            leg = (a * (x - 0.04), b * (y - 0.04), (height - thick) / 2)
            _put(room, "", shapes.box(0.025, 0.025, (height - thick) / 2), leg, 0.8 * colour)
    beside = [Support((a, -0.5), (a + 0.5, 0.6), 0.0, 1, (0.25, 0.6)) for a in (-x - 0.6, x + 0.1)]
    return [Support((-x, -y), (x, y), height, int(rng.integers(4, 8)), (0.05, 0.35)), *beside]


def _shelf(room: Room, rng: np.random.Generator) -> list[Support]:
    x, y, thick = rng.uniform(0.45, 0.7), rng.uniform(0.15, 0.2), 0.02
    gap, colour = rng.uniform(0.32, 0.42), _colour(rng, 0.6)
    boards = [0.1 + gap * level for level in range(4)]
    for height in boards:
        _put(room, "", shapes.box(x, y, thick / 2), (0, 0, height - thick / 2), colour)
    for a in (-1, 1):
        middle = (boards[-1] - thick) / 2
        _put(room, "", shapes.box(thick / 2, y, middle), (a * (x + thick / 2), 0, middle), 0.9 * colour)
    headroom = gap - thick - 0.04
    return [Support((-x, -y), (x, y), height, int(rng.integers(2, 4)), (0.06, 0.34), headroom) for height in boards[1:]]


def _put(room: Room, name: str, shape: Shape, position: tuple[float, ...], colour: np.ndarray) -> None:
    room.things.append(Thing(name, shape, np.eye(3), np.array(position, float), colour))


def _fill(room: Room, on: Support, catalogue: dict[str, Make], rng: np.random.Generator) -> None:
    """Things side by side, a quarter of them lying."""
    taken: list[tuple[np.ndarray, float]] = []
    for _ in range(12 * on.count):
        if len(taken) == on.count:
            return
        name = list(catalogue)[rng.integers(len(catalogue))]
        shape = catalogue[name](rng, float(np.exp(rng.uniform(*np.log(on.longest)))))
        rotation = _turn(rng.uniform(0, 2 * np.pi)) @ (LYING if rng.random() < 0.25 else np.eye(3))
        vertices = shape.vertices @ rotation.T
        low, high = vertices.min(0), vertices.max(0)
        radius = float(np.linalg.norm((vertices - (low + high) / 2)[:, :2], axis=1).max())
        least, most = np.array(on.low) + radius, np.array(on.high) - radius
        colour = _colour(rng, 0.9)
        if (least > most).any() or high[2] - low[2] > on.headroom:
            continue
        place = rng.uniform(least, most)
        if all(np.linalg.norm(place - other) > radius + reach + 0.02 for other, reach in taken):
            position = np.array([*place, on.height]) - [*(low + high)[:2] / 2, low[2]]
            room.things.append(Thing(_unique(name, room), shape, rotation, position, colour))
            taken.append((place, radius))


def _turn(radians: float) -> np.ndarray:
    """About the vertical."""
    sin, cos = np.sin(radians), np.cos(radians)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _unique(name: str, room: Room) -> str:
    """Of two things of one name the second gets a number."""
    names, unique, number = {thing.name for thing in room.things}, name, 2
    while unique in names:
        unique, number = f"{name} {number}", number + 1
    return unique


def _colour(rng: np.random.Generator, vivid: float) -> np.ndarray:
    grey = rng.uniform(0.25, 0.85)
    return np.clip(grey + vivid * rng.uniform(-0.45, 0.45, 3), 0.03, 0.97)
