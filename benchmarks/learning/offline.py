"""Recordings of mixed quality, ranked and chosen from: the work of learning_offline.py."""

import argparse
import concurrent.futures
import multiprocessing

# Before software OpenGL: both bring an LLVM.
import torch
import torch._dynamo

# isort: split

import numpy as np

from learning import cloning
from learning.episodes import Episode, collect, load, save
from learning.tasks import TASKS, Episodes, check, success
from ranks import in_order, tau_with_interval

MOMENTS = (0.25, 0.5, 0.75)
KEPT = 1 / 3
CLONING_SEED, JUDGING_SEED = 7, 50_000
CHOICES = {
    "all": None,
    "ours": lambda one: one.told_return,
    "-distance": lambda one: one.raw_return,
    "truth": lambda one: one.outcome,
    "at random": "random",
}


def run(arguments: argparse.Namespace) -> None:
    check(arguments.task)
    arguments.output.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs, spawn, max_tasks_per_child=1) as pool:
        recorded = {task: pool.submit(recording, task, arguments) for task in arguments.task}
        episodes = {task: future.result() for task, future in recorded.items()}
        rank(episodes)
        cloned = {task: pool.submit(clone, task, episodes[task], arguments) for task in arguments.task}
        print(f"\n| task | {' | '.join(CHOICES)} |\n|{' --- |' * (1 + len(CHOICES))}", flush=True)
        for task, future in cloned.items():
            print(f"| {task} | {' | '.join(future.result())} |", flush=True)


def recording(task: str, arguments: argparse.Namespace) -> list[Episode]:
    path = arguments.output / f"{task}_{arguments.seed}_{arguments.episodes}.npz"
    if not path.exists():
        save(collect(TASKS[task], arguments.episodes, arguments.seed), path)
    return load(path)


def rank(tasks: dict[str, list[Episode]]) -> None:
    moments = " | ".join(f"{moment:.0%}" for moment in MOMENTS)
    print(f"| task | episodes (solved) | return | -distance | Meta-World's | told, falsely solved | {moments} |")
    print("|" + " --- |" * (6 + len(MOMENTS)))
    for task, episodes in tasks.items():
        true = np.array([one.outcome for one in episodes])
        solved = np.array([bool(one.solved.any()) for one in episodes])
        told = np.array([one.told_solved for one in episodes])
        cells = [f"{task}", f"{len(episodes)} ({np.count_nonzero(solved)})"]
        scores = ("told_return", "raw_return", "env_return")
        cells += [tau_with_interval(np.array([getattr(one, score) for one in episodes]), true) for score in scores]
        cells.append(f"{np.count_nonzero(told == solved)}, {np.count_nonzero(told & ~solved)}")
        for moment in MOMENTS:
            at = np.array([one.progress[round(moment * (len(one.progress) - 1))] for one in episodes])
            cells.append(f"{in_order(at[solved], at[~solved]):.2f}")
        print(f"| {' | '.join(cells)} |", flush=True)


def clone(task: str, episodes: list[Episode], arguments: argparse.Namespace) -> list[str]:
    torch.set_num_threads(1)
    env, cells = Episodes(TASKS[task], JUDGING_SEED), []
    for choice in CHOICES.values():
        found = []
        for seed in range(CLONING_SEED, CLONING_SEED + arguments.seeds):
            chosen = choose(episodes, choice, seed)
            found.append(success(env, cloning.clone(chosen, seed).act, arguments.judged))
        cells.append(f"{np.mean(found):.0%} ({min(found):.0%} to {max(found):.0%})")
    return cells


def choose(episodes: list[Episode], choice, seed: int) -> list[Episode]:
    if choice is None:
        return episodes
    count = round(KEPT * len(episodes))
    if choice == "random":
        order = np.random.default_rng(seed).permutation(len(episodes))
    else:
        order = np.argsort([-choice(one) for one in episodes], kind="stable")
    return [episodes[at] for at in order[:count]]
