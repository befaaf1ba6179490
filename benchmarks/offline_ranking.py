"""Whether rewards of whole tasks rank recorded episodes as the simulator does, and how early they tell a failure
(sim/episodes.py writes such episodes).

usage: offline_ranking.py FOLDER ... [--program PROGRAM] [--settings FOLDER] [--labelled FOLDER] [--only WORDS] [--each]

Every FOLDER holds episodes, or is one. Each is labelled with the settings of its task. An episode's return is the sum
of its rewards, each by reward.gamma less than the one before, and the first potential, which shaping takes away:
episodes that begin at different distances are compared so. The true return is that of the same kind of reward by the
simulator: 2 where it has the task done, and progress by its phases, within each by its exact distances.

Rows of the first table are tasks; cells are Kendall's tau-b with the true return, with the interval that 90 % of 2000
resamplings of the episodes lie in:
  return         ours
  solved, failed the same among solved episodes, and among failed ones
  summed         all again, without the first potential
  progress       the last step's, ours
  mean           the mean of all steps' progress, ours, with that of the true progress
  -distance      the sum of the first pair's negative distances, less by gamma as rewards are: that of `dense`
  -distances     the same of all pairs
  -last          the last step's negative distance of the last pair
Rows of the second are tasks; cells tell how well failed episodes and solved ones are told apart by progress (by the
negative distances of all pairs) so far into the episodes: the share of pairs of one failed and one solved that are in
the right order. Of things that were lost or put down elsewhere (the true phase goes back): how many are told within a
second, and how many frames later, the median.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rosbags.rosbag2 import Reader

from bags import types_of
from label_vs_python import build, run
from ranks import discounted, in_order, known, tau, tau_with_interval
from task_phases import SOLVED, bags_of, check_frames, parser, read, settings_of

PAIRS = "/ground_truth/pairs"
# reward.gamma and task.success_reward unless settings say otherwise; those of config/tasks do not.
GAMMA, SUCCESS = 0.99, 2.0
# By task, its phases in their order.
PHASES = {
    "reach": ("reach",),
    "push": ("reach", "push"),
    "pick_and_lift": ("reach", "grasp", "lift"),
    "pick_and_place": ("reach", "grasp", "carry", "place"),
    "stack": ("reach", "grasp", "carry", "place"),
    "insert": ("reach", "grasp", "carry", "insert"),
    "pour": ("reach", "grasp", "carry", "pour"),
    "open_drawer": ("reach", "grasp", "open"),
}
# What is left of a phase in truth, metres or radians; a grasp has no way to go.
LEFT = {
    "reach": lambda f: min(value for name, value in f.items() if name in ("fingertip-cube", "fingertip-handle")),
    "push": lambda f: f["beside:cube-goal"],
    "grasp": lambda f: 1.0,
    "lift": lambda f: 0.05 - f["heights"]["cube"],
    "carry": lambda f: f["beside:cube-goal"],
    "place": lambda f: f["cube-goal"],
    "insert": lambda f: f["heights"]["cube"],
    "pour": lambda f: 1.05 - f["tilt"],
    "open": lambda f: 0.12 - f["moved"],
}
MOMENTS = (0.25, 0.5, 0.75, 1.0)
WITHIN = 15  # frames, a second


@dataclass
class Episode:
    """One episode: by frame what is true and what is told."""

    task: str
    name: str
    solved: bool
    phases: list[str]
    true_progress: np.ndarray
    told_phases: list[str]
    progress: np.ndarray
    rewards: np.ndarray
    distances: np.ndarray  # one column a pair

    @property
    def true_return(self) -> float:
        done = [at for at, phase in enumerate(self.phases) if phase == "done"]
        if done:
            return SUCCESS * GAMMA ** (done[0] - 1)
        return GAMMA ** (len(self.true_progress) - 1) * self.true_progress[-1]

    @property
    def told_return(self) -> float:
        # A row has the reward of the action before it, and the first row none.
        return discounted(self.rewards[1:], GAMMA) + known(self.progress)[0]

    @property
    def raw(self) -> np.ndarray:
        """The negative distances of all pairs, one number a frame."""
        return -np.sum([known(column) for column in self.distances.T], axis=0)


def main() -> None:
    arguments = parse()
    program = arguments.program or build()
    tasks: dict[str, list[Episode]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.labelled or Path(scratch)
        for bag in bags_of(arguments.folders, arguments.only):
            one = episode(program, bag, arguments.settings, out)
            tasks.setdefault(one.task, []).append(one)
            if arguments.each:
                print(
                    f"{one.name}: true return {one.true_return:+.3f}, ours {one.told_return:+.3f}; "
                    f"progress {one.true_progress[-1]:.2f}, {known(one.progress)[-1]:.2f}",
                    file=sys.stderr,
                    flush=True,
                )
    ranking(dict(sorted(tasks.items())))
    print()
    failures(dict(sorted(tasks.items())))


def parse() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--labelled", type=Path, help="keeps what is labelled here; what is there is not labelled again"
    )
    return arguments.parse_args()


def episode(program: Path, bag: Path, settings: Path, out: Path) -> Episode:
    truth = read(bag)
    labelled = out / bag.name
    chosen = settings_of(truth.task, bag, settings)
    run([program, "label", bag, "-o", labelled, "--resume", "--quiet", "--config", chosen])
    table = pq.read_table(next(labelled.glob("*_reward.parquet")))
    check_frames(bag, table.num_rows, truth)
    pairs = [name for name in table.column_names if name.endswith(".distance_m") and ".pair." in name]
    return Episode(
        truth.task,
        bag.name,
        truth.solved,
        truth.phases,
        true_progress(truth.task, truth.phases, facts(bag)),
        [SOLVED.get(phase, phase) for phase in table["reward.spatial.phase"].to_pylist()],
        table["reward.spatial.progress"].to_numpy().astype(float),
        table["next.reward"].to_numpy().astype(float),
        np.column_stack([table[name].to_numpy() for name in pairs]).astype(float),
    )


def facts(bag: Path) -> list[dict]:
    """What the simulator measured, frame by frame."""
    with Reader(bag) as reader:
        store = types_of(reader)
        wanted = [c for c in reader.connections if c.topic == PAIRS]
        return [json.loads(store.deserialize_cdr(d, c.msgtype).data) for c, _, d in reader.messages(connections=wanted)]


def true_progress(task: str, phases: list[str], measured: list[dict]) -> np.ndarray:
    """Phases that are done and how far the present one has come since it began, as a share of all."""
    names, progress, begun = PHASES[task], [], 0
    for at, phase in enumerate(phases):
        if phase == "done":
            progress.append(1.0)
            continue
        begun = at if at == 0 or phases[at - 1] != phase else begun
        left, at_first = LEFT[phase](measured[at]), LEFT[phase](measured[begun])
        share = np.clip(1 - left / at_first, 0, 1) if at_first > 0 else 0.0
        progress.append((names.index(phase) + share) / len(names))
    return np.array(progress)


def ranking(tasks: dict[str, list[Episode]]) -> None:
    scores = {
        "return": lambda one: one.told_return,
        "summed": lambda one: discounted(one.rewards, GAMMA),
        "progress": lambda one: known(one.progress)[-1],
        "-distance": lambda one: discounted(-known(one.distances[:, 0]), GAMMA),
        "-distances": lambda one: discounted(one.raw, GAMMA),
        "-last": lambda one: -known(one.distances[:, -1])[-1],
    }
    print(f"| task | episodes (solved) | {' | '.join(scores)} | solved, failed | mean |")
    print("|" + " --- |" * (4 + len(scores)))
    for task, episodes in tasks.items():
        true = np.array([one.true_return for one in episodes])
        cells = [tau_with_interval(np.array([score(one) for one in episodes]), true) for score in scores.values()]
        told, solved = np.array([one.told_return for one in episodes]), np.array([one.solved for one in episodes])
        cells.append(f"{tau(told[solved], true[solved]):.2f}, {tau(told[~solved], true[~solved]):.2f}")
        means = [[np.mean(known(one.progress)), np.mean(one.true_progress)] for one in episodes]
        cells.append(tau_with_interval(*np.array(means).T))
        print(f"| {task} | {len(episodes)} ({np.count_nonzero(solved)}) | {' | '.join(cells)} |")


def failures(tasks: dict[str, list[Episode]]) -> None:
    moments = " | ".join(f"{moment:.0%}" for moment in MOMENTS)
    print(f"| task | {moments} | went back, told within a second | frames later |")
    print("|" + " --- |" * (3 + len(MOMENTS)))
    for task, episodes in tasks.items():
        cells = []
        for moment in MOMENTS:
            own = right_order(episodes, lambda one: known(one.progress), moment)
            raw = right_order(episodes, lambda one: one.raw, moment)
            cells.append(f"{own:.2f} ({raw:.2f})")
        back, late = went_back(episodes)
        told = f"{len(late)} of {back}"
        print(f"| {task} | {' | '.join(cells)} | {told} | {np.median(late) if late else '-'} |")


def right_order(episodes: list[Episode], values, moment: float) -> float:
    at = [values(one)[round(moment * (len(one.phases) - 1))] for one in episodes]
    solved = np.array([value for value, one in zip(at, episodes, strict=True) if one.solved])
    failed = np.array([value for value, one in zip(at, episodes, strict=True) if not one.solved])
    return in_order(solved, failed)


def went_back(episodes: list[Episode]) -> tuple[int, list[int]]:
    """How often a true phase goes back, and how many frames later that is told, as far as it is within a second."""
    total, late = 0, []
    for one in episodes:
        told = backs(one.task, one.told_phases)
        for frame in backs(one.task, one.phases):
            total += 1
            near = min(told, key=lambda at: abs(at - frame), default=None)
            if near is not None and abs(near - frame) <= WITHIN:
                told.remove(near)
                late.append(near - frame)
    return total, late


def backs(task: str, phases: list[str]) -> list[int]:
    order = [*PHASES[task], "done"]
    index = [order.index(phase) for phase in phases]
    return [at for at in range(1, len(index)) if index[at] < index[at - 1]]


if __name__ == "__main__":
    main()
