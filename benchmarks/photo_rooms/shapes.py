"""Shapes as closed triangle meshes, each in a frame of its own with z up. Those of a kind that an engine knows are
drawn by it as such; the truth is always taken from the mesh.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIDES = 64  # corners of a circle: 0.1 % of the radius off a true one


@dataclass(frozen=True)
class Shape:
    """A box (half sizes), ball (radius), cylinder or capsule (radius, half length along z), ellipsoid (half axes), or
    else what triangles say."""

    kind: str
    size: tuple[float, ...]
    vertices: np.ndarray
    faces: np.ndarray


def box(x: float, y: float, z: float) -> Shape:
    corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) * (x, y, z)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return Shape("box", (x, y, z), corners, np.array(faces))


def cylinder(radius: float, half: float) -> Shape:
    return _as("cylinder", (radius, half), turned([(0, -half), (radius, -half), (radius, half), (0, half)]))


def ball(radius: float) -> Shape:
    return _as("ball", (radius,), turned(_arc(radius, 0.0, -90, 90)))


def capsule(radius: float, half: float) -> Shape:
    return _as("capsule", (radius, half), turned(_arc(radius, -half, -90, 0) + _arc(radius, half, 0, 90)))


def ellipsoid(x: float, y: float, z: float) -> Shape:
    return _as("ellipsoid", (x, y, z), scaled(ball(1.0), np.array([x, y, z])))


def cone(radius: float, height: float) -> Shape:
    return turned([(0, 0), (radius, 0), (0, height)])


def bottle(radius: float, height: float) -> Shape:
    body = [(0, 0), (radius, 0), (radius, 0.6 * height), (0.75 * radius, 0.7 * height)]
    return turned([*body, (0.35 * radius, 0.78 * height), (0.35 * radius, height), (0, height)])


def vase(radius: float, height: float) -> Shape:
    at = np.linspace(0, 1, 17)
    outside = [(radius * (0.62 + 0.38 * np.sin(0.6 + 4.2 * share)), height * share) for share in at]
    inside = [(along - 0.1 * radius, up) for along, up in reversed(outside) if up > 0.08 * height]
    return turned([(0, 0), *outside, *inside, (0, 0.08 * height)])


def bowl(radius: float, height: float) -> Shape:
    turns = np.radians(np.linspace(15, 90, 13))
    outside = [(radius * np.sin(turn), height * (1 - np.cos(turn)) / (1 - np.cos(turns[-1]))) for turn in turns]
    outside = [(along, up - outside[0][1]) for along, up in outside]
    inside = [(0.92 * along, up + 0.06 * height * (1 - up / height)) for along, up in reversed(outside)]
    return turned([(0, 0), *outside, *inside, (0, inside[-1][1])])


def ring(radius: float, thickness: float) -> Shape:
    """Lying flat; the outer radius."""
    turns = np.radians(np.linspace(0, 360, 25))
    middle = radius - thickness
    return turned([(middle + thickness * np.cos(turn), thickness * np.sin(turn)) for turn in turns])


def turned(profile: list[tuple[float, float]]) -> Shape:
    """The surface of a profile (radius, height) turned about z; from below outside to above."""
    rims = np.array(profile, float)
    turns = np.arange(SIDES) * 2 * np.pi / SIDES
    circle = np.stack([np.cos(turns), np.sin(turns)], 1)
    vertices = np.concatenate([np.column_stack([along * circle, np.full(SIDES, up)]) for along, up in rims])
    one = np.arange(SIDES)
    other = (one + 1) % SIDES
    faces = []
    for low in range(0, SIDES * (len(rims) - 1), SIDES):
        high = low + SIDES
        faces += [
            np.stack([low + one, low + other, high + other], 1),
            np.stack([low + one, high + other, high + one], 1),
        ]
    return mesh(vertices, np.concatenate(faces))


def mesh(vertices: np.ndarray, faces: np.ndarray) -> Shape:
    """What is told by triangles alone: without what has no area, seen from outside."""
    vertices, faces = _welded(vertices, faces)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    if np.einsum("ij,ij->", a, np.cross(b, c)) < 0:
        faces = faces[:, ::-1]
    return Shape("mesh", (), vertices, faces)


def loaded(path: Path) -> Shape:
    """The triangles of a Wavefront file, whose many-cornered faces become fans."""
    vertices, faces = [], []
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            vertices.append([float(word) for word in words[1:4]])
        elif words[:1] == ["f"]:
            corners = [int(word.split("/")[0]) for word in words[1:]]
            corners = [at - 1 if at > 0 else len(vertices) + at for at in corners]
            faces += [(corners[0], corners[at], corners[at + 1]) for at in range(1, len(corners) - 1)]
    return mesh(np.array(vertices), np.array(faces))


def scaled(shape: Shape, by: np.ndarray | float) -> Shape:
    """As a mesh."""
    return Shape("mesh", (), shape.vertices * by, shape.faces)


def _as(kind: str, size: tuple[float, ...], drawn: Shape) -> Shape:
    return Shape(kind, size, drawn.vertices, drawn.faces)


def _arc(radius: float, up: float, low: float, high: float) -> list[tuple[float, float]]:
    turns = np.radians(np.linspace(low, high, 1 + round((high - low) / 180 * SIDES / 2)))
    return [(radius * np.cos(turn), up + radius * np.sin(turn)) for turn in turns]


def _welded(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    vertices, where = np.unique(np.round(vertices, 9), axis=0, return_inverse=True)
    faces = where.reshape(-1)[faces]
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return vertices, faces[distinct]
