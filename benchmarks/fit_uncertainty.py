"""Fits the weights of the geometry's evidence (crates/core/src/geometry/uncertainty.rs), so that the 90 % intervals
hold a share of the truths in recorded bags (sim/record.py and sim/grippers.py write such).

usage: fit_uncertainty.py FOLDER ... [--program PROGRAM] [--masks PIXELS ...]

Every FOLDER holds bags. Half of an interval is the sum of the evidence times weights that are not negative: quantile
regression of the absolute errors, each bag weighing the same, and of that the mean over random halves of the bags, for
one fit to all of them leans on whatever evidence happens to single out these bags' errors. Prints the weights of each
kind of distance as they stand in the code, and what the intervals are worth on the bags themselves, and on those of
each gripper or task with the weights that all the others give. A bag's gripper is its name up to the third underscore.
With --masks the bags are copies whose regions are outlined, one for each number of pixels that outlines are grown by.
"""

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, hstack, identity

from geometry_accuracy import CERTAIN_M, KINDS, MISLEADING_M, read
from label_vs_python import build
from masks import outlined

SHARPEST_PX = 0.2  # of the first term, the width of a pixel: added to what is fitted of `surface`
# Of the truths that the intervals are to hold on these bags: on grippers that were not fitted to they hold fewer.
SHARES = {"surface": 0.96, "center": 0.99, "cloud": 0.97}
SHARES_OUTLINED = {"surface": 0.94, "center": 0.93, "cloud": 0.99}
HALVES = 12


@dataclass
class Steps:
    """Valid steps with a truth, of all bags."""

    terms: np.ndarray  # metres, a row a step
    measured: np.ndarray
    truth: np.ndarray
    bag: np.ndarray  # names


def main() -> None:
    arguments = parse()
    program = arguments.program or build()
    bags = [bag for folder in arguments.folders for bag in sorted(folder.iterdir()) if (bag / "metadata.yaml").exists()]
    if arguments.masks:
        SHARES.update(SHARES_OUTLINED)
        labelled = [label_outlined(program, bag, off) for bag in bags for off in arguments.masks]
    else:
        labelled = [label(program, bag) for bag in bags]
    for kind in KINDS:
        steps = together(labelled, kind)
        weights = fitted(steps, kind)
        print(f"    {kind}: [{', '.join(f'{weight:.3f}' for weight in weights)}],")
        print(f"      // on these bags: {worth(steps, half_widths(steps, kind, weights))}")
        print(f"      // on others:     {worth(steps, left_out(steps, kind))}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds bags with truth")
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument(
        "--masks",
        type=int,
        nargs="+",
        default=[],
        metavar="PIXELS",
        help="with outlines of the true instances, grown by so many pixels",
    )
    return parser.parse_args()


def label_outlined(program: Path, bag: Path, off: int) -> dict[str, Steps]:
    with tempfile.TemporaryDirectory() as scratch:
        return label(program, outlined(bag, Path(scratch) / bag.name, off))


def label(program: Path, bag: Path) -> dict[str, Steps]:
    """The steps of a bag for each kind. At its last level of detail the program tells each valid one's evidence."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        command = [program, "label", bag, "-o", out, "--jobs", "1", "-vv", "--log-format", "json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        lines = (json.loads(line) for line in done.stderr.splitlines() if '"evidence"' in line)
        terms = np.array([json.loads(line["terms_m"]) for line in lines])
        known = read(out)
    steps = {}
    for kind in KINDS:
        valid = known.valid
        if len(terms) != len(valid):
            raise SystemExit(f"error: {bag} has {len(valid)} valid steps and evidence of {len(terms)}")
        here = np.isin(valid, known.times[kind])
        names = np.full(here.sum(), bag.name)
        steps[kind] = Steps(terms[here], known.measured[kind], known.truth[kind], names)
    return steps


def together(labelled: list[dict[str, Steps]], kind: str) -> Steps:
    each = [steps[kind] for steps in labelled if len(steps[kind].truth)]
    fields = ("terms", "measured", "truth", "bag")
    return Steps(*(np.concatenate([getattr(one, field) for one in each]) for field in fields))


def fitted(steps: Steps, kind: str) -> np.ndarray:
    generator, names, weights = np.random.default_rng(0), np.unique(steps.bag), []
    for _ in range(HALVES):
        half = np.isin(steps.bag, generator.choice(names, len(names) // 2, replace=False))
        weights.append(quantile_regression(chosen(steps, half), kind))
    mean = np.mean(weights, axis=0)
    return np.where(mean < 1e-3, 0, mean)


def quantile_regression(steps: Steps, kind: str) -> np.ndarray:
    """As a linear program: errors = terms @ weights + above - below."""
    error = np.abs(steps.measured - steps.truth) - least(steps, kind)
    _, bag, frequency = np.unique(steps.bag, return_inverse=True, return_counts=True)
    importance = 1 / frequency[bag]
    count, width = steps.terms.shape
    cost = np.concatenate([np.zeros(width), SHARES[kind] * importance, (1 - SHARES[kind]) * importance])
    equations = hstack([csr_matrix(steps.terms), identity(count), -identity(count)])
    return linprog(cost, A_eq=equations, b_eq=error, bounds=(0, None), method="highs").x[:width]


def chosen(steps: Steps, which: np.ndarray) -> Steps:
    return Steps(steps.terms[which], steps.measured[which], steps.truth[which], steps.bag[which])


def half_widths(steps: Steps, kind: str, weights: np.ndarray) -> np.ndarray:
    return steps.terms @ weights + least(steps, kind)


def least(steps: Steps, kind: str) -> np.ndarray:
    return SHARPEST_PX * steps.terms[:, 0] * (kind == "surface")


def left_out(steps: Steps, kind: str) -> np.ndarray:
    """Half widths where each gripper is judged by what was fitted to all others."""
    gripper = grippers(steps)
    half = np.zeros(len(steps.truth))
    for one in np.unique(gripper):
        weights = fitted(chosen(steps, gripper != one), kind)
        half[gripper == one] = half_widths(chosen(steps, gripper == one), kind, weights)
    return half


def grippers(steps: Steps) -> np.ndarray:
    return np.array(["_".join(name.split("_")[:3]) for name in steps.bag])


def worth(steps: Steps, half: np.ndarray) -> str:
    error = np.abs(steps.measured - steps.truth)
    gripper = grippers(steps)
    least_held = min(np.mean((error <= half)[gripper == one]) for one in np.unique(gripper))
    tight = half <= CERTAIN_M
    off = 100 * np.mean(error[tight] > MISLEADING_M) if tight.any() else 0
    width = 1000 * np.mean(half + np.minimum(half, steps.measured))
    held = f"{np.mean(error <= half):.3f} held (of the worst gripper {least_held:.3f})"
    return f"{held}, {width:.1f} mm wide, {tight.mean():.2f} tight ({off:.2f} % of them off)"


if __name__ == "__main__":
    main()
