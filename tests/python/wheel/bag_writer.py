"""Small recordings for tests: the sample's frames at a quarter of their size, with signals of several message types."""

from pathlib import Path

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

import spatial_reward as sr

START_NS = 1_760_000_000_000_000_000
PERIOD_S = 1 / 15
SCALE = 4
GRIPPER = """
std_msgs/Header header
lab_msgs/Finger[2] fingers
bool closed
===
MSG: lab_msgs/Finger
float32 force
uint8[3] contacts
"""


def _types(sample):
    store = get_typestore(Stores.ROS2_HUMBLE)
    with AnyReader([sample]) as reader:
        known = {kind for connection in reader.connections for kind in [connection.msgtype]}
        store.register({kind: of for kind, of in reader.typestore.fielddefs.items() if kind not in store.fielddefs})
        assert known <= set(store.fielddefs)
    gripper, finger = GRIPPER.split("===\nMSG: lab_msgs/Finger\n")
    store.register(get_types_from_msg(finger, "lab_msgs/msg/Finger"))
    store.register(get_types_from_msg(gripper, "lab_msgs/msg/Gripper"))
    return store


def export_png(bags, out, **options):
    """A dataset without a video, which is quicker to make."""
    from spatial_reward.lerobot.export import export

    return export(bags, out, **{"video": False, "depth": "image"} | options)


class BagWriter:
    """Writes one recording after the other from the sample's frames."""

    def __init__(self, sample: Path) -> None:
        self.store = _types(sample)
        self.frames = [
            (
                np.ascontiguousarray(frame.color[::SCALE, ::SCALE]),
                np.ascontiguousarray(frame.depth[::SCALE, ::SCALE]),
                frame.fingertip,
                frame.target,
                frame.camera,
            )
            for _, frame in zip(range(16), sr.Recording(sample), strict=False)
        ]

    def header(self, stamp_ns):
        stamp = self.type("builtin_interfaces/msg/Time")(stamp_ns // 10**9, stamp_ns % 10**9)
        return self.type("std_msgs/msg/Header")(stamp, "camera")

    def type(self, name):
        return self.store.types[name]

    def write(
        self,
        path,
        *,
        frames=12,
        times_s=None,
        crop=None,
        depth=True,
        prompts=("touch the cube",),
        signals=True,
        without_target=(),
        joints=("shoulder", "elbow", "wrist"),
        signal_period_s=0.01,
    ):
        """A recording of the sample's first frames at these times; crop = (height, width)."""
        times_s = [PERIOD_S * index for index in range(frames)] if times_s is None else times_s
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            self._writer, self._connections, self._messages = writer, {}, []
            for text in prompts:
                self._put("/task_prompt", "std_msgs/msg/String", START_NS, text)
            for index, time_s in enumerate(times_s):
                self._frame(index, START_NS + round(time_s * 1e9), crop, depth, index in without_target)
            if signals:
                for time_s in np.arange(0, times_s[-1] + signal_period_s, signal_period_s):
                    self._signals(float(time_s), joints)
            # As a recorder writes them: what belongs to one time lies beside each other.
            for message in sorted(self._messages, key=lambda message: message[1]):
                writer.write(*message)
        return path

    def _put(self, topic, kind, stamp_ns, *values):
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=self.store)
        raw = self.store.serialize_cdr(self.type(kind)(*values), kind)
        self._messages.append((self._connections[topic], stamp_ns, raw))

    def _frame(self, index, stamp_ns, crop, depth, without_target):
        color, measured, fingertip, target, camera = self.frames[index % len(self.frames)]
        if crop is not None:
            color, measured = (np.ascontiguousarray(array[: crop[0], : crop[1]]) for array in (color, measured))
        header = self.header(stamp_ns)
        height, width = color.shape[:2]
        image = "sensor_msgs/msg/Image"
        self._put("/camera/image_raw", image, stamp_ns, header, height, width, "rgb8", 0, 3 * width, color.reshape(-1))
        focal, cx, cy = camera.fx / SCALE, camera.cx / SCALE, camera.cy / SCALE
        k = np.array([focal, 0, cx, 0, focal, cy, 0, 0, 1], float)
        p = np.array([focal, 0, cx, 0, 0, focal, cy, 0, 0, 0, 1, 0], float)
        roi = self.type("sensor_msgs/msg/RegionOfInterest")(0, 0, 0, 0, False)
        info = (header, height, width, "plumb_bob", np.zeros(5), k, np.eye(3).reshape(-1), p, 0, 0, roi)
        self._put("/camera/camera_info", "sensor_msgs/msg/CameraInfo", stamp_ns, *info)
        if depth:
            millimetres = np.nan_to_num(np.rint(measured * 1000)).astype("<u2").reshape(-1).view(np.uint8)
            name = "/camera/aligned_depth_to_color/image_raw"
            self._put(name, image, stamp_ns, header, height, width, "16UC1", 0, 2 * width, millimetres)
        self._boxes("/fingertip/detections", stamp_ns, header, fingertip)
        self._boxes("/target/detections", stamp_ns, header, None if without_target else target)

    def _boxes(self, topic, stamp_ns, header, box):
        detections = []
        if box is not None:
            x_min, y_min, x_max, y_max = (side / SCALE for side in box)
            make = self.type
            center = make("vision_msgs/msg/Pose2D")(
                make("vision_msgs/msg/Point2D")((x_min + x_max) / 2, (y_min + y_max) / 2), 0.0
            )
            shape = make("vision_msgs/msg/BoundingBox2D")(center, x_max - x_min, y_max - y_min)
            hypothesis = make("vision_msgs/msg/ObjectHypothesis")(topic.split("/")[1], 1.0)
            point, quaternion = (
                make("geometry_msgs/msg/Point")(0, 0, 0),
                make("geometry_msgs/msg/Quaternion")(0, 0, 0, 1),
            )
            pose = make("geometry_msgs/msg/PoseWithCovariance")(
                make("geometry_msgs/msg/Pose")(point, quaternion), np.zeros(36)
            )
            result = make("vision_msgs/msg/ObjectHypothesisWithPose")(hypothesis, pose)
            detections.append(make("vision_msgs/msg/Detection2D")(header, [result], shape, ""))
        self._put(topic, "vision_msgs/msg/Detection2DArray", stamp_ns, header, detections)

    def _signals(self, time_s, joints):
        stamp_ns = START_NS + round(time_s * 1e9)
        header, make = self.header(stamp_ns), self.type
        positions = time_s * np.arange(1, len(joints) + 1)
        states = (header, list(joints), positions, positions, np.zeros(0))
        self._put("/joint_states", "sensor_msgs/msg/JointState", stamp_ns, *states)
        xyz = make("geometry_msgs/msg/Vector3")
        wrench = make("geometry_msgs/msg/Wrench")(xyz(time_s, 0.0, 1.0), xyz(0.0, time_s, 2.0))
        self._put("/wrench", "geometry_msgs/msg/WrenchStamped", stamp_ns, header, wrench)
        layout = make("std_msgs/msg/MultiArrayLayout")([], 0)
        self._put("/command", "std_msgs/msg/Float64MultiArray", stamp_ns, layout, np.array([time_s, -time_s]))
        finger = make("lab_msgs/msg/Finger")
        fingers = [finger(time_s, np.array([1, 2, 3], np.uint8)), finger(2 * time_s, np.array([4, 5, 6], np.uint8))]
        self._put("/gripper", "lab_msgs/msg/Gripper", stamp_ns, header, fingers, time_s > 0.2)
