"""Records whole manipulation episodes, with the phase of each frame by the simulator's state; see README.md beside it.

python sim/episodes.py OUT_DIR --task pick_and_place --episodes 10 --seed 1
"""

import argparse
import os
import shutil
import sys
import time
import warnings
import zlib
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")  # renders on the processor; set MUJOCO_GL=egl to use a graphics card
os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])
warnings.filterwarnings("ignore", category=UserWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning)

import numpy as np  # noqa: E402

import episode_bag  # noqa: E402
import episode_bullet  # noqa: E402
import episode_mujoco  # noqa: E402
from camera import View, project, random_view  # noqa: E402
from episode_rules import RULES, SOLVED, Facts, phases  # noqa: E402
from episode_scene import World, arrange  # noqa: E402
from episode_script import Hand, outcome_of, script  # noqa: E402
from record import SPLIT_SEEDS, count_of, size_of  # noqa: E402

PROMPTS = {
    "reach": "touch the object",
    "push": "push the object onto the marker",
    "pick_and_lift": "pick up the object",
    "pick_and_place": "put the object on the goal",
    "open_drawer": "open the drawer",
    "stack": "stack the object on the other cube",
    "insert": "put the object into the container",
    "pour": "pour the cup out over the bowl",
}
ROBOTS = {"mujoco": ("fetch", "sawyer"), "pybullet": ("panda",)}
FEWEST, MOST = 45, 160  # frames of an episode that is used
TRIES, VIEWS = 20, 60
FALLEN = 0.5  # leans more than a hand leaves standing, radians
APART = 40.0  # degrees between the directions of two cameras
NEAREST = 0.2  # anything nearer to the camera means that it stands inside the robot, metres


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    tasks = list(RULES) if options.task == "all" else [options.task]
    missed = 0
    for number in range(options.first, options.first + options.episodes):
        for task in tasks:
            missed += not _record(options, task, number)
    if missed:
        sys.exit(f"error: {missed} episodes could not be recorded; their names are above. Try another --seed for them")


def _record(options: argparse.Namespace, task: str, number: int) -> bool:
    """Records one episode unless it is there; tells whether it now is."""
    robot = _robot(options.engine, task, number)
    path = options.out / f"{task}_{robot}_{options.seed}_{number:03d}"
    if path.exists():
        return True
    if shutil.disk_usage(options.out).free < options.keep_free * 1e9:
        sys.exit(f"error: less than {options.keep_free:g} GB free in {options.out}: make room or lower --keep-free")
    started, outcome = time.monotonic(), outcome_of(task, number)
    for attempt in range(TRIES):
        seed, name = SPLIT_SEEDS[options.held_out] + options.seed, zlib.crc32(f"{task} {robot}".encode())
        rng = np.random.default_rng([seed, number, name, attempt])
        scene = arrange(task, _layout(robot), rng)
        world = _world(robot, scene, options, rng)
        try:
            played = _play(world, scene, outcome, rng)
            views = played and _views(world, played, options, rng)
            if not played or not views:
                continue
            played.notes |= {"number": number, "robot": robot, "cameras": len(views), "held_out": options.held_out}
            seen = episode_bag.write(path, world, played, views, number=number, rng=rng)
        finally:
            world.close()
        least = min(seen.values()) / len(played.facts)
        order = [p for i, p in enumerate(played.phases) if i == 0 or played.phases[i - 1] != p]
        print(
            f"{path.name}: {outcome}, {len(played.facts)} frames, {' '.join(order)}; a region is seen in at least "
            f"{least:.0%}; try {attempt + 1}, {time.monotonic() - started:.0f} s",
            flush=True,
        )
        return True
    print(f"{path.name}: {outcome}, given up after {TRIES} tries", flush=True)
    return False


def _robot(engine: str, task: str, number: int) -> str:
    robots = [robot for name, own in ROBOTS.items() if engine in (name, "all") for robot in own]
    able = [robot for robot in robots if task != "open_drawer" or robot == "sawyer"]
    if not able:
        sys.exit(f"error: {engine} has no robot for {task}: leave --engine away")
    return able[number % len(able)]


def _layout(robot: str):
    return episode_bullet.LAYOUT if robot == "panda" else episode_mujoco.LAYOUTS[robot]


def _world(robot: str, scene, options: argparse.Namespace, rng: np.random.Generator) -> World:
    if robot == "panda":
        return episode_bullet.BulletWorld(scene, options.size, options.held_out, rng)
    return episode_mujoco.MujocoWorld(robot, scene, options.size, options.held_out, rng)


def _play(world: World, scene, outcome: str, rng: np.random.Generator) -> episode_bag.Episode | None:
    """Plays without pictures; None where the episode came out otherwise than it was to, or is too long or short."""
    snapshots, facts = [world.snapshot()], [world.facts()]
    hand = Hand(world, scene, rng)
    for tip, opening in script(hand, outcome):
        world.advance(tip, opening, hand.lean)
        snapshots.append(world.snapshot())
        facts.append(world.facts())
        if len(facts) > MOST:
            return None
    named = phases(scene.task, facts)
    if len(facts) < FEWEST or not _as_meant(scene.task, outcome, facts, named):
        return None
    notes = {
        "task": scene.task,
        "outcome": outcome,
        "success": named[-1] == "done",
        "noise": bool(rng.random() < 1 / 2),
        "jitter": bool(rng.random() < 1 / 2),
    }
    return episode_bag.Episode(scene.task, snapshots, facts, named, PROMPTS[scene.task], notes)


def _as_meant(task: str, outcome: str, facts: list[Facts], named: list[str]) -> bool:
    solved, done = SOLVED[task](facts[-1]), named[-1] == "done"
    if outcome in ("drop", "drop_retry"):
        before = [phase for i, phase in enumerate(named[:-1]) if named[i + 1] == "reach" and phase != "reach"]
        if not before or before[0] == "grasp":
            return False
    if outcome != "drop" and any(
        f.tilt > FALLEN and phase in ("reach", "grasp") for f, phase in zip(facts, named, strict=True)
    ):
        return False  # it fell over
    tries = sum(phase in ("grasp", "push") and named[i - 1] == "reach" for i, phase in enumerate(named))
    if tries > (2 if outcome in ("retry", "drop_retry") else 1):
        return False  # what was to be held or pushed jumped off
    return solved == done == (outcome in ("success", "retry", "drop_retry"))


def _views(world: World, played: episode_bag.Episode, options: argparse.Namespace, rng: np.random.Generator):
    """As many cameras as are asked for, each with a clear view; None where there are none."""
    middle = []
    for snapshot in (played.snapshots[0], played.snapshots[len(played.snapshots) // 2], played.snapshots[-1]):
        world.show(snapshot)
        middle += [world.tips(), world.thing()]
    look_at, views = np.mean(middle, axis=0), []
    for _ in range(VIEWS):
        view = random_view(world.layout.facing, look_at + rng.normal(0, 0.02, 3), options.held_out, rng)
        view.camera.distance = rng.uniform(0.5, 0.85)
        if any(abs((view.camera.azimuth - other.camera.azimuth + 180) % 360 - 180) < APART for other in views):
            continue
        if _clear(world, played, view):
            views.append(view)
        if len(views) == options.cameras:
            return views
    return None


def _clear(world: World, played: episode_bag.Episode, view: View) -> bool:
    """Whether the view shows fingertips and thing nearly always, and what else there is mostly."""
    checks = np.unique(np.linspace(0, len(played.snapshots) - 1, 9).astype(int))
    seen: dict[str, int] = dict.fromkeys(["fingertip", *world.parts], 0)
    for check in checks:
        world.show(played.snapshots[check])
        picture = world.shoot(view)
        pixels = project(np.vstack([world.ends(), world.thing()]), picture.intrinsics, picture.world_from_camera)
        if not np.all((pixels > 0.02 * np.array(world.size)) & (pixels < 0.98 * np.array(world.size))):
            return False
        if picture.depth[picture.depth > 0].min() < NEAREST:
            return False
        masks = episode_bag.regions(world, picture)
        if check == 0 and "goal" in masks and _is_cut_off(masks["goal"]):
            return False
        for name in masks:
            seen[name] = seen.get(name, 0) + 1
        if min(seen["fingertip"], seen[next(iter(world.parts))]) < list(checks).index(check):
            return False  # hidden a second time
    return all(count >= 0.7 * len(checks) for name, count in seen.items() if "finger" not in name)


def _is_cut_off(mask: np.ndarray) -> bool:
    """Whether a region reaches the image's border."""
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the bags, one folder an episode; those there are kept")
    parser.add_argument("--task", choices=[*RULES, "all"], default="all")
    parser.add_argument("--episodes", type=count_of, default=10, help="episodes a task")
    parser.add_argument("--first", type=int, default=0, help="number of the first episode")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=size_of, default=(320, 240), metavar="WxH", help="image size")
    parser.add_argument("--cameras", type=int, choices=[1, 2], default=1)
    parser.add_argument("--engine", choices=[*ROBOTS, "all"], default="all")
    parser.add_argument("--held-out", action="store_true", help="seeds, colours and cameras that training never sees")
    parser.add_argument("--keep-free", type=float, default=8.0, metavar="GB", help="stop when less disk is free")
    return parser.parse_args()


if __name__ == "__main__":
    main()
