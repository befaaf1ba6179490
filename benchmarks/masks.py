"""Copies of recorded bags in which a detector outlines what it sees: the boxes of the bag, as
`yolo_msgs/DetectionArray`, with the true instances' outlines."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from contourpy import LineType, contour_generator
from rosbags.rosbag2 import StoragePlugin, Writer
from scipy import ndimage
from scipy.spatial.transform import Rotation

# The tests write such messages.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/python"))
from detectors import BOXES, Copy, Sample, nanos, typestore

INSTANCES = "/ground_truth/instances/image_raw"
NUMBERS = {"fingertip": 1, "target": 2}
# One topic says both once more.
OTHER_BOXES = "/objects/detections"


def outlined(source: Path, target: Path, off: int) -> Path:
    """The bag `source` as `target`. Masks are grown by `off` pixels, or shrunk where it is negative. A box whose object
    no pixel shows has none."""
    sample = Sample(source)
    store = typestore()
    pictures = {nanos(message.header.stamp): message for _, message in sample.of(INSTANCES)}
    with Writer(target, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        copy = Copy(writer, store, sample.camera())
        for connection, time, data in sample.messages:
            if connection.topic == OTHER_BOXES:
                continue
            if connection.msgtype != BOXES:
                copy.write(connection.topic, connection.msgtype, time, data, like=connection)
                continue
            message = sample.store.deserialize_cdr(data, BOXES)
            stamp = nanos(message.header.stamp)
            header = copy.forms.header(
                store.types["builtin_interfaces/msg/Time"](*divmod(stamp, 1_000_000_000)), message.header.frame_id
            )
            objects = [sample.seen(detection, time) for detection in message.detections]
            picture = pictures.get(stamp)
            if picture is not None:
                instances = picture.data.reshape(picture.height, picture.width)
                objects = [
                    replace(
                        seen,
                        outline=polygon(grown(instances == NUMBERS[seen.class_name], off)),
                        picture=(picture.width, picture.height),
                    )
                    for seen in objects
                ]
            built = copy.forms.yolo(header, objects, (Rotation.identity(), np.zeros(3)))
            copy.write_message(connection.topic, time, built)
    return target


def grown(mask: np.ndarray, off: int) -> np.ndarray:
    if off == 0:
        return mask
    change = ndimage.binary_dilation if off > 0 else ndimage.binary_erosion
    return change(mask, iterations=abs(off))


def polygon(mask: np.ndarray) -> tuple:
    """One polygon around all parts of a mask: from part to part and back it runs along a line that encloses nothing."""
    lines = contour_generator(z=np.pad(mask.astype(float), 1), line_type=LineType.Separate).lines(0.5)
    if not lines:
        return ()
    first = lines[0] - 1
    points = list(first)
    for line in lines[1:]:
        points += [*(line - 1), first[0]]
    return tuple((x, y) for x, y in points)
