"""Fills fuzz/corpus with what fuzzing starts from: the messages of tests/fixtures, small bags of
every storage and layout, and the configurations of config/.

    python fuzz/seed.py        (needs rosbags)
"""

import json
import re
import shutil
import sqlite3
import struct
import tempfile
from pathlib import Path

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

ROOT = Path(__file__).resolve().parent.parent
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
    ("StepReward", ["step_reward"]),
    *((version, [version]) for version in ("vision0", "vision1", "vision2", "vision3", "vision4", "vision_fork")),
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


if __name__ == "__main__":
    seed_cdr()
    seed_mcap()
    seed_sqlite()
    seed_config()
