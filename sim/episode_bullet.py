"""Episodes in PyBullet: a Panda arm whose joints follow inverse kinematics, drawn by TinyRenderer."""

from typing import Any

import numpy as np
import pybullet
import pybullet_data
from scipy.spatial.transform import Rotation

import appearance
import solids
from bag import FRAMES_PER_SECOND
from bullet_stage import Canvas, tiled
from camera import Picture, View
from episode_rules import Facts
from episode_scene import Block, Gaps, Layout, Scene, facts_of, lean_of, leaning

LAYOUT = Layout(np.array([0.5, 0.0]), np.array([0.1, 0.17]), 0.0, 180.0, 0.045, 1)
STEPS = 32  # of physics a frame
REST = (0.0, -0.2, 0.0, -2.4, 0.0, 2.2, 0.785)
ARM, LEFT, RIGHT, HAND = tuple(range(7)), 9, 10, 11  # joints and links of pybullet_data's Panda
END = np.array([0.0, 0.008, 0.0537])  # of the left finger, in its link's frame
BELOW = 0.0071  # how far the fingers' ends are beyond the link that is led, metres
DOWN = pybullet.getQuaternionFromEuler((np.pi, 0, 0))
WIDEST = 0.08
FLOOR = -0.7


class BulletWorld(Canvas):
    """The Panda at one scene; see `episode_scene.World`. Ids in its pictures are of bodies with their links."""

    def __init__(self, scene: Scene, size: tuple[int, int], held_out: bool, rng: np.random.Generator):
        super().__init__(size)
        self.scene, self.layout, self.engine = scene, LAYOUT, {"physicsClientId": self.client}
        pybullet.setGravity(0, 0, -9.81, **self.engine)
        pybullet.setTimeStep(1 / FRAMES_PER_SECOND / STEPS, **self.engine)
        self._table(rng)
        urdf = f"{pybullet_data.getDataPath()}/franka_panda/panda.urdf"
        self.arm = pybullet.loadURDF(urdf, useFixedBase=True, **self.engine)
        for finger in (LEFT, RIGHT):
            pybullet.changeDynamics(self.arm, finger, lateralFriction=1.0, **self.engine)
        gear = [pybullet.JOINT_GEAR, [1, 0, 0], [0, 0, 0], [0, 0, 0]]  # the fingers move as one
        fingers = pybullet.createConstraint(self.arm, LEFT, self.arm, RIGHT, *gear, **self.engine)
        pybullet.changeConstraint(fingers, gearRatio=-1, erp=0.1, maxForce=50, **self.engine)
        colour = appearance.target_colour(rng, held_out)
        self.block = self._block(scene.thing, colour, 0.15)
        self.mark, self.walls = None, []
        if scene.goal:
            other = appearance.any_colour(rng)
            while np.abs(other - colour).max() < 0.3:
                other = appearance.any_colour(rng)
            self.mark = self._block(scene.goal, other, 0.4 if scene.goal.free else 0.0)
        self.fingers = ([_link(self.arm, LEFT)], [_link(self.arm, RIGHT)])
        self.parts = {"cube": [_link(self.block, -1)]}
        if self.mark is not None:
            self.parts["goal"] = [_link(self.mark, -1)]
        self.shine(rng)
        self.light["flags"] = pybullet.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX
        self._prepare()
        self.first = self.thing()
        self._clutter(rng)

    def _table(self, rng: np.random.Generator) -> None:
        half = (0.45, 0.6, 0.02)
        top = tiled(half[0], half[1], 0.0) + np.array([0.35, 0, 0])
        edge = solids.mesh(solids.box(*half, (0.35, 0, -half[2] - 0.001)))
        self.add_surface([top, edge[0][edge[1]]], rng)
        self.add_surface([tiled(3.0, 3.0, FLOOR)], rng)
        shape = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half, **self.engine)
        table = pybullet.createMultiBody(0, shape, basePosition=(0.35, 0, -half[2]), **self.engine)
        pybullet.changeDynamics(table, -1, lateralFriction=0.8, **self.engine)

    def _block(self, block: Block, colour: np.ndarray, mass: float) -> int:
        meshes = [solids.mesh(part) for part in block.parts()]
        seen, shape = self.drawn([vertices[faces] for vertices, faces in meshes], colour), -1
        if block.wall:
            self.walls = [self._wall(block, part) for part in block.parts()]
        elif not block.flat:
            half = block.half
            shape = (
                pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=list(half), **self.engine)
                if block.kind == "box"
                else pybullet.createCollisionShape(
                    pybullet.GEOM_CYLINDER, radius=half[0], height=block.top, **self.engine
                )
            )
        body = pybullet.createMultiBody(mass, shape, seen, self._place(block), _turned(block.turn), **self.engine)
        if mass:
            pybullet.changeDynamics(
                body, -1, lateralFriction=0.9, spinningFriction=0.005, rollingFriction=0.0005, **self.engine
            )
        return body

    def _wall(self, block: Block, part: solids.Solid) -> int:
        """A part of a container, to run into: a shape of several parts would be taken for its hull."""
        turn = Rotation.from_euler("z", block.turn)
        size = (
            {"shapeType": pybullet.GEOM_BOX, "halfExtents": list(part.size)}
            if part.kind == "box"
            else {"shapeType": pybullet.GEOM_CYLINDER, "radius": part.size[0], "height": 2 * part.size[1]}
        )
        place = np.array(self._place(block)) + turn.apply(part.position)
        turned = (turn * Rotation.from_matrix(part.rotation)).as_quat()
        shape = pybullet.createCollisionShape(**size, **self.engine)
        return pybullet.createMultiBody(0, shape, -1, list(place), list(turned), **self.engine)

    def _place(self, block: Block) -> list[float]:
        return [*block.place, float(block.half[2])]

    def _clutter(self, rng: np.random.Generator) -> None:
        """Things that are only drawn, away from where the hand works."""
        clear = [self.thing()[:2], self.scene.start[:2]] + ([self.goal()[:2]] if self.scene.goal else [])
        clear += [clear[0] * (1 - t) + clear[-1] * t for t in (0.33, 0.67)]
        for _ in range(rng.integers(1, 5)):
            place = LAYOUT.middle + rng.uniform(-1, 1, 2) * [0.25, 0.45]
            half = rng.uniform(0.012, 0.045, 3)
            if min(np.linalg.norm(place - point) for point in clear) < 0.1 + half.max() or np.linalg.norm(place) < 0.25:
                continue
            kind = rng.choice(["box", "ball", "cylinder"])
            at = (*place, half[0] if kind == "ball" else half[2])
            top = (*place, 2 * half[2])
            made = {
                "box": lambda half=half, at=at: solids.box(*half, at),
                "ball": lambda half=half, at=at: solids.ball(half[0], at),
                "cylinder": lambda half=half, place=place, top=top: solids.cylinder(half[0], (*place, 0.0), top),
            }[kind]()
            self.add_solids([made], appearance.any_colour(rng))

    def _prepare(self) -> None:
        """The hand to its start, and everything still."""
        for joint, angle in zip(ARM, REST, strict=True):
            pybullet.resetJointState(self.arm, joint, angle, **self.engine)
        for finger in (LEFT, RIGHT):
            pybullet.resetJointState(self.arm, finger, WIDEST / 2, **self.engine)
        for _ in range(20):
            self._to(self.scene.start)
        for _ in range(8):
            self.advance(self.scene.start, WIDEST)

    def _angles(self, tip: np.ndarray, lean: float = 0.0) -> list[float]:
        wanted, turned = tip + np.array([0, 0, BELOW]), DOWN
        if lean:
            to_side = leaning(LAYOUT, lean)
            wanted, turned = tip + to_side.apply([0, 0, BELOW]), (to_side * Rotation.from_quat(DOWN)).as_quat()
        return pybullet.calculateInverseKinematics(
            self.arm,
            HAND,
            list(wanted),
            list(turned),
            lowerLimits=[-2.9, -1.8, -2.9, -3.1, -2.9, 0.0, -2.9],
            upperLimits=[2.9, 1.8, 2.9, 0.0, 2.9, 3.8, 2.9],
            jointRanges=[5.8, 3.6, 5.8, 3.1, 5.8, 3.8, 5.8],
            restPoses=list(REST),
            maxNumIterations=100,
            residualThreshold=1e-5,
            **self.engine,
        )[:7]

    def _to(self, tip: np.ndarray) -> None:
        """Puts the arm there at once."""
        for joint, angle in zip(ARM, self._angles(tip), strict=True):
            pybullet.resetJointState(self.arm, joint, angle, **self.engine)

    def advance(self, tip: np.ndarray, opening: float, lean: float = 0.0) -> None:
        """One frame of physics with the hand led to `tip`, the fingers to `opening` and `lean` to the side."""
        pybullet.setJointMotorControlArray(
            self.arm,
            ARM,
            pybullet.POSITION_CONTROL,
            targetPositions=self._angles(tip, lean),
            forces=[300.0] * 7,
            positionGains=[0.25] * 7,
            velocityGains=[1.0] * 7,
            **self.engine,
        )
        pybullet.setJointMotorControlArray(
            self.arm,
            (LEFT, RIGHT),
            pybullet.POSITION_CONTROL,
            targetPositions=[opening / 2] * 2,
            forces=[30.0] * 2,
            positionGains=[0.2] * 2,
            **self.engine,
        )
        for _ in range(STEPS):
            pybullet.stepSimulation(**self.engine)

    def ends(self) -> np.ndarray:
        ends = []
        for finger, side in ((LEFT, 1), (RIGHT, -1)):
            state = pybullet.getLinkState(self.arm, finger, computeForwardKinematics=True, **self.engine)
            ends.append(np.array(state[4]) + Rotation.from_quat(state[5]).as_matrix() @ (END * [1, side, 1]))
        return np.array(ends)

    def tips(self) -> np.ndarray:
        return self.ends().mean(0)

    def opening(self) -> float:
        return sum(pybullet.getJointState(self.arm, finger, **self.engine)[0] for finger in (LEFT, RIGHT))

    def widest(self) -> float:
        """The fingers' opening when they stand as wide as they go."""
        return WIDEST

    def thing(self) -> np.ndarray:
        return self._pose(self.block)[0]

    def goal(self) -> np.ndarray:
        return self._pose(self.mark)[0]

    def hook(self) -> np.ndarray:
        raise NotImplementedError("the Panda has no drawer")

    def _pose(self, body: int) -> tuple[np.ndarray, np.ndarray]:
        place, turn = pybullet.getBasePositionAndOrientation(body, **self.engine)
        return np.array(place), Rotation.from_quat(turn).as_matrix()

    def facts(self) -> Facts:
        left, right = (self._gap(self.arm, self.block, finger) for finger in (LEFT, RIGHT))
        gap, top, goal = np.inf, 0.0, self.scene.goal
        place, turn = self._pose(self.block)
        bottom = self.scene.thing.solid(place, turn).lowest()
        if goal:
            at, goal_turn = self._pose(self.mark)
            top = goal.wall if goal.flat or goal.wall else 2 * at[2] - goal.solid(at, goal_turn).lowest()
            beside = max(0.0, float(np.linalg.norm((self.thing() - at)[:2])) - goal.half[0] - self.scene.thing.half[0])
            above = np.hypot(beside, max(0.0, bottom - goal.top))
            gap = above if goal.flat else min(self._gap(self.block, it, -1) for it in self.walls or [self.mark])
        return facts_of(self, Gaps(left, right, float(gap), bottom, top, lean_of(turn)))

    def _gap(self, body: int, other: int, link: int) -> float:
        found = pybullet.getClosestPoints(body, other, 5.0, link, -1, **self.engine)
        return min((point[8] for point in found), default=5.0)

    def snapshot(self) -> Any:
        joints = [pybullet.getJointState(self.arm, joint, **self.engine)[0] for joint in (*ARM, LEFT, RIGHT)]
        bodies = [body for body in (self.block, self.mark) if body is not None]
        return joints, {body: pybullet.getBasePositionAndOrientation(body, **self.engine) for body in bodies}

    def show(self, snapshot: Any) -> None:
        joints, bodies = snapshot
        for joint, angle in zip((*ARM, LEFT, RIGHT), joints, strict=True):
            pybullet.resetJointState(self.arm, joint, angle, **self.engine)
        for body, pose in bodies.items():
            pybullet.resetBasePositionAndOrientation(body, *pose, **self.engine)

    def geoms(self, bodies: np.ndarray) -> np.ndarray:
        return bodies

    def shoot(self, view: View) -> Picture:
        return self.measure(*self.aim(view))


def _link(body: int, link: int) -> int:
    """The number of a link in a picture."""
    return body + ((link + 1) << 24)


def _turned(angle: float) -> tuple[float, ...]:
    return pybullet.getQuaternionFromEuler((0, 0, angle))
