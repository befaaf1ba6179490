"""What is true of a room's things that a picture shows wholly: of the whole thing, from its mesh, and of what is seen
of it, from the renderer's depth. Lengths along level axes (right, up, ahead), from the camera.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import cKDTree

from photo_rooms.engines import Picture
from photo_rooms.raster import depth_of
from photo_rooms.room import HEIGHT, WIDTH, Room, Thing

LEAST_PX = 60
LEAST_SHARE = 0.97  # of what would be seen of it if it were alone
MARGIN_PX = 2
MOST_OFF_M = 0.002  # of a drawn thing from its mesh (median)
POINTS = 3000  # of a surface, for distances


@dataclass(frozen=True)
class Known:
    """Points of a thing along level axes: corners of its mesh, points all over it, and those that are seen."""

    corners: np.ndarray
    surface: np.ndarray
    seen: np.ndarray


def truth(room: Room, picture: Picture) -> dict:
    """As JSON: of each thing that is wholly seen its extent, of each two their distance, and which way is up."""
    rng = np.random.default_rng(0)
    points = picture.camera.rays() * picture.depth[..., None]
    level = room.camera.level()
    known = {}
    for number, thing in enumerate(room.things):
        mask = picture.seen == number
        if thing.name and _is_whole(mask, thing, picture):
            to_level = [(where - room.camera.position) @ level.T for where in (thing.vertices(), _spread(thing, rng))]
            known[thing.name] = Known(*to_level, points[mask] @ (level @ room.camera.rotation).T)
    return {
        "up": room.camera.rotation.T[:, 2].tolist(),
        "things": {name: {"whole": _extent(it.corners), "seen": _extent(it.seen)} for name, it in known.items()},
        "distances": [
            {"of": [a, b], "whole": distance(of_a.surface, of_b.surface), "seen": distance(of_a.seen, of_b.seen)}
            for (a, of_a), (b, of_b) in combinations(known.items(), 2)
        ],
    }


def _is_whole(mask: np.ndarray, thing: Thing, picture: Picture) -> bool:
    depth = depth_of(thing.triangles(), picture.camera)
    alone = np.isfinite(depth)
    if mask.sum() < max(LEAST_PX, LEAST_SHARE * alone.sum()):
        return False
    rows, columns = np.nonzero(alone)
    off = float(np.median(np.abs(picture.depth - depth)[mask & alone]))
    if off > MOST_OFF_M:
        raise ValueError(f"the {thing.name} is drawn {1000 * off:.1f} mm from where it is: the camera looks elsewhere")
    inside = min(rows.min(), columns.min()) >= MARGIN_PX
    return bool(inside and rows.max() < HEIGHT - MARGIN_PX and columns.max() < WIDTH - MARGIN_PX)


def _spread(thing: Thing, rng: np.random.Generator) -> np.ndarray:
    """Points all over a thing's surface, in the world."""
    a, b, c = np.moveaxis(thing.triangles(), 1, 0)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    at = rng.choice(len(areas), POINTS, p=areas / areas.sum())
    u, v = rng.random((2, POINTS, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return a[at] + u * (b - a)[at] + v * (c - a)[at]


def _extent(points: np.ndarray) -> dict[str, list[float]]:
    return {"min": points.min(0).tolist(), "max": points.max(0).tolist()}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The mean from each point of one to the nearest of the other, both ways."""
    a, b = (points[:: max(1, len(points) // POINTS)] for points in (a, b))
    return float(np.concatenate([cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]]).mean())
