"""Where the pictures of `sightings.py` come from: arms in their simulators, grippers alone, the starts of tasks.

Each source yields pictures without end, with the pixels and the words of what is in them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

import appearance
import camera
import episode_bag
import made_grippers
import rigs
import scatter
import sighting_words
import solids
import stage
import tasks
import things
import truth
from episode_scene import arrange
from studio import Studio

A_SCENE = 8  # pictures of one arrangement, each with another pose of the gripper and another camera
NEAREST = 0.15  # anything nearer to the camera means that it stands inside the robot, metres
LEAST = truth.LEAST_PIXELS
FINGERTIP: dict[str, tuple[str, list[str]]] = {"fingertip": ("fingertip", [])}
SPREAD = 0.22  # things lie within this distance of the table's middle, metres


@dataclass
class Seen:
    """A region: its pixels, the word for what it is (`fingertip`, `cube`, ...) and other words that would do."""

    mask: np.ndarray
    shape: str
    near_shapes: list[str]
    target: bool = False


@dataclass
class Sighting:
    """A picture, what is in it, and of which robot and task it is."""

    image: np.ndarray
    seen: list[Seen]
    robot: str
    task: str


def arm(task_name: str, size: tuple[int, int], rng: np.random.Generator) -> Iterator[Sighting]:
    """Fetch or Sawyer at fresh arrangements of one of the recorder's tasks."""
    task = next(task for task in tasks.TASKS if task.key == task_name)
    robot = "fetch" if task.simulator == "fetch" else "sawyer"
    studio = Studio(task, size, False, rng)
    try:
        while True:
            frames = scatter.record(studio, 1)
            if not frames:
                return
            frame = frames[0]
            yield Sighting(
                frame.colour, _named(frame.truth, FINGERTIP | {"target": _target_word(studio)}), robot, task.key
            )
    finally:
        studio.close()


def _target_word(studio: Studio) -> tuple[str, list[str]]:
    geom, key = studio.primitive_target(), studio.sim.task.key
    if key in sighting_words.NOUNS:
        return sighting_words.NOUNS[key], []
    if geom is None:
        return "block", ["box", "cube"]
    m = studio.sim.model
    kind = appearance.shape_name(m, geom).replace("cube", "box")
    return sighting_words.shape_of(m.geom_size[geom], kind)


def _named(known: truth.Truth, words: dict[str, tuple[str, list[str]]]) -> list[Seen]:
    """The regions of a picture; what `words` does not know has a name like `red cube 2`."""
    seen = []
    for number, name in known.names.items():
        if name not in words:
            own = [word for word in name.split() if not word.isdigit()]
            shape = own[-1] if own[0] in (*sighting_words.COLOURS, "patterned") else " ".join(own)
            words[name] = shape, {"cube": ["box"], "box": ["cube"]}.get(shape, [])
        seen.append(Seen(known.instances == number, *words[name], target=number == truth.TARGET))
    return seen


class _Alone:
    """A gripper on a stage as `truth.judge` asks for it."""

    def __init__(self, scene: stage.Stage, tips: np.ndarray, centre: np.ndarray):
        self.finger_geoms, self.target_geoms = scene.finger_geoms, scene.target_geoms
        self.tips, self.centre = tips, centre

    def fingertips(self) -> np.ndarray:
        return self.tips

    def target_point(self) -> np.ndarray:
        return self.centre

    def gap(self, *_geoms) -> float:
        return 0.0


def gripper(name: str, engine: str, size: tuple[int, int], rng: np.random.Generator) -> Iterator[Sighting]:
    """A gripper of `rigs`, or a made one (`made`), above a table with things, drawn by either engine."""
    while True:
        rig = made_grippers.make(rng) if name == "made" else rigs.load(name, float(rng.uniform(0.1, 1.0)))
        lying = _things(rng)
        (word, target), *others = lying
        words = FINGERTIP | {"target": word} | {f"other {i}": shape for i, (shape, _) in enumerate(others)}
        named = {f"other {i}": (parts, appearance.any_colour(rng)) for i, (_, parts) in enumerate(others)}
        painted = appearance.any_colour(rng) if rng.random() < 0.3 and name != "made" else None
        props = stage.Props(rig, target, named, appearance.any_colour(rng), painted)
        scene = _engine(engine)(props, size, rng)
        try:
            for _ in range(A_SCENE):
                picture = next(filter(None, (_pose_and_shoot(scene, rig, lying, rng) for _ in range(6))), None)
                if picture is None:
                    break
                known, image = picture
                yield Sighting(image, _named(known, words), name, "table")
        finally:
            scene.close()


def _engine(name: str):
    if name == "mujoco":
        return stage.Stage
    import bullet_stage  # pybullet is slow to import and not needed for the other engine

    return bullet_stage.Stage


def _things(rng: np.random.Generator) -> list[tuple[tuple[str, list[str]], list[solids.Solid]]]:
    """Three to seven things on the table, apart from each other; the first is the target."""
    found, taken = [], []
    for _ in range(40):
        if len(found) >= rng.integers(3, 8):
            break
        word, parts = _thing(rng)
        low, high = solids.bounds(parts)
        radius = float(np.linalg.norm((high - low)[:2])) / 2
        spot = rng.uniform(-SPREAD, SPREAD, 2)
        if any(np.linalg.norm(spot - other) < radius + reach for other, reach in taken):
            continue
        middle = (low + high) / 2
        found.append((word, [part.moved(np.eye(3), np.array([*(spot - middle[:2]), 0])) for part in parts]))
        taken.append((spot, radius))
    return found


def _thing(rng: np.random.Generator) -> tuple[tuple[str, list[str]], list[solids.Solid]]:
    """A primitive in four of five cases, else something of everyday."""
    if rng.random() < 0.2:
        kind = str(rng.choice([k for k in things.KINDS if k not in ("box", "ball", "cylinder")]))
        return (things.KINDS[kind].word, []), things.place(things.KINDS[kind], rng).parts
    if rng.random() < 0.3:
        side = rng.uniform(0.013, 0.035)
        turn = rng.uniform(0, np.pi)
        c, s = np.cos(turn), np.sin(turn)
        rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        return ("cube", []), [solids.box(side, side, side, (0, 0, side), rotation)]
    solid = things.clutter(rng)
    return sighting_words.shape_of(solid.half_extents(), solid.kind), [solid]


def _pose_and_shoot(scene, rig: rigs.Rig, lying: list[tuple], rng: np.random.Generator):
    """Truth and picture of a new pose of the gripper by a new camera, or None where they are of no use."""
    parts = [part for _, thing in lying for part in thing]
    rotation = solids.frame_along(_downward(rng))
    spin = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(spin), np.sin(spin)
    rotation = rotation @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    low, high = solids.bounds(lying[0][1])
    centre = (low + high) / 2
    far = 0.03 + 0.27 * rng.random() ** 1.3
    offset = rng.normal(size=3)
    offset[2] = abs(offset[2]) * 1.3
    tip = centre + offset / np.linalg.norm(offset) * far
    translation = tip - rotation @ rig.tips.mean(0)
    surface = np.concatenate([part.triangles.mean(1) for part in rig.parts]) @ rotation.T + translation
    surface = surface[rng.permutation(len(surface))[:600]]
    if surface[:, 2].min() < 0.002 or solids.signed_distance(parts, surface).min() < 0.0:
        return None
    scene.pose(rotation, translation)
    shot = mujoco.MjvCamera()
    shot.type = mujoco.mjtCamera.mjCAMERA_FREE
    shot.azimuth, shot.elevation = rng.uniform(0, 360), -rng.uniform(12, 65)
    shot.distance = 0.45 + 0.75 * rng.random() ** 1.3
    shot.lookat[:] = tip + (centre - tip) * rng.random() + rng.normal(0, 0.05, 3)
    view = camera.View(shot, float(rng.uniform(40, 60)), float(np.clip(rng.normal(0, 5), -15, 15)))
    picture = scene.measure(*scene.aim(view))
    if picture.depth[picture.depth > 0].min() < NEAREST:
        return None
    known = truth.judge(_Alone(scene, rig.tips @ rotation.T + translation, centre), picture, scene.names)
    if known is None:
        return None
    image = scene.colour()
    if rng.random() < 0.3:  # MuJoCo's sky is a gradient; other pictures have a plain one, or a wall
        image[picture.geoms < 0] = 255 if rng.random() < 0.5 else 255 * appearance.any_colour(rng)
    return known, image


def _downward(rng: np.random.Generator) -> np.ndarray:
    """Straight down in a third of the cases, else tilted."""
    tilt = 0.0 if rng.random() < 0.33 else rng.uniform(0, 1.0)
    around = rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(tilt) * np.cos(around), np.sin(tilt) * np.sin(around), -np.cos(tilt)])


def start(robot: str, task: str, size: tuple[int, int], rng: np.random.Generator) -> Iterator[Sighting]:
    """First frames of the tasks of `episodes.py`, as they are set up; nothing is played."""
    import episode_bullet
    import episode_mujoco

    while True:
        layout = episode_bullet.LAYOUT if robot == "panda" else episode_mujoco.LAYOUTS[robot]
        scene = arrange(task, layout, rng)
        world = (
            episode_bullet.BulletWorld(scene, size, False, rng)
            if robot == "panda"
            else episode_mujoco.MujocoWorld(robot, scene, size, False, rng)
        )
        try:
            for _ in range(8):
                sighting = _first_frame(world, scene, robot, task, rng)
                if sighting is not None:
                    yield sighting
                    break
        finally:
            world.close()


def _first_frame(world, scene, robot: str, task: str, rng: np.random.Generator) -> Sighting | None:
    middle = (world.tips() + world.thing()) / 2 + rng.normal(0, 0.02, 3)
    view = camera.random_view(world.layout.facing, middle, bool(rng.random() < 0.3), rng)
    view.camera.distance = rng.uniform(0.5, 0.85)
    picture = world.shoot(view)
    ends = camera.project(np.vstack([world.ends(), world.thing()]), picture.intrinsics, picture.world_from_camera)
    if not np.all((ends > 0.02 * np.array(world.size)) & (ends < 0.98 * np.array(world.size))):
        return None
    masks = episode_bag.regions(world, picture)
    if picture.depth[picture.depth > 0].min() < NEAREST or "fingertip" not in masks or "cube" not in masks:
        return None
    seen = [Seen(masks["fingertip"], "fingertip", [])]
    seen.append(Seen(masks["cube"], *sighting_words.shape_of(scene.thing.half, scene.thing.kind), target=True))
    if task == "stack" and "goal" in masks:
        seen.append(Seen(masks["goal"], "cube", []))
    return Sighting(world.colour(), seen, robot, task)
