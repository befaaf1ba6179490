"""Recordings for fleets: ten frames of the sample bag, many times over; and what is to come of them."""

import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="ray is not installed: pip install spatial-reward[ray]")
pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

import pyarrow.parquet as pq  # noqa: E402 - after the skips
from cut_bag import first_frames  # noqa: E402

import spatial_reward as sr  # noqa: E402

OBJECT_STORE_BYTES = 80 << 20
ENVIRONMENT = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
"""Of other processes, which find the package and these modules."""


@contextmanager
def ray_of(processors):
    """A Ray with so many processors, which a run takes as it is."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Workers find the tests' modules, whose functions stand for others'.
    environment = {"env_vars": {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}}
    ray.init(
        num_cpus=processors,
        num_gpus=0,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        runtime_env=environment,
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def ray_of_two():
    with ray_of(2):
        yield


def worker_processes(caplog):
    """Those that the log has told of; it is at INFO."""
    return [record.args[0] for record in caplog.records if record.msg.startswith("a worker is process")]


@pytest.fixture(scope="session")
def short_bag(sample_bag, tmp_path_factory):
    """The sample bag's first ten frames."""
    return first_frames(sample_bag, tmp_path_factory.mktemp("short") / "short", 10)


@pytest.fixture
def recordings(short_bag, tmp_path):
    """A folder of eight recordings that share their bytes, and one whose file is none."""
    folder = tmp_path / "recordings"
    for number in range(8):
        shutil.copytree(short_bag, folder / f"bag_{number}", copy_function=os.link)
    broken = folder / "broken"
    broken.mkdir()
    shutil.copy(short_bag / "metadata.yaml", broken)
    (broken / "short.mcap").write_bytes(b"this is no recording" * 100)
    return folder


@pytest.fixture(scope="session")
def plain(short_bag, tmp_path_factory):
    """What `label` makes of the recording by itself."""
    return sr.label(short_bag, tmp_path_factory.mktemp("plain") / "plain", jobs=1)


def rows(path):
    return {Path(row["path"]).name: row for row in pq.read_table(path).to_pylist()}


def check_all_but_the_broken_one(report, out, plain):
    """Each of the eight has an output with the table of a plain run, and the ninth is in the table of errors."""
    results, errors = rows(out / "bags.parquet"), rows(out / "errors.parquet")
    assert sorted(results) == [*(f"bag_{number}" for number in range(8)), "broken"]
    for number in range(8):
        name = f"bag_{number}_labelled"
        # Only the name of the recording differs, which the table's metadata has.
        table = pq.read_table(out / name / f"{name}_reward.parquet")
        expected = pq.read_table(plain.parquet)
        assert table.equals(expected)
        assert table.schema.metadata | {b"spatial_reward.source_bag": b"short"} == expected.schema.metadata
        row = results[f"bag_{number}"]
        assert (row["steps"], row["valid"]) == (plain.steps, plain.valid) and plain.valid > 0
        assert Path(row["output"]).name == name
    assert list(errors) == ["broken"]
    assert errors["broken"]["message"]
    assert results["broken"]["status"] == "failed"
    assert report.counts["failed"] == 1 and report.counts["unfinished"] == 0
    assert not report.complete
    assert not list(out.glob(".*")), "something unfinished is left"
