"""Writes one episode as a bag: what one or two cameras see with its regions, the fingers, and the true phase."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import bag
import sensor
import truth
from camera import Picture, View
from episode_rules import SOLVED, Facts
from episode_scene import World

EDGES = 0.03  # standard deviation of each edge of a box, as a share of its side
PREFIXES = ("camera", "side")
SEEN = {
    "colour": ("color/image_raw/compressed", "sensor_msgs/msg/CompressedImage"),
    "info": ("color/camera_info", "sensor_msgs/msg/CameraInfo"),
    "depth": ("aligned_depth_to_color/image_raw", "sensor_msgs/msg/Image"),
    "imu": ("imu", "sensor_msgs/msg/Imu"),
}
ONCE = {
    "prompt": ("/task_prompt", "std_msgs/msg/String"),
    "notes": ("/recording/notes", "std_msgs/msg/String"),
    "transforms": ("/tf_static", "tf2_msgs/msg/TFMessage"),
}
STATE = {
    "joints": ("/joint_states", "sensor_msgs/msg/JointState"),
    "phase": ("/ground_truth/phase", "std_msgs/msg/String"),
    "success": ("/ground_truth/success", "std_msgs/msg/Bool"),
    "pairs": ("/ground_truth/pairs", "std_msgs/msg/String"),
}


@dataclass
class Episode:
    """What was played: a snapshot, the facts and the phase of each frame."""

    task: str
    snapshots: list
    facts: list[Facts]
    phases: list[str]
    prompt: str
    notes: dict


def write(
    path: Path, world: World, played: Episode, views: list[View], *, number: int, rng: np.random.Generator
) -> dict[str, int]:
    """Shows the episode to each camera and writes the bag; returns in how many frames each region was seen."""
    counts: dict[str, int] = {}
    start = bag.FIRST_STAMP + number * 3_600_000_000_000
    prefixes = PREFIXES[: len(views)]
    with bag.whole(path, _topics(prefixes)) as put:
        _write_once(put, start, world, played, views)
        for i, (snapshot, facts, phase) in enumerate(zip(played.snapshots, played.facts, played.phases, strict=True)):
            stamp = start + i * 1_000_000_000 // bag.FRAMES_PER_SECOND
            log = stamp + 2_000_000
            world.show(snapshot)
            for prefix, view in zip(prefixes, views, strict=True):
                for key, message, names in _seen(world, view, prefix, stamp, notes=played.notes, rng=rng):
                    put(key, log, message)
                    for name in names if prefix == "camera" else ():
                        counts[name] = counts.get(name, 0) + 1
            for key, message in _state(played.task, facts, phase, stamp):
                put(key, log, message)
    return counts


def _topics(prefixes: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    topics = ONCE | STATE
    for prefix in prefixes:
        topics |= {f"{prefix} {key}": (f"/{prefix}/{name}", kind) for key, (name, kind) in SEEN.items()}
        above = "" if prefix == "camera" else f"/{prefix}"
        topics[f"{prefix} regions"] = (f"{above}/regions/detections", "vision_msgs/msg/Detection2DArray")
        topics[f"{prefix} instances"] = (f"{above}/ground_truth/instances/image_raw", "sensor_msgs/msg/Image")
    return topics


def _write_once(put, start: int, world: World, played: Episode, views: list[View]) -> None:
    put("prompt", start - 1_000_000, bag.make("std_msgs/msg/String", data=played.prompt))
    put("notes", start - 1_000_000, bag.make("std_msgs/msg/String", data=json.dumps(played.notes)))
    transforms = []
    world.show(played.snapshots[0])
    for prefix, view in zip(PREFIXES, views, strict=False):
        pose = world.shoot(view).world_from_camera
        transforms.append(_transform(_header(start, "world"), _frame(prefix), pose))
    put("transforms", start - 1_000_000, bag.make("tf2_msgs/msg/TFMessage", transforms=transforms))


def _seen(
    world: World, view: View, prefix: str, stamp: int, *, notes: dict, rng: np.random.Generator
) -> Iterator[tuple[str, object, list[str]]]:
    """What one camera's topics carry of a frame, and the names of the regions in it."""
    picture = world.shoot(view)
    colour = world.colour()
    header = _header(stamp, _frame(prefix))
    height, width = picture.depth.shape
    masks = regions(world, picture)
    boxes = {name: truth.box(mask) for name, mask in masks.items()}
    if notes["jitter"]:
        boxes = {name: sensor.jittered(box, (width, height), rng, EDGES) for name, box in boxes.items()}
    measured = sensor.noisy_depth(picture.depth, rng) if notes["noise"] else picture.depth
    found = [bag.detection(header, box, name, i) for i, (name, box) in enumerate(boxes.items())]
    up = picture.world_from_camera[:3, :3].T @ [0.0, 0.0, 1.0]
    yield f"{prefix} colour", bag.jpeg(header, colour), []
    yield f"{prefix} info", bag.camera_info(header, picture.intrinsics, width, height), []
    yield f"{prefix} depth", bag.image(header, sensor.millimetres(measured), "16UC1"), []
    yield f"{prefix} imu", bag.imu(header, up * bag.GRAVITY), []
    array = bag.make("vision_msgs/msg/Detection2DArray", header=header, detections=found)
    yield f"{prefix} regions", array, list(boxes)
    yield f"{prefix} instances", bag.image(header, _instances(masks, picture), "mono8"), []


def regions(world: World, picture: Picture) -> dict[str, np.ndarray]:
    """The masks of all regions that are in view."""
    ends = world.ends()
    masks = {}
    for i, name in enumerate(("left_finger", "right_finger")):
        mask = np.isin(picture.geoms, world.fingers[i]) & (picture.depth > 0)
        near = np.linalg.norm(truth.cloud(picture, mask) - ends[i], axis=1) < truth.TIP_RADIUS
        rows, columns = np.nonzero(mask)
        mask[rows[~near], columns[~near]] = False
        masks[name] = mask
    masks = {"fingertip": masks["left_finger"] | masks["right_finger"], **masks}
    for name, ids in world.parts.items():
        masks[name] = np.isin(picture.geoms, ids) & (picture.depth > 0)
    least = truth.LEAST_PIXELS * picture.geoms.size
    return {name: mask for name, mask in masks.items() if mask.sum() >= least}


def _instances(masks: dict[str, np.ndarray], picture: Picture) -> np.ndarray:
    """1 fingertip, 2 the thing or the handle, 3 goal or cabinet."""
    numbers = {"fingertip": 1, "cube": 2, "handle": 2, "goal": 3, "cabinet": 3}
    image = np.zeros(picture.geoms.shape, np.uint8)
    for name, number in numbers.items():
        if name in masks:
            image[masks[name]] = number
    return image


def _state(task: str, facts: Facts, phase: str, stamp: int) -> Iterator[tuple[str, object]]:
    joints = bag.make(
        "sensor_msgs/msg/JointState",
        header=_header(stamp, "world"),
        name=["left_finger", "right_finger"],
        position=np.full(2, facts.opening / 2),
        velocity=np.zeros(0),
        effort=np.zeros(0),
    )
    yield "joints", joints
    yield "phase", bag.make("std_msgs/msg/String", data=phase)
    yield "success", bag.make("std_msgs/msg/Bool", data=bool(SOLVED[task](facts)))
    rounded = {
        key: {k: round(v, 5) for k, v in value.items()} if isinstance(value, dict) else round(value, 5)
        for key, value in facts.pairs.items()
    }
    yield "pairs", bag.make("std_msgs/msg/String", data=json.dumps({"stamp_nanos": stamp, **rounded}))


def _frame(prefix: str) -> str:
    return f"{prefix}_color_optical_frame"


def _header(stamp: int, frame: str):
    time = bag.make("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
    return bag.make("std_msgs/msg/Header", frame_id=frame, stamp=time)


def _transform(header, child: str, pose: np.ndarray):
    x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
    rotation = bag.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
    place = bag.make("geometry_msgs/msg/Vector3", x=float(pose[0, 3]), y=float(pose[1, 3]), z=float(pose[2, 3]))
    transform = bag.make("geometry_msgs/msg/Transform", translation=place, rotation=rotation)
    return bag.make("geometry_msgs/msg/TransformStamped", header=header, child_frame_id=child, transform=transform)
