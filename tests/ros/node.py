"""The node under test as a process, and a peer that talks to it over the real middleware.

`Node` starts `spatial-reward node` in a ROS domain of its own, so tests never hear each other. `Peer` is
the other side: it publishes the inputs, collects every output and pumps its executor until a condition
holds. Nothing here sleeps and hopes; what never comes fails with the node's log.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

from scene import SECOND, Frame, nanoseconds, time_message
from spatial_reward.msg import StepReward
from spatial_reward.srv import AnnotateStep

_PROFILE = str(Path(__file__).parent.parent.parent / "config" / "fast_dds.xml")
# For the test process and the nodes alike, before either speaks ROS.
ENVIRONMENT = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    # Fast DDS 2 and 3.
    "FASTRTPS_DEFAULT_PROFILES_FILE": _PROFILE,
    "FASTDDS_DEFAULT_PROFILES_FILE": _PROFILE,
}

# What a busy machine may take for anything. Reached only by what never comes.
PATIENCE_S = 60.0

SERVICES = {
    "start_episode": Trigger,
    "end_episode": Trigger,
    "annotate_step": AnnotateStep,
    "set_parameters": SetParameters,
    "set_parameters_atomically": SetParametersAtomically,
    "get_parameters": GetParameters,
    "get_parameter_types": GetParameterTypes,
    "describe_parameters": DescribeParameters,
    "list_parameters": ListParameters,
}
# The image last: what belongs to it is there then, however busy the machine is.
INPUTS = ("camera_info", "depth", "fingertip", "target", "image")
# Reliable both ways: a test that counts steps must not lose one on the way.
RELIABLE = {"live.image_reliability": "reliable", "live.box_reliability": "reliable"}


def program():
    """The spatial-reward program under test: $SPATIAL_REWARD_BIN, or the one on the PATH."""
    found = shutil.which(os.environ.get("SPATIAL_REWARD_BIN", "spatial-reward"))
    assert found, "no spatial-reward to test: name a build with the feature ros in SPATIAL_REWARD_BIN"
    return found


_peers = itertools.count(1)
# Above what people tend to choose by hand, up to where the ports of domains end on Linux.
_domains = itertools.cycle(range(20, 101))


class Domain:
    """A ROS domain that no other test run on this machine has, until it is closed."""

    def __init__(self):
        for domain_id in itertools.islice(_domains, 81):
            claim = socket.socket()
            try:
                claim.bind(("127.0.0.1", 22100 + domain_id))
            except OSError:
                claim.close()
                continue
            self.id, self._claim = domain_id, claim
            return
        raise RuntimeError("every ROS domain is in use")

    def close(self):
        self._claim.close()


def ros_arguments(parameters=None, remaps=None, namespace=None, name=None, parameter_file=None):
    """What follows the node's own options on its command line."""
    arguments = []
    for old, new in (remaps or {}).items():
        arguments += ["-r", f"{old}:={new}"]
    # ROS lets the later of two win.
    if parameter_file:
        arguments += ["--params-file", str(parameter_file)]
    for key, value in (parameters or {}).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        arguments += ["-p", f"{key}:={text}"]
    if namespace:
        arguments += ["-r", f"__ns:={namespace}"]
    if name:
        arguments += ["-r", f"__node:={name}"]
    return ["--ros-args", *arguments] if arguments else []


class NodeProcess:
    """`spatial-reward node` and what it says."""

    def __init__(self, arguments, domain_id):
        environment = os.environ | ENVIRONMENT | {"ROS_DOMAIN_ID": str(domain_id)}
        self.lines = []
        self._process = subprocess.Popen(
            [program(), "node", *map(str, arguments)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def log(self):
        return "\n".join(self.lines)

    @property
    def returncode(self):
        """None while it runs."""
        return self._process.poll()

    @property
    def pid(self):
        return self._process.pid

    def send(self, signal_number):
        self._process.send_signal(signal_number)

    def wait(self):
        """The exit code. Everything that it said is in `lines` then."""
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the node does not end\n{self.log}") from None
        self._reader.join(PATIENCE_S)
        return code

    def stop(self, signal_number=signal.SIGTERM):
        """End it with a signal: the exit code, and how many seconds that took."""
        begin = time.monotonic()
        self.send(signal_number)
        return self.wait(), time.monotonic() - begin

    def kill(self):
        if self.returncode is None:
            self._process.kill()
        self._process.wait()


class Inbox(list):
    """Messages of a topic. It may be emptied; the totals are of all that ever came."""

    def __init__(self):
        super().__init__()
        self.total = self.total_true = 0

    def take(self, message):
        self.append(message)
        self.total += 1
        self.total_true += getattr(message, "data", None) is True


class Peer:
    """The rest of the robot: publishes the node's inputs, collects its outputs, calls its services."""

    def __init__(
        self,
        domain_id,
        *,
        namespace="",
        name="spatial_reward",
        inputs=INPUTS,
        topics=None,
        image_type=Image,
        depth_type=Image,
        box_type=Detection2DArray,
        reliability=ReliabilityPolicy.RELIABLE,
        outputs=None,
        machine_time=False,
    ):
        """`topics` names inputs that are remapped, `outputs` the absolute ones that are.

        With `machine_time`, stamps are not those of a clock of the peer's own.
        """
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
        self.ros = rclpy.create_node(
            f"peer_{next(_peers)}", context=self.context, namespace=namespace or "/", enable_rosout=False
        )
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.ros)
        self.private = f"{namespace}/{name}"
        self.processes = []
        self._subscriptions = []
        self._clients = {}
        self._stamp = 1_000 * SECOND
        self._machine_time = machine_time

        outputs = outputs or {}
        self.steps = self.collect(StepReward, f"{self.private}/step_reward")
        self.rewards = self.collect(Float64, outputs.get("/reward", "/reward"))
        self.dones = self.collect(Bool, outputs.get("/episode_done", "/episode_done"))
        self.truncations = self.collect(Bool, outputs.get("/episode_truncated", "/episode_truncated"))
        self.diagnostics = self.collect(DiagnosticArray, "/diagnostics")

        topics = topics or {}
        types = {
            "image": image_type,
            "depth": depth_type,
            "camera_info": CameraInfo,
            "fingertip": box_type,
            "target": box_type,
        }
        self.publishers = {
            role: self.publisher(types[role], topics.get(role, usual_topic(role)), reliability) for role in inputs
        }
        for service, service_type in SERVICES.items():
            self._clients[service] = self.ros.create_client(service_type, f"{self.private}/{service}")

    def collect(self, message_type, topic, reliability=ReliabilityPolicy.RELIABLE):
        """A list that grows by each message on a topic."""
        messages = Inbox()
        self.subscribe(message_type, topic, messages.take, reliability)
        return messages

    def subscribe(self, message_type, topic, callback, reliability=ReliabilityPolicy.RELIABLE):
        quality = QoSProfile(depth=1000, reliability=reliability)
        subscription = self.ros.create_subscription(message_type, topic, callback, quality)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription):
        self._subscriptions.remove(subscription)
        self.ros.destroy_subscription(subscription)

    def publisher(self, message_type, topic, reliability=ReliabilityPolicy.RELIABLE):
        """A publisher that keeps what a slow reader has not taken yet."""
        return self.ros.create_publisher(message_type, topic, QoSProfile(depth=1000, reliability=reliability))

    # Waiting

    def until(self, condition, what, patience_s=PATIENCE_S):
        """Pump until the condition holds: its value. Fails with the nodes' logs if it never does."""
        end = time.monotonic() + patience_s
        while not (value := condition()):
            dead = [process for process in self.processes if process.returncode is not None]
            if dead or time.monotonic() > end:
                why = f"exited with code {dead[0].returncode}" if dead else "did not do it"
                logs = "\n".join(process.log for process in self.processes)
                raise AssertionError(f"waiting for {what}: the node {why}. Its log:\n{logs}")
            self._executor.spin_once(timeout_sec=0.02)
        return value

    def pump(self, seconds):
        """Pump for a time: only to see that something does not come, or to let a clock run."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, "time to pass")

    def settle(self):
        """Wait until everything published has arrived, with a moment for the node to look at it.

        What is sent to a node arrives in the order of sending, so a request that is answered came last.
        """
        self.parameter_names()
        self.pump(0.1)

    def connect(self):
        """Wait until the node and this peer know all of each other's ends, and the graph has the node's name.

        A count of matched ends says that this side knows. That the node does too is said by its answer
        to a client made after everything else: discovery is in order. Names come by a topic of their own, at times
        after the first messages.
        """
        namespace, name = self.private.rsplit("/", 1)

        def known():
            return (
                (name, namespace or "/") in self.ros.get_node_names_and_namespaces()
                and all(publisher.get_subscription_count() for publisher in self.publishers.values())
                and all(subscription.get_publisher_count() for subscription in self._subscriptions)
                and all(client.service_is_ready() for client in self._clients.values())
            )

        self.until(known, "discovery")
        last = self.ros.create_client(ListParameters, f"{self.private}/list_parameters")
        self.until(last.service_is_ready, "discovery")
        # An answer to somebody whom the node does not know yet is lost.
        asked = []

        def answered():
            if not asked or time.monotonic() - asked[-1][0] > 1:
                asked.append((time.monotonic(), last.call_async(ListParameters.Request())))
            return any(future.done() for _, future in asked)

        self.until(answered, "an answer from the node")
        self.ros.destroy_client(last)

    # Services

    def client(self, name):
        """The client of a private service, once it is there."""
        client = self._clients[name]
        self.until(client.service_is_ready, f"the service {name}")
        return client

    def call(self, client, request):
        """Call and wait for the answer."""
        future = client.call_async(request)
        self.until(future.done, f"an answer from {client.srv_name}")
        return future.result()

    def start_episode(self):
        return self.call(self.client("start_episode"), Trigger.Request())

    def end_episode(self):
        return self.call(self.client("end_episode"), Trigger.Request())

    def annotate(self, request):
        return self.call(self.client("annotate_step"), request)

    def set_parameters(self, values):
        """Set parameters one by one: a result each."""
        request = SetParameters.Request(parameters=parameter_messages(values))
        return self.call(self.client("set_parameters"), request).results

    def set_parameters_atomically(self, values):
        """Set parameters, all or none: one result."""
        request = SetParametersAtomically.Request(parameters=parameter_messages(values))
        return self.call(self.client("set_parameters_atomically"), request).result

    def get_parameters(self, names):
        """Values by name."""
        request = GetParameters.Request(names=list(names))
        values = self.call(self.client("get_parameters"), request).values
        return {name: parameter_value_to_python(value) for name, value in zip(names, values, strict=True)}

    def parameter_names(self):
        return self.call(self.client("list_parameters"), ListParameters.Request()).result.names

    def describe_parameters(self, names):
        request = DescribeParameters.Request(names=list(names))
        return self.call(self.client("describe_parameters"), request).descriptors

    # Publishing

    def next_stamp(self, after_s=1 / 30):
        """A stamp of the camera's clock, which only goes forward."""
        self._stamp = max(self._stamp + round(after_s * SECOND), time.time_ns() if self._machine_time else 0)
        return self._stamp

    def publish(self, role, message):
        self.publishers[role].publish(message)

    def publish_frame(self, frame=None, stamp=None, inputs=INPUTS):
        """Publish a frame's messages, all or some, in the order of `inputs`: their stamp."""
        frame = frame or Frame()
        stamp = self.next_stamp() if stamp is None else stamp
        for role in inputs:
            self.publish(role, self.message(role, frame, stamp))
        return stamp

    def message(self, role, frame, stamp):
        """The frame as the message that this peer publishes in a role."""
        makers = {
            "image": frame.image,
            "depth": frame.depth,
            "camera_info": frame.camera_info,
            "fingertip": frame.fingertip_boxes,
            "target": frame.target_boxes,
        }
        return makers[role](stamp)

    def wait_for_steps(self, count):
        """The first `count` steps since the last `forget`, in the order they came."""
        self.until(lambda: len(self.steps) >= count, f"{count} steps")
        return self.steps[:count]

    def step_of(self, stamp):
        """The step of the image with this stamp."""

        def found():
            return [step for step in self.steps if nanoseconds(step.header.stamp) == stamp]

        return self.until(found, f"the step of stamp {stamp}")[0]

    def step_for(self, frame=None, inputs=INPUTS):
        """Publish a frame and wait for its step."""
        return self.step_of(self.publish_frame(frame, inputs=inputs))

    def forget(self):
        """Empty the lists of what came so far."""
        for messages in (self.steps, self.rewards, self.dones, self.truncations, self.diagnostics):
            messages.clear()

    def all_arrived(self):
        """Whether each step so far is there on all its topics."""
        not_truncated = self.truncations.total - self.truncations.total_true
        return self.steps.total == self.rewards.total == self.dones.total == not_truncated

    def fresh_episode(self):
        """Begin an episode that no box, step, message or stamp of an earlier test reaches into."""
        assert self.start_episode().success
        self.next_stamp(10.0)
        # What comes in order has all come when the messages of one more step have.
        self.step_for()
        self.until(self.all_arrived, "a step on all its topics")
        self.forget()
        assert self.end_episode().success
        self.until(lambda: self.truncations, "the end of an episode")
        assert self.start_episode().success
        self.next_stamp(10.0)
        self.forget()

    def close(self):
        self._executor.shutdown()
        self.ros.destroy_node()
        rclpy.shutdown(context=self.context)


class Simulator:
    """A clock that shows the same time all the while, until it is set."""

    def __init__(self, peer, seconds):
        self._peer = peer
        self.now = seconds * SECOND
        publisher = peer.publisher(Clock, "/clock")
        peer.ros.create_timer(0.02, lambda: publisher.publish(Clock(clock=time_message(self.now))))
        self.until_heard()

    def until_heard(self):
        """Wait until the node has the time that is shown."""

        def heard():
            return any(nanoseconds(array.header.stamp) == self.now for array in self._peer.diagnostics)

        self._peer.until(heard, "the node to take the simulator's time")

    def set(self, nanos):
        """Show another time, and wait until the node has it."""
        self.now = nanos
        self.until_heard()


class Node:
    """A running node with a peer that knows it, as a context manager.

    Arguments of `ros_arguments` say how the node is started, all others go to the `Peer`. However a test
    leaves the node, it has to end cleanly.
    """

    def __init__(
        self,
        *,
        options=(),
        parameters=None,
        remaps=None,
        namespace="",
        name=None,
        parameter_file=None,
        domain_id=None,
        connect=True,
        **peer,
    ):
        """`parameters=None` is a node without any parameter; else it is reliable unless they say otherwise."""
        self._domain = Domain() if domain_id is None else None
        self.domain_id = self._domain.id if self._domain else domain_id
        if parameters is not None:
            parameters = RELIABLE | parameters
        self.arguments = [*options, *ros_arguments(parameters, remaps, namespace, name, parameter_file)]
        self._connect = connect
        self._peer_options = dict(namespace=namespace, name=name or "spatial_reward") | peer

    def __enter__(self):
        # First the peer: it is there when the node begins to speak.
        self.peer = Peer(self.domain_id, **self._peer_options)
        self.start()
        try:
            if self._connect:
                self.peer.connect()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def start(self):
        """Start the process; again, after it ended."""
        self.process = NodeProcess(self.arguments, self.domain_id)
        self.peer.processes = [self.process]

    def stop(self, signal_number=signal.SIGTERM):
        """End it with a signal, collecting what it still says: the exit code and the seconds it took."""
        begin = time.monotonic()
        self.process.send(signal_number)
        self.peer.processes = []
        self.peer.until(lambda: self.process.returncode is not None, f"the end of the node\n{self.process.log}")
        return self.process.wait(), time.monotonic() - begin

    def __exit__(self, failure=None, *_):
        try:
            if failure is None and self.process.returncode is None:
                code, _ = self.stop()
                assert code == 0, f"the node ended with code {code}\n{self.process.log}"
        finally:
            self.peer.processes = []
            self.process.kill()
            self.peer.close()
            if self._domain:
                self._domain.close()


def usual_topic(role):
    """The relative name of the topic that an input has without remapping."""
    return f"{role}/detections" if role in ("fingertip", "target") else role


def parameter_messages(values):
    return [rclpy.Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]


def diagnosed(peer, part, node="spatial_reward"):
    """The newest diagnostics of a part of a node, made from now on: the status and its values by key."""
    peer.diagnostics.clear()

    def told():
        statuses = (status for array in peer.diagnostics for status in array.status)
        return [status for status in statuses if status.name == f"{node}: {part}"]

    # The first may have been made before and only now arrived.
    peer.until(lambda: len(told()) >= 2, "diagnostics")
    status = told()[-1]
    return status, {value.key: value.value for value in status.values}


def run_to_exit(*arguments):
    """A node that is expected to end by itself: its exit code and what it said."""
    domain = Domain()
    try:
        process = NodeProcess(arguments, domain.id)
        code = process.wait()
        return code, process.log
    finally:
        domain.close()
