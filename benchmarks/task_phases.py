"""How well whole tasks are followed: phases, transitions and success of recorded episodes against the simulator's
(sim/episodes.py writes such).

usage: task_phases.py FOLDER ... [--program PROGRAM] [--settings FOLDER] [--only WORDS] [--each]

Every FOLDER holds episodes, or is one. Each is labelled with the settings of its task. A row of the table is a task:
  frames         the share of frames whose phase is the true one
  transitions    the median of how many frames a transition is away from the true one; one that is missed counts as the
                 whole episode
  missed, extra  true transitions that there are none for, and transitions that are none in truth
  success        the share of episodes that are called solved, or not, as the simulator has it at the end
  false          episodes that are called solved and are not
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rosbags.rosbag2 import Reader

from bags import types_of
from label_vs_python import ROOT, build, run

PHASE, NOTES = "/ground_truth/phase", "/recording/notes"
SUCCESS = "/ground_truth/success"
SOLVED = {"success": "done", "failure": "failed"}  # the program's names of how a task ends, and the recorder's


@dataclass
class Truth:
    """What the simulator says of each frame, and whether the task is solved at the end."""

    task: str
    phases: list[str]
    solved: bool


@dataclass
class Judged:
    """One episode. A transition's error is in frames, the episode's length where it was missed."""

    phases: list[tuple[str, str]]  # true, found
    errors: list[int]
    missed: int
    extra: int
    solved: tuple[bool, bool]  # true, found


def main() -> None:
    arguments = parser(__doc__).parse_args()
    program = arguments.program or build()
    judged: dict[str, list[Judged]] = {}
    for bag in bags_of(arguments.folders, arguments.only):
        truth = read(bag)
        settings = settings_of(truth.task, bag, arguments.settings)
        with tempfile.TemporaryDirectory() as scratch:
            found, solved = label(program, bag, settings, Path(scratch) / "out")
        check_frames(bag, len(found), truth)
        one = judge(truth, found, solved)
        judged.setdefault(truth.task, []).append(one)
        if arguments.each:
            print(f"{bag.name}: {told(one)}", file=sys.stderr, flush=True)
    table(judged)


def parser(words: str) -> argparse.ArgumentParser:
    """What every benchmark over labelled episodes takes."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds episodes, or is one")
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument(
        "--settings", type=Path, default=ROOT / "config/tasks", help="holds TASK.yaml for each task (config/tasks)"
    )
    parser.add_argument("--only", default="", help="episodes with one of these words in their names (with commas)")
    parser.add_argument("--each", action="store_true", help="a line an episode, too, on standard error")
    return parser


def settings_of(task: str, bag: Path, folder: Path) -> Path:
    settings = folder / f"{task}.yaml"
    if not settings.exists():
        sys.exit(f"{bag.name}: there are no settings {settings} for its task: name their folder with --settings")
    return settings


def check_frames(bag: Path, steps: int, truth: Truth) -> None:
    if steps != len(truth.phases):
        sys.exit(f"{bag.name}: {steps} steps for {len(truth.phases)} frames, so they cannot be compared")


def bags_of(folders: list[Path], only: str) -> list[Path]:
    found = [at.parent for folder in folders for at in sorted(folder.rglob("metadata.yaml"))]
    return [bag for bag in found if any(word in bag.name for word in only.split(","))]


def read(bag: Path) -> Truth:
    phases, solved, task = [], False, ""
    with Reader(bag) as reader:
        store = types_of(reader)
        wanted = [c for c in reader.connections if c.topic in (PHASE, NOTES, SUCCESS)]
        for connection, _, data in reader.messages(connections=wanted):
            said = store.deserialize_cdr(data, connection.msgtype).data
            if connection.topic == PHASE:
                phases.append(said)
            elif connection.topic == NOTES:
                task = json.loads(said)["task"]
            else:
                solved = bool(said)
    return Truth(task, phases, solved)


def label(program: Path, bag: Path, settings: Path, out: Path) -> tuple[list[str], bool]:
    """The phase of each frame as the program has it, and whether it calls the task solved."""
    run([program, "label", bag, "-o", out, "--quiet", "--config", settings])
    table = pq.read_table(next(out.glob("*_reward.parquet")), columns=["reward.spatial.phase", "next.success"])
    found = [SOLVED.get(phase, phase) for phase in table["reward.spatial.phase"].to_pylist()]
    return found, any(table["next.success"].to_pylist()) or "done" in found


def judge(truth: Truth, found: list[str], solved: bool) -> Judged:
    real, said = transitions(truth.phases), transitions(found)
    errors, missed = [], 0
    for frame, phase in real:
        near = min((at for at, to in said if to == phase), key=lambda at: abs(at - frame), default=None)
        if near is None:
            missed += 1
            errors.append(len(found))
        else:
            said.remove((near, phase))
            errors.append(abs(near - frame))
    phases = list(zip(truth.phases, found, strict=True))
    return Judged(phases, errors, missed, len(said), (truth.solved, solved))


def transitions(phases: list[str]) -> list[tuple[int, str]]:
    """The frames in which a phase begins, without the first one's, and the phase."""
    return [(i, phase) for i, phase in enumerate(phases) if i > 0 and phases[i - 1] != phase]


def told(one: Judged) -> str:
    right = sum(true == found for true, found in one.phases) / len(one.phases)
    wrong = Counter(pair for pair in one.phases if pair[0] != pair[1]).most_common(3)
    mistakes = ", ".join(f"{found} for {true} {count}" for (true, found), count in wrong)
    solved, said = one.solved
    ends = "" if solved == said else f"; called {'solved' if said else 'not solved'}, which is wrong"
    return f"{right:.1%} of frames, transitions {one.errors}, {one.extra} extra; {mistakes or 'nothing wrong'}{ends}"


def table(judged: dict[str, list[Judged]]) -> None:
    print("| task | episodes (solved) | frames | transitions | missed, extra | success | false |")
    print("|" + " --- |" * 7)
    rows = {**dict(sorted(judged.items())), "all": [one for episodes in judged.values() for one in episodes]}
    for task, episodes in rows.items():
        if episodes:
            print(f"| {task} | {row(episodes)} |")


def row(episodes: list[Judged]) -> str:
    phases = [pair for one in episodes for pair in one.phases]
    errors = [error for one in episodes for error in one.errors]
    solved = [one.solved for one in episodes]
    cells = [
        f"{len(episodes)} ({sum(true for true, _ in solved)})",
        f"{np.mean([true == found for true, found in phases]):.1%}",
        f"{np.median(errors):g}" if errors else "-",
        f"{sum(one.missed for one in episodes)}, {sum(one.extra for one in episodes)}",
        f"{np.mean([true == found for true, found in solved]):.1%}",
        f"{sum(found and not true for true, found in solved)}",
    ]
    return " | ".join(cells)


if __name__ == "__main__":
    main()
