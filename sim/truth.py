"""Exact regions, boxes and distances of a rendered frame."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial import cKDTree

from camera import Picture

FINGERTIP, TARGET, FIRST_OTHER = 1, 2, 3  # instance numbers
TIP_RADIUS = 0.03  # a finger's pixels within this distance of a fingertip point are the fingertip region, metres
LEAST_PIXELS = 40 / (640 * 480)  # a region smaller than this share of the image is not used


@dataclass
class Truth:
    """What is exactly known of a frame. Points are in the camera's optical frame."""

    instances: np.ndarray
    boxes: dict[int, tuple[float, float, float, float]]
    names: dict[int, str]
    fingertip: np.ndarray
    target: np.ndarray
    surface_distance: float
    cloud_distance: float


def cloud(picture: Picture, mask: np.ndarray) -> np.ndarray:
    """The world points of a mask's pixels."""
    v, u = np.nonzero(mask)
    z = picture.depth[mask]
    k, pose = picture.intrinsics, picture.world_from_camera
    points = np.stack([(u + 0.5 - k[0, 2]) / k[0, 0] * z, (v + 0.5 - k[1, 2]) / k[1, 1] * z, z], -1)
    return points @ pose[:3, :3].T + pose[:3, 3]


def box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The tight box of a mask: x_min, y_min, x_max, y_max, end-exclusive."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


class Judged(Protocol):
    """What the truth of a frame is made of: `simulators.Simulator`, or a scene of `grip_scene`."""

    finger_geoms: list[int]
    target_geoms: list[int]

    def fingertips(self) -> np.ndarray: ...
    def target_point(self) -> np.ndarray: ...
    def gap(self, geoms_a: list[int], geoms_b: list[int]) -> float: ...


def judge(sim: Judged, picture: Picture, names: dict[str, list[int]], tip_radius: float = TIP_RADIUS) -> Truth | None:
    """The truth of a frame, or None where the fingertip or the target is not in view."""
    least = LEAST_PIXELS * picture.geoms.size
    instances = np.zeros(picture.geoms.shape, np.uint8)
    finger = np.isin(picture.geoms, sim.finger_geoms)
    target = np.isin(picture.geoms, sim.target_geoms) & (picture.depth > 0)
    if finger.sum() < least or target.sum() < least:
        return None
    finger_cloud, tips = cloud(picture, finger), sim.fingertips()
    near = np.linalg.norm(finger_cloud[:, None] - tips[None], axis=2).min(1) < tip_radius
    if near.sum() < least:
        return None
    rows, columns = np.nonzero(finger)
    instances[rows[near], columns[near]] = FINGERTIP
    instances[target] = TARGET
    used = {FINGERTIP: "fingertip", TARGET: "target"}
    for name, geoms in names.items():
        mask = np.isin(picture.geoms, geoms)
        if mask.sum() >= least:
            number = FIRST_OTHER + len(used) - 2
            instances[mask], used[number] = number, name
    return Truth(
        instances=instances,
        boxes={number: box(instances == number) for number in used},
        names=used,
        fingertip=_in_camera(tips.mean(0), picture),
        target=_in_camera(sim.target_point(), picture),
        surface_distance=max(sim.gap(sim.finger_geoms, sim.target_geoms), 0.0),
        cloud_distance=cloud_distance(finger_cloud[near], cloud(picture, target)),
    )


def _in_camera(point: np.ndarray, picture: Picture) -> np.ndarray:
    pose = picture.world_from_camera
    return pose[:3, :3].T @ (point - pose[:3, 3])


def cloud_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean of the nearest-neighbour distances from `a` to `b` and from `b` to `a`, all taken together."""
    there, back = cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]
    return float(np.concatenate([there, back]).mean())
