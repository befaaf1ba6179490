#!/usr/bin/env bash
# mcap-ros2-support's writer takes any dictionary for any message: what it does not find becomes zero.
#
# Version    mcap-ros2-support 0.6.0, mcap 1.6.0.
# Behaviour  `Writer.write_message` looks each field of the schema up in the message given and writes the default, 0,
#            where there is none. A name the schema lacks is not an error, a fixed array of the wrong length is cut or
#            filled up with zeros, and a float in an integer field loses its fraction. Nothing raises or warns, and
#            the file is a valid MCAP. rosbags, given the misspelt field, raises.
# Seen       {"value": -0.42} as std_msgs/Float64                     data = 0.0
#            {"K": [...], "D": [...]} (ROS 1's names) as CameraInfo   k = nine zeros, d = []
#            {"stamp": {"secs": 17, "nsecs": 5}} (ROS 1's names)      sec = 0, nanosec = 0
#            "k": [600, 600, 320, 240] (fx fy cx cy)                  k = 600 600 320 240 0 0 0 0 0
#            "k": a 3x4 matrix, row after row                         k = its first nine numbers: fy = k[4] = 0
#            {"data": -0.9} as std_msgs/Int32                         data = 0
# Source     https://github.com/foxglove/mcap python/mcap-ros2-support/mcap_ros2/_dynamic.py: _get_property (None for an
#            unknown name), _coerce_value (None becomes the default; int() for integers), _write_complex_type (appends
#            None to a short fixed array, slices a long one).
# Hurt       Who converts recordings to MCAP with it. A misspelt reward is a column of 0, which in a sparse reward of -1
#            and 0 is success at every step; a camera matrix of zeros makes distances NaN or infinite, a shifted one
#            only wrong; zero stamps join every picture to every depth.
# Do         Compare set(message) with the schema's field names before each write, or write through rosbags, whose
#            message classes take no unknown and no missing field.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    mcap-ros2-support==0.6.0 mcap==1.6.0 rosbags==0.11.9 numpy==2.4.6

"$work/venv/bin/python" - "$work/out.mcap" <<'PY'
import sys

from mcap_ros2.reader import read_ros2_messages
from mcap_ros2.writer import Writer
from rosbags.typesys import Stores, get_typestore

STAMPED = "builtin_interfaces/Time stamp\nfloat64 data"
TIME = "\n" + "=" * 80 + "\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec"
CAMERA = "uint32 height\nuint32 width\nfloat64[] d\nfloat64[9] k"  # the part of CameraInfo that matters here
CASES = [  # topic, type, schema, message, what is read back
    ("/right", "std_msgs/msg/Float64", "float64 data", {"data": -0.42}, lambda m: m.data == -0.42),
    ("/misspelt", "std_msgs/msg/Float64", "float64 data", {"value": -0.42}, lambda m: m.data == 0.0),
    ("/ros1_names", "demo_msgs/msg/CameraInfo", CAMERA,
     {"height": 480, "width": 640, "K": [600.0, 0, 320, 0, 600, 240, 0, 0, 1], "D": [0.1] * 5},
     lambda m: list(m.k) == [0.0] * 9 and list(m.d) == []),
    ("/ros1_stamp", "demo_msgs/msg/Stamped", STAMPED + TIME, {"stamp": {"secs": 17, "nsecs": 5}, "data": 1.0},
     lambda m: (m.stamp.sec, m.stamp.nanosec, m.data) == (0, 0, 1.0)),
    ("/short_k", "demo_msgs/msg/CameraInfo", CAMERA, {"height": 480, "width": 640, "k": [600.0, 600.0, 320.0, 240.0]},
     lambda m: list(m.k) == [600.0, 600.0, 320.0, 240.0, 0, 0, 0, 0, 0]),
    ("/long_k", "demo_msgs/msg/CameraInfo", CAMERA,
     {"height": 480, "width": 640, "k": [600.0, 0, 320, 0, 0, 600, 240, 0, 0, 0, 1, 0]},
     lambda m: list(m.k) == [600.0, 0, 320, 0, 0, 600, 240, 0, 0]),
    ("/fraction", "std_msgs/msg/Int32", "int32 data", {"data": -0.9}, lambda m: m.data == 0),
]
failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


with open(sys.argv[1], "wb") as file:
    writer, schemas = Writer(file), {}
    for n, (topic, kind, text, message, _) in enumerate(CASES):
        if kind not in schemas:
            schemas[kind] = writer.register_msgdef(kind, text)
        try:
            writer.write_message(topic, schemas[kind], message, log_time=n, publish_time=n)
        except Exception as error:
            check(False, f"{topic} is written without complaint ({error!r})")
    writer.finish()

expected = {topic: test for topic, _, _, _, test in CASES}
for m in read_ros2_messages(sys.argv[1]):
    topic = m.channel.topic
    print(f"{topic:12} {m.ros_msg}")
    check(expected.pop(topic)(m.ros_msg), f"{topic} reads back as described")
check(not expected, f"every message was written {sorted(expected) or ''}")

Float64 = get_typestore(Stores.ROS2_JAZZY).types["std_msgs/msg/Float64"]
try:
    Float64(value=-0.42)
    refused = False
except TypeError as error:
    refused = True
    print("rosbags:", error)
check(refused, "rosbags refuses the misspelt field")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
