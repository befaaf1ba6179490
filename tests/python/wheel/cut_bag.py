"""The beginning of the sample bag, for tests that would take long with all of it."""

from pathlib import Path

from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

FRAMES_PER_S = 15


def first_frames(bag: Path, target: Path, frames: int) -> Path:
    """Writes the messages of so many frames, each as it is, into a bag of their own."""
    writer = Writer(target, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with Reader(bag) as reader, writer:
        end = reader.start_time + frames * 1_000_000_000 // FRAMES_PER_S
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
        for connection, log_time, data in reader.messages(stop=end):
            writer.write(copies[connection.id], log_time, data)
    return target
