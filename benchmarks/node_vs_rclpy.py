"""Measures `spatial-reward node` on a live camera stream: latency, lost and skipped frames, processor time
a frame beside the same node in Python (rclpy_peer_node.py), and memory over minutes.

usage: node_vs_rclpy.py latency|cpu|memory|all [--rates 60 300] [--seconds 30] [--minutes 10] [--json FILE] ...

latency  the node at each rate: image-in to reward-out, frames lost and skipped (--peer: the Python node too)
cpu      node and Python node in turn on the same stream; processor time a frame and the ratio
memory   the node at the first rate for --minutes: resident memory every 10 s, slope, first and last minute
all      one after the other

A publisher process sends 640x480 colour and depth, camera_info and both boxes, as one message each, in the
frames of a recorded bag. All five carry the time just before the first of them was sent as their stamp, so
a reward's age at the subscriber, in this process, is image-in to reward-out with everything between.
"""

import argparse
import contextlib
import gc
import io
import json
import os
import pickle
import platform
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import NamedTuple

# Whoever else talks ROS 2 on this machine should neither hear this nor be heard.
os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent
TOPICS = ("image", "depth", "camera_info", "fingertip/detections", "target/detections")  # in the order sent
WARM_UP_SECONDS = 3.0
SETTLE_SECONDS = 3.5  # after the last frame, until rewards are out and the diagnostics have told the last counts
START_SECONDS = 60.0  # the longest anything may take to start
MEMORY_EVERY_SECONDS = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    arguments = parse()
    if arguments.what == "publish":
        publish(arguments)
        return
    results = {
        "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "middleware": {
            key: value for key, value in os.environ.items() if key.startswith(("FASTDDS_", "FASTRTPS_", "RMW_"))
        },
    }
    results["publisher_shared_memory_mib"] = arguments.shared_memory_mib
    print(
        results["machine"],
        f"Python {platform.python_version()}",
        *map("=".join, results["middleware"].items()),
        f"publisher's shared memory {arguments.shared_memory_mib or 'default'} MiB",
        sep="; ",
    )
    sections = {"latency": latency, "cpu": cpu, "memory": memory}
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(arguments, Path(scratch))
        for name in sections if arguments.what == "all" else [arguments.what]:
            results[name] = sections[name](bench, arguments)
        bench.close()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what",
        choices=["latency", "cpu", "memory", "all", "publish"],
        help="publish is how this program starts its own publisher",
    )
    parser.add_argument("--bag", type=Path, default=ROOT / "data" / "fetch_approach", help="where the frames come from")
    parser.add_argument("--rates", type=float, nargs="+", default=[60, 300], help="frames a second (60 300)")
    parser.add_argument(
        "--cpu-rates",
        type=float,
        nargs="+",
        default=[15, 60],
        help="the same for cpu: one that Python keeps up with, and the camera's (15 60)",
    )
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement, after the warm-up (30)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each, in turn, for cpu (3)")
    parser.add_argument("--minutes", type=float, default=10, help="for memory (10)")
    parser.add_argument("--peer", action="store_true", help="latency of the Python node too")
    parser.add_argument(
        "--shared-memory-mib",
        type=int,
        default=32,
        help="what the publisher's Fast DDS may hold in shared memory; 0: its own default, half "
        "a MiB, which a 640x480 image does not fit into (32)",
    )
    parser.add_argument("--reliable", action="store_true", help="images, depth and camera_info are sent reliably")
    parser.add_argument(
        "--without-boxes",
        action="store_true",
        help="nobody detects anything: for regions that --node-parameter says are drawn or at TF frames",
    )
    parser.add_argument(
        "--program", type=Path, help="a built spatial-reward with the node (the one on PATH if not given)"
    )
    parser.add_argument(
        "--node-parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="a parameter for spatial-reward node; may be repeated",
    )
    parser.add_argument("--json", type=Path, help="write all figures here")
    for hidden in ("--frames", "--stamps"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


# ---------------------------------------------------------------- sections


def latency(bench: "Bench", arguments: argparse.Namespace) -> list[dict]:
    print(f"\n## latency, {arguments.seconds:g} s each\n")
    programs = ["node", "peer"] if arguments.peer else ["node"]
    results = [bench.measure(program, rate, arguments.seconds) for rate in arguments.rates for program in programs]
    print_table(
        [["", "Hz asked", "Hz sent", "rewards/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "p95 by thirds ms"]]
        + [
            [
                r["program"],
                f"{r['rate']:g}",
                f"{r['sent_hz']:.1f}",
                f"{r['rewards_hz']:.1f}",
                *(f"{r['latency_ms'][key]:.2f}" for key in ("p50", "p95", "p99", "max")),
                " ".join(f"{p:.1f}" for p in r["latency_ms"]["p95_by_thirds"]),
            ]
            for r in results
        ]
    )
    print("\nWhere the time goes, ms (p50 / p99):\n")
    print_table(
        [
            [
                "",
                "Hz",
                "publishing one frame",
                "after schedule",
                "until the reward is sent",
                "reward's way",
                "the program's own",
            ]
        ]
        + [
            [
                r["program"],
                f"{r['rate']:g}",
                *(
                    f"{r[key]['p50']:.2f} / {r[key]['p99']:.2f}"
                    for key in ("publish_ms", "behind_schedule_ms", "until_sent_ms", "reward_travel_ms", "own_total_ms")
                ),
            ]
            for r in results
        ]
    )
    print("\nEvery frame of the whole run, warm-up included:\n")
    print_table(
        [
            [
                "",
                "Hz",
                "sent",
                "lost before it",
                "received",
                "skipped by it",
                "rewarded",
                "arrived here",
                "unexplained",
                "invalid",
            ]
        ]
        + [
            [
                r["program"],
                f"{r['rate']:g}",
                *(
                    str(r["frames"][key])
                    for key in ("sent", "lost", "received", "skipped", "rewarded", "arrived", "unexplained")
                ),
                " ".join(f"{k} {v}" for k, v in r["invalid"].items()) or "0",
            ]
            for r in results
        ]
    )
    return results


def cpu(bench: "Bench", arguments: argparse.Namespace) -> list[dict]:
    print(f"\n## processor time a frame, median of {arguments.repeats} times {arguments.seconds:g} s in turn\n")
    results = []
    for rate in arguments.cpu_rates:
        runs = {"node": [], "peer": []}
        for _ in range(arguments.repeats):
            for program, measured in runs.items():
                measured.append(bench.measure(program, rate, arguments.seconds))
        cost = {program: [run["cpu_ms_per_reward"] for run in measured] for program, measured in runs.items()}
        ratios = [peer / node for node, peer in zip(cost["node"], cost["peer"], strict=True)]
        results.append(
            {
                "rate": rate,
                "node_ms": median(cost["node"]),
                "peer_ms": median(cost["peer"]),
                "ratio": median(ratios),
                "ratios": ratios,
                "distances_apart_mm": apart_mm(runs["node"][0], runs["peer"][0]),
                "runs": runs,
            }
        )
    print_table(
        [
            [
                "Hz",
                "node ms a reward",
                "Python ms a reward",
                "ratio (each pair)",
                "rewards/s",
                "user/system share",
                "surface apart, median / p95 mm",
            ]
        ]
        + [
            [
                f"{r['rate']:g}",
                f"{r['node_ms']:.2f}",
                f"{r['peer_ms']:.2f}",
                f"{r['ratio']:.1f} ({' '.join(f'{x:.1f}' for x in r['ratios'])})",
                " / ".join(f"{median(x['rewards_hz'] for x in rs):.1f}" for rs in r["runs"].values()),
                " ".join(f"{median(x['user_share'] for x in rs):.2f}" for rs in r["runs"].values()),
                " / ".join(f"{x:.3f}" for x in r["distances_apart_mm"]),
            ]
            for r in results
        ]
    )
    print("\nThe same by thread, ms a reward:\n")
    for r in results:
        for program, runs in r["runs"].items():
            names = {name for run in runs for name in run["cpu_ms_per_reward_by_thread"]}
            costs = {name: median(run["cpu_ms_per_reward_by_thread"].get(name, 0) for run in runs) for name in names}
            told = sorted(((cost, name) for name, cost in costs.items() if cost >= 0.05), reverse=True)
            print(f"- {program} at {r['rate']:g} Hz: " + ", ".join(f"{name} {cost:.2f}" for cost, name in told))
    return [
        r | {"runs": {program: [plain(run) for run in runs] for program, runs in r["runs"].items()}} for r in results
    ]


def memory(bench: "Bench", arguments: argparse.Namespace) -> dict:
    rate = arguments.rates[0]
    print(f"\n## memory, {arguments.minutes:g} minutes at {rate:g} Hz\n")
    if arguments.minutes < 1:
        sys.exit(f"--minutes {arguments.minutes:g} is too short to see a slope in samples every 10 s: give 1 or more")
    result = bench.measure("node", rate, arguments.minutes * 60, watch_memory=True)
    samples = result["memory"]
    seconds, resident, anonymous = (np.array(column) for column in zip(*samples, strict=True))
    settled = seconds >= min(60.0, seconds[-1] / 3)  # allocators and segments are warm by then
    slope = {}
    for name, values in (("resident", resident), ("anonymous", anonymous)):
        slope[name] = float(np.polyfit(seconds[settled] / 60, values[settled], 1)[0])
    first, last = resident[seconds <= 60].mean(), resident[seconds >= seconds[-1] - 60].mean()
    print_table(
        [
            [
                "minutes",
                "first minute MiB",
                "last minute MiB",
                "peak MiB",
                "slope MiB/min",
                "of it anonymous",
                "rewards/s",
                "p99 ms",
            ],
            [
                f"{seconds[-1] / 60:.1f}",
                f"{first:.2f}",
                f"{last:.2f}",
                f"{resident.max():.2f}",
                f"{slope['resident']:+.4f}",
                f"{slope['anonymous']:+.4f}",
                f"{result['rewards_hz']:.1f}",
                f"{result['latency_ms']['p99']:.2f}",
            ],
        ]
    )
    every = " ".join(f"{mib:.1f}" for mib in resident)
    print(f"\nThe slope is that after the first minute. Resident memory every {MEMORY_EVERY_SECONDS:g} s: {every}")
    return plain(result) | {
        "first_minute_mib": first,
        "last_minute_mib": last,
        "peak_mib": resident.max(),
        "slope_mib_per_minute": slope["resident"],
        "anonymous_slope_mib_per_minute": slope["anonymous"],
    }


def apart_mm(ours: dict, peer: dict) -> list[float]:
    """Median and 95th percentile of how far the two `surface` distances of the same recorded frame are apart."""
    both = sorted(ours["by_frame"].keys() & peer["by_frame"].keys())
    apart = [abs(ours["by_frame"][k] - peer["by_frame"][k]) * 1000 for k in both]
    apart = [x for x in apart if np.isfinite(x)]
    if not apart:
        sys.exit("the two programs share no frame that both measured: their distances cannot be compared")
    return [float(np.median(apart)), float(np.percentile(apart, 95))]


def plain(result: dict) -> dict:
    """What goes into the JSON of a run."""
    return {key: value for key, value in result.items() if key != "by_frame"}


def print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    rule = ["-" * width for width in widths]
    for row in [rows[0], rule, *rows[1:]]:
        print("| " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) + " |")
    sys.stdout.flush()


# ---------------------------------------------------------------- one measurement


class Bench:
    """Starts a program and the publisher, listens, and accounts for every frame."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path):
        import rclpy

        self.arguments = arguments
        self.frames = scratch / "frames.pickle"
        self.frame_count = record_frames(arguments.bag, self.frames)
        self.stamps = scratch / "stamps.npy"
        self.publisher_environment = dict(os.environ)
        if arguments.shared_memory_mib:
            profile = scratch / "publisher.xml"
            profile.write_text(PUBLISHER_PROFILE.format(bytes=arguments.shared_memory_mib << 20))
            for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):  # Fast DDS 2 and 3
                self.publisher_environment[name] = str(profile)
        self.log = scratch / "program.log"
        rclpy.init()
        self.listener = Listener()

    def close(self) -> None:
        self.listener.close()

    def measure(self, program: str, rate: float, seconds: float, watch_memory: bool = False) -> dict:
        print(f"... {program} at {rate:g} Hz for {seconds:g} s", file=sys.stderr, flush=True)
        listener = self.listener
        name = {"node": "spatial_reward", "peer": "rclpy_peer"}[program]
        with self.started(program) as process, listener.listening(f"/{name}/step_reward", name) as heard:
            heard.wait_for_publisher(process, self.log)
            with self.publishing(rate, seconds) as publisher:
                wait_for_line(publisher, "measuring")
                cpu_before, threads_before = cpu_seconds(process.pid), thread_seconds(process.pid)
                began = time.monotonic()
                samples = sample_memory(process.pid, began, seconds) if watch_memory else []
                wait_for_line(publisher, "measured")
                cpu_after, threads_after = cpu_seconds(process.pid), thread_seconds(process.pid)
                sent = json.loads(wait_for_line(publisher, "{"))
                time.sleep(SETTLE_SECONDS)
            if process.poll() is not None:
                sys.exit(f"{program} ended while frames came:\n{self.log.read_text(errors='replace')[-3000:]}")
        result = account(heard, np.load(self.stamps), sent, seconds, self.frame_count)
        user, system = (after - before for before, after in zip(cpu_before, cpu_after, strict=True))
        frames = max(result["rewards_measured"], 1)
        threads = {name: (after - threads_before.get(name, 0)) * 1000 / frames for name, after in threads_after.items()}
        return {
            "program": program,
            "rate": rate,
            "seconds": seconds,
            **result,
            "memory": samples,
            "cpu_ms_per_reward_by_thread": threads,
            "cpu_seconds": user + system,
            "user_share": user / max(user + system, 1e-9),
            "cpu_ms_per_reward": (user + system) * 1000 / frames,
        }

    @contextlib.contextmanager
    def started(self, program: str):
        """Node or peer, in a process of its own, ended by SIGINT."""
        reliability = "reliable" if self.arguments.reliable else "best_effort"
        if program == "node":
            parameters = [f"live.image_reliability:={reliability}", *self.arguments.node_parameter]
            command = [self.arguments.program or "spatial-reward", "node", "--ros-args"]
            command += [word for parameter in parameters for word in ("-p", parameter)]
        else:
            parameter = f"image_reliability:={reliability}"
            command = [sys.executable, HERE / "rclpy_peer_node.py", "--ros-args", "-p", parameter]
        with self.log.open("wb") as log:
            try:
                process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
            except FileNotFoundError:
                sys.exit(
                    f"{command[0]} is not there: build spatial-reward with the feature `ros`, or name it with --program"
                )
        try:
            yield process
        finally:
            end(process)

    @contextlib.contextmanager
    def publishing(self, rate: float, seconds: float):
        command = [sys.executable, __file__, "publish", "--frames", self.frames, "--stamps", self.stamps]
        command += ["--rate", rate, "--seconds", seconds]
        if self.arguments.reliable:
            command.append("--reliable")
        if self.arguments.without_boxes:
            command.append("--without-boxes")
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.publisher_environment,
        )
        try:
            yield process
            process.stdin.close()  # it waits for that
            process.wait(10)
        finally:
            process.kill()
            process.wait()


def account(heard: "Heard", stamps: np.ndarray, sent: dict, seconds: float, frame_count: int) -> dict:
    """Joins what was sent with what came back."""
    from rclpy.serialization import deserialize_message

    from spatial_reward.msg import StepReward

    index_of = {int(stamp): index for index, stamp in enumerate(stamps)}
    latencies, until_sent, travel, own = [], [], [], []
    rewarded_stamps, by_frame, invalid, strangers = set(), {}, Counter(), 0
    for data, sent_at, arrived_at in heard.rewards:
        step = deserialize_message(data, StepReward)
        stamp = step.header.stamp.sec * 1_000_000_000 + step.header.stamp.nanosec
        index = index_of.get(stamp)
        if index is None or stamp in rewarded_stamps:
            strangers += 1  # a reward for a frame that nobody sent, or a second one
            continue
        rewarded_stamps.add(stamp)
        if not step.valid:
            invalid[step.reason] += 1
        by_frame[index % frame_count] = step.surface_m
        if index >= sent["first_measured"]:
            latencies.append((arrived_at - stamp) * 1e-6)
            until_sent.append((sent_at - stamp) * 1e-6)
            travel.append((arrived_at - sent_at) * 1e-6)
            own.append(step.latency_total_s * 1000)
    if not latencies:
        sys.exit("no reward came back for any frame that was sent while measuring")
    frames = {
        "sent": len(stamps),
        "received": heard.count("image_received"),
        "skipped": heard.count("skipped"),
        "rewarded": heard.count("steps"),
        "arrived": len(rewarded_stamps),
        "strangers": strangers,
    }
    frames["lost"] = frames["sent"] - frames["received"]
    # Zero if every frame that the program received was either counted as skipped, or rewarded.
    frames["unexplained"] = frames["received"] - frames["skipped"] - frames["arrived"]
    thirds = np.array_split(np.array(latencies), 3)
    return {
        "sent_hz": (len(stamps) - sent["first_measured"]) / sent["measured_seconds"],
        "rewards_hz": len(latencies) / sent["measured_seconds"],
        "rewards_measured": len(latencies),
        "latency_ms": spread(latencies) | {"p95_by_thirds": [float(np.percentile(t, 95)) for t in thirds if len(t)]},
        "until_sent_ms": spread(until_sent),
        "reward_travel_ms": spread(travel),
        "own_total_ms": spread(own),
        "publish_ms": sent["publish_ms"],
        "behind_schedule_ms": sent["behind_schedule_ms"],
        "publisher_slots_missed": sent["slots_missed"],
        "publisher_cpu_ms_per_frame": sent["cpu_ms_per_frame"],
        "frames": frames,
        "invalid": dict(invalid),
        "diagnostics": heard.diagnostics,
        "by_frame": by_frame,
    }


def spread(values) -> dict:
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(np.max(values))}


class Listener:
    """Subscribes rewards and diagnostics in a thread of this process. Rewards are kept as bytes, with the
    time at which they came, and looked into afterwards."""

    def __init__(self):
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        self.node = Node("benchmark_subscriber")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.executor.shutdown()
        self.thread.join(5)

    @contextlib.contextmanager
    def listening(self, topic: str, node_name: str):
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import QoSProfile

        from spatial_reward.msg import StepReward

        heard = Heard(self.node, topic, node_name)
        rewards = self.node.create_subscription(StepReward, topic, heard.on_reward, QoSProfile(depth=1000), raw=True)
        diagnostics = self.node.create_subscription(DiagnosticArray, "/diagnostics", heard.on_diagnostics, 10)
        self.executor.wake()
        try:
            yield heard
        finally:
            self.node.destroy_subscription(rewards)
            self.node.destroy_subscription(diagnostics)


class Heard:
    """What one run's program published."""

    def __init__(self, node, topic: str, node_name: str):
        self.node, self.topic, self.node_name = node, topic, node_name
        self.rewards: list[tuple[bytes, int, int]] = []  # message, sent at, arrived at
        self.diagnostics: dict[str, dict[str, str]] = {}

    def on_reward(self, data: bytes, info: dict) -> None:
        self.rewards.append((data, info["source_timestamp"], time.time_ns()))

    def on_diagnostics(self, message) -> None:
        for status in message.status:
            self.diagnostics[status.name] = {pair.key: pair.value for pair in status.values}

    def count(self, key: str) -> int:
        """One of the counts that the program publishes in its diagnostics."""
        for values in self.diagnostics.values():
            if key in values:
                return int(values[key])
        sys.exit(f"{self.node_name} published no `{key}` on /diagnostics, only {self.diagnostics}")

    def wait_for_publisher(self, process: subprocess.Popen, log: Path) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not self.node.get_publishers_info_by_topic(self.topic):
            if process.poll() is not None or time.monotonic() > give_up:
                silent = f"published no {self.topic} within {START_SECONDS:g} s"
                state = silent if process.poll() is None else "ended"
                sys.exit(f"{' '.join(process.args)} {state}:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)


def wait_for_line(process: subprocess.Popen, start: str) -> str:
    """The next line of the publisher that starts so."""
    for line in process.stdout:
        if line.startswith(start):
            return line
    sys.exit(f"the publisher ended before it said {start!r}: its complaint is above")


def sample_memory(pid: int, began: float, seconds: float) -> list[tuple[float, float, float]]:
    """(seconds, resident MiB, of it anonymous) from now on, every few seconds."""
    samples = []
    while (elapsed := time.monotonic() - began) < seconds:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        mib = (int(status[key].split()[0]) / 1024 for key in ("VmRSS", "RssAnon"))
        samples.append((elapsed, *mib))
        time.sleep(max(min(MEMORY_EVERY_SECONDS, seconds - elapsed), 0.01))
    return samples


def cpu_seconds(pid: int) -> tuple[float, float]:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def thread_seconds(pid: int) -> dict[str, float]:
    """Processor time of its threads by their names; Fast DDS, too, names its own."""
    seconds: Counter = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            name, fields = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            user, system = fields.split()[11:13]
            seconds[name] += (int(user) + int(system)) / TICKS
    return dict(seconds)


def end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---------------------------------------------------------------- frames and their publisher


# Shared memory for several whole frames. The sender's counts: subscribers need no profile.
PUBLISHER_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<dds xmlns="http://www.eprosima.com">
  <profiles>
    <transport_descriptors>
      <transport_descriptor>
        <transport_id>shared_memory</transport_id>
        <type>SHM</type>
        <segment_size>{bytes}</segment_size>
        <maxMessageSize>4194304</maxMessageSize>
      </transport_descriptor>
      <transport_descriptor>
        <transport_id>network</transport_id>
        <type>UDPv4</type>
      </transport_descriptor>
    </transport_descriptors>
    <participant profile_name="camera" is_default_profile="true">
      <rtps>
        <userTransports>
          <transport_id>shared_memory</transport_id>
          <transport_id>network</transport_id>
        </userTransports>
        <useBuiltinTransports>false</useBuiltinTransports>
      </rtps>
    </participant>
  </profiles>
</dds>
"""


class Message(NamedTuple):
    """A serialised message around its stamp, which is the first thing in a header, and a header in a message."""

    before: bytes
    after: bytes

    @staticmethod
    def split(data: bytes) -> "Message":
        assert data[:2] == b"\x00\x01", "this machine does not serialise in little-endian order"
        return Message(data[:4], data[12:])

    def stamped(self, nanos: int) -> bytes:
        return b"".join((self.before, struct.pack("<iI", *divmod(nanos, 1_000_000_000)), self.after))


def record_frames(bag: Path, out: Path) -> int:
    """Writes the bag's complete frames as serialised messages, in the order of TOPICS; tells how many."""
    from PIL import Image as Picture
    from rclpy.serialization import serialize_message
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import get_types_from_msg
    from rosbags.typesys.store import Typestore
    from rosbags.typesys.stores import ros2_jazzy
    from sensor_msgs.msg import Image

    store, parts, camera_info = Typestore(ros2_jazzy), {}, None
    with Reader(bag) as reader:
        for connection in reader.connections:
            if connection.msgtype not in store.fielddefs:
                types = get_types_from_msg(connection.msgdef.data, connection.msgtype)
                store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
        for connection, _, data in reader.messages():
            role = role_of(connection)
            if role is None:
                continue
            serialised = bytes(data)
            message = store.deserialize_cdr(serialised, connection.msgtype)
            stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
            if role == "camera_info":
                camera_info = serialised
                continue
            if connection.msgtype == "sensor_msgs/msg/CompressedImage":
                pixels = np.asarray(Picture.open(io.BytesIO(message.data)).convert("RGB"))
                raw = Image(height=pixels.shape[0], width=pixels.shape[1], encoding="rgb8", step=pixels.shape[1] * 3)
                raw.header.frame_id = message.header.frame_id
                raw.data.frombytes(pixels.tobytes())
                serialised = serialize_message(raw)
            parts.setdefault(stamp, {})[role] = serialised
    frames = [part | {"camera_info": camera_info} for part in parts.values() if len(part) == len(TOPICS) - 1]
    if not frames or camera_info is None:
        sys.exit(f"{bag} has no frame with colour, depth, camera_info and both boxes under one stamp")
    with out.open("wb") as file:
        pickle.dump([[Message.split(frame[topic]) for topic in TOPICS] for frame in frames], file)
    return len(frames)


def role_of(connection) -> str | None:
    """Which of TOPICS a recorded topic is, by its type and name."""
    kind, topic = connection.msgtype.rsplit("/", 1)[1], connection.topic
    if kind in ("Image", "CompressedImage"):
        return "depth" if "depth" in topic else "image"
    if kind == "Detection2DArray":
        return "fingertip/detections" if "finger" in topic else "target/detections" if "target" in topic else None
    return "camera_info" if kind == "CameraInfo" else None


def publish(arguments: argparse.Namespace) -> None:
    """Sends frames at absolute times. Says `measuring` after the warm-up, `measured` at the end, and then its
    figures; the stamps of all frames go into a file."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, Image
    from vision_msgs.msg import Detection2DArray

    with arguments.frames.open("rb") as file:
        frames = [[Message(*message) for message in frame] for frame in pickle.load(file)]
    rclpy.init()
    node = rclpy.create_node("benchmark_camera")
    reliability = ReliabilityPolicy.RELIABLE if arguments.reliable else ReliabilityPolicy.BEST_EFFORT
    camera = QoSProfile(depth=5, reliability=reliability)
    boxes = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    types = (Image, Image, CameraInfo, Detection2DArray, Detection2DArray)
    publishers = [
        node.create_publisher(kind, topic, boxes if kind is Detection2DArray else camera)
        for kind, topic in zip(types, TOPICS, strict=True)
    ]
    if arguments.without_boxes:
        publishers = publishers[: TOPICS.index("fingertip/detections")]
        frames = [frame[: len(publishers)] for frame in frames]
    wait_for_subscribers(publishers)

    gc.disable()
    stamps, behind, took, slots_missed, first_measured = [], [], [], 0, None
    clock, sleep, now_nanos = time.monotonic, time.sleep, time.time_ns
    began = clock()
    slots = round((WARM_UP_SECONDS + arguments.seconds) * arguments.rate)
    slot = 0
    while slot < slots:
        due = began + slot / arguments.rate
        if (wait := due - clock()) > 0:
            sleep(wait)
        elif -wait > 1 / arguments.rate:  # a camera does not send what it could not send in time
            slot += 1
            slots_missed += 1
            continue
        if first_measured is None and due - began >= WARM_UP_SECONDS:
            first_measured, measured_from, cpu_before = len(stamps), clock(), time.process_time()
            print("measuring", flush=True)
        started, stamp = clock(), now_nanos()
        for publisher, message in zip(publishers, frames[len(stamps) % len(frames)], strict=True):
            publisher.publish(message.stamped(stamp))
        stamps.append(stamp)
        behind.append((started - due) * 1000)
        took.append((clock() - started) * 1000)
        slot += 1
    if (rest := began + slots / arguments.rate - clock()) > 0:
        sleep(rest)
    measured_seconds, cpu = clock() - measured_from, time.process_time() - cpu_before
    print("measured", flush=True)
    np.save(arguments.stamps, np.array(stamps, np.int64))
    print(
        json.dumps(
            {
                "first_measured": first_measured,
                "measured_seconds": measured_seconds,
                "slots_missed": slots_missed,
                "publish_ms": spread(took[first_measured:]),
                "behind_schedule_ms": spread(behind[first_measured:]),
                "cpu_ms_per_frame": cpu * 1000 / (len(stamps) - first_measured),
            }
        ),
        flush=True,
    )
    # Until this process ends, what it sent last can still be fetched from its memory.
    sys.stdin.read()


def wait_for_subscribers(publishers: list) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not all(publisher.get_subscription_count() for publisher in publishers):
        if time.monotonic() > give_up:
            missing = [p.topic_name for p in publishers if not p.get_subscription_count()]
            sys.exit(f"nobody subscribed {', '.join(missing)} within {START_SECONDS:g} s")
        time.sleep(0.05)
    time.sleep(1.0)  # the other side may know of this one a little later


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
