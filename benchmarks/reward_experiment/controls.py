"""Negative controls: changed copies of bags in which the model can no longer see what it is asked about. One that
answers as well as before never looked there.

The copies hold no ground truth; the answers are judged by the truth of the source.
"""

import io
import shutil
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from python_peer import copied_connection, nanos, typestore

TRUTH_PREFIX = "/ground_truth/"
IMAGE_TYPES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")
BOXES_TYPE = "vision_msgs/msg/Detection2DArray"
REGION_TOPICS = ("/fingertip/detections", "/target/detections")
GREY = 128
GREY_DEPTH_MM = 1000
BOX_SIDE_PIXELS = (16, 128)  # of random boxes in an image 640 pixels wide


@dataclass
class Recording:
    """The messages of a bag that a model sees, topic by topic in the order of their stamps."""

    connections: list
    store: object
    messages: dict[str, list] = field(default_factory=dict)  # topic: [(connection, log time, message)]

    def of(self, kinds: tuple[str, ...]) -> list[str]:
        """Topics of these types."""
        return [c.topic for c in self.connections if c.msgtype in kinds and c.topic in self.messages]

    def size(self) -> tuple[int, int]:
        """Width and height of the images."""
        info = next((rows for topic, rows in self.messages.items() if topic.endswith("camera_info")), None)
        if not info:
            sys.exit("a bag without camera_info cannot be made into a control")
        return info[0][2].width, info[0][2].height


def read(bag: Path) -> Recording:
    with Reader(bag) as reader:
        seen = [c for c in reader.connections if not c.topic.startswith(TRUTH_PREFIX)]
        recording = Recording(seen, typestore(reader))
        for connection, log_time, data in reader.messages(seen):
            message = recording.store.deserialize_cdr(data, connection.msgtype)
            recording.messages.setdefault(connection.topic, []).append((connection, log_time, message))
    return recording


def write(recording: Recording, path: Path) -> None:
    """Writes the bag under a temporary name, so that an interrupted one is not taken for complete."""
    part = path.with_name(f".{path.name}")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(part, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        copies = {c.id: copied_connection(writer, c) for c in recording.connections}
        rows = [row for rows in recording.messages.values() for row in rows]
        for connection, log_time, message in sorted(rows, key=lambda row: row[1]):
            data = recording.store.serialize_cdr(message, connection.msgtype)
            writer.write(copies[connection.id], log_time, data)
    part.rename(path)


def frames_shuffled(recording: Recording, other: Recording, rng: np.random.Generator) -> None:
    """Colour and depth of another moment of the same episode; the boxes stay."""
    topics = recording.of(IMAGE_TYPES)
    count = min(len(recording.messages[topic]) for topic in topics)
    order = rng.permutation(count)
    for topic in topics:
        rows = recording.messages[topic]
        shown = [rows[place][2] for place in order]
        headers = [message.header for _, _, message in rows]
        for place, message in enumerate(shown):
            rows[place] = (*rows[place][:2], with_fields(message, header=headers[place]))


def boxes_swapped(recording: Recording, other: Recording, rng: np.random.Generator) -> None:
    """The boxes that another episode, of another task and another camera, has at the same part of its way."""
    scale = np.array(recording.size()) / np.array(other.size())
    for topic in REGION_TOPICS:
        rows, theirs = recording.messages[topic], other.messages[topic]
        boxes = [message.detections[0].bbox for _, _, message in theirs if message.detections]
        for place, (_, _, message) in enumerate(rows):
            box = boxes[place * len(boxes) // len(rows)]
            centre = np.array([box.center.position.x, box.center.position.y]) * scale
            set_boxes(message, centre, np.array([box.size_x, box.size_y]) * scale)


def boxes_random(recording: Recording, other: Recording, rng: np.random.Generator) -> None:
    """Boxes of any size anywhere in the image, new ones at each frame."""
    size = np.array(recording.size())
    for topic in REGION_TOPICS:
        for _, _, message in recording.messages[topic]:
            sides = np.exp(rng.uniform(*np.log(BOX_SIDE_PIXELS), 2)) * size[0] / 640
            set_boxes(message, sides / 2 + rng.random(2) * (size - sides), sides)


def image_blank(recording: Recording, other: Recording, rng: np.random.Generator) -> None:
    """A grey picture and a wall at one metre; the boxes stay."""
    for topic in recording.of(IMAGE_TYPES):
        rows = recording.messages[topic]
        rows[:] = [(connection, time, blank(message)) for connection, time, message in rows]


CONTROLS: dict[str, Callable[[Recording, Recording, np.random.Generator], None]] = {
    "frames shuffled": frames_shuffled,
    "boxes swapped": boxes_swapped,
    "boxes random": boxes_random,
    "image blank": image_blank,
}


def make(name: str, bags: list[Path], folder: Path) -> list[Path]:
    """Copies of the bags, changed by the control `name`; those that are there already are kept."""
    copies = [folder / bag.name for bag in bags]
    for place, (bag, copy) in enumerate(zip(bags, copies, strict=True)):
        if copy.exists():
            continue
        recording, other = read(bag), read(bags[(place + 1) % len(bags)])
        CONTROLS[name](recording, other, np.random.default_rng(zlib.crc32(f"{name} {bag.name}".encode())))
        write(recording, copy)
    return copies


def set_boxes(message, centre: np.ndarray, size: np.ndarray) -> None:
    for place, detection in enumerate(message.detections):
        position = with_fields(detection.bbox.center.position, x=float(centre[0]), y=float(centre[1]))
        middle = with_fields(detection.bbox.center, position=position)
        box = with_fields(detection.bbox, center=middle, size_x=float(size[0]), size_y=float(size[1]))
        message.detections[place] = with_fields(detection, bbox=box)


def blank(message):
    """The same image message with nothing in it to see."""
    if hasattr(message, "format"):
        with Image.open(io.BytesIO(message.data)) as picture:
            flat = Image.new("RGB", picture.size, (GREY, GREY, GREY))
        data = io.BytesIO()
        flat.save(data, "JPEG", quality=90)
        return with_fields(message, data=np.frombuffer(data.getvalue(), np.uint8))
    if message.encoding == "16UC1":
        order = ">u2" if message.is_bigendian else "<u2"
        data = np.full(message.height * message.step // 2, GREY_DEPTH_MM, order).view(np.uint8)
    elif message.encoding in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8"):
        data = np.full(message.height * message.step, GREY, np.uint8)
    else:
        sys.exit(f"no way to blank an image with encoding {message.encoding} at {nanos(message.header)}")
    return with_fields(message, data=data)


def with_fields(message, **changed):
    """A copy with other values; messages of rosbags are frozen."""
    values = {name: getattr(message, name) for name in message.__dataclass_fields__ if name != "__msgtype__"}
    return type(message)(**(values | changed))
