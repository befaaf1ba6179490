"""How well a region's tilt is told: that of what is poured in episodes of sim/episodes.py, against the simulator's.

usage: tilt_accuracy.py FOLDER ... [--program PROGRAM] [--settings FOLDER] [--only WORDS] [--each]

Every FOLDER holds episodes, or is one; those of pour count. A row is of the frames with a true tilt in a range:
  not told       the share of frames without a tilt
  error          median, 95th percentile and mean of the errors, in degrees
  within         the share of frames whose truth is within 1.645 standard deviations, a 90 % interval
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader

from bags import types_of
from label_vs_python import build, run
from task_phases import bags_of, parser, read, settings_of

TRUTH, TASK = "/ground_truth/pairs", "/spatial_reward/task_reward"
WITHIN = 1.645
RANGES = ((0, 15), (15, 60), (60, 180))


def main() -> None:
    arguments = parser(__doc__).parse_args()
    program = arguments.program or build()
    episodes = []
    for bag in bags_of(arguments.folders, arguments.only):
        if read(bag).task != "pour":
            continue
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "out"
            run([program, "label", bag, "-o", out, "--quiet", "--config", settings_of("pour", bag, arguments.settings)])
            episodes.append(np.degrees(tilts(out)))
        if arguments.each:
            print(f"{bag.name}: {row(episodes[-1])}", file=sys.stderr, flush=True)
    if not episodes:
        sys.exit("no episode is of the task pour: record some with sim/episodes.py --task pour")
    frames = np.vstack(episodes)
    print("| true tilt, degrees | frames | not told | error: median, 95 %, mean | within |")
    print("|" + " --- |" * 5)
    for low, high in RANGES:
        those = frames[(frames[:, 0] >= low) & (frames[:, 0] < high)]
        if len(those):
            print(f"| {low} to {high} | {len(those)} | {row(those)} |")
    print(f"| all | {len(frames)} | {row(frames)} |")


def tilts(labelled: Path) -> np.ndarray:
    """Of each frame the true tilt, the told one and its standard deviation, in radians; NaN is none."""
    truth, told = [], []
    with Reader(labelled) as reader:
        store = types_of(reader)
        for connection, _, data in reader.messages([c for c in reader.connections if c.topic in (TRUTH, TASK)]):
            message = store.deserialize_cdr(data, connection.msgtype)
            if connection.topic == TRUTH:
                truth.append(json.loads(message.data)["tilt"])
            else:
                at = list(message.quantity_names).index("tilt cube")
                told.append((message.quantity_values[at], message.quantity_std[at]))
    if len(truth) != len(told):
        sys.exit(f"{labelled}: {len(told)} steps for {len(truth)} frames, so they cannot be compared")
    return np.column_stack([truth, told])


def row(frames: np.ndarray) -> str:
    true, told, std = frames.T
    known = ~np.isnan(told)
    if not known.any():
        return "100.0% | - | -"
    error = (told - true)[known]
    off = np.abs(error)
    return (
        f"{np.mean(~known):.1%} | {np.median(off):.1f}, {np.percentile(off, 95):.1f}, {error.mean():+.1f} | "
        f"{np.mean(off <= WITHIN * std[known]):.1%}"
    )


if __name__ == "__main__":
    main()
