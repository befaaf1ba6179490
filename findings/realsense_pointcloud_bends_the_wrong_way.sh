#!/usr/bin/env bash
# librealsense's two ways from a depth pixel to a point disagree by centimetres on depth aligned to colour.
#
# Version    pyrealsense2 2.59.1.11053 (PyPI, x86-64), a software device, no camera.
# Behaviour  Depth aligned to a colour stream takes over that stream's intrinsics, lens distortion included.
#            `rs2_deproject_pixel_to_point` inverts an inverse_brown_conrady lens by iteration: the point it gives
#            projects back onto its pixel. `pointcloud.calculate` evaluates the same polynomial once, forwards: it
#            bends the ray the other way, so that its error is twice that of ignoring the lens. For brown_conrady it
#            does ignore the lens.
# Seen       One wall at 1.000 m, the coefficients a D455 reports for its colour stream, focal length 380 of 640 px:
#              pixel (40, 30)     deproject  -0.7479 -0.5608      pointcloud  -0.7257 -0.5444     (28 mm apart)
#              from (40, 240) to (600, 240), same row: 1.4953 m against 1.4524 m                  (43 mm)
#            The deprojected point projects onto its own pixel, the pointcloud's misses it by 10.5 px.
# Source     https://github.com/IntelRealSense/librealsense, at v2.56.5:
#            src/proc/sse/sse-pointcloud.cpp:39-47 (one forward evaluation; no branch for brown_conrady),
#            src/rs.cpp:4136-4150 (ten iterations in rs2_deproject_pixel_to_point).
#            Coefficients: issue 9551 there. Issue 13529 there asks whether the two agree and is told that the
#            pointcloud is the more accurate one.
# Hurt       Whoever measures between points of `pointcloud.calculate` on aligned depth of a D455 or another camera
#            whose colour lens has coefficients, or compares such a cloud with distances from the image and CameraInfo.
#            D435 and D415 report zeros (realsense-ros, issue 1580), where nothing shows.
# Do         Deproject the pixels yourself, with rs2_deproject_pixel_to_point or from the image and CameraInfo, or
#            take the cloud in the depth stream's own, undistorted frame.
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

W, H = 640, 480
LENS = [-0.057, 0.068, 0.0004, 0.0007, -0.022]


def intrinsics(model, coeffs, focal):
    i = rs.intrinsics()
    i.width, i.height, i.ppx, i.ppy, i.fx, i.fy = W, H, W / 2, H / 2, focal, focal
    i.model, i.coeffs = model, coeffs
    return i


def aligned_depth(model):
    """A wall at 1 m, aligned to a colour stream with the lens `model` at the same place."""
    device = rs.software_device()
    sensor = device.add_sensor("stereo")

    def stream(kind, uid, fmt, bpp, intrin):
        s = rs.video_stream()
        s.type, s.index, s.uid, s.width, s.height = kind, 0, uid, W, H
        s.fps, s.bpp, s.fmt, s.intrinsics = 30, bpp, fmt, intrin
        return sensor.add_video_stream(s)

    depth = stream(rs.stream.depth, 1, rs.format.z16, 2, intrinsics(rs.distortion.brown_conrady, [0.0] * 5, 300))
    colour = stream(rs.stream.color, 2, rs.format.rgb8, 3, intrinsics(model, LENS, 380))
    same_place = rs.extrinsics()
    same_place.rotation, same_place.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]
    depth.register_extrinsics_to(colour, same_place)
    sensor.add_read_only_option(rs.option.depth_units, 0.001)
    sync = rs.syncer()
    sensor.open([depth, colour])
    sensor.start(sync)
    wall = np.full((H, W), 1000, np.uint16)
    black = np.zeros((H, W, 3), np.uint8)
    for number in range(1, 4):
        for profile, pixels, bpp in ((depth, wall, 2), (colour, black, 3)):
            f = rs.software_video_frame()
            f.pixels, f.stride, f.bpp, f.profile = pixels, W * bpp, bpp, profile.as_video_stream_profile()
            f.timestamp, f.frame_number, f.domain = 33.0 * number, number, rs.timestamp_domain.hardware_clock
            if bpp == 2:
                f.depth_units = 0.001
            sensor.on_video_frame(f)
    for _ in range(6):
        frames = sync.wait_for_frames(3000)
        if frames.size() == 2:
            return device, rs.align(rs.stream.color).process(frames).get_depth_frame()
    sys.exit("the software device never gave depth and colour together")


failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


def points(model):
    _device, frame = aligned_depth(model)
    intrin = frame.profile.as_video_stream_profile().intrinsics
    check(intrin.model == model and np.allclose(intrin.coeffs, LENS), f"aligned depth carries the {model} lens")
    cloud = np.asanyarray(rs.pointcloud().calculate(frame).get_vertices()).view(np.float32).reshape(H, W, 3)

    def both(u, v):
        assert abs(frame.get_distance(u, v) - 1.0) < 1e-6
        return cloud[v, u], np.array(rs.rs2_deproject_pixel_to_point(intrin, [float(u), float(v)], 1.0))

    return intrin, both


def miss(intrin, point, pixel):
    return float(np.linalg.norm(np.subtract(rs.rs2_project_point_to_pixel(intrin, [float(x) for x in point]), pixel)))


intrin, both = points(rs.distortion.inverse_brown_conrady)
cloud, ray = both(40, 30)
plain = np.array([(40 - W / 2) / 380, (30 - H / 2) / 380, 1.0])
print(f"pixel (40, 30): deproject {ray.round(4)}, pointcloud {cloud.round(4)}, no lens {plain.round(4)}")
ray_miss, cloud_miss = miss(intrin, ray, (40, 30)), miss(intrin, cloud, (40, 30))
print(f"projected again they miss the pixel by {ray_miss:.3f} px and {cloud_miss:.2f} px")
check(ray_miss < 0.05, "deproject inverts project")
check(cloud_miss > 5, "the pointcloud's point projects elsewhere")
check(np.linalg.norm(cloud - ray) > 0.015, "the two points are centimetres apart")
check(np.dot(cloud - plain, ray - plain) < 0, "they lie on opposite sides of the undistorted ray")
a_cloud, a_ray = both(40, 240)
b_cloud, b_ray = both(600, 240)
by_cloud, by_ray = np.linalg.norm(b_cloud - a_cloud), np.linalg.norm(b_ray - a_ray)
print(f"(40, 240) to (600, 240): {by_ray:.4f} m deprojected, {by_cloud:.4f} m in the pointcloud")
check(by_ray - by_cloud > 0.02, "a distance between two pixels differs by more than 20 mm")

_, both = points(rs.distortion.brown_conrady)
cloud, ray = both(40, 30)
print(f"brown_conrady, pixel (40, 30): deproject {ray.round(4)}, pointcloud {cloud.round(4)}")
check(np.allclose(cloud, plain, atol=1e-5), "for brown_conrady the pointcloud ignores the lens")
check(np.linalg.norm(ray - plain) > 0.008, "for brown_conrady deproject does not")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
