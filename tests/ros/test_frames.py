"""Regions at TF frames, live: transforms that come in time, late, once or never, and those that make no sense."""

import math

import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage

from manager import Manager
from node import Domain, Node, Peer, Simulator, diagnosed, ros_arguments, run_to_exit
from scene import FINGERTIP_ROWS, FOCAL_PX, HEIGHT, OBJECTS_M, SECOND, TARGET, WIDTH, Frame, header

CAMERA = "camera_color_optical_frame"
INPUTS = ("camera_info", "depth", "target", "image")
WITHOUT_BOXES = ("camera_info", "depth", "image")
# The bar is as thick as its rows, and the ball ends where it does.
TIP_SIZE_M = (FINGERTIP_ROWS[1] - FINGERTIP_ROWS[0]) * OBJECTS_M / FOCAL_PX
TIP = {"regions.fingertip.frame": "tip", "regions.fingertip.size_m": TIP_SIZE_M}
CUP = {"regions.target.frame": "cup", "regions.target.size_m": 0.15}
MS = SECOND // 1000


def at_pixel(u, v):
    """The point behind a pixel at the objects' depth, in metres."""
    return [(u - WIDTH / 2) * OBJECTS_M / FOCAL_PX, (v - HEIGHT / 2) * OBJECTS_M / FOCAL_PX, OBJECTS_M]


def tip_of(frame):
    """The middle of the bar's last square."""
    return at_pixel(frame.fingertip[2] - (FINGERTIP_ROWS[1] - FINGERTIP_ROWS[0]) / 2, sum(FINGERTIP_ROWS) / 2)


def cup_of():
    x_min, y_min, x_max, y_max = TARGET
    return at_pixel((x_min + x_max) / 2, (y_min + y_max) / 2)


def transform(parent, child, stamp, xyz=(0.0, 0.0, 0.0), quaternion=(0.0, 0.0, 0.0, 1.0)):
    message = TransformStamped(header=header(stamp, parent), child_frame_id=child)
    move, turn = message.transform.translation, message.transform.rotation
    move.x, move.y, move.z = (float(value) for value in xyz)
    turn.x, turn.y, turn.z, turn.w = (float(value) for value in quaternion)
    return message


class Broadcaster:
    """/tf and /tf_static of a peer, as tf2's broadcasters publish them."""

    def __init__(self, peer, wait=True, moves=True):
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.fixed = peer.ros.create_publisher(TFMessage, "/tf_static", latched)
        self.moving = peer.publisher(TFMessage, "/tf") if moves else None
        if wait:
            heard = [one for one in (self.moving, self.fixed) if one]
            peer.until(lambda: all(one.get_subscription_count() for one in heard), "the node to hear /tf")

    def move(self, *args, **kwargs):
        self.moving.publish(TFMessage(transforms=[transform(*args, **kwargs)]))

    def fix(self, *args, **kwargs):
        self.fixed.publish(TFMessage(transforms=[transform(*args, **kwargs)]))


@pytest.fixture
def robot():
    """A node whose fingertip is at a frame, and who tells where that is."""
    with Node(parameters=TIP, inputs=INPUTS) as node:
        yield node.peer, Broadcaster(node.peer)


def assert_at_tip(step, frame):
    assert step.valid, step.reason
    assert step.fingertip_origin == "frame"
    assert step.distance_m == pytest.approx(frame.gap_m, abs=2e-3)
    _, y_min, x_max, y_max = step.fingertip_box
    # A ball looks a little larger than the disc through its middle, and a pixel's middle is half a pixel from its edge.
    assert (x_max, y_min, y_max) == pytest.approx((frame.fingertip[2], *FINGERTIP_ROWS), abs=0.75)


def test_a_tip_that_moves_is_where_it_was_between_two_transforms(robot):
    peer, tf = robot
    # given a camera on a mast that turns its axes, and a tip that approaches
    quarter = (0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5))
    tf.fix("base", CAMERA, 0, quaternion=quarter)
    for gap in (40, 34, 28):
        frame = Frame(gap_px=gap)
        x, y, z = tip_of(frame)
        stamp = peer.next_stamp(1 / 10)
        peer.publish_frame(frame, stamp, inputs=INPUTS)
        # when transforms come from 10 ms before and after the image
        for at, shift in ((stamp - 10 * MS, -0.02), (stamp + 10 * MS, 0.02)):
            tf.move("base", "tip", at, (-y, x + shift, z))
        # then the region is in the middle
        step = peer.step_of(stamp)
        assert_at_tip(step, frame)
        assert step.fingertip_age_s == pytest.approx(0.01)
        assert math.isnan(step.tf_m)


def test_transforms_that_come_after_their_image_are_waited_for(robot):
    peer, tf = robot
    frame = Frame()
    # given an image behind the newest transform, which would hold for as long
    stamp = peer.next_stamp()
    tf.move(CAMERA, "tip", stamp - 20 * MS, tip_of(frame))
    peer.publish_frame(frame, stamp, inputs=INPUTS)
    peer.pump(0.15)
    assert peer.steps == []
    # when the next one comes
    tf.move(CAMERA, "tip", stamp + 20 * MS, tip_of(frame))
    # then the image is measured with both
    step = peer.step_of(stamp)
    assert_at_tip(step, frame)
    assert step.fingertip_age_s == pytest.approx(0.02)


def test_static_transforms_that_were_said_before_the_node_came():
    domain = Domain()
    peer = Peer(domain.id, inputs=())
    try:
        # given two publishers that have said everything once
        for _ in range(2):
            early = Broadcaster(peer, wait=False)
            early.fix("base", CAMERA, 0)
        early.fix("base", "tip", 0, tip_of(Frame()))
        early.fix("base", "cup", 0, cup_of())
        # when a node starts whose regions are both at frames, then it measures its first image, without a detector
        with Node(parameters=TIP | CUP, inputs=WITHOUT_BOXES, domain_id=domain.id) as node:
            peer.until(early.fixed.get_subscription_count, "the node to hear /tf_static")
            step = node.peer.step_for(inputs=WITHOUT_BOXES)
            assert_at_tip(step, Frame())
            assert (step.target_origin, step.target_age_s) == ("frame", 0.0)
            assert step.tf_m == pytest.approx(math.dist(tip_of(Frame()), cup_of()))
    finally:
        peer.close()
        domain.close()


def test_a_frame_that_appears_late_is_named_until_then(robot):
    peer, tf = robot
    # given nobody who knows the tip
    tf.fix("base", CAMERA, 0)
    peer.settle()
    status, values = diagnosed(peer, "inputs")
    assert status.level == b"\x01"
    for words in ("'tip'", f"there are base, {CAMERA}"):
        assert words in status.message
        assert words in values["no_transform"]
    # then images are invalid once the wait is over
    step = peer.step_for(inputs=INPUTS)
    assert (step.valid, step.reason) == (False, "no_transform")
    # when it appears, then they are measured, and nothing is waited for
    tf.fix("base", "tip", 0, tip_of(Frame()))
    peer.settle()
    assert_at_tip(peer.step_for(inputs=INPUTS), Frame())
    status, values = diagnosed(peer, "inputs")
    assert (status.level, status.message) == (b"\x00", "every input comes")
    assert "no_transform" not in values


def test_a_tip_that_is_not_told_any_more_is_no_transform(robot):
    peer, tf = robot
    stamp = peer.next_stamp()
    tf.move(CAMERA, "tip", stamp, tip_of(Frame()))
    # given a last transform that is 60 ms old, and then 300 ms
    for late_ms, reason in ((60, ""), (300, "no_transform")):
        peer.publish_frame(Frame(), stamp + late_ms * MS, inputs=INPUTS)
        assert peer.step_of(stamp + late_ms * MS).reason == reason
    _, values = diagnosed(peer, "inputs")
    assert "0.300 s old" in values["no_transform"]


def test_frames_in_a_circle(robot):
    peer, tf = robot
    tf.fix("base", CAMERA, 0)
    stamp = peer.next_stamp()
    for at in (stamp - 10 * MS, stamp + 10 * MS):
        tf.move("tip", "wrist", at)
        tf.move("wrist", "tip", at)
    peer.publish_frame(stamp=stamp, inputs=INPUTS)
    assert peer.step_of(stamp).reason == "no_transform"
    _, values = diagnosed(peer, "inputs")
    assert "circle" in values["no_transform"] and "wrist" in values["no_transform"]


def test_a_tip_with_two_parents(robot):
    peer, tf = robot
    tf.fix("base", CAMERA, 0)
    tf.fix("map", "base", 0)
    stamp = peer.next_stamp()
    for number in range(-3, 4):
        tf.move(("base", "map")[number % 2], "tip", stamp + number * 5 * MS, tip_of(Frame()))
    peer.publish_frame(stamp=stamp, inputs=INPUTS)
    assert peer.step_of(stamp).reason == "no_transform"
    _, values = diagnosed(peer, "inputs")
    assert "two parents" in values["no_transform"]


NO_TRANSFORMS = {
    "not finite": lambda stamp: transform(CAMERA, "tip", stamp, (math.nan, 0, 1)),
    "length 0": lambda stamp: transform(CAMERA, "tip", stamp, quaternion=(0, 0, 0, 0)),
    "names no frame for its parent": lambda stamp: transform("", "tip", stamp),
    "names no frame for its child": lambda stamp: transform(CAMERA, "", stamp),
    "in a circle": lambda stamp: transform("tip", "/tip", stamp),
}


def test_what_is_no_transform_is_left_out_and_told(robot):
    peer, tf = robot
    # given messages of which one part makes no sense, and some that are cut
    stamp = peer.next_stamp()
    good = transform(CAMERA, "tip", stamp, tip_of(Frame()))
    for make in NO_TRANSFORMS.values():
        tf.moving.publish(TFMessage(transforms=[make(stamp - MS), good]))
        tf.fixed.publish(TFMessage(transforms=[make(0)]))
    for publisher in (tf.moving, tf.fixed):
        publisher.publish(b"\0\1\0\0\xff\xff\xff\xff")
    peer.publish_frame(stamp=stamp, inputs=INPUTS)
    # then what is left counts
    assert_at_tip(peer.step_of(stamp), Frame())
    _, values = diagnosed(peer, "inputs")
    for words in NO_TRANSFORMS:
        assert words in values["transforms_left_out"]
    assert values["transforms_unreadable"] == "1"
    assert values["static_transforms_unreadable"] == "1"


def test_a_wild_stamp_among_the_transforms_is_not_the_newest(robot):
    peer, tf = robot
    # given one transform of another century
    stamp = peer.next_stamp()
    tf.move(CAMERA, "tip", stamp - 10 * MS, tip_of(Frame()))
    tf.move(CAMERA, "tip", 2_000_000_000 * SECOND, (9.0, 9.0, 9.0))
    peer.publish_frame(stamp=stamp, inputs=INPUTS)
    peer.pump(0.15)
    # then the image still waits for the next
    assert peer.steps == []
    tf.move(CAMERA, "tip", stamp, tip_of(Frame()))
    assert_at_tip(peer.step_of(stamp), Frame())


def test_many_publishers_of_transforms_were_heard_one_at_a_time(robot):
    peer, tf = robot
    # given as many transforms as a large robot tells in half a second, that of the tip last
    stamp = peer.next_stamp()
    for number in range(600):
        tf.move("base", f"joint_{number % 60}", stamp + number)
    tf.move(CAMERA, "tip", stamp, tip_of(Frame()))
    # when an image comes with them, then none is lost, and it is not too late for any
    peer.publish_frame(stamp=stamp, inputs=INPUTS)
    assert_at_tip(peer.step_of(stamp), Frame())
    _, values = diagnosed(peer, "inputs")
    assert values["transforms_received"] == "601"


def test_a_simulator_that_starts_over_was_given_the_places_of_before():
    with Node(parameters=TIP | {"use_sim_time": True}, inputs=INPUTS) as node:
        peer = node.peer
        tf = Broadcaster(peer)
        # given static transforms that were said before the clock began
        tf.fix("world", CAMERA, 0)
        peer.settle()
        simulator = Simulator(peer, 50)
        # when it runs, and starts over, with the tip somewhere else
        for now, gap in ((50 * SECOND, 40), (51 * SECOND, 30), (5 * SECOND, 20), (6 * SECOND, 10)):
            simulator.set(now)
            tf.move("world", "tip", now, tip_of(Frame(gap_px=gap)))
            peer.publish_frame(Frame(gap_px=gap), now, inputs=INPUTS)
        # then each image has the place of its own time
        for stamp, gap in ((50 * SECOND, 40), (51 * SECOND, 30), (5 * SECOND, 20), (6 * SECOND, 10)):
            assert_at_tip(peer.step_of(stamp), Frame(gap_px=gap))


def test_static_transforms_outlast_what_a_managed_node_is_told():
    with Node(parameters=TIP | {"live.managed": True}, inputs=INPUTS, connect=False) as node:
        manager, peer = Manager(node), node.peer
        manager.reach("active")
        # given static transforms that are said once
        tf = Broadcaster(peer, moves=False)
        tf.fix(CAMERA, "tip", 0, tip_of(Frame()))
        assert_at_tip(rewarded(peer), Frame())
        # when the node falls silent, forgets its settings and is activated again
        for transition in (4, 2, 1, 3):
            assert manager.change(transition), transition
        peer.forget()
        # then it still knows them, and none of its subscriptions is left behind
        assert_at_tip(rewarded(peer), Frame())
        peer.until(lambda: peer.ros.count_subscribers("/tf_static") == 1, "the end of the former subscription")


def rewarded(peer):
    """Frames are published until one is rewarded, for the ends have to find each other: its step."""

    def step():
        peer.publish_frame(inputs=INPUTS)
        peer.pump(0.1)
        return [step for step in peer.steps if step.valid]

    return peer.until(step, "a valid step")[0]


def test_a_frame_and_a_topic_for_one_region_are_refused():
    code, log = run_to_exit(*ros_arguments(TIP | {"topics.fingertip": "/boxes"}))
    assert code != 0
    assert "regions.fingertip.frame" in log and "one source" in log


def test_a_size_of_a_fixed_box_was_ignored_without_a_word():
    code, log = run_to_exit(*ros_arguments({"regions.target.fixed": "1,2,3,4", "regions.target.size_m": 0.1}))
    assert code != 0
    assert "regions.target.size_m" in log and "where a box is drawn" in log


def test_names_that_cannot_be_told_as_they_are(robot):
    peer, tf = robot
    # given frames whose names have a zero byte, are no UTF-8, or are longer than anybody reads
    plain = serialize_message(TFMessage(transforms=[transform("base", "abc", 0)]))
    for spoilt in (b"a\0c", b"a\xffc", b"\xed\xa0\x80"):
        tf.fixed.publish(plain.replace(b"abc", spoilt))
    tf.fix("base", "x" * 1_000_000, 0)
    peer.settle()
    # then what is told of the frame that is missing comes, and can be read
    status, values = diagnosed(peer, "inputs")
    assert "'tip'" in status.message and "base" in values["no_transform"]
    assert len(values["no_transform"]) < 5000
    # and those with a name still count
    tf.fix(CAMERA, "tip", 0, tip_of(Frame()))
    peer.settle()
    assert_at_tip(peer.step_for(inputs=INPUTS), Frame())
