"""What nobody should send, but somebody will: pictures that are cut, sizes that cannot be, texts that are none,
boxes in another unit. For the tests of each, and for the soak that mixes them.

Every maker takes a frame and a stamp. Some give a message, some its bytes: rclpy publishes both.
"""

import math

import numpy
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from scene import HEIGHT, WIDTH, detections

# Stands in a text for what Python's own messages cannot hold there.
SPOT = "@@@@"
NOT_TEXT = {"zero bytes": b"\0\0\0\0", "bytes that are no UTF-8": b"\xff\xc0\xfe\x80"}


def spoilt(message, by):
    """The message's bytes, with these four in the place of `SPOT`."""
    data = serialize_message(message)
    assert data.count(SPOT.encode()) >= 1
    return data.replace(SPOT.encode(), by)


def _framed(message):
    """The same message of a coordinate frame that has a spot."""
    message.header.frame_id = f"camera{SPOT}frame"
    return message


def _cut(message):
    data = serialize_message(message)
    return data[: len(data) // 2]


def _scaled(frame, stamp, scale):
    """The target's box in another unit."""
    return detections(stamp, [("target", tuple(edge * scale for edge in frame.target))])


def _box(stamp, *edges):
    return detections(stamp, [("target", edges)])


IMAGES = {
    "of an unknown encoding": lambda frame, stamp: frame.image(stamp, encoding="pigeon"),
    "of floats": lambda frame, stamp: frame.image(stamp, encoding="64FC1"),
    "of half its pixels": lambda frame, stamp: _halved(frame.image(stamp)),
    "without pixels": lambda frame, stamp: frame.image(stamp, data=b""),
    "without a size": lambda frame, stamp: frame.image(stamp, width=0, height=0, step=0),
    "of a size that cannot be": lambda frame, stamp: frame.image(stamp, width=2**32 - 1, height=2**32 - 1),
    "of rows that overlap": lambda frame, stamp: frame.image(stamp, step=1),
    "of rows that cannot be": lambda frame, stamp: frame.image(stamp, step=2**32 - 1),
    "that is cut": lambda frame, stamp: _cut(frame.image(stamp)),
    "that is none": lambda frame, stamp: b"\0\1\0\0" + b"\xff" * 60,
    "that ends at once": lambda frame, stamp: b"\0\1\0\0",
}
DEPTHS = {
    "of colour": lambda frame, stamp: frame.image(stamp),
    "that is cut": lambda frame, stamp: _cut(frame.depth(stamp)),
    "of half its pixels": lambda frame, stamp: _halved(frame.depth(stamp)),
    "of nothing": lambda frame, stamp: _filled(frame.depth(stamp, encoding="32FC1"), math.nan),
    "at no end": lambda frame, stamp: _filled(frame.depth(stamp, encoding="32FC1"), math.inf),
    "behind the camera": lambda frame, stamp: _filled(frame.depth(stamp, encoding="32FC1"), -1.0),
}
INFOS = {
    "that is not calibrated": lambda frame, stamp: _with_k(frame.camera_info(stamp), 0.0),
    "of no number": lambda frame, stamp: _with_k(frame.camera_info(stamp), math.nan),
    "of next to nothing": lambda frame, stamp: _with_k(frame.camera_info(stamp), 1e-320),
    "of no known model": lambda frame, stamp: _distorted(frame.camera_info(stamp), "fisheye of glass", 5),
    "of a thousand coefficients": lambda frame, stamp: _distorted(frame.camera_info(stamp), "plumb_bob", 1000),
    "that is cut": lambda frame, stamp: _cut(frame.camera_info(stamp)),
}
BOXES = {
    "within 0 and 1": lambda frame, stamp: _scaled(frame, stamp, 1 / WIDTH),
    "of another picture": lambda frame, stamp: _scaled(frame, stamp, 10.0),
    "turned over": lambda frame, stamp: _box(stamp, 140.0, 75.0, 110.0, 45.0),
    "of no number": lambda frame, stamp: _box(stamp, math.nan, math.nan, math.nan, math.nan),
    "without end": lambda frame, stamp: _box(stamp, -math.inf, -math.inf, math.inf, math.inf),
    "of nothing": lambda frame, stamp: _box(stamp, 120.0, 60.0, 120.0, 60.0),
    "by the hundred": lambda frame, stamp: detections(stamp, [("target", frame.target)] * 100),
    "of no object": lambda frame, stamp: detections(stamp, []),
    "that are cut": lambda frame, stamp: _cut(frame.target_boxes(stamp)),
}
PROMPTS = {
    "of megabytes": lambda frame, stamp: String(data="touch the red block " * 100_000),
    "without a word": lambda frame, stamp: String(data=""),
}


def _halved(message):
    message.data = message.data[: len(message.data) // 2]
    return message


def _filled(depth, value):
    depth.data = numpy.full((HEIGHT, WIDTH), value, numpy.float32).tobytes()
    return depth


def _with_k(info, value):
    info.k[:] = value
    return info


def _distorted(info, model, count):
    info.distortion_model = model
    info.d = [0.01] * count
    return info


def _not_text(name, by):
    """Each text that comes in, of which a part is no text."""
    return {
        "image": {
            f"of an encoding with {name}": lambda frame, stamp: spoilt(frame.image(stamp, encoding=f"rgb{SPOT}8"), by),
            f"of a coordinate frame with {name}": lambda frame, stamp: spoilt(_framed(frame.image(stamp)), by),
        },
        "depth": {
            f"of an encoding with {name}": lambda frame, stamp: spoilt(_encoded(frame.depth(stamp)), by),
            f"of a coordinate frame with {name}": lambda frame, stamp: spoilt(_framed(frame.depth(stamp)), by),
        },
        "camera_info": {
            f"of a model with {name}": lambda frame, stamp: spoilt(
                _distorted(frame.camera_info(stamp), f"plumb{SPOT}bob", 5), by
            ),
            f"of a coordinate frame with {name}": lambda frame, stamp: spoilt(_framed(frame.camera_info(stamp)), by),
        },
        "target": {
            f"of a class with {name}": lambda frame, stamp: spoilt(
                detections(stamp, [(f"target{SPOT}", frame.target)]), by
            ),
            f"of a coordinate frame with {name}": lambda frame, stamp: spoilt(_framed(frame.target_boxes(stamp)), by),
        },
        "task_prompt": {
            f"with {name}": lambda frame, stamp: spoilt(String(data=f"touch {SPOT} the red block"), by),
        },
    }


def _encoded(depth):
    depth.encoding = f"16{SPOT}UC1"
    return depth


# By the input it comes on, then by what is wrong.
TEXTS = {name: _not_text(name, by) for name, by in NOT_TEXT.items()}
MALFORMED = {"image": IMAGES, "depth": DEPTHS, "camera_info": INFOS, "target": BOXES, "task_prompt": PROMPTS}
for texts in TEXTS.values():
    MALFORMED = {role: makers | texts[role] for role, makers in MALFORMED.items()}
