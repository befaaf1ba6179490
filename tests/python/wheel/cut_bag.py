"""Copies of bags: the beginning of one, for tests that would take long with all of it, and one that was late."""

from pathlib import Path

from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

FRAMES_PER_S = 15


def first_frames(bag: Path, target: Path, frames: int) -> Path:
    """Writes the messages of so many frames, each as it is, into a bag of their own."""
    with Reader(bag) as reader:
        end = reader.start_time + frames * 1_000_000_000 // FRAMES_PER_S
        return _copy(reader, target, [one for one in reader.messages() if one[1] < end])


def recorded_late(bag: Path, target: Path, topic: str, late_s: float) -> Path:
    """Writes a bag in which a topic's messages are so much later than they were sent."""
    with Reader(bag) as reader:
        shifts = {one.id: round(late_s * 1e9) if one.topic == topic else 0 for one in reader.connections}
        messages = [(one, log_time + shifts[one.id], data) for one, log_time, data in reader.messages()]
        return _copy(reader, target, sorted(messages, key=lambda message: message[1]))


def _copy(reader, target, messages):
    writer = Writer(target, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        copies = {
            one.id: writer.add_connection(
                one.topic,
                one.msgtype,
                msgdef=one.msgdef.data,
                rihs01=one.digest,
                serialization_format=one.ext.serialization_format,
                offered_qos_profiles=one.ext.offered_qos_profiles,
            )
            for one in reader.connections
        }
        for connection, log_time, data in messages:
            writer.write(copies[connection.id], log_time, data)
    return target
