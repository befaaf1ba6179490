#!/usr/bin/env bash
# librealsense's temporal filter on 16-bit depth follows what comes nearer and not what moves away.
#
# Version    pyrealsense2 2.59.1.11053 (PyPI), a software device, no camera; the same arithmetic in 2.56.5's source.
# Behaviour  `rs.temporal_filter` is documented as an exponential mean with weight alpha. On a depth frame it keeps its
#            state in the frame's own 16-bit integers and cuts the fraction off after every frame. What moves away
#            is followed until almost 1/alpha units are missing, and a move of less than that not at all; what comes
#            nearer is followed to the end, and a unit further. Under noise the cut is paid again in each frame: the
#            mean settles nearly 0.5/alpha units too near.
# Seen       Depth units of 1 mm:
#              alpha 0.1, a wall steps from 1000 to 1009 mm and stays: output 1000 for ever; then to 991: output 990
#              alpha 0.4 (the default), 1000 to 1002: output 1000 for ever
#              alpha 0.1, a wall at 1000 mm with noise of 3 mm: mean output 995.2; alpha 0.4: 999.0
#              the same with floats, as frames of disparity through the same filter: 1009, 991, mean 1000.0
# Source     https://github.com/IntelRealSense/librealsense src/proc/temporal-filter.h:59-62 at v2.56.5
#            (`static_cast<T>` of the filtered float goes to the output and into the history).
#            doc/post-processing-filters.md describes the filter and advises against the integer form of the filters,
#            without a reason or a number. The vendor's advice for unsteady depth is alpha 0.1 (issue 13210 there).
# Hurt       Distances over time: a target that backs off by a few millimetres stays where it was, a filtered wall is
#            5 mm nearer than the unfiltered one, and the sign is always the same, so that averaging does not help.
#            In the ROS driver every filter has its own `.enable`: temporal_filter.enable alone is this case.
# Do         Run it between disparity_transform(True) and disparity_transform(False), where frames are floats (a device
#            that knows its stereo baseline is needed), or record raw depth and smooth the distance in floats.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
# The wheel needs libusb; its PyPI build spares an installation on the system.
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    pyrealsense2==2.59.1.11053 libusb-package==1.0.30.0 numpy==2.4.6

"$work/venv/bin/python" - <<'PY'
import ctypes
import sys

import libusb_package

ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
import numpy as np
import pyrealsense2 as rs

W, H = 64, 48


class Camera:
    """A depth camera that shows the pictures it is given."""

    def __init__(self):
        self.device = rs.software_device()
        self.sensor = self.device.add_sensor("stereo")
        i = rs.intrinsics()
        i.width, i.height, i.ppx, i.ppy, i.fx, i.fy = W, H, W / 2, H / 2, 60, 60
        i.model, i.coeffs = rs.distortion.none, [0.0] * 5
        s = rs.video_stream()
        s.type, s.index, s.uid, s.width, s.height = rs.stream.depth, 0, 1, W, H
        s.fps, s.bpp, s.fmt, s.intrinsics = 30, 2, rs.format.z16, i
        self.profile = self.sensor.add_video_stream(s)
        self.sensor.add_read_only_option(rs.option.depth_units, 0.001)
        self.sensor.add_read_only_option(rs.option.stereo_baseline, 50.0)
        self.queue = rs.frame_queue(4)
        self.sensor.open(self.profile)
        self.sensor.start(self.queue)
        self.count = 0

    def frame(self, depth):
        self.count += 1
        f = rs.software_video_frame()
        f.pixels, f.stride, f.bpp, f.profile = depth, W * 2, 2, self.profile.as_video_stream_profile()
        f.timestamp, f.frame_number, f.domain = 33.0 * self.count, self.count, rs.timestamp_domain.hardware_clock
        f.depth_units = 0.001
        self.sensor.on_video_frame(f)
        return self.queue.wait_for_frame(3000)


def filtered(pictures, alpha, as_disparity=False):
    camera, block = Camera(), rs.temporal_filter()
    block.set_option(rs.option.filter_smooth_alpha, alpha)
    to, back = rs.disparity_transform(True), rs.disparity_transform(False)
    out = []
    for p in pictures:
        frame = camera.frame(p)
        frame = back.process(block.process(to.process(frame))) if as_disparity else block.process(frame)
        out.append(np.array(frame.as_depth_frame().get_data()))
    return out


def walls(*values):
    return [np.full((H, W), v, np.uint16) for v in values for _ in range(60)]


failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


out = filtered(walls(1000, 1009, 991), 0.1)
after_rise, after_fall = int(out[119][0, 0]), int(out[179][0, 0])
print(f"alpha 0.1: 60 frames after 1000 -> 1009 mm: {after_rise}; 60 frames after -> 991 mm: {after_fall}")
check(after_rise == 1000, "alpha 0.1: nine millimetres away are never seen")
check(after_fall in (990, 991), "alpha 0.1: eighteen millimetres nearer are followed to the end")
out = filtered(walls(1000, 1009, 991), 0.1, as_disparity=True)
print(f"the same as disparity: {int(out[119][0, 0])}, {int(out[179][0, 0])}")
check((int(out[119][0, 0]), int(out[179][0, 0])) == (1009, 991), "alpha 0.1: as disparity both are followed")
out = filtered(walls(1000, 1002), 0.4)
print(f"alpha 0.4: 60 frames after 1000 -> 1002 mm: {int(out[119][0, 0])}")
check(int(out[119][0, 0]) == 1000, "alpha 0.4: two millimetres away are never seen")

rng = np.random.default_rng(0)
noisy = [np.rint(rng.normal(1000, 3, (H, W))).astype(np.uint16) for _ in range(200)]
for alpha, least in ((0.1, 3.5), (0.4, 0.8)):
    depth, disparity = (float(np.mean(filtered(noisy, alpha, d)[120:])) for d in (False, True))
    print(f"alpha {alpha}, noise of 3 mm: mean {depth:.2f} mm as depth, {disparity:.2f} mm as disparity")
    check(abs(disparity - 1000) < 0.2, f"alpha {alpha}: as disparity the mean has no bias")
    check(1000 - depth > least, f"alpha {alpha}: as depth the mean is more than {least} mm too near")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
