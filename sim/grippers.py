"""Records approaches of many grippers to many targets, long and thin ones among them; see README.md beside this file.

python sim/grippers.py OUT_DIR --gripper all-development --target all --scenes 24 --frames 40 --size 640x480
"""

import argparse
import json
import os
import shutil
import sys
import time
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")  # renders on the processor; set MUJOCO_GL=egl to use a graphics card
os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])
warnings.filterwarnings("ignore", category=UserWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning)

import numpy as np  # noqa: E402

import bag  # noqa: E402
import grip_scene  # noqa: E402
from record import SPLIT_SEEDS, count_of, size_of  # noqa: E402
from rigs import GRIPPERS, OPENNESS  # noqa: E402
from things import KINDS  # noqa: E402


def main() -> None:
    options = _options()
    grippers = _chosen(options.gripper, GRIPPERS, "gripper")
    targets = _chosen(options.target, KINDS, "target", held_out=any(GRIPPERS[name].held_out for name in grippers))
    options.out.mkdir(parents=True, exist_ok=True)
    started, frames, missed = time.monotonic(), 0, 0
    for scene in range(options.first_scene, options.first_scene + options.scenes):
        if shutil.disk_usage(options.out).free < options.keep_free * 1e9:
            sys.exit(f"error: less than {options.keep_free:g} GB free in {options.out}: make room or lower --keep-free")
        name, count = _record(options, grippers, targets, scene)
        if count is None:
            continue  # recorded earlier
        frames, missed = frames + count, missed + (count == 0)
        rate = frames / (time.monotonic() - started)
        print(f"{scene + 1} {name}: {count} frames, {rate:.1f} frames/s in all", flush=True)
    if missed:
        sys.exit(f"error: {missed} scenes could not be recorded; their names are above, with 0 frames")


def _record(options: argparse.Namespace, grippers: list[str], targets: list[str], scene: int) -> tuple[str, int | None]:
    plan = _plan(options, grippers, targets, scene)
    name = f"grip_{plan.engine}_{plan.gripper}_{plan.target}_{options.seed}_{scene:05d}"
    path = options.out / name
    if path.exists():
        return name, None
    entropy = [SPLIT_SEEDS[plan.held_out] + options.seed, scene, zlib.crc32(name.encode())]
    rng = np.random.default_rng(entropy)
    frames, notes = grip_scene.record(plan, options.size, options.frames, rng)
    if frames:
        sensors = bag.Sensors(depth_noise=plan.noise, box_jitter=plan.jitter)
        prompt = f"pick up the {KINDS[plan.target].word}"
        bag.write(path, frames, prompt, scene=scene, sensors=sensors, rng=rng, notes=json.dumps(notes))
    return name, len(frames)


def _plan(options: argparse.Namespace, grippers: list[str], targets: list[str], scene: int) -> grip_scene.Plan:
    """Grippers take turns; everything else is dealt, so that a gripper sees all of it about equally often."""
    gripper, turn = grippers[scene % len(grippers)], scene // len(grippers)

    def deal(values: Sequence, what: str):
        block, place = divmod(turn, len(values))
        order = np.random.default_rng([options.seed, block, zlib.crc32(f"{gripper} {what}".encode())])
        return values[order.permutation(len(values))[place]]

    target = deal(targets, "target")
    source = "mujoco" if GRIPPERS[gripper].source == "robosuite" else "pybullet"
    return grip_scene.Plan(
        engine=options.engine or source,
        gripper=gripper,
        openness=deal(list(OPENNESS), "openness"),
        target=target,
        region=deal(["tips", "tips", "fingers"], "region"),
        tilted=deal([False, True], "tilted"),
        clutter=deal([False, True], "clutter"),
        noise=deal([False, True], "noise") if options.noise is None else options.noise,
        jitter=options.jitter,
        held_out=GRIPPERS[gripper].held_out or KINDS[target].held_out,
    )


def _chosen(wanted: str, known: dict, what: str, held_out: bool | None = None) -> list[str]:
    """The names that an option asks for; `all` means those of the grippers' side of the split, or everything."""
    groups = {
        "all-development": [name for name, item in known.items() if not item.held_out],
        "all-held-out": [name for name, item in known.items() if item.held_out],
        "all": [name for name, item in known.items() if held_out is None or held_out or not item.held_out],
    }
    names = groups.get(wanted) or wanted.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"error: no {what} `{unknown[0]}`. Choose {', '.join(groups)} or of: {', '.join(known)}")
    return names


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the bags, one folder a scene; scenes already there are kept")
    parser.add_argument("--gripper", default="all-development", help="names with commas, or a side of the split")
    parser.add_argument(
        "--target",
        default="all",
        help="names with commas, a side of the split, or all: development targets for development grippers, "
        "every target as soon as a held-out gripper is among them",
    )
    parser.add_argument("--engine", choices=["mujoco", "pybullet"], help="who draws (default: the model's own)")
    parser.add_argument("--scenes", type=count_of, default=8, help="scenes in all; grippers take turns")
    parser.add_argument("--first-scene", type=int, default=0, help="number of the first scene")
    parser.add_argument("--frames", type=count_of, default=40, help="frames a scene")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=size_of, default=(640, 480), metavar="WxH", help="image size")
    noise = parser.add_mutually_exclusive_group()
    noise.add_argument("--noise", action="store_true", default=None, help="every scene's depth is noisy")
    noise.add_argument("--clean", action="store_false", dest="noise", help="none is (default: half of them)")
    parser.add_argument("--jitter", action="store_true", help="boxes are off by 4 %% of their sides, not tight")
    parser.add_argument("--keep-free", type=float, default=8.0, metavar="GB", help="stop when less disk is free")
    return parser.parse_args()


if __name__ == "__main__":
    main()
