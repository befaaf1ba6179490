#!/usr/bin/env bash
# OpenCV's ArUco corners: sharpness moves a small tag by 4 % of its distance; the one method without that is shifted.
#
# Version    opencv-python-headless 5.0.0.93 (4.14.0.94 gives the same numbers), pupil-apriltags 1.0.4.post11.
# Behaviour  CORNER_REFINE_NONE (the default) and CORNER_REFINE_CONTOUR follow the centres of the outermost dark pixels
#            of the thresholded picture, not the edge of the tag. In a sharp picture a tag of N pixels is measured N - 1
#            wide and lies too far away; blur moves the threshold outwards and the error shrinks and turns round.
#            CONTOUR, which fits lines and looks the more exact, is worse than no refinement in a sharp picture.
#            CORNER_REFINE_APRILTAG gets the size right at any sharpness, but counts pixels from their corner instead of
#            their centre: its tags lie half a pixel further right and down than those of the other three methods.
#            So do those of the AprilTag library.
# Seen       A 5 cm tag at 1 m, 30 px wide (focal length 600), rendered exactly, means of 12 poses, IPPE_SQUARE:
#                               sharp      blur of 0.8 px   of 1.2 px     centre against the truth
#              NONE             +20 mm     +16 mm           + 5 mm        0.0 px
#              CONTOUR          +31 mm     +11 mm           - 8 mm        0.0 px
#              SUBPIX           +16 mm     +18 mm           + 9 mm        0.0 px
#              APRILTAG         + 1 mm     + 2 mm           + 1 mm        +0.5 px, right and down
#              pupil-apriltags    0 mm     - 1 mm           - 6 mm        +0.5 px, right and down
#            At 0.5 m, 60 px wide: CONTOUR +8, +7, +6 mm, APRILTAG and pupil-apriltags within 0.5 mm.
# Source     https://github.com/opencv/opencv modules/objdetect/src/aruco/aruco_detector.cpp (_refineCandidateLines fits
#            the integer points of the contour) and apriltag/apriltag_quad_thresh.cpp.
#            https://github.com/fictionlab/ros_aruco_opencv, the node behind aruco_opencv_msgs/ArucoDetection, ships
#            cornerRefinementMethod: 2, CONTOUR, in aruco_opencv/config/aruco_tracker.yaml, and solves by IPPE_SQUARE.
# Hurt       Rewards from tag poses, and depth or a model checked against tags: while an arm moves, motion blur and
#            focus change the distance by centimetres at 1 m, and a large and a small tag have different errors.
# Do         CORNER_REFINE_APRILTAG, and take half a pixel off each coordinate; or make the tags large in the picture.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 pupil-apriltags==1.0.4.post11 numpy==2.4.6

"$work/venv/bin/python" - <<'PY'
import sys

import cv2
import numpy as np
from pupil_apriltags import Detector

FINE, CELLS, SIDE = 16, 10, 0.05
W, H, F = 320, 240, 600.0
K = np.array([[F, 0, (W - 1) / 2], [0, F, (H - 1) / 2], [0, 0, 1]])
DICTIONARY = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
TAG = np.pad(cv2.aruco.generateImageMarker(DICTIONARY, 3, 8 * CELLS), 2 * CELLS, constant_values=255)
# Top left, top right, bottom right, bottom left, with y up as IPPE_SQUARE wants it.
CORNERS = np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]]) * SIDE / 2


def project(points, r, t):
    p = K @ (r @ points.T + t[:, None])
    return (p[:2] / p[2]).T


def picture(r, t):
    """The tag seen from pose (r, t): every pixel is the mean of FINE x FINE samples of its area."""
    metre = SIDE / (8 * CELLS)
    to_tag = np.array([[metre, 0, (0.5 - 2 * CELLS) * metre - SIDE / 2],
                       [0, -metre, SIDE / 2 - (0.5 - 2 * CELLS) * metre],
                       [0, 0, 1]])
    finer = np.array([[FINE, 0, (FINE - 1) / 2], [0, FINE, (FINE - 1) / 2], [0, 0, 1]])
    big = cv2.warpPerspective(TAG, finer @ K @ np.c_[r[:, 0], r[:, 1], t] @ to_tag, (W * FINE, H * FINE),
                              flags=cv2.INTER_NEAREST, borderValue=255)
    mean = big.reshape(H, FINE, W, FINE).mean((1, 3))
    return np.rint(mean * 0.8 + 20).astype(np.uint8)


def blurred(image, sigma, rng):
    if not sigma:
        return image
    soft = cv2.GaussianBlur(image.astype(float), (0, 0), sigma) + rng.normal(0, 2, image.shape)
    return np.clip(np.rint(soft), 0, 255).astype(np.uint8)


def distance(corners):
    ok, _, t = cv2.solvePnP(CORNERS, corners, K, None, flags=cv2.SOLVEPNP_IPPE_SQUARE)
    assert ok
    return t.ravel()


METHODS = {"NONE": cv2.aruco.CORNER_REFINE_NONE, "CONTOUR": cv2.aruco.CORNER_REFINE_CONTOUR,
           "SUBPIX": cv2.aruco.CORNER_REFINE_SUBPIX, "APRILTAG": cv2.aruco.CORNER_REFINE_APRILTAG}
pupil = Detector(families="tag36h11", quad_decimate=1.0)
assert cv2.aruco.DetectorParameters().cornerRefinementMethod == METHODS["NONE"]
SHARPNESS = {0: "sharp", 0.8: "blur 0.8 px", 1.2: "blur 1.2 px"}
results = {}
for z in (0.5, 1.0):
    for sigma in SHARPNESS:
        rng = np.random.default_rng(0)
        for _ in range(12):
            flip = np.diag([1.0, -1, -1])  # the tag faces the camera
            r = flip @ cv2.Rodrigues(np.append(rng.uniform(-0.35, 0.35, 2), rng.uniform(-0.3, 0.3)))[0]
            t = np.array([*rng.uniform(-0.03, 0.03, 2), z])
            image, true = blurred(picture(r, t), sigma, np.random.default_rng(1)), project(CORNERS, r, t)
            found = {}
            for name, method in METHODS.items():
                parameters = cv2.aruco.DetectorParameters()
                parameters.cornerRefinementMethod = method
                corners, ids, _ = cv2.aruco.ArucoDetector(DICTIONARY, parameters).detectMarkers(image)
                if ids is None:
                    sys.exit(f"{name} no longer finds the tag at {z} m, {SHARPNESS[sigma]}")
                found[name] = corners[0][0].astype(float)
            tags = pupil.detect(image)
            if not tags:
                sys.exit(f"pupil-apriltags no longer finds the tag at {z} m, {SHARPNESS[sigma]}")
            found["pupil-apriltags"] = tags[0].corners[::-1]  # anticlockwise there, clockwise here
            for name, corners in found.items():
                first = int(np.argmin(np.linalg.norm(corners - true[0], axis=1)))  # the nearest to the true top left
                corners = np.ascontiguousarray(np.roll(corners, -first, axis=0))
                if np.abs(corners - true).max() > 3:
                    sys.exit(f"{name}: corners in another order, {corners} for {true}")
                error = np.linalg.norm(distance(corners)) - np.linalg.norm(t)
                results.setdefault((name, z, sigma), []).append([error, *(corners.mean(0) - true.mean(0))])
mean = {key: np.mean(rows, axis=0) for key, rows in results.items()}
failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


for (name, z, sigma), (d, x, y) in sorted(mean.items()):
    print(f"{name:16} {F * SIDE / z:2.0f} px, {SHARPNESS[sigma]:11}: "
          f"distance {1e3 * d:+5.1f} mm ({100 * d / z:+.1f} %), centre {x:+.2f} {y:+.2f} px")
for z in (0.5, 1.0):
    px = f"{F * SIDE / z:.0f} px"
    check(mean["CONTOUR", z, 0][0] > 0.013 * z, f"{px}, sharp: CONTOUR more than 1.3 % too far")
    check(mean["NONE", z, 0][0] > 0.01 * z, f"{px}, sharp: NONE more than 1 % too far")
    check(mean["CONTOUR", z, 0][0] > mean["NONE", z, 0][0], f"{px}, sharp: CONTOUR worse than NONE")
    for sigma, words in SHARPNESS.items():
        check(abs(mean["APRILTAG", z, sigma][0]) < 0.004 * z, f"{px}, {words}: APRILTAG within 0.4 %")
        for name in ("APRILTAG", "pupil-apriltags"):
            check(np.all(np.abs(mean[name, z, sigma][1:] - 0.48) < 0.1), f"{px}, {words}: {name} right and down")
        for name in ("NONE", "CONTOUR", "SUBPIX"):
            check(np.all(np.abs(mean[name, z, sigma][1:]) < 0.25), f"{px}, {words}: {name} is not")
swing = mean["CONTOUR", 1.0, 0][0] - mean["CONTOUR", 1.0, 1.2][0]
check(swing > 0.02, f"30 px: between sharp and blurred CONTOUR moves the tag by {1e3 * swing:.0f} mm of 1000")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
