"""Fits what a drawn box that was followed adds to the standard deviation of a distance
(crates/core/src/frame.rs), and judges it, on recorded bags with truth (sim/record.py and sim/grippers.py
write such).

usage: fit_doubt.py FOLDER ... [--judge FOLDER ...] [--program PROGRAM]

Every FOLDER holds bags. Each bag is labelled with its detections, and once more with one box for each region alone: the
detection in the first picture that has one. What the boxes add is s = hypot over both regions of (unseen * w1 +
contradicted * w2), and the deviation hypot(geometry's, s). The weights are those of the greatest likelihood at the
steps whose distance from detections is right (within four of its deviations from the truth, or from itself where the
bag has no truth): there the geometry is not to blame. What an error is beyond four deviations counts by its fourth
power besides, for a deviation is there to announce such steps. Prints the weights as they stand in the code, and a row
for each folder, those of --judge too, without doubt and with the weights:
  steps      valid in both, without those of the drawing
  coverage   the share of truths within the distance +- 1.645 deviations, with the drawn boxes, and with detections
  beyond 4   the steps that err by more than four deviations where detections are right
  tight      the share of steps whose 90 % interval reaches at most 5 mm each way, with drawn boxes, and with detections
"""

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader
from scipy.optimize import minimize

from geometry_accuracy import CERTAIN_M, STDS, TRUTH
from label_vs_python import build
from python_peer import types_of

FAR = 4.0


@dataclass
class Steps:
    """Valid with detections and with drawn boxes; in metres."""

    error: np.ndarray  # of the distance from drawn boxes
    std: np.ndarray  # of the geometry alone
    terms: np.ndarray  # [N, region, term]
    seen_error: np.ndarray  # of the distance from detections
    seen_std: np.ndarray


def main() -> None:
    arguments = parse()
    program = arguments.program or build()
    fitted_on = {folder.name: steps_of(program, folder) for folder in arguments.folders}
    weights = fitted(together(fitted_on.values()))
    print(f"const UNSEEN: f64 = {weights[0]:.2f};\nconst CONTRADICTED: f64 = {weights[1]:.2f};\n")
    print("| bags | doubt | steps | coverage (detections) | beyond 4 | tight (detections) |\n|" + " --- |" * 6)
    judged = {folder.name: steps_of(program, folder) for folder in arguments.judge}
    for name, steps in {**fitted_on, **judged}.items():
        print(f"| {name} | none | {row(steps, np.zeros(2))} |\n| {name} | fitted | {row(steps, weights)} |", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds bags to fit to")
    parser.add_argument("--judge", type=Path, nargs="*", default=[], metavar="FOLDER", help="holds bags to judge with")
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    return parser.parse_args()


def steps_of(program: Path, folder: Path) -> Steps:
    bags = sorted(bag for bag in folder.iterdir() if (bag / "metadata.yaml").exists())
    return together([compared(program, bag) for bag in bags])


def together(parts) -> Steps:
    parts = list(parts)
    names = ("error", "std", "terms", "seen_error", "seen_std")
    return Steps(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def compared(program: Path, bag: Path) -> Steps:
    seen, truth, _ = label(program, bag, [])
    first = min(seen)
    drawn_at, options = set(), []
    for role in ("fingertip", "target"):
        boxed = {stamp: getattr(step, f"{role}_box") for stamp, step in seen.items()}
        stamp, box = next((stamp, box) for stamp, box in sorted(boxed.items()) if np.isfinite(box).all())
        corners = ",".join(f"{edge:.2f}" for edge in box)
        options += [f"--{role}-box", f"{corners}@{(stamp - first) / 1e9:.3f}"]
        drawn_at.add(stamp)
    drawn, _, doubts = label(program, bag, options)
    rows = []
    for stamp, step in drawn.items():
        with_boxes = seen.get(stamp)
        if step.valid and with_boxes and with_boxes.valid and stamp in doubts and stamp not in drawn_at:
            true_m = truth.get(stamp, with_boxes.surface_m)
            terms, std = doubts[stamp]
            errors = abs(step.surface_m - true_m), abs(with_boxes.surface_m - true_m)
            rows.append([errors[0], std, *np.ravel(terms), errors[1], with_boxes.surface_std_m])
    table = np.array(rows).reshape(-1, 8)
    return Steps(table[:, 0], table[:, 1], table[:, 2:6].reshape(-1, 2, 2), table[:, 6], table[:, 7])


def label(program: Path, bag: Path, options: list[str]) -> tuple[dict, dict, dict]:
    """Steps, true distances and what the program tells of its doubts at its last level of detail; all by stamp."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        command = [program, "label", bag, "-o", out, *options, "-vv", "--log-format", "json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if not out.exists():
            raise SystemExit(f"error: {bag} could not be labelled: {done.stderr[-1000:]}")
        steps, truth = {}, {}
        with Reader(out) as reader:
            store = types_of(reader)
            for connection, log_time, data in reader.messages():
                if connection.msgtype.endswith("StepReward"):
                    steps[log_time] = store.deserialize_cdr(data, connection.msgtype)
                elif connection.topic == f"{TRUTH}surface_distance":
                    truth[log_time] = store.deserialize_cdr(data, connection.msgtype).data
    stamps = {log_time: step.header.stamp for log_time, step in steps.items()}
    stamps = {log_time: stamp.sec * 10**9 + stamp.nanosec for log_time, stamp in stamps.items()}
    told = (json.loads(line) for line in done.stderr.splitlines() if '"doubt"' in line)
    doubts = {line["stamp_nanos"]: (json.loads(line["terms_m"]), line["std_m"]) for line in told}
    true = {stamps[log_time]: distance for log_time, distance in truth.items() if log_time in stamps}
    return {stamps[log_time]: step for log_time, step in steps.items()}, true, doubts


def deviations(steps: Steps, weights: np.ndarray) -> np.ndarray:
    doubt = steps.terms @ weights
    return np.sqrt(steps.std**2 + (doubt**2).sum(axis=1))


def is_right(steps: Steps) -> np.ndarray:
    return steps.seen_error <= FAR * steps.seen_std


def fitted(steps: Steps) -> np.ndarray:
    right = is_right(steps)

    def unlikeliness(weights: np.ndarray) -> float:
        std = deviations(steps, np.abs(weights))[right]
        off = steps.error[right] / std
        return float(np.mean(np.log(std) + off**2 / 2 + np.maximum(off - FAR, 0) ** 4))

    starts = (np.full(2, start) for start in (0.3, 1.0, 3.0))
    best = min((minimize(unlikeliness, start, method="Nelder-Mead") for start in starts), key=lambda found: found.fun)
    return np.abs(best.x)


def row(steps: Steps, weights: np.ndarray) -> str:
    std, right = deviations(steps, weights), is_right(steps)
    coverage = np.mean(steps.error <= STDS * std), np.mean(steps.seen_error <= STDS * steps.seen_std)
    far = np.sum((steps.error > FAR * std) & right)
    tight = np.mean(STDS * std <= CERTAIN_M), np.mean(STDS * steps.seen_std <= CERTAIN_M)
    figures = f"{coverage[0]:.3f} ({coverage[1]:.3f}) | {far} of {right.sum()}"
    return f"{len(std)} | {figures} | {tight[0]:.2f} ({tight[1]:.2f})"


if __name__ == "__main__":
    main()
