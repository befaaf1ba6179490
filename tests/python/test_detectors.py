"""Regions from other detectors' and markers' messages: copies of the sample bags with the same boxes in other types
must give the same distances. The bags are written by rosbags, which shares no code with the program."""

import contextlib
import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from rosbags.rosbag2 import Reader, StoragePlugin
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from detectors import rewritten, turned_around

MOST_OFF_M = 0.0005
# Single precision of metres, in pixels.
MOST_OFF_PX = 0.01


def steps(bag):
    store = get_typestore(Stores.EMPTY)
    with Reader(bag) as reader:
        connections = [c for c in reader.connections if c.topic == "/spatial_reward/step_reward"]
        store.register(get_types_from_msg(connections[0].msgdef.data, connections[0].msgtype))
        return [store.deserialize_cdr(data, c.msgtype) for c, _, data in reader.messages(connections)]


@pytest.fixture(scope="session")
def label(run):
    """Labels a bag: label(bag, ...) gives its steps and what the program said. The output is removed again."""

    def label(bag, *options, returncode=0):
        out = bag.parent / f"{bag.name}_labelled"
        result = run("label", bag, "-o", out, "--overwrite", *options)
        assert result.returncode == returncode, result.stderr
        found = steps(out)
        shutil.rmtree(out)
        return found, result.stderr

    return label


@pytest.fixture(scope="session")
def expected(labelled):
    """The steps with the detector's own boxes."""
    return steps(labelled)


def compare(found, expected):
    """The steps have the same boxes and distances."""
    assert len(found) == len(expected) and sum(step.valid for step in found) >= len(found) - 1
    off = [abs(a.distance_m - b.distance_m) for a, b in zip(found, expected, strict=True) if a.valid and b.valid]
    boxes = [
        np.abs(np.subtract([*a.fingertip_box, *a.target_box], [*b.fingertip_box, *b.target_box])).max()
        for a, b in zip(found, expected, strict=True)
    ]
    print(f"median {1000 * np.median(off):.4f} mm, worst {1000 * max(off):.4f} mm, boxes {max(boxes):.6f} px")
    assert np.median(off) <= MOST_OFF_M
    return max(boxes)


@pytest.mark.parametrize("form", ["yolo", "spatial", "boxes_3d", "zed", "april_tags"])
def test_another_type_with_the_same_boxes_gives_the_same_distances(label, expected, sample_bag, tmp_path, form):
    bag = rewritten(sample_bag, tmp_path / form, form)
    found, _ = label(bag)
    assert compare(found, expected) <= MOST_OFF_PX


@pytest.mark.parametrize("form", ["yolo", "spatial", "boxes_3d", "zed", "april_tags"])
def test_a_bag_without_definitions_is_read_by_those_known(label, expected, sample_bag, tmp_path, form):
    bag = rewritten(sample_bag, tmp_path / form, form, storage=StoragePlugin.SQLITE3, version=8)
    [database] = bag.glob("*.db3")
    # As Humble records: the types' names alone.
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TABLE message_definitions")
    found, _ = label(bag)
    assert compare(found, expected) <= MOST_OFF_PX


@pytest.mark.parametrize("form", ["boxes_3d", "zed"])
def test_boxes_in_a_base_in_which_the_camera_moves_come_through_tf(label, expected, sample_bag, tmp_path, form):
    bag = rewritten(sample_bag, tmp_path / form, form, base="base_link")
    found, _ = label(bag)
    assert compare(found, expected) <= 10 * MOST_OFF_PX


@pytest.mark.parametrize(
    "case",
    [
        ("yolo",),
        ("yolo", "--fingertip-class", "3", "--target-class", "41"),
        ("boxes_3d",),
        ("zed", "--fingertip-class", "fingertip", "--target-class", "target"),
        ("april_tags", "--fingertip-class", "3", "--target-class", "tag36h11:7"),
    ],
)
def test_one_topic_for_both_is_told_apart_by_name_or_number(label, expected, sample_bag, tmp_path, case):
    form, *options = case
    bag = rewritten(sample_bag, tmp_path / form, form, shared=True)
    found, _ = label(bag, *options)
    assert compare(found, expected) <= MOST_OFF_PX


@pytest.mark.parametrize("form", ["yolo", "boxes_3d"])
def test_boxes_recorded_late_belong_to_their_images(label, expected, sample_bag, tmp_path, form):
    # given boxes that a slow detector gave three seconds after their images, in a base in which the camera moves
    bag = rewritten(sample_bag, tmp_path / form, form, base="base_link", late_s=3)
    found, said = label(bag)
    assert compare(found, expected) <= MOST_OFF_PX
    assert "were recorded up to 3.0 s after their image" in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("regions: {target: {picture_size: 416x416}}", "regions.target.picture_size is 416x416"),
        ("matching: {as_live: true}", "matching.as_live is true"),
    ],
)
def test_settings_without_a_meaning_in_space_are_refused(run, sample_bag, tmp_path, settings, words):
    bag = rewritten(sample_bag, tmp_path / "boxes_3d", "boxes_3d")
    config = tmp_path / "config.yaml"
    config.write_text(settings + "\n")
    result = run("label", bag, "-o", tmp_path / "out", "--config", config)
    assert result.returncode == 1
    assert words in result.stderr and "whose objects are in metres" in result.stderr


def test_a_zed_s_own_pixels_come_before_its_places(label, expected, sample_bag, tmp_path):
    # given whole pixels beside a box in space that is somewhere else
    bag = rewritten(sample_bag, tmp_path / "zed", "zed_pixels", change=turned_around)
    found, _ = label(bag)
    # then the pixels count, rounded as they are
    for step, exact in zip(found, expected, strict=True):
        assert np.all(np.equal(np.mod(step.target_box, 1), 0))
        assert np.abs(np.subtract(step.target_box, exact.target_box)).max() <= 0.5


def test_a_marker_s_region_is_that_of_its_frame(label, sample_bag, tmp_path):
    # given markers, and TF frames at the same poses
    bag = rewritten(
        sample_bag,
        tmp_path / "aruco",
        "aruco",
        base="base_link",
        frames=[("fingertip", "tip_marker"), ("target", "cup_marker")],
    )
    config = tmp_path / "regions.yaml"
    sizes = "size_m: 0.11, offset_m: [0.01, 0.02, 0.0]", "size_m: 0.065, offset_m: [0.0, -0.01, 0.0]"
    config.write_text(f"regions:\n  fingertip: {{{sizes[0]}}}\n  target: {{{sizes[1]}}}\n")
    by_marker, _ = label(bag, "--config", config)
    config.write_text(
        f"regions:\n  fingertip: {{frame: tip_marker, {sizes[0]}}}\n  target: {{frame: cup_marker, {sizes[1]}}}\n"
    )
    by_frame, _ = label(bag, "--config", config)
    # then they have the same boxes
    seen = [step for step in by_frame if not np.isnan(step.target_box).any()]
    assert len(seen) > 70
    for marked, framed in zip(by_marker, by_frame, strict=True):
        np.testing.assert_allclose(marked.fingertip_box, framed.fingertip_box, atol=1e-3)
        np.testing.assert_allclose(marked.target_box, framed.target_box, atol=1e-3)


def test_markers_of_unknown_size_were_measured_without_a_word(run, sample_bag, tmp_path):
    # given markers, and nobody who says how large what carries them is
    bag = rewritten(sample_bag, tmp_path / "aruco", "aruco")
    config = tmp_path / "regions.yaml"
    words = "do not say how large what carries them is: a ball of 0.03 m around each marker is taken for it"

    def said(*command):
        return run(*command, "--config", config).stderr

    commands = [["label", bag, "-o", tmp_path / "out", "--overwrite"], ["inspect", bag]]
    config.write_text("")
    for command in commands:
        # then what was assumed is said once, and what to set
        told = said(*command)
        assert told.count(words) == 1, told
        assert "Set regions.fingertip.size_m and regions.target.size_m" in told
    # and of the one that is set, no more
    config.write_text("regions: {target: {size_m: 0.065}}\n")
    for command in commands:
        told = said(*command)
        assert "Set regions.fingertip.size_m to" in told, told
    config.write_text("regions: {fingertip: {size_m: 0.11}, target: {size_m: 0.065}}\n")
    for command in commands:
        assert words not in said(*command)


@pytest.mark.parametrize("form", ["boxes_3d", "zed"])
def test_a_place_without_a_size_is_the_region_s_ball(label, expected, sample_bag, tmp_path, form):
    config = tmp_path / "regions.yaml"
    config.write_text("regions:\n  fingertip: {size_m: 0.11}\n  target: {size_m: 0.065}\n")
    bag = rewritten(
        sample_bag, tmp_path / form, form, base="base_link", change=lambda seen, _: [replace(seen, has_size=False)]
    )
    found, _ = label(bag, "--config", config)
    # then it is about where the box was, as wide as the ball, and round
    for step, exact in zip(found, expected, strict=True):
        for box, boxed in ((step.fingertip_box, exact.fingertip_box), (step.target_box, exact.target_box)):
            middle, exact_middle = (np.add(it[:2], it[2:]) / 2 for it in (box, boxed))
            assert np.abs(middle - exact_middle).max() < 5
            width, height = np.subtract(box[2:], box[:2])
            assert width == pytest.approx(height, rel=0.1)
        assert 1.3 < np.diff(step.fingertip_box[::2])[0] / np.diff(step.target_box[::2])[0] < 2.2


def test_an_object_that_a_zed_has_lost_is_not_seen(label, sample_bag, tmp_path):
    def change(seen, index):
        return [replace(seen, track="5", is_lost=seen.class_name == "target" and index % 2 == 1)]

    found, _ = label(rewritten(sample_bag, tmp_path / "zed", "zed", change=change))
    assert [step.reason for step in found[:4]] == ["", "no_target_box", "", "no_target_box"]


def test_a_track_was_left_for_a_better_score(label, expected, sample_bag, tmp_path):
    # given another object of the target's class that from the tenth message on scores higher
    def change(seen, index):
        other = replace(seen, box=tuple(edge + 40 for edge in seen.box), track="2")
        return [replace(other, score=0.99 if index >= 10 else 0.1), replace(seen, score=0.5, track="1")]

    bag = rewritten(sample_bag, tmp_path / "tracked", "yolo", change=change)
    found, _ = label(bag)
    assert compare(found, expected) <= MOST_OFF_PX
    # and without tracks it counts
    bag = rewritten(
        sample_bag,
        tmp_path / "untracked",
        "yolo",
        change=lambda seen, index: [replace(it, track="") for it in change(seen, index)],
    )
    found, _ = label(bag)
    assert found[-1].target_box[0] == pytest.approx(expected[-1].target_box[0] + 40)


def test_an_unknown_layout_is_refused_by_name(run, sample_bag, tmp_path):
    changes = {"yolo_msgs/BoundingBox2D": "Pose2D middle\nVector2 size"}
    bag = tmp_path / "fork"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detectors.Forms.yolo", fork)
        rewritten(sample_bag, bag, "yolo", definitions=changes)
    result = run("label", bag, "-o", tmp_path / "out")
    assert result.returncode == 1
    assert "topic /fingertip/detections: yolo_msgs/msg/DetectionArray" in result.stderr
    assert "'detections.bbox.center.position.x'" in result.stderr
    assert not (tmp_path / "out").exists()


def fork(self, header, _objects, _into):
    return self.make("yolo_msgs/msg/DetectionArray", header=header, detections=[])


def test_other_fields_than_known_ones_do_no_harm(label, expected, sample_bag, tmp_path):
    # given a definition with a field more, where the known one has none, and the order of two others swapped
    changes = {"vision_msgs/BoundingBox3D": "geometry_msgs/Vector3 size\ngeometry_msgs/Pose center"}
    bag = rewritten(sample_bag, tmp_path / "swapped", "boxes_3d", definitions=changes)
    found, _ = label(bag)
    assert compare(found, expected) <= MOST_OFF_PX


@pytest.mark.parametrize("form", ["yolo", "boxes_3d"])
def test_a_class_that_never_comes_is_told_with_those_seen(label, sample_bag, tmp_path, form):
    bag = rewritten(sample_bag, tmp_path / form, form)
    found, said = label(bag, "--target-class", "teapot", returncode=1)
    assert {step.reason for step in found} == {"no_target_box"}
    seen = "[41, target]" if form == "yolo" else "[target]"
    assert f"of the classes {seen}, and [teapot] is looked for" in said


def test_a_tag_that_never_appears_is_told_with_those_seen(label, sample_bag, tmp_path):
    bag = rewritten(sample_bag, tmp_path / "tags", "april_tags")
    found, said = label(bag, "--target-class", "tag36h11:9", returncode=1)
    assert {step.reason for step in found} == {"no_target_box"}
    assert "of the classes [7, tag36h11:7], and [tag36h11:9] is looked for" in said


def test_poses_that_are_no_numbers_are_left_out_and_told(run, label, expected, sample_bag, tmp_path):
    # given a target whose place is not known in every second message
    def change(seen, index):
        lost = seen.class_name == "target" and index % 2
        return [replace(seen, depth_m=float("nan"))] if lost else [seen]

    bag = rewritten(sample_bag, tmp_path / "nan", "boxes_3d", change=change)
    found, said = label(bag)
    assert [step.reason for step in found[:4]] == ["", "no_target_box", "", "no_target_box"]
    assert [step.distance_m for step in found[::2]] == pytest.approx(
        [step.distance_m for step in expected[::2]], abs=MOST_OFF_M
    )
    assert "an object among the target boxes is left out: 'target' has a number that is not finite" in said
    said = run("inspect", bag).stdout
    assert "an object is left out of 40 messages with the target boxes: 'target' has a number that" in said


@pytest.mark.parametrize("form", ["boxes_3d", "zed", "aruco"])
def test_what_is_behind_the_camera_is_outside_the_image(label, sample_bag, tmp_path, form):
    bag = rewritten(sample_bag, tmp_path / form, form, change=turned_around)
    found, said = label(bag, returncode=1)
    assert {step.reason for step in found} == {"box_outside_image"}
    assert "100 % of the target boxes are in space where the camera does not look" in said


def test_boxes_in_a_frame_that_nothing_joins_are_refused_by_name(run, sample_bag, tmp_path):
    bag = rewritten(sample_bag, tmp_path / "lost", "boxes_3d", base="base_link", transforms=False)
    for command in (["label", bag, "-o", tmp_path / "out"], ["inspect", bag]):
        result = run(*command)
        said = result.stderr + result.stdout
        assert "/fingertip/detections" in said and "'base_link'" in said and "record /tf" in said
    assert not (tmp_path / "out").exists()


def test_inspect_names_the_topics_and_why(run, sample_bag, tmp_path):
    bag = rewritten(sample_bag, tmp_path / "inspected", "boxes_3d")
    result = run("inspect", bag)
    assert result.returncode == 0, result.stderr
    assert "it holds boxes in space and is named after the target" in result.stdout
    assert "80 of them can be measured" in result.stdout
    # and markers for both are taken only by the numbers that a class names
    bag = rewritten(sample_bag, tmp_path / "tags", "april_tags", shared=True)
    assert "/detections has markers alone, and no class names one" in run("inspect", bag).stdout
    result = run("inspect", bag, "--fingertip-class", "3", "--target-class", "tag36h11:7")
    assert result.stdout.count("it holds markers and no topic is named after the") == 2
    assert "80 of them can be measured" in result.stdout


def test_a_data_set_takes_boxes_in_space(run, sample_bag, tmp_path):
    rows = []
    for form in (None, "boxes_3d", "yolo"):
        bag = rewritten(sample_bag, tmp_path / form, form) if form else sample_bag
        out = tmp_path / f"set_{form}"
        result = run("dataset", bag, "-o", out)
        assert result.returncode == 0, result.stderr
        rows.append([json.loads(line)["bbox"] for line in (out / "dataset.jsonl").read_text().splitlines()])
    assert len(rows[0]) > 50
    for other in rows[1:]:
        np.testing.assert_allclose(other, rows[0], atol=1e-3)
