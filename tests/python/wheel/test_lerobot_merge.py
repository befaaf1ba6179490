"""Datasets with rewards go on in LeRobot: it merges them, with its own too, edits them, and records on."""

import numpy as np
import pytest

REASON = "the judge is LeRobot itself, with torch"
pytest.importorskip("av", reason=REASON, exc_type=ImportError)
pytest.importorskip("lerobot.datasets.lerobot_dataset", reason=REASON, exc_type=ImportError)

from bag_writer import export_png  # noqa: E402 - after the packages that it needs
from lerobot.datasets.aggregate import aggregate_datasets  # noqa: E402
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402
from lerobot_datasets import LEROBOT, column  # noqa: E402

from spatial_reward.lerobot import label_dataset  # noqa: E402
from spatial_reward.lerobot.export import export  # noqa: E402

# A name without `image`, in which LeRobot 0.4 expects three channels when it merges.
FRONT = "observation.rgb.front"
BOXES = {"fingertip": {"fixed": (40, 40, 70, 70)}, "target": {"fixed": (90, 60, 120, 90)}}
records_depth = pytest.mark.skipif(LEROBOT < (0, 6), reason="LeRobot records pictures of depth since 0.6")
COMPUTED = ("timestamp", "frame_index", "episode_index", "index", "task_index")


@pytest.fixture(scope="module")
def exported(bag, tmp_path_factory):
    out = tmp_path_factory.mktemp("merge") / "exported"
    return export_png(bag, out, image_key=FRONT, state=[{"topic": "/joint_states", "fields": ["position"]}]).folder


def merged(roots, out):
    aggregate_datasets([f"somebody/{index}" for index in range(len(roots))], "somebody/all", roots=roots, aggr_root=out)
    return LeRobotDataset("somebody/all", root=out)


def record_into(dataset, like, frames, task="once more"):
    """Some frames of a dataset, in an episode of their own."""
    for index in range(frames):
        row = like[index]
        frame = {"task": task}
        for name, feature in dataset.features.items():
            if name in COMPUTED:
                continue
            value = row[name].numpy()
            if feature["dtype"] == "image":
                is_depth = feature["shape"][-1] == 1
                value = value.transpose(1, 2, 0)
                value = value.astype(np.uint16) if is_depth else (value * 255).round().astype(np.uint8)
            frame[name] = value.reshape(feature["shape"])
        dataset.add_frame(frame)
    dataset.save_episode()
    dataset.finalize()


def rewards(dataset):
    return np.array([float(value) for value in dataset.hf_dataset["next.reward"]], np.float32)


def labelled(dataset, out, focal_px):
    intrinsics = (focal_px, focal_px, 80, 60)
    return label_dataset(
        dataset, out, intrinsics=intrinsics, depth=f"{FRONT}_depth", replace_columns=True, **BOXES
    ).folder


def test_datasets_that_were_labelled_in_different_ways_are_merged(exported, tmp_path):
    # given the same frames labelled with two cameras, each of which is told in the metadata
    roots = [labelled(exported, tmp_path / str(focal_px), focal_px) for focal_px in (145, 140)]
    # when LeRobot merges them
    dataset = merged(roots, tmp_path / "all")
    # then all rewards are there
    expected = np.concatenate([column(root, "next.reward") for root in roots])
    np.testing.assert_array_equal(rewards(dataset), expected)
    assert len(set(np.split(expected, 2)[0] - np.split(expected, 2)[1])) > 1
    assert dataset.meta.stats["next.reward"]["mean"] == pytest.approx(expected.mean(), rel=1e-5)


@records_depth
def test_an_export_is_merged_with_what_lerobot_recorded(exported, tmp_path):
    # given an episode that LeRobot recorded, of the same features
    like = LeRobotDataset("somebody/reach", root=exported)
    features = {name: feature for name, feature in like.features.items() if name not in COMPUTED}
    recorded = LeRobotDataset.create(
        "somebody/recorded", like.fps, features, root=tmp_path / "recorded", use_videos=False
    )
    record_into(recorded, like, 5)
    # when LeRobot merges them, in either order
    for number, roots in enumerate(([exported, tmp_path / "recorded"], [tmp_path / "recorded", exported])):
        dataset = merged(roots, tmp_path / f"all{number}")
        # then
        expected = np.concatenate([column(root, "next.reward") for root in roots])
        np.testing.assert_array_equal(rewards(dataset), expected)
        assert {dataset[index]["task"] for index in range(len(dataset))} == {"touch the cube", "once more"}


@records_depth
def test_a_labelled_dataset_is_merged_with_what_its_recorder_writes_with_rewards(exported, tmp_path):
    # given a dataset that LeRobot recorded without rewards, and labelled, and one that it recorded with them
    like = LeRobotDataset("somebody/reach", root=labelled(exported, tmp_path / "like", 145))
    features = {name: feature for name, feature in like.features.items() if name not in COMPUTED}
    plain = {name: feature for name, feature in features.items() if not name.startswith(("next.", "reward."))}
    for name, of in {"plain": plain, "rewarded": features}.items():
        record_into(
            LeRobotDataset.create("somebody/one", like.fps, of, root=tmp_path / name, use_videos=False), like, 6
        )
    root = labelled(tmp_path / "plain", tmp_path / "labelled", 145)
    rewarded = LeRobotDataset("somebody/one", root=root)
    features = {name: feature for name, feature in rewarded.features.items() if name not in COMPUTED}
    again = LeRobotDataset.create("somebody/two", like.fps, features, root=tmp_path / "again", use_videos=False)
    record_into(again, rewarded, 6)
    # when LeRobot merges them
    dataset = merged([root, tmp_path / "again"], tmp_path / "all")
    # then
    np.testing.assert_array_equal(rewards(dataset), np.tile(column(root, "next.reward"), 2))
    assert dataset.meta.stats["next.done"]["mean"] == pytest.approx(2 / 12)


@records_depth
def test_lerobot_records_further_episodes_into_a_labelled_dataset(exported, tmp_path):
    root = labelled(exported, tmp_path / "out", 145)
    like = LeRobotDataset("somebody/reach", root=root)
    before = rewards(like)
    resume = getattr(LeRobotDataset, "resume", LeRobotDataset)
    record_into(resume("somebody/reach", root=root), like, 4)
    dataset = LeRobotDataset("somebody/reach", root=root)
    np.testing.assert_array_equal(rewards(dataset), np.concatenate([before, before[:4]]))
    assert dataset[len(before)]["task"] == "once more" and dataset.num_episodes == 2


@records_depth
@pytest.mark.parametrize("video", [True, False])
def test_lerobots_tools_edit_an_export(video, bag, bags, tmp_path):
    from lerobot.datasets import dataset_tools

    # given two episodes with depth
    second = bags.write(tmp_path / "second", frames=7, signals=False)
    out = export([bag, second], tmp_path / "out", video=video, depth="video" if video else "image").folder
    dataset = LeRobotDataset("somebody/export", root=out)
    expected = rewards(dataset)
    # when LeRobot leaves out the first, leaves out a feature, and doubles it all
    shorter = dataset_tools.delete_episodes(dataset, [0], output_dir=tmp_path / "shorter", repo_id="somebody/shorter")
    narrower = dataset_tools.remove_feature(
        dataset, ["reward.spatial.valid"], output_dir=tmp_path / "narrower", repo_id="somebody/narrower"
    )
    doubled = merged([out, out], tmp_path / "doubled")
    # then pictures and rewards are those of their frames
    np.testing.assert_array_equal(rewards(shorter), expected[12:])
    np.testing.assert_array_equal(rewards(narrower), expected)
    np.testing.assert_array_equal(rewards(doubled), np.tile(expected, 2))
    for name in ("observation.images.front", "observation.images.front_depth"):
        # (colour is encoded anew where an episode is left out)
        near = 0.005 if video and "depth" not in name else 0
        for other in (shorter[6], narrower[18], doubled[18], doubled[37]):
            assert np.abs(other[name].numpy() - dataset[18][name].numpy()).mean() <= near
