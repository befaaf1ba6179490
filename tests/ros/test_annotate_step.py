"""The synchronous way: ~/annotate_step takes a frame and gives its reward, in parallel, bounded in time
and number.
"""

import math
import signal
import time

import pytest
from builtin_interfaces.msg import Duration
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from conftest import SAMPLE
from node import Node
from scene import PATIENT, SECOND, Frame, request_for, slow_request
from spatial_reward.srv import AnnotateStep
from test_replay import TOPICS, values

Response = AnnotateStep.Response
NOT_DETECTED = [math.nan] * 4


def distance_of(response):
    assert response.status == Response.DONE, response.message
    assert response.step.valid, response.step.reason
    return response.step.distance_m


@pytest.fixture(scope="session")
def sample_calls():
    """For each image of the sample bag the call that asks for its reward, without a series."""
    types = {
        "image": CompressedImage,
        "depth": Image,
        "camera_info": CameraInfo,
        "fingertip": Detection2DArray,
        "target": Detection2DArray,
    }
    messages = {}
    with AnyReader([SAMPLE]) as bag:
        for role, topic in TOPICS.items():
            raw = [data for _, _, data in bag.messages([c for c in bag.connections if c.topic == topic])]
            messages[role] = [deserialize_message(data, types[role]) for data in raw]

    def box(array):
        found = array.detections[0].bbox
        x, y = found.center.position.x, found.center.position.y
        return [x - found.size_x / 2, y - found.size_y / 2, x + found.size_x / 2, y + found.size_y / 2]

    def of_same_stamp(role, image):
        return next(message for message in messages[role] if message.header.stamp == image.header.stamp)

    return [
        AnnotateStep.Request(
            compressed_image=image,
            depth=of_same_stamp("depth", image),
            camera_info=of_same_stamp("camera_info", image),
            fingertip_box=box(of_same_stamp("fingertip", image)),
            target_box=box(of_same_stamp("target", image)),
            deadline=PATIENT,
        )
        for image in messages["image"]
    ]


def test_calls_in_a_row_equal_the_offline_labels(peer, label, sample_calls):
    # given the labels of a bag
    labels = label()
    # when every eighth of its frames is asked for, as the first of an episode
    for index in range(0, len(labels), 8):
        call = sample_calls[index]
        call.series, call.start_episode = "sample", True
        response = peer.annotate(call)
        assert response.status == Response.DONE, response.message
        # then the answer is that label, but for its place in an episode of its own
        answered, labelled = values(response.step), values(labels[index])
        assert response.step.step == 0
        for place in ("episode_id", "step", "success", "shaped_reward", "terminated"):
            del answered[place], labelled[place]
        assert answered == labelled


def test_a_call_says_nothing_on_the_topics(peer):
    # Topics carry the camera's rewards; who asks has the answer.
    assert distance_of(peer.annotate(request_for(Frame(), series="quiet"))) > 0
    peer.pump(0.3)
    assert (peer.steps, peer.rewards) == ([], [])


def test_a_call_neither_waits_for_nor_moves_the_episode_on_the_topics(peer):
    before = peer.step_for()
    peer.annotate(request_for(Frame(), series="aside", start_episode=True))
    after = peer.step_for()
    assert (after.episode_id, after.step) == (before.episode_id, before.step + 1)


def test_a_series_is_an_episode_that_its_caller_divides(peer):
    far, near = Frame(gap_px=30), Frame(gap_px=15)

    def ask(frame, **changes):
        response = peer.annotate(request_for(frame, series="divided", **changes))
        assert response.status == Response.DONE, response.message
        return response.step.episode_id, response.step.step

    # A name that was never used begins an episode.
    episode, step = ask(far)
    assert step == 0
    assert [ask(near), ask(near)] == [(episode, 1), (episode, 2)]
    assert [ask(far, start_episode=True), ask(near)] == [(episode + 1, 0), (episode + 1, 1)]


def test_several_callers_at_once_each_get_their_own_series_answers():
    """Four environments that run side by side, each asking for its next frame as soon as it has the last
    answer, with a reward that depends on what the series saw before.
    """
    with Node(parameters={"reward.kind": "progress"}) as node:
        peer = node.peer
        gaps = {f"environment_{i}": [40 - 3 * i - 5 * step for step in range(5)] for i in range(4)}
        clients = {name: peer.ros.create_client(AnnotateStep, f"{peer.private}/annotate_step") for name in gaps}
        peer.until(lambda: all(client.service_is_ready() for client in clients.values()), "the service")
        peer.connect()
        answers = {name: [] for name in gaps}

        def ask_next(name, future=None):
            if future:
                answers[name].append(future.result())
            if len(answers[name]) < len(gaps[name]):
                frame = Frame(gap_px=gaps[name][len(answers[name])])
                asked = clients[name].call_async(request_for(frame, series=name))
                asked.add_done_callback(lambda done: ask_next(name, done))

        # when all ask at the same time
        for name in gaps:
            ask_next(name)
        peer.until(lambda: all(len(answers[name]) == 5 for name in gaps), "every answer")
        # then each is answered as if it were alone
        for name, pixels in gaps.items():
            distances = [distance_of(answer) for answer in answers[name]]
            assert distances == pytest.approx([Frame(gap_px=gap).gap_m for gap in pixels], abs=1e-4)
            assert [answer.step.step for answer in answers[name]] == [0, 1, 2, 3, 4]
            progress = [1 - distance / distances[0] for distance in distances]
            assert [answer.step.reward for answer in answers[name]] == pytest.approx(progress, abs=1e-9)


def test_more_calls_than_may_wait_are_told_that_the_node_is_busy():
    # given a node where two calls may wait
    with Node(parameters={"live.calls_waiting": 2}) as node:
        peer = node.peer
        client = peer.client("annotate_step")
        # when ten come at once, each of some work
        futures = [client.call_async(slow_request(series=f"caller_{i}")) for i in range(10)]
        peer.until(lambda: all(future.done() for future in futures), "ten answers")
        responses = [future.result() for future in futures]
        # then those that there is room for are done, and the others hear that there is not
        done = [response for response in responses if response.status == Response.DONE]
        busy = [response for response in responses if response.status == Response.BUSY]
        assert len(done) >= 2 and len(busy) >= 1
        assert len(done) + len(busy) == 10
        assert all(response.step.valid for response in done)
        for response in busy:
            assert not response.step.valid and math.isnan(response.step.reward)
            assert "live.calls_waiting" in response.message
        # and when it is quiet again there is room again
        assert distance_of(peer.annotate(request_for(Frame()))) == pytest.approx(Frame().gap_m, abs=1e-4)


def test_a_call_past_its_deadline_is_late_and_hears_it_at_once(peer):
    # given calls of much work, and one behind them that cannot wait
    client = peer.client("annotate_step")
    slow = [client.call_async(slow_request(series=f"slow_{i}")) for i in range(5)]
    hurried = client.call_async(request_for(Frame(), series="hurried", deadline=Duration(nanosec=1_000_000)))
    peer.until(hurried.done, "the hurried answer")
    # then it is late, has no reward, and did not have to wait for the others to hear so
    response = hurried.result()
    assert response.status == Response.LATE, response.message
    assert (response.step.valid, response.step.reason) == (False, "late")
    assert math.isnan(response.step.reward)
    assert not all(future.done() for future in slow)
    # and those are done in their time
    peer.until(lambda: all(future.done() for future in slow), "the other answers")
    assert [future.result().status for future in slow] == [Response.DONE] * 5


def test_a_call_without_a_deadline_has_the_nodes():
    with Node(parameters={"live.call_deadline_s": 0.001}) as node:
        peer = node.peer
        response = peer.annotate(slow_request(deadline=Duration()))
        assert (response.status, response.step.reason) == (Response.LATE, "late")
        assert peer.annotate(slow_request(deadline=PATIENT)).status == Response.DONE


def test_a_late_call_moves_nothing_in_its_series(peer):
    first = peer.annotate(request_for(Frame(gap_px=30), series="hasty"))
    peer.annotate(slow_request(series="hasty", deadline=Duration(nanosec=1)))
    following = peer.annotate(request_for(Frame(gap_px=20), series="hasty"))
    assert distance_of(following) == pytest.approx(0.1, abs=1e-4)
    assert following.step.episode_id == first.step.episode_id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fingertip_box": NOT_DETECTED}, "no_fingertip_box"),
        ({"target_box": NOT_DETECTED}, "no_target_box"),
        ({"depth": Image()}, "no_depth"),
        ({"target_box": [500.0, 400.0, 520.0, 420.0]}, "box_outside_image"),
    ],
    ids=["no fingertip", "no target", "no depth", "box outside"],
)
def test_a_frame_that_lacks_something_is_done_and_invalid(changes, reason, peer):
    response = peer.annotate(request_for(Frame(), series=reason, **changes))
    assert response.status == Response.DONE, response.message
    assert (response.step.valid, response.step.reason) == (False, reason)
    assert math.isnan(response.step.reward)


def test_a_call_without_intrinsics_takes_those_of_the_topic():
    with Node(parameters={}) as node:
        peer, frame = node.peer, Frame()
        # given a node that knows no camera yet
        bare = request_for(frame, camera_info=CameraInfo())
        response = peer.annotate(bare)
        assert (response.status, response.step.reason) == (Response.DONE, "depth_invalid")
        # when its topic tells
        peer.publish("camera_info", frame.camera_info(peer.next_stamp()))
        peer.settle()
        # then the same call is answered
        assert distance_of(peer.annotate(bare)) == pytest.approx(frame.gap_m, abs=1e-4)


def cut(image):
    image.data = image.data[: len(image.data) // 2]
    return image


BAD = {
    "no image": (dict(image=Image()), "image"),
    "an image that is cut": (dict(image=cut(Frame().image(SECOND))), "image"),
    "an image of no known encoding": (dict(image=Frame().image(SECOND, encoding="pigeon")), "pigeon"),
    "depth that is cut": (dict(depth=cut(Frame().depth(SECOND))), "depth"),
    "depth that is colour": (dict(depth=Frame().image(SECOND)), "depth"),
    "a fingertip box that is inverted": (dict(fingertip_box=[60.0, 50.0, 30.0, 70.0]), "fingertip_box"),
    "a target box that is inverted": (dict(target_box=[60.0, 70.0, 90.0, 50.0]), "target_box"),
    "a negative deadline": (dict(deadline=Duration(sec=-1)), "deadline"),
}


@pytest.mark.parametrize(("changes", "named"), BAD.values(), ids=BAD)
def test_a_call_that_cannot_be_measured_hears_what_is_wrong(changes, named, peer):
    response = peer.annotate(request_for(Frame(), series="bad", **changes))
    assert response.status == Response.BAD_REQUEST, (response.status, response.step.reason)
    assert named in response.message and len(response.message) > len(named) + 5, response.message
    assert not response.step.valid and math.isnan(response.step.reward)
    # and the node answers the next one
    assert distance_of(peer.annotate(request_for(Frame(), series="good"))) > 0


def test_calls_that_wait_when_the_node_ends_are_answered_or_the_node_is_gone():
    with Node(parameters={}) as node:
        peer = node.peer
        client = peer.client("annotate_step")
        # given eight calls of much work
        futures = [client.call_async(slow_request(series=f"caller_{i}")) for i in range(8)]
        peer.until(lambda: any(future.done() for future in futures), "the first answer")
        # when the node is told to end
        begin = time.monotonic()
        code, seconds = node.stop(signal.SIGTERM)
        # then it ends soon, and well
        assert code == 0, node.process.log
        assert seconds < 5
        print(f"ended after {time.monotonic() - begin:.2f} s")
        # and what it still answered is that it ends, or done
        peer.pump(0.2)
        statuses = {future.result().status for future in futures if future.done()}
        assert statuses <= {Response.DONE, Response.SHUTTING_DOWN}
