"""What tests of replayed bags share: bags written by who shares no code with the program, their labels, and messages
as things that compare.
"""

import dataclasses
import subprocess

from builtin_interfaces.msg import Time
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from conftest import SAMPLE
from node import program
from scene import nanoseconds

LATENCIES = {"latency_decode_s", "latency_estimate_s", "latency_total_s"}


def plain(message, message_type):
    """The fields of a message with a header, of rclpy or of rosbags, without latencies, as things that compare."""
    fields = set(message_type.get_fields_and_field_types()) - LATENCIES - {"header"}
    stamp = message.header.stamp
    values = {"stamp": nanoseconds(Time(sec=stamp.sec, nanosec=stamp.nanosec)), "frame_id": message.header.frame_id}
    for field in fields:
        value = getattr(message, field)
        if not isinstance(value, str | bool):
            value = [comparable(one) for one in (value if hasattr(value, "__len__") else [value])]
        values[field] = value
    return values


def comparable(value):
    """A text, or a number by its name: NaN is not equal to itself, but its name is."""
    return value if isinstance(value, str) else repr(float(value))


def shows(topic):
    """Whether a topic is one of annotations."""
    return topic.endswith("/annotations")


def tree(value):
    """A message without a header, of rclpy or of rosbags, as things that compare."""
    if hasattr(value, "get_fields_and_field_types"):
        return {field: tree(getattr(value, field)) for field in value.get_fields_and_field_types()}
    if dataclasses.is_dataclass(value):
        # rosbags has a message's type and constants among its fields.
        names = [field.name for field in dataclasses.fields(value) if field.name[0].islower()]
        return {name: tree(getattr(value, name)) for name in names}
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return comparable(value)
    return [tree(one) for one in value]


def write(path, messages):
    """A bag of these messages: (log time, topic, type, CDR)."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with AnyReader([SAMPLE]) as bag, Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {}
        for logged, topic, kind, data in messages:
            if topic not in topics:
                types = store if kind in store.fielddefs else bag.typestore
                topics[topic] = writer.add_connection(topic, kind, typestore=types)
            writer.write(topics[topic], logged, data)


def labels_as_live(bag, settings, output):
    """What `label` adds to a bag that is labelled as the node would, by topic."""
    command = [program(), "label", bag, "-o", output, "--as-live", "--config", settings]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    added = {}
    with AnyReader([output]) as labelled:
        ours = [one for one in labelled.connections if one.topic.startswith("/spatial_reward/") or shows(one.topic)]
        for one, _, data in labelled.messages(ours):
            added.setdefault(one.topic, []).append(labelled.deserialize(data, one.msgtype))
    return added
