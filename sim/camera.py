"""A camera around the scene: where it stands, and what it sees (colour, exact depth, the geom behind each pixel)."""

from dataclasses import dataclass

import mujoco
import numpy as np

HELD_OUT_SIDE = (30.0, 45.0)  # degrees left or right of the robot's front: kept for held-out recordings


@dataclass
class View:
    """One camera pose: a free MuJoCo camera, its field of view and its roll."""

    camera: mujoco.MjvCamera
    fovy: float
    roll: float


@dataclass
class Picture:
    """What the camera saw. The pose is `world_from_camera` in the optical frame (x right, y down, z forward)."""

    depth: np.ndarray  # metres, 0 where nothing was hit
    geoms: np.ndarray  # geom id, -1 where none
    intrinsics: np.ndarray
    world_from_camera: np.ndarray


@dataclass(frozen=True)
class Cameras:
    """The cameras of a recording: from where they look, and how wide."""

    elevation: tuple[float, float]  # degrees
    distance: tuple[float, float]  # metres
    usual_fovy: float  # degrees; so often as `usual` says, else drawn from `fovy`
    usual: float
    fovy: tuple[float, float]


NEAR = Cameras((15, 60), (0.5, 1.5), 45.0, 0.6, (40, 60))
WIDE = Cameras((8, 75), (0.4, 1.7), 45.0, 0.2, (32, 80))


def random_view(
    facing: float, look_at: np.ndarray, held_out: bool, rng: np.random.Generator, cameras: Cameras = NEAR
) -> View:
    """A random camera that looks near `look_at`; its side of the robot is a held-out one or never one."""
    low, high = HELD_OUT_SIDE
    side = rng.uniform(low, high) * rng.choice([-1, 1]) if held_out else rng.uniform(-165, 165)
    while not held_out and low <= abs(side) <= high:
        side = rng.uniform(-165, 165)
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.azimuth = facing + side
    camera.elevation = -rng.uniform(*cameras.elevation)
    nearest, farthest = cameras.distance  # nearer views more often: far ones show the regions small
    camera.distance = nearest + (farthest - nearest) * rng.random() ** 1.5
    camera.lookat[:] = look_at
    fovy = cameras.usual_fovy if rng.random() < cameras.usual else rng.uniform(*cameras.fovy)
    return View(camera, fovy, float(np.clip(rng.normal(0, 4), -12, 12)))


class Eye:
    """Renders a model at one image size. Make one per model: it uploads meshes and textures once."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int):
        self.model, self.width, self.height = model, width, height
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        self.renderer = mujoco.Renderer(model, height, width)
        self.scene = self.renderer.scene
        self.options = mujoco.MjvOption()
        self.options.sitegroup[:] = 0
        self.rect = mujoco.MjrRect(0, 0, width, height)

    def aim(self, data: mujoco.MjData, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Points the camera; returns the intrinsics and `world_from_camera`."""
        self.model.vis.global_.fovy = view.fovy
        self.renderer.update_scene(data, view.camera, self.options)
        left, right = self.scene.camera[0], self.scene.camera[1]
        forward, up = np.array(left.forward, float), np.array(left.up, float)
        roll = np.radians(view.roll)
        up = up * np.cos(roll) + np.cross(forward, up) * np.sin(roll)
        left.up, right.up = up, up
        pose = np.eye(4)
        pose[:3, 0], pose[:3, 1], pose[:3, 2] = np.cross(forward, up), -up, forward
        pose[:3, 3] = (np.array(left.pos) + np.array(right.pos)) / 2
        focal = self.height / 2 / np.tan(np.radians(view.fovy) / 2)
        return np.array([[focal, 0, self.width / 2], [0, focal, self.height / 2], [0, 0, 1.0]]), pose

    def measure(self, intrinsics: np.ndarray, pose: np.ndarray) -> Picture:
        """Depth and geom ids in one pass; needs `aim` first."""
        flags = self.scene.flags.copy()
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = True
        self.scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        identity = np.empty((self.height, self.width, 3), np.uint8)
        buffer = np.empty((self.height, self.width), np.float32)
        self._draw(identity, buffer)
        np.copyto(self.scene.flags, flags)
        return Picture(self._metres(buffer[::-1]), self._geoms(identity[::-1]), intrinsics, pose)

    def colour(self, shadows: bool) -> np.ndarray:
        """The colour image; needs `aim` first."""
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        self.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        image = np.empty((self.height, self.width, 3), np.uint8)
        self._draw(image, None)
        return np.ascontiguousarray(image[::-1])

    def _draw(self, image: np.ndarray | None, depth: np.ndarray | None) -> None:
        self.renderer._gl_context.make_current()
        mujoco.mjr_render(self.rect, self.scene, self.renderer._mjr_context)
        mujoco.mjr_readPixels(image, depth, self.rect, self.renderer._mjr_context)

    def _metres(self, buffer: np.ndarray) -> np.ndarray:
        """MuJoCo's depth buffer is reversed: 1 at the near plane, 0 at the far plane."""
        near, far = (plane * self.model.stat.extent for plane in (self.model.vis.map.znear, self.model.vis.map.zfar))
        metres = near * far / (near + buffer.astype(np.float64) * (far - near))
        return np.where(buffer <= 0, 0, metres).astype(np.float32)

    def _geoms(self, identity: np.ndarray) -> np.ndarray:
        number = identity.astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        lookup = np.full(self.scene.ngeom + 1, -1, np.int32)
        for geom in self.scene.geoms[: self.scene.ngeom]:
            if geom.segid != -1 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                lookup[geom.segid + 1] = geom.objid
        return lookup[number]

    def close(self) -> None:
        self.renderer.close()


def project(points: np.ndarray, intrinsics: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """World points as pixels; NaN behind the camera."""
    local = (np.atleast_2d(points) - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local[:, :2] / local[:, 2:] * intrinsics[0, 0] + intrinsics[:2, 2]
    return np.where(local[:, 2:] > 0.05, pixels, np.nan)
