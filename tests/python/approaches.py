"""Recordings of a hand that comes to a thing, painted with known masks: pictures, depth, the camera and which pixels
are whose, as a simulator's bags have them. Needs numpy, Pillow and rosbags.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

WIDTH, HEIGHT, FRAMES = 160, 120, 8
FRAMES_PER_S = 15
BEGIN_NANOS = 1_760_000_000_000_000_000
FOCAL_PX = 150.0
HAND, THING = 1, 2  # as the instances number them
COLORS = "/camera/color/image_raw/compressed"
STORE = get_typestore(Stores.ROS2_HUMBLE)


@dataclass(frozen=True)
class Approach:
    """How it is painted, from where the hand comes, and the frames in which the thing is not in the picture."""

    look: str
    begin: tuple[int, int]
    end: tuple[int, int] = (66, 24)
    without_thing: tuple[int, ...] = ()

    def masks(self, frame):
        """By instance, the nearer one over the other."""
        x, y = np.rint(np.array(self.begin) + (np.array(self.end) - self.begin) * frame / (FRAMES - 1)).astype(int)
        masks = {number: np.zeros((HEIGHT, WIDTH), bool) for number in (HAND, THING)}
        # Two fingers on a palm.
        masks[HAND][y : y + 18, x : x + 48] = masks[HAND][y + 18 : y + 40, x : x + 14] = True
        masks[HAND][y + 18 : y + 40, x + 34 : x + 48] = True
        if frame not in self.without_thing:
            masks[THING][60:112, 94:152] = ~masks[HAND][60:112, 94:152]
        return masks

    def color(self, frame):
        row, column = np.mgrid[:HEIGHT, :WIDTH]
        picture = np.stack([110 + 50 * np.sin(column / (9 + k)) * np.cos(row / (13 - k)) for k in range(3)], -1)
        for number, own in ((HAND, (40, 50, 70)), (THING, (210, 60, 50))):
            rows, columns = np.nonzero(self.masks(frame)[number])
            if len(rows):
                # Stripes that go along with it.
                stripes = ((rows - rows.min()) // 10 + (columns - columns.min()) // 8) % 2
                picture[rows, columns] = np.array(own) + 25 * stripes[:, None]
        if self.look == "grained":
            picture += np.random.default_rng(frame).normal(0, 8, picture.shape)
        elif self.look == "shaded":
            picture *= np.linspace(1.15, 0.6, WIDTH)[:, None]
        return picture.clip(0, 255).astype(np.uint8)

    def depth(self, frame):
        """Millimetres."""
        depth = np.full((HEIGHT, WIDTH), 1000, np.uint16)
        masks = self.masks(frame)
        depth[masks[THING]], depth[masks[HAND]] = 820, 700 + 15 * frame
        return depth

    def jpeg(self, frame):
        data = io.BytesIO()
        Image.fromarray(self.color(frame)).save(data, "JPEG", quality=95)
        return data.getvalue()


def stamp_nanos(frame):
    return BEGIN_NANOS + frame * 1_000_000_000 // FRAMES_PER_S


def record(approach, folder):
    """The approach as a bag."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for frame in range(FRAMES):
            for topic, message in messages(approach, frame):
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=STORE)
                data = STORE.serialize_cdr(message, message.__msgtype__)
                writer.write(connections[topic], stamp_nanos(frame) + 2_000_000, data)
    return folder


def messages(approach, frame):
    time = make("builtin_interfaces/msg/Time", *divmod(stamp_nanos(frame), 1_000_000_000))
    header = make("std_msgs/msg/Header", time, "camera")
    jpeg = np.frombuffer(approach.jpeg(frame), np.uint8)
    yield COLORS, make("sensor_msgs/msg/CompressedImage", header, "rgb8; jpeg compressed bgr8", jpeg)
    yield "/camera/color/camera_info", camera_info(header)
    yield "/camera/aligned_depth_to_color/image_raw", image(header, approach.depth(frame), "16UC1")
    instances = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, mask in approach.masks(frame).items():
        instances[mask] = number
    yield "/ground_truth/instances/image_raw", image(header, instances, "mono8")


def make(name, *fields):
    return STORE.types[name](*fields)


def image(header, pixels, encoding):
    step, data = WIDTH * pixels.itemsize, np.frombuffer(pixels.tobytes(), np.uint8)
    return make("sensor_msgs/msg/Image", header, HEIGHT, WIDTH, encoding, 0, step, data)


def camera_info(header):
    k = np.array([FOCAL_PX, 0, (WIDTH - 1) / 2, 0, FOCAL_PX, (HEIGHT - 1) / 2, 0, 0, 1])
    p = np.insert(k, [3, 6, 9], 0.0)
    roi = make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    distortion = ("plumb_bob", np.zeros(5))
    return make("sensor_msgs/msg/CameraInfo", header, HEIGHT, WIDTH, *distortion, k, np.eye(3).ravel(), p, 0, 0, roi)
