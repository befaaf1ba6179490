"""A replayed bag gets the rewards live that `label` gives it offline, number for number."""

import math
import time

import pytest
from geometry_msgs.msg import PointStamped, TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage

from conftest import ROOT, SAMPLE
from node import Node
from replay import labels_as_live, plain, write
from scene import SECOND, nanoseconds, time_message
from spatial_reward.msg import StepReward

TOPICS = {
    "image": "/camera/color/image_raw/compressed",
    "depth": "/camera/aligned_depth_to_color/image_raw",
    "camera_info": "/camera/color/camera_info",
    "fingertip": "/fingertip/detections",
    "target": "/target/detections",
}
ROLES = {topic: role for role, topic in TOPICS.items()} | {"/tf": "tf", "/tf_static": "tf_static"}
REMAPS = {role: topic for role, topic in TOPICS.items() if role not in ("fingertip", "target")}
# Frames between the image that was published last and the step that came last.
IN_FLIGHT = 3


def values(step):
    """The fields of a step, as things that compare."""
    return plain(step, StepReward)


def replay(node, messages):
    """Publish a bag's messages, as fast as the rewards come back: the steps."""
    peer = node.peer
    images = 0
    for topic, _, data in messages:
        if topic not in ROLES or ROLES[topic] not in peer.publishers:
            continue
        peer.publish(ROLES[topic], data)
        images += ROLES[topic] == "image"
        if images > IN_FLIGHT:
            peer.wait_for_steps(images - IN_FLIGHT)
    return peer.wait_for_steps(images)


@pytest.mark.parametrize("config", [None, "config/shaped_rl.yaml"])
def test_a_replayed_bag_gets_its_offline_labels_number_for_number(config, label, sample_messages):
    path = ROOT / config if config else None
    # given the labels of a bag, and a node with the same settings
    labels = label(path)
    assert sum(step.valid for step in labels) > len(labels) / 2
    # Nothing is skipped: every frame is to be compared.
    parameters = {"live.image_transport": "compressed", "live.queue_frames": 100}
    with Node(
        options=["--config", path] if path else [],
        parameters=parameters,
        remaps=REMAPS,
        topics=TOPICS,
        image_type=CompressedImage,
    ) as node:
        # when the bag is played to it
        steps = replay(node, sample_messages)
        # then each step is that label, in the same order
        assert [values(step) for step in steps] == [values(step) for step in labels]
        # and their latencies are measured
        for step in steps:
            if step.valid:
                assert min(step.latency_decode_s, step.latency_estimate_s) > 0
                assert step.latency_decode_s + step.latency_estimate_s <= step.latency_total_s
        # and what a learner subscribes to says the same
        peer = node.peer
        peer.until(lambda: min(len(peer.rewards), len(peer.dones), len(peer.truncations)) >= len(steps), "rewards")
        same = [
            reward.data == step.reward or (math.isnan(reward.data) and math.isnan(step.reward))
            for reward, step in zip(peer.rewards, steps, strict=True)
        ]
        assert all(same)
        assert [done.data for done in peer.dones] == [step.terminated for step in steps]
        assert [truncated.data for truncated in peer.truncations] == [False] * len(steps)


# The gripper moves in its base, and base, cup and camera hang in the world.
BASE_IN_WORLD = (0.5, -0.25, 1.0)
MS = SECOND // 1000


def transforms(stamp, *links):
    """A message of transforms without rotation, as its bytes."""
    message = TFMessage()
    for parent, child, (x, y, z) in links:
        link = TransformStamped(child_frame_id=child)
        link.header.frame_id = parent
        link.header.stamp = time_message(stamp)
        link.transform.translation.x, link.transform.translation.y, link.transform.translation.z = x, y, z
        message.transforms.append(link)
    return serialize_message(message)


def in_world(point, parent=(0.0, 0.0, 0.0)):
    """A point of the camera, whose frame is the world's but for its name, in a frame that is at `parent`."""
    return tuple(value - origin for value, origin in zip((point.x, point.y, point.z), parent, strict=True))


def with_transforms(folder):
    """The sample with what its detectors saw left out and /tf in its place: the bag, and its messages in order.

    The tip is told 12 ms late and stamped between the images, the cup 40 ms late; neither in the first second, and the
    tip not after the fourth.
    """
    with AnyReader([SAMPLE]) as bag:
        recorded = [(logged, one.topic, one.msgtype, data) for one, logged, data in bag.messages()]
    begin = recorded[0][0]
    camera = next(
        deserialize_message(data, PointStamped).header.frame_id
        for _, topic, _, data in recorded
        if topic == "/ground_truth/fingertip"
    )
    fixed = transforms(0, ("world", camera, (0.0, 0.0, 0.0)), ("world", "base", BASE_IN_WORLD))
    messages = [(begin, "/tf_static", "tf2_msgs/msg/TFMessage", fixed)]
    for logged, topic, kind, data in recorded:
        if topic in ("/fingertip/detections", "/target/detections"):
            continue
        messages.append((logged, topic, kind, data))
        second = (logged - begin) // SECOND
        if topic not in ("/ground_truth/fingertip", "/ground_truth/target") or second == 0:
            continue
        truth = deserialize_message(data, PointStamped)
        stamp = nanoseconds(truth.header.stamp)
        if topic == "/ground_truth/target":
            link, late = ("world", "cup", in_world(truth.point)), 40 * MS
        elif second >= 4:
            continue
        else:
            link, late = ("base", "tip", in_world(truth.point, BASE_IN_WORLD)), 12 * MS
        moved = transforms(stamp + 7 * MS, link)
        messages.append((logged + late, "/tf", "tf2_msgs/msg/TFMessage", moved))
    messages.sort(key=lambda message: message[0])
    write(folder / "pick", messages)
    return folder / "pick", messages


def test_a_replayed_bag_of_transforms_gets_its_offline_labels_number_for_number(tmp_path):
    # given a bag without detections, and a gripper and a cube at TF frames
    settings = tmp_path / "frames.yaml"
    settings.write_text(
        "regions:\n"
        "  fingertip: {frame: tip, size_m: 0.11}\n"
        "  target: {frame: cup, size_m: 0.065}\n"
        "reward: {kind: shaped}\n"
    )
    bag, messages = with_transforms(tmp_path)
    # when it is labelled as the node would
    labels = labels_as_live(bag, settings, tmp_path / "labelled")["/spatial_reward/step_reward"]
    # then most steps are measured, by transforms from both sides, and some have none
    assert sum(step.valid for step in labels) > len(labels) / 2
    assert sum(step.reason == "no_transform" for step in labels) > 10
    assert sum(step.tf_m > 0 for step in labels) > len(labels) / 2
    # and when it is played to a node, each step is that label
    inputs = ("image", "depth", "camera_info")
    with Node(
        options=["--config", settings],
        parameters={"live.image_transport": "compressed", "live.queue_frames": 100},
        remaps=REMAPS,
        topics=TOPICS,
        image_type=CompressedImage,
        inputs=inputs,
    ) as node:
        peer = node.peer
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        peer.publishers["tf"] = peer.publisher(TFMessage, "/tf")
        peer.publishers["tf_static"] = peer.ros.create_publisher(TFMessage, "/tf_static", latched)
        both = [peer.publishers[role] for role in ("tf", "tf_static")]
        peer.until(lambda: all(one.get_subscription_count() for one in both), "the node to hear /tf")
        steps = replay_in_time(peer, messages)
        assert [values(step) for step in steps] == [values(step) for step in labels]


def without_detections(folder):
    """The sample with what its detectors saw left out: the bag, and its messages in order."""
    with AnyReader([SAMPLE]) as bag:
        recorded = [(logged, one.topic, one.msgtype, data) for one, logged, data in bag.messages()]
    messages = [one for one in recorded if one[1] not in ("/fingertip/detections", "/target/detections")]
    write(folder / "pick", messages)
    return folder / "pick", messages


def test_a_replayed_bag_of_drawn_boxes_gets_its_offline_labels_number_for_number(tmp_path):
    # given a bag without detections, a gripper that is drawn in the eleventh picture, and a target in the first
    settings = tmp_path / "drawn.yaml"
    settings.write_text(
        "regions:\n  fingertip: {box: ['353,217,430,255@0.65']}\n  target: {box: ['382,251,426,297']}\n"
    )
    bag, messages = without_detections(tmp_path)
    # when it is labelled as the node would
    labels = labels_as_live(bag, settings, tmp_path / "labelled")["/spatial_reward/step_reward"]
    # then it is followed for as long as it keeps its opening, and lost where it closes
    assert sum(step.valid for step in labels) > 35
    assert {step.reason for step in labels if not step.valid} == {"no_fingertip_box", "lost_box"}
    # and when it is played to a node, each step is that label
    with Node(
        options=["--config", settings],
        parameters={"live.image_transport": "compressed", "live.queue_frames": 100},
        remaps=REMAPS,
        topics=TOPICS,
        image_type=CompressedImage,
        inputs=("image", "depth", "camera_info"),
    ) as node:
        steps = replay(node, [(topic, logged, data) for logged, topic, _, data in messages])
        assert [values(step) for step in steps] == [values(step) for step in labels]


def replay_in_time(peer, messages):
    """Publish a bag's messages at their pace, for the node waits in its own time for what never comes: the steps."""
    images, begin, start = 0, messages[0][0], time.monotonic()
    for logged, topic, _, data in messages:
        if topic not in ROLES or ROLES[topic] not in peer.publishers:
            continue
        due = start + (logged - begin) / SECOND
        peer.until(lambda due=due: time.monotonic() >= due, "the next message's time")
        peer.publish(ROLES[topic], data)
        images += ROLES[topic] == "image"
    return peer.wait_for_steps(images)
