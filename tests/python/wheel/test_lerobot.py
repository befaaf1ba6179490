"""Rewards for LeRobot datasets, judged by LeRobot itself: it writes what is labelled, and reads what was written."""

import json
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

REASON = "LeRobot datasets need lerobot, pyarrow, PyAV and Pillow"
for peer in ("pyarrow", "av", "PIL", "lerobot.datasets.lerobot_dataset"):
    pytest.importorskip(peer, reason=REASON, exc_type=ImportError)

import lerobot_datasets as made  # noqa: E402 - after the packages that it needs
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from lerobot.datasets.compute_stats import aggregate_stats, compute_episode_stats  # noqa: E402
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402
from lerobot_datasets import (  # noqa: E402
    DEPTH,
    EPISODES,
    FPS,
    FRONT,
    INTRINSICS,
    base,
    boxes,
    column,
    next_rewards,
    steps,
)

import spatial_reward as sr  # noqa: E402
from spatial_reward.lerobot import label_dataset  # noqa: E402

REGIONS = {"fingertip": "observation.fingertip", "target": "observation.target"}


@pytest.fixture(scope="session")
def scene():
    return made.Scene()


@pytest.fixture(scope="session")
def recorded(scene, tmp_path_factory):
    """Datasets by kind. Read them, never write into them."""
    folder = tmp_path_factory.mktemp("recorded")
    return {kind: made.record(folder / kind, scene, kind) for kind in ("video", "image")}


@pytest.fixture
def copied(recorded, tmp_path):
    """A copy of the dataset of videos, to be changed."""
    return shutil.copytree(recorded["video"], tmp_path / "dataset")


def labelled(dataset, out, **arguments):
    return label_dataset(dataset, out, **{"intrinsics": INTRINSICS, **REGIONS, **arguments})


def refused(dataset, out, **arguments):
    """What labelling says of a dataset that it refuses; nothing is left of it."""
    before = sorted(out.parent.iterdir()) if out else []
    with pytest.raises(sr.Error) as raised:
        labelled(dataset, out, **arguments)
    assert out is None or sorted(out.parent.iterdir()) == before
    return raised.value


def loaded(root):
    return LeRobotDataset("somebody/reach", root=root)


def table_of(root):
    return pq.read_table(made.data_file(root))


def pictures(recorded, kind):
    """What is in a dataset, by LeRobot's reader where it can (its videos want torchcodec), else by a loop of ours."""
    if kind == "video":
        return made.decoded(recorded["video"])
    dataset = loaded(recorded["image"])
    rows = (dataset[index][FRONT].numpy() for index in range(len(dataset)))
    return [np.ascontiguousarray((row * 255).round().astype(np.uint8).transpose(1, 2, 0)) for row in rows]


@pytest.mark.parametrize("kind", ["video", "image"])
def test_rewards_are_those_of_step_on_the_decoded_frames_and_lerobot_loads_them(kind, recorded, scene, tmp_path):
    # given a dataset that LeRobot wrote, when it is labelled
    result = labelled(recorded[kind], tmp_path / "out")
    # then LeRobot loads it
    dataset = loaded(tmp_path / "out")
    assert (dataset.num_episodes, dataset.num_frames) == (len(EPISODES), result.steps)
    # and row t has the reward that the action there led to
    expected = next_rewards(steps(scene, pictures(recorded, kind), boxes(scene)))
    rewards = np.array([float(value) for value in dataset.hf_dataset["next.reward"]], np.float32)
    np.testing.assert_array_equal(rewards, expected)
    last = np.cumsum([end - begin for begin, end in EPISODES]) - 1
    np.testing.assert_array_equal(np.flatnonzero(column(tmp_path / "out", "next.done")), last)
    assert result.valid == result.steps and result.invalid == {} and result.advice is None
    assert result.depth == DEPTH and result.camera == FRONT


def test_pictures_are_those_of_lerobots_decoder(recorded):
    dataset = loaded(recorded["video"])
    try:
        theirs = [dataset[index][FRONT] for index in range(0, len(dataset), 7)]
    except Exception as cause:  # whatever it lacks: torchcodec, FFmpeg's libraries, torchvision's reader
        pytest.skip(f"LeRobot cannot decode videos here: {cause!r}"[:200])
    for row, picture in zip(range(0, len(dataset), 7), theirs, strict=True):
        levels = (picture.numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)
        np.testing.assert_array_equal(levels, made.decoded(recorded["video"])[row])


def test_each_codec_that_lerobot_writes_is_read(scene, tmp_path):
    for codec in ("h264", "hevc"):
        dataset = made.record(tmp_path / codec, scene, "video", codec)
        labelled(dataset, tmp_path / f"{codec}_out")
        expected = next_rewards(steps(scene, made.decoded(dataset), boxes(scene)))
        np.testing.assert_array_equal(column(tmp_path / f"{codec}_out", "next.reward"), expected)


def test_episodes_lie_in_several_files(scene, tmp_path):
    # given files that are so small that each episode has its own
    dataset = made.record(tmp_path / "dataset", scene, "video", file_mb=0.01)
    assert len(list(dataset.rglob("data/*/*.parquet"))) == len(list(dataset.rglob("*.mp4"))) == len(EPISODES)
    labelled(dataset, tmp_path / "out")
    expected = next_rewards(steps(scene, made.decoded(dataset), boxes(scene)))
    np.testing.assert_array_equal(column(tmp_path / "out", "next.reward"), expected)
    assert len(loaded(tmp_path / "out")) == len(expected)


def test_episodes_in_between_are_passed_over(recorded, tmp_path, monkeypatch):
    from spatial_reward.lerobot import pictures as reading

    labelled(recorded["video"], None, sidecar=tmp_path / "all.parquet")
    whole = pq.read_table(tmp_path / "all.parquet")
    wanted = np.asarray(whole["episode_index"]) != 1
    # by decoding them, and by leaping over them
    for leap_s in (reading._LEAP_S, 0.1):
        monkeypatch.setattr(reading, "_LEAP_S", leap_s)
        path = tmp_path / f"{leap_s}.parquet"
        labelled(recorded["video"], None, sidecar=path, episodes=[0, 2])
        assert pq.read_table(path).equals(whole.filter(wanted))


def test_statistics_are_lerobots_own(recorded, tmp_path):
    labelled(recorded["image"], tmp_path / "out", columns={"distance": "reward.distance", "valid": "reward.valid"})
    dataset = loaded(tmp_path / "out")
    names = ["next.reward", "next.done", "next.success", "reward.distance", "reward.valid"]
    table = table_of(tmp_path / "out")
    episodes = pq.read_table(made.only(tmp_path / "out", "meta/episodes/*/*.parquet"))
    theirs = []
    for row, index in enumerate(episodes["episode_index"].to_pylist()):
        mask = np.asarray(table["episode_index"]) == index
        values = {name: table[name].to_numpy()[mask].reshape(-1, 1) for name in names}
        theirs.append(compute_episode_stats(values, dataset.features))
        for name in names:
            for key, value in theirs[-1][name].items():
                stored = episodes[f"stats/{name}/{key}"][row].as_py()
                np.testing.assert_allclose(np.array(stored, float), value.astype(float), rtol=1e-6, atol=1e-12)
                # and of its type, which has changed: LeRobot merges no others
                assert np.array(stored).dtype.kind == value.dtype.kind
    whole = aggregate_stats(theirs)
    for name in names:
        assert set(dataset.meta.stats[name]) == set(whole[name])
        for key, value in whole[name].items():
            ours = dataset.meta.stats[name][key].astype(float)
            np.testing.assert_allclose(ours, value.astype(float), rtol=1e-6, atol=1e-12)
    # and those of other features are what they were
    before = json.loads((recorded["image"] / "meta" / "stats.json").read_text())
    after = json.loads((tmp_path / "out" / "meta" / "stats.json").read_text())
    assert {name: after[name] for name in before} == before


def test_nothing_else_changes(recorded, tmp_path):
    source, out = recorded["video"], tmp_path / "out"
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    labelled(source, out)
    # the source is as it was
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    # all other columns have the same values and types, in the same groups of rows
    old, new = pq.ParquetFile(made.data_file(source)), pq.ParquetFile(made.data_file(out))
    assert new.num_row_groups == old.num_row_groups
    names = old.schema_arrow.names
    assert new.schema_arrow.names[: len(names)] == names
    assert new.read(columns=names).equals(old.read())
    assert new.metadata.row_group(0).column(0).compression == old.metadata.row_group(0).column(0).compression
    # files that need no change are the same files, but for those that LeRobot would write into
    for path, content in before.items():
        twin = out / path.relative_to(source)
        if path.suffix == ".mp4":
            assert twin.samefile(path)
        else:
            assert not twin.samefile(path)
        if path.name == "tasks.parquet":
            assert twin.read_bytes() == content


def test_the_rl_buffer_reads_the_rewards(recorded, tmp_path):
    buffer = pytest.importorskip("lerobot.rl.buffer", reason="this LeRobot has no RL buffer", exc_type=ImportError)
    labelled(recorded["image"], tmp_path / "out")
    replay = buffer.ReplayBuffer.from_lerobot_dataset(
        loaded(tmp_path / "out"), device="cpu", state_keys=["observation.state"], use_drq=False
    )
    np.testing.assert_array_equal(replay.rewards.numpy(), column(tmp_path / "out", "next.reward"))
    np.testing.assert_array_equal(replay.dones.numpy().astype(bool), column(tmp_path / "out", "next.done"))


def test_ra_bc_reads_the_progress(recorded, scene, tmp_path):
    place = "lerobot.utils.rabc" if find_spec("lerobot.utils.rabc") else "lerobot.rewards.sarm.rabc"
    rabc = pytest.importorskip(place, reason="this LeRobot has no RA-BC", exc_type=ImportError)
    path = tmp_path / "sarm_progress.parquet"
    # given a frame without a fingertip
    gone = 3

    def hide(table):
        values = table["observation.fingertip"].to_pylist()
        values[gone] = [float("nan")] * 4
        return made.set_column(table, "observation.fingertip", values)

    dataset = shutil.copytree(recorded["image"], tmp_path / "dataset")
    made.change_data(dataset, hide)
    labelled(dataset, None, sidecar=path)
    weights = rabc.RABCWeights(path, chunk_size=4)
    # then its row is skipped, and others have what is overcome of the first distance
    expected = {}
    row = 0
    for episode in steps(scene, pictures(recorded, "image"), boxes(scene)):
        for step in episode:
            if row != gone:
                expected[row] = np.clip(1 - step.distance_m / episode[0].distance_m, 0, 1)
            row += 1
    assert weights.progress_lookup == pytest.approx(expected, abs=1e-6)
    assert pq.read_schema(path).types[:4] == [pa.int64(), pa.int64(), pa.int64(), pa.float32()]
    # and the dataset was not written
    assert "next.reward" not in table_of(dataset).column_names
    # LeRobot 0.6 finds the table by its name in the dataset's folder
    if find_spec("lerobot.utils.sample_weighting"):
        from lerobot.utils.sample_weighting import SampleWeightingConfig, make_sample_weighter

        shutil.copy(path, dataset)
        policy = SimpleNamespace(config=SimpleNamespace(chunk_size=4))
        weighter = make_sample_weighter(SampleWeightingConfig(type="rabc"), policy, "cpu", dataset_root=str(dataset))
        assert weighter.progress_lookup == weights.progress_lookup


def test_signals_have_lerobots_form(recorded, tmp_path):
    path = tmp_path / "signals.parquet"
    labelled(recorded["video"], None, sidecar=path, episodes=[2, 0])
    table = pq.read_table(path)
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    for prefix in ("lerobot.reward_scoring", "lerobot.scores"):
        assert metadata[f"{prefix}.format"] == "lerobot.frame_signals" and metadata[f"{prefix}.schema_version"] == "1"
        described = json.loads(metadata[f"{prefix}.descriptors"])
        assert set(described) == set(table.column_names) - {"index", "episode_index", "frame_index"}
        for name, each in described.items():
            assert each["description"] and each["direction"] in {"higher", "lower", "none"}
            if each["bounds"]:
                low, high = each["bounds"]
                values = table[name].to_numpy()
                assert ((values >= low) & (values <= high) | np.isnan(values)).all()
        assert json.loads(metadata[f"{prefix}.provenance"])["scoring"]["camera"] == FRONT
    assert json.loads(metadata["lerobot.reward_scoring.episode_indices"]) == [0, 2]
    assert all(column.null_count == 0 for column in table.columns)
    index, episode, frame = (table[name].to_numpy() for name in ("index", "episode_index", "frame_index"))
    assert (np.diff(index) > 0).all() and list(dict.fromkeys(episode)) == [0, 2]
    assert all(len(set((index - frame)[episode == each])) == 1 for each in (0, 2))


def hidden(copied, *rows):
    """A dataset whose fingertip is not seen in some rows."""

    def hide(table):
        values = table["observation.fingertip"].to_pylist()
        for row in rows:
            values[row] = [float("nan")] * 4
        return made.set_column(table, "observation.fingertip", values)

    made.change_data(copied, hide)
    return copied


def test_what_was_not_measured_gets_what_the_policy_says(copied, scene, tmp_path):
    # given a dataset in which frames 5 and 6, and the first one of the second episode, have no fingertip
    second = EPISODES[0][1] - EPISODES[0][0]
    dataset = hidden(copied, 5, 6, second)
    colors = made.decoded(dataset)

    def places(index, row):
        return (None if row in {5, 6, second} else np.float32(scene.fingertips[index])), np.float32(
            scene.targets[index]
        )

    flat = [step for episode in steps(scene, colors, places) for step in episode]
    assert [row for row, step in enumerate(flat) if not step.valid] == [5, 6, second]
    rewards, told = {}, {}
    for policy in ("hold", "zero", "nan"):
        out = tmp_path / policy
        labelled(dataset, out, on_invalid=policy)
        rewards[policy] = column(out, "next.reward")
        told[policy] = json.loads((out / "meta" / "spatial_reward.json").read_text())["labelled"]["next.reward"]
        meaning = loaded(out).features["next.reward"]["info"]["spatial_reward"]
        assert meaning == {key: told[policy][key] for key in ("reward", "distance", "alignment", "on_invalid")}
    # then the last valid reward is held, or its base without shaping, or there is none, and the metadata says which
    own = np.float32([step.reward for step in flat])
    assert rewards["hold"][4] == rewards["hold"][5] == own[4]
    assert rewards["zero"][4] == rewards["zero"][5] == base(flat[4])
    assert np.flatnonzero(np.isnan(rewards["nan"])).tolist() == [4, 5, second - 1, len(colors) - 19, len(colors) - 1]
    # a first frame that was not measured is nobody's next one, and the second episode begins with the frame after it
    assert rewards["hold"][second] == own[second + 1]
    measured = ~np.isnan(rewards["nan"])
    for policy in ("hold", "zero"):
        assert not np.isnan(rewards[policy]).any()
        np.testing.assert_array_equal(rewards[policy][measured], rewards["nan"][measured])
        assert told[policy]["on_invalid"] == policy and told[policy]["alignment"] == "next_frame"
        assert told[policy]["invalid"] == {"no_fingertip_box": 3}


def test_an_episode_without_a_valid_step_is_named(copied, tmp_path):
    dataset = hidden(copied, *range(EPISODES[0][1] - EPISODES[0][0]))
    error = refused(dataset, tmp_path / "out")
    assert error.kind == "no_valid_step" and "episode 0" in str(error) and "no_fingertip_box" in str(error)
    assert np.isnan(column(labelled(dataset, tmp_path / "out", on_invalid="nan").folder, "next.reward")).any()


def test_where_most_frames_are_not_measured_it_is_said_what_to_look_at(copied, tmp_path):
    # given a dataset of which three frames in four have no fingertip
    frames = sum(end - begin for begin, end in EPISODES)
    mostly = hidden(copied, *(row for row in range(frames) if row % 4))
    # when it is labelled
    result = labelled(mostly, tmp_path / "out")
    count = result.invalid["no_fingertip_box"]
    # then it is said what is missing, and how to give it
    assert result.steps - count == result.valid < result.steps / 2
    assert result.advice.startswith(f"{count} of {result.steps} frames could not be measured, most of them with no_fin")
    assert "name another one (fingertip=...)" in result.advice


def test_rows_of_nan_do_not_spoil_the_statistics(copied, tmp_path):
    # given a dataset of which one episode has no fingertip at all
    first = EPISODES[0][1] - EPISODES[0][0]
    dataset = hidden(copied, *range(first), first + 5)
    stats = loaded(labelled(dataset, tmp_path / "out", on_invalid="nan").folder).meta.stats["next.reward"]
    rewards = column(tmp_path / "out", "next.reward")
    assert stats["count"] == np.isfinite(rewards).sum()
    np.testing.assert_allclose(stats["mean"], np.nanmean(rewards.astype(float)), rtol=1e-5)
    assert stats["min"] == np.nanmin(rewards) and stats["max"] == np.nanmax(rewards)


def test_zero_is_of_shaped_rewards(recorded, tmp_path):
    error = refused(recorded["video"], tmp_path / "out", reward="dense", on_invalid="zero")
    assert "dense has no shaping" in str(error)


def test_each_row_has_its_own_frames_reward_if_that_is_asked_for(recorded, scene, tmp_path):
    flat = [
        step for each in steps(scene, made.decoded(recorded["video"]), boxes(scene), reward="dense") for step in each
    ]
    labelled(recorded["video"], tmp_path / "a", reward="dense", alignment="frame")
    labelled(recorded["video"], tmp_path / "b", config={"reward": {"kind": "dense", "alignment": "frame"}})
    for out in (tmp_path / "a", tmp_path / "b"):
        np.testing.assert_array_equal(column(out, "next.reward"), np.float32([step.reward for step in flat]))


def test_a_success_is_in_the_row_whose_action_brought_it(recorded, tmp_path):
    config = {"success": {"enter_m": 0.03, "exit_m": 0.05, "hold_s": 0.0}}
    labelled(recorded["video"], tmp_path / "kept", config=config)
    labelled(recorded["video"], tmp_path / "ended", config={**config, "episodes": {"end_on_success": True}})
    success, done = (column(tmp_path / "kept", name) for name in ("next.success", "next.done"))
    assert success.any() and done.sum() == len(EPISODES)
    first = int(np.flatnonzero(column(tmp_path / "ended", "next.success"))[0])
    assert column(tmp_path / "ended", "next.done")[first]
    # what is successful in the last frame is so in the last row, which has no frame after it
    last = np.flatnonzero(done)
    np.testing.assert_array_equal(success[last], success[last - 1])


def followed(scene, colors, drawn, offset=0):
    """Both regions as `Tracker` follows them from one frame of the first episode, the target first, either way."""
    begin, end = EPISODES[0]
    found = {}
    for way in (range(drawn, end - begin), range(drawn, -1, -1)):
        for row in way:
            color, depth = colors[row + offset], scene.depths[begin + row]
            if row == drawn:
                target = sr.Tracker(color, scene.targets[begin + row], depth)
                fingertip = sr.Tracker(color, scene.fingertips[begin + row], depth, other=target)
                found[row] = (scene.fingertips[begin + row], scene.targets[begin + row])
            else:
                place = target.update(color, depth)
                found[row] = (fingertip.update(color, depth, other=target), place)
    return found


def test_a_box_drawn_once_is_followed_both_ways_in_each_episode(recorded, scene, tmp_path):
    colors = made.decoded(recorded["video"])
    begin, _ = EPISODES[0]
    drawn = 8
    text = [",".join(map(str, boxes[begin + drawn])) + f"@{drawn / FPS}" for boxes in (scene.fingertips, scene.targets)]
    out = tmp_path / "out"
    labelled(recorded["video"], out, fingertip=text[0], target=text[1], on_invalid="nan", columns={"distance": "d"})
    found = followed(scene, colors, drawn)
    annotator = sr.Annotator(reward="shaped", camera=scene.camera)
    expected = []
    for row in range(len(found)):
        fingertip, target = found[row]
        stamp_s = float(np.float32(row / FPS))
        step = annotator.step(
            colors[row], scene.depths[begin + row], fingertip=fingertip, target=target, stamp_s=stamp_s
        )
        expected.append(step.reward if step.valid else np.nan)
    assert np.isfinite(expected).sum() > len(expected) / 2
    np.testing.assert_array_equal(column(out, "next.reward")[: len(expected) - 1], np.float32(expected[1:]))


def test_each_episode_may_have_its_own_boxes(recorded, scene, tmp_path):
    def text(boxes, index, seconds=0):
        return ",".join(map(str, boxes[index])) + (f"@{seconds}" if seconds else "")

    entries = [
        {
            "episode": number,
            "fingertip": [text(scene.fingertips, begin), text(scene.fingertips, end - 1, (end - 1 - begin) / FPS)],
            "target": [text(scene.targets, begin)],
        }
        for number, (begin, end) in enumerate(EPISODES)
    ]
    regions = tmp_path / "regions.yaml"
    regions.write_text(json.dumps({"episodes": entries}))
    result = labelled(recorded["video"], tmp_path / "out", regions=regions, fingertip=None, target=None)
    assert result.valid > 0.9 * result.steps
    # and an episode that is left out is named
    regions.write_text(json.dumps({"episodes": entries[:2]}))
    error = refused(recorded["video"], tmp_path / "other", regions=regions, fingertip=None, target=None)
    assert error.kind == "regions_file" and "1 of the episodes (2)" in str(error)


def test_keypoints_are_the_middles_of_regions(recorded, scene, tmp_path):
    fingertip = {"column": "observation.keypoints", "elements": [0, 1], "size_px": 40}
    target = {"column": "observation.keypoints", "elements": [2, 3], "size_m": 0.05}
    labelled(recorded["video"], tmp_path / "out", fingertip=fingertip, target=target)

    def around(box, size):
        x, y = (float(np.float32((box[side] + box[side + 2]) / 2)) for side in (0, 1))
        return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)

    def places(index, _):
        box = scene.targets[index]
        x, y = int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2)
        z = np.median(scene.depths[index][y - 3 : y + 4, x - 3 : x + 4]) / 1000
        return around(scene.fingertips[index], 40), around(box, 0.05 * INTRINSICS[0] / z)

    expected = next_rewards(steps(scene, made.decoded(recorded["video"]), places))
    np.testing.assert_allclose(column(tmp_path / "out", "next.reward"), expected, rtol=0, atol=1e-6)


def test_a_position_is_a_ball_in_the_picture(recorded, scene, tmp_path):
    target = {"column": "observation.cube", "size_m": 0.05}
    labelled(recorded["video"], tmp_path / "out", target=target)

    def places(index, _):
        x, y, z = scene.position(scene.targets[index], index)
        fx, fy, cx, cy = INTRINSICS
        u, v, half = fx * x / z + cx, fy * y / z + cy, 0.025 * fx / z
        return np.float32(scene.fingertips[index]), (u - half, v - half, u + half, v + half)

    expected = next_rewards(steps(scene, made.decoded(recorded["video"]), places))
    np.testing.assert_allclose(column(tmp_path / "out", "next.reward"), expected, rtol=0, atol=3e-3)


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("plumb_bob", []),
        ("plumb_bob", [0.12, -0.2, 0.003, -0.002, 0.05]),
        ("plumb_bob", [0.3, 0.1, 0.001, 0.002, 0.02, 0.28, 0.05, 0.01]),
        ("equidistant", [0.02, -0.01, 0.004, -0.001]),
    ],
)
def test_a_balls_box_is_opencvs(model, distortion):
    cv2 = pytest.importorskip("cv2", reason="the judge is OpenCV", exc_type=ImportError)
    from spatial_reward.lerobot.columns import ball_box

    camera = sr.Camera(*INTRINSICS, 320, 240, distortion=distortion, model=model)
    matrix = np.array([[INTRINSICS[0], 0, INTRINSICS[2]], [0, INTRINSICS[1], INTRINSICS[3]], [0, 0, 1.0]])
    center, radius = np.array([0.15, -0.1, 0.8]), 0.03
    around = np.random.default_rng(0).normal(size=(20000, 3))
    points = center + radius * around / np.linalg.norm(around, axis=1, keepdims=True)
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    given = np.array(distortion or [0.0] * 4)
    still = np.zeros((3, 1))
    if model == "equidistant":
        seen = project(points.reshape(-1, 1, 3), still, still, matrix, given)[0].reshape(-1, 2)
    else:
        seen = project(points, still, still, matrix, given)[0].reshape(-1, 2)
    np.testing.assert_allclose(ball_box(camera, center, radius), [*seen.min(axis=0), *seen.max(axis=0)], atol=0.3)


def test_a_pose_in_another_frame_is_seen_where_the_camera_sees_it(recorded, scene, tmp_path):
    # given positions in a frame that is turned by a quarter about z and moved, as a robot's base is
    def turn(table):
        points = np.array(table["observation.cube"].to_pylist())
        there = np.stack([points[:, 1] - 0.2, -(points[:, 0] - 0.1), points[:, 2] + 0.3], axis=1)
        return made.set_column(table, "observation.cube", there.astype(np.float32).tolist())

    dataset = shutil.copytree(recorded["video"], tmp_path / "dataset")
    made.change_data(dataset, turn)
    half = float(np.sqrt(0.5))
    pose = [0.1, 0.2, -0.3, 0.0, 0.0, half, half]
    plain = {"column": "observation.cube", "size_m": 0.05}
    moved = {**plain, "camera_from_frame": pose}
    labelled(recorded["video"], tmp_path / "plain", target=plain)
    labelled(dataset, tmp_path / "moved", target=moved)
    here, there = (column(tmp_path / name, "next.reward") for name in ("plain", "moved"))
    np.testing.assert_allclose(here, there, atol=2e-3)


def annotated(root, label="red cube", box_format="xyxy"):
    """Annotations as lerobot-annotate writes them, in the first frame of each episode."""
    scene_boxes = table_of(root)["observation.target"].to_pylist()
    row = pa.struct(
        [
            pa.field("role", pa.string(), nullable=False),
            pa.field("content", pa.string()),
            pa.field("style", pa.string()),
            pa.field("camera", pa.string()),
            pa.field("tool_calls", pa.list_(pa.string())),
        ]
    )

    def event(role, content, camera=FRONT):
        return {"role": role, "content": content, "style": "vqa", "camera": camera, "tool_calls": None}

    def events(table):
        cells = []
        for index, frame in enumerate(table["frame_index"].to_pylist()):
            detection = {"label": label, "bbox_format": box_format, "bbox": scene_boxes[index]}
            answer = json.dumps({"detections": [detection]})
            wrong = json.dumps({"detections": [{**detection, "bbox": [0, 0, 20, 20]}]})
            asked = [event("user", "Where is it?"), event("assistant", answer), event("assistant", wrong, "other")]
            cells.append(asked if frame == 0 else [])
        return table.append_column("language_events", pa.array(cells, pa.list_(row)))

    made.change_data(root, events)
    feature = {"dtype": "language", "shape": [1], "names": None}
    made.change_info(root, lambda info: info["features"].update(language_events=feature))


def test_boxes_that_lerobot_annotated_are_followed(copied, scene, tmp_path):
    annotated(copied)
    drawn = copied.parent / "regions.json"
    entries = [
        {"episode": number, "target": [",".join(map(str, np.float32(scene.targets[begin]).tolist()))]}
        for number, (begin, _) in enumerate(EPISODES)
    ]
    drawn.write_text(json.dumps({"episodes": entries}))
    labelled(copied, tmp_path / "by_label", target={"label": "Red cube"})
    labelled(copied, tmp_path / "drawn", target=None, regions=drawn)
    by_label, by_hand = (column(tmp_path / name, "next.reward") for name in ("by_label", "drawn"))
    np.testing.assert_array_equal(by_label, by_hand)
    # the column of annotations is kept
    assert table_of(tmp_path / "by_label")["language_events"].equals(table_of(copied)["language_events"])
    error = refused(copied, tmp_path / "none", target={"label": "mug"})
    assert "mug" in str(error) and "red cube" in str(error)


def test_an_annotation_in_another_format_is_refused(copied, tmp_path):
    annotated(copied, box_format="xywh")
    assert "xywh" in str(refused(copied, tmp_path / "out", target={"label": "red cube"}))


def test_depth_is_decoded_as_lerobot_codes_it(copied, scene, tmp_path):
    depths = [scene.depths[index] for begin, end in EPISODES for index in range(begin, end)]
    metres = made.add_depth_video(copied, depths)
    # the code is good to a few millimetres where the scene is
    near = np.stack(depths) > 300
    assert np.nanmax(np.abs(metres - np.stack(depths) / 1000)[near]) < 0.003
    result = labelled(copied, tmp_path / "out")
    assert result.depth == "observation.images.front_depth"
    expected = next_rewards(steps(scene, made.decoded(copied), boxes(scene), depths=list(metres)))
    np.testing.assert_allclose(column(tmp_path / "out", "next.reward"), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("use_log", [True, False])
def test_codes_of_depth_are_metres(use_log):
    from spatial_reward.lerobot.depth import metres_of_codes

    info = {"video.depth_min": 0.2, "video.depth_max": 4.0, "video.shift": 1.0, "video.use_log": use_log}
    metres = metres_of_codes({"info": info}, "depth")
    # both ends are what was not measured, or lies beyond
    assert np.isnan(metres[[0, 4095]]).all() and np.isfinite(metres[1:4095]).all()
    for depth in (0.3, 1.0, 3.7):
        share = (np.log(depth + 1) - np.log(1.2)) / (np.log(5.0) - np.log(1.2)) if use_log else (depth - 0.2) / 3.8
        assert metres[round(share * 4095)] == pytest.approx(depth, abs=1e-3)
    with pytest.raises(sr.Error, match="no depth code"):
        metres_of_codes({"info": {"video.depth_min": -2.0}}, "depth")


@pytest.mark.parametrize("form", ["uint16.png", "uint16.tiff", "float32.tiff"])
def test_depth_may_be_image_files(form, copied, scene, tmp_path):
    from PIL import Image

    dtype, suffix = form.split(".")
    paths = []
    for number, (begin, end) in enumerate(EPISODES):
        for frame, index in enumerate(range(begin, end)):
            path = f"images/observation.images.depth/episode-{number:06d}/frame-{frame:06d}.{suffix}"
            (copied / path).parent.mkdir(parents=True, exist_ok=True)
            depth = scene.depths[index]
            Image.fromarray(depth if dtype == "uint16" else depth.astype(np.float32) / 1000).save(copied / path)
            paths.append({"bytes": None, "path": path})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    name = "observation.images.depth"
    made.change_data(copied, lambda table: table.drop_columns([DEPTH]).append_column(name, pa.array(paths, kind)))

    def change(info):
        del info["features"][DEPTH]
        info["features"][name] = {
            "dtype": "image",
            "shape": [*made.SIZE, 1],
            "names": ["height", "width", "channels"],
            "info": {"is_depth_map": True},
        }

    made.change_info(copied, change)
    labelled(copied, tmp_path / "out")
    expected = next_rewards(steps(scene, made.decoded(copied), boxes(scene)))
    np.testing.assert_allclose(column(tmp_path / "out", "next.reward"), expected, atol=1e-6)


def test_depth_is_in_the_unit_that_its_feature_says(copied, recorded, tmp_path):
    # given depth in floats of millimetres, and LeRobot 0.6's word for it
    def floats(table):
        values = [np.float32(row).tolist() for row in table[DEPTH].to_pylist()]
        kind = pa.list_(pa.list_(pa.float32()))
        return table.drop_columns([DEPTH]).append_column(DEPTH, pa.array(values, kind))

    made.change_data(copied, floats)
    made.change_info(
        copied,
        lambda info: info["features"][DEPTH].update(dtype="float32", info={"is_depth_map": True, "depth_unit": "mm"}),
    )
    labelled(copied, tmp_path / "floats")
    labelled(recorded["video"], tmp_path / "integers")
    # then rewards are those of the same depth in integers
    floats, integers = (column(tmp_path / name, "next.reward") for name in ("floats", "integers"))
    np.testing.assert_allclose(floats, integers, rtol=0, atol=1e-6)
    made.change_info(copied, lambda info: info["features"][DEPTH]["info"].update(depth_unit="inch"))
    assert "depth_unit 'inch'" in str(refused(copied, tmp_path / "out"))


def test_intrinsics_come_from_the_dataset_or_the_configuration(copied, tmp_path):
    labelled(copied, tmp_path / "argument")
    fields = dict(zip(("fx", "fy", "cx", "cy"), INTRINSICS, strict=True))
    labelled(copied, tmp_path / "section", intrinsics=None, config={"lerobot": {"intrinsics": list(INTRINSICS)}})
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"lerobot": {"intrinsics": fields, **REGIONS}, "reward": {"kind": "shaped"}}))
    labelled(copied, tmp_path / "file", intrinsics=None, fingertip=None, target=None, config=config)
    made.change_info(copied, lambda info: info["features"][FRONT]["info"].update(intrinsics=fields))
    labelled(copied, tmp_path / "info", intrinsics=None)
    rewards = [column(tmp_path / name, "next.reward") for name in ("argument", "section", "file", "info")]
    for other in rewards[1:]:
        np.testing.assert_array_equal(other, rewards[0])


def test_the_pages_files_are_read(copied, tmp_path):
    # given the YAML of docs/lerobot.md
    page = (made.ROOT / "docs" / "lerobot.md").read_text()
    regions, config = (block.split("```")[0] for block in page.split("```yaml\n")[1:])
    (tmp_path / "regions.yaml").write_text(regions)
    (tmp_path / "config.yaml").write_text(config)
    # then the file of regions has two episodes, and this dataset has one more
    error = refused(copied, tmp_path / "out", regions=tmp_path / "regions.yaml", fingertip=None, target=None)
    assert "1 of the episodes (2)" in str(error)
    # and the configuration names numbers that this dataset has not
    arguments = {"fingertip": None, "target": None, "intrinsics": None}
    assert "observation.state has 3 numbers" in str(
        refused(copied, tmp_path / "out", config=tmp_path / "config.yaml", **arguments)
    )


def test_a_package_that_is_missing_is_told_with_its_command(recorded, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    error = refused(recorded["video"], tmp_path / "out")
    assert error.kind == "missing_package" and error.remedy == "pip install 'spatial-reward[lerobot]'"


def test_own_columns_and_none(recorded, tmp_path):
    out = tmp_path / "out"
    labelled(
        recorded["video"], out, columns={"reward": "reward.spatial", "success": None, "truncated": "next.truncated"}
    )
    names = table_of(out).column_names
    assert {"reward.spatial", "next.done", "next.truncated"} <= set(names)
    assert not {"next.reward", "next.success"} & set(names)
    assert "reward.spatial" in loaded(out).features


def test_a_column_that_exists_is_kept_unless_it_may_be_replaced(recorded, tmp_path):
    labelled(recorded["video"], tmp_path / "first")
    error = refused(tmp_path / "first", tmp_path / "second")
    assert error.kind == "column_exists" and "next.reward" in str(error) and "replace_columns" in str(error)
    labelled(tmp_path / "first", tmp_path / "second", reward="dense", replace_columns=True)
    before, after = (column(tmp_path / name, "next.reward") for name in ("first", "second"))
    assert (before != after).any() and len(loaded(tmp_path / "second")) == len(before)


def test_in_place_is_whole_or_not_at_all(recorded, scene, tmp_path):
    dataset = shutil.copytree(recorded["video"], tmp_path / "dataset")
    video = made.only(dataset, "*.mp4")
    inode = video.stat().st_ino
    content = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}

    def stop(done, _):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        labelled(dataset, None, in_place=True, progress=stop)
    assert {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()} == content
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    labelled(dataset, None, in_place=True)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    assert video.stat().st_ino == inode
    expected = next_rewards(steps(scene, made.decoded(dataset), boxes(scene)))
    np.testing.assert_array_equal(column(dataset, "next.reward"), expected)
    assert len(loaded(dataset)) == len(expected)


def test_videos_are_copied_where_they_cannot_be_linked(recorded, tmp_path, monkeypatch, caplog):
    def link(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    labelled(recorded["video"], tmp_path / "out")
    source, twin = made.only(recorded["video"], "*.mp4"), made.only(tmp_path / "out", "*.mp4")
    assert twin.read_bytes() == source.read_bytes() and not twin.samefile(source)
    assert "cannot be hard linked: Invalid cross-device link" in caplog.text


def test_a_dataset_of_version_2_1_is_refused_with_lerobots_converter(copied, tmp_path):
    made.change_info(copied, lambda info: info.update(codebase_version="v2.1"))
    error = refused(copied, tmp_path / "out")
    assert error.kind == "dataset_version" and "v2.1" in error.message
    assert "lerobot.datasets.v30.convert_dataset_v21_to_v30" in error.remedy and str(copied) in error.remedy


def test_a_missing_video_is_named(copied, tmp_path):
    video = made.only(copied, "*.mp4")
    video.unlink()
    error = refused(copied, tmp_path / "out")
    assert error.kind == "no_file" and error.path == str(video)


def test_a_video_that_is_cut_short_is_named_with_its_episode(copied, tmp_path):
    import av

    video = made.only(copied, "*.mp4")
    pictures = made.decoded(copied)[:20]
    video.unlink()
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = made.SIZE[1], made.SIZE[0]
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    error = refused(copied, tmp_path / "out")
    assert error.kind == "episode_cut" and "episode 1" in str(error) and str(video) in str(error)


def test_a_video_that_is_none_is_named(copied, tmp_path):
    video = made.only(copied, "*.mp4")
    video.write_bytes(b"no video at all")
    error = refused(copied, tmp_path / "out")
    assert error.kind == "video" and error.path == str(video)


def test_a_video_that_is_damaged_ends_in_an_error_or_in_pictures(copied, tmp_path):
    video = made.only(copied, "*.mp4")
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(1).bytes(2000)
    video.write_bytes(content)
    error = refused(copied, tmp_path / "out")
    assert error.kind in {"video", "video_gap", "episode_cut"} and str(video) in str(error)


def test_an_episode_whose_rows_are_missing_is_named(copied, tmp_path):
    made.change_data(copied, lambda table: table.slice(0, len(table) - 3))
    error = refused(copied, tmp_path / "out")
    assert error.kind == "episode_cut" and "episode 2" in str(error) and "15 of its 18 rows" in str(error)


def test_a_data_file_that_is_none_is_named(copied, tmp_path):
    path = made.data_file(copied)
    path.write_bytes(b"PAR1 and no more")
    error = refused(copied, tmp_path / "out")
    assert error.kind == "dataset" and error.path == str(path)


def test_a_whole_task_is_refused_where_columns_follow_one_distance(copied, tmp_path):
    error = refused(copied, tmp_path / "out", config={"task": {"pairs": ["fingertip-target"]}})
    assert error.kind == "config" and "task is given" in str(error) and "Annotator" in error.remedy


def test_paths_that_lead_out_of_the_dataset_are_refused(copied, tmp_path):
    made.change_info(copied, lambda info: info.update(data_path="../data-{chunk_index}-{file_index}.parquet"))
    assert "leads out of the dataset" in str(refused(copied, tmp_path / "out"))


@pytest.fixture
def nobody():
    """Somebody who may not write everywhere, as root may."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


def test_a_read_only_dataset_is_copied(copied, tmp_path, request):
    for path in (copied, *copied.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in (tmp_path, *list(tmp_path.parents)[:-1]):
        parent.chmod(0o755)
    (tmp_path / "outputs").mkdir(mode=0o777)
    (tmp_path / "outputs").chmod(0o777)
    request.getfixturevalue("nobody")
    out = labelled(copied, tmp_path / "outputs" / "out").folder
    assert "next.reward" in table_of(out).column_names


@pytest.mark.parametrize("in_place", [True, False])
def test_a_read_only_folder_is_named(in_place, copied, tmp_path, request):
    for parent in (copied, *copied.rglob("*"), *list(tmp_path.parents)[:-1]):
        parent.chmod(0o755 if parent.is_dir() else 0o644)
    tmp_path.chmod(0o555)
    request.getfixturevalue("nobody")
    with pytest.raises(sr.Error) as raised:
        labelled(copied, None if in_place else tmp_path / "out", in_place=in_place)
    assert raised.value.kind == "output"
    assert ("read-only" if in_place else "Permission denied") in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"depth": "observation.images.depth"}, "no feature observation.images.depth"),
        ({"camera": "observation.images.wrist"}, f"but {FRONT}"),
        ({"intrinsics": None}, "intrinsics=(fx, fy, cx, cy)"),
        ({"intrinsics": (1, 2, 3)}, "fx, fy, cx and cy are needed"),
        ({"fingertip": None}, "nothing says where the fingertip is"),
        ({"fingertip": "observation.finger"}, "neither a feature of the dataset nor a box"),
        ({"target": {"column": "observation.cubes"}}, "observation.cube"),
        (
            {"target": "observation.state", "fingertip": {"column": "observation.state", "elements": [0, 7]}},
            "7 as pose",
        ),
        ({"fingertip": "10,10,40,40@9"}, "lasts 1.000 s"),
        ({"fingertip": (900, 900, 940, 940)}, "episode 0"),
        ({"fingertip": (40, 10, 10, 40)}, "no area"),
        ({"config": {"lerobot": {"cameras": "x"}}}, "knows camera"),
        ({"config": {"regions": {"target": {"frame": "tool0"}}}, "target": None}, "it is box or fixed"),
        ({"episodes": [0]}, "a column has a value in every row"),
        ({"on_invalid": "zeros"}, "must be hold, zero or nan"),
        ({"alignment": "next"}, "must be next_frame or frame"),
        ({"columns": {"rewards": "x"}}, "knows reward"),
        ({"columns": "a/b"}, "no name for a column"),
    ],
)
def test_what_cannot_be_is_told(arguments, words, recorded, tmp_path):
    assert words in str(refused(recorded["video"], tmp_path / "out", **arguments))


def test_without_depth_it_says_that_metric_depth_is_needed(copied, tmp_path):
    made.change_info(copied, lambda info: info["features"][DEPTH].pop("info"))
    error = refused(copied, tmp_path / "out")
    assert error.kind == "no_depth" and "metric depth is needed" in error.message
    # but it may be named
    assert labelled(copied, tmp_path / "out", depth=DEPTH).depth == DEPTH


def test_several_cameras_are_asked_about(copied, tmp_path):
    made.change_info(
        copied, lambda info: info["features"].update({"observation.images.wrist": info["features"][FRONT]})
    )
    episodes = made.only(copied, "meta/episodes/*/*.parquet")
    table = pq.read_table(episodes)
    for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp"):
        table = table.append_column(f"videos/observation.images.wrist/{name}", table[f"videos/{FRONT}/{name}"])
    pq.write_table(table, episodes)
    error = refused(copied, tmp_path / "out")
    assert error.kind == "camera_key" and "observation.images.wrist" in str(error)
    assert labelled(copied, tmp_path / "out", camera=FRONT).camera == FRONT


def test_all_else_that_lies_in_a_dataset_comes_along(copied, tmp_path):
    (copied / "README.md").write_text("mine")
    (copied / "notes.partial").mkdir()
    (copied / "notes.partial" / "a.txt").write_text("mine too")
    # and a link to where the output will be
    (tmp_path / "outputs").mkdir()
    (copied / "outputs").symlink_to(tmp_path / "outputs")
    labelled(copied, tmp_path / "outputs" / "out")
    assert (tmp_path / "outputs" / "out" / "README.md").read_text() == "mine"
    assert (tmp_path / "outputs" / "out" / "notes.partial" / "a.txt").read_text() == "mine too"
    assert list((tmp_path / "outputs" / "out" / "outputs").iterdir()) == []
    (copied / "again").symlink_to(copied)
    assert "leads back" in str(refused(copied, tmp_path / "third"))


@pytest.mark.parametrize("inside", ["rewarded", "data/rewarded", "new/../new/rewarded"])
def test_an_output_inside_of_its_dataset_was_copied_with_its_videos_by_the_next_label(inside, copied, tmp_path):
    # given a dataset and a link to it
    (tmp_path / "link").symlink_to(copied)
    before = sorted(copied.rglob("*"))
    for root in (copied, tmp_path / "link"):
        # when the copy is to lie in it
        with pytest.raises(sr.Error) as raised:
            labelled(root, copied / inside, progress=lambda *_: pytest.fail("it was measured"))
        # then that is refused before anything is measured, and nothing is left
        assert raised.value.kind == "output" and raised.value.path == str(copied / inside)
        assert f"{copied / inside} is inside of the dataset {root}" in raised.value.message
        assert raised.value.remedy == "name a folder beside it"
        assert sorted(copied.rglob("*")) == before
    # and tables may lie there, as LeRobot looks for them
    labelled(copied, None, sidecar=copied / "sarm_progress.parquet")


def test_how_earlier_rewards_came_about_stays_written(copied, tmp_path):
    # given a dataset with an export's word on its rewards
    told = copied / "meta" / "spatial_reward.json"
    told.write_text(json.dumps({"spatial_reward": "0.1.0", "episodes": [1]}))
    before = told.read_bytes()
    # when it is labelled twice, the second time in place
    labelled(copied, tmp_path / "out")
    labelled(tmp_path / "out", None, in_place=True, columns={"reward": "other", "done": None, "success": None})
    # then all three are there, and the source is as it was
    whole = json.loads((tmp_path / "out" / "meta" / "spatial_reward.json").read_text())
    assert whole["episodes"] == [1] and list(whole["labelled"]) == ["next.reward", "other"]
    assert whole["labelled"]["other"]["intrinsics"]["fx"] == INTRINSICS[0]
    assert told.read_bytes() == before
    # and what is nobody's is refused before anything is measured
    told.write_text("[]")
    error = refused(copied, tmp_path / "third", progress=lambda *_: pytest.fail("it was measured"))
    assert error.path == str(told) and "is not what a label or an export writes" in error.message


def test_an_output_that_exists_is_kept(recorded, tmp_path):
    (tmp_path / "out").mkdir()
    assert refused(recorded["video"], tmp_path / "out").kind == "output_exists"
    (tmp_path / "side.parquet").write_text("mine")
    assert refused(recorded["video"], None, sidecar=tmp_path / "side.parquet").kind == "output_exists"
    assert (tmp_path / "side.parquet").read_text() == "mine"


def test_a_hubs_id_is_found_where_lerobot_keeps_it(recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path / "home"))
    shutil.copytree(recorded["video"], tmp_path / "home" / "somebody" / "reach")
    result = labelled("somebody/reach", tmp_path / "out")
    assert result.steps == len(column(tmp_path / "out", "index"))


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "spatial_reward", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_command_line_labels_datasets_and_bags(recorded, tmp_path):
    source, out = recorded["video"], tmp_path / "out"
    options = ["--intrinsics", ",".join(map(str, INTRINSICS)), "--fingertip-column", "observation.fingertip"]
    done = run(
        "label", source, "-o", out, *options, "--target-column", "observation.target", "--camera", FRONT, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["valid"] == len(column(out, "next.reward"))
    again = run("label", source, "-o", out, *options, "--target-column", "observation.target")
    assert again.returncode == 1 and "exists" in again.stderr
    assert "LeRobot dataset (v3.0)" in run("label", source, "--help").stdout
    assert run("label", source).returncode == 2
    shutil.copytree(source / "meta", tmp_path / "half" / "meta", ignore=shutil.ignore_patterns("info.json"))
    half = run("label", tmp_path / "half", "-o", tmp_path / "none")
    assert half.returncode == 1 and "is no LeRobot dataset: it has no meta/info.json" in half.stderr
    bag = run("label", made.ROOT / "data" / "fetch_approach", "-o", tmp_path / "bag")
    assert bag.returncode == 0, bag.stderr
    assert (tmp_path / "bag" / "metadata.yaml").exists()


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_and_leaves_nothing(signal, recorded, tmp_path):
    import signal as signals

    out = tmp_path / "out"
    options = ["--intrinsics", ",".join(map(str, INTRINSICS)), "--fingertip-column", "observation.fingertip"]
    command = [sys.executable, "-m", "spatial_reward", "label", recorded["video"], "-o", out, *options]
    # A background job of a shell is begun with SIGINT ignored, and Python leaves that so.
    heard = signals.signal(signals.SIGINT, signals.SIG_DFL)
    process = subprocess.Popen([*command, "--target-column", "observation.target"], stderr=subprocess.PIPE, text=True)
    signals.signal(signals.SIGINT, heard)
    until = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.001)
    process.send_signal(getattr(signals, signal))
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130 and "nothing is written" in words
    assert list(tmp_path.iterdir()) == []
