"""Loads one task of a simulator, with extra objects and textures compiled into its model.

Extra objects (distractors) are static bodies without collision: a frame moves them by editing `model.body_pos`, and
neither the physics nor the robot's own code notices them. Bodies driven by mocap would not do: Meta-World writes its
hand target into every mocap body at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from unittest import mock

import mujoco
import numpy as np

import appearance
import camera
from tasks import Task

DISTRACTORS = 6
TEXTURE_SIZE = 128
Furnish = Callable[[mujoco.MjSpec], None]  # puts what a recording needs beside the task's own things
HIDDEN_GROUP = 5  # geoms of this group are never drawn


@dataclass
class Robot:
    """How one simulator names its robot, and where its table is."""

    arm_joints: tuple[str, ...]
    finger_joints: dict[str, tuple[float, float]]  # joint -> position when closed, when open
    hand_body: str
    finger_geoms: tuple[str, ...]
    table_height: float
    table_area: tuple[float, float, float, float]  # x_min, x_max, y_min, y_max that the arm reaches
    facing_azimuth: float  # the azimuth of a camera that looks straight at the robot's front
    table_bodies: tuple[str, ...]
    steepest_tilt: float = 40.0  # degrees by which half of the hands are tilted at most
    cameras: camera.Cameras = camera.NEAR


FETCH = Robot(
    arm_joints=tuple(
        f"robot0:{n}_joint"
        for n in (
            "torso_lift",
            "shoulder_pan",
            "shoulder_lift",
            "upperarm_roll",
            "elbow_flex",
            "forearm_roll",
            "wrist_flex",
            "wrist_roll",
        )
    ),
    finger_joints={"robot0:r_gripper_finger_joint": (0.0, 0.05), "robot0:l_gripper_finger_joint": (0.0, 0.05)},
    hand_body="robot0:gripper_link",
    finger_geoms=("robot0:r_gripper_finger_link", "robot0:l_gripper_finger_link"),
    table_height=0.4,
    table_area=(1.10, 1.50, 0.45, 1.05),
    facing_azimuth=180.0,
    table_bodies=("table0",),
)
SAWYER = Robot(
    arm_joints=tuple(f"right_j{i}" for i in range(7)),
    finger_joints={"r_close": (0.04, 0.0), "l_close": (-0.03, 0.0)},
    hand_body="hand",
    finger_geoms=("rightpad_geom", "leftpad_geom"),
    table_height=0.0,
    table_area=(-0.35, 0.35, 0.42, 0.85),
    facing_azimuth=270.0,
    table_bodies=("tablelink", "RetainingWall"),
)


class Simulator:
    """A loaded task: the environment, its model and the geoms that make up each region."""

    def __init__(self, task: Task, rng: np.random.Generator, furnish: Furnish | None = None):
        self.task = task
        self.robot = FETCH if task.simulator == "fetch" else SAWYER
        with mock.patch.object(mujoco.MjModel, "from_xml_path", partial(_compile, rng=rng, furnish=furnish)):
            self.env = _fetch_env(task.name) if task.simulator == "fetch" else _metaworld_env(task.name)
        seed = int(rng.integers(2**31))
        if task.simulator == "metaworld":
            self.env.seed(seed)  # its reset() ignores the seed it is given
        self.observation, _ = self.env.reset(seed=seed)
        unwrapped = self.env.unwrapped
        self.model: mujoco.MjModel = unwrapped.model
        self.data: mujoco.MjData = unwrapped.data
        self.backdrop: list[list[int]] = []  # walls: painted anew in each frame, each for itself
        self._find_regions()
        self._hide_clutter()
        appearance.fill_textures(self.model, rng)

    def _find_regions(self) -> None:
        m = self.model
        visible = [g for g in range(m.ngeom) if m.geom_group[g] < 3 and not _see_through(m, g)]
        body_name = {g: m.body(m.geom_bodyid[g]).name for g in range(m.ngeom)}

        def pick(parts: tuple[str, ...]) -> list[int]:
            return [g for g in visible if any(_matches(m, g, body_name[g], part) for part in parts)]

        self.distractors = [m.geom(f"distractor{i}").id for i in range(DISTRACTORS)]
        self.finger_geoms = [m.geom(name).id for name in self.robot.finger_geoms]
        self.target_geoms = pick(self.task.target)
        if not self.target_geoms:
            raise ValueError(f"task {self.task.name}: no visible geom is a target {self.task.target}; see sim/tasks.py")
        self.other_parts = {name: pick(parts) for name, parts in self.task.others.items()}
        self.target_body = int(m.geom_bodyid[self.target_geoms[0]])
        self.target_root = int(m.body_rootid[self.target_body])
        self.table_geoms = [g for g in visible if body_name[g] in self.robot.table_bodies]
        self.floor_geoms = [g for g in visible if m.geom_type[g] == mujoco.mjtGeom.mjGEOM_PLANE]
        hand = m.body(self.robot.hand_body).id
        self.hand_geoms = [g for g in visible if m.geom_bodyid[g] == hand]
        self.hand = hand
        mujoco.mj_forward(m, self.data)
        rotation = self.data.xmat[hand].reshape(3, 3)
        self.approach_axis = rotation.T @ np.array([0.0, 0.0, -1.0])  # at rest the hand points straight down
        self.home = self.data.qpos.copy()
        self.home_rotation = rotation.copy()

    def _hide_clutter(self) -> None:
        m = self.model
        for g in range(m.ngeom):
            if _see_through(m, g) or "mocap" in m.body(m.geom_bodyid[g]).name:
                m.geom_group[g] = HIDDEN_GROUP

    def refresh(self) -> None:
        """Brings every position the renderer and the distances need up to date with `data.qpos`; no physics."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def fingertips(self) -> np.ndarray:
        """One point a finger: the centre of the finger's far end, seen along the hand's approach axis."""
        axis = self.data.xmat[self.hand].reshape(3, 3) @ self.approach_axis
        return np.array([self._far_end(g, axis) for g in self.finger_geoms])

    def _far_end(self, geom: int, axis: np.ndarray) -> np.ndarray:
        rotation = self.data.geom_xmat[geom].reshape(3, 3)
        along = rotation.T @ axis
        side = int(np.abs(along).argmax())
        half = self.model.geom_aabb[geom, 3 + side]
        centre = self.data.geom_xpos[geom] + rotation @ self.model.geom_aabb[geom, :3]
        return centre + rotation[:, side] * half * np.sign(along[side])

    def target_point(self) -> np.ndarray:
        """The centre of the target: the mean of its geoms' centres, each weighted by its bounding box."""
        m, d = self.model, self.data
        centres = [d.geom_xpos[g] + d.geom_xmat[g].reshape(3, 3) @ m.geom_aabb[g, :3] for g in self.target_geoms]
        volumes = [float(np.prod(m.geom_aabb[g, 3:] + 1e-4)) for g in self.target_geoms]
        return np.average(centres, axis=0, weights=volumes)

    def gap(self, geoms_a: list[int], geoms_b: list[int]) -> float:
        """Smallest gap between two sets of geoms, in metres; below zero where they overlap."""
        ends = np.zeros(6)
        # Beyond what it is asked for, Meta-World's MuJoCo answers 1e10 m (findings/mujoco_geom_distance_when_far.sh).
        farthest_m = 10.0
        pairs = [(a, b) for a in geoms_a for b in geoms_b]
        return min(
            farthest_m,
            *(mujoco.mj_geomDistance(self.model, self.data, a, b, farthest_m, ends) for a, b in pairs),
        )

    def close(self) -> None:
        self.env.close()


def add_patterns(spec: mujoco.MjSpec, rng: np.random.Generator) -> None:
    """Spare textures and a material of the same name for each, for `appearance` to paint and use."""
    for i in range(appearance.TEXTURES):
        spec.add_texture(
            name=f"pattern{i}",
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            width=TEXTURE_SIZE,
            height=TEXTURE_SIZE,
            nchannel=3,
        )
        material = spec.add_material(name=f"pattern{i}", texuniform=True, texrepeat=rng.uniform(1.0, 8.0, 2))
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = f"pattern{i}"


def add_distractors(spec: mujoco.MjSpec) -> None:
    """Boxes below the floor that `Studio` gives other shapes and brings up."""
    for i in range(DISTRACTORS):
        body = spec.worldbody.add_body(name=f"distractor{i}", pos=[0, 0, -5])
        body.add_geom(
            name=f"distractor{i}", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.02] * 3, contype=0, conaffinity=0, group=1
        )


def _compile(path: str, rng: np.random.Generator, furnish: Furnish | None) -> mujoco.MjModel:
    spec = mujoco.MjSpec.from_file(path)
    add_patterns(spec, rng)
    for texture in spec.textures:
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX and texture.builtin != mujoco.mjtBuiltin.mjBUILTIN_NONE:
            texture.rgb1, texture.rgb2 = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
    add_distractors(spec)
    if furnish:
        furnish(spec)
    model = spec.compile()
    model.vis.quality.shadowsize = 1024
    model.mat_reflectance[:] = 0
    return model


def _fetch_env(name: str):
    import gymnasium
    import gymnasium_robotics

    gymnasium.register_envs(gymnasium_robotics)
    return gymnasium.make(name, render_mode=None, max_episode_steps=1000)


def _metaworld_env(name: str):
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    env = ALL_V3_ENVIRONMENTS[name]()
    env._set_task_called = True  # we choose the arrangement by seed, not by Meta-World's benchmark tasks
    env._freeze_rand_vec = False
    env.seeded_rand_vec = True  # else the arrangement comes from numpy's global, unseeded generator
    env._partially_observable = False
    env.max_path_length = 10_000
    return env


def _matches(m: mujoco.MjModel, geom: int, body: str, part: str) -> bool:
    wanted_body, slash, wanted_shape = part.partition("/")
    if body != wanted_body:
        return False
    is_mesh = m.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH
    shape = m.mesh(m.geom_dataid[geom]).name if is_mesh else "primitive"
    return not slash or shape == wanted_shape


def _see_through(m: mujoco.MjModel, geom: int) -> bool:
    """Glass and nets: the camera sees through them, depth and masks would not, so they are left out of the picture."""
    material = m.geom_matid[geom]
    return (m.mat_rgba[material, 3] if material >= 0 else m.geom_rgba[geom, 3]) < 0.95
