"""Where episodes begin and end: by service, by topic, by success; and what learners hear of it."""

import math

import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Empty, String

from node import Node
from scene import Frame, detections, enlarged, huge_picture, time_message

WITHOUT_TARGET_BOX = ("camera_info", "depth", "fingertip", "image")
# A touch is a success at once.
SUCCESS_AT_ONCE = {"success.enter_m": 0.06, "success.exit_m": 0.06, "success.hold_s": 0.0}
FAR, NEAR = Frame(gap_px=30), Frame(gap_px=10)


def test_without_any_call_everything_is_episode_0(node):
    steps = [node.peer.step_for() for _ in range(3)]
    assert [(step.episode_id, step.step) for step in steps] == [(0, 0), (0, 1), (0, 2)]


def test_a_start_without_an_end_begins_the_next_episode(peer):
    first = [peer.step_for() for _ in range(2)]
    assert peer.start_episode().success
    second = [peer.step_for() for _ in range(2)]
    episode = first[0].episode_id
    assert [(step.episode_id, step.step) for step in first] == [(episode, 0), (episode, 1)]
    assert [(step.episode_id, step.step) for step in second] == [(episode + 1, 0), (episode + 1, 1)]


def test_between_end_and_start_nothing_is_rewarded(peer):
    # given an episode that was ended
    last = peer.step_for()
    assert peer.end_episode().success
    # when frames come nevertheless, and then an episode is started
    unwanted = [peer.publish_frame() for _ in range(3)]
    peer.settle()
    assert peer.start_episode().success
    first = peer.step_for()
    # then only frames after the start are steps, of the next episode
    assert (first.episode_id, first.step, first.valid) == (last.episode_id + 1, 0, True)
    assert len(peer.steps) == 2, f"of {unwanted} some were rewarded: {peer.steps}"
    assert len(peer.rewards) <= 2


def test_an_image_from_before_the_start_is_not_rewarded_when_its_boxes_come_after(peer):
    assert peer.end_episode().success
    # given an image between end and start, whose target box is late
    stamp = peer.publish_frame(inputs=WITHOUT_TARGET_BOX)
    peer.settle()
    assert peer.start_episode().success
    # when the box comes, and a frame of the new episode
    peer.publish_frame(stamp=stamp, inputs=("target",))
    first = peer.step_for()
    # then the episode begins with that frame
    assert first.step == 0
    assert peer.steps == [first]


def test_an_ended_episode_is_truncated_once_on_the_plain_topic(peer):
    # given an episode of two steps
    for _ in range(2):
        peer.step_for()
    peer.until(lambda: len(peer.truncations) >= 2 and len(peer.dones) >= 2, "one each per step")
    # when it is ended
    assert peer.end_episode().success
    peer.until(lambda: len(peer.truncations) >= 3, "the truncation")
    # and another begins
    assert peer.start_episode().success
    peer.step_for()
    peer.until(lambda: len(peer.truncations) >= 4 and len(peer.dones) >= 3, "one each per step")
    # then that end, and nothing else, is a truncation; and none is a terminal
    assert [truncated.data for truncated in peer.truncations] == [False, False, True, False]
    assert [done.data for done in peer.dones] == [False] * 3


def test_the_end_of_an_episode_comes_after_its_last_step(peer):
    # when episodes of one step are ended as soon as that is there
    for _ in range(20):
        peer.step_for()
        assert peer.end_episode().success
        assert peer.start_episode().success
    # then the plain topic tells them in that order
    peer.until(lambda: len(peer.truncations) >= 40, "steps and ends")
    assert [truncated.data for truncated in peer.truncations] == [False, True] * 20


def test_a_step_that_comes_after_its_episode_was_ended_is_late_and_carries_its_id(peer):
    # given an episode, and an image of it that still waits for its target box
    last = peer.step_for()
    stamp = peer.publish_frame(inputs=WITHOUT_TARGET_BOX)
    peer.settle()
    # when the episode is ended, and only then the box comes
    assert peer.end_episode().success
    peer.publish_frame(stamp=stamp, inputs=("target",))
    # then the step is that episode's, and has no reward
    step = peer.step_of(stamp)
    assert (step.episode_id, step.valid, step.reason) == (last.episode_id, False, "late")
    # and the next episode is not moved by it
    assert peer.start_episode().success
    first = peer.step_for()
    assert (first.episode_id, first.step, first.valid) == (last.episode_id + 1, 0, True)


def test_a_step_that_comes_after_the_next_episode_was_started_is_late_too(peer):
    last = peer.step_for()
    stamp = peer.publish_frame(inputs=WITHOUT_TARGET_BOX)
    peer.settle()
    # when the next episode starts without an end, and only then the box comes
    assert peer.start_episode().success
    peer.publish_frame(stamp=stamp, inputs=("target",))
    # then the step is still the old episode's
    step = peer.step_of(stamp)
    assert (step.episode_id, step.valid, step.reason) == (last.episode_id, False, "late")
    first = peer.step_for()
    assert (first.episode_id, first.step, first.valid) == (last.episode_id + 1, 0, True)


def test_a_frame_that_is_being_measured_when_its_episode_ends_is_late():
    # given a frame whose picture takes long to decode
    with Node(parameters={"live.image_transport": "compressed"}, image_type=CompressedImage) as node:
        peer = node.peer
        stamp = peer.publish_frame(inputs=("camera_info", "depth"))
        peer.publish("fingertip", detections(stamp, [("fingertip", enlarged(FAR.fingertip))]))
        peer.publish("target", detections(stamp, [("target", enlarged(FAR.target))]))
        peer.settle()
        picture = huge_picture()
        picture.header.stamp = time_message(stamp)
        peer.publish("image", picture)
        # when the episode is ended meanwhile
        assert peer.end_episode().success
        assert peer.steps == []
        # then the result comes too late
        step = peer.step_of(stamp)
        assert (step.episode_id, step.valid, step.reason) == (0, False, "late")
        assert math.isnan(step.reward)


def test_an_episode_that_is_ended_cannot_be_ended_again(peer):
    assert peer.end_episode().success
    again = peer.end_episode()
    assert not again.success
    assert again.message, "it should say why"


def test_filter_progress_and_success_restart_with_the_episode():
    # given a reward that remembers the episode's first distance, and success after a hold time
    parameters = {"reward.kind": "progress", "success.enter_m": 0.2, "success.exit_m": 0.2, "success.hold_s": 0.05}
    with Node(parameters=parameters) as node:
        peer = node.peer
        first, second, third = (peer.step_for(frame) for frame in (FAR, NEAR, NEAR))
        assert first.reward == 0.0
        assert second.reward == pytest.approx(1 - NEAR.gap_m / FAR.gap_m, abs=1e-4)
        assert [step.success for step in (first, second, third)] == [False, False, True]
        # when an episode starts at the distance where the last one got to
        assert peer.start_episode().success
        again = peer.step_for(NEAR)
        # then its progress begins there, and so does the hold time
        assert (again.reward, again.success) == (0.0, False)


def test_a_success_ends_the_episode_where_it_is_to():
    with Node(parameters=SUCCESS_AT_ONCE | {"episodes.end_on_success": True}) as node:
        peer = node.peer
        # when the fingertip touches the target, goes on touching it, leaves, and comes back
        steps = [peer.step_for(frame) for frame in (FAR, NEAR, NEAR, FAR, NEAR)]
        # then each touch is one terminal, and the next frame begins an episode
        assert [step.terminated for step in steps] == [False, True, False, False, True]
        assert [(step.episode_id, step.step) for step in steps] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
        # and that is what learners hear
        peer.until(lambda: len(peer.dones) >= 5 and len(peer.truncations) >= 5, "one each per step")
        assert [done.data for done in peer.dones] == [step.terminated for step in steps]
        assert [truncated.data for truncated in peer.truncations] == [False] * 5


def test_a_success_that_ends_nothing_is_success_but_not_done():
    with Node(parameters=SUCCESS_AT_ONCE) as node:
        peer = node.peer
        steps = [peer.step_for(frame) for frame in (FAR, NEAR, NEAR)]
        assert [step.success for step in steps] == [False, True, True]
        assert {step.episode_id for step in steps} == {0}
        peer.until(lambda: len(peer.dones) >= 3, "one each per step")
        assert [done.data for done in peer.dones] == [False] * 3


@pytest.mark.parametrize("message", [String(data="reset"), Empty()], ids=["String", "Empty"])
def test_a_message_of_any_type_on_the_split_topic_begins_an_episode(message):
    with Node(parameters={"episodes.split_topic": "/environment/reset"}) as node:
        peer = node.peer
        resets = peer.publisher(type(message), "/environment/reset")
        before = [peer.step_for() for _ in range(2)]
        # when the environment says that it was reset
        peer.until(resets.get_subscription_count, "the node to hear the resets")
        resets.publish(message)
        peer.settle()
        after = [peer.step_for() for _ in range(2)]
        steps = [(step.episode_id, step.step) for step in before + after]
        assert steps == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_pause_between_images_begins_an_episode_where_it_is_to():
    with Node(parameters={"episodes.split_gap_s": 1.0}) as node:
        peer = node.peer
        peer.step_for()
        peer.next_stamp(2.0)
        step = peer.step_for()
        assert (step.episode_id, step.step, step.valid) == (1, 0, True)
