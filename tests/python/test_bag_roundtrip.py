"""Copies bags with the `copy_bag` example and compares original and copy with `rosbags`, an
independent reader: every connection and every message, byte for byte.

Run with pytest. COPY_BAG names the example's binary, SAMPLE_BAGS (optional) a folder of more bags.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
TYPES = get_typestore(Stores.ROS2_JAZZY)
STORAGES = [StoragePlugin.MCAP, StoragePlugin.SQLITE3]
COMPRESSIONS = [CompressionMode.NONE, CompressionMode.MESSAGE, CompressionMode.FILE]
START_NANOS = 1_760_000_000_000_000_000
FOREVER = QosTime(9223372036, 854775807)
TRANSIENT_LOCAL = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    FOREVER,
    FOREVER,
    QosLiveliness.AUTOMATIC,
    FOREVER,
    False,
)


def copy_bag_binary():
    given = os.environ.get("COPY_BAG")
    if given:
        return Path(given)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    for profile in ("release", "debug"):
        binary = target / profile / "examples" / "copy_bag"
        if binary.exists():
            return binary
    raise FileNotFoundError("build it first: cargo build --example copy_bag")


def copy_bag(source, target, storage=None, expect=0):
    command = [copy_bag_binary(), source, target]
    if storage is not None:
        command.append(storage.name.lower())
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done.stderr


def write_bag(path, storage, version=9, compression=CompressionMode.NONE, *, first=0, count=40):
    """Two topics, one with QoS and large messages; custom data; log times in steps of 1 ms."""
    writer = Writer(path, version=version, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        writer.set_custom_data("robot", "left: arm")
        chatter = writer.add_connection(
            "/chatter",
            "std_msgs/msg/String",
            typestore=TYPES,
            offered_qos_profiles=[TRANSIENT_LOCAL, TRANSIENT_LOCAL],
        )
        scan = writer.add_connection("/scan", "std_msgs/msg/UInt8MultiArray", typestore=TYPES)
        string = TYPES.types["std_msgs/msg/String"]
        for index in range(first, first + count):
            stamp = START_NANOS + index * 1_000_000
            text = TYPES.serialize_cdr(string(f"message {index}"), "std_msgs/msg/String")
            writer.write(chatter, stamp, text)
            noise = bytes((index * 7 + i * i) % 251 for i in range(20_000))
            writer.write(scan, stamp + 500, b"\x00\x01\x00\x00" + noise)


def contents(path):
    """Everything that `rosbags` sees of a bag."""
    with Reader(path) as reader:
        connections = sorted(
            (c.topic, c.msgtype, c.digest, c.msgdef, c.msgcount, repr(c.ext)) for c in reader.connections
        )
        messages = [(c.topic, stamp, bytes(data)) for c, stamp, data in reader.messages()]
        span = (reader.start_time, reader.end_time, reader.message_count)
        return connections, sorted(messages), span, reader.ros_distro


def information(path):
    text = (path / "metadata.yaml").read_text()
    return YAML(typ="safe").load(text)["rosbag2_bagfile_information"]


def assert_same_bag(original, copy):
    before, after = contents(original), contents(copy)
    for was, is_now in zip(before, after, strict=True):
        assert was == is_now
    assert before[1], "the bag has messages"


def split(bag, parts):
    """Makes one split bag of several bags, as a recorder does that begins a new file."""
    bag.mkdir()
    merged = None
    for part in parts:
        found = information(part)
        for name in found["relative_file_paths"]:
            shutil.copy(part / name, bag / name)
        if merged is None:
            merged = found
            continue
        merged["relative_file_paths"] += found["relative_file_paths"]
        merged["files"] += found["files"]
        merged["message_count"] += found["message_count"]
        for topic, more in zip(merged["topics_with_message_count"], found["topics_with_message_count"], strict=True):
            topic["message_count"] += more["message_count"]
        end = found["starting_time"]["nanoseconds_since_epoch"] + found["duration"]["nanoseconds"]
        start = merged["starting_time"]["nanoseconds_since_epoch"]
        merged["duration"]["nanoseconds"] = end - start
    with (bag / "metadata.yaml").open("w") as file:
        YAML(typ="safe").dump({"rosbag2_bagfile_information": merged}, file)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize("storage", STORAGES)
def test_copy_equals_original(tmp_path, storage, version, compression):
    write_bag(tmp_path / "original", storage, version, compression)

    copy_bag(tmp_path / "original", tmp_path / "copy")

    assert_same_bag(tmp_path / "original", tmp_path / "copy")
    copied, original = information(tmp_path / "copy"), information(tmp_path / "original")
    for key in ("version", "ros_distro", "custom_data", "storage_identifier"):
        assert copied[key] == original[key]
    assert copied["compression_mode"] == ""
    assert copied["relative_file_paths"] == [f"copy_0{'.mcap' if storage.name == 'MCAP' else '.db3'}"]


@pytest.mark.parametrize("target", STORAGES)
@pytest.mark.parametrize("source", STORAGES)
def test_copy_into_the_other_storage_equals_original(tmp_path, source, target):
    write_bag(tmp_path / "original", source)

    copy_bag(tmp_path / "original", tmp_path / "copy", target)

    assert_same_bag(tmp_path / "original", tmp_path / "copy")


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("storage", STORAGES)
def test_copy_of_a_split_bag_equals_original(tmp_path, storage, compression):
    parts = [tmp_path / name for name in ("part_b", "part_a", "part_c")]
    for index, part in enumerate(parts):
        write_bag(part, storage, compression=compression, first=40 * index)
    split(tmp_path / "original", parts)

    copy_bag(tmp_path / "original", tmp_path / "copy")

    assert_same_bag(tmp_path / "original", tmp_path / "copy")


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("storage", STORAGES)
def test_bare_file_and_folder_without_metadata_equal_original(tmp_path, storage, compression):
    write_bag(tmp_path / "original", storage, compression=compression)
    (name,) = information(tmp_path / "original")["relative_file_paths"]
    bare = tmp_path / "elsewhere" / name
    bare.parent.mkdir()
    shutil.copy(tmp_path / "original" / name, bare)

    copy_bag(bare, tmp_path / "copy_of_file")
    copy_bag(bare.parent, tmp_path / "copy_of_folder")

    assert_same_bag(tmp_path / "original", tmp_path / "copy_of_file")
    assert_same_bag(tmp_path / "original", tmp_path / "copy_of_folder")


def test_copying_twice_gives_the_same_bytes(tmp_path):
    for storage in STORAGES:
        original = tmp_path / storage.name
        write_bag(original, storage)
        copies = [tmp_path / f"{storage.name}_{i}" / "copy" for i in (1, 2)]
        for copy in copies:
            copy_bag(original, copy)
        files = [sorted(copy.iterdir()) for copy in copies]
        assert [f.name for f in files[0]] == [f.name for f in files[1]]
        for one, other in zip(*files, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name


@pytest.mark.parametrize("storage", STORAGES)
def test_cut_bag_is_copied_as_far_as_it_goes(tmp_path, storage):
    write_bag(tmp_path / "original", storage, count=200)
    (name,) = information(tmp_path / "original")["relative_file_paths"]
    file = tmp_path / "original" / name
    connections, messages, *_ = contents(tmp_path / "original")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    said = copy_bag(tmp_path / "original", tmp_path / "copy", expect=3)

    recovered_connections, recovered, *_ = contents(tmp_path / "copy")
    assert [c[:4] for c in recovered_connections] == [c[:4] for c in connections]
    assert recovered == messages[: len(recovered)] or set(recovered) <= set(messages)
    assert len(recovered) > len(messages) // 4
    assert f"{len(messages) - len(recovered)} messages were lost" in said


def sample_bags():
    folder = os.environ.get("SAMPLE_BAGS")
    folders = [ROOT / "data", *([Path(folder)] if folder else [])]
    return sorted(file.parent for folder in folders for file in folder.glob("*/metadata.yaml"))


@pytest.mark.parametrize("bag", sample_bags(), ids=lambda bag: bag.name)
@pytest.mark.parametrize("storage", STORAGES)
def test_copy_of_a_sample_bag_equals_original(tmp_path, bag, storage):
    copy_bag(bag, tmp_path / "copy", storage)

    assert_same_bag(bag, tmp_path / "copy")
