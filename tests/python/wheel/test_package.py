"""The package itself: what its words promise holds, and types are those that its stubs say."""

import doctest
import importlib.metadata
import subprocess
import sys
from pathlib import Path

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


def test_it_is_found_beside_the_ros_interfaces_of_the_same_name(tmp_path):
    # given the Python package that ROS 2 generates of this project's messages, which is empty but for its modules
    interfaces = tmp_path / "spatial_reward" / "msg"
    interfaces.mkdir(parents=True)
    (tmp_path / "spatial_reward" / "__init__.py").write_text("")
    (interfaces / "__init__.py").write_text("StepReward = 'a message'")
    # when both are on the path, this one first
    code = (
        "import sys; sys.path.append(sys.argv[1]); import spatial_reward as sr; "
        "from spatial_reward.msg import StepReward; sr.Camera"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
