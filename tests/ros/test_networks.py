"""Regions that networks find and follow, live: on tiny random checkpoints, what the node says is what `detect` and
`segment` say of the same pictures."""

import json
import subprocess

import numpy
import pytest
from PIL import Image as Picture

from conftest import ROOT
from node import Node, program
from scene import HEIGHT, TARGET, WIDTH, Frame

INPUTS = ("camera_info", "depth", "image")
FIXTURES = ROOT / "tests" / "fixtures"
FRAMES = [Frame(gap_px=gap_px) for gap_px in (40, 36, 32, 28)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{index}.png" for index in range(len(FRAMES))]
    for frame, path in zip(FRAMES, paths, strict=True):
        Picture.fromarray(frame.color).save(path)
    return paths


def told(*command):
    done = subprocess.run([program(), *map(str, command), "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def typed(box):
    return ",".join(f"{edge:g}" for edge in box)


def around(mask):
    """The box around a mask in COCO's form; None where nothing of the object is seen."""
    runs, number, shift = [], 0, 0
    for character in mask["rle"]["counts"].encode():
        bits = character - 48
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            number -= (bits & 16) and 1 << shift
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number, shift = 0, 0
    inside = numpy.repeat(numpy.arange(len(runs)) % 2, runs).reshape(WIDTH, HEIGHT).T
    rows, columns = numpy.nonzero(inside)
    if mask["object_score"] <= 0 or not len(rows):
        return None
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_words_are_found_in_the_first_picture(pictures):
    model = FIXTURES / "owlv2" / "a"
    words = {"fingertip": "a dark bar", "target": "the red block"}
    # given what the detector finds likeliest
    boxes = {}
    for region, phrase in words.items():
        found = told("detect", pictures[0], "--model", model, "--words", phrase, "--threshold", 0)
        box = found["detections"][0]["box"]
        boxes[region] = numpy.clip(box, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    parameters = {f"regions.{region}.words": [phrase] for region, phrase in words.items()} | {
        "detector.path": model,
        "detector.threshold": 0.0,
        "detector.take_best": True,
    }
    # when a node is asked for these words, then its first step begins there
    with Node(parameters=parameters, inputs=INPUTS) as node:
        step = node.peer.step_for(FRAMES[0], inputs=INPUTS)
        assert (step.fingertip_origin, step.target_origin) == ("followed", "followed")
        assert tuple(step.fingertip_box) == pytest.approx(tuple(boxes["fingertip"]), abs=1e-3)
        assert tuple(step.target_box) == pytest.approx(tuple(boxes["target"]), abs=1e-3)


def test_masks_are_followed_as_segment_follows_them(pictures):
    model = FIXTURES / "sam2" / "plain"
    drawn = (typed(FRAMES[0].fingertip), typed(TARGET))
    boxes = [option for box in drawn for option in ("--box", box)]
    frames = told("segment", *pictures, "--model", model, *boxes)["frames"]
    parameters = {
        "regions.fingertip.box": [drawn[0]],
        "regions.target.box": [drawn[1]],
        "regions.fingertip.follow": "sam2",
        "regions.target.follow": "sam2",
        "segmenter.path": model,
    }
    with Node(parameters=parameters, inputs=INPUTS) as node:
        for frame, expected in zip(FRAMES, frames, strict=True):
            step = node.peer.step_for(frame, inputs=INPUTS)
            for box, mask in zip((step.fingertip_box, step.target_box), expected["masks"], strict=True):
                if around(mask) is None:
                    assert step.reason == "lost_box" and numpy.isnan(box).all()
                else:
                    assert tuple(box) == around(mask)
