"""The reward table as the libraries of learners read it: pyarrow, and pandas where it is installed.

Needs pytest, pyarrow and cargo. The table is written by the example `report_of_steps`: 60 steps at 15 Hz,
episodes of 40 and 20 frames, every tenth frame without the target's box.
"""

import json
import math
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COLUMNS = {
    "index": pa.int64(),
    "episode_index": pa.int64(),
    "frame_index": pa.int64(),
    "timestamp": pa.float64(),
    "next.reward": pa.float32(),
    "next.done": pa.bool_(),
    "next.success": pa.bool_(),
    "reward.spatial.distance_m": pa.float32(),
    "reward.spatial.distance_std_m": pa.float64(),
    "reward.spatial.distance_kind": pa.string(),
    "reward.spatial.valid": pa.bool_(),
    "reward.spatial.reason": pa.string(),
    "reward.spatial.confidence": pa.float32(),
    "reward.spatial.answer": pa.string(),
    "reward.spatial.fingertip_origin": pa.string(),
    "reward.spatial.target_origin": pa.string(),
    "reward.spatial.fingertip_age_s": pa.float32(),
    "reward.spatial.target_age_s": pa.float32(),
}


def write_table(folder, settings):
    """The bytes' path of the example's table under these settings (YAML)."""
    folder.mkdir()
    config = folder / "config.yaml"
    config.write_text(settings)
    command = ["cargo", "run", "--quiet", "--example", "report_of_steps", "--", folder / "out", config]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    return folder / "out" / "out_reward.parquet"


@pytest.fixture(scope="module")
def frame_path(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("frame") / "a", "{}")


@pytest.fixture(scope="module")
def frame(frame_path):
    return pq.read_table(frame_path)


@pytest.fixture(scope="module")
def next_frame(tmp_path_factory):
    settings = "reward: {alignment: next_frame}\ntracker: {enabled: true}"
    return pq.read_table(write_table(tmp_path_factory.mktemp("next") / "a", settings))


def test_columns_have_the_contracts_names_types_and_order(frame):
    assert {field.name: field.type for field in frame.schema} == COLUMNS
    assert frame.column_names == list(COLUMNS)
    assert not any(field.nullable for field in frame.schema)


def test_rows_are_the_steps(frame):
    rows = frame.to_pylist()
    assert [row["index"] for row in rows] == list(range(60))
    assert [row["episode_index"] for row in rows] == [0] * 40 + [1] * 20
    assert rows[41]["frame_index"] == 1
    assert rows[0]["timestamp"] == 1_760_000_000.0
    assert math.isclose(rows[15]["timestamp"] - rows[0]["timestamp"], 1.0, abs_tol=1e-6)
    assert rows[0]["reward.spatial.distance_m"] == pytest.approx(0.36)
    assert rows[0]["reward.spatial.distance_std_m"] == pytest.approx(0.02, rel=1e-12)
    assert [row["index"] for row in rows if row["next.done"]] == [39, 59]
    assert [row["index"] for row in rows if row["next.success"]] == [38, 39]


def test_an_invalid_step_is_nan_with_its_reason_never_zero(frame):
    for row in frame.to_pylist():
        is_valid = row["index"] % 10 != 7
        assert row["reward.spatial.valid"] == is_valid
        assert row["reward.spatial.reason"] == ("" if is_valid else "no_target_box")
        assert math.isnan(row["next.reward"]) != is_valid
        assert math.isnan(row["reward.spatial.distance_m"]) != is_valid
        assert math.isnan(row["reward.spatial.distance_std_m"]) != is_valid


def test_next_frame_shifts_the_reward_by_one_row_within_its_episode(frame, next_frame):
    own, shifted = frame.to_pylist(), next_frame.to_pylist()
    moved = [name for name in COLUMNS if name.startswith(("next.reward", "next.success", "reward."))]
    # One box of the second table is the tracker's.
    moved.remove("reward.spatial.fingertip_origin")
    origins = [row["reward.spatial.fingertip_origin"] for row in shifted]
    assert [position for position, origin in enumerate(origins) if origin == "bridged"] == [4]
    for position, row in enumerate(shifted):
        assert row["index"] == position
        assert row["next.done"] == (position in (39, 59))
        if row["next.done"]:
            assert math.isnan(row["next.reward"])
            assert (row["reward.spatial.valid"], row["reward.spatial.reason"]) == (False, "no_image")
            continue
        for name in moved:
            want, got = own[position + 1][name], row[name]
            assert got == want or (math.isnan(got) and math.isnan(want)), (position, name)


def test_bridged_is_a_column_only_with_the_tracker(frame, next_frame):
    assert "reward.spatial.bridged" not in frame.column_names
    bridged = next_frame["reward.spatial.bridged"].to_pylist()
    assert [row for row, is_bridged in enumerate(bridged) if is_bridged] == [4]


def test_provenance_is_in_the_schema(frame, next_frame):
    metadata = {key.decode(): value.decode() for key, value in frame.schema.metadata.items()}
    assert metadata["spatial_reward.estimator"] == "scripted"
    assert metadata["spatial_reward.source_bag"] == "two_episodes"
    assert metadata["spatial_reward.alignment"] == "frame"
    assert len(metadata["spatial_reward.config_digest"]) == 64
    assert json.loads(metadata["spatial_reward.topics"]) == {}
    other = next_frame.schema.metadata
    assert other[b"spatial_reward.alignment"] == b"next_frame"
    assert other[b"spatial_reward.config_digest"].decode() != metadata["spatial_reward.config_digest"]


def test_labelling_twice_gives_the_same_bytes(frame_path, tmp_path):
    again = write_table(tmp_path / "b", "{}")
    assert again.read_bytes() == frame_path.read_bytes()


def test_pandas_reads_text_as_text(frame_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.read_parquet(frame_path)
    assert set(table["reward.spatial.reason"]) == {"", "no_target_box"}
    assert all(isinstance(kind, str) for kind in table["reward.spatial.distance_kind"])
