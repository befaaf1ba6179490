"""Recordings become a LeRobot dataset: what is in it, file by file."""

import io
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import spatial_reward as sr

PEERS = "LeRobot datasets are written with pyarrow and av, and recordings' signals read with rosbags"
pa = pytest.importorskip("pyarrow", reason=PEERS)
av = pytest.importorskip("av", reason=PEERS)
pytest.importorskip("rosbags", reason=PEERS)

import pyarrow.parquet as pq  # noqa: E402 - after the peers are there
from bag_writer import PERIOD_S, START_NS, export_png  # noqa: E402
from cut_bag import recorded_late  # noqa: E402

from spatial_reward.lerobot import _export_pictures, _export_video, _export_writer  # noqa: E402
from spatial_reward.lerobot.export import export  # noqa: E402

FRONT, DEPTH = "observation.images.front", "observation.images.front_depth"


def table(folder):
    return pq.read_table(sorted((folder / "data").rglob("*.parquet")))


def column(folder, name):
    return np.array(table(folder)[name].to_pylist())


def steps_of(bag, **options):
    """The steps of a recording's frames, one after the other."""
    annotator, steps = None, []
    for frame in sr.Recording(bag):
        annotator = annotator or sr.Annotator(camera=frame.camera, **options)
        boxes = {"fingertip": frame.fingertip, "target": frame.target}
        steps.append(annotator.step(frame.color, frame.depth, stamp_ns=frame.stamp_ns, **boxes))
    return steps


def test_a_recording_at_an_even_rate_has_a_row_for_each_frame(bag, tmp_path):
    # when
    done = export_png(bag, tmp_path / "out")
    # then
    rows = table(done.folder)
    assert (done.fps, done.episodes, done.frames, done.repeated, done.left_out) == (15, 1, 12, 0, 0)
    assert rows["frame_index"].to_pylist() == rows["index"].to_pylist() == list(range(12))
    assert rows["timestamp"].to_pylist() == pytest.approx([index / 15 for index in range(12)], abs=1e-6)
    info = json.loads((done.folder / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_frames"]) == ("v3.0", 15, 12)
    assert info["video_path"] is None
    assert info["features"][DEPTH]["info"] == {"is_depth_map": True, "depth_unit": "mm"}


def test_pngs_are_the_pictures_and_depth_of_the_recording(bag, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="PNG is read with Pillow")
    # when
    done = export_png(bag, tmp_path / "out")
    # then
    rows = table(done.folder)
    for frame, color, depth in zip(sr.Recording(bag), rows[FRONT].to_pylist(), rows[DEPTH].to_pylist(), strict=True):
        assert np.array_equal(np.asarray(image.open(io.BytesIO(color["bytes"]))), frame.color)
        millimetres = np.nan_to_num(np.rint(frame.depth * 1000)).astype(np.uint16)
        assert np.array_equal(np.asarray(image.open(io.BytesIO(depth["bytes"]))), millimetres)


def test_depth_video_gives_back_depth_to_half_a_code(bag, tmp_path):
    # when
    done = export(bag, tmp_path / "out")
    # then: LeRobot 0.6 gets depth back by these numbers
    info = json.loads((done.folder / "meta" / "info.json").read_text())["features"][DEPTH]["info"]
    low, high = (np.log(info[f"video.depth_{end}"] + info["video.shift"]) for end in ("min", "max"))
    assert info["is_depth_map"] and info["depth_unit"] == "m"
    with av.open(str(done.folder / "videos" / DEPTH / "chunk-000" / "file-000.mp4")) as video:
        assert video.streams.video[0].pix_fmt == info["video.pix_fmt"] == "gray12le"
        codes = [frame.to_ndarray() for frame in video.decode(video=0)]
    for frame, code in zip(sr.Recording(bag), codes, strict=True):
        metres = np.exp(code / 4095 * (high - low) + low) - info["video.shift"]
        measured = np.isfinite(frame.depth)
        half = (high - low) / 4095 / 2 * (metres + info["video.shift"])
        assert (np.abs(metres - frame.depth)[measured] <= half[measured] * 1.001).all()
        assert (code[~measured] == 0).all()


@pytest.mark.parametrize("alignment", ["next_frame", "frame"])
def test_rewards_are_the_annotators(bag, tmp_path, alignment):
    # given
    steps = steps_of(bag, reward="shaped")
    # when
    done = export_png(bag, tmp_path / "out", reward="shaped", alignment=alignment)
    # then: the last row's next frame was not recorded, and it holds the last reward
    rewarded = [*steps[1:], None] if alignment == "next_frame" else steps
    rows = table(done.folder).to_pydict()
    expected = [step.reward if step else steps[-1].reward for step in rewarded]
    assert np.array_equal(np.array(rows["next.reward"], np.float32), np.array(expected, np.float32))
    assert rows["reward.spatial.valid"] == [step is not None for step in rewarded]
    assert rows["next.success"] == [step is not None and step.success for step in rewarded]
    assert rows["next.done"] == [False] * 11 + [True]
    told = json.loads((done.folder / "meta" / "spatial_reward.json").read_text())["rewards"]
    assert (told["kind"], told["alignment"], told["on_invalid"]) == ("shaped", alignment, "hold")
    assert done.invalid == ({"no_image": 1} if alignment == "next_frame" else {})


def test_rewards_and_reasons_are_those_of_label(bags, tmp_path):
    # given: what a detector leaves out, where a box may be as old as a frame
    bag = bags.write(tmp_path / "bag", frames=16, without_target=(0, 5, 6, 7, 8, 15), signals=False)
    config = {"matching": {"box_max_age_s": 0.08}, "reward": {"alignment": "next_frame"}}
    labelled = sr.label(bag, tmp_path / "labelled", config=config)
    # when
    done = export_png(bag, tmp_path / "out", config=config, on_invalid="nan")
    # then
    rows = pq.read_table(labelled.parquet).to_pydict()
    for name in ("next.reward", "next.success", "next.done", "reward.spatial.distance_m", "reward.spatial.valid"):
        assert np.array_equal(
            column(done.folder, name), np.array(rows[name]), equal_nan=rows[name][0].__class__ is float
        )
    reasons = [reason for reason in rows["reward.spatial.reason"] if reason]
    assert done.invalid == {reason: reasons.count(reason) for reason in reasons}
    assert len(done.invalid) > 1


def test_the_doubt_of_a_followed_region_was_left_out_of_an_exports_rewards(sample_bag, frames, tmp_path):
    # given a target that is drawn once and followed, and a limit that its doubt oversteps
    options = {"config": {"reward": {"alignment": "next_frame", "max_std_m": 0.01}}, "target": frames[0].target}
    labelled = sr.label(sample_bag, tmp_path / "labelled", **options)
    # when
    done = export_png(sample_bag, tmp_path / "out", on_invalid="nan", depth=None, **options)
    # then
    rows = pq.read_table(labelled.parquet).to_pydict()
    assert np.array_equal(column(done.folder, "next.reward"), np.array(rows["next.reward"]), equal_nan=True)
    assert 0 < labelled.invalid["uncertain"] == done.invalid["uncertain"] < 80


def test_a_recording_that_was_recorded_late_is_exported_as_if_it_had_not_been(bag, tmp_path, caplog):
    # given boxes that were recorded three seconds after their pictures, longer than anybody waits
    late = recorded_late(bag, tmp_path / "late", "/target/detections", 3.0)
    # when
    with caplog.at_level(logging.INFO, "spatial_reward"):
        done = export_png([bag, late], tmp_path / "out", on_invalid="nan")
    # then both episodes are the same
    assert "read again, by their stamps" in caplog.text
    rows = table(done.folder).to_pydict()
    assert done.invalid == {"no_image": 2} and rows["episode_index"] == [0] * 12 + [1] * 12
    for name in (FRONT, DEPTH):
        assert [row["bytes"] for row in rows[name][:12]] == [row["bytes"] for row in rows[name][12:]]
    for name in ("next.reward", "reward.spatial.distance_m"):
        assert np.array_equal(rows[name][:12], rows[name][12:], equal_nan=True)


def test_pictures_beyond_what_is_held_in_memory_go_through_a_file(bag, tmp_path, monkeypatch):
    # given
    held = export_png([bag, bag], tmp_path / "held").folder
    monkeypatch.setattr(_export_pictures, "HELD_BYTES", 50_000)
    # when
    filed = export_png([bag, bag], tmp_path / "filed").folder
    # then
    for name in (FRONT, DEPTH):
        assert table(filed)[name].equals(table(held)[name])
    assert not list(filed.rglob("*.png"))


def test_a_policy_stands_in_for_what_could_not_be_measured(bags, tmp_path):
    # given: nothing was seen of the target in frames 0, 5 and 6
    bag = bags.write(tmp_path / "bag", without_target=(0, 5, 6), signals=False)
    config = {"matching": {"box_max_age_s": 0.0}}
    options = {"config": config, "reward": "shaped", "alignment": "frame"}
    steps = steps_of(bag, config=config, reward="shaped")
    assert [step.valid for step in steps] == [index not in {0, 5, 6} for index in range(12)]
    rewards = np.array([step.reward for step in steps], np.float32)
    # when
    held, zero, nan = (
        export_png(bag, tmp_path / policy, on_invalid=policy, **options).folder for policy in ("hold", "zero", "nan")
    )
    dropped = export_png(bag, tmp_path / "drop", on_invalid="drop", **options).folder
    # then
    expected = rewards.copy()
    expected[[0, 5, 6]] = rewards[[1, 4, 4]]
    assert np.array_equal(column(held, "next.reward").astype(np.float32), expected)
    base = rewards[4] - (0.99 * steps[4].potential - steps[3].potential)
    assert column(zero, "next.reward")[[5, 6]] == pytest.approx(base, abs=1e-6)
    assert np.array_equal(column(nan, "next.reward").astype(np.float32), rewards, equal_nan=True)
    assert np.array_equal(column(dropped, "next.reward").astype(np.float32), rewards[[1, 2, 3, 4, 7, 8, 9, 10, 11]])
    assert column(dropped, "frame_index").tolist() == list(range(9))
    for folder in (held, zero, nan):
        assert column(folder, "reward.spatial.valid").tolist() == [index not in {0, 5, 6} for index in range(12)]
        assert not np.isfinite(column(folder, "reward.spatial.distance_m")[[0, 5, 6]]).any()


def test_signals_are_the_fields_of_any_message_nearest_to_the_frame(bag, tmp_path):
    # when
    done = export_png(
        bag,
        tmp_path / "out",
        state=[
            {"topic": "/joint_states", "fields": ["position[0:2]", "velocity[wrist]"]},
            {"topic": "/wrench", "fields": ["wrench.force", "wrench.torque.y"]},
            {"topic": "/gripper", "fields": "fingers[1].force"},
        ],
        action=[{"topic": "/command", "fields": ["data[:]"], "names": ["left", "right"], "sample": "previous"}],
    )
    # then: signals come each 10 ms
    times = np.arange(12) * PERIOD_S
    nearest, previous = np.round(times * 100) / 100, np.floor(np.round(times * 1e9) / 1e7) / 100
    zeros, ones = np.zeros(12), np.ones(12)
    state = [nearest, 2 * nearest, 3 * nearest, nearest, zeros, ones, nearest, 2 * nearest]
    assert np.allclose(column(done.folder, "observation.state"), np.array(state).T, atol=1e-6)
    assert np.allclose(column(done.folder, "action"), np.array([previous, -previous]).T, atol=1e-6)
    features = json.loads((done.folder / "meta" / "info.json").read_text())["features"]
    names = ["shoulder", "elbow", "wrist", *(f"wrench.force.{axis}" for axis in "xyz"), "wrench.torque.y"]
    assert features["observation.state"]["names"] == [*names, "fingers[1].force"]
    assert features["action"] == {"dtype": "float32", "shape": [2], "names": ["left", "right"]}


def test_frames_at_an_uneven_rate_are_put_at_even_times_and_it_is_told(bags, tmp_path, caplog):
    # given: frames 4 and 5 were lost, and one came twice as early as it should
    times = [PERIOD_S * index for index in (0, 1, 2, 3, 6, 6.4, 7, 8)]
    bag = bags.write(tmp_path / "bag", times_s=times, signals=False)
    # when
    done = export_png(bag, tmp_path / "out", reward=False)
    # then
    assert (done.frames, done.repeated, done.left_out) == (9, 2, 1)
    pictures = [row["bytes"] for row in table(done.folder)[FRONT].to_pylist()]
    assert [pictures.index(picture) for picture in pictures] == [0, 1, 2, 3, 3, 5, 5, 7, 8]
    assert done.sources[0]["largest_shift_s"] == pytest.approx(PERIOD_S)
    assert "2 rows repeat the one before, 1 pictures are in no row" in caplog.text


def test_fewer_rows_than_frames_leave_every_other_out(bags, tmp_path):
    # given
    bag = bags.write(tmp_path / "bag", times_s=[index / 30 for index in range(9)], signals=False)
    # when
    done = export_png(bag, tmp_path / "out", fps=15, reward=False)
    # then
    assert (done.fps, done.frames, done.repeated, done.left_out) == (15, 5, 0, 4)


def test_an_episode_of_the_settings_is_one_of_the_dataset(bags, tmp_path):
    # given: a pause of two seconds
    times = [PERIOD_S * index for index in range(5)] + [2 + PERIOD_S * index for index in range(4)]
    bag = bags.write(tmp_path / "bag", times_s=times, signals=False)
    # when
    done = export_png(bag, tmp_path / "out", config={"episodes": {"split_gap_s": 1.0}})
    # then
    rows = table(done.folder).to_pydict()
    assert rows["episode_index"] == [0] * 5 + [1] * 4
    assert rows["frame_index"] == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert [index for index, last in enumerate(rows["next.done"]) if last] == [4, 8]
    assert [source["first_stamp_ns"] for source in done.sources] == [START_NS, START_NS + 2 * 10**9]


def test_the_task_is_the_topics_or_the_callers(bag, bags, tmp_path):
    # given
    other = bags.write(tmp_path / "bag", frames=3, prompts=("lift it",), signals=False)
    # when
    said = export_png([bag, other, bag], tmp_path / "said")
    given = export_png([bag, other], tmp_path / "given", task="push")
    # then
    tasks = [pq.read_table(done.folder / "meta" / "tasks.parquet").to_pydict() for done in (said, given)]
    assert tasks[0] == {"task_index": [0, 1], "__index_level_0__": ["touch the cube", "lift it"]}
    assert tasks[1] == {"task_index": [0], "__index_level_0__": ["push"]}
    assert column(said.folder, "task_index").tolist() == [0] * 12 + [1] * 3 + [0] * 12


def test_a_recording_that_is_cut_off_is_exported_as_far_as_it_goes(bags, tmp_path):
    # given a recorder that was killed: the file ends in the midst of a message
    whole = bags.write(tmp_path / "whole")
    cut = Path(shutil.copytree(whole, tmp_path / "cut"))
    (file,) = (path for path in cut.iterdir() if path.suffix != ".yaml")
    os.truncate(file, file.stat().st_size * 6 // 10)
    # when it is exported, with its signals, and the task that its topic says
    done = export_png(cut, tmp_path / "out", state=[{"topic": "/joint_states", "fields": ["position"]}], max_gap_s=60)
    # then what can be read is there as it is of the whole one
    assert 2 < done.frames < 12
    same = export_png(whole, tmp_path / "same", state=[{"topic": "/joint_states", "fields": ["position"]}])
    rows = done.frames - 1  # the last one's action led to a frame that was lost
    for name in ("next.reward", "observation.state"):
        assert np.array_equal(column(done.folder, name)[:rows], column(same.folder, name)[:rows]), name
    # and what cannot is told, in the metadata and by the exit code too
    assert list(done.loss) == [str(cut)] and done.loss[str(cut)]["findings"] and same.loss == {}
    provenance = json.loads((done.folder / "meta" / "spatial_reward.json").read_text())
    assert provenance["loss"] == done.loss
    command = [
        sys.executable,
        "-m",
        "spatial_reward",
        "export",
        cut,
        "--lerobot",
        tmp_path / "again",
        "--max-gap",
        "60",
    ]
    ended = subprocess.run([*command, "--images", "--depth", "image"], capture_output=True, text=True, check=False)
    assert ended.returncode == 3 and "messages could not be read" in ended.stderr, ended.stderr


def test_files_grow_to_a_size_and_no_further(bag, tmp_path, monkeypatch):
    # given: room for two episodes
    one_png, one_video = export_png(bag, tmp_path / "one_png").folder, export(bag, tmp_path / "one_video").folder
    data, video = next((one_png / "data").rglob("file-*")), next((one_video / "videos" / FRONT).rglob("file-*"))
    monkeypatch.setattr(_export_writer, "DATA_MB", 2.5 * data.stat().st_size / 2**20)
    monkeypatch.setattr(_export_video, "VIDEO_MB", 2.5 * video.stat().st_size / 2**20)
    # when
    png = export_png([bag] * 5, tmp_path / "png")
    video = export([bag] * 5, tmp_path / "video")
    # then
    assert len(list((png.folder / "data").rglob("file-*"))) == 3
    assert all(len(list((video.folder / "videos" / name).rglob("file-*"))) > 1 for name in (FRONT, DEPTH))
    episodes = pq.read_table(png.folder / "meta" / "episodes").to_pydict()
    assert episodes["data/file_index"] == [0, 0, 1, 1, 2]
    assert episodes["dataset_from_index"] == [0, 12, 24, 36, 48]
    assert column(png.folder, "index").tolist() == list(range(60))
    episodes = pq.read_table(video.folder / "meta" / "episodes").to_pydict()
    for name in (FRONT, DEPTH):
        begins = dict.fromkeys(episodes[f"videos/{name}/file_index"], 0)
        for file, first, last in zip(
            *(episodes[f"videos/{name}/{key}"] for key in ("file_index", "from_timestamp", "to_timestamp")), strict=True
        ):
            assert (first, last) == (pytest.approx(begins[file] / 15), pytest.approx((begins[file] + 12) / 15))
            begins[file] += 12


def test_the_command_line_exports(bag, tmp_path):
    # given
    command = [sys.executable, "-m", "spatial_reward", "export", bag]
    options = ["--images", "--depth", "image", "--state", "/joint_states:position[shoulder,wrist],velocity[0]"]
    # when
    done = subprocess.run(
        [*command, "--lerobot", tmp_path / "out", *options], capture_output=True, text=True, check=False
    )
    again = subprocess.run([*command, "--lerobot", tmp_path / "out"], capture_output=True, text=True, check=False)
    # then
    assert done.returncode == 0, done.stderr
    assert "1 episodes, 12 frames at 15 a second" in done.stdout
    assert column(tmp_path / "out", "observation.state").shape == (12, 3)
    assert again.returncode == 1
    assert again.stderr == f"error: {tmp_path / 'out'} exists already: give another folder, or remove this one\n"


def test_the_command_line_says_the_way_out_in_its_own_words(bags, tmp_path):
    # given
    flat = bags.write(tmp_path / "flat", frames=3, depth=False, signals=False)
    command = [sys.executable, "-m", "spatial_reward", "export", flat, "--lerobot", tmp_path / "out"]
    # when
    done = subprocess.run([*command, "--reward", "none"], capture_output=True, text=True, check=False)
    # then
    assert done.stderr == f"error: {flat}: the first frame has no depth: give --depth none to leave depth out\n"
