"""What labelling a whole task costs beside its parts: three pairs by two cameras in one `label`, and each of the six in
a labelling of its own. The ratio of the times is what following pairs, cameras and their union costs.

usage: task_cost.py EPISODE [--program PROGRAM] [--repeats N]

EPISODE is one of sim/episodes.py with two cameras.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from label_vs_python import build, run
from two_cameras import BOXES, FRONT, SIDE, camera

PAIRS = (("fingertip", "cube"), ("cube", "goal"), ("fingertip", "goal"))
CAMERAS = {"front": (FRONT, BOXES[0]), "side": (SIDE, BOXES[1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("episode", type=Path)
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        sys.exit("--repeats is 1 or more")
    program = arguments.program or build()
    ratios = []
    for repeat in range(arguments.repeats):
        # In turn, so that a machine that is busy for a while is so for both.
        whole = seconds(program, arguments.episode, task())
        alone = sum(seconds(program, arguments.episode, single) for single in singles())
        ratios.append(whole / alone)
        print(f"{repeat + 1}: the task {whole:.2f} s, its parts {alone:.2f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"ratio: median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def task() -> dict:
    """All pairs by both cameras."""
    cameras = {name: camera(topics, boxes) for name, (topics, boxes) in CAMERAS.items()}
    pairs = [f"{first}-{second}" for first, second in PAIRS]
    return {"regions": {"cube": {}, "goal": {}}, "cameras": cameras, "task": {"pairs": pairs}}


def singles() -> list[dict]:
    """Each pair by each camera, as fingertip and target of an ordinary labelling."""
    return [
        {
            "topics": {
                **topics,
                "fingertip": boxes,
                "fingertip_class": [first],
                "target": boxes,
                "target_class": [second],
            }
        }
        for topics, boxes in CAMERAS.values()
        for first, second in PAIRS
    ]


def seconds(program: Path, episode: Path, settings: dict) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        chosen = Path(scratch) / "settings.yaml"
        chosen.write_text(json.dumps(settings))  # JSON is YAML
        command = [program, "label", episode, "-o", Path(scratch) / "out", "--quiet", "--config", chosen]
        return run(command).seconds


if __name__ == "__main__":
    main()
