"""The live node in Python, as one would write it in good faith with rclpy, numpy and scipy: the peer that
`node_vs_rclpy.py` measures `spatial-reward node` against. The geometry is that of peer_geometry.

usage: rclpy_peer_node.py [--ros-args ...]

Subscribes image, depth, camera_info, fingertip/detections and target/detections; joins them by stamp;
measures the newest complete frame and drops older ones; publishes ~/step_reward with the image's header,
and once a second on /diagnostics how many images it received, rewarded and skipped.
The parameter `image_reliability` is best_effort (default) or reliable.

One thread does everything: numpy on arrays this small holds the interpreter's lock most of the time, so a
second thread would only wait for it. The middleware keeps one image and one depth image, the newest, while
a frame is measured; what it drops costs no Python. The callback that completes a frame measures it.
"""

import contextlib
import math
import os
import time
from collections import OrderedDict

# The matrices are small: several BLAS threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection2DArray

from peer_geometry import Measurement, Picture, measure
from peer_geometry.detections import best_box
from spatial_reward.msg import StepReward

TOLERANCE_NANOS = 20_000_000
FRAMES_KEPT = 4  # of each stream, while a frame's other parts are on their way
NOWHERE = [float("nan")] * 4


def main() -> None:
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(RewardNode())


class RewardNode(Node):
    def __init__(self):
        super().__init__("rclpy_peer")
        reliability = self.declare_parameter("image_reliability", "best_effort").value
        camera_qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability.upper()])
        box_qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self.camera = None
        self.images = Recent()
        self.parts = {"depth": Recent(), "fingertip": Recent(), "target": Recent()}
        self.received = self.rewarded = 0
        self.previous_m = float("nan")
        self.create_subscription(Image, "image", self.on_image, camera_qos)
        self.create_subscription(Image, "depth", lambda m: self.on_part("depth", m), camera_qos)
        self.create_subscription(CameraInfo, "camera_info", self.on_camera_info, camera_qos)
        for role in ("fingertip", "target"):
            self.create_subscription(
                Detection2DArray, f"{role}/detections", lambda m, role=role: self.on_part(role, m), box_qos
            )
        self.rewards = self.create_publisher(StepReward, "~/step_reward", 10)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self.report)

    def on_camera_info(self, message: CameraInfo) -> None:
        k = message.k
        self.camera = (float(k[0]), float(k[4]), float(k[2]), float(k[5]))  # fx fy cx cy

    def on_image(self, message: Image) -> None:
        self.received += 1
        self.images.push(nanos(message.header), message)
        self.measure_newest()

    def on_part(self, role: str, message) -> None:
        self.parts[role].push(nanos(message.header), message)
        self.measure_newest()

    def newest_complete(self) -> tuple | None:
        """(stamp, image, depth, fingertip, target) of the newest image whose other parts have all arrived."""
        if self.camera is None:
            return None
        for stamp in reversed(self.images.by_stamp):
            parts = [part.nearest(stamp) for part in self.parts.values()]
            if all(part is not None for part in parts):
                return stamp, self.images.by_stamp[stamp], *parts
        return None

    def measure_newest(self) -> None:
        frame = self.newest_complete()
        if frame is None:
            return
        began = time.perf_counter()
        stamp, image, depth, fingertip, target = frame
        self.images.drop_until(stamp)
        for part in self.parts.values():
            part.drop_until(stamp - TOLERANCE_NANOS)
        boxes = best_box(fingertip, "fingertip"), best_box(target, "target")
        if boxes[0] is None or boxes[1] is None:
            result = "no_fingertip_box" if boxes[0] is None else "no_target_box"
        else:
            result = measure(Picture(Color(image), *depth_image(depth), self.camera), *boxes)
        self.rewards.publish(self.step(image.header, boxes, result, began))
        self.rewarded += 1

    def step(self, header, boxes: tuple, result: Measurement | str, began: float) -> StepReward:
        reason = result if isinstance(result, str) else ""
        distances = Measurement(*(float("nan"),) * 3, 0.0) if reason else result
        surface = distances.surface_m
        sparse = 0.0 if surface <= 0.05 else -1.0
        shaped = sparse + 0.99 * -surface + self.previous_m
        if not reason:
            self.previous_m = surface
        return StepReward(
            header=header,
            episode_id=0,
            step=self.rewarded,
            distance_m=surface,
            # The peer tells no standard deviations.
            distance_std_m=math.nan,
            distance_kind="surface",
            center_m=distances.center_m,
            center_std_m=math.nan,
            surface_m=surface,
            surface_std_m=math.nan,
            cloud_m=distances.cloud_m,
            cloud_std_m=math.nan,
            reward=-surface,
            reward_kind="dense",
            shaped_reward=shaped,
            potential=-surface,
            confidence=distances.confidence,
            valid=not reason,
            reason=reason,
            success=surface <= 0.01,
            estimator="rclpy_peer",
            fingertip_box=boxes[0] or NOWHERE,
            target_box=boxes[1] or NOWHERE,
            latency_total_s=time.perf_counter() - began,
        )

    def report(self) -> None:
        skipped = self.received - self.rewarded - len(self.images.by_stamp)
        counts = {"image_received": self.received, "steps": self.rewarded, "skipped": skipped}
        values = [KeyValue(key=key, value=str(value)) for key, value in counts.items()]
        message = DiagnosticArray(status=[DiagnosticStatus(name="rclpy_peer: frames", values=values)])
        message.header.stamp = self.get_clock().now().to_msg()
        self.diagnostics.publish(message)


class Recent:
    """The last few messages of a stream by stamp."""

    def __init__(self):
        self.by_stamp: OrderedDict = OrderedDict()

    def push(self, stamp: int, message) -> None:
        self.by_stamp[stamp] = message
        if len(self.by_stamp) > FRAMES_KEPT:
            self.by_stamp.popitem(last=False)

    def nearest(self, stamp: int):
        """The message nearest in time, once nothing nearer can come: one as new as `stamp` is there."""
        if stamp in self.by_stamp:
            return self.by_stamp[stamp]
        if max(self.by_stamp, default=0) < stamp:
            return None
        near = min(self.by_stamp, key=lambda other: abs(other - stamp))
        return self.by_stamp[near] if abs(near - stamp) <= TOLERANCE_NANOS else None

    def drop_until(self, stamp: int) -> None:
        while self.by_stamp and next(iter(self.by_stamp)) <= stamp:
            self.by_stamp.popitem(last=False)


class Color:
    """The colour of an rgb8 or bgr8 image: a view on its bytes."""

    def __init__(self, message: Image):
        self.message = message
        self.size = (message.width, message.height)

    @property
    def pixels(self) -> np.ndarray:
        """RGB (H, W, 3) uint8."""
        message = self.message
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        pixels = rows[:, : message.width * 3].reshape(message.height, message.width, 3)
        return pixels[..., ::-1] if message.encoding == "bgr8" else pixels


def depth_image(message: Image) -> tuple[np.ndarray, float]:
    """The depth as it came and its units per metre; the window converts what it looks at."""
    kind, units_per_metre = ("<f4", 1.0) if message.encoding == "32FC1" else ("<u2", 1000.0)
    depth = np.frombuffer(message.data, kind)
    return depth.reshape(message.height, -1)[:, : message.width], units_per_metre


def nanos(header) -> int:
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec


if __name__ == "__main__":
    main()
