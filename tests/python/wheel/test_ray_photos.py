"""A fleet of workers on Ray that makes a data set of photos: the files of the program alone, whatever happens."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from photo_files import Rewording, by_the_program, check_same_files, make_photos
from ray_recordings import ENVIRONMENT, ray_of, worker_processes

import spatial_reward as sr
import spatial_reward.ray as fleet
from spatial_reward.ray import _photos

SETTINGS = {"photos": {"height_px": 0}}
COUNT, BROKEN = 140, 70


@pytest.fixture(scope="module")
def ray_of_three():
    with ray_of(3):
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Of five parts; one photo ends in the middle. Read them, never write here."""
    return make_photos(tmp_path_factory.mktemp("many") / "photos", COUNT, broken={BROKEN})


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory):
    """What the program makes of them."""
    return by_the_program(photos, tmp_path_factory.mktemp("alone") / "rows", code=3)


@pytest.mark.usefixtures("ray_of_three")
@pytest.mark.parametrize("actors", [1, 3])
def test_the_files_are_the_programs_on_any_number_of_workers(photos, alone, tmp_path, caplog, actors):
    # When so many workers make the data set,
    caplog.set_level(logging.INFO, "spatial_reward.ray")
    told = []
    out = tmp_path / "rows"
    report = fleet.photo_dataset(
        photos, out, actors=actors, config=SETTINGS, progress=lambda *so_far: told.append(so_far)
    )

    # then its files are those of the program alone, and the broken photo is a row of its errors.
    assert 1 <= len(worker_processes(caplog)) <= actors
    assert report.complete and report.counts == {"made": COUNT, "skipped": 0, "failed": 0, "unfinished": 0}
    check_same_files(out, alone)
    (line,) = (out / "errors.jsonl").read_text().splitlines()
    assert (json.loads(line)["photo"], json.loads(line)["reason"]) == (
        str(photos / f"room_{BROKEN:03}.png"),
        "photo_broken",
    )
    assert report.dataset["counts"]["frames"] == COUNT and report.dataset["errors"] == 1
    assert f"1 could not be used, {out}/errors.jsonl says why" in str(report)
    assert told[-1] == (COUNT, COUNT) and len(told) == 5

    # Another call has nothing to do; one of something else leaves it alone.
    again = fleet.photo_dataset(photos, out, actors=actors, config=SETTINGS, progress=False)
    assert again.complete and again.counts["skipped"] == COUNT and again.dataset == report.dataset
    for other in ({"config": SETTINGS, "seed": 1}, {"config": SETTINGS, "resume": False}, {}):
        with pytest.raises(sr.Error, match="name another folder"):
            fleet.photo_dataset(photos, out, **other)
    check_same_files(out, alone)


def test_killed_workers_cost_nothing_but_an_attempt(ray_of_three, photos, alone, tmp_path, caplog):
    caplog.set_level(logging.INFO, "spatial_reward.ray")
    killed = []

    def kill(done, _):
        # When all workers are killed after the first part,
        if not killed:
            for pid in worker_processes(caplog):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    report = fleet.photo_dataset(photos, tmp_path / "rows", actors=2, config=SETTINGS, progress=kill)

    # then others make what these were at, and the files are the same.
    assert killed and report.complete and report.retried >= 1
    check_same_files(tmp_path / "rows", alone)


def _kept(out):
    """When each picture of the parts that are made was written."""
    parts = sorted((out.parent / f".{out.name}.unfinished" / "parts").glob("*.jsonl"))
    rows = [json.loads(line)["row"] for part in parts for line in part.read_text().splitlines()]
    names = [json.loads(row)["filename"] for row in rows if row is not None]
    return len(parts), {name: (out.parent / f".{out.name}.unfinished" / name).stat().st_mtime_ns for name in names}


@pytest.mark.parametrize("goes_on", ["fleet", "program"])
def test_a_killed_driver_is_gone_on_from_by_a_fleet_and_by_the_program(ray_of_three, photos, alone, tmp_path, goes_on):
    # Given a driver that is killed after two parts,
    out, script = tmp_path / "rows", tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(f"""
            import os, signal, sys
            import spatial_reward.ray as fleet
            def kill(done, total):
                if done >= 64:
                    os.kill(os.getpid(), signal.SIGKILL)
            fleet.photo_dataset(sys.argv[1], sys.argv[2], actors=1, config={SETTINGS}, progress=kill)
        """)
    )
    done = subprocess.run(
        [sys.executable, script, photos, out], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    parts, written = _kept(out)
    assert 2 <= parts < 5 and not out.exists()

    # when another run goes on,
    if goes_on == "fleet":
        report = fleet.photo_dataset(photos, out, actors=2, config=SETTINGS, progress=False)
        assert report.complete and report.counts["skipped"] >= 64
    else:
        by_the_program(photos, out, "--resume", code=3)

    # then nothing that was made is made again, and the files are the same.
    assert {name: (out / name).stat().st_mtime_ns for name in written} == written
    check_same_files(out, alone)


class _DiesOverTheSecond(_photos.PhotoTask):
    """Ends each process that takes the second part."""

    def __call__(self, job, scratch):
        if job.number == 1:
            os._exit(1)
        return super().__call__(job, scratch)


def test_what_kills_every_worker_leaves_the_others_parts_and_is_told(
    ray_of_three, photos, alone, tmp_path, monkeypatch
):
    # When a part ends each worker that takes it,
    out = tmp_path / "rows"
    with monkeypatch.context() as patch:
        patch.setattr(_photos, "PhotoTask", _DiesOverTheSecond)
        report = fleet.photo_dataset(photos, out, actors=2, config=SETTINGS, progress=False)

    # then it is tried three times, and there is no data set;
    assert not report.complete and not out.exists()
    assert report.counts == {"made": COUNT - 32, "skipped": 0, "failed": 32, "unfinished": 0}
    (failure,) = report.failures
    assert (failure["photos"], failure["kind"], failure["attempt"]) == ("photos 33 to 64", "worker_died", 3)
    assert "photos 33 to 64" in str(report)

    # the next call makes that part alone.
    report = fleet.photo_dataset(photos, out, actors=2, config=SETTINGS, progress=False)
    assert report.counts["skipped"] == COUNT - 32 and report.counts["made"] == 32
    check_same_files(out, alone)


def test_an_endpoint_is_asked_by_the_driver_and_nothing_twice(ray_of_three, photos, tmp_path):
    # Given an endpoint that goes out of order after some answers,
    few, out = tmp_path / "photos", tmp_path / "rows"
    few.mkdir()
    for file in photos.glob("room_00*"):
        shutil.copy(file, few)
    asked = {"config": SETTINGS, "actors": 2, "rephrase_model": "m", "rephrase_requests": 1, "progress": False}
    with Rewording(ends_after=20) as endpoint, pytest.raises(sr.Error, match="the same call goes on") as raised:
        fleet.photo_dataset(few, out, rephrase=endpoint.url, **asked)
    assert raised.value.kind == "endpoint" and not out.exists()
    answered = endpoint.asked[:20]

    # when it works again,
    with Rewording() as endpoint:
        report = fleet.photo_dataset(few, out, rephrase=endpoint.url, **asked)

    # then it is asked for the rest, and each photo has a second row, as by the program.
    assert report.complete and report.counts["skipped"] == 10
    assert len(endpoint.asked) > 20 and not set(endpoint.asked) & set(answered)
    assert report.dataset["rephrased"]["rows"] == 10 and report.dataset["rephrased"]["from_cache"] >= 20
    alone = tmp_path / "alone" / "rows"
    alone.parent.mkdir()
    shutil.copy(tmp_path / "rows.rephrased.jsonl", alone.parent / "rows.rephrased.jsonl")
    with Rewording() as endpoint:
        by_the_program(few, alone, "--rephrase", endpoint.url, "--rephrase-model", "m")
    assert not endpoint.asked
    for name in ("dataset.jsonl", "published.json", "scenes.jsonl"):
        assert (out / name).read_bytes() == (alone / name).read_bytes()


def test_settings_and_words_are_sent_as_files_are(ray_of_three, photos, tmp_path):
    # Given settings and words in files that workers elsewhere do not see,
    (tmp_path / "config.yaml").write_text("photos: {height_px: 0, pairs: 1}\n")
    (tmp_path / "words.txt").write_text("cup, box\n")
    # when they are named, then they are those of the data set;
    few = [photos / f"room_{number:03}.png" for number in range(3)]
    files = {"config": tmp_path / "config.yaml", "vocabulary": tmp_path / "words.txt"}
    report = fleet.photo_dataset(few, tmp_path / "rows", progress=False, **files)
    rows = [json.loads(line) for line in (tmp_path / "rows" / "dataset.jsonl").read_text().splitlines()]
    assert report.dataset["photos"]["pairs"] == 1 and {tuple(sorted(row["regions"])) for row in rows} == {
        ("box", "cup")
    }
    # words may be given as they are.
    report = fleet.photo_dataset(few, tmp_path / "two", config=SETTINGS, vocabulary=["can", "box"], progress=False)
    rows = [json.loads(line) for line in (tmp_path / "two" / "dataset.jsonl").read_text().splitlines()]
    assert {tuple(sorted(row["regions"])) for row in rows} == {("box", "can")}


def test_networks_that_no_worker_can_load_end_the_run_before_it_begins(ray_of_three, photos, tmp_path):
    with pytest.raises(sr.Error, match="workers do not start") as raised:
        fleet.photo_dataset(photos, tmp_path / "rows", depth_model=str(tmp_path / "none"), num_gpus=0, progress=False)
    assert raised.value.kind == "worker" and not (tmp_path / "rows").exists()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"photos": "memory://lab/photos"}, "storage_unsupported"),
        ({"out": "memory://lab/rows"}, "storage_unsupported"),
        ({"photos": "nowhere"}, "no_photos"),
        ({"config": {"photos": {"pairs": -1}}}, "config"),
    ],
)
def test_what_cannot_be_is_told_before_a_ray_is_begun(photos, tmp_path, arguments, kind):
    with pytest.raises(sr.Error) as raised:
        fleet.photo_dataset(**{"photos": photos, "out": tmp_path / "rows", **arguments})
    assert raised.value.kind.startswith(kind)
    assert not list(tmp_path.iterdir())
