"""What of sim/'s workbench needs no simulator: how robots' files are read, drawn hands, what is held out."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "sim"))
import mjcf
import shaped_hand
import tasks

ARM = """<mujoco>
  <asset>
    <mesh name="link" file="link.stl"/>
    <mesh name="link" file="link.stl"/>
    <mesh file="tip.obj"/>
    <texture type="skybox" builtin="gradient"/>
  </asset>
  <worldbody>
    <light pos="0 0 1"/>
    <body name="base">
      <site name="marker"/>
      <geom name="shell" mesh="link" material="steel"/>
      <body name="wrist"><joint name="turn"/><camera name="view"/></body>
    </body>
  </worldbody>
  <actuator><motor joint="turn"/></actuator>
</mujoco>"""
INCLUDED = '<mujocoinclude><body name="second"/></mujocoinclude>'


@pytest.fixture
def arm(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "arm.xml", tmp_path / "second.xml"]
    for path, text in zip(paths, (ARM, INCLUDED), strict=True):
        path.write_text(text)
    return paths


def test_of_a_robots_files_only_what_is_seen_and_moves_is_left(arm, tmp_path):
    # Given: two files, one with a mesh that is named twice, motors and marks, one that others include
    # When
    model = mjcf.read(arm, tmp_path / "meshes")

    # Then
    assert [element.tag for element in model] == ["default", "asset", "worldbody"]
    assert [element.get("file") for element in model.find("asset")] == [
        str(tmp_path / "meshes" / name) for name in ("link.stl", "tip.obj")
    ]
    assert {element.tag for element in model.find("worldbody").iter()} == {"worldbody", "body", "geom", "joint"}
    assert [element.get("name") for element in model.iter("body")] == ["base", "wrist", "second"]


def test_a_hand_joins_an_arm_of_the_same_names(arm, tmp_path):
    # Given
    first = mjcf.read(arm[:1], tmp_path)
    hand = mjcf.read(arm[:1], tmp_path, lambda name: f"hand/{name}")

    # When
    both = mjcf.joined(first, hand, "wrist")

    # Then
    names = [element.get("name") for element in both.iter("body")]
    assert names == ["base", "wrist", "hand/base", "hand/wrist"]
    shells = list(both.iter("geom"))
    assert [shell.get("mesh") for shell in shells] == ["link", "hand/link"]
    assert [shell.get("material") for shell in shells] == ["steel", "hand/steel"]


def test_a_body_that_is_not_there_is_refused_by_name(arm, tmp_path):
    # Given
    model = mjcf.read(arm[:1], tmp_path)

    # When, Then
    with pytest.raises(ValueError, match="no body `elbow`, only base, wrist"):
        mjcf.body(model, "elbow")


def test_a_package_that_is_missing_is_an_error_that_says_how_to_get_it():
    # Given, When, Then
    with pytest.raises(SystemExit, match="no_such_robots is missing: pip install"):
        mjcf.package("no_such_robots")


@pytest.mark.parametrize("seed", range(40))
def test_closed_fingers_of_a_drawn_hand_do_not_pass_through_each_other(seed):
    # Given
    mount = ElementTree.Element("body")

    # When
    hand = shaped_hand.build(mount, [np.zeros(3)] * 3, np.random.default_rng(seed))

    # Then
    assert 1 <= len(hand.fingers) <= 4
    bodies = {element.get("name"): element for element in mount.iter("body")}
    inner = [min(map(_lowest_x, bodies[names[0]].iter("geom"))) for names in hand.fingers]
    assert len(set(inner)) == 1, "the fingers of a hand are alike"
    assert len(hand.joints) == (len(hand.fingers) if len(hand.fingers) > 1 else 0)
    for closed, opened in hand.joints.values():
        assert 0 < closed + inner[0] < opened + inner[0]


def _lowest_x(geom: ElementTree.Element) -> float:
    """The least x that a geom of a finger reaches, in the finger's frame."""
    size = [float(word) for word in geom.get("size").split()]
    if geom.get("fromto"):
        ends = [float(word) for word in geom.get("fromto").split()]
        return min(ends[0], ends[3]) - size[0]
    return float(geom.get("pos").split()[0]) - size[0]


def test_no_engine_that_is_held_out_is_trained_on():
    # Given, When
    training = tasks.select("all", "all-training")
    held_out = tasks.select("workbench", "all-held-out")

    # Then
    assert {task.simulator for task in held_out} == set(tasks.HELD_OUT_ENGINES)
    assert not {task.simulator for task in training} & set(tasks.HELD_OUT_ENGINES)
    assert {task.simulator for task in training} == {"fetch", "metaworld", "robosuite", "aloha", "xarm", "shaped"}


def test_both_is_still_fetch_and_meta_world():
    # Given, When
    chosen = tasks.select("both", "all-training")

    # Then
    assert {task.simulator for task in chosen} == {"fetch", "metaworld"}
