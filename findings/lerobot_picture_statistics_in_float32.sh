#!/usr/bin/env bash
# LeRobot 0.6 adds up the pixels of an episode in float32, one after the other: mean and deviation of colour drift away.
#
# Version    lerobot 0.6.1 with numpy 2.2.6, the newest that it admits; its own code, without torch (see below).
# Behaviour  0.6.0 converts pixels to float32 before it squares them, which mended the deviation of 0 that 0.4 and 0.5
#            write (lerobot_image_std_is_zero.sh). Then it takes numpy.mean of an array of (pixels, 3) over the pixels.
#            numpy sums in pairs only along the axis that lies together in memory; over rows it adds one after the
#            other, in the array's own 24 bits. An episode's sample is 2 to 20 million pixels: the sum of their squares
#            grows beyond 2^36, where a step is 8192 and more, and each further square, 65025 at most, is rounded to
#            such steps. Alike pixels are rounded alike, so nothing averages out. Nothing warns; min, max and
#            quantiles are right.
# Seen       100 pictures, the sample of an episode of 100 to 464 frames; mean and std as LeRobot has them, of pictures
#            from 0 to 1, and the right ones beside them:
#              640x480 (every 4th pixel is taken)  a bright scene, 235 +- 8       mean 0.918 (0.922)  std 0.094 (0.031)
#                                                  a grey wall 100, a tenth 110   mean 0.388 (0.396)  std 0.098 (0.012)
#                                                  half 200, half 100             mean 0.574 (0.588)  std 0.238 (0.196)
#                                                  noise, 120 +- 30               mean 0.471 (0.471)  std 0.119 (0.118)
#              256x256 (all pixels are)            a bright scene                 mean 0.967 (0.922)  std 0     (0.031)
#                                                  a grey wall                    mean 0.400 (0.396)  std 0     (0.012)
#                                                  half 200, half 100             mean 0.595 (0.588)  std 0.163 (0.196)
#            Picture by picture, as `streaming_encoding=True` does it, means are right and deviations too large or small
#            by 2 %; the wall's at 256x256 is 0 there too. Of depth, with one channel, both are right.
#            Run here too with the whole package: LeRobotDataset.save_episode writes the first into meta/stats.json.
# Source     https://github.com/huggingface/lerobot src/lerobot/datasets/compute_stats.py at v0.6.1:
#            RunningQuantileStats.update (astype of float32, np.mean(batch, axis=0) and of batch**2) and get_statistics
#            (the one less the square of the other, and 0 where that is negative); sample_images and
#            auto_downsample_height_width make the sample. numpy's reference of mean and sum says that float32 is summed
#            as such, and in pairs along the fast axis alone. Pull request 4704 there, open, sums in float64, for
#            small variations around large means.
# Hurt       Who normalizes pictures by the data set's own figures (VISUAL: MEAN_STD with use_imagenet_stats=false) or
#            compares data sets by them: the deviation is a third, three times or eight times what it is, or 0, by which
#            is divided after 1e-8 is added. Bright and even scenes are worst, as on a white table or in a light box.
#            They go along in meta/stats.json; lerobot-train hides it by default with ImageNet's.
# Do         Work out both anew in float64; streaming_encoding=True does most of it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6 pillow==11.3.0
# Without its dependencies, which are torch and gigabytes, and whatever this Python is: of the package one file is run.
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 \
    --dest "$work" lerobot==0.6.1
"$work/venv/bin/python" -m zipfile -e "$work"/lerobot-0.6.1-*.whl "$work/lerobot"

"$work/venv/bin/python" - "$work" <<'PY'
import ast
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
from PIL import Image

folder = Path(sys.argv[1])
source = folder / "lerobot" / "lerobot" / "datasets"
# What compute_stats.py asks other files for: a function, which is taken out of its file as it stands there, and names
# for the statistics of actions, which are not asked for here.
[load] = [
    node
    for node in ast.parse((source / "io_utils.py").read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name == "load_image_as_numpy"
]
names = {
    "lerobot": {},
    "lerobot.datasets": {},
    "lerobot.datasets.io_utils": {"np": np, "PILImage": Image, "Path": Path},
    "lerobot.processor": {"RelativeActionsProcessorStep": None},
    "lerobot.utils": {},
    "lerobot.utils.constants": {"ACTION": "action", "OBS_STATE": "observation.state"},
}
for name, content in names.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(content)
annotations = "from __future__ import annotations\n"
exec(annotations + ast.unparse(load), sys.modules["lerobot.datasets.io_utils"].__dict__)
spec = importlib.util.spec_from_file_location("lerobot.datasets.compute_stats", source / "compute_stats.py")
lerobot = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = lerobot
spec.loader.exec_module(lerobot)

N = 100
CAMERA = "observation.images.front"
rng = np.random.default_rng(0)
failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


def episode(picture):
    """What save_episode computes for a camera that sees this in every frame, (height, width, 3)."""
    path = str(folder / "frame.png")
    Image.fromarray(picture).save(path)
    features = {CAMERA: {"dtype": "image", "shape": picture.shape}}
    return lerobot.compute_episode_stats({CAMERA: [path] * N}, features)[CAMERA]


def streamed(picture):
    """The same by the class's user that gets one picture after the other."""
    small = lerobot.auto_downsample_height_width(picture.transpose(2, 0, 1))
    running = lerobot.RunningQuantileStats()
    for _ in range(N):
        running.update(small.transpose(1, 2, 0).reshape(-1, 3))
    return {name: value / 255 for name, value in running.get_statistics().items()}


def noise(mean, deviation, height, width):
    return np.clip(np.rint(rng.normal(mean, deviation, (height, width, 3))), 0, 255).astype(np.uint8)


def halves(left, right, share, height, width):
    picture = np.full((height, width, 3), right, np.uint8)
    picture[:, : int(width * share)] = left
    return picture


off = {}
for height, width in ((480, 640), (256, 256)):
    for name, picture in (
        ("a bright scene, 235 +- 8", noise(235, 8, height, width)),
        ("a grey wall 100, a tenth 110", halves(110, 100, 0.1, height, width)),
        ("half 200, half 100", halves(200, 100, 0.5, height, width)),
        ("noise, 120 +- 30", noise(120, 30, height, width)),
    ):
        stats, single = episode(picture), streamed(picture)
        seen = lerobot.auto_downsample_height_width(picture.transpose(2, 0, 1)).reshape(3, -1) / 255
        right = {"mean": seen.mean(axis=1), "std": seen.std(axis=1)}
        values = [(key, stats[key].ravel()[0], right[key][0]) for key in ("mean", "std")]
        print(f"{width}x{height} {name:29}" + "  ".join(f"{key} {a:.4f} ({b:.4f})" for key, a, b in values))
        off[width, name.split(",")[0]] = {key: a / b for key, a, b in values}
        check(np.allclose(single["mean"], right["mean"], rtol=1e-4), "  picture by picture, the mean is right")
        if (width, name[:6]) == (256, "a grey"):
            check(np.all(single["std"] == 0), "  picture by picture, the deviation is 0 too")
        else:
            near = np.allclose(single["std"], right["std"], rtol=0.05)
            check(near, "  picture by picture, the deviation is right to 5 %")
        for key, what in (("min", np.min), ("max", np.max)):
            check(np.allclose(stats[key].ravel(), what(seen, axis=1)), f"  the {key} is right")

check(off[640, "a bright scene"]["std"] > 2.5, "640x480, bright: the deviation is more than 2.5 times what it is")
check(off[640, "a grey wall 100"]["std"] > 6, "640x480, a wall: more than 6 times")
check(off[640, "half 200"]["std"] > 1.15, "640x480, two halves: a sixth too much")
check(abs(off[640, "half 200"]["mean"] - 1) > 0.02, "640x480, two halves: the mean is off by more than 2 %")
check(off[256, "a bright scene"]["std"] == off[256, "a grey wall 100"]["std"] == 0, "256x256, bright and a wall: 0")
check(off[256, "a bright scene"]["mean"] > 1.04, "256x256, bright: the mean is off by more than 4 %")
check(off[256, "half 200"]["std"] < 0.9, "256x256, two halves: a tenth too little")
check(abs(off[640, "noise"]["std"] - 1) < 0.02, "640x480, noise all over: right to 2 %")

depth = np.rint(rng.normal(800, 5, (N, 1, 120, 160))).astype(np.uint16)
stats = lerobot.get_feature_stats(depth, (0, 2, 3), True)
check(np.allclose(stats["mean"], depth.mean(), rtol=1e-5), "depth: the mean is right")
check(np.allclose(stats["std"], depth.std(), rtol=0.02), "depth: the deviation is right to 2 %")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
