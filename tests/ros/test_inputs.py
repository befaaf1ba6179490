"""What a camera and a detector may send: transports, encodings, boxes of both types, both reliabilities,
simulated time.
"""

import numpy as np
import pytest
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, RegionOfInterest

from node import Node, Simulator
from scene import SECOND, Frame, region


def assert_measured(step, frame):
    assert step.valid, step.reason
    assert step.distance_m == pytest.approx(frame.gap_m, abs=1e-4)


@pytest.mark.parametrize("file_format", ["jpeg", "png"])
def test_compressed_images(file_format):
    with Node(parameters={"live.image_transport": "compressed"}, image_type=CompressedImage) as node:
        peer, frame = node.peer, Frame()
        stamp = peer.publish_frame(frame, inputs=("camera_info", "depth", "fingertip", "target"))
        peer.publish("image", frame.compressed_image(stamp, file_format))
        step = peer.step_of(stamp)
        assert_measured(step, frame)
        assert step.header.frame_id == "camera_color_optical_frame"
        # and one that is cut is no image
        stamp = peer.publish_frame(frame, inputs=("camera_info", "depth", "fingertip", "target"))
        cut = frame.compressed_image(stamp, file_format)
        cut.data = cut.data[: len(cut.data) // 2]
        peer.publish("image", cut)
        assert peer.step_of(stamp).reason == "no_image"


def test_compressed_depth():
    with Node(parameters={"live.depth_transport": "compressed"}, depth_type=CompressedImage) as node:
        peer, frame = node.peer, Frame()
        stamp = peer.next_stamp()
        peer.publish("depth", frame.compressed_depth(stamp))
        peer.publish_frame(frame, stamp, inputs=("camera_info", "fingertip", "target", "image"))
        assert_measured(peer.step_of(stamp), frame)


def test_depth_in_metres(peer):
    frame = Frame()
    stamp = peer.next_stamp()
    peer.publish("depth", frame.depth(stamp, encoding="32FC1"))
    peer.publish_frame(frame, stamp, inputs=("camera_info", "fingertip", "target", "image"))
    assert_measured(peer.step_of(stamp), frame)


def test_images_in_the_other_colour_order_and_with_padded_rows(peer):
    frame = Frame()
    stamp = peer.publish_frame(frame, inputs=("camera_info", "depth", "fingertip", "target"))
    width = frame.color.shape[1]
    rows = [row[:, ::-1].tobytes() + b"\0" * 20 for row in frame.color]
    peer.publish("image", frame.image(stamp, encoding="bgr8", step=3 * width + 20, data=b"".join(rows)))
    assert_measured(peer.step_of(stamp), frame)


def raw_lens_beside_rectified(frame, stamp):
    """The camera info that image_proc leaves beside rectified pictures: K and D are the raw lens's, P the picture's."""
    info = frame.camera_info(stamp)
    fx, _, cx, _, fy, cy, *_ = info.k
    info.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.k = [1.2 * fx, 0.0, cx + 8, 0.0, 1.2 * fy, cy - 5, 0.0, 0.0, 1.0]
    info.d = [-0.35, 0.12, 0.0, 0.0, 0.0]
    return info


@pytest.mark.parametrize("told_by", ["the topic's name", "the setting"])
def test_a_rectified_picture_is_measured_with_p(told_by):
    # given a rectified picture, told by its topic after remapping or by the user
    topic, parameters = "/camera/color/image_rect_color", {}
    if told_by == "the setting":
        topic, parameters = "/camera/color/image", {"topics.rectification": "rectified"}
    with Node(parameters=parameters, remaps={"image": topic}, topics={"image": topic}) as node:
        peer, frame = node.peer, Frame()
        stamp = peer.next_stamp()
        peer.publish("camera_info", raw_lens_beside_rectified(frame, stamp))
        peer.publish_frame(frame, stamp, inputs=("depth", "fingertip", "target", "image"))
        assert_measured(peer.step_of(stamp), frame)


def test_camera_infos_that_are_empty_at_first():
    with Node(parameters={}) as node:
        # given a driver that has not read its calibration yet
        peer, frame = node.peer, Frame()
        empty = frame.camera_info(peer.next_stamp())
        empty.k[:] = 0.0
        peer.publish("camera_info", empty)
        peer.settle()
        # when it has, then its frames are measured
        stamp = peer.publish_frame(frame)
        assert_measured(peer.step_of(stamp), frame)


def test_depth_in_floats_of_millimetres():
    with Node(parameters={"topics.depth_unit_m": 0.001}) as node:
        peer, frame = node.peer, Frame()
        stamp = peer.next_stamp()
        depth = frame.depth(stamp, encoding="32FC1")
        depth.data = (np.frombuffer(bytes(depth.data), np.float32) * 1000).astype(np.float32).tobytes()
        peer.publish("depth", depth)
        peer.publish_frame(frame, stamp, inputs=("camera_info", "fingertip", "target", "image"))
        assert_measured(peer.step_of(stamp), frame)


def test_boxes_as_regions_of_interest():
    # given a tracker whose boxes have no stamp: they count from when they come
    parameters = {"live.box_type": "region_of_interest", "matching.box_max_age_s": 30.0}
    with Node(parameters=parameters, box_type=RegionOfInterest) as node:
        peer, frame = node.peer, Frame()
        peer.publish("fingertip", region(frame.fingertip))
        peer.publish("target", region(frame.target))
        peer.settle()
        # when a camera that has the machine's time sends a frame
        stamp = peer.ros.get_clock().now().nanoseconds
        peer.publish_frame(frame, stamp, inputs=("camera_info", "depth", "image"))
        # then they are its boxes
        step = peer.step_of(stamp)
        assert_measured(step, frame)
        assert tuple(step.fingertip_box) == frame.fingertip
        assert tuple(step.target_box) == frame.target


def test_with_simulated_time_what_has_no_stamp_has_the_simulators():
    # given a simulator whose clock stands at 50 s, and boxes without a stamp
    parameters = {"use_sim_time": True, "live.box_type": "region_of_interest"}
    with Node(parameters=parameters, box_type=RegionOfInterest) as node:
        peer, frame = node.peer, Frame()
        simulator = Simulator(peer, 50)
        peer.publish("fingertip", region(frame.fingertip))
        peer.publish("target", region(frame.target))
        peer.settle()
        # when its camera sends a frame of that time
        peer.publish_frame(frame, simulator.now, inputs=("camera_info", "depth", "image"))
        # then the boxes are that frame's
        assert_measured(peer.step_of(simulator.now), frame)
        # and after ten simulated seconds, however long those took, they are too old
        stamp = simulator.now + 10 * SECOND
        peer.publish_frame(frame, stamp, inputs=("camera_info", "depth", "image"))
        peer.settle()
        # A frame waits for its boxes by the simulator's clock, too: it has not moved yet.
        assert len(peer.steps) == 1
        simulator.now = stamp + SECOND
        assert peer.step_of(stamp).reason == "stale_box"


CAMERA_TOPICS = ("/image", "/depth", "/camera_info")
BOX_TOPICS = ("/fingertip/detections", "/target/detections")


def reliabilities(peer):
    """The reliability of each of the node's inputs, once the whole graph is known."""

    def known():
        found = {}
        for topic in CAMERA_TOPICS + BOX_TOPICS:
            for end in peer.ros.get_subscriptions_info_by_topic(topic):
                if end.node_name == "spatial_reward":
                    found[topic] = end.qos_profile.reliability
        return found if len(found) == len(CAMERA_TOPICS + BOX_TOPICS) else None

    return peer.until(known, "the node's subscriptions in the graph")


def test_every_publisher_is_heard_by_default():
    with Node() as node:
        assert set(reliabilities(node.peer).values()) == {ReliabilityPolicy.BEST_EFFORT}


@pytest.mark.parametrize(
    ("image", "boxes"), [("reliable", "best_effort"), ("best_effort", "reliable")], ids=["images", "boxes"]
)
def test_reliability_is_by_parameter(image, boxes):
    parameters = {"live.image_reliability": image, "live.box_reliability": boxes}
    with Node(parameters=parameters) as node:
        found = {topic: quality.name.lower() for topic, quality in reliabilities(node.peer).items()}
    assert found == dict.fromkeys(CAMERA_TOPICS, image) | dict.fromkeys(BOX_TOPICS, boxes)


def test_publishers_that_may_lose_messages_are_heard():
    # given a camera and a detector that are best effort, as sensors are
    parameters = {"live.image_reliability": "best_effort", "live.box_reliability": "best_effort"}
    with Node(parameters=parameters, reliability=ReliabilityPolicy.BEST_EFFORT) as node:
        peer = node.peer

        def measured():
            peer.publish_frame()
            peer.pump(0.1)
            return [step for step in peer.steps if step.valid]

        # when they go on publishing, then rewards come
        assert_measured(peer.until(measured, "a reward")[0], Frame())
