"""MuJoCo's renderer: its own boxes, balls, cylinders, capsules and ellipsoids, and turned shapes as meshes."""

import os

os.environ.setdefault("MUJOCO_GL", "osmesa")  # renders on the processor
os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])

from dataclasses import replace

import mujoco
import numpy as np

from photo_rooms import shapes
from photo_rooms.engines import Picture, any_box, any_cylinder, slim
from photo_rooms.room import HEIGHT, WIDTH, Make, Room, Thing

CATALOGUE: dict[str, Make] = {
    "box": any_box,
    "cylinder": any_cylinder,
    "ball": lambda rng, long: shapes.ball(long / 2),
    "capsule": lambda rng, long: shapes.capsule(long * 0.2, long * 0.3),
    "egg": lambda rng, long: shapes.ellipsoid(*(long / 2 * np.array([*rng.uniform(0.5, 1.0, 2), 1]))),
    "bottle": lambda rng, long: slim(rng, shapes.bottle, long),
    "vase": lambda rng, long: slim(rng, shapes.vase, long),
    "bowl": lambda rng, long: shapes.bowl(long / 2, long * rng.uniform(0.25, 0.45)),
}
KINDS = {"box": "BOX", "ball": "SPHERE", "cylinder": "CYLINDER", "capsule": "CAPSULE", "ellipsoid": "ELLIPSOID"}


def draw(room: Room) -> Picture:
    model = _compiled(room)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, HEIGHT, WIDTH) as renderer:
        renderer.update_scene(data, "eye")
        colour = renderer.render().copy()
        renderer.enable_segmentation_rendering()
        identity = renderer.render().copy()
        renderer.disable_segmentation_rendering()
        renderer.enable_depth_rendering()
        depth = renderer.render().copy()
    seen = np.where(identity[..., 1] == mujoco.mjtObj.mjOBJ_GEOM, identity[..., 0], -1)
    # Its camera looks through the middles of pixels, about the middle of the picture.
    return Picture(colour, np.where(seen < 0, 0, depth), seen, replace(room.camera))


def _compiled(room: Room) -> mujoco.MjModel:
    """Geoms have the numbers of the things."""
    spec = mujoco.MjSpec()
    texture, camera = mujoco.mjtTexture, room.camera
    spec.add_texture(
        name="sky",
        type=texture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.6, 0.7, 0.9],
        rgb2=[0.9, 0.9, 0.9],
        width=64,
        height=384,
    )
    spec.add_texture(
        name="checks",
        type=texture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[1, 1, 1],
        rgb2=[0.75, 0.75, 0.75],
        width=128,
        height=128,
    )
    material = spec.add_material(name="checks", texrepeat=[2, 2], texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "checks"
    world = spec.worldbody
    world.add_light(pos=[0, -2, 3], dir=[0.2, 0.5, -1], diffuse=[0.6] * 3, ambient=[0.25] * 3, cutoff=90)
    world.add_camera(
        name="eye",
        pos=camera.position,
        quat=_quaternion(camera.rotation * (1, -1, -1)),
        fovy=2 * np.degrees(np.arctan(HEIGHT / 2 / camera.focal)),
    )
    for number, thing in enumerate(room.things):
        _add(spec, number, thing)
    spec.visual.map.znear, spec.visual.map.zfar, spec.stat.extent = 0.02, 30.0, 1.0
    spec.visual.global_.offwidth, spec.visual.global_.offheight = WIDTH, HEIGHT
    # Several samples a pixel would be averaged, in the depth and the numbers too: edges would be of neither side.
    spec.visual.quality.offsamples = 0
    spec.visual.quality.numslices, spec.visual.quality.numstacks = shapes.SIDES, shapes.SIDES // 2
    return spec.compile()


def _add(spec: mujoco.MjSpec, number: int, thing: Thing) -> None:
    shape = thing.shape
    options: dict = {"pos": thing.position, "quat": _quaternion(thing.rotation), "rgba": [*thing.colour, 1]}
    if shape.kind in KINDS:
        options |= {"type": getattr(mujoco.mjtGeom, f"mjGEOM_{KINDS[shape.kind]}"), "size": [*shape.size, 0, 0][:3]}
    else:
        spec.add_mesh(
            name=f"mesh{number}",
            uservert=shape.vertices.reshape(-1).tolist(),
            userface=shape.faces.reshape(-1).tolist(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,  # a sheet has no volume
        )
        options |= {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": f"mesh{number}"}
    if not thing.name:
        options["material"] = "checks"
    spec.worldbody.add_geom(name=str(number), contype=0, conaffinity=0, **options)


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation).reshape(-1))
    return quaternion
