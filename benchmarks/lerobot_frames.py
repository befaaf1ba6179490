"""Labels the frames of a LeRobot dataset, the model aside, beside a loop over LeRobot's own decoder with OpenCV's CSRT.

usage: lerobot_frames.py [--frames N] [--part N] [--threads N] [--dataset FOLDER] [--json FILE]

The dataset is LeRobot's own: it records the sample as AV1 with its own settings, and merges copies of that episode
until there are as many frames. In each episode's first picture fingertip and target are drawn.
  label_dataset        all of it, as somebody calls it: pictures decoded, both regions followed, and columns written. A
                       program that answers at once stands in for the model, and is still sent all pixels
  decode and follow    of that, the first two alone
  one by one           the items of LeRobotDataset, as training and scripts ask for them
  in windows           the same pictures, 16 an item (`delta_timestamps`)
  CSRT                 OpenCV's tracker: a thread for each region, and one region after the other with OpenCV's threads
LeRobot's two decoders are tried: torchcodec, its default, which needs FFmpeg's shared libraries, and PyAV. The peers
take the episodes of --part, evenly over the dataset, and are scaled; 0 takes all. The loop is the fastest decoder and
the fastest CSRT, one after the other; beside it stands their least processor time divided among the threads, which no
loop is faster than. All is kept to the same processors. The exit code is 1 where label_dataset takes over half of the
loop's time.
"""

import argparse
import inspect
import json
import logging
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from lerobot.datasets.aggregate import aggregate_datasets
from lerobot.datasets.lerobot_dataset import LeRobotDataset

import spatial_reward as sr
import stand_in
from spatial_reward.lerobot import label_dataset
from spatial_reward.lerobot.ahead import ahead
from spatial_reward.lerobot.dataset import Dataset, Episode, open_dataset
from spatial_reward.lerobot.following import Frame, Plan, placed
from spatial_reward.lerobot.pictures import VideoPictures

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "fetch_approach"
CAMERA = "observation.images.front"
NAME = "benchmark/frames"
FPS = 15
WINDOW = 16
ALLOWED = 0.5
STAND_IN_M = 0.2

Box = tuple[float, float, float, float]
Boxes = tuple[Box, Box]


@dataclass
class Row:
    """A way, in seconds for all frames; `timed` is the number of frames that it was timed on."""

    name: str
    wall_s: float
    processor_s: float
    timed: int


class Clock:
    """Wall and processor seconds of what runs inside, with those of children that end inside; several times add up."""

    def __init__(self) -> None:
        self.wall_s = self.processor_s = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), sum(os.times()[:4])

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter() - self._began[0]
        self.processor_s += sum(os.times()[:4]) - self._began[1]

    def row(self, name: str, timed: int, frames: int) -> Row:
        times = frames / timed
        return Row(name, self.wall_s * times, self.processor_s * times, timed)


def main() -> int:
    arguments = parse()
    logging.disable(logging.WARNING)
    processors = sorted(os.sched_getaffinity(0))[: arguments.threads]
    os.sched_setaffinity(0, processors)
    torch.set_num_threads(len(processors))
    versions = {name: version(name) for name in ("spatial-reward", "lerobot", "torch", "av", "numpy")}
    versions |= {"opencv": cv2.__version__, "python": sys.version.split()[0]}
    began = {"processors": len(processors), "load": os.getloadavg()[0], "versions": versions}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        scratch, frames = Path(folder), sample()
        boxes = tuple(frames[0].fingertip), tuple(frames[0].target)
        root = made(frames, arguments, scratch)
        dataset = open_dataset(root)
        video_mib = sum(path.stat().st_size for path in root.rglob("*.mp4")) >> 20
        print(f"{dataset.frames} frames in {len(dataset.episodes)} episodes, {video_mib} MiB of video", flush=True)
        ours = [labelled(root, boxes, scratch), followed(dataset, boxes)]
        decoders, trackers = peers(dataset, evenly(dataset.episodes, arguments.part), boxes, versions)
    return judged(ours, decoders, trackers, {"frames": dataset.frames, **began}, arguments.json)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000, help="at least so many, in whole episodes (20,000)")
    parser.add_argument("--part", type=int, default=2_000, help="frames that the peers are timed on; 0 is all (2,000)")
    parser.add_argument("--threads", type=int, default=2, help="processors that all are kept to (2)")
    parser.add_argument("--dataset", type=Path, help="keep the dataset here, or take the one that is here")
    parser.add_argument("--scratch", type=Path, help="folder for the dataset and the output")
    parser.add_argument("--json", type=Path, help="write all figures here")
    return parser.parse_args()


# The dataset


def sample() -> list[sr.Frame]:
    """The sample's frames, from the first one on in which both regions are seen."""
    frames = list(sr.Recording(SAMPLE).frames())
    first = next(index for index, frame in enumerate(frames) if frame.fingertip and frame.target)
    return frames[first:]


def made(frames: list[sr.Frame], arguments: argparse.Namespace, scratch: Path) -> Path:
    """The dataset of as many frames, unless it is there."""
    root = arguments.dataset or scratch / "dataset"
    if not root.exists():
        repeated(record(scratch / "of_1", frames), root, -(-arguments.frames // len(frames)), scratch)
    return root


def record(root: Path, frames: list[sr.Frame]) -> Path:
    """The sample as one episode, recorded by LeRobot with its own settings for video."""
    height, width = frames[0].color.shape[:2]
    features = {
        CAMERA: {"dtype": "video", "shape": (height, width, 3), "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": (2,), "names": None},
        "action": {"dtype": "float32", "shape": (2,), "names": None},
    }
    dataset = LeRobotDataset.create(NAME, FPS, features, root=root)
    for index, frame in enumerate(frames):
        numbers = np.float32([index, -index])
        dataset.add_frame({CAMERA: frame.color, "observation.state": numbers, "action": numbers, "task": "reach"})
    dataset.save_episode(parallel_encoding=False)
    dataset.finalize()
    return root


def repeated(one: Path, root: Path, times: int, scratch: Path) -> None:
    """So many of an episode in one dataset: of 1, 2, 4, ... of them those that add up. LeRobot's merging copies
    packets of video as they are."""
    doubled, wanted = one, []
    for power in range(times.bit_length()):
        if power:
            half, doubled = doubled, scratch / f"of_{1 << power}"
            merged([half, half], doubled)
        if times >> power & 1:
            wanted.append(doubled)
    merged(wanted, root)
    for folder in scratch.glob("of_*"):
        shutil.rmtree(folder)


def merged(roots: list[Path], out: Path) -> None:
    aggregate_datasets([NAME] * len(roots), NAME, roots=roots, aggr_root=out)


# Ours


def labelled(root: Path, boxes: Boxes, scratch: Path) -> Row:
    """All that `label_dataset` does, but for the model."""
    program = scratch / "stand_in"
    (bits,) = struct.unpack("<Q", struct.pack("<d", STAND_IN_M))
    distances = [None, None, None, None, bits, None]
    stand_in.write(program, {"Ok": {"distances": distances, "own_confidence": None, "answer": None}})
    os.environ["SPATIAL_REWARD_PROGRAM"] = str(program)
    clock = Clock()
    with clock:
        done = label_dataset(
            root,
            scratch / "out",
            estimator="spatialrgpt",
            config={"model": {"relative_depth": "none"}},
            fingertip=boxes[0],
            target=boxes[1],
        )
    print(f"label_dataset: {done.valid} of {done.steps} steps valid, others: {done.invalid or 'none'}", flush=True)
    shutil.rmtree(scratch / "out")
    return clock.row("label_dataset", done.steps, done.steps)


def followed(dataset: Dataset, boxes: Boxes) -> Row:
    """Pictures decoded and both regions followed, as `label_dataset` does it."""
    plans = [Plan({0: box}) for box in boxes]
    pictures, clock = VideoPictures(dataset, CAMERA), Clock()
    with clock:
        for episode in dataset.episodes:
            for _ in placed(ahead(Frame(picture, None) for picture in pictures.episode(episode)), *plans):
                pass
        pictures.close()
    return clock.row("decode and follow", dataset.frames, dataset.frames)


# LeRobot's and OpenCV's


def evenly(episodes: list[Episode], frames: int) -> list[Episode]:
    """Of the episodes as many as have so many frames, from all of the dataset: where in its file one is may matter."""
    count = min(len(episodes), -(-frames // episodes[0].length)) if frames else len(episodes)
    return [episodes[index * len(episodes) // count] for index in range(count)]


def peers(
    dataset: Dataset, episodes: list[Episode], boxes: Boxes, versions: dict[str, str]
) -> tuple[list[Row], list[Row]]:
    """Each of LeRobot's ways to give the episodes' pictures, and OpenCV's to follow regions in them."""
    timed = sum(episode.length for episode in episodes)
    decoders: list[Row] = []
    following = {name: Clock() for name in TRACKERS}
    for name, way in decoder_ways(dataset.root, versions):
        clock = Clock()
        for episode in episodes:
            with clock:
                pictures = list(way(episode))
            assert len(pictures) == episode.length, (name, len(pictures))
            for tracker, its in following.items() if not decoders else ():
                with its:
                    TRACKERS[tracker](pictures, boxes)
        decoders.append(clock.row(name, timed, dataset.frames))
    if not decoders:
        sys.exit("neither of LeRobot's decoders can be loaded")
    return decoders, [clock.row(name, timed, dataset.frames) for name, clock in following.items()]


Way = Callable[[Episode], Iterator[np.ndarray]]


def decoder_ways(root: Path, versions: dict[str, str]) -> Iterator[tuple[str, Way]]:
    """Those that this machine has; `versions` is told which."""
    try:
        import torchcodec.decoders  # noqa: F401 - it is asked whether it can be imported
    except (ImportError, OSError, RuntimeError) as cause:
        print(f"torchcodec is not timed: {str(cause).strip().splitlines()[0]}", flush=True)
    else:
        versions["torchcodec"] = version("torchcodec")
        yield "one by one, torchcodec", one_by_one(root, "torchcodec")
        yield "in windows, torchcodec", in_windows(root, "torchcodec")
    yield "one by one, PyAV", one_by_one(root, "pyav")
    yield "in windows, PyAV", in_windows(root, "pyav")


def one_by_one(root: Path, decoder: str) -> Way:
    dataset = opened(root, decoder)

    def pictures(episode: Episode) -> Iterator[np.ndarray]:
        for index in range(episode.from_index, episode.from_index + episode.length):
            yield picture(dataset[index][CAMERA])

    return pictures


def in_windows(root: Path, decoder: str) -> Way:
    dataset = opened(root, decoder, delta_timestamps={CAMERA: [later / FPS for later in range(WINDOW)]})

    def pictures(episode: Episode) -> Iterator[np.ndarray]:
        for begin in range(0, episode.length, WINDOW):
            window = dataset[episode.from_index + begin][CAMERA]
            # What is beyond the episode's end is filled up with its last picture.
            yield from map(picture, window[: episode.length - begin])

    return pictures


def opened(root: Path, decoder: str, **options: object) -> LeRobotDataset:
    """Gives pictures as bytes where it can, which saves it a conversion."""
    if "return_uint8" in inspect.signature(LeRobotDataset).parameters:
        options["return_uint8"] = True
    return LeRobotDataset(NAME, root=root, video_backend=decoder, **options)


def picture(tensor: torch.Tensor) -> np.ndarray:
    """A picture as OpenCV takes it: (height, width, 3) in blue, green, red."""
    if tensor.dtype != torch.uint8:
        tensor = (tensor * 255).round().to(torch.uint8)
    return np.ascontiguousarray(tensor.numpy().transpose(1, 2, 0)[..., ::-1])


def on_threads_of_their_own(pictures: list[np.ndarray], boxes: Boxes) -> None:
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(len(boxes)) as pool:
        list(pool.map(lambda box: csrt(pictures, box), boxes))


def in_turn(pictures: list[np.ndarray], boxes: Boxes) -> None:
    cv2.setNumThreads(torch.get_num_threads())
    for box in boxes:
        csrt(pictures, box)


TRACKERS = {"CSRT, a thread a region": on_threads_of_their_own, "CSRT, in turn": in_turn}


def csrt(pictures: list[np.ndarray], box: Box) -> None:
    """Follows a region through an episode."""
    x, y, right, below = map(round, box)
    tracker = cv2.TrackerCSRT.create()
    tracker.init(pictures[0], (x, y, right - x, below - y))
    for each in pictures[1:]:
        tracker.update(each)


# What came of it


def judged(ours: list[Row], decoders: list[Row], trackers: list[Row], about: dict, out: Path | None) -> int:
    """Prints all of it, and says by the exit code whether the line holds."""
    rows = [*ours, *decoders, *trackers]
    print(f"\n| {about['frames']} frames | seconds | processor seconds | frames timed |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.name} | {row.wall_s:.1f} | {row.processor_s:.1f} | {row.timed} |")
    fastest = [min(each, key=lambda row: row.wall_s) for each in (decoders, trackers)]
    loop_s = sum(row.wall_s for row in fastest)
    least_s = sum(min(row.processor_s for row in each) for each in (decoders, trackers)) / about["processors"]
    label_s, alone_s = (row.wall_s for row in ours)
    print(f"\nthe loop ({fastest[0].name}; {fastest[1].name}): {loop_s:.1f} s; its threads all busy: {least_s:.1f} s")
    print(
        f"label_dataset: {label_s / loop_s:.3f} of the loop's time, {label_s / least_s:.3f} with its threads all busy"
    )
    print(f"decode and follow: {alone_s / loop_s:.3f}, {alone_s / least_s:.3f}")
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    print(f"{about['processors']} processors, load {about['load']:.1f} at the beginning; {versions}")
    if out is not None:
        figures = {
            **about,
            "rows": [asdict(row) for row in rows],
            "loop_s": loop_s,
            "loop_least_s": least_s,
            "ratio": label_s / loop_s,
            "ratio_to_least": label_s / least_s,
            "ratio_of_decode_and_follow": alone_s / loop_s,
            "allowed": ALLOWED,
        }
        out.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if label_s <= ALLOWED * loop_s else 1


if __name__ == "__main__":
    sys.exit(main())
