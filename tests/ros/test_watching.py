"""What an operator looks at: the debug image and the diagnostics."""

import io
import itertools
import time

import numpy
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from PIL import Image as Picture
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from node import Node, diagnosed
from scene import HEIGHT, WIDTH, Frame, detections, enlarged, huge_picture, nanoseconds, time_message

RATE_HZ = 5.0


@pytest.fixture
def debug_images(peer):
    """What comes on the debug topic from now on."""
    images = []
    topic = f"{peer.private}/debug_image/compressed"
    subscription = peer.subscribe(CompressedImage, topic, images.append, ReliabilityPolicy.BEST_EFFORT)
    yield images
    peer.unsubscribe(subscription)


def first_image(peer, images, publish=None):
    """Frames are published until the first debug image comes."""

    def came():
        (publish or peer.publish_frame)()
        peer.pump(0.02)
        return images

    return peer.until(came, "a debug image")[0]


def test_the_debug_image_is_the_frame_with_something_drawn_on_it(peer, debug_images):
    image = first_image(peer, debug_images)
    # It is a JPEG of the frame's size, with the frame's header.
    assert "jpeg" in image.format
    picture = Picture.open(io.BytesIO(bytes(image.data)))
    assert (picture.format, picture.size) == ("JPEG", (WIDTH, HEIGHT))
    assert image.header.frame_id == "camera_color_optical_frame"
    peer.step_of(nanoseconds(image.header.stamp))
    # What is drawn is drawn where the boxes are: their edges have another colour than in the frame.
    change = numpy.abs(numpy.asarray(picture.convert("RGB"), int) - Frame().color).sum(axis=2)
    x_min, y_min, x_max, y_max = (int(edge) for edge in Frame().target)
    edges = numpy.zeros((HEIGHT, WIDTH), bool)
    edges[y_min - 1 : y_max + 1, x_min - 1 : x_max + 1] = True
    edges[y_min + 3 : y_max - 3, x_min + 3 : x_max - 3] = False
    assert change[edges].mean() > 4 * change[y_min + 5 : y_max - 5, x_min + 5 : x_max - 5].mean()


def test_debug_images_come_at_a_bounded_rate(peer, debug_images):
    first_image(peer, debug_images)
    # when frames come far more often than the rate, for two seconds
    debug_images.clear()
    begin = time.monotonic()
    frames = 0
    while time.monotonic() - begin < 2:
        peer.publish_frame()
        frames += 1
        peer.pump(0.01)
    seconds = time.monotonic() - begin
    # then not every one is shown
    assert len(debug_images) <= RATE_HZ * seconds + 2
    # A machine too busy for that many frames says nothing about the other bound.
    if frames > 4 * RATE_HZ * seconds:
        assert len(debug_images) >= 2


def test_the_rate_may_change_while_the_node_runs(peer, debug_images):
    first_image(peer, debug_images)
    # when it is set to one in twenty seconds
    [result] = peer.set_parameters({"live.debug_rate_hz": 0.05})
    assert result.successful, result.reason
    try:
        peer.settle()
        debug_images.clear()
        for _ in range(50):
            peer.publish_frame()
            peer.pump(0.02)
        # then at most one comes of fifty frames
        assert len(debug_images) <= 1
    finally:
        peer.set_parameters({"live.debug_rate_hz": RATE_HZ})


def test_a_frame_that_cannot_be_measured_is_shown_too(peer, debug_images):
    def publish():
        stamp = peer.publish_frame(inputs=("camera_info", "depth", "fingertip"))
        peer.publish("target", detections(stamp, []))
        peer.publish_frame(stamp=stamp, inputs=("image",))

    image = first_image(peer, debug_images, publish)
    step = peer.step_of(nanoseconds(image.header.stamp))
    assert step.reason == "no_target_box"
    assert Picture.open(io.BytesIO(bytes(image.data))).size == (WIDTH, HEIGHT)


def test_nothing_is_shown_to_nobody():
    """Somebody who comes later sees frames from then on, not what was drawn for nobody."""
    with Node(parameters={}) as node:
        peer = node.peer
        unseen = [nanoseconds(peer.step_for().header.stamp) for _ in range(5)]
        topic = f"{peer.private}/debug_image/compressed"
        images = peer.collect(CompressedImage, topic, ReliabilityPolicy.BEST_EFFORT)
        image = first_image(peer, images)
        assert nanoseconds(image.header.stamp) not in unseen


def test_diagnostics_come_once_a_second(peer):
    peer.until(lambda: len(peer.diagnostics) >= 4, "four of them")
    stamps = [nanoseconds(array.header.stamp) / 1e9 for array in peer.diagnostics[:4]]
    periods = [after - before for before, after in itertools.pairwise(stamps)]
    # A busy machine may be late, but is never early.
    assert min(periods) > 0.9


def test_diagnostics_tell_of_every_input_and_of_what_became_of_it():
    with Node(parameters={}) as node:
        peer = node.peer
        # given a node with two good frames, one without a target, and one image that is late
        early = peer.next_stamp()
        peer.step_for()
        peer.step_for()
        stamp = peer.publish_frame(inputs=("camera_info", "depth", "fingertip"))
        peer.publish("target", detections(stamp, []))
        peer.publish_frame(stamp=stamp, inputs=("image",))
        peer.step_of(stamp)
        peer.publish_frame(stamp=early, inputs=("image",))
        peer.step_of(early)
        # then each input is there, with its topic and how much came
        status, values = diagnosed(peer, "inputs")
        assert (status.name, status.level) == ("spatial_reward: inputs", DiagnosticStatus.OK)
        counts = {"image": "4", "depth": "3", "camera_info": "3", "fingertip_box": "3", "target_box": "3"}
        assert {name: values[f"{name}_received"] for name in counts} == counts
        assert values["fingertip_box_topic"] == "/fingertip/detections"
        # and what became of it
        status, values = diagnosed(peer, "rewards")
        assert (status.name, status.level) == ("spatial_reward: rewards", DiagnosticStatus.OK)
        expected = {"steps": "4", "valid": "2", "skipped": "0", "invalid_no_target_box": "1", "invalid_late": "1"}
        assert {key: values[key] for key in expected} == expected
        for stage in ("queue", "decode", "estimate", "total", "age"):
            assert float(values[f"{stage}_p50_ms"]) <= float(values[f"{stage}_p99_ms"])


def test_diagnostics_tell_the_task(peer):
    prompts = peer.publisher(String, "/task_prompt")
    peer.until(prompts.get_subscription_count, "the node to hear the task")
    prompts.publish(String(data="touch the red block"))
    peer.until(lambda: diagnosed(peer, "inputs")[1].get("task") == "touch the red block", "the task")


def test_diagnostics_warn_while_an_input_is_missing():
    with Node(parameters={}, inputs=("camera_info", "fingertip", "target", "image")) as node:
        status, _ = diagnosed(node.peer, "inputs")
        assert status.level == DiagnosticStatus.WARN
        assert "depth" in status.message


def test_diagnostics_count_messages_that_cannot_be_read(peer):
    # given a camera that is not calibrated
    before = int(diagnosed(peer, "inputs")[1].get("camera_info_unreadable", 0))
    info = Frame().camera_info(peer.next_stamp())
    info.k[:] = 0.0
    peer.publish("camera_info", info)
    peer.settle()
    _, values = diagnosed(peer, "inputs")
    assert int(values["camera_info_unreadable"]) == before + 1
    assert "not calibrated" in values["camera_info_last_error"]


def test_frames_that_come_faster_than_they_are_measured_are_skipped_and_counted():
    # given a node that keeps one frame waiting, and pictures that take long to decode
    parameters = {"live.image_transport": "compressed", "live.queue_frames": 1}
    with Node(parameters=parameters, image_type=CompressedImage) as node:
        peer, frame = node.peer, Frame()
        count = 8
        stamps = [peer.next_stamp() for _ in range(count)]
        for stamp in stamps:
            peer.publish_frame(frame, stamp, inputs=("camera_info", "depth"))
            peer.publish("fingertip", detections(stamp, [("fingertip", enlarged(frame.fingertip))]))
            peer.publish("target", detections(stamp, [("target", enlarged(frame.target))]))
        peer.settle()
        # when all come at once
        for stamp in stamps:
            picture = huge_picture()
            picture.header.stamp = time_message(stamp)
            peer.publish("image", picture)
        # then the newest is rewarded, the others in their order as far as there was time for them
        assert peer.step_of(stamps[-1]).valid
        rewarded = [nanoseconds(step.header.stamp) for step in peer.steps]
        assert rewarded == sorted(rewarded)
        assert len(rewarded) < count
        # and what is missing was counted
        _, values = diagnosed(peer, "rewards")
        assert int(values["skipped"]) == count - len(rewarded), values
