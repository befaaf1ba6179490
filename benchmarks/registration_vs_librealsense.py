"""Registers synthetic depth to a colour camera, with ours and with librealsense's align, and compares both.

usage: registration_vs_librealsense.py --program EXAMPLE [--times N]

A wall, a slanted board and a post, seen by a depth camera (848x480) 40 mm beside a colour camera (640x480, another
lens). librealsense is fed through its software device, without a camera. It moves each pixel to where the colour camera
sees it and leaves its value, z of the depth camera: the shift along the axis, here none, would be added. Prints the
share within 1 mm of the pixels that both fill, and of those where librealsense is right; of the pixels that one alone
fills how many lie beside an edge of depth (librealsense draws each depth pixel a pixel larger); the errors of both
against the truth; and the time of a whole frame.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

try:
    import pyrealsense2 as rs
except ImportError as error:
    sys.exit(f"error: {error}: pyrealsense2 needs the system's libusb (apt install libusb-1.0-0)")

DEPTH = (848, 480, 421.0, 421.0, 423.5, 239.5)  # width, height, fx, fy, cx, cy
COLOUR = (640, 480, 605.0, 605.0, 319.5, 239.5)
ASIDE_M = 0.04
UNIT_M = 0.0001  # of librealsense's 16-bit depth: fine enough to compare within a millimetre
EDGE_M = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="the built example `register` of the core crate")
    parser.add_argument("--times", type=int, default=20, help="frames that are timed [20]")
    arguments = parser.parse_args()
    depth = np.round(shot(DEPTH, ASIDE_M) / UNIT_M) * UNIT_M
    truth = shot(COLOUR, 0.0)
    ours, our_s = with_ours(arguments.program, depth, arguments.times)
    theirs, their_s = with_librealsense(depth, arguments.times)
    both = np.isfinite(ours) & np.isfinite(theirs)
    near = np.abs(ours - theirs) <= 0.001
    print(f"pixels that both fill: {both.sum()}, within 1 mm: {100 * np.mean(near[both]):.2f} %")
    right = both & (np.abs(theirs - truth) <= 0.001)
    print(f"of these, where librealsense is right: {right.sum()}, within 1 mm: {100 * np.mean(near[right]):.2f} %")
    edge = near_edge(truth)
    for name, one, other in (("ours", ours, theirs), ("librealsense", theirs, ours)):
        alone = np.isfinite(one) & ~np.isfinite(other)
        print(f"only {name}: {alone.sum()}, of them beside an edge or the picture's side {(alone & edge).sum()}")
        known = np.isfinite(one)
        off = 100 * np.mean(np.abs(one - truth)[known] > 0.001)
        print(f"  off by more than 1 mm from the truth: {off:.2f} % of {known.sum()}")
    print(f"time a frame: ours {1000 * our_s:.2f} ms, librealsense {1000 * their_s:.2f} ms")


def shot(camera: tuple, aside_m: float) -> np.ndarray:
    """Depth of the scene in metres, from a camera so far to the right of the colour camera."""
    width, height, fx, fy, cx, cy = camera
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    x, y = (u - cx) / fx, (v - cy) / fy
    depth = np.full((height, width), 1.5)
    # The board's plane: z = 0.8 + 0.3 / 0.35 * (X + 0.3), with X = aside + x z.
    slope = 0.3 / 0.35
    z = (0.8 + slope * (aside_m + 0.3)) / (1 - slope * x)
    board = (np.abs(aside_m + x * z + 0.125) < 0.175) & (np.abs(y * z) < 0.2) & (z > 0)
    depth[board] = np.minimum(depth, z)[board]
    post = (np.abs(aside_m + x * 0.6 - 0.15) < 0.05) & (np.abs(y * 0.6) < 0.15)
    depth[post] = 0.6
    return depth


def with_ours(program: Path, depth: np.ndarray, times: int) -> tuple[np.ndarray, float]:
    with tempfile.TemporaryDirectory() as scratch:
        intrinsics, image, out = (Path(scratch) / name for name in ("intrinsics", "depth", "out"))
        intrinsics.write_text(" ".join(map(str, (*DEPTH, *COLOUR, ASIDE_M, 0, 0, 0, 0, 0, 1))))
        depth.astype("<f4").tofile(image)
        command = [program, intrinsics, image, out, str(times)]
        seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return np.fromfile(out, "<f4").reshape(COLOUR[1], COLOUR[0]).astype(float), seconds


def with_librealsense(depth: np.ndarray, times: int) -> tuple[np.ndarray, float]:
    device = rs.software_device()
    depth_sensor, colour_sensor = device.add_sensor("Depth"), device.add_sensor("Color")
    streams = []
    for sensor, kind, camera, form, size, number in (
        (depth_sensor, rs.stream.depth, DEPTH, rs.format.z16, 2, 1),
        (colour_sensor, rs.stream.color, COLOUR, rs.format.rgb8, 3, 2),
    ):
        stream = rs.video_stream()
        stream.type, stream.uid, stream.index, stream.fmt, stream.fps, stream.bpp = kind, number, 0, form, 30, size
        stream.width, stream.height = camera[:2]
        stream.intrinsics = pinhole(camera)
        streams.append(sensor.add_video_stream(stream))
    depth_sensor.add_read_only_option(rs.option.depth_units, UNIT_M)
    extrinsics = rs.extrinsics()
    extrinsics.rotation, extrinsics.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [ASIDE_M, 0, 0]
    streams[0].register_extrinsics_to(streams[1], extrinsics)
    syncer = rs.syncer()
    for sensor, stream in zip((depth_sensor, colour_sensor), streams, strict=True):
        sensor.open(stream)
        sensor.start(syncer)
    device.create_matcher(rs.matchers.default)
    align, spent, aligned = rs.align(rs.stream.color), [], None
    values = np.round(depth / UNIT_M).astype(np.uint16)
    colour = np.zeros((COLOUR[1], COLOUR[0], 3), np.uint8)
    for number in range(1, times + 3):
        for sensor, stream, pixels, size in (
            (depth_sensor, streams[0], values, 2),
            (colour_sensor, streams[1], colour, 3),
        ):
            frame = rs.software_video_frame()
            frame.pixels, frame.bpp, frame.stride = pixels, size, pixels.shape[1] * size
            frame.timestamp, frame.frame_number = 33.0 * number, number
            frame.domain, frame.profile = rs.timestamp_domain.system_time, stream.as_video_stream_profile()
            sensor.on_video_frame(frame)
        frames = syncer.wait_for_frames()
        if frames.size() < 2:
            continue
        begin = time.perf_counter()
        aligned = align.process(frames)
        spent.append(time.perf_counter() - begin)
    moved = np.asanyarray(aligned.get_depth_frame().get_data()).astype(float) * UNIT_M
    return np.where(moved > 0, moved, np.nan), float(np.median(spent))


def pinhole(camera: tuple) -> rs.intrinsics:
    intrinsics = rs.intrinsics()
    intrinsics.width, intrinsics.height, intrinsics.fx, intrinsics.fy, intrinsics.ppx, intrinsics.ppy = camera
    intrinsics.model, intrinsics.coeffs = rs.distortion.none, [0.0] * 5
    return intrinsics


def near_edge(depth: np.ndarray) -> np.ndarray:
    """Pixels within three of an edge of depth, or within that and the shift of the picture's sides."""
    edge = maximum_filter(depth, 7) - minimum_filter(depth, 7) > EDGE_M
    shadow = int(ASIDE_M / 0.6 * COLOUR[2]) + 3
    edge[:, :shadow] = edge[:, -shadow:] = edge[:3] = edge[-3:] = True
    return edge


if __name__ == "__main__":
    main()
