"""Records pictures for a detector: what is in each, as boxes with words; see README.md beside this file.

python sim/sightings.py OUT_DIR --set training --turns 600 --seed 1
"""

import argparse
import itertools
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")  # renders on the processor; set MUJOCO_GL=egl to use a graphics card
os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])
warnings.filterwarnings("ignore", category=UserWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning)

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import sighting_scenes as scenes  # noqa: E402
import sighting_words  # noqa: E402
import tasks  # noqa: E402
import truth  # noqa: E402
from record import SPLIT_SEEDS, count_of, size_of  # noqa: E402

TRAINING = ("robotiq85", "rethink", "robotiq140", "robotiq3f", "jaco")
HELD_OUT = ("kuka", "wsg50", "xarm", "pr2")
STARTS = ("reach", "push", "pick_and_lift", "pick_and_place", "stack", "insert", "pour")


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    started, pictures = time.monotonic(), 0
    for turn in range(options.first, options.first + options.turns):
        path = options.out / f"{turn:05d}"
        if path.exists():
            continue
        if shutil.disk_usage(options.out).free < options.keep_free * 1e9:
            sys.exit(f"error: less than {options.keep_free:g} GB free in {options.out}: make room or lower --keep-free")
        rng = np.random.default_rng([SPLIT_SEEDS[options.set == "held-out"] + options.seed, turn])
        name, source = _source(options.set, options.size, turn, rng)
        pictures += _write(path, itertools.islice(source, options.frames))
        source.close()
        print(f"{path.name} {name}: {pictures} pictures, {time.monotonic() - started:.0f} s", flush=True)


def _source(split: str, size: tuple[int, int], turn: int, rng: np.random.Generator) -> tuple[str, Iterator]:
    """Whose turn it is. Training: half made grippers, a quarter those of packages, the rest whole arms, all in MuJoCo.
    Held out: half the Panda at the start of its tasks, half four more grippers, all in pybullet."""
    if split == "held-out":
        if turn % 2:
            name = HELD_OUT[turn // 2 % len(HELD_OUT)]
            return name, scenes.gripper(name, "pybullet", size, rng)
        task = STARTS[turn // 2 % len(STARTS)]
        return f"panda {task}", scenes.start("panda", task, size, rng)
    kind = turn % 8
    if kind < 4:
        return "made", scenes.gripper("made", "mujoco", size, rng)
    if kind < 6:
        name = TRAINING[(turn // 8 * 2 + kind) % len(TRAINING)]
        return name, scenes.gripper(name, "mujoco", size, rng)
    simulator = "fetch" if kind == 6 else "metaworld"
    task = str(rng.choice([task.key for task in tasks.TASKS if task.simulator == simulator and not task.held_out]))
    return f"{simulator} {task}", scenes.arm(task, size, rng)


def _write(path: Path, sightings: Iterator[scenes.Sighting]) -> int:
    """A folder with the pictures of a turn and `sightings.json`; it appears when it is complete."""
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    rows = []
    for number, sighting in enumerate(sightings):
        Image.fromarray(sighting.image).save(part / f"{number:03d}.jpg", quality=92)
        regions = [_region(sighting.image, seen) for seen in sighting.seen]
        rows.append(
            {"picture": f"{number:03d}.jpg", "robot": sighting.robot, "task": sighting.task, "regions": regions}
        )
    (part / "sightings.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    part.rename(path)
    return len(rows)


def _region(image: np.ndarray, seen: scenes.Seen) -> dict:
    colour, near = None, []
    if seen.shape != "fingertip" and sighting_words.is_plain(image, seen.mask):
        colour, near = sighting_words.colour_of(image, seen.mask)
    return {
        "shape": seen.shape,
        "near_shapes": seen.near_shapes,
        "colour": colour,
        "near_colours": near,
        "box": truth.box(seen.mask),
        "target": seen.target,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pictures, one folder a turn; those there are kept")
    parser.add_argument("--set", choices=["training", "held-out"], default="training")
    parser.add_argument("--turns", type=count_of, default=8, help="robots take turns")
    parser.add_argument("--first", type=int, default=0, help="number of the first turn")
    parser.add_argument("--frames", type=count_of, default=24, help="pictures a turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=size_of, default=(320, 240), metavar="WxH", help="image size")
    parser.add_argument("--keep-free", type=float, default=8.0, metavar="GB", help="stop when less disk is free")
    return parser.parse_args()


if __name__ == "__main__":
    main()
