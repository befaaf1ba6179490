"""The second engine: the scene of stage.py drawn by pybullet's TinyRenderer, with its own depth, colours and light."""

import tempfile
from pathlib import Path

import numpy as np
import pybullet
from PIL import Image
from scipy.spatial.transform import Rotation

import appearance
import camera
import solids
import stage
from solids import Solid

NEAR, FAR = 0.05, 12.0
MOST_VERTICES = 100_000  # pybullet takes 131072 vertices a shape
FLOOR_TILES = 12  # TinyRenderer drops a triangle that reaches behind the camera: floor and table are of many


class Canvas:
    """An engine of its own with what it takes to fill and to see it. Geom ids of its pictures are pybullet's bodies."""

    def __init__(self, size: tuple[int, int]):
        self.size = size
        self.client = pybullet.connect(pybullet.DIRECT)
        self.light: dict = {}
        self.image: np.ndarray | None = None

    def shine(self, rng: np.random.Generator) -> None:
        """A light from somewhere."""
        azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.4)
        self.light = {
            "lightDirection": [np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)],
            "lightColor": list(rng.uniform(0.85, 1.0, 3)),
            "lightDistance": 3.0,
            "lightAmbientCoeff": rng.uniform(0.35, 0.6),
            "lightDiffuseCoeff": rng.uniform(0.3, 0.6),
            "lightSpecularCoeff": rng.uniform(0.0, 0.3),
            "shadow": int(rng.random() < 0.3),
        }

    def add_solids(self, parts: list[Solid], colour: np.ndarray) -> int:
        return self.add_body([vertices[faces] for vertices, faces in map(solids.mesh, parts)], colour)

    def add_body(self, triangles: list[np.ndarray], colour: np.ndarray, uvs: np.ndarray | None = None) -> int:
        """A body of drawn triangles, so that the picture shows the very surface the truth is computed from."""
        shape = self.drawn(triangles, colour, uvs)
        return pybullet.createMultiBody(baseVisualShapeIndex=shape, physicsClientId=self.client)

    def drawn(self, triangles: list[np.ndarray], colour: np.ndarray, uvs: np.ndarray | None = None) -> int:
        """Triangles as a shape that is only seen."""
        vertices, normals, faces = _shaded(np.concatenate(triangles))
        extra = {} if uvs is None else {"uvs": uvs.tolist()}
        return pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=vertices.tolist(),
            indices=faces.reshape(-1).tolist(),
            normals=normals.tolist(),
            rgbaColor=[*map(float, colour), 1],
            physicsClientId=self.client,
            **extra,
        )

    def add_surface(self, triangles: list[np.ndarray], rng: np.random.Generator) -> None:
        """Table or floor, plain or textured."""
        points = np.concatenate(triangles).reshape(-1, 3)
        body = self.add_body(triangles, appearance.any_colour(rng), points[:, :2] * rng.uniform(1.0, 6.0))
        if rng.random() < 0.5:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "pattern.png"
                Image.fromarray(appearance.pattern(128, 128, rng)).save(path)
                texture = pybullet.loadTexture(str(path), physicsClientId=self.client)
            pybullet.changeVisualShape(
                body, -1, textureUniqueId=texture, rgbaColor=[1, 1, 1, 1], physicsClientId=self.client
            )

    def aim(self, view: camera.View) -> tuple[np.ndarray, np.ndarray]:
        """Points the camera as `camera.Eye.aim` does; returns the intrinsics and `world_from_camera`."""
        width, height = self.size
        azimuth, elevation, roll = np.radians([view.camera.azimuth, view.camera.elevation, view.roll])
        forward = np.array(
            [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        right = np.array([np.sin(azimuth), -np.cos(azimuth), 0])
        up = np.cross(right, forward)
        up = up * np.cos(roll) + np.cross(forward, up) * np.sin(roll)
        pose = np.eye(4)
        pose[:3, 0], pose[:3, 1], pose[:3, 2] = np.cross(forward, up), -up, forward
        pose[:3, 3] = np.array(view.camera.lookat) - view.camera.distance * forward
        self.matrices = (
            pybullet.computeViewMatrix(list(pose[:3, 3]), list(pose[:3, 3] + forward), list(up)),
            pybullet.computeProjectionMatrixFOV(view.fovy, width / height, NEAR, FAR),
        )
        focal = height / 2 / np.tan(np.radians(view.fovy) / 2)
        # TinyRenderer looks through the left lower corner of a pixel, not through its middle: so it was measured.
        return np.array([[focal, 0, width / 2 + 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1.0]]), pose

    def measure(self, intrinsics: np.ndarray, pose: np.ndarray) -> camera.Picture:
        """Depth, bodies and, for `colour`, the picture, all in one pass; needs `aim` first."""
        width, height = self.size
        _, _, image, buffer, bodies = pybullet.getCameraImage(
            width,
            height,
            *self.matrices,
            renderer=pybullet.ER_TINY_RENDERER,
            physicsClientId=self.client,
            **self.light,
        )
        self.image = np.reshape(image, (height, width, 4))[..., :3].astype(np.uint8)
        buffer = np.reshape(buffer, (height, width)).astype(np.float64)
        bodies = np.reshape(bodies, (height, width))
        depth = FAR * NEAR / (FAR - (FAR - NEAR) * buffer)
        depth = np.where(bodies < 0, 0, depth).astype(np.float32)
        return camera.Picture(depth, np.where(bodies < 0, -1, self.geoms(bodies)), intrinsics, pose)

    def geoms(self, bodies: np.ndarray) -> np.ndarray:
        """What the engine says of each pixel as geom ids."""
        return bodies & 0xFFFFFF

    def colour(self) -> np.ndarray:
        """The colour image of the last `measure`."""
        return np.ascontiguousarray(self.image)

    def close(self) -> None:
        pybullet.disconnect(self.client)


class Stage(Canvas):
    """A scene in pybullet with the same uses as `stage.Stage`."""

    def __init__(self, props: stage.Props, size: tuple[int, int], rng: np.random.Generator):
        super().__init__(size)
        rig = [
            (self.add_body([part.triangles], self._finger_colour(props, part)), part.finger >= 0)
            for part in props.rig.parts
        ]
        grey = np.full(3, stage.forearm_grey(props.rig.name))
        self.gripper = [body for body, _ in rig] + [self.add_solids(props.rig.forearm, grey)]
        self.finger_geoms = [body for body, finger in rig if finger]
        self.target_geoms = [self.add_solids(props.target, props.target_colour)]
        self.names = {name: [self.add_solids(parts, colour)] for name, (parts, colour) in props.others.items()}
        table = tiled(stage.TABLE[0], stage.TABLE[1], 0.0)
        edge = solids.mesh(solids.box(*stage.TABLE, (0, 0, -stage.TABLE[2] - 0.001)))
        self.add_surface([table, edge[0][edge[1]]], rng)
        self.add_surface([tiled(3.0, 3.0, stage.FLOOR)], rng)
        self.shine(rng)

    @staticmethod
    def _finger_colour(props: stage.Props, part) -> np.ndarray:
        return props.finger_colour if part.finger >= 0 and props.finger_colour is not None else np.array(part.colour)

    def pose(self, rotation: np.ndarray, translation: np.ndarray) -> None:
        """Puts the gripper somewhere."""
        turn = Rotation.from_matrix(rotation).as_quat()
        for body in self.gripper:
            pybullet.resetBasePositionAndOrientation(body, translation, turn, physicsClientId=self.client)


def tiled(half_x: float, half_y: float, height: float) -> np.ndarray:
    """A level rectangle of many triangles."""
    x, y = np.linspace(-half_x, half_x, FLOOR_TILES + 1), np.linspace(-half_y, half_y, FLOOR_TILES + 1)
    corner = np.stack(np.meshgrid(x, y, [height], indexing="ij"), -1)[:, :, 0]
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    return np.concatenate([np.stack([a, b, c], 2).reshape(-1, 3, 3), np.stack([a, c, d], 2).reshape(-1, 3, 3)])


def _shaded(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, normals and faces: flat triangles, or shared vertices with mean normals where there are too many."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    if 3 * len(triangles) <= MOST_VERTICES:
        vertices, faces = triangles.reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3)
        normals = np.repeat(normals, 3, axis=0)
    else:
        vertices, faces = stage.welded(triangles)
        corners = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
        normals = np.zeros_like(vertices)
        np.add.at(normals, faces.reshape(-1), np.repeat(corners, 3, axis=0))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return vertices, normals / np.maximum(length, 1e-12), faces
