"""Exported datasets as LeRobot itself reads them: frames, times, statistics."""

import io
import warnings

import numpy as np
import pytest

import spatial_reward as sr

PEERS = "the reader is LeRobot itself, with torch"
torch = pytest.importorskip("torch", reason=PEERS)
pytest.importorskip("lerobot", reason=PEERS)
av = pytest.importorskip("av", reason=PEERS)

import pyarrow.parquet as pq  # noqa: E402 - after the peers are there
import torchvision  # noqa: E402
from bag_writer import export_png  # noqa: E402
from lerobot.datasets import compute_stats  # noqa: E402
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402
from PIL import Image  # noqa: E402

from spatial_reward.lerobot import _export_writer  # noqa: E402
from spatial_reward.lerobot.export import export  # noqa: E402

FRONT, DEPTH = "observation.images.front", "observation.images.front_depth"
SIGNALS = {
    "state": [{"topic": "/joint_states", "fields": ["position"]}],
    "action": [{"topic": "/command", "fields": ["data"]}],
}


@pytest.fixture(scope="module")
def recordings(bags, bag, tmp_path_factory):
    """Two recordings of different lengths; of the second's frames, two cannot be measured."""
    folder = tmp_path_factory.mktemp("recordings")
    return [
        bag,
        bags.write(folder / "second", frames=9, without_target=(0, 4), prompts=("lift it",)),
    ]


@pytest.fixture(scope="module")
def frames(recordings):
    return [frame for bag in recordings for frame in sr.Recording(bag)]


class AvReader:
    """What LeRobot 0.4.4 asks of torchvision's reader, which newer torchvisions have no more, over the same decoder."""

    def __init__(self, path, _stream):
        self.container = av.open(path)

    def seek(self, seconds, keyframes_only):
        assert keyframes_only
        self.container.seek(int(seconds * av.time_base))

    def __iter__(self):
        for frame in self.container.decode(video=0):
            data = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
            yield {"data": data, "pts": frame.time}


@pytest.fixture
def video_reader(monkeypatch):
    if not hasattr(torchvision.io, "VideoReader"):
        monkeypatch.setattr(torchvision.io, "VideoReader", AvReader, raising=False)
        monkeypatch.setattr(torchvision, "set_video_backend", lambda name: None, raising=False)


@pytest.fixture(scope="module")
def pngs(recordings, tmp_path_factory):
    return export_png(recordings, tmp_path_factory.mktemp("out") / "png", **SIGNALS).folder


def test_lerobot_reads_every_picture_and_depth_as_recorded(pngs, frames):
    # when
    dataset = LeRobotDataset("exported/png", root=pngs)
    # then
    assert (len(dataset), dataset.num_episodes, dataset.fps) == (21, 2, 15)
    for index, frame in enumerate(frames):
        item = dataset[index]
        assert np.array_equal((item[FRONT] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy(), frame.color)
        millimetres = np.nan_to_num(np.rint(frame.depth * 1000)).astype(np.int64)
        assert np.array_equal(item[DEPTH].to(torch.int64)[0].numpy(), millimetres)
        assert item["task"] == ("touch the cube" if index < 12 else "lift it")
        assert item["timestamp"].item() == pytest.approx((index if index < 12 else index - 12) / 15)
        assert torch.isfinite(item["next.reward"])
    assert [index for index in range(21) if dataset[index]["next.done"]] == [11, 20]


def test_lerobot_reads_a_dataset_of_many_files(recordings, tmp_path, monkeypatch):
    # given
    monkeypatch.setattr(_export_writer, "DATA_MB", 0.75)
    done = export_png(recordings * 3, tmp_path / "out")
    assert len(list((done.folder / "data").rglob("*.parquet"))) > 1
    # when
    dataset = LeRobotDataset("exported/files", root=done.folder)
    # then
    assert [int(index) for index in dataset.hf_dataset["index"]] == list(range(63))
    assert [dataset.meta.get_data_file_path(episode).name for episode in range(6)][-1] != "file-000.parquet"
    assert dataset[62]["episode_index"] == 5


def test_lerobot_takes_windows_over_time(pngs):
    # when
    deltas = {"observation.state": [-1 / 15, 0.0], "action": [0.0, 1 / 15, 2 / 15]}
    dataset = LeRobotDataset("exported/png", root=pngs, delta_timestamps=deltas)
    # then
    item = dataset[11]
    assert item["observation.state"].shape == (2, 3) and item["action"].shape == (3, 2)
    assert item["action_is_pad"].tolist() == [False, True, True]


def test_lerobot_decodes_every_frame_of_videos_of_many_episodes(recordings, frames, tmp_path, video_reader):
    # given
    done = export([*recordings, recordings[0]], tmp_path / "out", **SIGNALS)
    assert len(list(done.folder.rglob("*.mp4"))) == 2
    # when
    dataset = LeRobotDataset("exported/video", root=done.folder, video_backend=None)
    # then: within the codec's error, and nearer to its own frame than to any other
    small = np.array([frame.color[::2, ::2].astype(float) for frame in frames])
    for index, frame in enumerate([*frames, *frames[:12]]):
        decoded = (dataset[index][FRONT] * 255).permute(1, 2, 0).numpy()
        error = np.sqrt(np.mean((decoded - frame.color) ** 2))
        assert error < 9, index
        distances = np.sqrt(((small - decoded[::2, ::2]) ** 2).mean(axis=(1, 2, 3)))
        assert distances.min() == pytest.approx(distances[index % 21], abs=1e-9) or frame_repeats(small, index % 21)


def frame_repeats(pictures, index):
    """Another recording shows the same picture."""
    return any(np.array_equal(pictures[index], other) for at, other in enumerate(pictures) if at != index)


def test_statistics_are_lerobots(pngs, tmp_path):
    # given: each episode as LeRobot's recorder has it before it computes them
    table = pq.read_table(pngs / "data" / "chunk-000" / "file-000.parquet").to_pydict()
    dataset = LeRobotDataset("exported/png", root=pngs)
    features = {name: of for name, of in dataset.meta.features.items() if name != DEPTH}
    episodes = []
    for first, last in ((0, 12), (12, 21)):
        data = {}
        for name, of in features.items():
            rows = table[name][first:last]
            if name == FRONT:
                data[name] = [str(tmp_path / f"{index}.png") for index in range(first, last)]
                for path, row in zip(data[name], rows, strict=True):
                    Image.open(io.BytesIO(row["bytes"])).save(path)
            elif name == "timestamp":
                data[name] = np.arange(last - first) / 15
            else:
                rows = np.array(rows, of["dtype"])
                data[name] = rows if name.endswith("index") else rows.reshape(last - first, -1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a histogram of booleans
            episodes.append(compute_stats.compute_episode_stats(data, features))
    # when
    expected = compute_stats.aggregate_stats(episodes)
    # then
    written = pq.read_table(pngs / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
    for name in features:
        for key in ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"):
            if name == "reward.spatial.distance_m" or (name == FRONT and key in {"mean", "std"}):
                continue  # LeRobot's is NaN where one number is, and it adds up pixels in too few bits: see below
            ours = dataset.meta.stats[name][key]
            assert ours.shape == expected[name][key].shape, (name, key)
            # LeRobot 0.6 has the edges of a picture's 5000 bins in 24 bits, so a level may lie in the next one
            near = 1 / 5000 if name == FRONT and key[0] == "q" else 1e-12
            assert np.allclose(ours, expected[name][key], rtol=1e-6, atol=near), (name, key)
            for row, episode in zip(written, episodes, strict=True):
                assert np.allclose(row[f"stats/{name}/{key}"], episode[name][key], rtol=1e-6, atol=near), (name, key)


def test_where_lerobots_statistics_are_wrong_ours_are_right(pngs, frames):
    # given
    stats = LeRobotDataset("exported/png", root=pngs).meta.stats
    colors = np.array([frame.color for frame in frames])
    # when: LeRobot's figures of the same pixels as numbers that can be squared (0.4 squares them in 8 bits) and added
    # up (0.6 adds up numbers of 24 bits)
    expected = compute_stats.aggregate_stats(
        [
            {"pixels": compute_stats.get_feature_stats(part.transpose(0, 3, 1, 2).astype(float), (0, 2, 3), True)}
            for part in (colors[:12], colors[12:])
        ]
    )["pixels"]
    # then
    for key in ("mean", "std"):
        assert np.allclose(stats[FRONT][key].reshape(-1), expected[key].reshape(-1) / 255, rtol=1e-6)
    assert stats["reward.spatial.distance_m"]["count"] == 11 + 7  # without the last rows, and what was not seen
    assert np.isfinite(stats["reward.spatial.distance_m"]["std"]).all()
    metres = np.array([np.nan_to_num(frame.depth) for frame in frames])
    assert stats[DEPTH]["mean"].shape == (1, 1, 1)
    assert stats[DEPTH]["mean"].item() == pytest.approx(1000 * np.mean(metres), rel=1e-4)


def test_statistics_of_large_pictures_are_of_lerobots_sample():
    from spatial_reward.lerobot import stats

    # given
    random = np.random.default_rng(0)
    # then
    for height, width in ((480, 640), (640, 480), (299, 299), (300, 200), (720, 1280)):
        picture = random.integers(0, 256, (height, width, 3)).astype(np.uint8)
        theirs = compute_stats.auto_downsample_height_width(picture.transpose(2, 0, 1)).transpose(1, 2, 0)
        assert np.array_equal(stats.thinned(picture), theirs)
    for length in (1, 2, 99, 100, 101, 500, 501, 5000, 300_000):
        assert stats.sample_indices(length) == compute_stats.sample_indices(length)
