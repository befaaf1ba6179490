"""Finds the episodes of a folder of simulator bags and reads from each what it is judged with: the true distances
of each frame, by its stamp. Bags are those of sim/record.py.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader

from python_peer import nanos, typestore

# The recorder's list says what training never saw.
sys.path.append(str(Path(__file__).parents[2] / "sim"))
from tasks import TASKS

POINT_TOPIC = "/ground_truth/fingertip"  # has a header, which the distances have not
TARGET_TOPIC = "/ground_truth/target"
TRUTH_TOPICS = {"cloud": "/ground_truth/cloud_distance", "surface": "/ground_truth/surface_distance"}
NAME = re.compile(r"approach_[^_]+_(?P<task>.+)_\d+_\d+")  # approach_SIMULATOR_TASK_SEED_SCENE

HELD_OUT_TASKS = {task.key for task in TASKS if task.held_out}


@dataclass(frozen=True)
class Episode:
    """One recorded approach and its truth: rows are frames, in the order of their stamps."""

    bag: Path
    stamps: np.ndarray  # nanoseconds
    cloud: np.ndarray  # metres: what the model is asked for
    surface: np.ndarray  # metres: 0 at contact
    along: np.ndarray  # share of the way from fingertip to target along the optical axis: 0 across the picture, 1 away

    @property
    def name(self) -> str:
        return self.bag.name

    @property
    def task(self) -> str:
        return task_of(self.bag)

    @property
    def held_out(self) -> bool:
        """Whether training has never seen this task."""
        return self.task in HELD_OUT_TASKS


def task_of(bag: Path) -> str:
    named = NAME.fullmatch(bag.name)
    return named["task"] if named else bag.name


def find(folder: Path, count: int | None) -> list[Path]:
    """The bags of the folder in the order of their names; of more than `count`, as many of each task as can be."""
    bags = sorted(path.parent for path in folder.glob("*/metadata.yaml") if not path.parent.name.startswith("."))
    if not bags:
        sys.exit(f"{folder} holds no bag: record some with sim/record.py --mode approach --task all-held-out")
    return bags if count is None else sorted(spread(bags, count))


def spread(bags: list[Path], count: int) -> list[Path]:
    """The first bag of each task, then the second of each, and so on up to `count`: neighbours differ in task."""
    turns, sizes = [], {}
    for bag in bags:
        turn = sizes[task_of(bag)] = sizes.get(task_of(bag), 0) + 1
        turns.append((turn, task_of(bag) not in HELD_OUT_TASKS, task_of(bag), bag.name, bag))
    return [bag for *_, bag in sorted(turns)][:count]


def read(bag: Path) -> Episode:
    """The truth of each frame. A distance belongs to the stamp of the point that was logged with it."""
    stamps, points, targets, truths = {}, {}, {}, {kind: {} for kind in TRUTH_TOPICS}
    kinds = {topic: kind for kind, topic in TRUTH_TOPICS.items()}
    with Reader(bag) as reader:
        store = typestore(reader)
        needed = {POINT_TOPIC, TARGET_TOPIC, *kinds}
        wanted = [c for c in reader.connections if c.topic in needed]
        missing = needed - {c.topic for c in wanted}
        if missing:
            sys.exit(f"{bag} has no topic {' and no '.join(sorted(missing))}: it can be judged by nothing")
        for connection, log_time, data in reader.messages(wanted):
            message = store.deserialize_cdr(data, connection.msgtype)
            if connection.topic == POINT_TOPIC:
                stamps[log_time], points[log_time] = nanos(message.header), xyz(message.point)
            elif connection.topic == TARGET_TOPIC:
                targets[log_time] = xyz(message.point)
            else:
                truths[kinds[connection.topic]][log_time] = message.data
    times = sorted(stamps.keys() & targets.keys() & truths["cloud"].keys() & truths["surface"].keys())
    if len(times) < 3:
        sys.exit(f"{bag} has {len(times)} frames with truth: too few to put in order")
    columns = (np.array([column[time] for time in times]) for column in (stamps, truths["cloud"], truths["surface"]))
    return Episode(bag, *columns, np.array([along(points[time], targets[time]) for time in times]))


def xyz(point) -> np.ndarray:
    """Metres in the camera's optical frame, whose z is the optical axis."""
    return np.array([point.x, point.y, point.z])


def along(start: np.ndarray, end: np.ndarray) -> float:
    """How much of the way lies along the optical axis; NaN where there is no way."""
    length = np.linalg.norm(end - start)
    return float(abs(end[2] - start[2]) / length) if length > 0 else float("nan")
