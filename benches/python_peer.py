"""The labelling pipeline in Python, as one would write it in good faith with rosbags, numpy and
Pillow: what `label_vs_python.py` measures spatial-reward against.

usage: python_peer.py BAG OUT [--skip-color]
prints {"frames": ..., "seconds": ...}

Reads a bag, decodes colour and depth, joins depth and boxes to each image by stamp, separates each
box's foreground, measures `center`, `surface` and `cloud`, computes the rewards, and writes a copy of
the bag with the reward topic and a Parquet table. `seconds` leaves out the imports.
"""

import argparse
import io
import json
import os
import time
from collections import deque
from pathlib import Path

# The matrices are small: several BLAS threads only wait for each other, ten times slower on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

TOLERANCE_NANOS = 20_000_000
WAIT_NANOS = 500_000_000
REWARD_TYPE = "spatial_reward/msg/StepReward"
REWARD_DEFINITION = Path(__file__).parent.parent / "msg" / "StepReward.msg"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bag", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--skip-color", action="store_true", help="leave the colour images undecoded")
    arguments = parser.parse_args()
    started = time.perf_counter()
    rows = label(arguments.bag, arguments.out, decode_color=not arguments.skip_color)
    pq.write_table(table(rows), arguments.out / f"{arguments.out.name}_reward.parquet", compression="zstd")
    print(json.dumps({"frames": len(rows), "seconds": time.perf_counter() - started}))


def label(bag, out, decode_color):
    """Copy `bag` to `out` with rewards, one pass, holding only the messages still to be joined."""
    writer = Writer(out, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with Reader(bag) as reader, writer:
        store = typestore(reader)
        copies = {c.id: copied_connection(writer, c) for c in reader.connections}
        reward_topic = writer.add_connection("/spatial_reward/step_reward", REWARD_TYPE, typestore=store)
        roles = roles_of(reader.connections)
        labeller = Labeller(store, decode_color, lambda step, log: writer.write(reward_topic, log, step))
        for connection, log_time, data in reader.messages():
            writer.write(copies[connection.id], log_time, data)
            if connection.id in roles:
                message = store.deserialize_cdr(data, connection.msgtype)
                labeller.push(roles[connection.id], log_time, message)
            labeller.label_until(log_time - WAIT_NANOS)
        labeller.label_until(None)
    return labeller.rows


def typestore(reader):
    store = get_typestore(Stores.ROS2_JAZZY)
    for connection in reader.connections:
        if connection.msgtype not in store.fielddefs:
            types = get_types_from_msg(connection.msgdef.data, connection.msgtype)
            store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
    store.register(get_types_from_msg(REWARD_DEFINITION.read_text(), REWARD_TYPE))
    return store


def copied_connection(writer, connection):
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        msgdef=connection.msgdef.data,
        rihs01=connection.digest,
        serialization_format=connection.ext.serialization_format,
        offered_qos_profiles=connection.ext.offered_qos_profiles,
    )


def roles_of(connections):
    """Which connection is which input, by type and name; a shared detection topic has both roles."""
    roles = {}
    for c in connections:
        if c.msgtype == "sensor_msgs/msg/CameraInfo":
            roles[c.id] = "camera_info"
        elif c.msgtype in ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"):
            roles[c.id] = "depth" if "depth" in c.topic else "image"
        elif c.msgtype == "vision_msgs/msg/Detection2DArray":
            roles[c.id] = "fingertip" if "finger" in c.topic else "target" if "target" in c.topic else "both"
    return roles


class Labeller:
    """Joins the streams by stamp and turns each image into a reward message and a table row."""

    def __init__(self, store, decode_color, write):
        self.store, self.decode_color, self.write = store, decode_color, write
        self.images = deque()
        self.recent = {role: deque() for role in ("depth", "fingertip", "target")}
        self.intrinsics = None
        self.rows = []

    def push(self, role, log_time, message):
        if role == "camera_info":
            self.intrinsics = message.k[[0, 4, 2, 5]]  # fx fy cx cy
        elif role == "image":
            self.images.append((nanos(message.header), log_time, message))
        else:
            for name in ("fingertip", "target") if role == "both" else (role,):
                self.recent[name].append((nanos(message.header), message))

    def label_until(self, log_time):
        while self.images and (log_time is None or self.images[0][1] <= log_time):
            stamp, image_log_time, image = self.images.popleft()
            self.label(stamp, image_log_time, image)
            for queue in self.recent.values():
                while queue and queue[0][0] < stamp - TOLERANCE_NANOS:
                    queue.popleft()

    def joined(self, role, stamp):
        candidates = [entry for entry in self.recent[role] if abs(entry[0] - stamp) <= TOLERANCE_NANOS]
        return min(candidates, key=lambda entry: abs(entry[0] - stamp))[1] if candidates else None

    def label(self, stamp, log_time, image):
        if self.decode_color:
            decode_color(image)
        depth, fingertip, target = (self.joined(role, stamp) for role in ("depth", "fingertip", "target"))
        boxes = [best_box(fingertip, "fingertip"), best_box(target, "target")]
        if boxes[0] is None or boxes[1] is None:
            distances, reason = None, "no_fingertip_box" if boxes[0] is None else "no_target_box"
        elif depth is None or self.intrinsics is None:
            distances, reason = None, "no_depth"
        else:
            distances = measure(decode_depth(depth), self.intrinsics, *boxes)
            reason = "" if distances else "depth_invalid"
        self.write(self.message(image, boxes, distances, reason), log_time)
        self.rows.append((stamp, distances[1] if distances else np.nan, reason))

    def message(self, image, boxes, distances, reason):
        center, surface, cloud = distances or (np.nan,) * 3
        previous = -self.rows[-1][1] if self.rows else np.nan
        sparse = -float(not surface <= 0.05)
        nowhere = np.full(4, np.nan)
        message = self.store.types[REWARD_TYPE](
            header=image.header, episode_id=0, step=len(self.rows), distance_m=surface, distance_kind="surface",
            center_m=center, surface_m=surface, cloud_m=cloud, reward=-surface, reward_kind="dense",
            shaped_reward=sparse + 0.99 * -surface - previous, potential=-surface,
            confidence=float(not reason), valid=not reason, reason=reason, bridged=False,
            success=bool(surface <= 0.01), terminated=False, answer="", estimator="python_peer",
            fingertip_box=nowhere if boxes[0] is None else boxes[0], target_box=nowhere if boxes[1] is None else boxes[1],
            latency_decode_s=0.0, latency_estimate_s=0.0, latency_total_s=0.0,
        )  # fmt: skip
        return self.store.serialize_cdr(message, REWARD_TYPE)


def nanos(header):
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec


def decode_color(message):
    if hasattr(message, "encoding"):  # sensor_msgs/Image, rgb8 or bgr8
        pixels = message.data.reshape(message.height, message.step)[:, : message.width * 3]
        pixels = pixels.reshape(message.height, message.width, 3)
        return pixels[..., ::-1] if message.encoding == "bgr8" else pixels
    return np.asarray(Image.open(io.BytesIO(message.data)).convert("RGB"))


def decode_depth(message):
    """Metres, NaN where there is no measurement."""
    if message.encoding == "32FC1":
        return message.data.view("<f4").reshape(message.height, message.step // 4)[:, : message.width]
    raw = message.data.view("<u2").reshape(message.height, message.step // 2)[:, : message.width]
    return np.where(raw == 0, np.float32(np.nan), raw * np.float32(0.001))


def best_box(message, class_id):
    if message is None:
        return None
    scored = [(result.hypothesis.score, detection.bbox) for detection in message.detections
              for result in detection.results if result.hypothesis.class_id == class_id]  # fmt: skip
    if not scored:
        return None
    box = max(scored, key=lambda pair: pair[0])[1]
    x, y = box.center.position.x, box.center.position.y
    return np.array([x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2])


def foreground(depth, intrinsics, box):
    """Points (N, 3) of the nearest cluster of depths in the box, in the camera's frame, metres."""
    fx, fy, cx, cy = intrinsics
    x_min, y_min = np.maximum(np.floor(box[:2]), 0).astype(int)
    x_max, y_max = np.ceil(box[2:]).astype(int)
    crop = depth[y_min:y_max, x_min:x_max]
    v, u = np.nonzero(np.isfinite(crop))
    z = crop[v, u]
    if len(z) < 6:
        return None
    ordered = np.sort(z)
    gaps = np.nonzero(np.diff(ordered) > 0.015)[0]  # the background stands off by more than this
    gaps = gaps[gaps >= len(z) // 20]  # a few flying pixels are no cluster
    near = z <= (ordered[gaps[0]] if len(gaps) else ordered[-1])
    z, u, v = z[near], u[near] + x_min + 0.5, v[near] + y_min + 0.5
    return np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], axis=1)


def measure(depth, intrinsics, fingertip_box, target_box):
    """(center, surface, cloud) in metres, or None without enough depth."""
    fingertip, target = (foreground(depth, intrinsics, box) for box in (fingertip_box, target_box))
    if fingertip is None or target is None:
        return None
    there, back = nearest(fingertip, target)
    center = np.linalg.norm(np.median(fingertip, axis=0) - np.median(target, axis=0))
    return float(center), float(np.percentile(there, 2)), float((there.mean() + back.mean()) / 2)


def nearest(a, b):
    """Each point's distance to the other cloud, both ways: |a - b|^2 as one matrix product, for a
    block of `a` at a time that stays in the cache. (At these sizes scipy's k-d tree is no faster.)"""
    origin = b.mean(axis=0)  # small numbers keep the differences of squares exact enough in float32
    a, b = (a - origin).astype(np.float32), (b - origin).astype(np.float32)
    b_squared, b_columns = (b * b).sum(axis=1), -2 * b.T
    there, back = [], np.full(len(b), np.inf, np.float32)
    for block in np.array_split(a, len(a) // 128 + 1):
        squared = block @ b_columns
        squared += b_squared
        squared += (block * block).sum(axis=1)[:, None]
        there.append(squared.min(axis=1))
        np.minimum(back, squared.min(axis=0), out=back)
    return tuple(np.sqrt(np.maximum(squared, 0)) for squared in (np.concatenate(there), back))


def table(rows):
    stamps, distances, reasons = zip(*rows, strict=True)
    count, distances = len(rows), np.array(distances, np.float32)
    last = np.arange(count) == count - 1
    return pa.table({
        "index": np.arange(count), "episode_index": np.zeros(count, np.int64), "frame_index": np.arange(count),
        "timestamp": (np.array(stamps) - stamps[0]) * 1e-9, "next.reward": -distances, "next.done": last,
        "next.success": distances <= 0.01, "reward.spatial.distance_m": distances,
        "reward.spatial.distance_kind": ["surface"] * count, "reward.spatial.valid": np.isfinite(distances),
        "reward.spatial.reason": reasons, "reward.spatial.confidence": np.isfinite(distances).astype(np.float32),
        "reward.spatial.answer": [""] * count,
    })  # fmt: skip


if __name__ == "__main__":
    main()
