"""Data for the tests of the installed Python package."""

from pathlib import Path

import numpy as np
import pytest

import spatial_reward as sr

ROOT = Path(__file__).resolve().parents[3]


SAMPLE = ROOT / "data" / "fetch_approach"


def pytest_addoption(parser):
    parser.addoption(
        "--bag", action="append", default=[], type=Path, help="a recording on which steps must equal labels, too"
    )


def pytest_generate_tests(metafunc):
    if "recorded_bag" in metafunc.fixturenames:
        bags = [SAMPLE, *metafunc.config.getoption("--bag")]
        metafunc.parametrize("recorded_bag", bags, ids=[bag.name for bag in bags], scope="session")


@pytest.fixture(scope="session")
def recorded_frames(recorded_bag):
    """All frames of a recording: the sample, and those that the command line names."""
    return list(sr.Recording(recorded_bag))


@pytest.fixture(scope="session")
def sample_bag():
    return SAMPLE


@pytest.fixture(scope="session")
def labelled(sample_bag, tmp_path_factory):
    """The sample bag labelled with the defaults. Read it, never write into it."""
    return sr.label(sample_bag, tmp_path_factory.mktemp("sample") / "labelled")


@pytest.fixture(scope="session")
def frames(sample_bag):
    return list(sr.Recording(sample_bag))


@pytest.fixture(scope="session")
def bags(sample_bag):
    """Writes small recordings."""
    from bag_writer import BagWriter

    return BagWriter(sample_bag)


@pytest.fixture(scope="session")
def bag(bags, tmp_path_factory):
    """Twelve small frames at 15 Hz with all signals. Read it, never write into it."""
    return bags.write(tmp_path_factory.mktemp("bags") / "plain")


class Scene:
    """Two blocks 6 cm apart, half a metre before a wall."""

    def __init__(self):
        self.camera = sr.Camera(fx=100, fy=100, cx=80, cy=60, width=160, height=120)
        self.color = np.zeros((120, 160, 3), np.uint8)
        self.depth = np.full((120, 160), 1.1, np.float32)
        self.depth[40:80, 30:70] = self.depth[40:80, 80:120] = 0.6
        self.fingertip = (30, 40, 70, 80)
        self.target = (80, 40, 120, 80)


@pytest.fixture
def scene():
    return Scene()
