"""Depth of a camera of its own, live: 848x480 pixels, 40 mm beside the colour camera of 160x120."""

import functools
import math

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image

from node import Node, diagnosed
from scene import FINGERTIP_ROWS, FOCAL_PX, HEIGHT, OBJECTS_M, TARGET, WALL_M, WIDTH, Frame, header
from test_frames import CAMERA, Broadcaster

DEPTH_CAMERA = "camera_depth_optical_frame"
DEPTH_WIDTH, DEPTH_HEIGHT, DEPTH_FOCAL_PX = 848, 480, 430.0
BESIDE_M = (0.04, 0.0, 0.0)
EXTRINSICS = "0.04 0 0 0 0 0 1"
WITHOUT_DEPTH = ("camera_info", "fingertip", "target", "image")
# A pixel of either camera at the objects' distance.
PIXEL_M = OBJECTS_M / FOCAL_PX


@functools.cache
def seen_from_beside(gap_px):
    """The scene's depth as the depth camera measures it: (DEPTH_HEIGHT, DEPTH_WIDTH), uint16, millimetres."""
    frame = Frame(gap_px=gap_px)
    v, u = np.mgrid[:DEPTH_HEIGHT, :DEPTH_WIDTH].astype(float)
    # Where a ray meets the objects' plane, in pixels of the colour image.
    x = (u - DEPTH_WIDTH / 2) / DEPTH_FOCAL_PX * OBJECTS_M + BESIDE_M[0]
    y = (v - DEPTH_HEIGHT / 2) / DEPTH_FOCAL_PX * OBJECTS_M
    column, row = x / PIXEL_M + WIDTH / 2 + 0.5, y / PIXEL_M + HEIGHT / 2 + 0.5

    def inside(x_min, y_min, x_max, y_max):
        return (x_min <= column) & (column < x_max) & (y_min <= row) & (row < y_max)

    objects = inside(*TARGET) | inside(-1000, FINGERTIP_ROWS[0], frame.fingertip[2], FINGERTIP_ROWS[1])
    return np.where(objects, round(OBJECTS_M * 1000), round(WALL_M * 1000)).astype(np.uint16)


def depth(stamp, frame, frame_id=DEPTH_CAMERA):
    pixels = seen_from_beside(frame.gap_px)
    fields = dict(height=DEPTH_HEIGHT, width=DEPTH_WIDTH, encoding="16UC1", step=2 * DEPTH_WIDTH)
    return Image(header=header(stamp, frame_id), data=pixels.tobytes(), **fields)


def depth_camera_info(stamp, **changes):
    f = DEPTH_FOCAL_PX
    k = [f, 0.0, DEPTH_WIDTH / 2, 0.0, f, DEPTH_HEIGHT / 2, 0.0, 0.0, 1.0]
    fields = dict(height=DEPTH_HEIGHT, width=DEPTH_WIDTH, distortion_model="plumb_bob", d=[0.0] * 5, k=k)
    return CameraInfo(header=header(stamp, DEPTH_CAMERA), **(fields | changes))


class Rig:
    """Two cameras of one housing, and a detector that looks at the colour image."""

    def __init__(self, peer, camera_info="depth/camera_info"):
        self.peer = peer
        self.camera_info = peer.publisher(CameraInfo, camera_info)
        peer.until(self.camera_info.get_subscription_count, "the node to hear the depth's camera info")

    def fix(self):
        """Say where the cameras are, in a housing that is turned."""
        tf = Broadcaster(self.peer, moves=False)
        half = math.sqrt(0.5)
        tf.fix("housing", CAMERA, 0, (1.0, 2.0, 3.0), (0.0, 0.0, half, half))
        tf.fix("housing", DEPTH_CAMERA, 0, (1.0, 2.0 + BESIDE_M[0], 3.0), (0.0, 0.0, half, half))

    def publish(self, frame=None, info=depth_camera_info, frame_id=DEPTH_CAMERA):
        """Publish a frame, with what the depth camera says of itself: its stamp."""
        frame = frame or Frame()
        stamp = self.peer.next_stamp(1 / 10)
        if info:
            self.camera_info.publish(info(stamp))
        self.peer.publish("depth", depth(stamp, frame, frame_id))
        return self.peer.publish_frame(frame, stamp, inputs=WITHOUT_DEPTH)

    def step_for(self, *args, **kwargs):
        return self.peer.step_of(self.publish(*args, **kwargs))


@pytest.fixture
def rig():
    with Node(parameters={}) as node:
        yield Rig(node.peer)


def assert_measured(step, frame):
    assert step.valid, step.reason
    # Half a pixel of either camera at both ends of the gap.
    assert step.distance_m == pytest.approx(frame.gap_m, abs=0.006)


def test_depth_from_beside_is_registered_by_tf_static(rig):
    rig.fix()
    for gap in (20, 30, 40):
        frame = Frame(gap_px=gap)
        assert_measured(rig.step_for(frame), frame)
    status, values = diagnosed(rig.peer, "inputs")
    assert (status.level, values["depth_camera_mm"]) == (b"\x00", "40, 0, 0")


def test_an_image_waits_until_its_depth_can_be_registered(rig):
    # given an image that came first of all
    stamp = rig.publish(info=None)
    rig.peer.pump(0.15)
    assert rig.peer.steps == []
    # when the driver says what its depth camera is, and where
    rig.camera_info.publish(depth_camera_info(stamp))
    rig.fix()
    # then it is measured
    assert_measured(rig.peer.step_of(stamp), Frame())


def test_extrinsics_stand_in_for_tf_static():
    topic = "/other/depth_info"
    parameters = {"depth.extrinsics": f"'{EXTRINSICS}'", "topics.depth_camera_info": topic}
    with Node(parameters=parameters) as node:
        assert_measured(Rig(node.peer, topic).step_for(), Frame())


def test_depth_that_cannot_be_registered_says_what_would_help(rig):
    # given nobody who says where the depth camera is
    step = rig.step_for()
    assert (step.valid, step.reason) == (False, "no_depth")
    status, values = diagnosed(rig.peer, "inputs")
    assert status.level == b"\x01"
    for words in (DEPTH_CAMERA, CAMERA, "/tf_static", "depth.extrinsics", "depth.registered"):
        assert words in status.message
        assert words in values["depth_not_registered"]
    # when somebody does, then it is measured
    rig.fix()
    rig.peer.settle()
    assert_measured(rig.step_for(), Frame())
    status, _ = diagnosed(rig.peer, "inputs")
    assert status.level == b"\x00"


def test_an_uncalibrated_depth_camera_says_what_it_lacks(rig):
    rig.fix()
    # given camera infos without intrinsics, as of a driver that has not read its calibration
    step = rig.step_for(info=lambda stamp: depth_camera_info(stamp, k=[0.0] * 9))
    assert step.reason == "no_depth"
    _, values = diagnosed(rig.peer, "inputs")
    assert "no camera info of the depth" in values["depth_not_registered"]
    assert values["depth_camera_info_unreadable"] == "1"


def test_depth_of_another_size_than_its_camera_info_is_invalid(rig):
    rig.fix()
    step = rig.step_for(info=lambda stamp: depth_camera_info(stamp, width=640))
    assert step.reason == "depth_invalid"
    _, values = diagnosed(rig.peer, "rewards")
    assert "848x480 pixels are not the 640x480 of its camera info" in values["last_broken_picture"]


def test_depth_that_is_registered_all_the_same_is_taken_as_it_is():
    with Node(parameters={"depth.registered": True}) as node:
        # given registered depth whose headers name the depth camera
        peer, frame = node.peer, Frame()
        stamp = peer.next_stamp()
        aligned = frame.depth(stamp)
        aligned.header.frame_id = DEPTH_CAMERA
        peer.publish("depth", aligned)
        peer.publish_frame(frame, stamp, inputs=WITHOUT_DEPTH)
        step = peer.step_of(stamp)
        assert step.valid and step.distance_m == pytest.approx(frame.gap_m, abs=1e-4)


def test_the_name_of_the_depth_was_taken_for_the_images_too():
    # given depth that its driver has rectified, beside an image as its lens made it
    topic = "/camera/depth/image_rect_raw"
    with Node(parameters={}, remaps={"depth": topic}, topics={"depth": topic}) as node:
        rig = Rig(node.peer)
        rig.fix()
        stamp = rig.peer.next_stamp()
        info = Frame().camera_info(stamp)
        # of which P is the camera of a rectified image that nobody publishes
        info.p = [2 * FOCAL_PX, 0.0, 20.0, 0.0, 0.0, 2 * FOCAL_PX, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        rig.peer.publish("camera_info", info)
        rig.peer.settle()
        rig.camera_info.publish(depth_camera_info(stamp))
        rig.peer.publish("depth", depth(stamp, Frame()))
        rig.peer.publish_frame(stamp=stamp, inputs=("fingertip", "target", "image"))
        # then K counts
        assert_measured(rig.peer.step_of(stamp), Frame())
