"""What an operator looks at: the debug image and the diagnostics."""

import io
import time

import numpy
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node import Node
from PIL import Image as Picture
from rclpy.qos import ReliabilityPolicy
from scene import HEIGHT, WIDTH, Frame, detections, enlarged, huge_picture, nanoseconds, time_message
from sensor_msgs.msg import CompressedImage

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
        unseen = [peer.publish_frame() for _ in range(5)]
        peer.wait_for_steps(5)
        topic = f"{peer.private}/debug_image/compressed"
        images = peer.collect(CompressedImage, topic, ReliabilityPolicy.BEST_EFFORT)
        image = first_image(peer, images)
        assert nanoseconds(image.header.stamp) not in unseen


def diagnosed(peer):
    """The node's newest diagnostics: its values by key, with `level` and `message`."""
    peer.diagnostics.clear()

    def own():
        return [
            status
            for array in peer.diagnostics
            for status in array.status
            if "spatial_reward" in status.name
        ]

    status = peer.until(own, "diagnostics")[-1]
    return {value.key: value.value for value in status.values} | {"level": status.level, "message": status.message}


def test_diagnostics_come_once_a_second(peer):
    peer.until(lambda: len(peer.diagnostics) >= 4, "four of them")
    stamps = [nanoseconds(array.header.stamp) / 1e9 for array in peer.diagnostics[:4]]
    periods = [after - before for before, after in zip(stamps, stamps[1:], strict=False)]
    assert sum(periods) / len(periods) == pytest.approx(1.0, abs=0.5)


def test_diagnostics_tell_of_every_input_and_of_what_was_lost():
    with Node(parameters={}) as node:
        peer = node.peer
        # given a node with three frames of which one is without a target, and one image that is late
        early = peer.next_stamp()
        peer.step_for()
        peer.step_for()
        stamp = peer.publish_frame(inputs=("camera_info", "depth", "fingertip"))
        peer.publish("target", detections(stamp, []))
        peer.publish_frame(stamp=stamp, inputs=("image",))
        peer.step_of(stamp)
        peer.publish_frame(stamp=early, inputs=("image",))
        peer.step_of(early)
        values = diagnosed(peer)
        print(values)
        text = " ".join(f"{key}: {value}" for key, value in values.items() if key not in ("level", "message"))
        # then each input is there, with how much came
        for topic in ("image", "depth", "camera_info", "fingertip", "target"):
            assert any(topic in key for key in values), text
        # and what became of it
        for word in ("skipped", "late", "valid"):
            assert any(word in key for key in values), text
        late = next(value for key, value in values.items() if "late" in key and "latency" not in key)
        assert int(late) == 1, text
        skipped = next(value for key, value in values.items() if "skipped" in key)
        assert int(skipped) == 0, text


def test_diagnostics_warn_while_an_input_is_missing():
    with Node(parameters={}, inputs=("camera_info", "fingertip", "target", "image")) as node:
        peer = node.peer
        peer.publish_frame(inputs=list(peer.publishers))

        def warned():
            values = diagnosed(peer)
            return values if values["level"] == DiagnosticStatus.WARN else None

        values = peer.until(warned, "a warning")
        assert "depth" in values["message"], values


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
        values = diagnosed(peer)
        skipped = next(value for key, value in values.items() if "skipped" in key)
        assert int(skipped) == count - len(rewarded), values
