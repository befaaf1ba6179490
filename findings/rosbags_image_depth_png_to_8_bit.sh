#!/usr/bin/env bash
# rosbags-image reads a 16-bit depth PNG in a CompressedImage as 8 bit: every distance becomes a 256th.
#
# Version    rosbags-image 0.10.4, rosbags 0.11.9, OpenCV 4.14.0.94 (the newest OpenCV 4 on PyPI).
# Behaviour  `message_to_cvimage` of a sensor_msgs/Image keeps 16UC1 as uint16. Of a sensor_msgs/CompressedImage with
#            the very same picture as PNG it returns uint8, the upper byte, with no warning: the message's `format`
#            ("16UC1; png compressed ") is not looked at. Asking for '16UC1' or 'mono16' raises instead, so that the
#            plain call is the one that appears to work.
# Seen       Depth 500 750 1000 1023 2000 mm:
#              from Image            uint16  500 750 1000 1023 2000
#              from CompressedImage  uint8   1 2 3 3 7
# Source     https://gitlab.com/ternaris/rosbags-image src/rosbags/image/image.py, compressed_image_to_cvimage
#            (imdecode with IMREAD_ANYCOLOR, which without IMREAD_ANYDEPTH converts to 8 bit; line 232 of the wheel).
#            That such messages are ordinary: https://github.com/ros-perception/image_transport_plugins
#            compressed_image_transport/src/compressed_publisher.cpp, case PNG, takes 8 and 16 bits and writes
#            "; png compressed " behind the encoding.
# Hurt       Bags whose depth topic is `.../compressed` with format png (a frequent choice, being lossless). Read as
#            millimetres the whole desk lies within 8 mm of the lens and every approach is a success; normalised for
#            display it looks fine, in 256 mm steps.
# Do         cv2.imdecode(message.data, cv2.IMREAD_UNCHANGED), and check the dtype against the message's `format`.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    rosbags-image==0.10.4 rosbags==0.11.9 opencv-python-headless==4.14.0.94 numpy==2.4.6

"$work/venv/bin/python" - "$work/bag" <<'PY'
import sys

import cv2
import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.image import ImageError, message_to_cvimage
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from pathlib import Path

store = get_typestore(Stores.ROS2_JAZZY)
header = store.types["std_msgs/msg/Header"](
    stamp=store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=0), frame_id="depth")
depth = np.array([[500, 750, 1000, 1023, 2000]], np.uint16)
ok, png = cv2.imencode(".png", depth)
assert ok and np.array_equal(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), depth)
messages = {
    "/depth": store.types["sensor_msgs/msg/Image"](
        header=header, height=1, width=5, encoding="16UC1", is_bigendian=0, step=10,
        data=depth.view(np.uint8).reshape(-1)),
    "/depth/compressed": store.types["sensor_msgs/msg/CompressedImage"](
        header=header, format="16UC1; png compressed ", data=png.reshape(-1)),
}
bag = Path(sys.argv[1])
with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
    for topic, message in messages.items():
        connection = writer.add_connection(topic, message.__msgtype__, typestore=store)
        writer.write(connection, 1_000_000_000, store.serialize_cdr(message, message.__msgtype__))

failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


read = {}
with AnyReader([bag], default_typestore=store) as reader:
    for connection, _, raw in reader.messages():
        message = reader.deserialize(raw, connection.msgtype)
        read[connection.topic] = message_to_cvimage(message)
        print(f"{connection.topic:18} {read[connection.topic].dtype}  {read[connection.topic].ravel()}")
        if connection.topic == "/depth/compressed":
            for wanted in ("16UC1", "mono16"):
                try:
                    message_to_cvimage(message, wanted)
                    refused = False
                except (ImageError, cv2.error) as error:
                    refused = True
                    print(f"asked for {wanted}: {type(error).__name__}")
                check(refused, f"asking for {wanted} is refused")
check(np.array_equal(read["/depth"], depth), "the raw Image keeps millimetres")
got = read["/depth/compressed"]
check(got.dtype == np.uint8 and np.array_equal(got, depth >> 8), "the PNG comes back as the upper byte, uint8")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
