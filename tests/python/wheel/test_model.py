"""The vision-language model from Python: another build of the program measures, in a process of its own."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cut_bag import first_frames

import spatial_reward as sr

PROGRAM = os.environ.get("SPATIAL_REWARD_PROGRAM")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="SPATIAL_REWARD_PROGRAM names no program that has the model")


def children_that(work):
    """This process's children with this as the last word of their command."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and words[-2:] == [work.encode(), b""]:
                yield int(process.name)


def distances(table):
    return table["reward.spatial.distance_m"].to_pylist(), table["reward.spatial.answer"].to_pylist()


@pytest.fixture(scope="module")
def short_bag(sample_bag, tmp_path_factory):
    """The first 12 pictures of the sample."""
    return first_frames(sample_bag, tmp_path_factory.mktemp("short") / "bag", 12)


def test_labels_by_the_model_are_those_of_the_program_that_has_it(short_bag, tmp_path):
    # given the program's own labels
    command = [PROGRAM, "label", short_bag, "-o", tmp_path / "own", "--estimator", "spatialrgpt"]
    subprocess.run(command, check=True, capture_output=True)
    # when Python asks it
    labelled = sr.label(short_bag, tmp_path / "asked", estimator="spatialrgpt")
    # then it says the same
    asked, own = (pq.read_table(path) for path in (labelled.parquet, tmp_path / "own" / "own_reward.parquet"))
    assert distances(asked) == distances(own)
    assert labelled.valid == 12 and all(distances(own)[1])


def test_frames_in_memory_are_measured_by_the_model(short_bag):
    frames = list(sr.Recording(short_bag))[:2]
    annotator = sr.Annotator(estimator="spatialrgpt", camera=frames[0].camera)
    assert annotator.distance == "cloud"
    step = annotator.step(frames[0].color, frames[0].depth, fingertip=frames[0].fingertip, target=frames[0].target)
    assert step.valid and 0 < step.distance_m < 1 and step.answer
    # when the process with the model is gone
    (model,) = children_that("estimate")
    os.kill(model, signal.SIGKILL)
    # then steps say that the model failed, and Python goes on
    step = annotator.step(frames[1].color, frames[1].depth, fingertip=frames[1].fingertip, target=frames[1].target)
    assert (step.valid, step.reason) == (False, "model_error")


def test_who_has_no_program_with_the_model_is_told_how_to_get_it(scene, monkeypatch, tmp_path):
    monkeypatch.delenv("SPATIAL_REWARD_PROGRAM")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sr.Error, match="SPATIAL_REWARD_PROGRAM"):
        sr.Annotator(estimator="spatialrgpt", camera=scene.camera)
    for program, words in [("/no/program", "cannot start /no/program"), ("/bin/true", "does not answer")]:
        monkeypatch.setenv("SPATIAL_REWARD_PROGRAM", program)
        with pytest.raises(sr.Error, match=words):
            sr.Annotator(estimator="spatialrgpt", camera=scene.camera)
