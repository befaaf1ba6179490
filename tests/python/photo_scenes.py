"""Rendered photos whose truth is known: boxes on a floor before two walls, ray-cast, with depth, masks and the camera
in the files that `dataset` reads beside a photo. Needs numpy and Pillow.

    python tests/python/photo_scenes.py FOLDER [SCENES]
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

# Also where no pytest has done so.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from photo_rooms.regions import region

WIDTH, HEIGHT = 480, 360
# The world: x right, y up, z ahead; a camera's optical frame: x right, y down, z ahead.
OPTICAL = np.diag([1.0, -1.0, 1.0])


def turn(axis, degrees):
    """A rotation about a world axis."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = cos
    matrix[a, b], matrix[b, a] = -sin, sin
    return matrix


class Box:
    def __init__(self, center, size, yaw):
        self.center, self.size, self.rotation = np.array(center), np.array(size), turn(1, yaw)

    def corners(self):
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        return signs * self.size / 2 @ self.rotation.T + self.center

    def hits(self, origin, rays):
        """How far along each ray it is entered, inf where it is not."""
        origin, rays = (origin - self.center) @ self.rotation, rays @ self.rotation
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = (-self.size / 2 - origin) / rays, (self.size / 2 - origin) / rays
        near, far = np.minimum(low, high).max(-1), np.maximum(low, high).min(-1)
        return np.where((near < far) & (near > 0), near, np.inf)


class Scene:
    """A room by chance."""

    def __init__(self, number):
        random = np.random.default_rng([11, number])
        self.pitch, self.roll = random.uniform(3, 45), random.uniform(-6, 6)
        self.origin = np.array([0.0, random.uniform(0.7, 1.9), 0.0])
        self.focal = random.uniform(350, 560)
        # World from optical: looking down by the pitch, rolled about the view.
        self.world = turn(0, self.pitch) @ turn(2, self.roll) @ OPTICAL
        self.walls = random.uniform(4.5, 7.0), random.uniform(2.0, 4.0)
        look = self.origin[1] / np.tan(np.radians(max(self.pitch, 18.0)))
        self.boxes = []
        for _ in range(40):
            if len(self.boxes) == 5:
                break
            small = random.uniform() < 0.35
            size = random.uniform(0.06, 0.19, 3) if small else random.uniform(0.2, 0.9, 3)
            distance = random.uniform(0.7, 1.4) * look if not small else random.uniform(0.7, 1.0) * look
            place = [random.uniform(-0.45, 0.45) * distance, size[1] / 2, min(distance, self.walls[0] - 1)]
            if all(np.hypot(*(box.center - place)[[0, 2]]) > 0.6 for box in self.boxes):
                self.boxes.append(Box(place, size, random.uniform(-45, 45)))
        self.random = random

    def rays(self):
        """Of each pixel, of length 1 along the optical axis, in the world."""
        column, row = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        optical = [(column - self.cx) / self.focal, (row - self.cy) / self.focal, np.ones(column.shape)]
        return np.stack(optical, -1) @ self.world.T

    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2

    def render(self):
        """Depth along the optical axis, and what is seen: -1 the room, else the box."""
        rays = self.rays()
        with np.errstate(divide="ignore"):
            floor = np.where(rays[..., 1] < 0, -self.origin[1] / rays[..., 1], np.inf)
            back = np.where(rays[..., 2] > 0, self.walls[0] / rays[..., 2], np.inf)
            side = np.where(rays[..., 0] > 0, self.walls[1] / rays[..., 0], np.inf)
        depths = np.stack(
            [np.minimum(np.minimum(floor, back), side), *(box.hits(self.origin, rays) for box in self.boxes)]
        )
        return depths.min(0), depths.argmin(0) - 1

    def canonical(self, points):
        """World points as x right, y up, z level ahead of the camera: the world from the camera, which heads along
        its z."""
        return points - self.origin

    def truth(self, depth, seen):
        """Of each box that is wholly seen: its extent and place, and the points of it that the camera sees."""
        points = self.canonical(self.rays() * depth[..., None] + self.origin)
        alone = [box.hits(self.origin, self.rays()) < np.inf for box in self.boxes]
        known = {}
        for number, box in enumerate(self.boxes):
            mask = seen == number
            rows, columns = np.nonzero(alone[number])
            if not len(rows) or mask.sum() < 0.98 * len(rows) or mask.sum() < 60:
                continue
            if rows.min() < 2 or columns.min() < 2 or rows.max() > HEIGHT - 3 or columns.max() > WIDTH - 3:
                continue
            corners = self.canonical(box.corners())
            known[f"box {number}"] = {
                "min": corners.min(0).tolist(),
                "max": corners.max(0).tolist(),
                "surface": points[mask],
            }
        return known


def write(scene, folder, name, gravity):
    """The photo and what lies beside it; the truth of its boxes comes back."""
    depth, seen = scene.render()
    shade = np.array([[90, 90, 95]] + [[60 + 35 * k, 200 - 30 * k, 120 + 20 * k] for k in range(len(scene.boxes))])
    picture = shade[seen + 1] + (8 * np.sin(depth * 9))[..., None]
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{name}.png")
    np.save(folder / f"{name}.depth.npy", depth.astype(np.float32))
    regions = []
    for number in range(len(scene.boxes)):
        mask = seen == number
        if mask.any():
            regions.append(region(f"box {number}", mask))
    (folder / f"{name}.regions.json").write_text(json.dumps({"regions": regions}))
    camera = {"fx": scene.focal, "fy": scene.focal, "cx": scene.cx, "cy": scene.cy}
    if gravity:
        camera["gravity"] = (scene.world.T @ [0, -1, 0]).tolist()
    (folder / f"{name}.camera.json").write_text(json.dumps(camera))
    return scene.truth(depth, seen)


def make(folder, scenes, gravity):
    """So many photos in a folder; the scenes and the truth by the photos' names."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for number in range(scenes):
        scene, name = Scene(number), f"room_{number:03}"
        made[name] = scene, write(scene, folder, name, gravity)
    return made


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    truth = make(Path(sys.argv[1]), count, gravity=False)
    print(f"{count} photos, {sum(len(known) for _, known in truth.values())} boxes wholly seen")
