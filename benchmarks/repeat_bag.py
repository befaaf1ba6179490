"""Writes a bag that plays another bag several times in a row, for measuring on long recordings.

usage: repeat_bag.py BAG OUT TIMES [--raw]

Log times and every stamp inside the messages move on with each repetition, so the result is one
recording without a jump back in time. With --raw, compressed pictures become sensor_msgs/Image of rgb8.
"""

import io
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from bags import copied_connection, typestore

COMPRESSED, RAW = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image"
PAUSE_NANOS = 66_666_667  # between two repetitions, about one frame


def main():
    given = [argument for argument in sys.argv[1:] if argument != "--raw"]
    if len(given) != 3 or not given[2].isdecimal():
        sys.exit(__doc__)
    repeat(Path(given[0]), Path(given[1]), int(given[2]), raw="--raw" in sys.argv)


def repeat(bag, out, times, raw=False):
    writer = Writer(out, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with Reader(bag) as reader, writer:
        store = typestore(reader)
        unpacked = {c.id for c in reader.connections if raw and c.msgtype == COMPRESSED}
        copies = {
            c.id: writer.add_connection(c.topic.removesuffix("/compressed"), RAW, typestore=store)
            if c.id in unpacked
            else copied_connection(writer, c)
            for c in reader.connections
        }
        for repetition in range(times):
            offset = repetition * (reader.duration + PAUSE_NANOS)
            for connection, log_time, data in reader.messages():
                message = store.deserialize_cdr(data, connection.msgtype)
                shift_stamps(message, offset)
                if connection.id in unpacked:
                    message = picture(message, store)
                shifted = store.serialize_cdr(message, message.__msgtype__)
                writer.write(copies[connection.id], log_time + offset, shifted)


def picture(message, store):
    """A compressed picture as an image of rgb8."""
    pixels = np.asarray(Image.open(io.BytesIO(message.data.tobytes())).convert("RGB"))
    height, width = pixels.shape[:2]
    return store.types[RAW](message.header, height, width, "rgb8", 0, 3 * width, pixels.reshape(-1))


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
