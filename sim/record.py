"""Records training and evaluation bags from robot simulators; see README.md beside this file.

python sim/record.py OUT_DIR --simulator both --task all-training --mode scatter --scenes 100 --frames 24
"""

import argparse
import os
import re
import shutil
import sys
import time
import warnings
import zlib
from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")  # renders on the processor; set MUJOCO_GL=egl to use a graphics card
os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])
warnings.filterwarnings("ignore", category=UserWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning)

import numpy as np  # noqa: E402

import approach  # noqa: E402
import bag  # noqa: E402
import scatter  # noqa: E402
import tasks  # noqa: E402
from studio import Studio  # noqa: E402

SPLIT_SEEDS = {False: 0, True: 1_000_000_000}  # held-out recordings draw from seeds that training never uses


class DiskFull(Exception):
    """Too little disk is left to go on."""


def main() -> None:
    options = _options()
    chosen = tasks.select(options.simulator, options.task)
    options.out.mkdir(parents=True, exist_ok=True)
    work = [(options, chosen, scene) for scene in range(options.first_scene, options.first_scene + options.scenes)]
    try:
        missed = _report(_run(work, options.jobs), len(work))
    except DiskFull as error:
        sys.exit(f"error: {error}")
    if missed:
        sys.exit(
            f"error: {missed} of {len(work)} scenes could not be recorded; their names are above, with 0 frames. "
            "Try another --seed for them"
        )


def _report(results: Iterable[tuple[str, int | None]], scenes: int) -> int:
    """Prints a line a scene; returns how many scenes gave no frame."""
    started, frames, missed = time.monotonic(), 0, 0
    for done, (name, count) in enumerate(results, 1):
        if count is None:
            continue  # recorded earlier
        frames += count
        missed += count == 0
        rate = frames / (time.monotonic() - started)
        print(f"{done}/{scenes} {name}: {count} frames, {rate:.1f} frames/s in all", flush=True)
    return missed


def _run(work: list, jobs: int):
    if jobs == 1:
        yield from map(_record, work)
    else:
        with get_context("spawn").Pool(jobs, maxtasksperchild=50) as pool:
            yield from pool.imap(_record, work)


def _record(job: tuple) -> tuple[str, int | None]:
    options, chosen, scene = job
    task = _task_of(chosen, scene, options.seed)
    held_out = options.held_out or task.held_out
    name = f"{options.mode}_{task.simulator}_{task.key}_{options.seed}_{scene:05d}"
    path = options.out / name
    if path.exists():
        return name, None
    if shutil.disk_usage(options.out).free < options.keep_free * 1e9:
        raise DiskFull(f"less than {options.keep_free:g} GB free in {options.out}: make room or lower --keep-free")
    entropy = [SPLIT_SEEDS[held_out] + options.seed, scene, zlib.crc32(task.key.encode())]
    rng = np.random.default_rng(entropy)
    frames = _frames(task, options, held_out, rng)
    if frames:
        sensors = bag.Sensors(depth_noise=bool(rng.random() < 1 / 2), box_jitter=bool(rng.random() < 2 / 3))
        bag.write(path, frames, task.prompt, scene=scene, sensors=sensors, rng=rng)
    return name, len(frames)


def _task_of(chosen: list, scene: int, seed: int) -> tasks.Task:
    """Simulators take turns, and so do the tasks of each: a recording that stops early still has some of everything."""
    simulators = sorted({task.simulator for task in chosen})
    mine = [task for task in chosen if task.simulator == simulators[scene % len(simulators)]]
    return mine[(scene // len(simulators) + seed) % len(mine)]


def _frames(task: tasks.Task, options: argparse.Namespace, held_out: bool, rng: np.random.Generator) -> list[bag.Frame]:
    record = {"scatter": scatter.record, "approach": approach.record}[options.mode]
    for _ in range(1 if options.mode == "scatter" else approach.TRIES):
        studio = Studio(task, options.size, held_out, rng)
        try:
            frames = record(studio, options.frames)
        finally:
            studio.close()
        if frames:
            return frames
    return []


def size_of(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or "0" in match.groups():
        raise argparse.ArgumentTypeError(f"`{text}` is not a size like 320x240")
    return int(match[1]), int(match[2])


def count_of(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above 0")
    return int(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the bags, one folder a scene; scenes already there are kept")
    simulators = [*tasks.GROUPS["all"], *tasks.GROUPS]
    parser.add_argument("--simulator", choices=simulators, default="both", help="several take turns scene by scene")
    parser.add_argument("--task", default="all-training", help="a task, all-training or all-held-out")
    parser.add_argument(
        "--mode",
        choices=["scatter", "approach"],
        default="scatter",
        help="scatter: unrelated frames; approach: an episode that ends at the target",
    )
    parser.add_argument("--scenes", type=count_of, default=8)
    parser.add_argument("--first-scene", type=int, default=0, help="number of the first scene")
    parser.add_argument("--frames", type=count_of, default=24, help="frames a scene")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=size_of, default=(320, 240), metavar="WxH", help="image size")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="seeds, target colours and cameras kept out of training (always so for held-out tasks)",
    )
    parser.add_argument("--keep-free", type=float, default=8.0, metavar="GB", help="stop when less disk is free")
    parser.add_argument("--jobs", type=count_of, default=1, help="processes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
