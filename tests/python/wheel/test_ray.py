"""A fleet of workers on Ray: what each recording becomes, and what the tables say of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray_recordings import (  # noqa: F401 - fixtures are found by their names
    ENVIRONMENT,
    check_all_but_the_broken_one,
    plain,
    ray_of_two,
    recordings,
    rows,
    short_bag,
)

import spatial_reward as sr
import spatial_reward.ray as fleet


def test_each_bag_becomes_what_label_makes_of_it_and_a_broken_one_a_row(ray_of_two, recordings, plain, tmp_path):
    # Given eight recordings and a broken one.
    told = []

    # When two workers label them,
    out = tmp_path / "out"
    report = fleet.label_bags(recordings, out, actors=2, progress=lambda *so_far: told.append(so_far))

    # then each is labelled once, the broken one is told of, and progress has counted all.
    assert report.counts["labelled"] == 8 and report.retried == 0
    check_all_but_the_broken_one(report, out, plain)
    assert rows(out / "errors.parquet")["broken"]["attempt"] == 1
    assert told == [(done, 9) for done in range(1, 10)]


def test_a_run_that_is_begun_again_does_nothing_twice(ray_of_two, recordings, plain, tmp_path):
    # Given a run that was ended when three were done: their outputs are there.
    out = tmp_path / "out"
    first = fleet.label_bags([recordings / f"bag_{number}" for number in range(3)], out, actors=2, progress=False)
    assert first.complete and first.counts["labelled"] == 3
    before = {path: path.stat().st_mtime_ns for path in out.glob("*_labelled/*")}
    seconds = {name: row["seconds"] for name, row in rows(out / "bags.parquet").items()}

    # When all are asked for,
    report = fleet.label_bags(recordings, out, actors=2, progress=False)

    # then the three are as they were, with their figures, and the others are labelled.
    assert report.counts["skipped"] == 3 and report.counts["labelled"] == 5
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {name: rows(out / "bags.parquet")[name]["seconds"] for name in seconds} == seconds
    check_all_but_the_broken_one(report, out, plain)


def test_rows_of_earlier_runs_stay_where_another_names_other_bags(ray_of_two, recordings, tmp_path, monkeypatch):
    out = tmp_path / "out"
    fleet.label_bags([recordings / "bag_0", recordings / "broken"], out, actors=1, progress=False)
    fleet.label_bags([recordings / "bag_1"], out, actors=1, progress=False)
    assert set(rows(out / "bags.parquet")) == {"bag_0", "bag_1", "broken"}
    assert set(rows(out / "errors.parquet")) == {"broken"}

    # One that is called otherwise is the same still, and its error goes with its cause.
    monkeypatch.chdir(recordings)
    shutil.rmtree("broken")
    shutil.copytree("bag_2", "broken")
    fleet.label_bags("broken", out, actors=1, progress=False)
    results = pq.read_table(out / "bags.parquet").to_pylist()
    assert sorted((Path(row["path"]).name, row["status"]) for row in results) == [
        ("bag_0", "labelled"),
        ("bag_1", "labelled"),
        ("broken", "labelled"),
    ]
    assert not rows(out / "errors.parquet")


def test_other_settings_than_those_of_an_output_are_an_error_of_that_bag(ray_of_two, recordings, tmp_path):
    # Given an output that was made with other settings,
    out = tmp_path / "out"
    fleet.label_bags(recordings / "bag_0", out, actors=1, progress=False)

    # when a run resumes with new ones,
    report = fleet.label_bags([recordings / "bag_0", recordings / "bag_1"], out, reward="tanh", progress=False)

    # then it is left alone, and said so; it is not replaced unasked.
    assert report.counts["labelled"] == 1 and report.counts["failed"] == 1
    error = rows(out / "errors.parquet")["bag_0"]
    assert error["kind"] == "other_settings" and "another folder" in error["remedy"]


def test_settings_and_drawn_boxes_are_sent_as_files(ray_of_two, recordings, tmp_path):
    # Given settings in a file, and a file of boxes that knows none of the bags.
    config = tmp_path / "rig.yaml"
    config.write_text("reward:\n  kind: tanh\n")
    regions = tmp_path / "regions.yaml"
    regions.write_text("bags: []\n")

    # When a bag is labelled with the settings, then they are those of its table;
    fleet.label_bags(recordings / "bag_0", tmp_path / "out", config=config, progress=False)
    table = pq.read_schema(tmp_path / "out" / "bag_0_labelled" / "bag_0_labelled_reward.parquet")
    assert table.metadata[b"spatial_reward.reward_kind"] == b"tanh"

    # with the boxes, it has none.
    report = fleet.label_bags(recordings / "bag_0", tmp_path / "drawn", regions=regions, progress=False)
    assert report.counts["failed"] == 1
    assert rows(tmp_path / "drawn" / "errors.parquet")["bag_0"]["kind"] == "no_regions"


def test_a_setting_that_is_none_is_told_before_a_million_bags_fail_for_it(recordings, tmp_path):
    with pytest.raises(sr.Error) as raised:
        fleet.label_bags(recordings, tmp_path / "out", config={"reward": {"kind": "golden"}})
    assert "golden" in raised.value.message
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_not_there_fails_when_its_turn_comes(ray_of_two, recordings, tmp_path):
    report = fleet.label_bags([recordings / "bag_0", recordings / "nowhere"], tmp_path / "out", progress=False)
    assert report.counts["labelled"] == report.counts["failed"] == 1
    assert "No such file" in rows(tmp_path / "out" / "errors.parquet")["nowhere"]["message"]


def test_a_table_that_is_none_of_ours_stops_the_run_before_it_begins(recordings, tmp_path):
    (tmp_path / "out").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "out" / "bags.parquet")
    with pytest.raises(sr.Error, match="it has no column advice") as raised:
        fleet.label_bags(recordings, tmp_path / "out")
    assert "move it away" in raised.value.remedy


def _copies(root, out, *, reward="shaped"):
    """Stands for what labels a dataset."""
    if (root / "broken").exists():
        raise ValueError("this dataset is of no version")
    shutil.copytree(root, out)


@pytest.fixture
def datasets(tmp_path):
    roots = [tmp_path / "datasets" / name for name in ("one", "two")]
    for root in roots:
        (root / "meta").mkdir(parents=True)
        (root / "meta" / "info.json").write_text("{}")
    return roots


def test_datasets_are_labelled_by_what_labels_datasets(ray_of_two, datasets, tmp_path):
    # Given a dataset that can be labelled, and one that cannot.
    out, broken = tmp_path / "out", datasets[1] / "broken"
    broken.touch()

    # When both are, then the one is there and the other's error is told,
    report = fleet.label_lerobot(datasets, out, actors=2, label=_copies, progress=False)
    assert report.counts["labelled"] == report.counts["failed"] == 1
    assert (out / "one" / "meta" / "info.json").is_file() and not (out / "two").exists()
    assert "no version" in rows(out / "errors.parquet")["two"]["message"]

    # and the next run does the other alone.
    broken.unlink()
    report = fleet.label_lerobot(datasets, out, actors=2, label=_copies, progress=False)
    assert report.complete and report.counts["skipped"] == report.counts["labelled"] == 1
    assert set(rows(out / "datasets.parquet")) == {"one", "two"}
    assert not rows(out / "errors.parquet")

    # Other options than those of an output are an error of it.
    report = fleet.label_lerobot(datasets, out, actors=1, label=_copies, reward="dense", progress=False)
    assert report.counts["failed"] == 2
    assert rows(out / "errors.parquet")["one"]["kind"] == "other_settings"


def test_without_the_peer_the_way_to_it_is_named():
    words = "import sys; sys.modules['ray'] = None; import spatial_reward.ray"
    result = subprocess.run([sys.executable, "-c", words], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert "pip install spatial-reward[ray]" in result.stderr
