"""The labelling pipeline in Python, with the same geometry as ours (peer_geometry), as one would write
it in good faith with rosbags, numpy, scipy and Pillow: what `label_vs_python.py` measures
spatial-reward against.

usage: python_peer.py BAG OUT [--jobs N]
prints {"frames": ..., "seconds": ...}

Reads a bag, joins depth and boxes to each image by stamp, decodes colour and depth, measures `center`,
`surface`, `cloud` and the confidence, computes the rewards, and writes a copy of the bag with the
reward topic and a Parquet table. With `--jobs` above 1 as many processes decode and measure, and this
one reads and writes. `seconds` leaves out the imports.
"""

import argparse
import io
import json
import multiprocessing
import os
import time
from collections import deque
from functools import cached_property, partial
from pathlib import Path

# The matrices are small: several BLAS threads only wait for each other, ten times slower on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from bags import REWARD_TYPE, copied_connection, typestore
from peer_geometry import Measurement, Picture, measure
from peer_geometry.detections import best_box

TOLERANCE_NANOS = 20_000_000
WAIT_NANOS = 500_000_000
FRAMES_PER_JOB = 3  # at work or waiting: enough that no process idles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bag", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=1, help="processes that measure (1)")
    arguments = parser.parse_args()
    started = time.perf_counter()
    if arguments.jobs > 1:
        with multiprocessing.get_context("fork").Pool(arguments.jobs) as pool:
            rows = label(arguments.bag, arguments.out, Workers(pool, arguments.jobs))
            pool.close()
            pool.join()
    else:
        rows = label(arguments.bag, arguments.out, None)
    pq.write_table(table(rows), arguments.out / f"{arguments.out.name}_reward.parquet", compression="zstd")
    print(json.dumps({"frames": len(rows), "seconds": time.perf_counter() - started}))


def label(bag: Path, out: Path, workers: "Workers | None") -> list[tuple]:
    """Copy `bag` to `out` with rewards, one pass, holding only the messages still to be joined."""
    writer = Writer(out, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with Reader(bag) as reader, writer:
        # rosbags has no setting for it; level 1 is spatial-reward's, and faster than the default.
        writer.storage.compressor = partial(writer.storage.compressor, level=1)
        store = typestore(reader)
        copies = {c.id: copied_connection(writer, c) for c in reader.connections}
        reward_topic = writer.add_connection("/spatial_reward/step_reward", REWARD_TYPE, typestore=store)
        roles = roles_of(reader.connections)
        rewarder = Rewarder(store, lambda step, log: writer.write(reward_topic, log, step))
        matcher = Matcher(rewarder, workers)
        for connection, log_time, data in reader.messages():
            writer.write(copies[connection.id], log_time, data)
            if connection.id in roles:
                message = store.deserialize_cdr(data, connection.msgtype)
                matcher.push(roles[connection.id], log_time, message)
            matcher.match_until(log_time - WAIT_NANOS)
        matcher.match_until(None)
        if workers:
            workers.drain(0, rewarder.push)
    return rewarder.rows


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


class Workers:
    """Measures frames in other processes and hands the results on in order, a bounded number in flight."""

    def __init__(self, pool, jobs: int):
        self.pool, self.most = pool, FRAMES_PER_JOB * jobs
        self.in_flight: deque = deque()

    def submit(self, frame: tuple, inputs: tuple, sink) -> None:
        self.in_flight.append((frame, self.pool.apply_async(measured, inputs)))
        self.drain(self.most, sink)

    def drain(self, most: int, sink) -> None:
        """Hand on the finished results whose turn it is; wait until no more than `most` are in flight."""
        while self.in_flight and (len(self.in_flight) > most or self.in_flight[0][1].ready()):
            frame, result = self.in_flight.popleft()
            sink(*frame, result.get())


class Matcher:
    """Joins the streams by stamp and hands each image with its measurement to the rewarder."""

    def __init__(self, rewarder: "Rewarder", workers: Workers | None):
        self.rewarder, self.workers = rewarder, workers
        self.images: deque = deque()
        self.recent = {role: deque() for role in ("depth", "fingertip", "target")}
        self.camera = None

    def push(self, role: str, log_time: int, message) -> None:
        if role == "camera_info":
            if np.any(message.d):
                raise SystemExit("the Python side does not undistort lenses: give a bag of an undistorted camera")
            self.camera = tuple(message.k[[0, 4, 2, 5]].tolist())  # fx fy cx cy
        elif role == "image":
            self.images.append((nanos(message.header), log_time, message))
        else:
            for name in ("fingertip", "target") if role == "both" else (role,):
                self.recent[name].append((nanos(message.header), message))

    def match_until(self, log_time: int | None) -> None:
        while self.images and (log_time is None or self.images[0][1] <= log_time):
            stamp, image_log_time, image = self.images.popleft()
            self.match(stamp, image_log_time, image)
            for queue in self.recent.values():
                while queue and queue[0][0] < stamp - TOLERANCE_NANOS:
                    queue.popleft()

    def joined(self, role: str, stamp: int):
        candidates = [entry for entry in self.recent[role] if abs(entry[0] - stamp) <= TOLERANCE_NANOS]
        return min(candidates, key=lambda entry: abs(entry[0] - stamp))[1] if candidates else None

    def match(self, stamp: int, log_time: int, image) -> None:
        depth, fingertip, target = (self.joined(role, stamp) for role in ("depth", "fingertip", "target"))
        boxes = (best_box(fingertip, "fingertip"), best_box(target, "target"))
        frame = (stamp, log_time, image.header, boxes)
        inputs = (image, depth, self.camera, boxes)
        if self.workers:
            self.workers.submit(frame, inputs, self.rewarder.push)
        else:
            self.rewarder.push(*frame, measured(*inputs))


def measured(image, depth, camera: tuple | None, boxes: tuple) -> Measurement | str:
    """Decode one frame and measure it, or say why not."""
    if None in boxes:
        return "no_fingertip_box" if boxes[0] is None else "no_target_box"
    if depth is None or camera is None:
        return "no_depth"
    return measure(Picture(LazyColor(image), *decode_depth(depth), camera), *boxes)


class Rewarder:
    """Turns each measurement, in order, into a reward message and a table row."""

    def __init__(self, store, write):
        self.store, self.write = store, write
        self.rows: list[tuple] = []

    def push(self, stamp: int, log_time: int, header, boxes: tuple, result: Measurement | str) -> None:
        reason = result if isinstance(result, str) else ""
        distances = Measurement(*(np.nan,) * 3, 0.0) if reason else result
        self.write(self.message(header, boxes, distances, reason), log_time)
        self.rows.append((stamp, distances.surface_m, reason, distances.confidence))

    def message(self, header, boxes: tuple, distances: Measurement, reason: str) -> memoryview:
        surface = distances.surface_m
        previous = -self.rows[-1][1] if self.rows else np.nan
        sparse = -float(not surface <= 0.05)
        nowhere = np.full(4, np.nan)
        message = self.store.types[REWARD_TYPE](
            header=header,
            episode_id=0,
            step=len(self.rows),
            distance_m=surface,
            # The peer tells no standard deviations.
            distance_std_m=np.nan,
            distance_kind="surface",
            center_m=distances.center_m,
            center_std_m=np.nan,
            surface_m=surface,
            surface_std_m=np.nan,
            cloud_m=distances.cloud_m,
            cloud_std_m=np.nan,
            reward=-surface,
            reward_kind="dense",
            shaped_reward=sparse + 0.99 * -surface - previous,
            potential=-surface,
            confidence=distances.confidence,
            valid=not reason,
            reason=reason,
            bridged=False,
            success=bool(surface <= 0.01),
            terminated=False,
            answer="",
            estimator="python_peer",
            fingertip_box=nowhere if boxes[0] is None else np.array(boxes[0]),
            target_box=nowhere if boxes[1] is None else np.array(boxes[1]),
            fingertip_origin="" if boxes[0] is None else "seen",
            target_origin="" if boxes[1] is None else "seen",
            fingertip_age_s=np.nan if boxes[0] is None else 0.0,
            target_age_s=np.nan if boxes[1] is None else 0.0,
            latency_decode_s=0.0,
            latency_estimate_s=0.0,
            latency_total_s=0.0,
            tf_m=np.nan,
        )
        return self.store.serialize_cdr(message, REWARD_TYPE)


def nanos(header) -> int:
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec


class LazyColor:
    """The colour image of a message: its size from the header, its pixels when they are looked at."""

    def __init__(self, message):
        self.message = message
        self.image = None if hasattr(message, "encoding") else Image.open(io.BytesIO(message.data))
        self.size = self.image.size if self.image else (message.width, message.height)

    @cached_property
    def pixels(self) -> np.ndarray:
        """RGB (H, W, 3) uint8."""
        if self.image:
            return np.asarray(self.image if self.image.mode == "RGB" else self.image.convert("RGB"))
        message = self.message  # sensor_msgs/Image, rgb8 or bgr8
        pixels = message.data.reshape(message.height, message.step)[:, : message.width * 3]
        pixels = pixels.reshape(message.height, message.width, 3)
        return pixels[..., ::-1] if message.encoding == "bgr8" else pixels


def decode_depth(message) -> tuple[np.ndarray, float]:
    """The depth as it came and its units per metre; the window converts what it looks at."""
    if message.encoding == "32FC1":
        return message.data.view("<f4").reshape(message.height, message.step // 4)[:, : message.width], 1.0
    return message.data.view("<u2").reshape(message.height, message.step // 2)[:, : message.width], 1000.0


def table(rows: list[tuple]) -> pa.Table:
    stamps, distances, reasons, confidences = zip(*rows, strict=True)
    count, distances = len(rows), np.array(distances, np.float32)
    last = np.arange(count) == count - 1
    return pa.table(
        {
            "index": np.arange(count),
            "episode_index": np.zeros(count, np.int64),
            "frame_index": np.arange(count),
            "timestamp": (np.array(stamps) - stamps[0]) * 1e-9,
            "next.reward": -distances,
            "next.done": last,
            "next.success": distances <= 0.01,
            "reward.spatial.distance_m": distances,
            "reward.spatial.distance_kind": ["surface"] * count,
            "reward.spatial.valid": np.isfinite(distances),
            "reward.spatial.reason": reasons,
            "reward.spatial.confidence": np.array(confidences, np.float32),
            "reward.spatial.answer": [""] * count,
        }
    )


if __name__ == "__main__":
    main()
