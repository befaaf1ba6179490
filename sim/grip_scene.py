"""One scene of grippers.py: chooses its things, dresses it, finds way and camera, and takes its frames."""

from dataclasses import asdict, dataclass

import mujoco
import numpy as np
from scipy.spatial import cKDTree

import appearance
import arrival
import camera
import rigs
import solids
import stage
import things
import truth
from bag import Frame
from solids import Solid

VIEWS = 40  # cameras tried for one way
WAYS = 6  # ways tried for one scene
VISIBLE = 0.7  # the share of frames that must show both regions, and what is near the gap of both
HIDDEN_GAP = 0.015  # visible pixels this much farther apart than the surfaces mean that what matters is hidden, metres
NEAREST = 0.2  # anything nearer to the camera means that the arm stands before it, metres
EDGE = 0.03  # fingertips and target centre stay this share of the image away from its border
TABLE = solids.box(*stage.TABLE, (0, 0, -stage.TABLE[2]))


@dataclass
class Plan:
    """What a scene shows. All of it is written into the bag, on /recording/notes."""

    engine: str
    gripper: str
    openness: str
    target: str
    region: str  # tips: finger pixels within 3 cm of a fingertip; fingers: all finger links
    tilted: bool
    clutter: bool
    noise: bool
    jitter: bool
    held_out: bool

    def notes(self, **more) -> dict:
        return asdict(self) | more


class Scene:
    """A stage with its truth, in the form that `truth.judge` asks for."""

    def __init__(self, plan: Plan, size: tuple[int, int], rng: np.random.Generator):
        self.plan, self.rng = plan, rng
        self.body = arrival.Body.of(rigs.load(plan.gripper, rigs.OPENNESS[plan.openness]))
        self.placed = things.place(things.KINDS[plan.target], rng)
        self.centre = solids.centroid(self.placed.parts)
        obstacles = [TABLE, *self.placed.support]
        self.way = arrival.find(self.body, self.placed.parts, obstacles, plan.tilted, rng)
        if self.way is None:
            raise NoScene("no free way to the target")
        self.others = self._others()
        props = stage.Props(
            self.body.rig,
            self.placed.parts,
            self.others,
            appearance.target_colour(rng, plan.held_out),
            appearance.any_colour(rng) if rng.random() < 0.3 else None,
        )
        self.stage = _engine(plan.engine)(props, size, rng)
        self.size = size
        self.finger_geoms, self.target_geoms = self.stage.finger_geoms, self.stage.target_geoms
        self.tip_radius = truth.TIP_RADIUS if plan.region == "tips" else np.inf
        self.set(1.0)

    def set(self, moment: float) -> None:
        """Puts the gripper at a moment of its way."""
        self.rotation, self.translation = self.way.pose(moment)
        self.stage.pose(self.rotation, self.translation)

    def fingertips(self) -> np.ndarray:
        return self.body.rig.tips @ self.rotation.T + self.translation

    def target_point(self) -> np.ndarray:
        return self.centre

    def gap(self, *_geoms) -> float:
        """The smallest distance between finger links and target."""
        return self.body.fingers.gap(self.placed.parts, self.rotation, self.translation)

    def _others(self) -> dict[str, tuple[list[Solid], np.ndarray]]:
        """Two to five other objects, near the target in cluttered scenes, and the block that the target leans on."""
        rng, named = self.rng, {}
        if self.placed.support:
            named["block"] = (self.placed.support, appearance.any_colour(rng))
        taken = [*self.placed.parts, *self.placed.support]
        low, high = solids.bounds(self.placed.parts)
        middle, reach = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        ring = (0.5 * reach, reach + 0.06) if self.plan.clutter else (reach + 0.12, reach + 0.35)
        wanted = int(rng.integers(2, 6))
        for _ in range(60):
            if wanted == 0:
                break
            thing = things.clutter(rng)
            angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(*ring)
            spot = np.array([middle[0] + far * np.cos(angle), middle[1] + far * np.sin(angle), 0])
            thing = thing.moved(np.eye(3), spot)
            if not self._has_room(thing, taken):
                continue
            colour = appearance.any_colour(rng)
            named[_unique(f"{appearance.colour_name(colour)} {thing.kind}", named)] = ([thing], colour)
            taken.append(thing)
            wanted -= 1
        return named

    def _has_room(self, thing: Solid, taken: list[Solid]) -> bool:
        low, high = solids.bounds([thing])
        if np.any(np.abs([low[:2], high[:2]]) > np.array(stage.TABLE[:2]) - 0.01):
            return False
        vertices, faces = solids.mesh(thing)
        points = np.vstack([vertices, vertices[faces].mean(1)])
        if solids.signed_distance(taken, points).min() < 0.006:
            return False
        for moment in np.linspace(0, 1, 8):
            pose = self.way.pose(moment)
            if any(s.gap([thing], *pose, 0.002) < 0.006 for s in (self.body.coarse_fingers, self.body.rest)):
                return False
        return True

    def view(self) -> camera.View:
        """A random camera that looks near the middle of the way."""
        rng = self.rng
        rotation, translation = self.way.pose(0.0)
        start = rotation @ self.body.rig.tips.mean(0) + translation
        shot = mujoco.MjvCamera()
        shot.type = mujoco.mjtCamera.mjCAMERA_FREE
        shot.azimuth, shot.elevation = rng.uniform(0, 360), -rng.uniform(20, 60)
        shot.distance = 0.5 + 0.6 * rng.random() ** 1.5  # nearer views more often: thin things are few pixels from afar
        shot.lookat[:] = (start + self.centre) / 2 + rng.normal(0, 0.03, 3)
        return camera.View(shot, float(rng.uniform(40, 60)), float(np.clip(rng.normal(0, 4), -12, 12)))

    def shoot(self, view: camera.View, moment: float, index: int, coloured: bool = True) -> Frame | None:
        """Takes a frame, or returns None where a fingertip or the target is out of view or hidden."""
        self.set(moment)
        intrinsics, pose = self.stage.aim(view)
        pixels = camera.project(np.vstack([self.fingertips(), self.centre]), intrinsics, pose)
        size = np.array(self.size)
        if not np.all((pixels > EDGE * size) & (pixels < (1 - EDGE) * size)):
            return None
        picture = self.stage.measure(intrinsics, pose)
        if picture.depth[picture.depth > 0].min() < NEAREST:
            return None
        known = truth.judge(self, picture, self.stage.names, self.tip_radius)
        if known is None:
            return None
        up = pose[:3, :3].T @ [0.0, 0.0, 1.0]
        colour = self.stage.colour() if coloured else np.zeros((0, 0, 3), np.uint8)
        return Frame(colour, picture.depth, intrinsics, up, known, index)

    def film(self, count: int) -> list[Frame]:
        """The way as up to `count` frames, or none where every camera failed."""
        moments = np.linspace(0, 1, count)
        for _ in range(VIEWS):
            view = self.view()
            if not self._suits(view, moments):
                continue
            frames = [frame for i in range(count) if (frame := self.shoot(view, moments[i], i)) is not None]
            seen = sum(self._hidden_gap(frame) < HIDDEN_GAP for frame in frames)
            if seen >= VISIBLE * count and frames[-1].index == count - 1:
                return frames
        return []

    def _suits(self, view: camera.View, moments: np.ndarray) -> bool:
        """Whether a few moments are well seen: the touch, where most cameras fail and which must be, comes first."""
        missed = 0
        for i in np.unique(np.linspace(0, len(moments) - 1, 5).astype(int))[::-1]:
            frame = self.shoot(view, moments[i], int(i), coloured=False)
            missed += frame is None or self._hidden_gap(frame) >= HIDDEN_GAP
            if missed > 1 or (frame is None and i == len(moments) - 1):
                return False
        return True

    def _hidden_gap(self, frame: Frame) -> float:
        """How much farther apart the visible pixels of the two regions are than the surfaces, metres."""
        picture = camera.Picture(frame.depth, frame.truth.instances, frame.intrinsics, np.eye(4))
        finger, target = (truth.cloud(picture, frame.truth.instances == n) for n in (truth.FINGERTIP, truth.TARGET))
        return float(cKDTree(target).query(finger)[0].min()) - frame.truth.surface_distance

    def notes(self, frames: list[Frame]) -> dict:
        """What the bag says about the scene, for a reader who wants to know which cases are hard."""
        way, tips = self.way, self.body.rig.tips
        return self.plan.notes(
            leaning=self.placed.leaning,
            tilt_degrees=round(way.tilt, 1),
            target_between_fingers=way.straddles,
            frames=[frame.index for frame in frames],
            visible_gap_excess_mm=[round(1000 * self._hidden_gap(frame), 2) for frame in frames],
            fingertip_spread_m=round(float(np.linalg.norm(tips[0] - tips[-1])), 4),
        )

    def close(self) -> None:
        self.stage.close()


class NoScene(Exception):
    """This arrangement does not work; another draw may."""


def record(plan: Plan, size: tuple[int, int], frames: int, rng: np.random.Generator) -> tuple[list[Frame], dict]:
    """A scene's frames and notes; no frames where nothing worked."""
    for _ in range(WAYS):
        try:
            scene = Scene(plan, size, rng)
        except NoScene:
            continue
        try:
            filmed = scene.film(frames)
            if filmed:
                return filmed, scene.notes(filmed)
        finally:
            scene.close()
    return [], {}


def _engine(name: str):
    if name == "mujoco":
        return stage.Stage
    import bullet_stage  # pybullet is slow to import and not needed for the other engine

    return bullet_stage.Stage


def _unique(name: str, taken: dict) -> str:
    """Two things of one name would be a riddle in a question: the second gets a number."""
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name} {number}", number + 1
    return unique
