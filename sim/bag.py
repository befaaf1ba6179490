"""Writes one scene as a rosbag2 folder (MCAP, zstd), complete or not at all. The topics are listed in sim/README.md."""

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

import sensor
from truth import FINGERTIP, TARGET, Truth

FRAME_ID = "camera_color_optical_frame"
FRAMES_PER_SECOND = 15
FIRST_STAMP = 1_760_000_000_000_000_000
GRAVITY = 9.81
VISION_MESSAGES = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y\n",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta\n",
    "vision_msgs/msg/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
    "vision_msgs/msg/ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n"
    ),
    "vision_msgs/msg/Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id\n"
    ),
    "vision_msgs/msg/Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections\n",
}
TOPICS = {
    "colour": ("/camera/color/image_raw/compressed", "sensor_msgs/msg/CompressedImage"),
    "info": ("/camera/color/camera_info", "sensor_msgs/msg/CameraInfo"),
    "depth": ("/camera/aligned_depth_to_color/image_raw", "sensor_msgs/msg/Image"),
    "fingertip": ("/fingertip/detections", "vision_msgs/msg/Detection2DArray"),
    "target": ("/target/detections", "vision_msgs/msg/Detection2DArray"),
    "objects": ("/objects/detections", "vision_msgs/msg/Detection2DArray"),
    "imu": ("/camera/imu", "sensor_msgs/msg/Imu"),
    "prompt": ("/task_prompt", "std_msgs/msg/String"),
    "notes": ("/recording/notes", "std_msgs/msg/String"),
    "true_depth": ("/ground_truth/depth/image_raw", "sensor_msgs/msg/Image"),
    "instances": ("/ground_truth/instances/image_raw", "sensor_msgs/msg/Image"),
    "true_fingertip": ("/ground_truth/fingertip", "geometry_msgs/msg/PointStamped"),
    "true_target": ("/ground_truth/target", "geometry_msgs/msg/PointStamped"),
    "surface_distance": ("/ground_truth/surface_distance", "std_msgs/msg/Float64"),
    "cloud_distance": ("/ground_truth/cloud_distance", "std_msgs/msg/Float64"),
}
STORE = get_typestore(Stores.ROS2_JAZZY)
for _name, _text in VISION_MESSAGES.items():
    STORE.register(get_types_from_msg(_text, _name))


@dataclass
class Frame:
    """One recorded frame: the picture, the exact truth, and the way up in the camera's frame."""

    colour: np.ndarray
    depth: np.ndarray
    intrinsics: np.ndarray
    up: np.ndarray
    truth: Truth
    index: int | None = None  # place in the episode; None: the frames stand for themselves and are counted through


@dataclass
class Sensors:
    """How the scene's sensors err: with depth noise or not, with box jitter or not."""

    depth_noise: bool
    box_jitter: bool


def write(
    path: Path,
    frames: list[Frame],
    prompt: str,
    *,
    scene: int,
    sensors: Sensors,
    rng: np.random.Generator,
    notes: str | None = None,
) -> None:
    """Writes the bag under a temporary name and renames it when it is complete."""
    start = FIRST_STAMP + scene * 3_600_000_000_000
    topics = {key: topic for key, topic in TOPICS.items() if key != "notes" or notes is not None}
    with whole(path, topics) as put:
        put("prompt", start - 1_000_000, make("std_msgs/msg/String", data=prompt))
        if notes is not None:
            put("notes", start - 1_000_000, make("std_msgs/msg/String", data=notes))
        for i, frame in enumerate(frames):
            place = i if frame.index is None else frame.index
            stamp = start + place * 1_000_000_000 // FRAMES_PER_SECOND
            for key, message in _messages(frame, stamp, sensors, rng):
                put(key, stamp + 2_000_000, message)


@contextmanager
def whole(path: Path, topics: dict[str, tuple[str, str]]) -> Iterator[Callable[[str, int, object], None]]:
    """A bag that gets its name when it is complete; gives what puts a message (key, log time, message) into it."""
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    writer = Writer(temporary, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connections = {key: writer.add_connection(*topic, typestore=STORE) for key, topic in topics.items()}

        def put(key: str, time: int, message) -> None:
            writer.write(connections[key], time, STORE.serialize_cdr(message, message.__msgtype__))

        yield put
    temporary.rename(path)
    inner = path / f"{temporary.name}.mcap"
    if inner.exists():
        _rename_inside(path, inner, temporary.name)


def _rename_inside(path: Path, inner: Path, old: str) -> None:
    """The library names the data file after the folder; both names change together."""
    metadata = path / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(f"{old}.mcap", f"{path.name}.mcap"))
    inner.rename(path / f"{path.name}.mcap")


def _messages(frame: Frame, stamp: int, sensors: Sensors, rng: np.random.Generator):
    header = make(
        "std_msgs/msg/Header",
        frame_id=FRAME_ID,
        stamp=make("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9),
    )
    truth, height, width = frame.truth, *frame.depth.shape
    measured = sensor.noisy_depth(frame.depth, rng) if sensors.depth_noise else frame.depth
    boxes = {
        number: sensor.jittered(box, (width, height), rng) if sensors.box_jitter else box
        for number, box in truth.boxes.items()
    }
    found = {number: detection(header, box, truth.names[number], number) for number, box in boxes.items()}
    yield "colour", jpeg(header, frame.colour)
    yield "info", camera_info(header, frame.intrinsics, width, height)
    yield "depth", image(header, sensor.millimetres(measured), "16UC1")
    yield "fingertip", array(header, found, [FINGERTIP])
    yield "target", array(header, found, [TARGET])
    yield "objects", array(header, found, [n for n in found if n not in (FINGERTIP, TARGET)])
    yield "imu", imu(header, frame.up * GRAVITY)
    yield "true_depth", image(header, sensor.millimetres(frame.depth), "16UC1")
    yield "instances", image(header, truth.instances, "mono8")
    yield "true_fingertip", make("geometry_msgs/msg/PointStamped", header=header, point=point(truth.fingertip))
    yield "true_target", make("geometry_msgs/msg/PointStamped", header=header, point=point(truth.target))
    yield "surface_distance", make("std_msgs/msg/Float64", data=truth.surface_distance)
    yield "cloud_distance", make("std_msgs/msg/Float64", data=truth.cloud_distance)


def make(kind: str, **fields):
    return STORE.types[kind](**fields)


def point(xyz):
    return make("geometry_msgs/msg/Point", x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)


def jpeg(header, colour: np.ndarray):
    data = io.BytesIO()
    Image.fromarray(colour).save(data, "JPEG", quality=90)
    return make(
        "sensor_msgs/msg/CompressedImage",
        header=header,
        format="rgb8; jpeg compressed bgr8",
        data=np.frombuffer(data.getvalue(), np.uint8),
    )


def image(header, array: np.ndarray, encoding: str):
    height, width = array.shape
    return make(
        "sensor_msgs/msg/Image",
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * array.itemsize,
        data=_bytes(array),
    )


def camera_info(header, k: np.ndarray, width: int, height: int):
    region = make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=header,
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=np.hstack([k, np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def imu(header, acceleration: np.ndarray):
    unknown = np.zeros(9)
    unknown[0] = -1  # the message's way to say "not measured"
    return make(
        "sensor_msgs/msg/Imu",
        header=header,
        orientation=_quaternion(),
        orientation_covariance=unknown,
        angular_velocity=_vector(np.zeros(3)),
        angular_velocity_covariance=np.zeros(9),
        linear_acceleration=_vector(acceleration),
        linear_acceleration_covariance=np.zeros(9),
    )


def _vector(xyz):
    return make("geometry_msgs/msg/Vector3", x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))


def _quaternion():
    return make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)


def array(header, found: dict, numbers: list[int]):
    detections = [found[number] for number in numbers]
    return make("vision_msgs/msg/Detection2DArray", header=header, detections=detections)


def detection(header, box: tuple[float, float, float, float], name: str, number: int):
    x0, y0, x1, y1 = box
    centre = make(
        "vision_msgs/msg/Pose2D", theta=0.0, position=make("vision_msgs/msg/Point2D", x=(x0 + x1) / 2, y=(y0 + y1) / 2)
    )
    pose = make(
        "geometry_msgs/msg/PoseWithCovariance",
        covariance=np.zeros(36),
        pose=make("geometry_msgs/msg/Pose", position=point((0, 0, 0)), orientation=_quaternion()),
    )
    result = make(
        "vision_msgs/msg/ObjectHypothesisWithPose",
        pose=pose,
        hypothesis=make("vision_msgs/msg/ObjectHypothesis", class_id=name, score=0.95),
    )
    return make(
        "vision_msgs/msg/Detection2D",
        header=header,
        results=[result],
        id=str(number),
        bbox=make("vision_msgs/msg/BoundingBox2D", center=centre, size_x=x1 - x0, size_y=y1 - y0),
    )
