"""PyBullet's TinyRenderer: its own boxes, and meshes, many of which come with it (pybullet_data)."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pybullet
import pybullet_data
from PIL import Image
from scipy.spatial.transform import Rotation

from photo_rooms import shapes
from photo_rooms.engines import Picture, any_box, any_cylinder, patterned
from photo_rooms.room import HEIGHT, WIDTH, Make, Room, Thing

NEAR, FAR = 0.05, 12.0
BLOCKS = 40  # of the thousand bodies of chance that come with it


@cache
def _data(path: str) -> shapes.Shape:
    """A mesh of longest side 1, its z up."""
    shape = shapes.loaded(Path(pybullet_data.getDataPath()) / path)
    return shapes.scaled(shape, 1 / np.ptp(shape.vertices, axis=0).max())


def _scaled(path: str) -> Make:
    return lambda rng, long: shapes.scaled(_data(path), long)


def _odd_block(rng: np.random.Generator, long: float) -> shapes.Shape:
    number = rng.integers(BLOCKS)
    return shapes.scaled(_data(f"random_urdfs/{number:03}/{number:03}.obj"), long)


CATALOGUE: dict[str, Make] = {
    "box": any_box,
    "cylinder": any_cylinder,
    "ball": lambda rng, long: shapes.ball(long / 2),
    "mug": _scaled("objects/mug.obj"),
    "lego brick": _scaled("lego/lego.obj"),
    "domino": _scaled("domino/domino.obj"),
    "football": _scaled("soccerball.obj"),
    "tray": _scaled("tray/tray_textured.obj"),
    "odd block": _odd_block,
}


def draw(room: Room) -> Picture:
    rng = np.random.default_rng(len(room.things))
    client = pybullet.connect(pybullet.DIRECT)
    try:
        for number, thing in enumerate(room.things):
            if _add(client, thing, rng) != number:
                raise RuntimeError("PyBullet numbers its bodies otherwise than from 0 on")
        return _picture(client, room)
    finally:
        pybullet.disconnect(client)


def _picture(client: int, room: Room) -> Picture:
    camera = room.camera
    position, ahead, up = camera.position, camera.rotation[:, 2], -camera.rotation[:, 1]
    fov = 2 * np.degrees(np.arctan(HEIGHT / 2 / camera.focal))
    _, _, image, buffer, bodies = pybullet.getCameraImage(
        WIDTH,
        HEIGHT,
        pybullet.computeViewMatrix(position.tolist(), (position + ahead).tolist(), up.tolist()),
        pybullet.computeProjectionMatrixFOV(fov, WIDTH / HEIGHT, NEAR, FAR),
        renderer=pybullet.ER_TINY_RENDERER,
        lightDirection=[0.4, -0.6, 1.0],
        lightAmbientCoeff=0.5,
        lightDiffuseCoeff=0.5,
        lightSpecularCoeff=0.1,
        shadow=0,
        physicsClientId=client,
    )
    colour = np.reshape(image, (HEIGHT, WIDTH, 4))[..., :3].astype(np.uint8)
    seen = np.reshape(bodies, (HEIGHT, WIDTH))
    seen = np.where(seen < 0, -1, seen & 0xFFFFFF)
    depth = FAR * NEAR / (FAR - (FAR - NEAR) * np.reshape(buffer, (HEIGHT, WIDTH)).astype(np.float64))
    # It looks through a pixel's lower left corner.
    camera = replace(camera, cx=WIDTH / 2, cy=HEIGHT / 2 - 1)
    return Picture(colour, np.where(seen < 0, 0, depth), seen, camera)


def _add(client: int, thing: Thing, rng: np.random.Generator) -> int:
    """The body's number."""
    shape = thing.shape
    if shape.kind == "box":
        drawn = {"shapeType": pybullet.GEOM_BOX, "halfExtents": list(shape.size)}
    else:
        # Its own balls and cylinders are drawn with so few sides that one of half a metre is 2 cm too small in places.
        drawn = _triangles(shape)
    body = pybullet.createMultiBody(
        baseVisualShapeIndex=pybullet.createVisualShape(
            rgbaColor=[*thing.colour.tolist(), 1], physicsClientId=client, **drawn
        ),
        basePosition=thing.position.tolist(),
        baseOrientation=Rotation.from_matrix(thing.rotation).as_quat().tolist(),
        physicsClientId=client,
    )
    if shape.kind == "sheet":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pattern.png"
            Image.fromarray(patterned(thing.colour, rng)).save(path)
            texture = pybullet.loadTexture(str(path), physicsClientId=client)
        pybullet.changeVisualShape(body, -1, textureUniqueId=texture, rgbaColor=[1, 1, 1, 1], physicsClientId=client)
    return body


def _triangles(shape: shapes.Shape) -> dict:
    """With flat faces: each triangle has corners of its own."""
    corners = shape.vertices[shape.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    flat = corners.reshape(-1, 3)
    level = np.argsort(np.ptp(flat, axis=0))[1:]  # of a sheet: the two axes that it lies along
    return {
        "shapeType": pybullet.GEOM_MESH,
        "vertices": flat.tolist(),
        "indices": list(range(len(flat))),
        "normals": np.repeat(normals, 3, axis=0).tolist(),
        "uvs": flat[:, level].tolist(),
    }
