"""From one drawn box through recorded approaches: followed by the tracker and by SAM 2.1, against the true boxes and
against the distances that true boxes give. With a detector also from words.

usage: regions.py FOLDER ... --program PROGRAM --segmenter CHECKPOINT [--each]
                  [--detector CHECKPOINT --fingertip-words W --target-words W]

Every FOLDER holds bags whose boxes are the truth (sim/record.py and sim/grippers.py write such), or is one. The box of
the first picture comes from the truth. A row is a source of the regions:
  IoU            of its box and the true one, mean over the regions and the frames after the first; 0 where it is lost
  wrong          the share of regions and frames that it calls followed with an IoU below 0.2
  followed       the share that it calls followed
  valid          the share of steps with a distance
  distance       the median of how far the rewarded distance is from that of true boxes, in mm
  s/frame        of `label`, as a whole process
By words `found` says in how many first pictures both regions have an IoU of 0.5 and more; a bag in which one is not
found, or in which two things look like it, has no steps.
"""

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader

from bags import types_of

ROLES = ("fingertip", "target")
REWARDS = "/spatial_reward/step_reward"
WRONG_IOU = 0.2
FOUND_IOU = 0.5


@dataclass
class Steps:
    """What `label` says by stamp: boxes a role as four numbers, NaN where there is none, and the distance."""

    boxes: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    distance_m: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Row:
    overlap: list[float] = field(default_factory=list)
    followed: list[bool] = field(default_factory=list)
    valid: list[bool] = field(default_factory=list)
    off_mm: list[float] = field(default_factory=list)
    s_per_frame: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)


def main() -> None:
    arguments = parse()
    sources = sources_of(arguments)
    rows = {name: Row() for name in sources}
    for bag in bags_of(arguments.folders):
        truth = label(arguments.program, bag, [])
        if truth is None:
            print(f"{bag.name}: its own boxes give no labels; left out", flush=True)
            continue
        first = min(truth.boxes)
        for name, source in sources.items():
            steps = label(arguments.program, bag, source(truth.boxes[first]))
            judge(rows[name], truth, steps, is_found=name.startswith("words"))
            if arguments.each:
                what = "not found" if steps is None else f"{np.nanmean(overlaps(truth, steps)):.3f}"
                print(f"{name:22} {what} {bag.name}", flush=True)
    print(table(rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds bags with true boxes, or is one")
    parser.add_argument("--program", type=Path, required=True, help="spatial-reward with the networks")
    parser.add_argument("--segmenter", metavar="CHECKPOINT", help="SAM 2.1, which follows")
    parser.add_argument("--detector", metavar="CHECKPOINT", help="OWLv2, which finds words")
    parser.add_argument("--fingertip-words", default="robot gripper", metavar="W")
    parser.add_argument("--target-words", default="object on the table", metavar="W")
    parser.add_argument("--each", action="store_true", help="prints each bag's mean IoU too")
    return parser.parse_args()


def sources_of(arguments: argparse.Namespace) -> dict:
    """What each source of the regions adds to the command, given the true boxes of the first picture."""

    def drawn(boxes: dict[str, np.ndarray]) -> list[str]:
        return [f"--{role}-box={','.join(f'{edge:.1f}' for edge in boxes[role])}" for role in ROLES]

    sources = {"one box, tracker": drawn}
    masks = ["--follow=sam2", f"--segmenter={arguments.segmenter}"]
    if arguments.segmenter:
        sources["one box, SAM 2.1"] = lambda boxes: drawn(boxes) + masks
    if arguments.detector:
        words = [
            f"--fingertip-words={arguments.fingertip_words}",
            f"--target-words={arguments.target_words}",
            f"--detector={arguments.detector}",
        ]
        sources["words, tracker"] = lambda _boxes: words
        if arguments.segmenter:
            sources["words, SAM 2.1"] = lambda _boxes: words + masks
    return sources


def bags_of(folders: list[Path]) -> list[Path]:
    bags = []
    for folder in folders:
        is_bag = (folder / "metadata.yaml").exists()
        bags += [folder] if is_bag else sorted(path.parent for path in folder.glob("*/metadata.yaml"))
    return bags


def label(program: Path, bag: Path, options: list[str]) -> Steps | None:
    """The bag's steps; None where nothing is labelled."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        begin = time.perf_counter()
        command = [program, "--quiet", "label", bag, "-o", out, "--json", *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        status = json.loads(done.stdout)["bags"][0]["status"] if done.stdout else "failed"
        if status not in ("labelled", "no_valid_step"):
            return None
        steps = read(out)
        steps.seconds = seconds
        return steps


def read(labelled: Path) -> Steps:
    steps = Steps()
    with Reader(labelled) as reader:
        store = types_of(reader)
        connections = [connection for connection in reader.connections if connection.topic == REWARDS]
        for connection, _, data in reader.messages(connections=connections):
            step = store.deserialize_cdr(data, connection.msgtype)
            stamp = step.header.stamp.sec * 10**9 + step.header.stamp.nanosec
            steps.boxes[stamp] = {role: np.array(getattr(step, f"{role}_box")) for role in ROLES}
            steps.distance_m[stamp] = step.distance_m if step.valid else float("nan")
    return steps


def overlaps(truth: Steps, steps: Steps) -> np.ndarray:
    """IoU by frame after the first and region; NaN where no truth is known."""
    stamps = sorted(truth.boxes)[1:]
    return np.array([[iou(truth.boxes[at][role], steps.boxes[at][role]) for role in ROLES] for at in stamps])


def judge(row: Row, truth: Steps, steps: Steps | None, is_found: bool) -> None:
    if is_found:
        first = min(truth.boxes)
        is_there = [steps is not None and iou(truth.boxes[first][role], steps.boxes[first][role]) for role in ROLES]
        row.found.append(all(overlap >= FOUND_IOU for overlap in is_there))
    if steps is None:
        return
    stamps = sorted(truth.boxes)[1:]
    overlap = overlaps(truth, steps)
    known = np.isfinite(overlap)
    followed = np.array([[np.isfinite(steps.boxes[at][role]).all() for role in ROLES] for at in stamps])
    row.overlap += list(overlap[known])
    row.followed += list(followed[known])
    distances = np.array([[truth.distance_m[at], steps.distance_m[at]] for at in stamps])
    measured = distances[np.isfinite(distances[:, 0])]
    row.valid += list(np.isfinite(measured[:, 1]))
    both = measured[np.isfinite(measured[:, 1])]
    row.off_mm += list(1000 * np.abs(both[:, 0] - both[:, 1]))
    row.s_per_frame.append(steps.seconds / len(truth.boxes))


def iou(truth: np.ndarray, box: np.ndarray) -> float:
    if not np.isfinite(truth).all():
        return float("nan")
    if not np.isfinite(box).all():
        return 0.0
    common = np.maximum(np.minimum(truth[2:], box[2:]) - np.maximum(truth[:2], box[:2]), 0).prod()
    return float(common / ((truth[2:] - truth[:2]).prod() + (box[2:] - box[:2]).prod() - common))


def table(rows: dict[str, Row]) -> str:
    lines = [
        "| regions | IoU | wrong | followed | valid | distance | s/frame | found |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        found = f"{100 * np.mean(row.found):.0f} %" if row.found else ""
        if not row.overlap:
            lines.append(f"| {name} | | | | | | | {found} |")
            continue
        overlap, followed = np.array(row.overlap), np.array(row.followed)
        wrong = np.mean(followed & (overlap < WRONG_IOU))
        off = f"{np.median(row.off_mm):.2f}" if row.off_mm else ""
        shares = f"{100 * wrong:.2f} % | {100 * followed.mean():.1f} % | {100 * np.mean(row.valid):.1f} %"
        seconds = np.median(row.s_per_frame)
        lines.append(f"| {name} | {overlap.mean():.3f} | {shares} | {off} | {seconds:.3f} | {found} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
