"""Which depth, boxes and intrinsics belong to an image, and what a frame is called that lacks some."""

import math

import numpy
import pytest
from rclpy.serialization import serialize_message

from node import INPUTS, Node
from scene import HEIGHT, SECOND, WIDTH, Frame, detections, nanoseconds

EVERYTHING_BUT_BOXES = ("camera_info", "depth", "image")


@pytest.fixture(scope="module")
def hasty_node():
    with Node(parameters={}) as node:
        yield node


@pytest.fixture
def hasty(hasty_node):
    """A peer of a node that waits for missing inputs as long as the default says, half a second."""
    hasty_node.peer.fresh_episode()
    return hasty_node.peer


def assert_measured(step, frame):
    """The step is valid and has the distance that the scene was built with."""
    assert step.valid, step.reason
    assert step.reason == ""
    assert step.distance_m == pytest.approx(frame.gap_m, abs=1e-4)
    assert step.reward == -step.distance_m


def assert_invalid(step, reason):
    assert (step.valid, step.reason) == (False, reason)
    assert math.isnan(step.distance_m) and math.isnan(step.reward) and math.isnan(step.shaped_reward)
    assert not step.success and not step.terminated


def test_stamps_frame_ids_and_step_numbers_are_the_images(peer):
    # given frames of different distances, a third of a second apart
    frames = [Frame(gap_px=gap) for gap in (40, 35, 30, 25)]
    stamps = [peer.next_stamp(1 / 3) for _ in frames]
    # when they are published
    for frame, stamp in zip(frames, stamps, strict=True):
        peer.publish_frame(frame, stamp)
        peer.step_of(stamp)
    # then each step carries its image's header, and they are counted within one episode
    steps = peer.steps
    assert [nanoseconds(step.header.stamp) for step in steps] == stamps
    assert {step.header.frame_id for step in steps} == {"camera_color_optical_frame"}
    assert [step.step for step in steps] == [0, 1, 2, 3]
    assert len({step.episode_id for step in steps}) == 1
    for step, frame in zip(steps, frames, strict=True):
        assert_measured(step, frame)
        assert tuple(step.fingertip_box) == frame.fingertip
        assert tuple(step.target_box) == frame.target
        assert (step.estimator, step.distance_kind, step.reward_kind) == ("geometry", "surface", "dense")
    # and every reward goes out once on the plain topics, too
    peer.until(lambda: min(len(peer.rewards), len(peer.dones), len(peer.truncations)) >= 4, "rewards")
    assert [reward.data for reward in peer.rewards] == [step.reward for step in steps]
    assert [done.data for done in peer.dones] == [False] * 4
    assert [truncated.data for truncated in peer.truncations] == [False] * 4


def test_boxes_that_come_after_their_image_are_waited_for(peer):
    # given an image, its depth and intrinsics, whose boxes are not there yet
    frame = Frame()
    stamp = peer.publish_frame(frame, inputs=EVERYTHING_BUT_BOXES)
    peer.settle()
    assert peer.steps == []
    # when the boxes come
    peer.publish_frame(frame, stamp, inputs=("fingertip", "target"))
    # then the frame is measured with them
    assert_measured(peer.step_of(stamp), frame)


def test_a_target_that_the_detector_does_not_see_is_no_target_box(peer):
    # given a detector that looked and saw no target
    stamp = peer.publish_frame(inputs=(*EVERYTHING_BUT_BOXES, "fingertip"))
    peer.publish("target", detections(stamp, []))
    # then that is the reason
    step = peer.step_of(stamp)
    assert_invalid(step, "no_target_box")
    assert tuple(step.fingertip_box) == Frame().fingertip
    assert all(math.isnan(edge) for edge in step.target_box)
    assert math.isnan(peer.until(lambda: peer.rewards, "the reward")[0].data)


def test_a_fingertip_that_the_detector_does_not_see_is_no_fingertip_box(peer):
    stamp = peer.publish_frame(inputs=(*EVERYTHING_BUT_BOXES, "target"))
    peer.publish("fingertip", detections(stamp, []))
    assert_invalid(peer.step_of(stamp), "no_fingertip_box")


def test_a_box_that_is_too_old_is_stale(hasty):
    # given a frame with its boxes
    first = hasty.step_for()
    assert first.valid
    # when the next one comes three tenths of a second later without a target box
    stamp = hasty.next_stamp(0.3)
    hasty.publish_frame(stamp=stamp, inputs=(*EVERYTHING_BUT_BOXES, "fingertip"))
    # then the old box is not used for it
    assert_invalid(hasty.step_of(stamp), "stale_box")


def test_a_box_within_its_age_serves_the_next_image_too(hasty):
    frame = Frame()
    assert_measured(hasty.step_for(frame), frame)
    # when an image comes 50 ms later without a target box of its own, then the last one serves
    stamp = hasty.next_stamp(0.05)
    hasty.publish_frame(frame, stamp, inputs=(*EVERYTHING_BUT_BOXES, "fingertip"))
    assert_measured(hasty.step_of(stamp), frame)


def test_the_order_in_which_the_streams_arrive_does_not_matter(peer):
    # given three frames of different distances
    frames = [Frame(gap_px=gap) for gap in (40, 30, 20)]
    stamps = [peer.next_stamp() for _ in frames]
    # when all boxes come first, the target's before the fingertip's, then depth, and the images last
    for role in ("target", "fingertip", "depth", "camera_info", "image"):
        for frame, stamp in zip(frames, stamps, strict=True):
            peer.publish_frame(frame, stamp, inputs=(role,))
    # then each is measured with its own
    steps = peer.wait_for_steps(3)
    assert [nanoseconds(step.header.stamp) for step in steps] == stamps
    for step, frame in zip(steps, frames, strict=True):
        assert_measured(step, frame)


def test_images_whose_boxes_come_in_the_other_order_are_rewarded_in_order(peer):
    # given two images whose streams cross: one's fingertip box comes before the other's target box
    frames = [Frame(gap_px=gap) for gap in (40, 20)]
    stamps = [peer.next_stamp() for _ in frames]
    for frame, stamp in zip(frames, stamps, strict=True):
        peer.publish_frame(frame, stamp, inputs=EVERYTHING_BUT_BOXES)
    peer.publish_frame(frames[0], stamps[0], inputs=("fingertip",))
    peer.publish_frame(frames[1], stamps[1], inputs=("fingertip",))
    peer.publish_frame(frames[0], stamps[0], inputs=("target",))
    peer.publish_frame(frames[1], stamps[1], inputs=("target",))
    steps = peer.wait_for_steps(2)
    assert [nanoseconds(step.header.stamp) for step in steps] == stamps
    for step, frame in zip(steps, frames, strict=True):
        assert_measured(step, frame)


def test_a_frame_without_depth_is_no_depth(hasty):
    stamp = hasty.publish_frame(inputs=("camera_info", "fingertip", "target", "image"))
    assert_invalid(hasty.step_of(stamp), "no_depth")
    # and the next frame, with depth, is measured
    assert_measured(hasty.step_for(), Frame())


def test_a_box_outside_the_image_is_said_so(peer):
    stamp = peer.publish_frame(inputs=(*EVERYTHING_BUT_BOXES, "fingertip"))
    peer.publish("target", detections(stamp, [("target", (400.0, 300.0, 420.0, 320.0))]))
    assert_invalid(peer.step_of(stamp), "box_outside_image")


def test_a_frame_that_is_cut_is_no_image_and_the_node_lives_on(peer):
    # given an image that has fewer bytes than its rows need
    frame = Frame()
    stamp = peer.next_stamp()
    cut = frame.image(stamp, data=frame.color.tobytes()[: 3 * WIDTH * HEIGHT // 2])
    peer.publish("image", cut)
    peer.publish_frame(frame, stamp, inputs=("depth", "camera_info", "fingertip", "target"))
    # then it is a step without an image
    assert_invalid(peer.step_of(stamp), "no_image")
    # and the next frame is measured, in the same episode
    following = peer.step_for(frame)
    assert_measured(following, frame)
    assert (following.episode_id, following.step) == (peer.steps[0].episode_id, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"encoding": "no_such_encoding"},
        {"height": 0, "data": b""},
        {"width": 2**31, "height": 2**31, "step": 2**31},
        {"step": 1},
    ],
    ids=["encoding", "no rows", "gigantic", "step below the row"],
)
def test_a_frame_that_makes_no_sense_is_no_image_and_the_node_lives_on(changes, peer):
    frame = Frame()
    stamp = peer.next_stamp()
    peer.publish("image", frame.image(stamp, **changes))
    peer.publish_frame(frame, stamp, inputs=("depth", "camera_info", "fingertip", "target"))
    assert_invalid(peer.step_of(stamp), "no_image")
    assert_measured(peer.step_for(frame), frame)


def test_depth_that_is_cut_is_depth_invalid_and_the_node_lives_on(peer):
    frame = Frame()
    stamp = peer.next_stamp()
    depth = frame.depth(stamp)
    depth.data = depth.data[: len(depth.data) // 2]
    peer.publish("depth", depth)
    peer.publish_frame(frame, stamp, inputs=("image", "camera_info", "fingertip", "target"))
    assert_invalid(peer.step_of(stamp), "depth_invalid")
    assert_measured(peer.step_for(frame), frame)


def test_depth_without_a_measurement_in_the_boxes_is_depth_invalid(peer):
    frame = Frame()
    stamp = peer.next_stamp()
    depth = frame.depth(stamp)
    depth.data = numpy.zeros_like(frame.depth_mm).tobytes()
    peer.publish("depth", depth)
    peer.publish_frame(frame, stamp, inputs=("image", "camera_info", "fingertip", "target"))
    assert_invalid(peer.step_of(stamp), "depth_invalid")


def test_an_image_older_than_the_last_rewarded_one_is_late(peer):
    # given a frame that has been rewarded
    early, stamp = peer.next_stamp(), peer.next_stamp()
    peer.publish_frame(stamp=stamp)
    assert peer.step_of(stamp).valid
    # when one from before it comes
    peer.publish_frame(stamp=early)
    # then its step says so
    assert_invalid(peer.step_of(early), "late")


def test_stamps_that_jump_back_begin_an_episode_that_uses_no_old_box():
    # given a node that has seen frames with boxes, in a simulator at 1000 s
    with Node(parameters={}) as node:
        peer = node.peer
        frame = Frame()
        before = [peer.step_for(frame) for _ in range(2)]
        assert [(step.episode_id, step.step) for step in before] == [(0, 0), (0, 1)]
        # when the simulator starts over, and its detectors are slow to answer
        stamp = 5 * SECOND
        peer.publish_frame(frame, stamp, inputs=EVERYTHING_BUT_BOXES)
        # then that is a new episode, which has seen no box yet
        step = peer.step_of(stamp)
        assert (step.episode_id, step.step) == (1, 0)
        assert_invalid(step, "no_fingertip_box")
        # and goes on with boxes of its own
        stamp += SECOND // 30
        peer.publish_frame(frame, stamp)
        step = peer.step_of(stamp)
        assert (step.episode_id, step.step) == (1, 1)
        assert_measured(step, frame)


def test_the_first_frames_wait_for_the_camera_info():
    # given a camera whose intrinsics come last, and a node that waits for them
    with Node(parameters={"matching.wait_s": 30.0}) as node:
        peer = node.peer
        frames = [Frame(gap_px=gap) for gap in (40, 30)]
        without_info = [role for role in INPUTS if role != "camera_info"]
        stamps = [peer.publish_frame(frame, inputs=without_info) for frame in frames]
        peer.settle()
        assert peer.steps == []
        # when they come
        peer.publish_frame(frames[1], stamps[1], inputs=("camera_info",))
        # then the frames that waited are measured with them
        steps = peer.wait_for_steps(2)
        assert [nanoseconds(step.header.stamp) for step in steps] == stamps
        for step, frame in zip(steps, frames, strict=True):
            assert_measured(step, frame)
        # and from then on no frame waits for more
        stamp = peer.publish_frame(frames[0], inputs=without_info)
        assert_measured(peer.step_of(stamp), frames[0])


@pytest.mark.parametrize(
    ("parameters", "fingertip_class", "target_class"),
    [
        ({}, "fingertip", "target"),
        ({"topics.fingertip_class": ["gripper"], "topics.target_class": ["mug", "cup"]}, "gripper", "cup"),
    ],
    ids=["the usual classes", "classes by parameter"],
)
def test_boxes_on_one_shared_topic_are_told_apart_by_class(parameters, fingertip_class, target_class):
    # given one detector for everything
    topics = {"fingertip": "detections", "target": "detections"}
    remaps = {"fingertip/detections": "detections", "target/detections": "detections"}
    with Node(
        parameters=parameters, remaps=remaps, topics=topics, inputs=("image", "depth", "camera_info", "fingertip")
    ) as node:
        peer = node.peer
        frame = Frame()
        # when it sees the target first, then something else, then the fingertip
        stamp = peer.publish_frame(frame, inputs=EVERYTHING_BUT_BOXES)
        seen = [(target_class, frame.target), ("person", (0.0, 0.0, 9.0, 9.0)), (fingertip_class, frame.fingertip)]
        peer.publish("fingertip", detections(stamp, seen))
        # then each box is taken for what it is
        step = peer.step_of(stamp)
        assert_measured(step, frame)
        assert tuple(step.fingertip_box) == frame.fingertip
        assert tuple(step.target_box) == frame.target
        # and a message with one of them alone says that the other is not there
        stamp = peer.publish_frame(frame, inputs=EVERYTHING_BUT_BOXES)
        peer.publish("fingertip", detections(stamp, [(fingertip_class, frame.fingertip)]))
        assert_invalid(peer.step_of(stamp), "no_target_box")


def test_a_broken_message_of_boxes_is_left_out_and_the_node_lives_on(peer):
    # given bytes on a detections topic that are no detections
    frame = Frame()
    stamp = peer.publish_frame(frame, inputs=(*EVERYTHING_BUT_BOXES, "fingertip"))
    whole = frame.target_boxes(stamp)
    peer.publish("target", serialize_message(whole)[:30])
    # then they are no boxes, and the right ones still count
    peer.publish("target", whole)
    assert_measured(peer.step_of(stamp), frame)
