"""Whole tasks live: two cameras, several pairs, a gripper, phases; number for number as `label` has them."""

import time

import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState
from vision_msgs.msg import Detection2DArray

from node import Node, diagnosed, run_to_exit
from replay import labels_as_live, plain, write
from scene import SECOND, TARGET, Frame, detections, header, request_for
from spatial_reward.msg import StepReward, TaskReward
from spatial_reward.srv import AnnotateStep

START, PERIOD = 1_000 * SECOND, SECOND // 20
# The second camera's pictures are so much later than the first one's.
LATER = 4_000_000
CAMERAS = ("front", "side")
STEPS, TASKS = "/spatial_reward/step_reward", "/spatial_reward/task_reward"

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

    def __init__(self, folder, settings, **node):
        self.settings = folder / "task.yaml"
        self.settings.write_text(settings)
        parameters = {"live.queue_frames": 200} | node.pop("parameters", {})
        self._node = Node(options=["--config", self.settings], parameters=parameters, inputs=(), connect=False, **node)

    def __enter__(self):
        node = self._node.__enter__()
        try:
            self.peer, self.process = node.peer, node.process
            topics = [f"/{camera}/{what}" for camera in CAMERAS for what in ("image", "depth", "camera_info", "boxes")]
            topics += ["/joints"] * ("gripper" in self.settings.read_text())
            for topic in topics:
                self.peer.publishers[topic] = self.peer.publisher(topic_type(topic), topic)
            self.tasks = self.peer.collect(TaskReward, TASKS)
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
    path = folder / "task.yaml"
    path.write_text(settings)
    serialised = [
        (logged, topic, kind(message), bytes(serialize_message(message))) for logged, topic, message in messages
    ]
    write(folder / "pick", serialised)
    by_topic = labels_as_live(folder / "pick", path, folder / "labelled")
    return by_topic[STEPS], by_topic[TASKS]


def kind(message):
    package = type(message).__module__.split(".")[0]
    return f"{package}/msg/{type(message).__name__}"


def same(live, offline):
    """Every field of every step and of every task, NaN for NaN."""
    for told, labels, message_type in zip(live, offline, (StepReward, TaskReward), strict=True):
        assert [plain(one, message_type) for one in told] == [plain(one, message_type) for one in labels]


def test_a_replayed_task_gets_its_offline_labels_number_for_number(tmp_path):
    # Given a recording of two cameras, in which the first detector loses the target for a while
    messages = approach(60, lost=range(5, 12))
    settings = PAIRS + PHASES + "matching: {wait_s: 5.0, box_max_age_s: 0.06}\n"
    labels = labelled(tmp_path, messages, settings)
    # Then both cameras, every phase and two episodes are in it
    steps, tasks = labels
    assert [phase for phase in ("reach", "close", "success") if any(one.phase == phase for one in tasks)] == [
        "reach",
        "close",
        "success",
    ]
    assert {one.pair_cameras[0] for one in tasks} == {"front,side", "side"}
    assert max(one.episode_id for one in tasks) >= 1
    assert all(one.valid for one in steps) and not all(one.distance_m > 0 for one in steps)
    assert tasks[0].pair_names == ["fingertip-cube", "cube-goal", "fingertip-goal"]
    # When it is played to a node, then each step is that label, and so is what it says of the task
    with Robot(tmp_path, settings) as robot:
        same(robot.replay(messages), labels)
        # and one subscription does for all that want a topic
        _, values = diagnosed(robot.peer, "inputs")
        assert values["front_fingertip_and_cube_boxes_topic"] == "/front/boxes"
        assert [robot.peer.ros.count_subscribers(f"/{camera}/image") for camera in CAMERAS] == [1, 1]


def test_steps_go_on_without_a_camera_that_stops(tmp_path):
    # Given a recording whose second camera stops after a second
    messages = approach(80, side_until=20)
    settings = PAIRS + PHASES + "matching: {wait_s: 1.0}\n"
    labels = labelled(tmp_path, messages, settings)
    with Robot(tmp_path, settings) as robot:
        # When it is played to a node
        live = robot.replay(messages)
        # Then there is a step of each picture of the first, each as its label
        assert len(live[0]) == 80
        same(live, labels)
        assert [one.pair_cameras[0] for one in live[1]] == ["front,side"] * 20 + ["front"] * 60
        # and nothing waits for the other any more
        assert not robot.show(gap_px=20, cameras=("front",)).pair_cameras[0].count("side")
        # and the diagnostics say which one is missing
        _, values = diagnosed(robot.peer, "rewards")
        assert int(values["left_out_side"]) >= 60
        robot.peer.until(lambda: "without camera side" in robot.process.log, "a word in the log")


def test_episodes_begin_and_end_by_order_in_the_middle_of_a_task(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        # Given a task in its second phase, which nothing leads back from
        assert robot.show(gap_px=40).phase == "reach"
        assert robot.show(gap_px=10).phase == "close"
        assert robot.show(gap_px=30).phase == "close"
        # When its episode is ended and another one begun
        assert robot.peer.end_episode().success
        assert robot.peer.start_episode().success
        # Then it begins anew
        first = robot.show(gap_px=30)
        assert (first.phase, first.episode_id, first.step) == ("reach", 1, 0)
        assert first.reward == 0.0
        # and a solved one ends its episode
        robot.show(gap_px=10)
        for _ in range(12):
            solved = robot.show(gap_px=10, opening_m=0.0)
            if solved.success:
                break
        assert solved.terminated and solved.phase == "success"
        robot.peer.until(lambda: any(done.data for done in robot.peer.dones), "a terminal")
        after = robot.show(gap_px=40)
        assert (after.phase, after.episode_id, after.step) == ("reach", 2, 0)


def test_the_shaping_changes_while_the_node_runs_and_the_task_does_not(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        # Given a task that stands still: what its shaping gives is the discount's alone
        robot.show(gap_px=40)
        told = robot.show(gap_px=40)
        assert told.reward == pytest.approx((0.9 - 1.0) * told.potential, abs=1e-6)
        # When the discount changes
        assert robot.peer.set_parameters({"reward.gamma": 0.5})[0].successful
        # Then so does the reward
        told = robot.show(gap_px=40)
        assert told.reward == pytest.approx((0.5 - 1.0) * told.potential, abs=1e-6)
        # and the kind of reward stays that of the task, of which nothing is a parameter
        result = robot.peer.set_parameters({"reward.kind": "dense"})[0]
        assert not result.successful and "task" in result.reason
        assert not [name for name in robot.peer.parameter_names() if name.startswith(("task.", "cameras."))]


def test_joints_without_the_grippers_are_told(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        stamp = robot.peer.next_stamp()
        robot.peer.publish("/joints", JointState(header=header(stamp), name=["elbow"], position=[1.0]))
        robot.peer.until(lambda: "task.gripper_joints), but elbow" in robot.process.log, "a word in the log")


def test_a_call_is_no_step_of_a_task(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        answer = robot.peer.annotate(request_for(Frame()))
        assert answer.status == AnnotateStep.Response.BAD_REQUEST
        assert "task.phases" in answer.message
    # A pair of regions alone is as it always was
    pairs = "task: {pairs: [fingertip-cube]}\n"
    with Robot(tmp_path, PAIRS.replace('  goal: {fixed: "60,45,75,75"}\n', "") + pairs) as robot:
        answer = robot.peer.annotate(request_for(Frame()))
        assert (answer.status, answer.step.valid) == (AnnotateStep.Response.DONE, True)


@pytest.mark.parametrize(
    ("region", "what"), [("{words: [a red cube]}", "words"), ("{box: ['10,10,40,40'], follow: sam2}", "masks")]
)
def test_regions_that_need_a_network_are_refused_by_name(tmp_path, region, what):
    path = tmp_path / "task.yaml"
    networks = "detector: {path: /nowhere}\nsegmenter: {path: /nowhere}\n"
    regions = f"topics: {{fingertip: /front/boxes}}\nregions: {{cube: {region}}}\n"
    path.write_text(regions + networks + "task: {pairs: [fingertip-cube]}\n")
    code, log = run_to_exit("--config", path)
    assert code != 0
    assert "regions.cube" in log and what in log
