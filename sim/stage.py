"""The MuJoCo engine: a table with a rig, a target and clutter, drawn kinematically; no physics runs."""

from dataclasses import dataclass

import mujoco
import numpy as np

import appearance
import camera
from rigs import Rig
from simulators import add_patterns
from solids import Solid

TABLE = (0.62, 0.45, 0.02)  # half sizes, metres; its top is at z = 0
FLOOR = -0.75
GEOMS = {"box": "BOX", "ball": "SPHERE", "cylinder": "CYLINDER", "capsule": "CAPSULE"}


@dataclass
class Props:
    """Everything in a scene but the table: the gripper, the target, and the other things by name."""

    rig: Rig
    target: list[Solid]
    others: dict[str, tuple[list[Solid], np.ndarray]]  # name -> solids, colour
    target_colour: np.ndarray
    finger_colour: np.ndarray | None  # None: as the model's authors chose


class Stage:
    """A compiled scene with its renderer. `finger_geoms`, `target_geoms` and `names` are ids in its pictures."""

    def __init__(self, props: Props, size: tuple[int, int], rng: np.random.Generator):
        self.finger_geoms: list[int] = []
        self.names: dict[str, list[int]] = {}
        self.model = _compile(props, rng)
        self.data = mujoco.MjData(self.model)
        m = self.model
        prefixes = [m.geom(g).name.split("/")[0] for g in range(m.ngeom)]
        self.finger_geoms = [g for g, prefix in enumerate(prefixes) if prefix == "finger"]
        self.target_geoms = [g for g, prefix in enumerate(prefixes) if prefix == "target"]
        self.names = {name: [g for g, p in enumerate(prefixes) if p == f"other {name}"] for name in props.others}
        appearance.fill_textures(m, rng)
        for name in ("table", "floor"):
            appearance.paint(m, [m.geom(name).id], appearance.any_colour(rng), rng, textured=0.5)
        self.shadows = appearance.shuffle_lights(m, rng)
        self.eye = camera.Eye(m, *size)

    def pose(self, rotation: np.ndarray, translation: np.ndarray) -> None:
        """Puts the gripper somewhere."""
        self.data.mocap_pos[0] = translation
        mujoco.mju_mat2Quat(self.data.mocap_quat[0], rotation.reshape(-1))
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def aim(self, view: camera.View) -> tuple[np.ndarray, np.ndarray]:
        return self.eye.aim(self.data, view)

    def measure(self, intrinsics: np.ndarray, pose: np.ndarray) -> camera.Picture:
        return self.eye.measure(intrinsics, pose)

    def colour(self) -> np.ndarray:
        return self.eye.colour(self.shadows)

    def close(self) -> None:
        self.eye.close()


def _compile(props: Props, rng: np.random.Generator) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    add_patterns(spec, rng)
    add_sky(spec, rng)
    world = spec.worldbody
    world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[4, 4, 0.1], pos=[0, 0, FLOOR])
    world.add_geom(name="table", type=mujoco.mjtGeom.mjGEOM_BOX, size=list(TABLE), pos=[0, 0, -TABLE[2]])
    add_solids(world, "target", props.target, props.target_colour)
    for name, (solids, colour) in props.others.items():
        add_solids(world, f"other {name}", solids, colour)
    _add_rig(spec, props)
    spec.visual.map.znear, spec.visual.map.zfar, spec.stat.extent = 0.02, 30.0, 1.0
    spec.stat.center = [0, 0, 0]
    return finished(spec)


def add_sky(spec: mujoco.MjSpec, rng: np.random.Generator) -> None:
    """A sky of two colours and two lights, for `appearance.shuffle_lights` to move."""
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=rng.uniform(0, 1, 3),
        rgb2=rng.uniform(0, 1, 3),
        width=128,
        height=768,
    )
    for _ in range(2):
        spec.worldbody.add_light(pos=[0, 0, 2], dir=[0, 0, -1], directional=True)


def finished(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """The compiled model, with balls that are round."""
    model = spec.compile()
    model.vis.quality.shadowsize = 1024
    model.vis.quality.numslices, model.vis.quality.numstacks = 64, 32  # else a ball is an edgy one, 0.3 mm off
    return model


def _add_rig(spec: mujoco.MjSpec, props: Props) -> None:
    gripper = spec.worldbody.add_body(name="gripper", mocap=True)
    for i, part in enumerate(props.rig.parts):
        vertices, faces = welded(part.triangles)
        spec.add_mesh(
            name=f"part{i}",
            uservert=vertices.reshape(-1).tolist(),
            userface=faces.reshape(-1).tolist(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,  # the volume of a drawn mesh may be none at all
        )
        finger = part.finger >= 0
        colour = props.finger_colour if finger and props.finger_colour is not None else part.colour
        gripper.add_geom(
            name=f"{'finger' if finger else 'palm'}/{i}",
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=f"part{i}",
            rgba=[*colour, 1],
            contype=0,
            conaffinity=0,
        )
    add_solids(gripper, "arm", props.rig.forearm, np.full(3, forearm_grey(props.rig.name)))


def forearm_grey(name: str) -> float:
    """The forearm's shade, from white to dark grey; a gripper keeps its own."""
    return 0.25 + 0.65 * (sum(name.encode()) % 7) / 6


def add_solids(body, prefix: str, solids: list[Solid], colour: np.ndarray) -> None:
    """Solids as geoms of a body that nothing collides with, named prefix/0 and up."""
    for i, solid in enumerate(solids):
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, solid.rotation.reshape(-1))
        body.add_geom(
            name=f"{prefix}/{i}",
            type=getattr(mujoco.mjtGeom, f"mjGEOM_{GEOMS[solid.kind]}"),
            size=[*solid.size, 0, 0][:3],
            pos=solid.position,
            quat=quaternion,
            rgba=[*colour, 1],
            contype=0,
            conaffinity=0,
        )


def welded(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles as vertices and faces; a vertex that several share stands once."""
    vertices, faces = np.unique(np.round(triangles.reshape(-1, 3), 7), axis=0, return_inverse=True)
    faces = faces.reshape(-1, 3)
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return vertices, faces[distinct]
