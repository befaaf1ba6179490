"""A data set of photos whose parts several processes make: what each is told, and what comes of the parts."""

import fcntl
import json
import os
import subprocess
from pathlib import Path

import pytest
from photo_files import by_the_program, check_same_files, make_photos

import spatial_reward as sr
from spatial_reward import _native

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
PROGRAM = os.environ.get("SPATIAL_REWARD_PROGRAM")
SETTINGS = {"photos": {"height_px": 0}}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Of three parts, the last of which is short. Read them, never write here."""
    return make_photos(tmp_path_factory.mktemp("some") / "photos", 70, broken={40})


def test_parts_that_others_make_are_joined_to_what_the_program_makes(photos, tmp_path):
    # Given a data set that is begun, and two others who know of it,
    alone, out = by_the_program(photos, tmp_path / "alone", code=3), tmp_path / "rows"
    begun = _native.PhotoSet([photos], out, config=SETTINGS)
    assert begun.begin() is None
    assert (begun.photos, begun.missing) == (70, [(0, 0, 32), (1, 32, 64), (2, 64, 70)])
    others = [_native.PhotoSet([photos], out, config=SETTINGS, jobs=1) for _ in range(2)]
    # when they make its parts in another order, one of them twice,
    made = [others[number % 2].make(part) for number, part in enumerate((2, 0, 1, 0))]
    # then each has what is told of it, none is missing, and the whole is the program's.
    sizes = [(6, 6), (32, 32), (32, 31), (32, 32)]
    assert made == [{"photos": size, "rows": rows, "errors": size - rows} for size, rows in sizes]
    assert begun.missing == []
    assert begun.join()["counts"]["rows"] == 69
    check_same_files(out, alone)
    # Who asks again is told at once.
    assert _native.PhotoSet([photos], out, config=SETTINGS).begin()["errors"] == 1


def test_one_process_at_a_time_is_at_a_data_set_and_at_a_part(photos, tmp_path):
    # Given one who has begun,
    begun, other = (_native.PhotoSet([photos], tmp_path / "rows", config=SETTINGS) for _ in range(2))
    begun.begin()
    # when another begins the same, or a part is made that a third is at work on,
    with pytest.raises(sr.Error) as raised:
        other.begin()
    # then each is told,
    assert raised.value.kind == "output_held"
    with (begun.parts_folder / ".00000001.jsonl.lock").open("w") as lock:
        lock.write("1 elsewhere\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(sr.Error) as raised:
            other.make(1)
    assert raised.value.kind == "output_held"
    # until the first lets go.
    begun.close()
    assert other.begin() is None
    with pytest.raises(sr.Error, match="3 parts are not made yet"):
        other.join()


def test_who_is_told_something_else_makes_no_part(photos, tmp_path):
    out = tmp_path / "rows"
    with pytest.raises(sr.Error, match=r"cannot read .*run\.json"):
        _native.PhotoSet([photos], out, config=SETTINGS).load()
    begun = _native.PhotoSet([photos], out, config=SETTINGS)
    begun.begin()
    for other in (
        _native.PhotoSet([photos], out, config=SETTINGS, seed=1),
        _native.PhotoSet([photos], out),
        _native.PhotoSet([photos], out, config=SETTINGS, vocabulary="cup\n"),
        _native.PhotoSet([photos / "room_000.png"], out, config=SETTINGS),
    ):
        with pytest.raises(sr.Error) as raised:
            other.load()
        assert raised.value.kind == "other_run"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"every": 0}, "every is at least 1"),
        ({"vocabulary": "# none\n"}, "names nothing to look for"),
        ({"rephrase": "http://127.0.0.1:9/v1"}, "belong together"),
        ({"rephrase": "127.0.0.1", "rephrase_model": "m"}, "is no endpoint"),
        ({"rephrase": "http://127.0.0.1:9/v1", "rephrase_model": "m", "rephrase_requests": 0}, "from 1 to 256"),
        ({"photos": ["nowhere"]}, "nowhere is no photo"),
        ({"config": {"photos": {"pairs": -1}}}, "pairs"),
    ],
)
def test_what_is_no_photo_or_setting_is_told_before_anything_is_made(photos, tmp_path, arguments, words):
    with pytest.raises(sr.Error, match=words):
        _native.PhotoSet(**{"photos": [photos], "out": tmp_path / "rows", **arguments}).begin()
    assert not list(tmp_path.glob(".rows*"))


@pytest.mark.skipif(not PROGRAM, reason="SPATIAL_REWARD_PROGRAM names no program that has the networks")
def test_parts_by_networks_are_those_of_the_program_that_has_them(sample_bag, tmp_path):
    # Given two photos with nothing beside them, and what a program with networks makes of them,
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, frame in zip(range(2), sr.Recording(sample_bag), strict=False):
        (photos / f"{number}.png").write_bytes(frame.color_png())
    settings = {"photos": {"min_score": 0.0, "certain_only": False}, "detector": {"threshold": 0.3}}
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    (tmp_path / "words.txt").write_text("red block\ndark bar\n")
    networks = {
        "detector": str(FIXTURES / "owlv2" / "a"),
        "segmenter": str(FIXTURES / "sam2" / "plain"),
        "depth_model": str(FIXTURES / "metric_depth" / "depth_pro_published"),
    }
    options = [f"--{name.replace('_', '-')}={value}" for name, value in networks.items()]
    files = ["--config", tmp_path / "config.yaml", "--vocabulary", tmp_path / "words.txt"]
    command = [PROGRAM, "dataset", photos, "-o", tmp_path / "own", *files, *options]
    subprocess.run(command, check=True, capture_output=True)
    # when Python asks for the same,
    words = (tmp_path / "words.txt").read_text()
    asked = _native.PhotoSet([photos], tmp_path / "asked", config=settings, vocabulary=words, **networks)
    assert asked.has_networks and asked.begin() is None
    assert asked.make(0) == {"photos": 2, "rows": 2, "errors": 0}
    # then it has the same files.
    asked.join()
    check_same_files(tmp_path / "asked", tmp_path / "own")


def test_who_has_no_program_with_the_networks_is_told_how_to_get_it(photos, monkeypatch, tmp_path):
    monkeypatch.delenv("SPATIAL_REWARD_PROGRAM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = _native.PhotoSet([photos], tmp_path / "rows", depth_model="apple/DepthPro-hf")
    asked.begin()
    with pytest.raises(sr.Error, match="--features torch") as raised:
        asked.load()
    assert raised.value.kind == "networks"
    monkeypatch.setenv("SPATIAL_REWARD_PROGRAM", "/bin/true")
    with pytest.raises(sr.Error, match="does not answer"):
        asked.load()
