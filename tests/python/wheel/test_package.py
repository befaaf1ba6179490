"""The package itself: what its words promise holds, and types are those that its stubs say."""

import doctest
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import spatial_reward as sr

ROOT = Path(__file__).resolve().parents[3]


def test_the_examples_in_its_words_hold():
    assert doctest.testmod(sr).failed == 0 and doctest.testmod(sr).attempted >= 7


def test_the_stubs_are_what_is_there():
    command = [sys.executable, "-m", "mypy.stubtest", "spatial_reward._native"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_checked_strictly():
    command = [sys.executable, "-m", "mypy", "--strict", str(ROOT / "python" / "spatial_reward")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT / "python")
    assert done.returncode == 0, done.stdout + done.stderr


def test_versions_agree():
    assert importlib.metadata.version("spatial-reward") == sr.__version__


ROS_FIRST = ROOT / "scripts" / "ros2" / "python_package.py"


@pytest.mark.parametrize("is_first", [True, False])
def test_it_is_found_beside_the_ros_interfaces_of_the_same_name(tmp_path, is_first):
    # given the Python package that ROS 2 installs of this project's messages
    interfaces = tmp_path / "spatial_reward" / "msg"
    interfaces.mkdir(parents=True)
    (tmp_path / "spatial_reward" / "__init__.py").write_text(ROS_FIRST.read_text())
    (interfaces / "__init__.py").write_text("StepReward = 'a message'")
    # when both are on the path, in either order
    code = (
        f"import sys; sys.path.insert({0 if is_first else 100}, {str(tmp_path)!r}); import spatial_reward as sr; "
        "from spatial_reward.msg import StepReward; sr.Camera(1, 1, 1, 1, 2, 2); sr.Error; print(sr.__doc__[:6])"
    )
    command = [sys.executable, "-E", "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    # then each finds the other
    assert done.stdout == "Dense,\n", done.stderr


def test_the_ros_interfaces_are_there_without_it(tmp_path):
    (tmp_path / "spatial_reward").mkdir()
    (tmp_path / "spatial_reward" / "__init__.py").write_text(ROS_FIRST.read_text())
    (tmp_path / "spatial_reward" / "msg.py").write_text("")
    # -S: without what is installed
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import spatial_reward.msg"
    subprocess.run([sys.executable, "-ES", "-c", code], check=True)
