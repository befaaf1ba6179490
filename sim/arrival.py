"""How a gripper comes to its target: a smooth way that ends at the first touch, found by geometry alone."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

import solids
from rigs import Rig
from solids import Solid
from surface import EXACT, ROUGH, Surface

TRIES = 150
TOUCH = 0.002  # the largest gap at the end, metres
CLEAR = 0.002  # what the gripper keeps away from everything but the target, metres
FIRST_GAP = (0.10, 0.25)  # the gap at the start, metres
FARTHEST = 0.42  # a push that touched nothing so far misses the target, metres
CHECKS = 14  # moments at which a way is tried out


@dataclass
class Body:
    """A rig's surfaces: the fingers as finely as the truth needs them, everything coarsely."""

    rig: Rig
    fingers: Surface
    coarse_fingers: Surface
    rest: Surface  # palm and forearm

    @staticmethod
    def of(rig: Rig) -> "Body":
        arm = [vertices[faces] for vertices, faces in map(solids.mesh, rig.forearm)]
        rest = np.concatenate([rig.triangles([-1]), *arm])
        return Body(rig, Surface(rig.all_fingers()), Surface(rig.all_fingers(), 0.012), Surface(rest, 0.02))


@dataclass
class Touch:
    """A straight push of the gripper, from a start that is clear of the target."""

    rotation: np.ndarray
    start: np.ndarray
    direction: np.ndarray
    tilt: float  # degrees from straight down
    straddles: bool  # the target is between the fingers


@dataclass
class Way:
    """Poses from the start (0) to the first touch (1)."""

    rotation: np.ndarray  # at the touch
    end: np.ndarray
    back: np.ndarray  # from the touch to the start
    bow: np.ndarray  # how far the middle of the way bends aside
    turn: np.ndarray  # rotation vector between start and touch
    pivot: np.ndarray  # in the gripper's frame: what the turn leaves in place
    tilt: float  # degrees from straight down
    straddles: bool  # the target ends up between the fingers

    def pose(self, moment: float) -> tuple[np.ndarray, np.ndarray]:
        """The gripper's rotation and position."""
        rest = 1 - moment
        rotation = Rotation.from_rotvec(self.turn * rest).as_matrix() @ self.rotation
        held = self.end + self.rotation @ self.pivot + self.back * rest + self.bow * 4 * rest**2 * moment
        return rotation, held - rotation @ self.pivot


def find(body: Body, target: list[Solid], obstacles: list[Solid], tilted: bool, rng: np.random.Generator) -> Way | None:
    """A way on which the fingers touch the target first, or None where none was found."""
    wish = bool(rng.random() < 0.5)
    for attempt in range(TRIES):
        rotation, tilt = _orientation(tilted, rng)
        straddles = wish and attempt < TRIES // 2  # a target too wide for the fingers is touched from above
        start, direction = (_between if straddles else _upon)(body, target, rotation, rng)
        touch = Touch(rotation, start, direction, tilt, straddles)
        end = _end(body, target, touch, rng.uniform(0, TOUCH * 0.9))
        if end is None:
            continue
        way = _way(body.rig, touch, end, rng)
        if _free(body, way, target, obstacles):
            return way
    return None


def _orientation(tilted: bool, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    tilt = float(rng.uniform(12, 50) if tilted else rng.uniform(0, 4))
    side = rng.uniform(0, 2 * np.pi)
    lean = Rotation.from_rotvec(np.radians(tilt) * np.array([np.cos(side), np.sin(side), 0]))
    down = Rotation.from_rotvec([np.pi, 0, 0])
    return (lean * down * Rotation.from_rotvec([0, 0, rng.uniform(0, 2 * np.pi)])).as_matrix(), tilt


def _spot(target: list[Solid], rng: np.random.Generator) -> np.ndarray:
    """A point inside the target; every stretch of a long one has its chance."""
    reach = np.array([solid.half_extents().max() for solid in target])
    solid = target[rng.choice(len(target), p=reach / reach.sum())]
    inside = solid.half_extents() * rng.uniform(-0.8, 0.8, 3)
    return solid.position + solid.rotation @ inside


def _upon(body: Body, target: list[Solid], rotation: np.ndarray, rng: np.random.Generator):
    """Straight onto the target with the end of a finger or with what lies between two of them."""
    tips = body.rig.tips
    aim = tips[rng.integers(len(tips))] if rng.random() < 0.75 else tips.mean(0)
    direction = rotation[:, 2] + rng.normal(0, 0.25, 3)
    direction /= np.linalg.norm(direction)
    return _spot(target, rng) - rotation @ aim - 0.3 * direction, direction


def _between(body: Body, target: list[Solid], rotation: np.ndarray, rng: np.random.Generator):
    """From beside, with the target between the fingers, until one of them touches it."""
    tips = body.rig.tips
    across = tips[0] - tips[1:].mean(0)
    across[2] = 0
    across /= np.linalg.norm(across)
    deep = tips.mean(0) - np.array([0, 0, rng.uniform(0.002, 0.03)])
    direction = rotation @ (across * rng.choice([-1, 1]))
    return _spot(target, rng) - rotation @ deep, direction


def _end(body: Body, target: list[Solid], touch: Touch, wanted: float) -> np.ndarray | None:
    """Where the fingers first come as near as wanted: steps as long as the gap cannot jump over a touch."""
    gone, previous = 0.0, np.inf
    for _ in range(80):
        fine = previous < 0.006
        surface, tolerance = (body.fingers, EXACT) if fine else (body.coarse_fingers, ROUGH)
        place = touch.start + gone * touch.direction
        gap = surface.gap(target, touch.rotation, place, tolerance)
        if gap < 0:
            return None
        if fine and gap - wanted < EXACT:
            return place
        gone += max(gap - wanted - tolerance, EXACT if fine else 0.0)
        previous = gap
        if gone > FARTHEST:
            return None
    return touch.start + gone * touch.direction if previous < TOUCH * 0.95 else None


def _way(rig: Rig, touch: Touch, end: np.ndarray, rng: np.random.Generator) -> Way:
    direction = touch.direction
    if touch.straddles:
        slant = np.radians(rng.uniform(4, 25))
        direction = touch.rotation[:, 2] * np.cos(slant) + direction * np.sin(slant)
    length = rng.uniform(*FIRST_GAP)
    aside = np.cross(direction, rng.normal(size=3))
    aside /= np.linalg.norm(aside)
    curved, turning = rng.random(2) < 0.5
    turn = rng.normal(size=3)
    turn *= np.radians(rng.uniform(2, 10)) / np.linalg.norm(turn)
    return Way(
        rotation=touch.rotation,
        end=end,
        back=-direction * length,
        bow=aside * rng.uniform(0.005, 0.025) * curved,
        turn=turn * turning,
        pivot=rig.tips.mean(0),
        tilt=touch.tilt,
        straddles=touch.straddles,
    )


def _free(body: Body, way: Way, target: list[Solid], obstacles: list[Solid]) -> bool:
    """Whether fingers, palm and arm keep off everything on the way, and the start is as far away as wanted."""
    end = way.pose(1.0)
    if not _clear(body, end, obstacles) or body.rest.gap(target, *end, ROUGH) < CLEAR:
        return False
    if not FIRST_GAP[0] <= body.coarse_fingers.gap(target, *way.pose(0.0), ROUGH) <= FIRST_GAP[1]:
        return False
    touch = body.fingers.gap(target, *end)
    if not 0 <= touch <= TOUCH:
        return False
    for moment in 1 - np.geomspace(0.01, 1, CHECKS):
        pose = way.pose(moment)
        if not _clear(body, pose, obstacles) or body.fingers.gap(target, *pose, ROUGH / 2) < 0.0:
            return False
    return True


def _clear(body: Body, pose: tuple[np.ndarray, np.ndarray], obstacles: list[Solid]) -> bool:
    return all(surface.gap(obstacles, *pose, ROUGH) >= CLEAR for surface in (body.coarse_fingers, body.rest))
