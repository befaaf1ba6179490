"""Measures how far the geometry's distances are from the truth, and how many truths lie within its 90 % intervals, on
recorded bags with truth (sim/record.py and sim/grippers.py write such).

usage: geometry_accuracy.py FOLDER ... [--only WORDS] [--before PROGRAM] [--program PROGRAM] [--estimator NAME]
                            [--masks PIXELS ...]

Every FOLDER holds bags. Each program labels all of them; a row of the table is a folder and a kind of distance (of
which a model answers one):
  mean, worst    the mean absolute error of a bag in mm: mean over the bags, and the worst bag
  no bias        the same mean where each bag's mean error is taken off
  within 25 %    the share of steps beyond 5 cm that are, mean over the bags
  Spearman       rank correlation in a bag, mean over the bags
  coverage       the share of truths within the distance +- 1.645 standard deviations, cut at 0
  width          of these intervals, mean, in mm; and of intervals of one half width with the same coverage
  tight          the share of steps whose interval reaches at most 5 mm each way, and of these that errs by over 15 mm
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader
from scipy.stats import spearmanr

from label_vs_python import build, run
from masks import outlined
from python_peer import types_of

KINDS = ("surface", "center", "cloud")
STDS = 1.645
CERTAIN_M, MISLEADING_M = 0.005, 0.015
TRUTH = "/ground_truth/"


@dataclass
class Bag:
    """Valid steps with a truth: one array a kind. And the log times of all valid ones, in order."""

    measured: dict[str, np.ndarray]
    std: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    times: dict[str, np.ndarray]
    valid: np.ndarray


def main() -> None:
    arguments = parse()
    programs = {"now": arguments.program or build()}
    if arguments.before:
        programs = {"before": arguments.before, **programs}
    print(
        "| bags | build | kind | mean | worst | no bias | within 25 % | Spearman "
        "| coverage | width (constant) | tight (of them off) |"
    )
    print("|" + " --- |" * 11)
    for folder in arguments.folders:
        named = [bag for name in arguments.only.split(",") for bag in folder.glob(f"*{name}*")]
        bags = sorted(bag for bag in named if (bag / "metadata.yaml").exists())
        last = []
        for name, program in programs.items():
            last = [label(program, bag, arguments.estimator) for bag in bags]
            table(f"{folder.name} ({len(bags)})", name, last, arguments.estimator)
        for off in arguments.masks:
            masked = [label_outlined(program, bag, off) for bag in bags]
            table(f"{folder.name} ({len(bags)})", f"masks {off:+d} px", masked, arguments.estimator)
            print_change([bag.name for bag in bags], last, masked)


def table(bags: str, build: str, labelled: list[Bag], estimator: str) -> None:
    for kind in KINDS:
        if estimator != "geometry" and not any(len(bag.truth[kind]) for bag in labelled):
            continue
        print(f"| {bags} | {build} | {kind} | {row(labelled, kind)} |", flush=True)


def print_change(names: list[str], boxes: list[Bag], masks: list[Bag]) -> None:
    """How many bags have a smaller error of `surface` by masks, the bag that loses most, and the valid steps."""

    def error_mm(bag: Bag) -> float:
        return 1000 * float(np.abs(bag.measured["surface"] - bag.truth["surface"]).mean())

    worse = [
        (error_mm(after) - error_mm(before), name) for name, before, after in zip(names, boxes, masks, strict=True)
    ]
    most, bag = max(worse)
    valid = [sum(len(one.valid) for one in bags) for bags in (boxes, masks)]
    print(
        f"surface: {sum(by < 0 for by, _ in worse)} of {len(worse)} bags are better by masks; most worse is {bag} by "
        f"{most:+.2f} mm; valid steps {valid[0]} with boxes, {valid[1]} with masks",
        file=sys.stderr,
        flush=True,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds bags with truth")
    parser.add_argument("--only", default="", help="bags with one of these words in their names (with commas)")
    parser.add_argument("--before", type=Path, help="another build of the program, to compare with")
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument("--estimator", default="geometry", help="who measures (default: geometry)")
    parser.add_argument(
        "--masks",
        type=int,
        nargs="*",
        default=[],
        metavar="PIXELS",
        help="also with outlines of the true instances in yolo_msgs, grown by so many pixels (shrunk by negative ones)",
    )
    return parser.parse_args()


def label(program: Path, bag: Path, estimator: str) -> Bag:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        run([program, "label", bag, "-o", out, "--quiet", "--estimator", estimator])
        return read(out)


def label_outlined(program: Path, bag: Path, off: int) -> Bag:
    with tempfile.TemporaryDirectory() as scratch:
        return label(program, outlined(bag, Path(scratch) / bag.name, off), "geometry")


def read(labelled: Path) -> Bag:
    """The steps of a labelled bag beside the truth, which is logged with the images."""
    steps, points, distances = {}, {}, {"surface": {}, "cloud": {}}
    with Reader(labelled) as reader:
        store = types_of(reader)
        for connection, log_time, data in reader.messages():
            topic = connection.topic.removeprefix(TRUTH)
            if connection.msgtype.endswith("StepReward"):
                steps[log_time] = store.deserialize_cdr(data, connection.msgtype)
            elif topic in ("surface_distance", "cloud_distance"):
                distances[topic.split("_")[0]][log_time] = store.deserialize_cdr(data, connection.msgtype).data
            elif topic in ("fingertip", "target") and topic != connection.topic:
                point = store.deserialize_cdr(data, connection.msgtype).point
                points.setdefault(log_time, {})[topic] = np.array([point.x, point.y, point.z])
    distances["center"] = {
        time: float(np.linalg.norm(both["fingertip"] - both["target"]))
        for time, both in points.items()
        if len(both) == 2
    }
    bag = Bag({}, {}, {}, {}, np.array([time for time, step in steps.items() if step.valid]))
    for kind, truths in distances.items():
        known = [(time, step, truths[time]) for time, step in steps.items() if step.valid and time in truths]
        # Beside a model's answer stands what geometry measured, by its kinds.
        if any(step.estimator != "geometry" for _, step, _ in known):
            known = [one for one in known if one[1].distance_kind == kind]
            name = "distance"
        else:
            name = kind
        bag.times[kind] = np.array([time for time, _, _ in known])
        bag.measured[kind] = np.array([getattr(step, f"{name}_m") for _, step, _ in known])
        bag.std[kind] = np.array([getattr(step, f"{name}_std_m", np.nan) for _, step, _ in known])
        bag.truth[kind] = np.array([truth for _, _, truth in known])
    return bag


def row(bags: list[Bag], kind: str) -> str:
    each = [(bag.measured[kind], bag.truth[kind]) for bag in bags if len(bag.truth[kind]) > 0]
    if not each:
        return "no truth | | | | | | | "
    errors = [1000 * np.abs(measured - truth).mean() for measured, truth in each]
    unbiased = [1000 * np.abs(measured - truth - (measured - truth).mean()).mean() for measured, truth in each]
    near = [near_share(measured, truth) for measured, truth in each]
    ranks = [spearmanr(measured, truth).statistic for measured, truth in each]
    means = f"{np.mean(errors):.2f} | {max(errors):.1f} | {np.mean(unbiased):.2f}"
    figures = f"{means} | {np.nanmean(near):.3f} | {np.nanmean(ranks):.3f}"
    return f"{figures} | {intervals(bags, kind)}"


def near_share(measured: np.ndarray, truth: np.ndarray) -> float:
    far = truth > 0.05
    return float(np.mean(np.abs(measured - truth)[far] <= 0.25 * truth[far])) if far.any() else np.nan


def intervals(bags: list[Bag], kind: str) -> str:
    measured, std, truth = (
        np.concatenate([getattr(bag, what)[kind] for bag in bags]) for what in ("measured", "std", "truth")
    )
    if not np.isfinite(std).all():
        return "no std | | "
    half, error = STDS * std, np.abs(measured - truth)
    low = np.maximum(measured - half, 0)
    coverage = np.mean((truth >= low) & (truth <= measured + half))
    constant = np.quantile(error, coverage)
    width, of_constant = np.mean(measured + half - low), np.mean(constant + np.minimum(measured, constant))
    tight = half <= CERTAIN_M
    off = f" ({100 * np.mean(error[tight] > MISLEADING_M):.2f} %)" if tight.any() else ""
    return f"{coverage:.3f} | {1000 * width:.1f} ({1000 * of_constant:.1f}) | {tight.mean():.2f}{off}"


if __name__ == "__main__":
    main()
