"""A replayed bag gets the rewards live that `label` gives it offline, number for number."""

import math

import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage

from conftest import ROOT
from node import Node
from scene import nanoseconds
from spatial_reward.msg import StepReward

TOPICS = {
    "image": "/camera/color/image_raw/compressed",
    "depth": "/camera/aligned_depth_to_color/image_raw",
    "camera_info": "/camera/color/camera_info",
    "fingertip": "/fingertip/detections",
    "target": "/target/detections",
}
ROLES = {topic: role for role, topic in TOPICS.items()}
REMAPS = {role: topic for role, topic in TOPICS.items() if role not in ("fingertip", "target")}
LATENCIES = {"latency_decode_s", "latency_estimate_s", "latency_total_s"}
# Frames between the image that was published last and the step that came last.
IN_FLIGHT = 3


def values(step):
    """The fields of a StepReward of rclpy or of rosbags, without latencies, as things that compare."""
    fields = set(StepReward.get_fields_and_field_types()) - LATENCIES - {"header"}
    stamp = step.header.stamp
    plain = {"stamp": nanoseconds(Time(sec=stamp.sec, nanosec=stamp.nanosec)), "frame_id": step.header.frame_id}
    for field in fields:
        value = getattr(step, field)
        if not isinstance(value, str | bool):
            # NaN is not equal to itself, but its name is.
            value = [repr(float(number)) for number in (value if hasattr(value, "__len__") else [value])]
        plain[field] = value
    return plain


def replay(node, messages):
    """Publish a bag's messages, as fast as the rewards come back: the steps."""
    peer = node.peer
    images = 0
    for topic, _, data in messages:
        if topic not in ROLES:
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
