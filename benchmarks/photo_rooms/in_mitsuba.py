"""Mitsuba's path tracer: its own spheres and cubes, and turned shapes as meshes, in light that is scattered
about; depth by its own rays through the middles of pixels.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import mitsuba
import numpy as np

from photo_rooms import shapes
from photo_rooms.engines import Picture, any_box, slim
from photo_rooms.room import HEIGHT, WIDTH, Camera, Make, Room, Thing

mitsuba.set_variant("scalar_rgb")
SAMPLES = 12  # a pixel

CATALOGUE: dict[str, Make] = {
    "box": any_box,
    "book": lambda rng, long: shapes.box(long * rng.uniform(0.05, 0.12), long * rng.uniform(0.3, 0.4), long / 2),
    "ball": lambda rng, long: shapes.ball(long / 2),
    "cone": lambda rng, long: slim(rng, shapes.cone, long),
    "ring": lambda rng, long: shapes.ring(long / 2, long * rng.uniform(0.07, 0.15)),
    "bottle": lambda rng, long: slim(rng, shapes.bottle, long),
    "vase": lambda rng, long: slim(rng, shapes.vase, long),
    "cup": lambda rng, long: shapes.bowl(long * rng.uniform(0.3, 0.5), long),
}


def draw(room: Room) -> Picture:
    with tempfile.TemporaryDirectory() as folder:
        scene = mitsuba.load_dict(_described(room, Path(folder)), parallel=False, optimize=False)
    image = mitsuba.util.convert_to_bitmap(mitsuba.render(scene, seed=0))
    depth, seen = _cast(scene, room.camera)
    return Picture(np.array(image)[..., :3], depth, seen, replace(room.camera))


def _described(room: Room, folder: Path) -> dict:
    camera = room.camera
    pose = np.eye(4)
    # Its camera looks along z with x to the left and y up.
    pose[:3, :3], pose[:3, 3] = camera.rotation * (-1, -1, 1), camera.position
    sensor = {
        "type": "perspective",
        "fov_axis": "y",
        "fov": 2 * np.degrees(np.arctan(HEIGHT / 2 / camera.focal)),
        "to_world": mitsuba.ScalarTransform4f(pose),
        "film": {"type": "hdrfilm", "width": WIDTH, "height": HEIGHT, "rfilter": {"type": "box"}},
        "sampler": {"type": "independent", "sample_count": SAMPLES},
    }
    lamp = mitsuba.ScalarTransform4f().translate([-1.0, -2.0, 3.5]).rotate([1, 0, 0], 150)
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 4},
        "sensor": sensor,
        "sky": {"type": "constant", "radiance": {"type": "rgb", "value": 0.55}},
        "lamp": {
            "type": "rectangle",
            "to_world": lamp,
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": 3.0}},
        },
    }
    return scene | {f"thing{number}": _thing(number, thing, folder) for number, thing in enumerate(room.things)}


def _thing(number: int, thing: Thing, folder: Path) -> dict:
    shape = thing.shape
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = thing.rotation, thing.position
    if shape.kind == "box":
        pose[:3, :3] = pose[:3, :3] * shape.size
        drawn = {"type": "cube", "to_world": mitsuba.ScalarTransform4f(pose)}
    elif shape.kind == "ball":
        drawn = {"type": "sphere", "center": thing.position.tolist(), "radius": shape.size[0]}
    else:
        path = folder / f"{number}.ply"
        _write_ply(path, thing.vertices(), shape.faces)
        drawn = {"type": "ply", "filename": str(path), "face_normals": True}
    return drawn | {"bsdf": {"type": "twosided", "bsdf": _surface(thing)}}


def _surface(thing: Thing) -> dict:
    """Coated where it is a round thing, else dull."""
    colour = {"type": "rgb", "value": thing.colour.tolist()}
    if thing.name and thing.shape.kind != "box":
        return {"type": "plastic", "diffuse_reflectance": colour}
    return {"type": "diffuse", "reflectance": colour}


def _write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    rows = np.empty(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, faces
    path.write_bytes(head.encode() + vertices.astype("<f4").tobytes() + rows.tobytes())


def _cast(scene: "mitsuba.Scene", camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Depth and what is hit, ray by ray: what the film holds is of points by chance within each pixel."""
    depth, seen = np.zeros(HEIGHT * WIDTH), np.full(HEIGHT * WIDTH, -1)
    origin = camera.position.tolist()
    for at, ray in enumerate((camera.rays().reshape(-1, 3) @ camera.rotation.T).tolist()):
        hit = scene.ray_intersect_preliminary(mitsuba.Ray3f(origin, ray))
        if hit.is_valid():
            name = hit.shape.id()
            if name.startswith("thing"):
                depth[at], seen[at] = hit.t, int(name[5:])
    return depth.reshape(HEIGHT, WIDTH), seen.reshape(HEIGHT, WIDTH)
