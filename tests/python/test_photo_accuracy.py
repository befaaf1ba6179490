"""The benchmark of photos, on rooms of its own z-buffer: what it takes for true, how it judges, and that it runs. Needs
numpy, scipy and Pillow.
"""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from conftest import ROOT
from photo_rooms import engines, room, shapes, truth
from photo_rooms.judge import judged
from photo_rooms.room import Camera, Room, Thing
from photo_rooms.table import printed

# Level, 1 m above the floor, heading along y.
AHEAD = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def box(name, sides, place):
    shape = shapes.box(*(side / 2 for side in sides))
    return Thing(name, shape, np.eye(3), np.array(place, float), np.full(3, 0.5))


def known(*things):
    scene = Room(Camera(np.array([0, 0, 1.0]), AHEAD, 500.0), list(things))
    return truth.truth(scene, engines.draw(scene))


def test_the_truth_is_of_whole_things_and_of_what_is_seen():
    # Given a box of 20 x 40 x 10 cm that begins 2 m ahead of a level camera, its top below it, and a smaller one
    made = known(box("crate", (0.2, 0.4, 0.1), (0.3, 2.2, 0.8)), box("cup", (0.1, 0.1, 0.1), (-0.5, 2.05, 0.8)))
    # When the truth is asked for
    crate = made["things"]["crate"]
    # Then the whole box is where it was put, right, up and ahead from the camera
    assert crate["whole"]["min"] == pytest.approx([0.2, -0.25, 2.0])
    assert crate["whole"]["max"] == pytest.approx([0.4, -0.15, 2.4])
    # And what is seen are its front, its top and a side, to a pixel
    assert crate["seen"]["min"] == pytest.approx([0.2, -0.25, 2.0], abs=0.005)
    assert crate["seen"]["max"] == pytest.approx([0.4, -0.15, 2.4], abs=0.02)
    assert made["up"] == pytest.approx([0, -1, 0])
    # And they are farther apart than their gap, the hidden sides farther than those that are seen
    (pair,) = made["distances"]
    assert 0.65 < pair["seen"] < pair["whole"] < 0.9


def test_what_is_hidden_in_part_or_cut_by_the_edge_is_not_judged():
    hidden = box("hidden", (0.3, 0.3, 0.3), (0.1, 3.0, 1.0))
    cut = box("cut", (0.3, 0.3, 0.3), (-1.3, 2.0, 1.0))
    assert set(known(box("front", (0.1, 0.1, 0.1), (0, 2.0, 1.0)), hidden, cut)["things"]) == {"front"}


def test_a_renderer_whose_camera_looks_elsewhere_is_refused():
    # Given a floor tile whose renderer looks through the corners of pixels and says that it is their middles
    tile = box("tile", (0.8, 0.8, 0.02), (0, 3.0, 0.01))
    scene = Room(Camera(np.array([0, 0, 1.0]), AHEAD, 500.0), [tile])
    picture = engines.draw(scene)
    off = replace(picture, camera=replace(picture.camera, cy=picture.camera.cy + 0.5))
    # When the truth is asked for, then it is refused
    with pytest.raises(ValueError, match="the camera looks elsewhere"):
        truth.truth(scene, off)


def test_a_z_buffer_gives_the_depth_of_a_plane_through_the_middles_of_pixels():
    # Given a floor 1 m below a level camera
    camera = Camera(np.array([0, 0, 1.0]), AHEAD, 500.0)
    floor = np.array([[[-9.0, 0.1, 0], [9, 0.1, 0], [9, 30, 0]], [[-9, 0.1, 0], [9, 30, 0], [-9, 30, 0]]])
    # When its depth is asked for
    depth = engines.depth_of(floor, camera)
    # Then it is focal / rows below the horizon
    assert depth[400, 320] == pytest.approx(500 / (400 - camera.cy))
    assert np.isinf(depth[: room.HEIGHT // 2]).all()


def row(category, answer, *regions):
    conversations = [{"from": "human", "value": "?"}, {"from": "gpt", "value": answer}]
    asked = {"categories": [category], "mentions": [list(range(len(regions)))], "regions": list(regions)}
    return {"photo": "one", "conversations": conversations, "up": [0, -1, 0], **asked}


def judge(rows):
    made = known(box("crate", (0.2, 0.4, 0.1), (0.3, 2.2, 0.8)), box("cup", (0.1, 0.1, 0.1), (-0.5, 2.05, 0.8)))
    return judged("numpy", rows, {"one": {"engine": "numpy", **made}})


def test_answers_are_held_against_the_truth_of_the_regions_that_they_are_about():
    result = judge(
        [
            row("width", "It is 22.0 centimeters wide.", "crate"),
            row("left_right", "Yes, Region [0] is to the left of Region [1].", "cup", "crate"),
            row("left_right", "Yes, Region [0] is to the left of Region [1].", "crate", "cup"),
            row("front_behind", "Region [1] is in front.", "cup", "crate"),
            row("direction", "Region [1] is at 3 o'clock.", "cup", "crate"),
            row("height", "5 inches", "a thing that is not wholly seen"),
        ]
    )
    (width,) = result.lengths["width"]
    assert (width.said, width.whole) == pytest.approx((0.22, 0.2))
    assert result.right["left_right"] == [True, False]
    assert result.hours_off == pytest.approx([0.35], abs=0.05)
    assert set(result.lengths) == {"width"}


def test_a_missed_line_is_marked_and_told(capsys):
    good, bad = (row("width", f"{length} centimeters", "crate") for length in (21, 25))
    assert printed([judge([good])])
    assert "!" not in capsys.readouterr().out
    assert not printed([judge([bad])])
    assert "25.0 % (1) !" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_room_and_another_one_another():
    draw, catalogue, furniture = engines.engine("numpy")
    one, same, other = (draw(room.build(catalogue, furniture, (0, number))) for number in (3, 3, 4))
    assert (one.depth == same.depth).all()
    assert (one.seen != other.seen).any()


def test_the_benchmark_runs_on_rooms_of_the_z_buffer(program, tmp_path):
    options = ["--engines", "numpy", "--photos", "3", "--program", str(program), "--folder", str(tmp_path / "rooms")]
    command = [sys.executable, str(ROOT / "benchmarks" / "photo_accuracy.py"), *options, "--workers"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Gravity found by `dataset`: 3 rows, 3 with gravity" in result.stdout
    assert "the rows are the same" in result.stdout
