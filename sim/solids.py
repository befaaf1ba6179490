"""Primitive solids that targets and clutter are built from, with their exact signed distance.

A thing is a list of solids and means their union. Outside of the union the signed distance is exact; inside it is
never deeper than the truth, which is all that is asked of it.
"""

from dataclasses import dataclass

import numpy as np

SIDES = 64  # corners of a circle where a solid is drawn as a mesh: at a radius of 40 mm 0.05 mm off the true surface


@dataclass(frozen=True)
class Solid:
    """A box (half sizes), ball (radius), cylinder or capsule (radius, half length along z) at a pose."""

    kind: str
    size: tuple[float, ...]
    position: np.ndarray
    rotation: np.ndarray

    def moved(self, rotation: np.ndarray, translation: np.ndarray) -> "Solid":
        """The solid carried along by a rigid motion."""
        return Solid(self.kind, self.size, rotation @ self.position + translation, rotation @ self.rotation)

    def half_extents(self) -> np.ndarray:
        """Half sizes of the box around it in its own axes."""
        if self.kind == "box":
            return np.array(self.size)
        if self.kind == "ball":
            return np.full(3, self.size[0])
        radius, half = self.size
        return np.array([radius, radius, half + (radius if self.kind == "capsule" else 0.0)])

    def lowest(self) -> float:
        """The height of its lowest point."""
        along = self.rotation[2]
        if self.kind == "box":
            reach = np.abs(along) @ np.array(self.size)
        elif self.kind == "ball":
            reach = self.size[0]
        else:
            radius, half = self.size
            side = radius if self.kind == "capsule" else radius * np.sqrt(max(0.0, 1 - along[2] ** 2))
            reach = abs(along[2]) * half + side
        return float(self.position[2] - reach)


def box(x: float, y: float, z: float, position=(0, 0, 0), rotation=None) -> Solid:
    """A box of half sizes."""
    return Solid("box", (x, y, z), np.array(position, float), np.eye(3) if rotation is None else rotation)


def ball(radius: float, position=(0, 0, 0)) -> Solid:
    """A ball."""
    return Solid("ball", (radius,), np.array(position, float), np.eye(3))


def cylinder(radius: float, start, end) -> Solid:
    """A cylinder between the centres of its ends."""
    return _between("cylinder", radius, np.array(start, float), np.array(end, float))


def capsule(radius: float, start, end) -> Solid:
    """A capsule between the centres of its end balls."""
    return _between("capsule", radius, np.array(start, float), np.array(end, float))


def chain(points: np.ndarray, radii) -> list[Solid]:
    """Capsules along a curve; each has the mean radius of its two points."""
    points, radii = np.asarray(points, float), np.broadcast_to(radii, len(points))
    return [capsule((radii[i] + radii[i + 1]) / 2, points[i], points[i + 1]) for i in range(len(points) - 1)]


def _between(kind: str, radius: float, start: np.ndarray, end: np.ndarray) -> Solid:
    along = end - start
    length = float(np.linalg.norm(along))
    return Solid(kind, (float(radius), length / 2), (start + end) / 2, frame_along(along / length))


def frame_along(axis: np.ndarray) -> np.ndarray:
    """A rotation whose z axis is `axis`."""
    helper = np.eye(3)[int(np.abs(axis).argmin())]
    x = np.cross(helper, axis)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(axis, x), axis], 1)


def signed_distance(solids: list[Solid], points: np.ndarray) -> np.ndarray:
    """How far each point is from the union, below zero inside."""
    return np.min([_signed(solid, (points - solid.position) @ solid.rotation) for solid in solids], axis=0)


def _signed(solid: Solid, local: np.ndarray) -> np.ndarray:
    if solid.kind == "ball":
        return np.linalg.norm(local, axis=1) - solid.size[0]
    if solid.kind == "capsule":
        radius, half = solid.size
        beyond = local[:, 2] - np.clip(local[:, 2], -half, half)
        return np.sqrt(local[:, 0] ** 2 + local[:, 1] ** 2 + beyond**2) - radius
    if solid.kind == "cylinder":
        over = np.stack([np.hypot(local[:, 0], local[:, 1]), np.abs(local[:, 2])], 1) - np.array(solid.size)
    else:
        over = np.abs(local) - np.array(solid.size)
    return np.linalg.norm(np.maximum(over, 0), axis=1) + np.minimum(over.max(1), 0)


def bounds(solids: list[Solid]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of an axis-parallel box around the union."""
    reach = [np.abs(solid.rotation) @ solid.half_extents() for solid in solids]
    low = np.min([solid.position - r for solid, r in zip(solids, reach, strict=True)], axis=0)
    return low, np.max([solid.position + r for solid, r in zip(solids, reach, strict=True)], axis=0)


def centroid(solids: list[Solid]) -> np.ndarray:
    """The centre of the union's volume, from a fine grid over each solid; what several share counts once."""
    total, weight = np.zeros(3), 0.0
    cells = 60 if len(solids) < 10 else 24  # the more there are, the less matters the grid of one
    reaches = [float(np.linalg.norm(solid.half_extents())) for solid in solids]
    for i, solid in enumerate(solids):
        half = solid.half_extents()
        step = 2 * half.max() / cells
        counts = np.maximum(np.ceil(2 * half / step).astype(int), 20)  # across a thin one too
        axes = [(np.arange(n) + 0.5) / n * 2 * h - h for n, h in zip(counts, half, strict=True)]
        local = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        local = local[_signed(solid, local) <= 0]
        points = local @ solid.rotation.T + solid.position
        before = [
            other
            for other, reach in zip(solids[:i], reaches, strict=False)
            if np.linalg.norm(other.position - solid.position) < reach + reaches[i]
        ]
        if before:
            points = points[signed_distance(before, points) > 0]
        cell = np.prod(2 * half / counts)
        total, weight = total + cell * points.sum(0), weight + cell * len(points)
    return total / weight


def mesh(solid: Solid) -> tuple[np.ndarray, np.ndarray]:
    """The solid's surface as vertices and triangles, for a renderer without primitives that are fine enough."""
    if solid.kind == "box":
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
        local = corners * np.array(solid.size)
    else:
        local, faces = _turned(_profile(solid))
    return local @ solid.rotation.T + solid.position, faces


def _profile(solid: Solid) -> np.ndarray:
    """Radius and height from bottom to top of a solid that is round about z."""
    if solid.kind == "cylinder":
        radius, half = solid.size
        return np.array([[0, -half], [radius, -half], [radius, half], [0, half]])
    radius, half = solid.size if solid.kind == "capsule" else (solid.size[0], 0.0)
    turns = np.linspace(-np.pi / 2, np.pi / 2, SIDES // 2 + 1)
    lift = np.where(turns < 0, -half, half)
    arc = np.stack([radius * np.cos(turns), radius * np.sin(turns) + lift], 1)
    middle = len(arc) // 2
    return np.insert(arc, middle, [radius, -half], axis=0)


def _turned(profile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angles = np.arange(SIDES) / SIDES * 2 * np.pi
    rings = [np.stack([r * np.cos(angles), r * np.sin(angles), np.full(SIDES, h)], 1) for r, h in profile]
    faces = []
    i, j = np.arange(SIDES), (np.arange(SIDES) + 1) % SIDES
    for k in range(len(rings) - 1):
        low, high = k * SIDES, (k + 1) * SIDES
        if profile[k][0] > 1e-9:
            faces.append(np.stack([low + i, low + j, high + j], 1))
        if profile[k + 1][0] > 1e-9:
            faces.append(np.stack([low + i, high + j, high + i], 1))
    return np.vstack(rings), np.vstack(faces)
