"""A robot with two cameras and a gripper for tests of whole tasks: its recordings, their labels, a node for it."""

import time

from foxglove_msgs.msg import ImageAnnotations
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState
from vision_msgs.msg import Detection2DArray

from node import Node
from replay import labels_as_live, plain, write
from scene import SECOND, TARGET, Frame, detections, header
from spatial_reward.msg import StepReward, TaskReward

START, PERIOD = 1_000 * SECOND, SECOND // 20
# The second camera's pictures are so much later than the first one's.
LATER = 4_000_000
CAMERAS = ("front", "side")
STEPS, TASKS = "/spatial_reward/step_reward", "/spatial_reward/task_reward"
ANNOTATIONS = {camera: f"/{camera}/image/annotations" for camera in CAMERAS}

PAIRS = """
topics: {fingertip: /front/boxes, fingertip_class: [fingertip]}
regions:
  cube: {topic: /front/boxes, class: [target]}
  goal: {fixed: "60,45,75,75"}
cameras:
  front: {image: /front/image, depth: /front/depth, camera_info: /front/camera_info}
  side:
    image: /side/image
    depth: /side/depth
    camera_info: /side/camera_info
    regions:
      fingertip: {topic: /side/boxes}
      cube: {topic: /side/boxes, class: [target]}
"""
PHASES = """
reward: {kind: task, gamma: 0.9}
episodes: {end_on_success: true}
task:
  pairs: [fingertip-cube, "cube-goal:center", fingertip-goal]
  gripper_topic: /joints
  gripper_joints: [left, right]
  phases:
    - name: reach
      potential: {distance: fingertip-cube, from: 0.3}
      next: [{to: close, when: [{distance: fingertip-cube, below: 0.1, hold_s: 0}]}]
    - name: close
      next:
        - {to: success, when: [{opening: gripper, below: 0.02}]}
        - {to: failure, when: [{distance: fingertip-cube, above: 0.25}]}
"""


def joints(stamp, opening_m):
    position = [1.0, opening_m / 2, opening_m / 2]
    return JointState(header=header(stamp), name=["elbow", "left", "right"], position=position)


def camera_messages(camera, frame, stamp, boxes=("fingertip", "target")):
    """What a camera and its detector send of a frame: topics with messages, the picture last."""
    seen = {"fingertip": frame.fingertip, "target": TARGET}
    return [
        (f"/{camera}/camera_info", frame.camera_info(stamp)),
        (f"/{camera}/depth", frame.depth(stamp)),
        (f"/{camera}/boxes", detections(stamp, [(name, seen[name]) for name in boxes])),
        (f"/{camera}/image", frame.image(stamp)),
    ]


def approach(count, side_until=None, lost=()):
    """A recording of a gripper that comes near, closes and opens again: (log time, topic, message).

    The side camera sends frames before `side_until` only, and the front detector loses the target in `lost`.
    """
    messages = []
    for index in range(count):
        stamp = START + index * PERIOD
        frame = Frame(gap_px=max(4, 40 - 2 * (index % (count // 2))))
        opening_m = 0.01 if index % (count // 2) > 20 else 0.08
        seen = ("fingertip",) if index in lost else ("fingertip", "target")
        messages.append((stamp, "/joints", joints(stamp - 1_000_000, opening_m)))
        messages += [(stamp + 1000, topic, one) for topic, one in camera_messages("front", frame, stamp, seen)]
        if side_until is None or index < side_until:
            side = camera_messages("side", frame, stamp + LATER)
            messages += [(stamp + LATER + 1000, topic, one) for topic, one in side]
    return messages


def topic_type(topic):
    kinds = {"image": Image, "depth": Image, "camera_info": CameraInfo, "boxes": Detection2DArray, "joints": JointState}
    return kinds[topic.rsplit("/", 1)[1]]


class Robot:
    """A node that follows the task, with two cameras and a gripper."""

    def __init__(self, folder, settings, cameras=CAMERAS, **node):
        self.cameras = cameras
        self.settings = folder / "task.yaml"
        self.settings.write_text(settings)
        parameters = {"live.queue_frames": 200} | node.pop("parameters", {})
        self._node = Node(options=["--config", self.settings], parameters=parameters, inputs=(), connect=False, **node)

    def __enter__(self):
        node = self._node.__enter__()
        try:
            self.peer, self.process = node.peer, node.process
            topics = [
                f"/{camera}/{what}" for camera in self.cameras for what in ("image", "depth", "camera_info", "boxes")
            ]
            text = self.settings.read_text()
            for topic in filter(text.__contains__, [*topics, "/joints"]):
                self.peer.publishers[topic] = self.peer.publisher(topic_type(topic), topic)
            self.tasks = self.peer.collect(TaskReward, TASKS)
            shown = [ANNOTATIONS[camera] for camera in self.cameras if "annotations: true" in text]
            self.annotations = {topic: self.peer.collect(ImageAnnotations, topic) for topic in shown}
            self.peer.connect()
        except BaseException as error:
            self._node.__exit__(type(error))
            raise
        return self

    def __exit__(self, *failure):
        self._node.__exit__(*failure)

    def replay(self, messages):
        """Publish messages at their pace: the steps, and what they say of the task."""
        begin, start = messages[0][0], time.monotonic()
        for logged, topic, message in messages:
            due = start + (logged - begin) / SECOND
            self.peer.until(lambda due=due: time.monotonic() >= due, "the next message's time")
            self.peer.publish(topic, message)
        return self.both(sum(topic == "/front/image" for _, topic, _ in messages))

    def both(self, count):
        self.peer.until(lambda: len(self.tasks) >= count, f"{count} steps of the task")
        return self.peer.wait_for_steps(count), self.tasks[:count]

    def show(self, gap_px, opening_m=0.08, cameras=CAMERAS):
        """A moment of the robot: what the node says of the task."""
        stamp, count = self.peer.next_stamp(), self.tasks.total
        self.peer.publish("/joints", joints(stamp, opening_m))
        for camera in cameras:
            for topic, message in camera_messages(camera, Frame(gap_px=gap_px), stamp):
                self.peer.publish(topic, message)
        self.peer.until(lambda: self.tasks.total > count, "a step of the task")
        return self.tasks[-1]


def labelled(folder, messages, settings):
    """The same messages as a bag, labelled as the node would: its steps, and what they say of the task."""
    by_topic = all_labels(folder, messages, settings)
    return by_topic[STEPS], by_topic[TASKS]


def all_labels(folder, messages, settings):
    """All that `label` adds to the same messages, by topic."""
    path = folder / "task.yaml"
    path.write_text(settings)
    serialised = [
        (logged, topic, kind(message), bytes(serialize_message(message))) for logged, topic, message in messages
    ]
    write(folder / "pick", serialised)
    return labels_as_live(folder / "pick", path, folder / "labelled")


def kind(message):
    package = type(message).__module__.split(".")[0]
    return f"{package}/msg/{type(message).__name__}"


def same(live, offline):
    """Every field of every step and of every task, NaN for NaN."""
    for told, labels, message_type in zip(live, offline, (StepReward, TaskReward), strict=True):
        assert [plain(one, message_type) for one in told] == [plain(one, message_type) for one in labels]
