"""Soaks the live node: everything of test_under_fire at once and in turn, for minutes, over the real middleware.

Frames come 30 times a second, some of them malformed. Beside them one thing after another is done, drawn by chance from
`ACTIONS`. Between, everything comes to rest and is looked at:

- each image that was sent is a step, or counted by name in /diagnostics (0 unexplained), and each step has arrived;
- every call was answered;
- the node's threads and open files are as many as ever;
- its memory does not grow: below 0.2 MB a minute once it is warm, by the median of all slopes between two looks.

Prints the figures, and ends with 1 where one of them is not as it has to be.
"""

import argparse
import collections
import itertools
import os
import random
import signal
import statistics
import sys
import time
from pathlib import Path

from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from abuse import BOXES, MALFORMED, PROMPTS
from node import ENVIRONMENT, INPUTS, Node, parameter_messages
from scene import SECOND, Frame, request_for, slow_request, time_message
from spatial_reward.srv import AnnotateStep

RATE_HZ = 30
CALLERS = 64
BURST = 200
FLOOD = 300
# So many actions between two looks.
ACTIONS_A_LOOK = 8
# After so many minutes memory is to stand still; for a run of fewer than three times as many, that is only told.
WARM_UP_MINUTES = 5.0
MAX_SLOPE_MB_A_MINUTE = 0.2
# What an answer, or rest, may take on a busy machine.
PATIENCE_S = 60.0
# Images that are no step, by the name under which they are counted.
COUNTED = ("skipped", "between_episodes", "duplicates", "image_unreadable", "image_before_clock")
# The two ends of what a stamp can say.
WILD = [2**31 * SECOND - 1, -(2**31) * SECOND, 0, -5 * SECOND, SECOND]

PARAMETERS = {
    "use_sim_time": True,
    "matching.wait_s": 0.2,
    "live.call_deadline_s": 5.0,
    "live.debug_rate_hz": 10.0,
}


class Soak:
    def __init__(self, node, chance):
        self.node, self.peer, self.chance = node, node.peer, chance
        self.frames = [Frame(gap_px=gap) for gap in range(5, 60, 5)]
        # A share of what the camera sends is malformed.
        self.malformed_share = 0.0
        self.images_sent = 0
        self.done = collections.Counter()
        self.streaming = False
        self.looks = []
        self.faults = []

        self.clock_nanos, self.clock_moves = 50 * SECOND, True
        self._clock = self.peer.publisher(Clock, "/clock")
        self._prompts = self.peer.publisher(String, "/task_prompt")
        self._debug_images = self.peer.collect(CompressedImage, f"{self.peer.private}/debug_image/compressed")
        quality = QoSProfile(depth=1000)
        self._callers = [
            self.peer.ros.create_client(AnnotateStep, f"{self.peer.private}/annotate_step", qos_profile=quality)
            for _ in range(CALLERS)
        ]
        self._askers = {
            name: (self.peer.ros.create_client(kind, f"{self.peer.private}/{name}", qos_profile=quality), request)
            for name, (kind, request) in self._requests().items()
        }
        self.peer.ros.create_timer(0.02, self._tick)
        self.peer.ros.create_timer(1 / RATE_HZ, lambda: self.streaming and self.frame())

    @staticmethod
    def _requests():
        return {
            "get_parameters": (GetParameters, GetParameters.Request(names=["reward.kind", "no.such", ""])),
            "list_parameters": (ListParameters, ListParameters.Request()),
            "describe_parameters": (DescribeParameters, DescribeParameters.Request(names=["reward.kind", "no.such"])),
            "set_parameters": (
                SetParameters,
                SetParameters.Request(parameters=parameter_messages({"reward.kind": "tanh", "filter.window": 4})),
            ),
        }

    def _tick(self):
        if self.clock_moves:
            self.clock_nanos += SECOND // 50
        self._clock.publish(Clock(clock=time_message(self.clock_nanos)))

    # What is sent

    def frame(self, stamp=None):
        """A frame, one of whose messages may be malformed."""
        frame = self.chance.choice(self.frames)
        stamp = self.peer.next_stamp() if stamp is None else stamp
        wrong = self.chance.choice(list(MALFORMED)) if self.chance.random() < self.malformed_share else None
        makers = list(MALFORMED.get(wrong, {}).values())
        for role in INPUTS:
            message = self._wrong(makers, frame, stamp) if role == wrong else self.peer.message(role, frame, stamp)
            self.peer.publish(role, message)
        if wrong == "task_prompt":
            self._prompts.publish(self._wrong(makers, frame, stamp))
        self.images_sent += 1

    def _wrong(self, makers, frame, stamp):
        return self.chance.choice(makers)(frame, stamp)

    # What is done. Each is one thing that somebody may do to the node.

    def malformed(self):
        self.malformed_share = 0.5
        self.peer.pump(2)
        self.malformed_share = 0.0

    def good(self):
        self.peer.pump(2)

    def flood(self):
        for _ in range(FLOOD):
            self.frame()
        self.peer.pump(1)

    def missing_inputs(self):
        for _ in range(20):
            left_out = self.chance.choice(INPUTS[:-1])
            self.peer.publish_frame(inputs=[role for role in INPUTS if role != left_out])
            self.images_sent += 1
            self.peer.pump(0.02)

    def wild_stamps(self):
        for _ in range(10):
            self.frame(self.chance.choice(WILD))
            self.peer.pump(0.05)

    def set_back(self):
        """The camera's clock, for good: not below what a stamp can say."""
        self.peer._stamp -= 100 * SECOND

    def parameter_burst(self):
        client, request = self._askers[self.chance.choice(list(self._askers))]
        self._answers([client.call_async(request) for _ in range(BURST)])

    def call_burst(self):
        frame = self.chance.choice(self.frames)
        makers = {
            "good": lambda: request_for(frame),
            "slow": slow_request,
            "without pixels": AnnotateStep.Request,
            "malformed": lambda: request_for(frame, image=frame.image(SECOND, encoding="pigeon")),
        }
        futures = []
        for index, client in enumerate(self._callers):
            request = makers[self.chance.choices(list(makers), [6, 1, 1, 1])[0]]()
            request.series = f"environment_{index}"
            futures.append(client.call_async(request))
        answers = self._answers(futures)
        self.done.update(f"call status {answer.status}" for answer in answers)

    def _answers(self, futures):
        """Every answer; those that do not come are a fault."""
        try:
            self.peer.until(lambda: all(future.done() for future in futures), "answers", PATIENCE_S)
        except AssertionError:
            missing = sum(not future.done() for future in futures)
            self.fault(f"{missing} of {len(futures)} calls were not answered")
        self.done["calls"] += len(futures)
        return [future.result() for future in futures if future.done()]

    def caller_that_goes(self):
        client = self.peer.ros.create_client(AnnotateStep, f"{self.peer.private}/annotate_step")
        self.peer.until(client.service_is_ready, "the service")
        client.call_async(slow_request(series="gone"))
        self.peer.ros.destroy_client(client)

    def prompts(self):
        for make in self.chance.choices(list(MALFORMED["task_prompt"].values()), k=10):
            self._prompts.publish(make(None, 0))
        self.peer.pump(0.2)

    def episodes(self):
        for _ in range(10):
            self.chance.choice([self.peer.start_episode, self.peer.end_episode])()
        self.peer.pump(0.3)
        self.peer.start_episode()

    def clock_jump(self):
        right = self.clock_nanos
        for wild in self.chance.choices([*WILD, right + 3600 * SECOND, right - 10 * SECOND], k=3):
            self.clock_nanos = wild
            # At the very end of time the clock cannot go on.
            self.clock_moves = False
            self.peer.pump(0.2)
        self.clock_nanos, self.clock_moves = right, True
        self.peer.pump(0.3)

    def clock_stands_still(self):
        self.clock_moves = False
        self.peer.pump(4)
        self.clock_moves = True

    def stopped(self):
        self.node.process.send(signal.SIGSTOP)
        try:
            self.peer.pump(1.5)
        finally:
            self.node.process.send(signal.SIGCONT)
        self.peer.pump(0.5)

    # What is looked at

    def fault(self, what):
        self.faults.append(what)
        print(f"FAULT: {what}", flush=True)

    def books(self):
        """The newest diagnostics' numbers, made from now on."""
        self.peer.diagnostics.clear()
        self.peer.until(lambda: len(self.peer.diagnostics) >= 2, "diagnostics")
        values = {}
        for status in self.peer.diagnostics[-1].status:
            values |= {value.key: value.value for value in status.values}
        return values

    def unexplained(self, values):
        """Images that were sent and are neither a step nor counted by name."""
        return self.images_sent - int(values["steps"]) - sum(int(values.get(name, 0)) for name in COUNTED)

    def look(self, minutes):
        """Let everything come to rest, and look."""
        self.streaming = False
        self.malformed_share = 0.0
        end = time.monotonic() + PATIENCE_S
        while True:
            values = self.books()
            unexplained = self.unexplained(values)
            lost = int(values["steps"]) - self.peer.steps.total
            if (unexplained, lost) == (0, 0) or time.monotonic() > end:
                break
        if int(values["image_received"]) != self.images_sent:
            self.fault(f"{self.images_sent} images were sent, {values['image_received']} have come")
        if unexplained:
            self.fault(f"{unexplained} of {self.images_sent} images are unexplained: {values}")
        if lost:
            self.fault(f"{lost} of {values['steps']} steps have not arrived")
        proc = Path("/proc") / str(self.node.process.pid)
        look = {
            "minutes": minutes,
            "memory_mb": resident_mb(proc),
            "threads": len(list((proc / "task").iterdir())),
            "files": len(list((proc / "fd").iterdir())),
        }
        self.looks.append(look)
        counted = ", ".join(f"{name} {values.get(name, 0)}" for name in COUNTED)
        print(
            f"{minutes:6.2f} min: {self.images_sent} images, {values['steps']} steps ({values['valid']} valid), "
            f"{counted}, unexplained {unexplained}; {look['memory_mb']:.2f} MB, {look['threads']} threads, "
            f"{look['files']} files",
            flush=True,
        )
        self.peer.forget()
        self._debug_images.clear()
        self.streaming = True

    def warm_up(self):
        """The most at a time, of the largest that comes: the middleware keeps the room that it once took.

        Fast DDS has a place for each message that ever lay in a queue together with others, as large as the largest
        that ever lay in that place. Large messages that come one at a time would fill these places one by one, for
        hours.
        """
        largest = [BOXES["by the hundred"], PROMPTS["of megabytes"]]
        for index in range(FLOOD):
            stamp = self.peer.next_stamp()
            self.peer.publish_frame(self.frames[0], stamp, inputs=("camera_info", "depth", "fingertip"))
            self.peer.publish("target", largest[0](self.frames[0], stamp))
            self.peer.publish_frame(self.frames[0], stamp, inputs=("image",))
            self.images_sent += 1
            if index % 30 == 0:
                self._prompts.publish(largest[1](None, 0))
        for _ in range(3):
            self.call_burst()

    def run(self, minutes):
        self.peer.connect()
        ready = [*self._callers, *(client for client, _ in self._askers.values())]
        self.peer.until(lambda: all(client.service_is_ready() for client in ready), "the services")
        begin = time.monotonic()
        passed = lambda: (time.monotonic() - begin) / 60  # noqa: E731
        self.warm_up()
        self.streaming = True
        order = itertools.chain.from_iterable(self._shuffled() for _ in itertools.count())
        while passed() < minutes:
            for name in itertools.islice(order, ACTIONS_A_LOOK):
                self.done[name] += 1
                getattr(self, name)()
            self.look(passed())

    def _shuffled(self):
        """Every action once, in another order each time: none is left to chance altogether."""
        return self.chance.sample(ACTIONS, len(ACTIONS))

    def verdict(self, minutes):
        """Say how it went: whether well."""
        judged = minutes >= 3 * WARM_UP_MINUTES
        warm = [look for look in self.looks if not judged or look["minutes"] >= WARM_UP_MINUTES]
        slope = slope_of([(look["minutes"], look["memory_mb"]) for look in warm])
        print(f"\ndone: {dict(sorted(self.done.items()))}")
        bound = f"at most {MAX_SLOPE_MB_A_MINUTE}" if judged else "not judged: the run is too short for it"
        print(f"memory: {slope:+.3f} MB a minute over {len(warm)} looks ({bound})")
        if judged and not slope < MAX_SLOPE_MB_A_MINUTE:
            self.fault(f"memory grows by {slope:.3f} MB a minute")
        for what in ("threads", "files"):
            counts = sorted({look[what] for look in warm})
            print(f"{what}: {counts}")
            if len(counts) > 1:
                self.fault(f"the number of {what} is not constant: {counts}")
        if "panicked" in self.node.process.log:
            self.fault("a thread panicked: " + next(line for line in self.node.process.lines if "panicked" in line))
        print(f"\n{'FAILED: ' + '; '.join(self.faults) if self.faults else 'passed'}")
        return not self.faults


ACTIONS = [
    "malformed", "malformed", "malformed", "good", "good", "flood", "missing_inputs", "wild_stamps", "set_back",
    "parameter_burst", "parameter_burst", "call_burst", "call_burst", "caller_that_goes", "prompts", "episodes",
    "clock_jump", "clock_stands_still", "stopped",
]  # fmt: skip


def resident_mb(proc):
    """What of the process is in memory: its own, without files and what it shares."""
    for line in (proc / "status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{proc}/status does not tell RssAnon")


def slope_of(points):
    """The median of the slopes between any two points, which a single one does not move; NaN for fewer than two."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(points, 2) if x2 > x1]
    return statistics.median(slopes) if slopes else float("nan")


def main():
    parser = argparse.ArgumentParser(description="Soaks the live node, and says how it went.")
    parser.add_argument("minutes", type=float, nargs="?", default=20.0, help="how long (20)")
    parser.add_argument("--seed", type=int, default=16, help="another one, another order of events (16)")
    options = parser.parse_args()
    os.environ |= ENVIRONMENT
    with Node(parameters=PARAMETERS) as node:
        soak = Soak(node, random.Random(options.seed))
        soak.run(options.minutes)
        well = soak.verdict(options.minutes)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
