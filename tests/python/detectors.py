"""Copies of sample bags in which other detectors and markers say what the Detection2DArray topics said: the same boxes
in other types, written by rosbags. Definitions are those that the packages ship."""

from dataclasses import dataclass, replace

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from scipy.spatial.transform import Rotation

BOXES = "vision_msgs/msg/Detection2DArray"
THICKNESS_M = 0.04

DEFINITIONS = {
    "yolo_msgs": {
        "DetectionArray": "std_msgs/Header header\nDetection[] detections",
        "Detection": "int32 class_id\nstring class_name\nfloat64 score\nstring id\nBoundingBox2D bbox\n"
        "BoundingBox3D bbox3d\nMask mask\nKeyPoint2DArray keypoints\nKeyPoint3DArray keypoints3d",
        "BoundingBox2D": "Pose2D center\nVector2 size",
        "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\nstring frame_id",
        "Pose2D": "Point2D position\nfloat64 theta",
        "Point2D": "float64 x\nfloat64 y",
        "Vector2": "float64 x\nfloat64 y",
        "Mask": "int32 height\nint32 width\nPoint2D[] data",
        "KeyPoint2D": "int32 id\nPoint2D point\nfloat64 score",
        "KeyPoint2DArray": "KeyPoint2D[] data",
        "KeyPoint3D": "int32 id\ngeometry_msgs/Point point\nfloat64 score",
        "KeyPoint3DArray": "KeyPoint3D[] data\nstring frame_id",
    },
    "vision_msgs": {
        "Detection3DArray": "std_msgs/Header header\nDetection3D[] detections",
        "Detection3D": "std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox3D bbox\nstring id",
        "ObjectHypothesisWithPose": "ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose",
        "ObjectHypothesis": "string class_id\nfloat64 score",
        "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
        "BoundingBox2D": "Pose2D center\nfloat64 size_x\nfloat64 size_y",
        "Pose2D": "Point2D position\nfloat64 theta",
        "Point2D": "float64 x\nfloat64 y",
    },
    "zed_msgs": {
        "ObjectsStamped": "std_msgs/Header header\nObject[] objects",
        "Object": "string label\nint16 label_id\nstring sublabel\nfloat32 confidence\nfloat32[3] position\n"
        "float32[6] position_covariance\nfloat32[3] velocity\nbool tracking_available\nint8 tracking_state\n"
        "int8 action_state\nBoundingBox2Di bounding_box_2d\nBoundingBox3D bounding_box_3d\nfloat32[3] dimensions_3d\n"
        "bool skeleton_available\nint8 body_format\nBoundingBox2Df head_bounding_box_2d\n"
        "BoundingBox3D head_bounding_box_3d\nfloat32[3] head_position\nSkeleton2D skeleton_2d\nSkeleton3D skeleton_3d\n"
        "float32[70] skeleton_keypoint_confidence",
        "BoundingBox2Di": "Keypoint2Di[4] corners",
        "BoundingBox2Df": "Keypoint2Df[4] corners",
        "BoundingBox3D": "Keypoint3D[8] corners",
        "Keypoint2Di": "uint32[2] kp",
        "Keypoint2Df": "float32[2] kp",
        "Keypoint3D": "float32[3] kp",
        "Skeleton2D": "Keypoint2Df[70] keypoints",
        "Skeleton3D": "Keypoint3D[70] keypoints",
    },
    "depthai_ros_msgs": {
        "SpatialDetectionArray": "std_msgs/Header header\nSpatialDetection[] detections",
        "SpatialDetection": "vision_msgs/ObjectHypothesis[] results\nvision_msgs/BoundingBox2D bbox\n"
        "geometry_msgs/Point position\nbool is_tracking\nstring tracking_id",
    },
    "apriltag_msgs": {
        "AprilTagDetectionArray": "std_msgs/Header header\nAprilTagDetection[] detections",
        "AprilTagDetection": "string family\nint32 id\nint32 hamming\nfloat32 goodness\nfloat32 decision_margin\n"
        "Point centre\nPoint[4] corners\nfloat64[9] homography",
        "Point": "float64 x\nfloat64 y",
    },
    "aruco_opencv_msgs": {
        "ArucoDetection": "std_msgs/Header header\nMarkerPose[] markers\nBoardPose[] boards",
        "MarkerPose": "uint16 marker_id\ngeometry_msgs/Pose pose",
        "BoardPose": "string board_name\ngeometry_msgs/Pose pose",
    },
}


def typestore(changes=None):
    """With the definitions above; `changes` replaces some: {"package/Type": text}."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    types = {}
    for package, definitions in DEFINITIONS.items():
        for name, text in definitions.items():
            changed = (changes or {}).get(f"{package}/{name}", text)
            types |= get_types_from_msg(changed, f"{package}/msg/{name}")
    store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
    return store


@dataclass(frozen=True)
class Seen:
    """A box of the sample bag, with what other forms say of it."""

    class_name: str
    score: float
    box: tuple
    depth_m: float = 0.8
    track: str = ""
    is_lost: bool = False
    has_size: bool = True
    # A polygon in pixels, and the size of their picture.
    outline: tuple = ()
    picture: tuple = (0, 0)


@dataclass(frozen=True)
class Camera:
    fx: float
    fy: float
    cx: float
    cy: float

    def box(self, seen):
        """Middle and size in metres of a box that the camera sees just in the pixel box. Its outline is of the near
        face where that stands out, and of the far one where it is beside the axis."""
        near_m, far_m = seen.depth_m, seen.depth_m + THICKNESS_M
        x_min, y_min, x_max, y_max = seen.box

        def metres(edge, center, focal, side):
            # A pixel's middle has a whole number for the camera.
            slope = (edge - 0.5 - center) / focal
            return slope * (near_m if slope * side > 0 else far_m)

        least = np.array([metres(x_min, self.cx, self.fx, -1), metres(y_min, self.cy, self.fy, -1), near_m])
        most = np.array([metres(x_max, self.cx, self.fx, 1), metres(y_max, self.cy, self.fy, 1), far_m])
        # A box is thick: too narrow a one beside the axis cannot be an outline.
        assert (most > least).all() or not near_m > 0
        return (least + most) / 2, np.abs(most - least)


class Forms:
    """One method a message type: from what was seen to a message. `into` maps places: a rotation and a translation."""

    def __init__(self, store, camera):
        self.store, self.camera = store, camera

    def make(self, name, **fields):
        return self.store.types[name](**fields)

    def header(self, stamp, frame_id):
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def point(self, xyz):
        return self.make("geometry_msgs/msg/Point", x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))

    def vector(self, xyz):
        return self.make("geometry_msgs/msg/Vector3", x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))

    def pose(self, xyz, rotation):
        x, y, z, w = map(float, rotation.as_quat())
        turn = self.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
        return self.make("geometry_msgs/msg/Pose", position=self.point(xyz), orientation=turn)

    def flat(self, package, seen):
        x_min, y_min, x_max, y_max = seen.box
        position = self.make(f"{package}/msg/Point2D", x=(x_min + x_max) / 2, y=(y_min + y_max) / 2)
        return self.make(f"{package}/msg/Pose2D", position=position, theta=0.0), x_max - x_min, y_max - y_min

    def yolo(self, header, objects, _into):
        store_point = "yolo_msgs/msg"

        def detection(seen):
            center, width, height = self.flat("yolo_msgs", seen)
            size = self.make(f"{store_point}/Vector2", x=width, y=height)
            nowhere = self.pose([0, 0, 0], Rotation.identity())
            outline = [self.make(f"{store_point}/Point2D", x=float(x), y=float(y)) for x, y in seen.outline]
            return self.make(
                f"{store_point}/Detection",
                class_id={"fingertip": 3, "target": 41}.get(seen.class_name, 7),
                class_name=seen.class_name,
                score=seen.score,
                id=seen.track,
                bbox=self.make(f"{store_point}/BoundingBox2D", center=center, size=size),
                bbox3d=self.make(
                    f"{store_point}/BoundingBox3D", center=nowhere, size=self.vector([0, 0, 0]), frame_id=""
                ),
                mask=self.make(f"{store_point}/Mask", height=seen.picture[1], width=seen.picture[0], data=outline),
                keypoints=self.make(f"{store_point}/KeyPoint2DArray", data=[]),
                keypoints3d=self.make(f"{store_point}/KeyPoint3DArray", data=[], frame_id=""),
            )

        return self.make(
            f"{store_point}/DetectionArray", header=header, detections=[detection(seen) for seen in objects]
        )

    def hypothesis(self, seen):
        return self.make("vision_msgs/msg/ObjectHypothesis", class_id=seen.class_name, score=seen.score)

    def boxes_3d(self, header, objects, into):
        def detection(seen):
            middle, size = self.camera.box(seen)
            pose = self.pose(into[0].apply(middle) + into[1], into[0])
            covariant = self.make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36))
            result = self.make(
                "vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=self.hypothesis(seen), pose=covariant
            )
            bbox = self.make(
                "vision_msgs/msg/BoundingBox3D", center=pose, size=self.vector(size if seen.has_size else np.zeros(3))
            )
            return self.make("vision_msgs/msg/Detection3D", header=header, results=[result], bbox=bbox, id=seen.track)

        return self.make(
            "vision_msgs/msg/Detection3DArray", header=header, detections=[detection(seen) for seen in objects]
        )

    def zed(self, header, objects, into, pixels=False):
        def keypoints(name, corners, kind):
            return [self.make(f"zed_msgs/msg/{name}", kp=np.array(corner, kind)) for corner in corners]

        def bbox(name, keypoint, corners, kind):
            return self.make(f"zed_msgs/msg/{name}", corners=keypoints(keypoint, corners, kind))

        def entry(seen):
            middle, size = self.camera.box(seen)
            signs = [(x, y, z) for z in (-1, 1) for x, y in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
            corners = [into[0].apply(middle + size * sign / 2) + into[1] for sign in np.array(signs)]
            if not seen.has_size:
                corners = np.zeros((8, 3))
            x_min, y_min, x_max, y_max = (round(edge) for edge in seen.box) if pixels else (0, 0, 0, 0)
            flat = [(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max)]
            nothing_2d, nothing_3d = [(0, 0)] * 4, [(0, 0, 0)] * 8
            return self.make(
                "zed_msgs/msg/Object",
                label="Object",
                label_id=int(seen.track or 0),
                sublabel=seen.class_name,
                confidence=100 * seen.score,
                position=np.array(into[0].apply(middle) + into[1], np.float32),
                position_covariance=np.zeros(6, np.float32),
                velocity=np.zeros(3, np.float32),
                tracking_available=bool(seen.track),
                tracking_state=2 if seen.is_lost else 1,
                action_state=0,
                bounding_box_2d=bbox("BoundingBox2Di", "Keypoint2Di", flat, np.uint32),
                bounding_box_3d=bbox("BoundingBox3D", "Keypoint3D", corners, np.float32),
                dimensions_3d=np.array(size, np.float32),
                skeleton_available=False,
                body_format=0,
                head_bounding_box_2d=bbox("BoundingBox2Df", "Keypoint2Df", nothing_2d, np.float32),
                head_bounding_box_3d=bbox("BoundingBox3D", "Keypoint3D", nothing_3d, np.float32),
                head_position=np.zeros(3, np.float32),
                skeleton_2d=self.make(
                    "zed_msgs/msg/Skeleton2D", keypoints=keypoints("Keypoint2Df", [(0, 0)] * 70, np.float32)
                ),
                skeleton_3d=self.make(
                    "zed_msgs/msg/Skeleton3D", keypoints=keypoints("Keypoint3D", [(0, 0, 0)] * 70, np.float32)
                ),
                skeleton_keypoint_confidence=np.zeros(70, np.float32),
            )

        return self.make("zed_msgs/msg/ObjectsStamped", header=header, objects=[entry(seen) for seen in objects])

    def zed_pixels(self, header, objects, into):
        return self.zed(header, objects, into, pixels=True)

    def spatial(self, header, objects, _into):
        def detection(seen):
            center, width, height = self.flat("vision_msgs", seen)
            return self.make(
                "depthai_ros_msgs/msg/SpatialDetection",
                results=[self.hypothesis(seen)],
                bbox=self.make("vision_msgs/msg/BoundingBox2D", center=center, size_x=width, size_y=height),
                position=self.point(self.camera.box(seen)[0]),
                is_tracking=bool(seen.track),
                tracking_id=seen.track,
            )

        return self.make(
            "depthai_ros_msgs/msg/SpatialDetectionArray",
            header=header,
            detections=[detection(seen) for seen in objects],
        )

    def april_tags(self, header, objects, _into):
        def detection(seen):
            x_min, y_min, x_max, y_max = seen.box
            # A turned tag: its corners lie on the box's edges.
            corners = [(x_min, (y_min + y_max) / 2), (x_max, y_min), (x_max, y_max), ((x_min + x_max) / 2, y_max)]
            point = self.store.types["apriltag_msgs/msg/Point"]
            return self.make(
                "apriltag_msgs/msg/AprilTagDetection",
                family="tag36h11",
                id={"fingertip": 3, "target": 7}[seen.class_name],
                hamming=0,
                goodness=0.0,
                decision_margin=60.0,
                centre=point(x=(x_min + x_max) / 2, y=(y_min + y_max) / 2),
                corners=[point(x=x, y=y) for x, y in corners],
                homography=np.zeros(9),
            )

        return self.make(
            "apriltag_msgs/msg/AprilTagDetectionArray",
            header=header,
            detections=[detection(seen) for seen in objects],
        )

    def marker_pose(self, seen, into):
        """Of a marker that is turned against the camera, in the middle of what was seen."""
        turn = Rotation.from_euler("xyz", [3.0, 0.2, 0.4])
        return into[0] * turn, into[0].apply(self.camera.box(seen)[0]) + into[1]

    def aruco(self, header, objects, into):
        def marker(seen):
            turn, middle = self.marker_pose(seen, into)
            marker_id = {"fingertip": 3, "target": 7}[seen.class_name]
            pose = self.pose(middle, turn)
            return self.make("aruco_opencv_msgs/msg/MarkerPose", marker_id=marker_id, pose=pose)

        return self.make(
            "aruco_opencv_msgs/msg/ArucoDetection",
            header=header,
            markers=[marker(seen) for seen in objects],
            boards=[],
        )


def moving(stamp_nanos):
    """Where a camera that moves is in its base."""
    seconds = stamp_nanos % 100_000_000_000 / 1e9
    return Rotation.from_euler("zyx", [0.4 * np.sin(seconds), 1.2, 0.3]), np.array([0.3, 0.1 * np.cos(seconds), 1.0])


def nanos(stamp):
    return stamp.sec * 1_000_000_000 + stamp.nanosec


class Copy:
    """A bag that is written, with what messages of the other forms are made of."""

    def __init__(self, writer, store, camera):
        self.writer, self.store = writer, store
        self.forms = Forms(store, camera)
        self.connections = {}

    def write(self, topic, msgtype, time, data, like=None):
        if topic not in self.connections:
            described = {"msgdef": like.msgdef.data, "rihs01": like.digest} if like else {"typestore": self.store}
            self.connections[topic] = self.writer.add_connection(topic, msgtype, **described)
        self.writer.write(self.connections[topic], time, data)

    def write_message(self, topic, time, message):
        msgtype = message.__msgtype__
        self.write(topic, msgtype, time, self.store.serialize_cdr(message, msgtype))

    def write_transform(self, time, header, child, into):
        """Where `child` is in the header's frame."""
        make = self.forms.make
        x, y, z, w = map(float, into[0].as_quat())
        turn = make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
        transform = make("geometry_msgs/msg/Transform", translation=self.forms.vector(into[1]), rotation=turn)
        stamped = make("geometry_msgs/msg/TransformStamped", header=header, child_frame_id=child, transform=transform)
        self.write_message("/tf", time, make("tf2_msgs/msg/TFMessage", transforms=[stamped]))


class Sample:
    """What a sample bag holds."""

    def __init__(self, path):
        with Reader(path) as reader:
            self.messages = [(c, time, bytes(data)) for c, time, data in reader.messages()]
        self.store = get_typestore(Stores.EMPTY)
        for connection in {c.msgtype: c for c, _, _ in self.messages}.values():
            types = get_types_from_msg(connection.msgdef.data, connection.msgtype)
            new = {name: fields for name, fields in types.items() if name not in self.store.fielddefs}
            self.store.register(new)
        self.truth = {name: self.of(f"/ground_truth/{name}") for name in ("fingertip", "target")}
        self.box_topics = {c.topic for c, _, _ in self.messages if c.msgtype == BOXES}

    def of(self, topic):
        """Log time and message of each on a topic."""
        wanted = [(c, time, data) for c, time, data in self.messages if c.topic == topic]
        return [(time, self.store.deserialize_cdr(data, c.msgtype)) for c, time, data in wanted]

    def camera(self):
        k = self.of("/camera/color/camera_info")[0][1].k
        return Camera(k[0], k[4], k[2], k[5])

    def seen(self, detection, time):
        hypothesis = detection.results[0].hypothesis
        center, half = detection.bbox.center.position, (detection.bbox.size_x / 2, detection.bbox.size_y / 2)
        box = (center.x - half[0], center.y - half[1], center.x + half[0], center.y + half[1])
        _, truth = min(self.truth[hypothesis.class_id], key=lambda timed: abs(timed[0] - time))
        return Seen(hypothesis.class_id, hypothesis.score, box, float(truth.point.z))


def rewritten(
    source,
    target,
    form,
    *,
    shared=False,
    base=None,
    transforms=True,
    change=lambda seen, _index: [seen],
    frames=(),
    definitions=None,
    late_s=0,
    storage=StoragePlugin.MCAP,
    version=9,
):
    """The sample bag `source` with what `form` makes of its boxes. `shared`: on one topic, `/detections`. `base`: in
    that frame, in which the camera moves, with its transforms on /tf where `transforms`. `change` maps each box to
    those that are written. `frames`: (class name, child frame) to put on /tf where the boxes' middles are. `late_s`:
    boxes were recorded so much after their images."""
    sample = Sample(source)
    store = typestore(definitions)
    counts, pending = {}, {}
    with Writer(target, version=version, storage_plugin=storage) as writer:
        copy = Copy(writer, store, sample.camera())
        for connection, time, data in sample.messages:
            if connection.msgtype != BOXES:
                copy.write(connection.topic, connection.msgtype, time, data, like=connection)
                continue
            message = sample.store.deserialize_cdr(data, BOXES)
            camera_frame, stamp = message.header.frame_id, nanos(message.header.stamp)
            header = copy.forms.header(
                store.types["builtin_interfaces/msg/Time"](*divmod(stamp, 1_000_000_000)), base or camera_frame
            )
            into = moving(stamp) if base else (Rotation.identity(), np.zeros(3))
            objects = []
            for seen in (sample.seen(detection, time) for detection in message.detections):
                for _, child in (it for it in frames if it[0] == seen.class_name):
                    copy.write_transform(time, header, child, copy.forms.marker_pose(seen, into))
                index = counts[seen.class_name] = counts.get(seen.class_name, -1) + 1
                objects += change(seen, index)
            if base and transforms:
                copy.write_transform(time, header, camera_frame, into)
            if shared and len(sample.box_topics) > 1:
                # Both topics' messages of an instant become one.
                if stamp not in pending:
                    pending[stamp] = objects
                    continue
                objects = pending.pop(stamp) + objects
            built = getattr(copy.forms, form)(header, objects, into)
            topic = "/detections" if shared else connection.topic
            copy.write_message(topic, time + int(late_s * 1e9), built)
    return target


def turned_around(seen, _index):
    """Behind the camera."""
    return [replace(seen, depth_m=-seen.depth_m)]
