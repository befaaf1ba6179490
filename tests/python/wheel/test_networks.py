"""Regions that networks find and follow, from Python: another build of the program has the networks."""

import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cut_bag import first_frames

import spatial_reward as sr

PROGRAM = os.environ.get("SPATIAL_REWARD_PROGRAM")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="SPATIAL_REWARD_PROGRAM names no program that has the networks")

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
WORDS = {"fingertip": "robot gripper", "target": "green cube"}


def test_labels_by_words_and_masks_are_those_of_the_program_that_has_the_networks(sample_bag, tmp_path):
    # given the program's own labels, by words that a random detector takes for anything, and by masks
    bag = first_frames(sample_bag, tmp_path / "bag", 6)
    networks = {"detector": FIXTURES / "owlv2" / "a", "segmenter": FIXTURES / "sam2" / "plain"}
    (tmp_path / "config.yaml").write_text("detector: {threshold: 0.0}")
    command = [PROGRAM, "label", bag, "-o", tmp_path / "own", "--config", tmp_path / "config.yaml", "--take-best"]
    command += [f"--{region}-words={words}" for region, words in WORDS.items()]
    command += [f"--{network}={path}" for network, path in networks.items()] + ["--follow=sam2"]
    subprocess.run(command, check=False, capture_output=True)
    # when Python asks for the same
    config = {
        "regions": {region: {"words": [words], "follow": "sam2"} for region, words in WORDS.items()},
        "detector": {"path": str(networks["detector"]), "threshold": 0.0, "take_best": True},
        "segmenter": {"path": str(networks["segmenter"])},
    }
    labelled = sr.label(bag, tmp_path / "asked", config=config)
    # then it has the same table, and says where it began
    asked, own = (pq.read_table(path) for path in (labelled.parquet, tmp_path / "own" / "own_reward.parquet"))
    # As text, in which a number that is none is itself.
    assert asked.num_rows == 6 and str(asked.to_pydict()) == str(own.to_pydict())
    assert [found["sought"] for found in labelled.to_dict()["found"]] == list(WORDS.values())


def test_a_question_says_the_way_out_in_python(sample_bag, tmp_path):
    # given a detector for which everything is about as likely
    bag = first_frames(sample_bag, tmp_path / "bag", 2)
    config = {
        "regions": {"target": {"words": ["green cube"]}},
        "detector": {"path": str(FIXTURES / "owlv2" / "a"), "threshold": 0.0, "near": 0.01},
    }
    # when, then
    with pytest.raises(sr.Error, match=r"two things look like 'green cube'.*take_best"):
        sr.label(bag, tmp_path / "out", config=config, fingertip=(300, 200, 340, 250))
    assert not (tmp_path / "out").exists()
