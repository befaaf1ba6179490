"""Measures `spatial-reward node` with a whole task on live streams: three regions, three pairs, two cameras.

usage: node_tasks.py [--rate 30] [--seconds 30] [--json FILE] ...

Two publisher processes, one a camera, send 640x480 colour and depth, camera_info and a detector's three boxes at
the same moments, in the frames of a recorded bag. All four carry the time just before the first of them was sent as
their stamp. Latency is from the first camera's stamp until StepReward and TaskReward are in this process, so the
other camera's way is in it.
"""

import argparse
import contextlib
import gc
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Whoever else talks ROS 2 on this machine should neither hear this nor be heard.
os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))

import numpy as np

from node_vs_rclpy import (
    PUBLISHER_PROFILE,
    ROOT,
    SETTLE_SECONDS,
    START_SECONDS,
    WARM_UP_SECONDS,
    Listener,
    Message,
    cpu_seconds,
    end,
    print_table,
    processor,
    record_frames,
    spread,
    wait_for_line,
    wait_for_subscribers,
)

CAMERAS = ("front", "side")
# The goal is a place this far from the target, in pixels.
GOAL_OFF_PX = (-120.0, 40.0)
SETTINGS = """\
topics: {fingertip: /front/boxes, fingertip_class: [fingertip]}
regions:
  cube: {topic: /front/boxes}
  goal: {topic: /front/boxes}
cameras:
  front: {image: /front/image, depth: /front/depth, camera_info: /front/camera_info}
  side:
    image: /side/image
    depth: /side/depth
    camera_info: /side/camera_info
    regions:
      fingertip: {topic: /side/boxes, class: [fingertip]}
      cube: {topic: /side/boxes}
      goal: {topic: /side/boxes}
reward: {kind: task}
task:
  pairs: [fingertip-cube, cube-goal, fingertip-goal]
  phases:
    - name: reach
      potential: {distance: fingertip-cube, from: 0.4}
      next: [{to: carry, when: [{contact: fingertip-cube}]}]
    - name: carry
      potential: {distance: cube-goal, from: 0.4}
      next:
        - {to: success, when: [{rests_on: cube-goal}]}
        - {to: reach, when: [{distance: fingertip-cube, above: 0.03}]}
"""


def main() -> None:
    arguments = parse()
    if arguments.camera:
        publish(arguments)
        return
    print(processor(), f"{len(os.sched_getaffinity(0))} cores", f"Python {platform.python_version()}", sep="; ")
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(arguments, Path(scratch))
    tell(result, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bag", type=Path, default=ROOT / "data" / "fetch_approach", help="where the frames come from")
    parser.add_argument("--rate", type=float, default=30, help="frames a second of each camera (30)")
    parser.add_argument("--seconds", type=float, default=30, help="measured, after the warm-up (30)")
    parser.add_argument(
        "--shared-memory-mib",
        type=int,
        default=32,
        help="what each publisher's Fast DDS may hold in shared memory; 0: its own default (32)",
    )
    parser.add_argument(
        "--program", type=Path, help="a built spatial-reward with the node (the one on PATH if not given)"
    )
    parser.add_argument("--json", type=Path, help="write all figures here")
    # How this program starts its own publishers.
    for hidden in ("--frames", "--stamps"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--camera", choices=CAMERAS, help=argparse.SUPPRESS)
    return parser.parse_args()


# ---------------------------------------------------------------- the measurement


def measure(arguments: argparse.Namespace, scratch: Path) -> dict:
    import rclpy

    frames, settings = scratch / "frames.pickle", scratch / "task.yaml"
    record_frames(arguments.bag, scratch / "recorded.pickle")
    frames.write_bytes(pickle.dumps(with_three_boxes(scratch / "recorded.pickle")))
    settings.write_text(SETTINGS)
    rclpy.init()
    heard = Heard()
    with contextlib.ExitStack() as stack:
        stack.callback(heard.close)
        log = stack.enter_context((scratch / "node.log").open("w+"))
        command = [str(arguments.program or "spatial-reward"), "node", "--config", str(settings)]
        node = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(end, node)
        heard.wait_for_node(node, log)
        publishers = {camera: publisher(camera, arguments, scratch, frames, stack) for camera in CAMERAS}
        wait_for_line(publishers["front"], "measuring")
        cpu_before = sum(cpu_seconds(node.pid))
        sent = {}
        for camera, process in publishers.items():
            wait_for_line(process, "measured")
            sent[camera] = json.loads(wait_for_line(process, "{"))
        cpu = sum(cpu_seconds(node.pid)) - cpu_before
        time.sleep(SETTLE_SECONDS)
        if node.poll() is not None:
            log.seek(0)
            sys.exit(f"the node ended while frames came:\n{log.read()[-3000:]}")
        return account(heard, np.load(scratch / "front.npy"), sent, cpu)


def publisher(camera, arguments, scratch, frames, stack) -> subprocess.Popen:
    """A camera in a process of its own."""
    environment = dict(os.environ)
    if arguments.shared_memory_mib:
        profile = scratch / "publisher.xml"
        profile.write_text(PUBLISHER_PROFILE.format(bytes=arguments.shared_memory_mib << 20))
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
            environment[name] = str(profile)
    command = [sys.executable, __file__, "--camera", camera, "--frames", frames, "--stamps", scratch / f"{camera}.npy"]
    command += ["--rate", arguments.rate, "--seconds", arguments.seconds]
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    stack.callback(process.kill)
    return process


def account(heard: "Heard", stamps: np.ndarray, sent: dict, cpu: float) -> dict:
    """Joins what was sent with what came back."""
    from rclpy.serialization import deserialize_message

    from spatial_reward.msg import StepReward, TaskReward

    first = sent["front"]["first_measured"]
    index_of = {int(stamp): index for index, stamp in enumerate(stamps)}
    latency = {"step_reward": {}, "task_reward": {}}
    own, by_both, pairs, invalid = [], 0, 0, 0
    for name, data, arrived_at in heard.messages:
        message = deserialize_message(data, StepReward if name == "step_reward" else TaskReward)
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        index = index_of.get(stamp)
        if index is None:
            sys.exit(f"a {name} is of a frame that nobody sent")
        if index < first:
            continue
        latency[name][stamp] = (arrived_at - stamp) * 1e-6
        if name == "step_reward":
            own.append(message.latency_total_s * 1000)
            continue
        pairs += len(message.pair_cameras)
        seen_by = zip(message.pair_cameras, message.pair_disagreeing, strict=True)
        by_both += sum({*a.split(","), *b.split(",")} >= set(CAMERAS) for a, b in seen_by)
        invalid += not message.valid
    if not own:
        sys.exit("no reward came back for any frame that was sent while measuring")
    steps, measured = len(own), len(stamps) - first
    return {
        "sent": measured,
        "steps": steps,
        "tasks": len(latency["task_reward"]),
        "skipped": heard.count("skipped"),
        "left_out_side": heard.count("left_out_side", 0),
        "invalid": invalid,
        "pairs_of_both_cameras": by_both / max(pairs, 1),
        "step_latency_ms": spread(list(latency["step_reward"].values())),
        "task_latency_ms": spread(list(latency["task_reward"].values())),
        "own_total_ms": spread(own),
        "cpu_ms_per_step": cpu * 1000 / steps,
        "cameras": sent,
    }


def tell(result: dict, arguments: argparse.Namespace) -> None:
    print(f"\n## a task of three pairs, two cameras at {arguments.rate:g} Hz, {arguments.seconds:g} s\n")
    names = {
        "step_latency_ms": "image to StepReward",
        "task_latency_ms": "image to TaskReward",
        "own_total_ms": "inputs complete to reward (latency_total_s)",
    }
    rows = [[words, *(f"{result[key][k]:.2f}" for k in ("p50", "p95", "p99", "max"))] for key, words in names.items()]
    print_table([["ms", "p50", "p95", "p99", "max"], *rows])
    print(
        f"\n{result['sent']} frames sent, {result['steps']} steps and {result['tasks']} task messages, "
        f"{result['invalid']} without a reward; {result['pairs_of_both_cameras']:.1%} of all distances are of both "
        f"cameras; {result['cpu_ms_per_step']:.2f} ms of processor time a step. In all of the run {result['skipped']} "
        f"frames were skipped, and {result['left_out_side']} were without the second camera."
    )


class Heard(Listener):
    """What the node says of the task."""

    def __init__(self):
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import QoSProfile

        from spatial_reward.msg import StepReward, TaskReward

        super().__init__()
        self.messages: list[tuple[str, bytes, int]] = []
        self.diagnostics: dict[str, str] = {}
        for name, kind in (("step_reward", StepReward), ("task_reward", TaskReward)):
            take = lambda data, name=name: self.messages.append((name, data, time.time_ns()))  # noqa: E731
            self.node.create_subscription(kind, f"/spatial_reward/{name}", take, QoSProfile(depth=1000), raw=True)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 10)
        self.executor.wake()

    def on_diagnostics(self, message) -> None:
        for status in message.status:
            self.diagnostics |= {pair.key: pair.value for pair in status.values}

    def count(self, key: str, otherwise: int | None = None) -> int:
        value = self.diagnostics.get(key, otherwise)
        if value is None:
            sys.exit(f"the node published no `{key}` on /diagnostics, only {self.diagnostics}")
        return int(value)

    def wait_for_node(self, process: subprocess.Popen, log) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not self.node.get_publishers_info_by_topic("/spatial_reward/task_reward"):
            if process.poll() is not None or time.monotonic() > give_up:
                log.seek(0)
                sys.exit(f"{' '.join(process.args)} published no task_reward:\n{log.read()[-3000:]}")
            time.sleep(0.05)


# ---------------------------------------------------------------- frames and their publishers


def with_three_boxes(recorded: Path) -> list[list[Message]]:
    """Recorded frames with one message of boxes each: the fingertip, the cube, and a goal beside it."""
    from rclpy.serialization import deserialize_message, serialize_message
    from vision_msgs.msg import Detection2DArray

    frames = []
    for image, depth, camera_info, fingertip, target in pickle.loads(recorded.read_bytes()):
        of = [deserialize_message(Message(*one).stamped(0), Detection2DArray) for one in (fingertip, target, target)]
        boxes = Detection2DArray(header=of[0].header)
        for name, source in zip(("fingertip", "cube", "goal"), of, strict=True):
            detection = source.detections[0]
            detection.results[0].hypothesis.class_id = name
            if name == "goal":
                detection.bbox.center.position.x += GOAL_OFF_PX[0]
                detection.bbox.center.position.y += GOAL_OFF_PX[1]
            boxes.detections.append(detection)
        frames.append([image, depth, camera_info, Message.split(serialize_message(boxes))])
    return frames


def publish(arguments: argparse.Namespace) -> None:
    """Sends a camera's frames at moments of the clock that all cameras share. Says `measuring` after the warm-up,
    `measured` at the end, and then its figures; the stamps of all frames go into a file."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, Image
    from vision_msgs.msg import Detection2DArray

    frames = [[Message(*message) for message in frame] for frame in pickle.loads(arguments.frames.read_bytes())]
    rclpy.init()
    node = rclpy.create_node(f"benchmark_{arguments.camera}")
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    kinds = {"image": Image, "depth": Image, "camera_info": CameraInfo, "boxes": Detection2DArray}
    publishers = [
        node.create_publisher(
            kind, f"/{arguments.camera}/{what}", QoSProfile(depth=10) if what == "boxes" else best_effort
        )
        for what, kind in kinds.items()
    ]
    wait_for_subscribers(publishers)
    gc.disable()
    # The next round moment by which the other camera is ready, too.
    began = (time.time() // 5 + 2) * 5
    slots = round((WARM_UP_SECONDS + arguments.seconds) * arguments.rate)
    stamps, took, missed, first_measured = [], [], 0, None
    for slot in range(slots):
        wait = began + slot / arguments.rate - time.time()
        if wait > 0:
            time.sleep(wait)
        elif -wait > 1 / arguments.rate:  # a camera does not send what it could not send in time
            missed += 1
            continue
        if first_measured is None and slot >= WARM_UP_SECONDS * arguments.rate:
            first_measured = len(stamps)
            print("measuring", flush=True)
        started, stamp = time.monotonic(), time.time_ns()
        for one, message in zip(publishers, frames[slot % len(frames)], strict=True):
            one.publish(message.stamped(stamp))
        stamps.append(stamp)
        took.append((time.monotonic() - started) * 1000)
    print("measured", flush=True)
    np.save(arguments.stamps, np.array(stamps, np.int64))
    print(
        json.dumps({"first_measured": first_measured, "slots_missed": missed, "publish_ms": spread(took)}), flush=True
    )
    # Until this process ends, what it sent last can still be fetched from its memory.
    sys.stdin.read()


if __name__ == "__main__":
    main()
