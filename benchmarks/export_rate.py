"""How fast recordings become a LeRobot dataset, beside `label` on the same recordings, in turns.

    python benchmarks/export_rate.py BAG... [--frames 20000] [--rounds 2] [--video]

`without encoders` is all of an export but the making of pictures' and depth's bytes: pictures are decoded, measured and
counted for the statistics. `png` stores them as PNG; `video` encodes AV1 and HEVC. `label` writes its bag, table and
report. With --frames, the recordings are taken again and again until there are as many. Needs the Python package with
the extra `lerobot`. Wall time tells of the machine and of whatever else runs on it; processor time of the work itself.
`repeat_bag.py` makes long recordings, also with colour that is not compressed.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import av  # noqa: F401 - loaded before the clock runs
import numpy as np
import pyarrow.parquet  # noqa: F401 - as av

import spatial_reward as sr
from spatial_reward.lerobot import _export_pictures, _export_run
from spatial_reward.lerobot._export_video import VideoFile
from spatial_reward.lerobot.export import export


class Unencoded(_export_pictures.VideoStream):
    """Takes statistics of pictures, and encodes none."""

    def _encode(self, frame):
        pass

    def _end(self):
        return self._samples.take()


def without_encoders(bags, out):
    kept = _export_run.VideoStream, VideoFile.append
    _export_run.VideoStream, VideoFile.append = Unencoded, lambda *_: {}
    try:
        export(bags, out, task="benchmark")
    finally:
        _export_run.VideoStream, VideoFile.append = kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bags", nargs="+", metavar="BAG")
    parser.add_argument("--frames", type=int, default=0, help="at least so many, by taking the recordings again")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--video", action="store_true", help="also with video, which takes long")
    given = parser.parse_args()
    once = sum(sr.inspect(bag).frames for bag in given.bags)
    times = max(1, -(-given.frames // once))
    bags, frames = given.bags * times, once * times
    ways = {
        "label": lambda out: [sr.label(bag, out / str(number)) for number, bag in enumerate(bags)],
        "without encoders": lambda out: without_encoders(bags, out / "out"),
        "png": lambda out: export(bags, out / "out", video=False, depth="image", task="benchmark"),
    }
    if given.video:
        ways["video"] = lambda out: export(bags, out / "out", task="benchmark")
    spent = {name: np.zeros(2) for name in ways}
    for _ in range(given.rounds):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                began = np.array([time.perf_counter(), time.process_time()])
                way(Path(folder))
                spent[name] += np.array([time.perf_counter(), time.process_time()]) - began
    for name, (wall_s, processor_s) in spent.items():
        of_label = spent["label"] / spent[name]
        print(
            f"{name}: {frames * given.rounds / wall_s:.0f} frames a second, "
            f"{processor_s / frames / given.rounds * 1e3:.2f} ms of processor a frame: "
            f"{of_label[0]:.2f} of label's rate by the clock, {of_label[1]:.2f} by the processor"
        )
    print(f"{frames} frames of {len(bags)} recordings, {given.rounds} rounds, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
