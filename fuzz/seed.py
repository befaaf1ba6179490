"""Fills fuzz/corpus with what fuzzing starts from: the messages of tests/fixtures, small bags of
every storage and layout, the configurations of config/, lines of a data set, and the messages that one is made of.

    python fuzz/seed.py        (needs rosbags)
"""

import json
import re
import shutil
import sqlite3
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "fixtures"))
import make_cdr  # noqa: E402 (found by the line above)

CDR = ROOT / "tests" / "fixtures" / "cdr"
CORPUS = ROOT / "fuzz" / "corpus"
START_NANOS = 1_760_000_000_000_000_000
DEFINITION = "string data\n"

# In the order of fuzz_targets/cdr.rs: the definition's file and the messages of that type.
TYPES = [
    ("Image", []),
    ("CompressedImage", []),
    ("CameraInfo", ["camera_info"]),
    ("RegionOfInterest", ["region_of_interest"]),
    ("String", ["string"]),
    ("Float64", ["float64"]),
    ("PointStamped", ["point"]),
    ("StepReward", ["step_reward", "step_reward_before_tf", "step_reward_before_std"]),
    ("TFMessage", ["transforms"]),
    *((version, [version]) for version in ("vision0", "vision1", "vision2", "vision3", "vision4", "vision_fork")),
    ("objects_yolo", ["objects_yolo"]),
    ("objects_boxes_3d", ["objects_boxes_3d"]),
    ("objects_zed", ["objects_zed", "objects_zed_pixels"]),
    ("objects_spatial", ["objects_spatial"]),
    ("objects_april_tags", ["objects_april_tags"]),
    ("objects_aruco", ["objects_aruco"]),
]
WITHOUT_DEFINITION, RIGHT_DEFINITION, OWN_DEFINITION = range(3)


def folder(target):
    """The target's corpus folder. What an earlier run found stays."""
    path = CORPUS / target
    path.mkdir(parents=True, exist_ok=True)
    return path


def seed_cdr():
    cases = json.loads((CDR / "cases.json").read_text())
    pictures = {"Image": [], "CompressedImage": []}
    for case in cases["color"] + cases["depth"]:
        pictures[case["type"].rsplit("/", 1)[1]].append(case["name"])
    out = folder("cdr")
    for index, (definition, names) in enumerate(TYPES):
        text = (CDR / f"{definition}.msg").read_bytes()
        for name in names or pictures[definition]:
            for variant in (name, f"{name}_big_endian_cdr"):
                file = CDR / f"{variant}.cdr"
                if file.exists():
                    message = file.read_bytes()
                    (out / variant).write_bytes(bytes([index, RIGHT_DEFINITION]) + message)
                    (out / f"{variant}_undefined").write_bytes(bytes([index, WITHOUT_DEFINITION]) + message)
        own = bytes([index, OWN_DEFINITION]) + struct.pack("<H", len(text)) + text
        (out / f"{definition}_own").write_bytes(own + (CDR / f"{(names or pictures[definition])[0]}.cdr").read_bytes())


def chatter(count=6):
    """Log times and String messages."""
    types = get_typestore(Stores.ROS2_JAZZY)
    message = types.types["std_msgs/msg/String"]
    for i in range(count):
        data = bytes(types.serialize_cdr(message(f"message {i}"), "std_msgs/msg/String"))
        yield START_NANOS + i * 10_000_000, data


def rosbags_bags(plugin, extension, out):
    """Whole bags as another library writes them, in every compression."""
    types = get_typestore(Stores.ROS2_JAZZY)
    for mode in CompressionMode:
        if mode == CompressionMode.STORAGE and plugin != StoragePlugin.MCAP:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "bag"
            writer = Writer(path, version=9, storage_plugin=plugin)
            if mode != CompressionMode.NONE:
                writer.set_compression(mode, CompressionFormat.ZSTD)
            with writer:
                topics = [writer.add_connection(f"/{i}", "std_msgs/msg/String", typestore=types) for i in range(2)]
                for i, (time, data) in enumerate(chatter()):
                    writer.write(topics[i % 2], time, data)
            (file,) = path.glob(f"*.{extension}*")
            shutil.copy(file, out / f"rosbags_{mode.name.lower()}")


def record(opcode, body):
    return struct.pack("<BQ", opcode, len(body)) + body


def text(value):
    return struct.pack("<I", len(value)) + value.encode()


def lz4(data):
    """An LZ4 frame with one stored block: magic, flags, their checksum, the block, the end mark."""
    header = bytes.fromhex("04224d18604082")
    return header + struct.pack("<I", 1 << 31 | len(data)) + data + struct.pack("<I", 0)


def seed_mcap():
    out = folder("mcap_reader")
    rosbags_bags(StoragePlugin.MCAP, "mcap", out)
    # Without index and summary, as a recorder that was killed leaves it.
    magic = b"\x89MCAP0\r\n"
    header = record(1, text("ros2") + text("seed"))
    schema = record(3, struct.pack("<H", 1) + text("std_msgs/msg/String") + text("ros2msg") + text(DEFINITION))
    channel = record(4, struct.pack("<HH", 1, 1) + text("/chatter") + text("cdr") + struct.pack("<I", 0))
    messages = [record(5, struct.pack("<HIQQ", 1, i, time, time) + data) for i, (time, data) in enumerate(chatter())]
    # One of them late.
    messages.append(messages.pop(2))
    content = schema + channel + b"".join(messages)
    data_end = record(0x0F, struct.pack("<I", 0))
    footer = record(2, struct.pack("<QQI", 0, 0, 0))
    times = struct.pack("<QQ", START_NANOS, START_NANOS + 50_000_000)

    def chunk(compression, packed):
        sizes = struct.pack("<QI", len(content), 0)
        return record(6, times + sizes + text(compression) + struct.pack("<Q", len(packed)) + packed)

    for name, data in [
        ("unchunked", content),
        ("plain_chunk", chunk("", content)),
        ("lz4_chunk", chunk("lz4", lz4(content))),
        ("two_chunks", chunk("", content) + chunk("lz4", lz4(content))),
    ]:
        (out / name).write_bytes(magic + header + data + data_end + footer + magic)
        (out / f"{name}_cut").write_bytes((magic + header + data)[:-9])


def seed_sqlite():
    out = folder("sqlite_reader")
    rosbags_bags(StoragePlugin.SQLITE3, "db3", out)
    topics = "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT"
    layouts = {
        "dashing": (f"{topics});", ("cdr",)),
        "humble": (f"{topics}, offered_qos_profiles TEXT);", ("cdr", "- history: 1")),
        "jazzy": (
            (
                f"{topics}, offered_qos_profiles TEXT, type_description_hash TEXT);"
                "CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);"
                "INSERT INTO schema VALUES (4, 'jazzy');"
                "CREATE TABLE metadata(id INTEGER PRIMARY KEY, metadata_version INTEGER, metadata TEXT);"
                "INSERT INTO metadata VALUES (1, 9, 'rosbag2_bagfile_information: {version: 9}');"
                "CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT, encoding TEXT,"
                "  encoded_message_definition TEXT, type_description_hash TEXT);"
                "INSERT INTO message_definitions VALUES (1, 'std_msgs/msg/String', 'ros2msg', 'string data', '');"
            ),
            ("cdr", "- history: keep_last", "RIHS01_00"),
        ),
    }
    for name, (tables, columns) in layouts.items():
        path = out / name
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path)
        # The smallest pages: more of them are reached by few mutations.
        database.execute("PRAGMA page_size = 512")
        database.executescript(
            f"{tables} CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);"
        )
        if name != "dashing":
            database.execute("CREATE INDEX timestamp_idx ON messages (timestamp ASC)")
        row = (1, "/chatter", "std_msgs/msg/String", *columns)
        database.execute(f"INSERT INTO topics VALUES ({', '.join('?' * len(row))})", row)
        # One message overflows its page.
        for time, data in [*chatter(20), (START_NANOS + 1, bytes(3000))]:
            database.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES (1, ?, ?)", (time, data))
        database.commit()
        database.close()


def seed_config():
    out = folder("config")
    words = set()
    for file in sorted((ROOT / "config").glob("*.yaml")):
        shutil.copy(file, out / file.stem)
        # The settings alone, which mutations reach sooner than comments.
        bare = re.sub(r"\s*#.*", "", file.read_text())
        words.update(re.findall(r"[a-z][a-z_0-9]+:?", bare))
        (out / f"{file.stem}_bare").write_text(bare)
    words.update([".inf", ".nan", "1e308", "1e-320", "~", "null", "&a ", "*a", "<<: ", "!!str ", "--- "])
    (CORPUS / "config.dict").write_text("".join(f'"{word}"\n' for word in sorted(words)))


def seed_train():
    out = folder("train")
    asked = "How far is <mask> <depth> from <mask> <depth>?"
    said = [{"from": "human", "value": f"<image>\n{asked}"}, {"from": "gpt", "value": "1.00 inches"}]
    row = {"filename": "a.png", "bbox": [[0, 0, 2, 2], [1, 1, 3, 3]], "conversations": said}
    full = row | {
        "depth": "b.png",
        "metric": "c.png",
        "intrinsics": [600, 600, 320, 240],
        "points": [[0, 0, 1], None],
        "mentions": [[1, 0], [0, 1]],
        "categories": ["distance", "width"],
        "conversations": [*said, {"from": "human", "value": asked}, {"from": "gpt", "value": "2 cm"}],
    }
    for name, value in [("published", row), ("full", full), ("without_regions", row | {"bbox": []})]:
        (out / name).write_text(json.dumps(value))
    words = [*full, "from", "value", "human", "gpt", "<mask>", "<depth>", "<image>\\\\n", "1e999", "null", "-0.0"]
    (CORPUS / "train.dict").write_text("".join(f'"{word}"\n' for word in words))


def scene():
    """A camera's messages of one instant, by their place in fuzz_targets/dataset.rs: a wall, a bar and a block."""
    store = make_cdr.typestore("vision4")
    make, header = make_cdr.make, make_cdr.header
    width, height = 32, 24
    bar, block = (slice(8, 12), slice(4, 12)), (slice(8, 16), slice(18, 26))
    color = np.full((height, width, 3), 200, np.uint8)
    depth = np.full((height, width), 1000, np.uint16)
    instances = np.zeros((height, width), np.uint8)
    for number, place in enumerate((bar, block), 1):
        color[place], depth[place], instances[place] = 40 * number, 800, number

    def detections(rows, columns, name, number):
        middle = [(side.start + side.stop) / 2 for side in (columns, rows)]
        position = make("vision_msgs/msg/Point2D", store, x=middle[0], y=middle[1])
        bbox = make(
            "vision_msgs/msg/BoundingBox2D",
            store,
            center=make("vision_msgs/msg/Pose2D", store, position=position, theta=0.0),
            size_x=float(columns.stop - columns.start),
            size_y=float(rows.stop - rows.start),
        )
        pose = make(
            "geometry_msgs/msg/Pose",
            store,
            position=make("geometry_msgs/msg/Point", store, x=0.0, y=0.0, z=0.0),
            orientation=make("geometry_msgs/msg/Quaternion", store, x=0.0, y=0.0, z=0.0, w=1.0),
        )
        result = make(
            "vision_msgs/msg/ObjectHypothesisWithPose",
            store,
            hypothesis=make("vision_msgs/msg/ObjectHypothesis", store, class_id=name, score=0.9),
            pose=make("geometry_msgs/msg/PoseWithCovariance", store, pose=pose, covariance=np.zeros(36)),
        )
        name = "vision_msgs/msg/Detection2D"
        found = make(name, store, header=header(store), results=[result], bbox=bbox, id=str(number))
        return make("vision_msgs/msg/Detection2DArray", store, header=header(store), detections=[found])

    info = make(
        "sensor_msgs/msg/CameraInfo",
        store,
        header=header(store),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([30.0, 0, 16, 0, 30, 12, 0, 0, 1]),
        r=np.eye(3).reshape(-1),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=make_cdr.region(store),
    )
    zero = make("geometry_msgs/msg/Vector3", store, x=0.0, y=0.0, z=0.0)
    imu = make(
        "sensor_msgs/msg/Imu",
        store,
        header=header(store),
        orientation=make("geometry_msgs/msg/Quaternion", store, x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=np.zeros(9),
        angular_velocity=zero,
        angular_velocity_covariance=np.zeros(9),
        linear_acceleration=make("geometry_msgs/msg/Vector3", store, x=0.0, y=-9.8, z=0.0),
        linear_acceleration_covariance=np.zeros(9),
    )
    messages = [
        make_cdr.image("rgb8", color, width, height),
        make_cdr.image("16UC1", depth, width, height),
        info,
        detections(*bar, "fingertip", 1),
        detections(*block, "target", 2),
        make_cdr.image("16UC1", depth, width, height),
        make_cdr.image("mono8", instances, width, height),
        imu,
    ]
    return [bytes(store.serialize_cdr(message, message.__msgtype__)) for message in messages]


def seed_video():
    """The videos of tests/fixtures, in the order of fuzz_targets/video.rs, with a sender's count and without."""
    out = folder("video")
    for codec, name in enumerate(["h264", "h265", "av1", "vp9"]):
        packets = (ROOT / "tests" / "fixtures" / "video" / name).read_bytes()
        for counted in (0, 0x80):
            (out / f"{name}_{counted}").write_bytes(bytes([codec | counted]) + packets)


def seed_dataset():
    out = folder("dataset")
    messages = scene()

    def packed(topics):
        parts = (struct.pack("<BBH", topic, 1, len(messages[topic])) + messages[topic] for topic in topics)
        return b"".join(parts)

    # The camera info first: it belongs to every picture.
    for name, topics in [
        ("everything", [2, 0, 1, 3, 4, 5, 6, 7]),
        ("without_truth", [2, 0, 1, 3, 4]),
        ("truth_alone", [2, 0, 5, 6, 3, 4]),
        ("without_depth", [2, 0, 3, 4]),
    ]:
        (out / name).write_bytes(packed(topics))


if __name__ == "__main__":
    seed_cdr()
    seed_mcap()
    seed_sqlite()
    seed_config()
    seed_train()
    seed_dataset()
    seed_video()
