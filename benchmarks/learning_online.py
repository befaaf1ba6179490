"""Whether learners gain: one learner on four rewards, in tasks of Meta-World, judged by Meta-World's own success.

usage: learning_online.py [--task NAME ...] [--seeds N] [--steps N] [--jobs N] [-o FOLDER]

  task    measured in a camera's picture: the phases of a task and their shaping
  env     Meta-World's dense reward, which knows the simulator's state
  sparse  Meta-World's success, step by step
  raw     measured in the same pictures: minus the distance from fingertip to thing

Learner, network, steps, observations and scaling of rewards are the same; with `task` the observation has the phase
too. Each run is kept in FOLDER when it is done, and is not run again: an interrupted benchmark goes on. Writes
curves.png and prints a table: success in the last judging, which has more episodes than those of the curve, as the mean
and each seed's.

Renders without a screen: MUJOCO_GL=osmesa (which is set if nothing is), or egl with a GPU.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")

# Loads torch, which crashes where it is loaded after software OpenGL: both bring an LLVM.
from learning import train as training

# isort: split

import matplotlib
import numpy as np

from learning.tasks import TASKS

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLORS = {"task": "tab:orange", "env": "tab:blue", "sparse": "tab:gray", "raw": "tab:red"}


def main() -> None:
    arguments = parse()
    arguments.output.mkdir(parents=True, exist_ok=True)
    jobs = {
        (task, reward, seed): arguments.output / f"{task}_{reward}_{seed}.json"
        for seed in range(arguments.seeds)
        for task in arguments.task
        for reward in arguments.reward
    }
    settings = {name: getattr(arguments, name) for name in ("every", "episodes", "final")}
    # Fresh interpreters, for OpenGL survives no fork.
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs, spawn, max_tasks_per_child=1) as pool:
        started = [
            pool.submit(training.train, *job, steps=arguments.steps or TASKS[job[0]].budget, output=output, **settings)
            for job, output in jobs.items()
            if not output.exists()
        ]
        for run in concurrent.futures.as_completed(started):
            run.result()
    runs = [json.loads(output.read_text()) for output in jobs.values()]
    plot(runs, arguments.output / "curves.png")
    summarize(runs)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", choices=TASKS, default=["faucet-open", "window-close"], metavar="NAME")
    parser.add_argument("--reward", nargs="+", choices=training.REWARDS, default=list(training.REWARDS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each task and reward (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="decisions of a training (the task's, in learning/tasks.py)")
    parser.add_argument("--every", type=int, default=2_500, help="judged after so many (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=10, help="of a judging (default: %(default)s)")
    parser.add_argument("--final", type=int, default=50, help="episodes of the last judging (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("learning_online"))
    arguments = parser.parse_args()
    if arguments.steps is not None and arguments.steps % arguments.every:
        parser.error("--steps must be a multiple of --every")
    return arguments


def of(runs: list[dict], task: str, reward: str) -> list[dict]:
    return [run for run in runs if (run["task"], run["reward"]) == (task, reward)]


def plot(runs: list[dict], path: Path) -> None:
    """Success against decisions: means of the seeds, and from the worst to the best."""
    tasks = list(dict.fromkeys(run["task"] for run in runs))
    figure, axes = plt.subplots(1, len(tasks), figsize=(4.5 * len(tasks), 3.4), layout="constrained", squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for reward, label in training.REWARDS.items():
            if chosen := of(runs, task, reward):
                curves = np.array([[0.0, *run["success"]] for run in chosen])
                steps = [0, *chosen[0]["steps"]]
                axis.fill_between(steps, curves.min(0), curves.max(0), color=COLORS[reward], alpha=0.15, linewidth=0)
                axis.plot(steps, curves.mean(0), color=COLORS[reward], linewidth=2, label=label)
        axis.set_title(task, fontsize=11)
        axis.set_xlabel("decisions")
        axis.set_ylim(-0.03, 1.03)
        axis.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("solved")
    axes[0][-1].legend(title="trained on", loc="upper left", frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def summarize(runs: list[dict]) -> None:
    print("| task | reward | solved at the end (seeds) | mean over the training | not measured | minutes a run |")
    print("| --- | --- | --- | --- | --- | --- |")
    for task in dict.fromkeys(run["task"] for run in runs):
        for reward in training.REWARDS:
            if not (chosen := of(runs, task, reward)):
                continue
            last, minutes = [run["final"] for run in chosen], np.mean([run["seconds"] for run in chosen]) / 60
            seeds = ", ".join(f"{value:.0%}" for value in last)
            area = np.mean([run["success"] for run in chosen])
            invalid = [run["invalid"] for run in chosen if run["invalid"] is not None]
            lost = f"{np.mean(invalid):.1%}" if invalid else "-"
            print(f"| {task} | {reward} | {np.mean(last):.0%} ({seeds}) | {area:.0%} | {lost} | {minutes:.0f} |")


if __name__ == "__main__":
    main()
