"""Episodes in MuJoCo: Fetch (gymnasium-robotics) and Sawyer (Meta-World), their hands led by mocap."""

from typing import Any

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

import appearance
from bag import FRAMES_PER_SECOND
from camera import Picture, View
from episode_rules import Facts
from episode_scene import Block, Gaps, Layout, Scene, facts_of, lean_of, leaning
from studio import Studio
from tasks import Task

LAYOUTS = {
    "fetch": Layout(np.array([1.32, 0.75]), np.array([0.11, 0.16]), 0.4, 180.0, 0.05, 1),
    "sawyer": Layout(np.array([0.0, 0.62]), np.array([0.16, 0.09]), 0.0, 270.0, 0.045, 0),
}
ENVIRONMENTS = {"fetch": ("fetch", "FetchPickAndPlace-v4"), "sawyer": ("metaworld", "pick-place-v3")}
THINGS = {"fetch": ("object0", "object0:joint"), "sawyer": ("obj", "objjoint")}
CABINET = {"cabinet": ("drawercase_link",)}
DRAWER = Task("metaworld", "drawer-open-v3", ("drawer_link/drawerhandle",), "", others=CABINET)
HANDLE_RADIUS = 0.009  # of Meta-World's drawer, metres
GAINS = 30_000.0  # of the fingers' position servos; Meta-World's own are too weak to close at a steady speed
SQUEEZE = 0.005  # how far a finger's set point runs ahead of the finger, metres: 150 N
TYPES = {"box": mujoco.mjtGeom.mjGEOM_BOX, "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER}


class MujocoWorld:
    """One robot at one scene; see `episode_scene.World`."""

    def __init__(self, robot: str, scene: Scene, size: tuple[int, int], held_out: bool, rng: np.random.Generator):
        self.robot, self.scene, self.size = robot, scene, size
        self.layout = LAYOUTS[robot]
        simulator, name = ENVIRONMENTS[robot]
        drawer = scene.task == "open_drawer"
        others = {"goal": ("goal",)} if scene.goal else {}
        task = DRAWER if drawer else Task(simulator, name, (THINGS[robot][0],), "", others=others)
        self.studio = Studio(task, size, held_out, rng, self._furnish)
        self.sim = self.studio.sim
        m, self.data = self.sim.model, self.sim.data
        self.model = m
        self.steps = round(1 / FRAMES_PER_SECOND / m.opt.timestep)
        m.opt.timestep = 1 / FRAMES_PER_SECOND / self.steps
        right, left = self.sim.finger_geoms
        self.fingers = ([left], [right])
        self.parts = {"handle" if drawer else "cube": self.sim.target_geoms, **self.sim.other_parts}
        self.solids = self._handle_solids() if drawer else self.sim.target_geoms
        self._prepare()
        self.first = self.thing()
        self._dress(held_out, rng)

    def _furnish(self, spec: mujoco.MjSpec) -> None:
        """The thing's shape, and the goal."""
        if self.scene.thing is None:
            return
        body, _ = THINGS[self.robot]
        thing = next(b for b in spec.bodies if b.name == body)
        shape = thing.first_geom()
        shape.type, shape.size, shape.material = TYPES[self.scene.thing.kind], self._size(self.scene.thing), ""
        _solid(shape)
        goal = self.scene.goal
        if goal is None:
            return
        place = [*goal.place, self.layout.table + goal.half[2]]
        turn = [np.cos(goal.turn / 2), 0, 0, np.sin(goal.turn / 2)]
        placed = spec.worldbody.add_body(name="goal", pos=place, quat=turn)
        if goal.free:
            placed.add_freejoint(name="goal:joint")
        for i, part in enumerate(goal.parts()):
            size = [*part.size, 0][:3]
            x, y, z, w = Rotation.from_matrix(part.rotation).as_quat()
            shape = {"type": TYPES[part.kind], "size": size, "pos": list(part.position), "quat": [w, x, y, z]}
            marker = placed.add_geom(name=f"goal{i or ''}", rgba=[1, 1, 1, 1], **shape)
            if goal.flat:
                marker.contype = marker.conaffinity = 0
            else:
                _solid(marker)
        if goal.free:  # said outright: Meta-World's compiler makes no inertia of what is drawn
            placed.mass, placed.inertia = 0.4, [0.4 / 6 * goal.top**2] * 3
            placed.ipos, placed.iquat, placed.explicitinertial = [0, 0, 0], [1, 0, 0, 0], True

    def _size(self, block: Block) -> list[float]:
        return list(block.half) if block.kind == "box" else [block.half[0], block.half[2], 0]

    def _handle_solids(self) -> list[int]:
        """The capsules of the handle: its mesh would count as its convex hull, without the hole."""
        m, link = self.model, self.model.body("drawer_link").id
        capsule = mujoco.mjtGeom.mjGEOM_CAPSULE
        return [g for g in range(m.ngeom) if m.geom_bodyid[g] == link and m.geom_type[g] == capsule]

    def _prepare(self) -> None:
        """Everything to its place, the hand to its start, and still."""
        m, d = self.model, self.data
        for name in self.sim.robot.finger_joints:
            actuator = next(a for a in range(m.nu) if m.actuator_trnid[a, 0] == m.joint(name).id)
            m.actuator_gainprm[actuator, 0], m.actuator_biasprm[actuator, 1] = GAINS, -GAINS
        for g in range(m.ngeom):
            if m.geom(g).name in ("rightclaw_it", "leftclaw_it"):  # invisible, and wider than what is seen
                m.geom_contype[g] = m.geom_conaffinity[g] = 0
        self.turned = d.xquat[self.sim.hand].copy()
        tip = self.sim.fingertips().mean(0)
        self.offset = tip - d.xpos[self.sim.hand]
        self._put(self.scene.thing, THINGS[self.robot][1])
        if self.scene.goal and self.scene.goal.free:
            self._put(self.scene.goal, "goal:joint")
        if self.scene.thing is None:
            m.body_pos[m.body("drawer").id, 0] = self.scene.start[0] * 0.5
            mujoco.mj_forward(m, d)
        at = tip
        for _ in range(30):
            at = at + np.clip(self.scene.start - at, -0.04, 0.04)
            self.advance(at, self.widest())
        self._put(self.scene.thing, THINGS[self.robot][1])
        for _ in range(4):
            self.advance(at, self.widest())

    def _put(self, block: Block | None, joint: str) -> None:
        if block is None:
            return
        address = self.model.joint(joint).qposadr[0]
        turn = [np.cos(block.turn / 2), 0, 0, np.sin(block.turn / 2)]
        self.data.qpos[address : address + 7] = [*block.place, self.layout.table + block.half[2] + 0.0005, *turn]
        self.data.qvel[self.model.joint(joint).dofadr[0] :][:6] = 0
        mujoco.mj_forward(self.model, self.data)

    def _dress(self, held_out: bool, rng: np.random.Generator) -> None:
        self.studio.dress()
        thing = self.model.geom_rgba[self.sim.target_geoms[0], :3]
        for geoms in self.sim.other_parts.values():
            colour = appearance.any_colour(rng)
            while np.abs(colour - thing).max() < 0.3:
                colour = appearance.any_colour(rng)
            appearance.paint(self.model, geoms, colour, rng)
        clear = [self.thing(), self.scene.start] + ([self.goal()] if self.scene.goal else [])
        if len(clear) > 2:
            clear += [clear[0] * (1 - t) + clear[2] * t for t in (0.25, 0.5, 0.75)]
        if self.scene.thing is None:
            clear += [self.thing() + np.array([x, y, 0]) for x in (-0.08, 0.08) for y in (-0.15, 0.0, 0.1, 0.2)]
        self.studio.place_distractors(keep_clear=clear)
        for geom in self.sim.distractors:  # what floats, or stands where the hand works, is put away
            place = self.model.body_pos[self.model.geom_bodyid[geom]]
            aside = min(np.linalg.norm(place[:2] - point[:2]) for point in clear)
            if aside < 0.1 or place[2] > self.layout.table + 0.07:
                place[2] = -5.0

    def widest(self) -> float:
        """The fingers' opening when they stand as wide as they go."""
        return 0.1 if self.robot == "fetch" else 0.088

    def opening(self) -> float:
        joints = [float(self.data.qpos[self.model.joint(n).qposadr[0]]) for n in self.sim.robot.finger_joints]
        return sum(joints) if self.robot == "fetch" else self.widest() - joints[0] + joints[1]

    def ends(self) -> np.ndarray:
        return self.sim.fingertips()[::-1]

    def tips(self) -> np.ndarray:
        return self.sim.fingertips().mean(0)

    def thing(self) -> np.ndarray:
        return self.sim.target_point()

    def hook(self) -> np.ndarray:
        bar = max(self.solids, key=lambda g: -self.data.geom_xpos[g, 1])
        return self.data.geom_xpos[bar] + [0.0, 0.0345, -0.015]

    def goal(self) -> np.ndarray:
        if self.scene.task != "open_drawer":
            return self.data.body("goal").xpos.copy()
        return self.data.geom_xpos[self.sim.other_parts["cabinet"][0]].copy()

    def advance(self, tip: np.ndarray, opening: float, lean: float = 0.0) -> None:
        """One frame of physics with the hand led to `tip`, the fingers to `opening` and `lean` to the side."""
        m, d = self.model, self.data
        d.mocap_pos[0], d.mocap_quat[0] = tip - self.offset, self.turned
        if lean:
            to_side = leaning(self.layout, lean)
            d.mocap_pos[0] = tip - to_side.apply(self.offset)
            d.mocap_quat[0] = (to_side * Rotation.from_quat(self.turned, scalar_first=True)).as_quat(scalar_first=True)
        for _ in range(self.steps):
            for i, name in enumerate(self.sim.robot.finger_joints):
                at = d.qpos[m.joint(name).qposadr[0]]
                wanted = opening / 2
                if self.robot == "sawyer":
                    closed = (self.widest() - opening) / 2
                    wanted = closed if i == 0 else -closed
                actuator = next(a for a in range(m.nu) if m.actuator_trnid[a, 0] == m.joint(name).id)
                d.ctrl[actuator] = np.clip(wanted, at - SQUEEZE, at + SQUEEZE)
            mujoco.mj_step(m, d)
        mujoco.mj_forward(m, d)

    def facts(self) -> Facts:
        sim, goal = self.sim, self.scene.goal
        left, right = (sim.gap(finger, self.solids) for finger in self.fingers)
        gap, top = np.inf, self.layout.table
        if goal:
            geoms = sim.other_parts["goal"]
            gap = sim.gap(self.solids, geoms)
            top = top + goal.wall if goal.flat or goal.wall else 2 * self.goal()[2] - self._lowest(goal, geoms[0])
        thing = self.scene.thing
        bottom = self._lowest(thing, self.solids[0]) if thing else self.thing()[2] - HANDLE_RADIUS
        lean = lean_of(self._turn(self.solids[0])) if thing else 0.0
        return facts_of(self, Gaps(left, right, gap, bottom, top, lean))

    def _lowest(self, block: Block, geom: int) -> float:
        return block.solid(self.data.geom_xpos[geom], self._turn(geom)).lowest()

    def _turn(self, geom: int) -> np.ndarray:
        return self.data.geom_xmat[geom].reshape(3, 3)

    def snapshot(self) -> Any:
        return self.data.qpos.copy()

    def show(self, snapshot: Any) -> None:
        self.data.qpos[:] = snapshot
        self.sim.refresh()

    def shoot(self, view: View) -> Picture:
        return self.studio.eye.measure(*self.studio.eye.aim(self.data, view))

    def colour(self) -> np.ndarray:
        return self.studio.eye.colour(self.studio.shadows)

    def close(self) -> None:
        self.studio.close()


def _solid(geom) -> None:
    geom.contype = geom.conaffinity = 1
    geom.condim, geom.friction, geom.mass = 4, [1.0, 0.05, 0.01], 0.2
    geom.solref, geom.solimp = [0.01, 1], [0.99, 0.99, 0.01, 0.5, 2]
