#!/usr/bin/env bash
# OpenCV's undistortPoints stops after five rounds: with a wide lens a corner's ray is a fifth too short, without a word.
#
# Version    opencv-python-headless 4.12.0.88 (PyPI, CPU).
# Behaviour  The lens model has no closed inverse, so undistortPoints iterates. Its default criterion is five rounds;
#            the accuracy beside it (0.01 px) is not asked for, since only the count is set. Nothing tells whether the
#            rounds sufficed. undistortPointsIter takes a criterion: with rounds enough the same scheme is exact.
# Seen       A pinhole of 1280x800, focal length 570 px, eight rational coefficients of a size that factory calibrations
#            of wide cameras have (k1 10.2, k4 10.5), the pixel (0, 0) turned into a ray and projected back:
#              default       ray -3.279 -2.049    it comes back 50.8 px away
#              20 rounds                          0.02 px
#              100 rounds    ray -3.959 -2.474    less than a millionth of a pixel
#            At the pixel (480, 300) the default is right to a ten-thousandth of a pixel, so the middle of a test
#            picture shows nothing. A plumb_bob lens (k1 -0.33, k2 0.11, focal length 480 of 640 px) is 1.4 px off.
# Source     https://github.com/opencv/opencv, at 4.12.0: modules/calib3d/src/undistort.dispatch.cpp (undistortPoints
#            without a criterion passes TermCriteria(MAX_ITER, 5, 0.01)).
# Hurt       Whoever measures near the edge of a wide picture through undistortPoints (image_geometry's rectifyPoint,
#            hand-eye calibrations, points from depth), and whoever takes it for the truth to test another
#            undistortion by.
# Do         undistortPointsIter with TERM_CRITERIA_COUNT | TERM_CRITERIA_EPS, 200 rounds and 1e-12, and project one
#            corner back.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==4.12.0.88 numpy==2.2.6

"$work/venv/bin/python" - <<'PY'
import sys

import cv2
import numpy as np


def camera(focal, width, height):
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


WIDE = camera(570.0, 1280, 800), np.array([10.2, 5.6, 0, 0, 0.3, 10.5, 9.1, 1.6])
PLUMB_BOB = camera(480.0, 640, 480), np.array([-0.33, 0.11, 0.0005, -0.0004, -0.017])


def ray(lens, pixel, rounds=None):
    points = np.array([[pixel]], float)
    if rounds is None:
        return cv2.undistortPoints(points, *lens)[0, 0]
    criterion = (cv2.TERM_CRITERIA_COUNT, rounds, 0.0)
    return cv2.undistortPointsIter(points, *lens, None, None, criterion)[0, 0]


def off_px(lens, pixel, rounds=None):
    point = np.append(ray(lens, pixel, rounds), 1.0)
    back, _ = cv2.projectPoints(point[None], np.zeros(3), np.zeros(3), *lens)
    return float(np.linalg.norm(back.ravel() - pixel))


corner, inner = (0.0, 0.0), (480.0, 300.0)
seen = {
    "default": off_px(WIDE, corner),
    "20 rounds": off_px(WIDE, corner, 20),
    "100 rounds": off_px(WIDE, corner, 100),
    "inside": off_px(WIDE, inner),
    "plumb_bob": off_px(PLUMB_BOB, corner),
}
for name, value in seen.items():
    print(f"{name:10} {value:.6f} px")
print("rays", ray(WIDE, corner), ray(WIDE, corner, 100))
as_described = (
    50 < seen["default"] < 52
    and 0.01 < seen["20 rounds"] < 0.05
    and seen["100 rounds"] < 1e-6
    and seen["inside"] < 1e-4
    and 1.3 < seen["plumb_bob"] < 1.6
)
if not as_described:
    sys.exit("OpenCV behaves otherwise now: see the figures above")
print("as described")
PY
