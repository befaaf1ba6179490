"""What measured rewards tell of recordings of mixed quality, in five tasks of Meta-World: which are better, which fail
and how early that shows, and what a policy cloned from those that they choose is worth.

usage: learning_offline.py [--task NAME ...] [--episodes N] [--seeds N] [--seed S] [-o FOLDER]

Episodes of each task are recorded once (learning/episodes.py says how they differ) and kept in FOLDER. The first table:
  return        Kendall's tau-b between the return of our reward and what came of the episode in truth: solved, the
                sooner the better, else by the share of its way that the thing has come, else by how near the hand is to
                it; and where 90 % of resamplings of the episodes lie
  -distance     the same of minus the distance from fingertip to thing, discounted
  Meta-World's  the same of the return of Meta-World's dense reward
  told          of how many episodes it is told rightly whether they were solved at any time, as Meta-World counts, and
                how many are called solved and are not
  25 % ...      of a failed and a solved episode, how often the solved one has the greater progress at that share of
                both
The second: the success of a policy that is cloned from all episodes, from the third with the highest return of ours, of
minus the distance, from those that are best in truth, and from as many at random; mean over the seeds, worst and best.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before software OpenGL: both bring an LLVM.
import torch
import torch._dynamo

# isort: split

import numpy as np

from kendall import tau_with_interval
from learning import cloning
from learning.episodes import Episode, collect, load, save
from learning.tasks import TASKS, Episodes

FIVE = ["button-press", "drawer-open", "handle-press", "push", "pick-place"]
MOMENTS = (0.25, 0.5, 0.75)
KEPT = 1 / 3
RECORDING_SEED, CLONING_SEED, JUDGING_SEED = 0, 7, 50_000
CHOICES = {
    "all": None,
    "ours": lambda one: one.told_return,
    "-distance": lambda one: one.raw_return,
    "truth": lambda one: one.outcome,
    "at random": "random",
}


def main() -> None:
    arguments = parse()
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


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--task",
        nargs="+",
        choices=TASKS,
        default=["button-press", "drawer-open", "handle-press", "push", "pick-place"],
        metavar="NAME",
    )
    parser.add_argument("--episodes", type=int, default=60, help="of each task (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=RECORDING_SEED, help="of the recordings (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="clonings of each choice (default: %(default)s)")
    parser.add_argument("--judged", type=int, default=50, help="episodes of each cloned policy (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="tasks at a time (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("learning_offline"))
    return parser.parse_args()


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


def in_order(better: np.ndarray, worse: np.ndarray) -> float:
    if not (len(better) and len(worse)):
        return float("nan")
    return float(np.mean((np.sign(better[:, None] - worse[None, :]) + 1) / 2))


def clone(task: str, episodes: list[Episode], arguments: argparse.Namespace) -> list[str]:
    torch.set_num_threads(1)
    env, cells = Episodes(TASKS[task], JUDGING_SEED), []
    for choice in CHOICES.values():
        found = []
        for seed in range(CLONING_SEED, CLONING_SEED + arguments.seeds):
            chosen = choose(episodes, choice, seed)
            found.append(cloning.success(cloning.clone(chosen, seed), env, arguments.judged))
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


if __name__ == "__main__":
    main()
