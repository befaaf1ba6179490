"""Writes a bag that plays another bag several times in a row, for measuring on long recordings.

usage: repeat_bag.py BAG OUT TIMES

Log times and every stamp inside the messages move on with each repetition, so the result is one
recording without a jump back in time.
"""

import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from bags import copied_connection, typestore

PAUSE_NANOS = 66_666_667  # between two repetitions, about one frame


def main():
    if len(sys.argv) != 4 or not sys.argv[3].isdecimal():
        sys.exit(__doc__)
    repeat(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))


def repeat(bag, out, times):
    writer = Writer(out, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with Reader(bag) as reader, writer:
        store = typestore(reader)
        copies = {c.id: copied_connection(writer, c) for c in reader.connections}
        for repetition in range(times):
            offset = repetition * (reader.duration + PAUSE_NANOS)
            for connection, log_time, data in reader.messages():
                message = store.deserialize_cdr(data, connection.msgtype)
                shift_stamps(message, offset)
                shifted = store.serialize_cdr(message, connection.msgtype)
                writer.write(copies[connection.id], log_time + offset, shifted)


def shift_stamps(value, offset):
    """Move every builtin_interfaces/Time inside on by `offset` nanoseconds; zero means unset and stays."""
    if isinstance(value, list):
        for item in value:
            shift_stamps(item, offset)
    elif getattr(value, "__msgtype__", "") == "builtin_interfaces/msg/Time":
        nanos = value.sec * 1_000_000_000 + value.nanosec
        if nanos:
            object.__setattr__(value, "sec", (nanos + offset) // 1_000_000_000)
            object.__setattr__(value, "nanosec", (nanos + offset) % 1_000_000_000)
    elif is_dataclass(value):
        for field in fields(value):
            shift_stamps(getattr(value, field.name), offset)


if __name__ == "__main__":
    main()
