#!/usr/bin/env bash
# LeRobot 0.4 and 0.5 write a standard deviation of 0 for every camera that is not nearly black.
#
# Version    lerobot 0.4.4, the newest for Python 3.10 and 3.11; its own code, without torch (see below).
# Behaviour  The statistics of an image feature are taken over its PNG files, loaded as uint8. The running statistics
#            square the batch in its own type, so a square is kept modulo 256. The mean of such squares is at most
#            255, and the variance, mean of squares less square of the mean, comes out negative and is cut to 0 for
#            every channel whose mean is above 16 of 255. Nothing warns; mean, min and max are right.
#            Aggregation over episodes then gives the spread between the episodes' means: small, and not 0.
# Seen       20 pictures an episode; std as LeRobot has it, of pictures from 0 to 1, and the right one beside it:
#              means 120, 100, 80, deviation 30       std 0, 0, 0                (0.118 each)
#              any grey level, equally often          std 0, 0, 0                (0.289)
#              a mask of 0 and 255, half and half     std 0, 0, 0                (0.500)
#              13 and 15, half and half               std 0.0039 each, right     (15 * 15 is below 256)
#              15 and 17, half and half               std 0, 0, 0                (0.0039 each)
#              dark, means 6, 10, 14                  std 0.0079, 0.0029, 0      (0.0079, 0.0118, 0.0196)
#              two episodes, the second 10 brighter   std 0.020 each             (0.119 each)
#            Run here too with the whole package: LeRobotDataset.save_episode writes the last into meta/stats.json.
# Source     https://github.com/huggingface/lerobot src/lerobot/datasets/compute_stats.py at v0.4.4:
#            RunningQuantileStats.update (batch**2), sample_images (uint8), get_statistics (maximum of 0 and the
#            variance); video_utils.py hands the streaming encoder's uint8 frames to the same class. Issue 3682 and
#            pull request 3697 there. By their sources 0.4.0 to 0.5.1 square so; 0.6.0 converts first, and 0.3.3 calls
#            numpy.std. Run here: of such short episodes 0.6.1 is right (of longer ones, see
#            lerobot_picture_statistics_in_float32.sh).
# Hurt       Who normalizes pictures by the statistics of the data set: a policy with VISUAL: MEAN_STD (ACT, diffusion)
#            and use_imagenet_stats=false, as for depth or infrared in a picture, divides by 0 + 1e-8, which gave
#            values of 4e7, or by a sixth of the deviation. The numbers go along with the data set, in
#            meta/stats.json. lerobot-train hides it by default, since it puts ImageNet's in their place.
# Do         Work out std anew from the pictures; distrust one below 0.05.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
# Without lerobot's dependencies, which are torch and gigabytes: of them the statistics need these two.
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6 pillow==11.3.0
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps lerobot==0.4.4

"$work/venv/bin/python" - "$work" <<'PY'
import ast
import sys
import types
from importlib.metadata import files
from pathlib import Path

import numpy as np
from PIL import Image

# compute_stats.py asks lerobot.datasets.utils for one function, which is taken out of that file as it stands there;
# the rest of the file imports torch and pandas.
[path] = [f.locate() for f in files("lerobot") if str(f) == "lerobot/datasets/utils.py"]
tree = ast.parse(Path(path).read_text())
tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "load_image_as_numpy"]
assert len(tree.body) == 1, "load_image_as_numpy is elsewhere"
utils = types.ModuleType("lerobot.datasets.utils")
utils.__dict__.update(np=np, PILImage=Image, Path=Path)
exec(compile(tree, str(path), "exec"), utils.__dict__)
sys.modules["lerobot.datasets.utils"] = utils

from lerobot.datasets.compute_stats import aggregate_stats, compute_episode_stats

CAMERA = "observation.images.front"
N, H, W = 20, 48, 64
folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


def episode(pictures):
    """What save_episode computes for a camera of the pictures, which add_frame has written to files."""
    paths = [str(folder / f"{k:02}.png") for k in range(len(pictures))]
    for picture, path in zip(pictures, paths):
        Image.fromarray(picture).save(path)
    return compute_episode_stats({CAMERA: paths}, {CAMERA: {"dtype": "image", "shape": (H, W, 3)}})


def deviation(stats):
    return stats[CAMERA]["std"].ravel()


def normal(means, sigmas):
    return np.clip(np.rint(rng.normal(means, sigmas, (N, H, W, 3))), 0, 255).astype(np.uint8)


def show(name, seen, pictures):
    true = (pictures / 255).std(axis=(0, 1, 2))
    print(f"{name:28} std {np.round(seen, 4)}, numpy says {np.round(true, 4)}")
    return true


mask = np.zeros((N, H, W, 3), np.uint8)
mask[:, :, : W // 2] = 255
table = normal([120, 100, 80], 30)
for name, pictures in (
    ("means 120, 100, 80", table),
    ("any grey level", rng.integers(0, 256, (N, H, W, 3), dtype=np.uint8)),
    ("a mask of 0 and 255", mask),
):
    stats = episode(pictures)
    true = show(name, deviation(stats), pictures)
    check(np.all(deviation(stats) == 0) and true.min() > 0.1, f"{name}: exactly 0")
    for what in ("mean", "min", "max"):
        right = getattr(np, what)(pictures / 255, axis=(0, 1, 2))
        check(np.allclose(stats[CAMERA][what].ravel(), right), f"{name}: the {what} is right")

for level in (15, 17):
    pictures = np.full((N, H, W, 3), level, np.uint8)
    pictures[:, : H // 2] -= 2
    seen = deviation(episode(pictures))
    true = show(f"{level - 2} and {level}", seen, pictures)
    expected, word = (true, "right") if level == 15 else (0, "exactly 0")
    check(np.allclose(seen, expected, atol=1e-6), f"{level - 2} and {level}: {word}")

pictures = rng.integers(0, 16, (N, H, W, 3), dtype=np.uint8)
seen = deviation(episode(pictures))
check(np.allclose(seen, show("dark, 0 to 15", seen, pictures), atol=1e-6), "0 to 15: right")

pictures = normal([6, 10, 14], [2, 3, 5])
seen = deviation(episode(pictures))
true = show("dark, means 6, 10, 14", seen, pictures)
check(np.isclose(seen[0], true[0], rtol=0.02), "mean 6: right")
check(0.1 * true[1] < seen[1] < 0.8 * true[1], "mean 10: wrong, and looks like a deviation")
check(seen[2] == 0, "mean 14: 0")

brighter = normal([130, 110, 90], 30)
seen = deviation(aggregate_stats([episode(table), episode(brighter)]))
true = show("two episodes together", seen, np.concatenate([table, brighter]))
check(np.all((seen > 0.015) & (seen < 0.025)) and true.min() > 0.11, "two episodes: a sixth of what it should be")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
