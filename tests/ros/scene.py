"""A small scene built in numpy: a camera looks at a wall, in front of it a block (the target) and a bar
that comes in from the left (the fingertip). Both stand at one depth, so the gap between them is known.
It comes as the ROS messages of every kind that the node takes.
"""

import functools
import io
import struct
from dataclasses import dataclass

import numpy
from builtin_interfaces.msg import Duration, Time
from PIL import Image as Picture
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from spatial_reward.srv import AnnotateStep

SECOND = 1_000_000_000
WIDTH, HEIGHT = 160, 120
FOCAL_PX = 150.0
WALL_M, OBJECTS_M = 1.0, 0.75
METRES_A_PIXEL = OBJECTS_M / FOCAL_PX

# Boxes: x_min, y_min, x_max, y_max.
TARGET = (110.0, 45.0, 140.0, 75.0)
FINGERTIP_ROWS = (52, 68)
FINGERTIP_BOX_WIDTH = 30


def time_message(stamp):
    """Nanoseconds as a builtin_interfaces/Time."""
    return Time(sec=stamp // SECOND, nanosec=stamp % SECOND)


def nanoseconds(time):
    """A builtin_interfaces/Time as nanoseconds."""
    return time.sec * SECOND + time.nanosec


def header(stamp, frame_id="camera_color_optical_frame"):
    return Header(stamp=time_message(stamp), frame_id=frame_id)


def detections(stamp, boxes):
    """A detector's message: `boxes` are pairs of class id and box, all of score 0.9."""
    message = Detection2DArray(header=header(stamp))
    for class_id, (x_min, y_min, x_max, y_max) in boxes:
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = class_id
        hypothesis.hypothesis.score = 0.9
        detection = Detection2D(header=message.header, results=[hypothesis])
        detection.bbox.center.position.x = (x_min + x_max) / 2
        detection.bbox.center.position.y = (y_min + y_max) / 2
        detection.bbox.size_x = x_max - x_min
        detection.bbox.size_y = y_max - y_min
        message.detections.append(detection)
    return message


def region(box):
    """The same box as a message without header, class and score."""
    x_min, y_min, x_max, y_max = (int(edge) for edge in box)
    return RegionOfInterest(x_offset=x_min, y_offset=y_min, width=x_max - x_min, height=y_max - y_min)


@dataclass(frozen=True)
class Frame:
    """The scene with this many pixels between fingertip and target."""

    gap_px: int = 30

    @property
    def gap_m(self):
        return self.gap_px * METRES_A_PIXEL

    @property
    def target(self):
        return TARGET

    @property
    def fingertip(self):
        tip = TARGET[0] - self.gap_px
        return (tip - FINGERTIP_BOX_WIDTH, float(FINGERTIP_ROWS[0]), tip, float(FINGERTIP_ROWS[1]))

    @functools.cached_property
    def color(self):
        """Red, green and blue: (height, width, 3), uint8."""
        pixels = numpy.full((HEIGHT, WIDTH, 3), (210, 200, 180), numpy.uint8)
        self._paint(pixels, fingertip=(40, 40, 60), target=(180, 40, 30))
        return pixels

    @functools.cached_property
    def depth_mm(self):
        """(height, width), uint16."""
        depth = numpy.full((HEIGHT, WIDTH), round(WALL_M * 1000), numpy.uint16)
        self._paint(depth, fingertip=round(OBJECTS_M * 1000), target=round(OBJECTS_M * 1000))
        return depth

    def _paint(self, pixels, fingertip, target):
        x_min, y_min, x_max, y_max = (int(edge) for edge in TARGET)
        pixels[y_min:y_max, x_min:x_max] = target
        # The arm reaches in from the image's left edge.
        pixels[FINGERTIP_ROWS[0] : FINGERTIP_ROWS[1], : int(self.fingertip[2])] = fingertip

    def image(self, stamp, **changes):
        fields = dict(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=self.color.tobytes())
        return Image(header=header(stamp), **(fields | changes))

    def compressed_image(self, stamp, file_format="jpeg"):
        file = io.BytesIO()
        Picture.fromarray(self.color).save(file, file_format)
        return CompressedImage(header=header(stamp), format=f"rgb8; {file_format}", data=file.getvalue())

    def depth(self, stamp, encoding="16UC1"):
        """Depth as 16UC1 in millimetres or 32FC1 in metres."""
        pixels = self.depth_mm if encoding == "16UC1" else (self.depth_mm / 1000).astype(numpy.float32)
        step = WIDTH * pixels.itemsize
        return Image(
            header=header(stamp), height=HEIGHT, width=WIDTH, encoding=encoding, step=step, data=pixels.tobytes()
        )

    def compressed_depth(self, stamp):
        """As the compressedDepth transport sends it: 12 bytes of its own, then a 16-bit PNG."""
        file = io.BytesIO()
        Picture.fromarray(self.depth_mm).save(file, "png")
        data = struct.pack("<iff", 0, 0.0, 0.0) + file.getvalue()
        return CompressedImage(header=header(stamp), format="16UC1; compressedDepth png", data=data)

    def camera_info(self, stamp):
        k = [FOCAL_PX, 0.0, WIDTH / 2, 0.0, FOCAL_PX, HEIGHT / 2, 0.0, 0.0, 1.0]
        return CameraInfo(
            header=header(stamp), height=HEIGHT, width=WIDTH, distortion_model="plumb_bob", d=[0.0] * 5, k=k
        )

    def fingertip_boxes(self, stamp):
        return detections(stamp, [("fingertip", self.fingertip)])

    def target_boxes(self, stamp):
        return detections(stamp, [("target", self.target)])

    def both_boxes(self, stamp):
        return detections(stamp, [("fingertip", self.fingertip), ("target", self.target)])


# So many times the scene's size is `huge_picture`.
ENLARGED = 40


def huge_picture():
    """A picture of one colour that is small to send, but takes a good part of a second to decode."""
    return CompressedImage(header=header(1_000 * SECOND), format="rgb8; png", data=_huge_png())


@functools.cache
def _huge_png():
    file = io.BytesIO()
    Picture.new("RGB", (WIDTH * ENLARGED, HEIGHT * ENLARGED), (210, 200, 180)).save(file, "png")
    return file.getvalue()


def enlarged(box):
    """A box of the scene in the huge picture."""
    return [ENLARGED * edge for edge in box]


# How long a caller waits who does not mind.
PATIENT = Duration(sec=60)


def request_for(frame, stamp=1_000 * SECOND, **changes):
    """The call that asks for this frame's reward."""
    fields = dict(
        image=frame.image(stamp),
        depth=frame.depth(stamp),
        camera_info=frame.camera_info(stamp),
        fingertip_box=frame.fingertip,
        target_box=frame.target,
        deadline=PATIENT,
    )
    return AnnotateStep.Request(**(fields | changes))


def slow_request(**changes):
    """A call that keeps a processor busy for a while, though it is small to send: a huge picture with
    the small scene's depth.
    """
    frame = Frame()
    fields = dict(
        image=Image(),
        compressed_image=huge_picture(),
        fingertip_box=enlarged(frame.fingertip),
        target_box=enlarged(frame.target),
    )
    return request_for(frame, **(fields | changes))
