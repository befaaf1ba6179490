"""Follows fingertip and target through recorded approaches with our tracker and with OpenCV's CSRT and KCF, from a box
that is drawn once, and compares all three with the true boxes.

usage: tracker_vs_csrt.py FOLDER ... [--program FOLLOW] [--keep FOLDER] [--no-depth] [--passing]

Every FOLDER holds bags (sim/record.py and sim/grippers.py write such), or is one. The box of the first picture comes
from the truth; a region's true box is that of its pixels in /ground_truth/instances, else the bag's detection. A row is
a tracker and a kind of region; `articulated` is a region whose area or aspect changes by more than 1.5 times.
  IoU            of the tracker's box and the true one, mean over the frames after the first; 0 where it says it is lost
  wrong          the share of frames that it calls valid with an IoU below 0.2
  valid          the share of frames that it calls valid
  hidden         the share of the frames with a hidden region that it calls valid, which they ought not to be
  ms             a frame, both regions, on one thread: the median over the bags
IoU and valid leave hidden frames out. Without --passing there are none.
--passing lets a hand, cut from the bag's last picture, pass in front of the target in the middle third of the frames.
It is a third of the way nearer, and hides the target where it covers more than half of its box.
"""

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from boxes import iou

ROLES = ("fingertip", "target")
INSTANCES = "/ground_truth/instances/image_raw"
WRONG_IOU = 0.2
CHANGES = 1.5
HIDDEN_SHARE = 0.5


@dataclass
class Recording:
    """Pictures as [N, H, W, 3] in blue, green, red; depth in millimetres as [N, H, W], 0 for none; true boxes a role as
    [N, 4] in pixels, NaN where there is none, and whether something passes in front of it."""

    name: str
    color: np.ndarray
    depth: np.ndarray
    boxes: dict[str, np.ndarray]
    hidden: dict[str, np.ndarray]


@dataclass
class Followed:
    """What a tracker says: boxes a role as [N, 4], whether it calls them valid, and ms a frame for both."""

    boxes: dict[str, np.ndarray] = field(default_factory=dict)
    valid: dict[str, np.ndarray] = field(default_factory=dict)
    ms: float = 0.0


def main() -> None:
    arguments = parse()
    cv2.setNumThreads(1)
    names = arguments.trackers.split(",")
    rows = {(name, kind): [] for name in names for kind in ("fixed", "articulated")}
    speed = {name: [] for name in names}
    for bag in bags_of(arguments.folders):
        recording = read(bag)
        if arguments.passing:
            recording = with_passing_hand(recording)
        for name in names:
            followed = follow(name, recording, arguments)
            speed[name].append(followed.ms)
            for role in ROLES:
                judged = judge(recording, followed, role)
                rows[name, kind_of(recording.boxes[role])].append(judged)
                if arguments.each:
                    print(f"{name:5} {mean(judged['iou']):.3f} {recording.name} {role}", flush=True)
    print("| tracker | regions | IoU | wrong | valid | hidden | ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (name, kind), judged in rows.items():
        if judged:
            every = {what: np.concatenate([one[what] for one in judged]) for what in judged[0]}
            hidden = f"{100 * mean(every['hidden']):.0f} %" if len(every["hidden"]) else ""
            shares = f"{100 * mean(every['wrong']):.2f} % | {100 * mean(every['valid']):.1f} % | {hidden}"
            ms = np.median(speed[name])
            print(f"| {name} | {kind} ({len(judged)}) | {mean(every['iou']):.3f} | {shares} | {ms:.2f} |")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds bags with truth, or is one")
    parser.add_argument("--program", type=Path, help="the built example `follow` (built in release mode if not given)")
    parser.add_argument("--trackers", default="ours,csrt,kcf", help="which, with commas (default: ours,csrt,kcf)")
    parser.add_argument("--keep", type=Path, help="keeps what OpenCV's trackers say here, for the next time")
    parser.add_argument("--no-depth", action="store_true", help="our tracker gets no depth either")
    parser.add_argument("--passing", action="store_true", help="a hand passes in front of the target")
    parser.add_argument("--each", action="store_true", help="prints each region's mean IoU too")
    arguments = parser.parse_args()
    if arguments.program is None and "ours" in arguments.trackers:
        arguments.program = build()
    return arguments


def build() -> Path:
    root = Path(__file__).resolve().parent.parent
    command = ["cargo", "build", "--release", "--locked", "--package", "spatial-reward-core", "--example", "follow"]
    subprocess.run(command, cwd=root, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=root, check=True, capture_output=True
    )
    return Path(json.loads(metadata.stdout)["target_directory"]) / "release/examples/follow"


def bags_of(folders: list[Path]) -> list[Path]:
    is_bag = [(folder / "metadata.yaml").exists() for folder in folders]
    inside = [
        [folder] if one else [path for path in folder.iterdir() if (path / "metadata.yaml").exists()]
        for folder, one in zip(folders, is_bag, strict=True)
    ]
    return [bag for bags in inside for bag in sorted(bags)]


def read(bag: Path) -> Recording:
    """The frames that have a picture and depth, in order of their stamps."""
    frames = {}
    with Reader(bag) as reader:
        store = types_of(reader)
        for connection, _, data in reader.messages():
            what = role_of(connection)
            if what is not None:
                message = store.deserialize_cdr(data, connection.msgtype)
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                frames.setdefault(stamp, {})[what] = message
    complete = [frames[stamp] for stamp in sorted(frames) if {"color", "depth"} <= frames[stamp].keys()]
    boxes = {role: np.stack([true_box(frame, role) for frame in complete]) for role in ROLES}
    return Recording(
        bag.name,
        np.stack([pixels(frame["color"]) for frame in complete]),
        np.stack([plane(frame["depth"], "<u2") for frame in complete]),
        boxes,
        {role: np.zeros(len(complete), bool) for role in ROLES},
    )


def types_of(reader: Reader):
    store = get_typestore(Stores.ROS2_JAZZY)
    for connection in reader.connections:
        if connection.msgtype not in store.fielddefs:
            types = get_types_from_msg(connection.msgdef.data, connection.msgtype)
            store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
    return store


def role_of(connection) -> str | None:
    if connection.topic == INSTANCES:
        return "instances"
    if connection.topic.startswith("/ground_truth/"):
        return None
    for role in ROLES:
        if connection.topic == f"/{role}/detections":
            return role
    if connection.msgtype.endswith(("/Image", "/CompressedImage")):
        return "depth" if "depth" in connection.topic else "color"
    return None


def pixels(message) -> np.ndarray:
    if hasattr(message, "format"):
        return cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    image = plane(message, "u1", 3)
    return image if message.encoding == "bgr8" else image[..., ::-1]


def plane(message, kind: str, channels: int = 1) -> np.ndarray:
    length = message.width * channels * np.dtype(kind).itemsize
    rows = message.data.reshape(message.height, message.step)[:, :length]
    shape = (message.height, message.width, channels)[: 2 if channels == 1 else 3]
    return np.ascontiguousarray(rows).view(kind).reshape(shape)


def true_box(frame: dict, role: str) -> np.ndarray:
    if "instances" in frame:
        rows, columns = np.nonzero(plane(frame["instances"], "u1") == 1 + ROLES.index(role))
        if len(rows):
            return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)
    elif role in frame and frame[role].detections:
        box = frame[role].detections[0].bbox
        middle = np.array([box.center.position.x, box.center.position.y])
        half = np.array([box.size_x, box.size_y]) / 2
        return np.concatenate([middle - half, middle + half])
    return np.full(4, np.nan)


def with_passing_hand(recording: Recording) -> Recording:
    """A hand comes from the left, goes over the target and leaves to the right, a third nearer to the camera."""
    color, depth, hidden = recording.color.copy(), recording.depth.copy(), recording.hidden["target"].copy()
    height, width = depth.shape[1:]
    x0, y0, x1, y1 = (round(edge) for edge in recording.boxes["fingertip"][-1])
    hand, hand_depth = color[-1, y0:y1, x0:x1].copy(), depth[-1, y0:y1, x0:x1]
    near = np.median(hand_depth[hand_depth > 0])
    over = recording.boxes["target"]
    size = np.nanmax(over[:, 2:] - over[:, :2], axis=0) * 1.3
    hand = cv2.resize(hand, [int(side) for side in size])
    for i in range(len(color) // 3, 2 * len(color) // 3):
        box = over[i]
        share = (i - len(color) // 3) / (len(color) / 3)
        left = round((box[0] + box[2]) / 2 - hand.shape[1] / 2 + (share - 0.5) * 4 * hand.shape[1])
        top = round((box[1] + box[3]) / 2 - hand.shape[0] / 2)
        rows, columns = slice(max(top, 0), top + hand.shape[0]), slice(max(left, 0), max(left + hand.shape[1], 0))
        place = color[i, rows, columns]
        color[i, rows, columns] = hand[rows.start - top :, columns.start - left :][: place.shape[0], : place.shape[1]]
        depth[i, rows, columns] = near * 2 / 3
        covered = np.zeros((height, width), bool)
        covered[rows, columns] = True
        inside = covered[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])]
        hidden[i] = inside.mean() > HIDDEN_SHARE
    return Recording(recording.name, color, depth, recording.boxes, {**recording.hidden, "target": hidden})


def follow(name: str, recording: Recording, arguments: argparse.Namespace) -> Followed:
    if name == "ours":
        return ours(recording, arguments)
    kept = arguments.keep and arguments.keep / f"{recording.name}.{name}{'.passing' if arguments.passing else ''}.npz"
    if kept and kept.exists():
        with np.load(kept) as data:
            boxes, valid = ({role: data[f"{what}_{role}"] for role in ROLES} for what in ("boxes", "valid"))
            return Followed(boxes, valid, float(data["ms"]))
    followed = opencv(name, recording)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        parts = {f"boxes_{role}": followed.boxes[role] for role in ROLES}
        np.savez(kept, ms=followed.ms, **parts, **{f"valid_{role}": followed.valid[role] for role in ROLES})
    return followed


def opencv(name: str, recording: Recording) -> Followed:
    makers = {"csrt": cv2.TrackerCSRT.create, "kcf": cv2.TrackerKCF.create}
    followed, seconds = Followed(), 0.0
    for role in ROLES:
        box = recording.boxes[role][0]
        boxes, valid = [box], [True]
        tracker = makers[name]()
        x, y, right, below = (round(edge) for edge in box)
        tracker.init(recording.color[0], (x, y, right - x, below - y))
        begin = time.perf_counter()
        for picture in recording.color[1:]:
            found, (x, y, width, height) = tracker.update(picture)
            boxes.append(np.array([x, y, x + width, y + height], float))
            valid.append(found)
        seconds += time.perf_counter() - begin
        followed.boxes[role], followed.valid[role] = np.stack(boxes), np.array(valid)
    followed.ms = 1000 * seconds / max(len(recording.color) - 1, 1)
    return followed


def ours(recording: Recording, arguments: argparse.Namespace) -> Followed:
    """Hands the frames to the example `follow`, which says what it reads and writes."""
    count, height, width = recording.depth.shape
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "frames"
        with path.open("wb") as file:
            file.write(np.array([width, height, count, len(ROLES)], "<u4").tobytes())
            file.write(np.stack([recording.boxes[role][0] for role in ROLES]).astype("<f8").tobytes())
            for color, depth in zip(recording.color, recording.depth, strict=True):
                file.write(np.ascontiguousarray(color[..., ::-1]).tobytes())
                file.write((np.zeros_like(depth) if arguments.no_depth else depth).astype("<u2").tobytes())
        command = [arguments.program, path]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = np.array([[float(value) for value in line.split()] for line in lines]).reshape(count, len(ROLES), -1)
    # Frame, region, four edges, followed or not, score, depth consistent or not, milliseconds.
    rows = rows[np.arange(count)[:, None], rows[:, :, 1].astype(int).argsort(axis=1)]
    return Followed(
        {role: rows[:, i, 2:6] for i, role in enumerate(ROLES)},
        {role: rows[:, i, 6] > 0 for i, role in enumerate(ROLES)},
        float(rows[1:, :, 9].sum(axis=1).mean()),
    )


def judge(recording: Recording, followed: Followed, role: str) -> dict[str, np.ndarray]:
    truth, valid = recording.boxes[role], followed.valid[role]
    overlap = np.where(valid, iou(truth, followed.boxes[role]), 0.0)
    known = np.isfinite(truth).all(axis=1) & (np.arange(len(truth)) > 0)
    seen = known & ~recording.hidden[role]
    wrong = valid & (overlap < WRONG_IOU)
    hidden = known & recording.hidden[role]
    return {"iou": overlap[seen], "wrong": wrong[known], "valid": valid[seen], "hidden": valid[hidden]}


def kind_of(boxes: np.ndarray) -> str:
    sides = boxes[:, 2:] - boxes[:, :2]
    area, aspect = sides.prod(axis=1), sides[:, 0] / sides[:, 1]
    changes = [np.nanmax(values) / np.nanmin(values) for values in (area, aspect)]
    return "articulated" if max(changes) > CHANGES else "fixed"


def mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


if __name__ == "__main__":
    main()
