"""From one drawn box through recorded approaches: followed by the tracker and by SAM 2.1, against the true boxes and
against the distances that true boxes give. With a detector also from words.

usage: regions.py FOLDER ... --program PROGRAM --segmenter CHECKPOINT [--each]
                  [--detector CHECKPOINT --fingertip-words W --target-words W]

Every FOLDER holds bags (sim/record.py and sim/grippers.py write such), or is one. A region's true box is that of its
pixels in /ground_truth/instances, where there are two pixels of it each way; in a bag without that topic what its
detector saw. The box of the first picture comes from the truth. A row is a folder and a source of the regions:
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
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader

from bags import types_of
from boxes import iou

ROLES = ("fingertip", "target")
REWARDS = "/spatial_reward/step_reward"
INSTANCES = "/ground_truth/instances/image_raw"
NUMBERS = {"fingertip": 1, "target": 2}
# Of a drawn box each way.
LEAST_SIDE_PX = 2
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

    def add(self, other: "Row") -> None:
        for name, values in vars(other).items():
            getattr(self, name).extend(values)


class Unlabelled(Exception):
    """The program has not labelled the bag, and this is what it says."""


def main() -> None:
    arguments = parse()
    sources = sources_of(arguments)
    rows = {(str(folder), name): Row() for folder in arguments.folders for name in sources}
    for folder in arguments.folders:
        for bag in bags_of(folder):
            for name, judged in judge_bag(bag, sources, arguments).items():
                rows[str(folder), name].add(judged)
    print(table(rows))


def judge_bag(bag: Path, sources: dict, arguments: argparse.Namespace) -> dict[str, Row]:
    """By source; none where the truth is not enough to begin with."""
    try:
        truth = truth_of(arguments.program, bag)
    except Unlabelled as problem:
        print(f"{bag.name}: left out, its truth gives no labels: {problem}", flush=True)
        return {}
    begin = truth.boxes[min(truth.boxes)]
    unseen = [role for role in ROLES if not np.isfinite(begin[role]).all()]
    if unseen:
        print(f"{bag.name}: left out, the first picture does not show the {' and the '.join(unseen)}", flush=True)
        return {}
    judged = {}
    for name, source in sources.items():
        by_words = name.startswith("words")
        try:
            steps, what = label(arguments.program, bag, source(begin)), ""
        except Unlabelled as problem:
            if not by_words:
                sys.exit(f"{bag.name}: {name}: {problem}")
            steps, what = None, f"not found: {problem}"
        judged[name] = judge(truth, steps, by_words)
        if arguments.each:
            print(f"{name:22} {what or f'{np.mean(judged[name].overlap):.3f}'} {bag.name}", flush=True)
    return judged


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds bags with truth, or is one")
    parser.add_argument("--program", type=Path, required=True, help="spatial-reward with the networks")
    parser.add_argument("--segmenter", metavar="CHECKPOINT", help="SAM 2.1, which follows")
    parser.add_argument("--detector", metavar="CHECKPOINT", help="OWLv2, which finds words")
    parser.add_argument("--fingertip-words", default="robot gripper", metavar="W")
    parser.add_argument("--target-words", default="object on the table", metavar="W")
    parser.add_argument("--each", action="store_true", help="prints each bag's mean IoU too")
    return parser.parse_args()


def sources_of(arguments: argparse.Namespace) -> dict:
    """What each source of the regions adds to the command, given the true boxes of the first picture."""

    def both(boxes: dict[str, np.ndarray]) -> list[str]:
        return [drawn(role, boxes) for role in ROLES]

    sources = {"one box, tracker": both}
    masks = ["--follow=sam2", f"--segmenter={arguments.segmenter}"]
    if arguments.segmenter:
        sources["one box, SAM 2.1"] = lambda boxes: both(boxes) + masks
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


def bags_of(folder: Path) -> list[Path]:
    if (folder / "metadata.yaml").exists():
        return [folder]
    bags = sorted(path.parent for path in folder.glob("*/metadata.yaml"))
    if not bags:
        sys.exit(f"{folder} is no bag, and none is in it")
    return bags


def truth_of(program: Path, bag: Path) -> Steps:
    """The true boxes, and the distances that they give where they are drawn in every picture."""
    known = around_instances(bag)
    if not known:
        return label(program, bag, [])
    begin, options = min(known), []
    for stamp, boxes in sorted(known.items()):
        seen = [role for role in ROLES if np.isfinite(boxes[role]).all()]
        options += [f"{drawn(role, boxes)}@{(stamp - begin) / 1e9:.6f}" for role in seen]
    steps = label(program, bag, options)
    if min(steps.boxes) != begin:
        raise Unlabelled("its instances do not begin with its first picture")
    truth = Steps({stamp: boxes for stamp, boxes in known.items() if stamp in steps.boxes})
    for stamp, boxes in truth.boxes.items():
        # A region that is not seen was followed, and what was measured of it is no truth.
        are_seen = all(np.isfinite(boxes[role]).all() for role in ROLES)
        truth.distance_m[stamp] = steps.distance_m[stamp] if are_seen else float("nan")
    return truth


def around_instances(bag: Path) -> dict[int, dict[str, np.ndarray]]:
    """The boxes around the regions' pixels by stamp; empty where the bag does not say which they are."""
    boxes = {}
    with Reader(bag) as reader:
        store = types_of(reader)
        connections = [connection for connection in reader.connections if connection.topic == INSTANCES]
        # Without any, all messages would come.
        for connection, _, data in reader.messages(connections=connections) if connections else ():
            picture = store.deserialize_cdr(data, connection.msgtype)
            numbers = picture.data.reshape(picture.height, picture.step)[:, : picture.width]
            boxes[nanos(picture.header.stamp)] = {role: around(numbers == NUMBERS[role]) for role in ROLES}
    return boxes


def around(mask: np.ndarray) -> np.ndarray:
    """The edges of what is set, NaN where that is less than a box that can be drawn."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows) or min(np.ptp(rows), np.ptp(columns)) + 1 < LEAST_SIDE_PX:
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


def drawn(role: str, boxes: dict[str, np.ndarray]) -> str:
    return f"--{role}-box={','.join(f'{edge:.1f}' for edge in boxes[role])}"


def nanos(stamp) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


def label(program: Path, bag: Path, options: list[str]) -> Steps:
    """The bag's steps."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        begin = time.perf_counter()
        command = [program, "--quiet", "label", bag, "-o", out, "--json", *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if not done.stdout:
            sys.exit(f"{bag.name}: {done.stderr.strip()}")
        report = json.loads(done.stdout)["bags"][0]
        if report["status"] not in ("labelled", "no_valid_step"):
            raise Unlabelled(report["error"])
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
            stamp = nanos(step.header.stamp)
            steps.boxes[stamp] = {role: np.array(getattr(step, f"{role}_box")) for role in ROLES}
            steps.distance_m[stamp] = step.distance_m if step.valid else float("nan")
    return steps


def overlaps(truth: Steps, steps: Steps) -> np.ndarray:
    """IoU by frame after the first and region; NaN where no truth is known."""
    stamps = sorted(truth.boxes)[1:]
    return np.array([[found(truth.boxes[at][role], steps.boxes[at][role]) for role in ROLES] for at in stamps])


def judge(truth: Steps, steps: Steps | None, by_words: bool) -> Row:
    row = Row()
    if by_words:
        first = min(truth.boxes)
        is_there = [steps is not None and found(truth.boxes[first][role], steps.boxes[first][role]) for role in ROLES]
        row.found.append(all(overlap >= FOUND_IOU for overlap in is_there))
    if steps is None:
        return row
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
    return row


def found(truth: np.ndarray, box: np.ndarray) -> float:
    """How well a box is found: not at all where there is none, and nothing to say where none is true."""
    if not np.isfinite(truth).all():
        return float("nan")
    return float(iou(truth, box)) if np.isfinite(box).all() else 0.0


def table(rows: dict[tuple[str, str], Row]) -> str:
    lines = [
        "| recordings | regions | IoU | wrong | followed | valid | distance | s/frame | found |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (folder, name), row in rows.items():
        found = f"{100 * np.mean(row.found):.0f} %" if row.found else ""
        if not row.overlap:
            lines.append(f"| {folder} | {name} | | | | | | | {found} |")
            continue
        overlap, followed = np.array(row.overlap), np.array(row.followed)
        wrong = np.mean(followed & (overlap < WRONG_IOU))
        valid = f"{100 * np.mean(row.valid):.1f} %" if row.valid else ""
        off = f"{np.median(row.off_mm):.2f}" if row.off_mm else ""
        shares = f"{100 * wrong:.2f} % | {100 * followed.mean():.1f} % | {valid}"
        seconds = np.median(row.s_per_frame)
        lines.append(f"| {folder} | {name} | {overlap.mean():.3f} | {shares} | {off} | {seconds:.3f} | {found} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
