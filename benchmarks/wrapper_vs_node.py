"""The Gymnasium wrapper beside a running node on the same pictures: are rewards equal, and how long does each wait?

usage: wrapper_vs_node.py [--steps 10000] [--program PROGRAM] ...

Reacher of Gymnasium with random actions is drawn once, an episode at a time. Each episode is then played to both in
turns: to `spatial_reward.gymnasium.SpatialReward` in this process, and to examples/gymnasium_wrapper.py, which asks a
node's ~/annotate_step. Playing costs nothing, so a step's time is the wait for its reward. Exits with 1 if a reward,
distance, standard deviation, reason or verdict of success differs, or if the wrapper takes more than half of the
node's time.
"""

import argparse
import contextlib
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# Before MuJoCo and ROS 2: machines without a screen, nobody else's messages, and shared memory for a whole request of
# 640x480. With Fast DDS's own half megabyte it waits four times as long, and at times seconds for lost parts.
os.environ.setdefault("MUJOCO_GL", "osmesa")
os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))
os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(Path(__file__).parents[1] / "config" / "fast_dds.xml"))
os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"])

import gymnasium
import numpy as np

import spatial_reward as sr
from node_vs_rclpy import ROOT, end, processor
from spatial_reward.gymnasium import Bodies, Observed, SpatialReward
from spatial_reward.gymnasium._mujoco import View

NODE = "wrapper_vs_node"
# The arm ends in a ball of 1 cm, on its way to another: touching is success.
REWARD = {"kind": "shaped", "gamma": 0.98, "kappa": 20.0, "threshold_m": 0.01}
REGIONS = {"fingertip": Bodies("fingertip"), "target": Bodies("target")}
RATE_HZ = 50  # of Reacher
ENOUGH = 0.5  # of the node's time
TOLD = ("distance_m", "distance_std_m", "reason", "success")


@dataclass
class Answer:
    """What one side says of a picture; a picture that begins an episode has no reward."""

    told: dict
    reward: float
    seconds: float


class Film(gymnasium.Env):
    """Plays the pictures of an episode that was drawn before."""

    observation_space = action_space = gymnasium.spaces.Discrete(1)

    def __init__(self):
        # How long a success must be held is a matter of time.
        self.metadata = {"render_fps": RATE_HZ}
        self.pictures: list[Observed] = []
        self.at = 0
        self.time_nanos = time.time_ns()

    @property
    def picture(self) -> Observed:
        return self.pictures[self.at]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        self._pass_time()
        return 0, {}

    def step(self, action):
        self.at += 1
        self._pass_time()
        return 0, 0.0, False, self.at + 1 == len(self.pictures), {}

    def _pass_time(self):
        self.time_nanos += 1_000_000_000 // RATE_HZ


def main() -> None:
    arguments = parse()
    print(processor(), f"{len(os.sched_getaffinity(0))} cores", f"Python {platform.python_version()}", sep="; ")
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(running_node(arguments.program, scratch))
        pairs = play(arguments, stack)
    result = judge(pairs)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(0 if not result["differ"] and result["share"] <= ENOUGH else 1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000, help="steps with a reward (10000)")
    parser.add_argument("--size", default="640x480", help="of the pictures (640x480)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", type=Path, default=Path("spatial-reward"), help="with the node (of the PATH)")
    parser.add_argument("--json", type=Path, help="write all figures here")
    return parser.parse_args()


@contextlib.contextmanager
def running_node(program: Path, scratch: Path):
    """The node with the wrapper's settings, ended with the block."""
    settings = scratch / "node.yaml"
    settings.write_text(json.dumps({"reward": REWARD, "estimator": {"kind": "geometry", "distance": "surface"}}))
    command = [str(program), "node", "--config", str(settings)]
    try:
        node = subprocess.Popen([*command, "--ros-args", "-r", f"__node:={NODE}", "--log-level", "error"])
    except FileNotFoundError:
        sys.exit(f"{program} is not there: build spatial-reward with the feature `ros`, or name it with --program")
    try:
        yield
    finally:
        end(node)


def play(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> list[tuple[Answer, Answer]]:
    """What wrapper and node say of each picture."""
    width, height = (int(side) for side in arguments.size.split("x"))
    task = gymnasium.make("Reacher-v5")
    stack.callback(task.close)
    task.action_space.seed(arguments.seed)
    task.reset(seed=arguments.seed)
    view = View(task, -1, width, height, REGIONS)
    camera, film = view.look(task)[1], Film()
    wrapped = {"wrapper": by_wrapper(film, camera), "node": by_node(film, camera)}
    for env in wrapped.values():
        stack.callback(env.close)
    pairs, steps, turn = [], 0, 0
    while steps < arguments.steps:
        film.pictures = drawn(task, view)[: arguments.steps - steps + 1]
        steps += len(film.pictures) - 1
        turn += 1
        told = {}
        for side in sorted(wrapped, reverse=bool(turn % 2)):
            told[side] = episode(wrapped[side])
        pairs += zip(told["wrapper"], told["node"], strict=True)
        if turn % 20 == 0:
            print(f"... {steps} steps", file=sys.stderr, flush=True)
    return pairs


def by_wrapper(film: Film, camera: sr.Camera) -> gymnasium.Env:
    settings = {"reward": {name: value for name, value in REWARD.items() if name != "kind"}}
    return SpatialReward(
        film, camera=camera, observe=lambda env: env.unwrapped.picture, config=settings, on_invalid="nan"
    )


def by_node(film: Film, camera: sr.Camera) -> gymnasium.Env:
    sys.path.insert(0, str(ROOT / "examples"))
    import gymnasium_wrapper

    def observe(env: gymnasium.Env):
        picture, pinhole = env.unwrapped.picture, (camera.fx, camera.fy, camera.cx, camera.cy)
        boxes = picture.fingertip, picture.target
        return gymnasium_wrapper.Frame(picture.color, picture.depth, pinhole, *boxes, env.unwrapped.time_nanos)

    return gymnasium_wrapper.SpatialReward(film, observe, node_name=NODE, on_invalid="nan", timeout_s=30.0)


def drawn(task: gymnasium.Env, view: View) -> list[Observed]:
    """An episode with random actions."""
    task.reset()
    pictures, is_over = [view.look(task)[0]], False
    while not is_over:
        _, _, terminated, truncated, _ = task.step(task.action_space.sample())
        pictures.append(view.look(task)[0])
        is_over = terminated or truncated
    return pictures


def episode(env: gymnasium.Env) -> list[Answer]:
    """The film's episode from beginning to end."""
    begin = time.perf_counter()
    _, info = env.reset()
    answers = [Answer(info["spatial_reward"], math.nan, time.perf_counter() - begin)]
    is_over = False
    while not is_over:
        begin = time.perf_counter()
        _, reward, _, is_over, info = env.step(0)
        answers.append(Answer(info["spatial_reward"], reward, time.perf_counter() - begin))
    return answers


def judge(pairs: list[tuple[Answer, Answer]]) -> dict:
    """Equal to the bit or not, and the waits; printed."""
    differing = [i for i, pair in enumerate(pairs) if said(pair[0]) != said(pair[1])]
    steps = [pair for pair in pairs if pair[0].told["frame"]]
    reasons = Counter(pair[0].told["reason"] for pair in steps)
    valid = reasons.pop("", 0)
    # What is not measured is told at once, and learners wait for what is.
    waits = np.array([[side.seconds * 1e3 for side in pair] for pair in steps if pair[0].told["valid"]])
    share = float(np.median(waits[:, 0]) / np.median(waits[:, 1]))
    said_why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none invalid"
    print(f"{valid} valid steps ({said_why}); {len(differing)} of {len(pairs)} pictures differ")
    for i in differing[:5]:
        print(f"  picture {i}: wrapper {said(pairs[i][0])}, node {said(pairs[i][1])}")
    rows = {}
    for column, side in enumerate(("wrapper", "node")):
        rows[side] = {f"p{p}_ms": float(np.percentile(waits[:, column], p)) for p in (50, 95, 100)}
        print(f"{side:8} waits {', '.join(f'{ms:.2f}' for ms in rows[side].values())} ms (50, 95 and 100 of 100)")
    print(f"the wrapper takes {share:.2f} of the node's time (asked: {ENOUGH} at most)")
    return {"valid": valid, "invalid": reasons, "differ": len(differing), "share": share, **rows}


def said(answer: Answer) -> tuple:
    """What must be equal; NaN is, where both say it."""
    values = [answer.reward, *(answer.told[name] for name in TOLD)]
    return tuple("nan" if isinstance(value, float) and math.isnan(value) else value for value in values)


if __name__ == "__main__":
    main()
