"""Learners on four rewards, and their curves: the work of learning_online.py."""

import argparse
import concurrent.futures
import json
import multiprocessing
from pathlib import Path

# Loads torch, which crashes where it is loaded after software OpenGL: both bring an LLVM.
from learning import train as training

# isort: split

import matplotlib
import numpy as np

from learning.tasks import TASKS, check

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLORS = {"task": "tab:orange", "env": "tab:blue", "sparse": "tab:gray", "raw": "tab:red"}


def run(arguments: argparse.Namespace) -> None:
    check(arguments.task)
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


def of(runs: list[dict], task: str, reward: str) -> list[dict]:
    return [run for run in runs if (run["task"], run["reward"]) == (task, reward)]


def plot(runs: list[dict], path: Path) -> None:
    """Success against decisions: means of the seeds, and from the worst to the best."""
    tasks = list(dict.fromkeys(run["task"] for run in runs))
    figure, axes = plt.subplots(1, len(tasks), figsize=(4.5 * len(tasks), 4.0), layout="constrained", squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for reward, label in training.REWARDS.items():
            if chosen := of(runs, task, reward):
                curves = np.array([[0.0, *run["success"]] for run in chosen])
                steps = [0, *chosen[0]["steps"]]
                axis.fill_between(steps, curves.min(0), curves.max(0), color=COLORS[reward], alpha=0.15, linewidth=0)
                axis.plot(steps, curves.mean(0), color=COLORS[reward], linewidth=2, label=label)
        axis.set_title(task, fontsize=11)
        axis.set_xlabel("decisions")
        axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
        axis.set_ylim(-0.03, 1.03)
        axis.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("solved")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, title="trained on", loc="outside lower center", ncols=2, frameon=False, fontsize=8)
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
