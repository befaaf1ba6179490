"""A table with any robot, a target of any shape, walls and clutter, in MuJoCo; hands are placed, no physics runs.

The robots' own engines have one or two scenes each, with one object. Here each scene has another table, floor, height,
target and walls, and every robot is dressed alike: what differs between two robots is the robot.
"""

from xml.etree import ElementTree

import mujoco
import numpy as np
from PIL import Image

import appearance
import camera
import mjcf
import robots
import solids
import stage
import things
from simulators import DISTRACTORS, Robot, Simulator, add_distractors, add_patterns
from tasks import Task

TABLELESS = 0.25  # how often robot and things stand on the floor
SHAPELESS = 0.6  # how often the target is one solid, which changes from frame to frame
WALLS = 3
PICTURES = 2  # of the spare textures so many are pictures that robosuite ships
MATERIALS = ("wood", "plaster", "tile", "brick", "felt", "metal", "steel", "ceramic", "clay", "dirt")
TIP_SLICE = 0.003  # a fingertip's end is the middle of what lies within this distance of its farthest point, metres


class Workbench(Simulator):
    """A compiled scene with the uses of `Simulator`; there is no environment to play."""

    def __init__(self, task: Task, rng: np.random.Generator):
        self.task, self.env = task, None
        self.made = robots.make(task.simulator, task.name, rng)
        self.model = self._compile(rng)
        self.data = mujoco.MjData(self.model)
        self.robot = Robot(
            arm_joints=tuple(self.made.home),
            finger_joints=self.made.finger_joints,
            hand_body=self.made.hand,
            finger_geoms=(),
            table_height=0.0,
            table_area=self.made.area,
            facing_azimuth=180.0,
            table_bodies=("world",),
            steepest_tilt=60.0,
            cameras=camera.WIDE,
        )
        self._find_parts()
        self._rest()
        if rng.random() < 0.35:
            self._repaint(rng)
        appearance.fill_textures(self.model, rng)
        _use_pictures(self.model, rng)

    def _compile(self, rng: np.random.Generator) -> mujoco.MjModel:
        spec = mujoco.MjSpec.from_string(ElementTree.tostring(self.made.mjcf, encoding="unicode"))
        for geom in list(spec.geoms):
            if not self.made.drawn(geom):
                geom.delete()
            else:
                geom.group, geom.contype, geom.conaffinity = 1, 0, 0
        for mesh in spec.meshes:
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # the volume of a drawn mesh may be none at all
        spec.compiler.degree, spec.compiler.boundmass, spec.compiler.boundinertia = False, 0.001, 1e-6
        add_patterns(spec, rng)
        stage.add_sky(spec, rng)
        self._furnish(spec, rng)
        add_distractors(spec)
        self._add_target(spec, rng)
        spec.visual.map.znear, spec.visual.map.zfar, spec.stat.extent = 0.02, 30.0, 1.0
        model = stage.finished(spec)
        model.mat_reflectance[:] = 0
        return model

    def _furnish(self, spec: mujoco.MjSpec, rng: np.random.Generator) -> None:
        """Table, pedestal, floor and up to three walls."""
        world, box = spec.worldbody, mujoco.mjtGeom.mjGEOM_BOX
        floor = 0.0 if rng.random() < TABLELESS else -rng.uniform(0.3, 0.9)
        world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[8, 8, 0.1], pos=[0, 0, floor], group=1)
        if floor < 0:
            x0, x1, y0, y1 = self.made.area
            back = x0 - rng.uniform(0.05, 0.6)  # some tables end before the base, which then has a pedestal
            half = [(x1 - back + rng.uniform(0.05, 0.5)) / 2, (y1 - y0) / 2 + rng.uniform(0.05, 0.5), 0.02]
            world.add_geom(name="table", type=box, size=half, pos=[back + half[0], (y0 + y1) / 2, -0.02], group=1)
            side = rng.uniform(0.08, 0.16)
            world.add_geom(
                name="pedestal", type=box, size=[side, side, -floor / 2], pos=[0, 0, floor / 2 - 0.002], group=1
            )
        for i in range(int(rng.integers(0, WALLS + 1))):
            turn, far, height = rng.uniform(0, 2 * np.pi), rng.uniform(1.2, 3.5), rng.uniform(0.6, 2.5)
            world.add_geom(
                name=f"wall{i}",
                type=box,
                size=[0.03, rng.uniform(0.5, 4), height / 2],
                pos=[0.5 + far * np.cos(turn), far * np.sin(turn), floor + height / 2],
                quat=[np.cos(turn / 2), 0, 0, np.sin(turn / 2)],
                group=1,
            )

    def _add_target(self, spec: mujoco.MjSpec, rng: np.random.Generator) -> None:
        """One solid, or a kind of `things` that the many grippers are trained on, lying as it was placed."""
        kinds = [kind for kind in things.KINDS.values() if not kind.held_out]
        if rng.random() < SHAPELESS:
            parts = [solids.box(0.02, 0.02, 0.02, (0, 0, 0.02))]
        else:
            parts = things.lying(kinds[rng.integers(len(kinds))], rng)
        centre = solids.centroid(parts)
        x0, x1, y0, y1 = self.made.area
        body = spec.worldbody.add_body(name="target", pos=[(x0 + x1) / 2, (y0 + y1) / 2, centre[2]])
        body.add_freejoint(name="target")
        stage.add_solids(body, "target", [part.moved(np.eye(3), -centre) for part in parts], np.full(3, 0.5))
        for geom in body.geoms:
            geom.group = 1

    def _find_parts(self) -> None:
        m = self.model
        of_body: dict[str, list[int]] = {}
        for geom in range(m.ngeom):
            of_body.setdefault(m.body(m.geom_bodyid[geom]).name, []).append(geom)
        self.each_finger = [[g for body in finger for g in of_body.get(body, [])] for finger in self.made.fingers]
        self.finger_geoms = [geom for geoms in self.each_finger for geom in geoms]
        self.hand_geoms = [geom for body in self.made.palm for geom in of_body.get(body, [])]
        self.target_geoms, self.other_parts = of_body["target"], {}
        self.distractors = [m.geom(f"distractor{i}").id for i in range(DISTRACTORS)]
        named = {m.geom(geom).name: geom for geom in of_body["world"]}
        self.table_geoms = [named[name] for name in ("table",) if name in named]
        self.floor_geoms = [named["floor"]]
        self.backdrop = [[geom] for name, geom in named.items() if name.startswith(("wall", "pedestal"))]
        self.target_body = self.target_root = m.body("target").id
        self.hand = m.body(self.made.hand).id
        fixed = {"target", "world", *(f"distractor{i}" for i in range(DISTRACTORS))}
        self.robot_geoms = [g for body, geoms in of_body.items() if body not in fixed for g in geoms]
        self.finger_qpos = [m.joint(name).qposadr[0] for name in self.made.finger_joints]
        self.corners = {geom: _corners(m, geom) for geom in self.finger_geoms}
        self.known_tips: tuple[bytes, np.ndarray] | None = None

    def _rest(self) -> None:
        """The pose from which hands are placed: the robot's own, turned until the hand points straight down."""
        m, d = self.model, self.data
        for joints in (self.made.home, self.made.other_joints):
            for name, position in joints.items():
                d.qpos[m.joint(name).qposadr[0]] = position
        for name, (_, opened) in self.made.finger_joints.items():
            d.qpos[m.joint(name).qposadr[0]] = opened
        mujoco.mj_forward(m, d)
        self.home = d.qpos.copy()
        self.approach_axis = np.array(self.made.axis, float)
        rotation = d.xmat[self.hand].reshape(3, 3)
        self.home_rotation = _onto(rotation @ self.approach_axis, np.array([0.0, 0.0, -1.0])) @ rotation

    def _repaint(self, rng: np.random.Generator) -> None:
        """The robot in one or two other colours."""
        colours = [appearance.any_colour(rng) for _ in range(int(rng.integers(1, 3)))]
        for geom in self.robot_geoms:
            self.model.geom_matid[geom] = -1
            self.model.geom_rgba[geom, :3] = colours[self.model.geom_bodyid[geom] % len(colours)]

    def fingertips(self) -> np.ndarray:
        """One point a finger: the middle of its far end, seen along the hand's approach axis."""
        d = self.data
        fingers = d.qpos[self.finger_qpos].tobytes()
        rotation = d.xmat[self.hand].reshape(3, 3)
        if self.known_tips is None or self.known_tips[0] != fingers:
            self.known_tips = fingers, (self._far_ends(rotation) - d.xpos[self.hand]) @ rotation
        return self.known_tips[1] @ rotation.T + d.xpos[self.hand]

    def _far_ends(self, rotation: np.ndarray) -> np.ndarray:
        d, ends = self.data, []
        to_axis = solids.frame_along(self.approach_axis)  # of the hand's frame; z becomes the approach axis
        frame = rotation @ to_axis
        for geoms in self.each_finger:
            points = np.vstack([self.corners[g] @ d.geom_xmat[g].reshape(3, 3).T + d.geom_xpos[g] for g in geoms])
            local = points @ frame
            end = local[local[:, 2] > local[:, 2].max() - TIP_SLICE]
            ends.append(frame @ np.append((end[:, :2].min(0) + end[:, :2].max(0)) / 2, local[:, 2].max()))
        return np.array(ends)

    def target_point(self) -> np.ndarray:
        """The centroid of the target's volume."""
        return self.data.xpos[self.target_body].copy()

    def close(self) -> None:
        """There is no environment to close."""


def _use_pictures(m: mujoco.MjModel, rng: np.random.Generator) -> None:
    """Wood, plaster and the like in place of some of the drawn patterns."""
    files = sorted((mjcf.package("robosuite") / "models" / "assets" / "textures").glob("*.png"))
    files = [file for file in files if any(word in file.name for word in MATERIALS)]
    spare = [texture for texture in range(m.ntex) if m.tex(texture).name.startswith("pattern")]
    for texture, file in zip(spare[:PICTURES], rng.permutation(np.array(files, object)), strict=False):
        height, width, start = m.tex_height[texture], m.tex_width[texture], m.tex_adr[texture]
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((width, height)))
        m.tex_data[start : start + pixels.size] = pixels.reshape(-1)


def _corners(m: mujoco.MjModel, geom: int) -> np.ndarray:
    """Points of a geom's surface in its own frame: all corners of a mesh or of a solid's mesh."""
    if m.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = m.geom_dataid[geom]
        return m.mesh_vert[m.mesh_vertadr[mesh] : m.mesh_vertadr[mesh] + m.mesh_vertnum[mesh]].astype(float)
    kinds = {getattr(mujoco.mjtGeom, f"mjGEOM_{word}"): kind for kind, word in stage.GEOMS.items()}
    kind = kinds[mujoco.mjtGeom(int(m.geom_type[geom]))]
    sizes = {"box": 3, "ball": 1, "cylinder": 2, "capsule": 2}[kind]
    return solids.mesh(solids.Solid(kind, tuple(m.geom_size[geom, :sizes]), np.zeros(3), np.eye(3)))[0]


def _onto(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The least rotation that carries one direction to another."""
    axis, cosine = np.cross(start, end), float(start @ end)
    if np.linalg.norm(axis) < 1e-9:
        return np.eye(3) if cosine > 0 else 2 * np.outer(e := solids.frame_along(start)[:, 0], e) - np.eye(3)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + k + k @ k / (1 + cosine)
