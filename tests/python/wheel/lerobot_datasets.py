"""Datasets that LeRobot itself writes, from frames of the sample bag, for the tests of spatial_reward.lerobot."""

import json
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import spatial_reward as sr

ROOT = Path(__file__).parent.parent.parent.parent
LEROBOT = tuple(int(part) for part in version("lerobot").split(".")[:2])
FPS = 15
# Frames of the sample bag, at half its resolution: in each the gripper keeps its shape.
EPISODES = ((10, 26), (16, 30), (22, 40))
SIZE = (240, 320)
INTRINSICS = (289.7, 289.7, 160.0, 120.0)
FRONT = "observation.images.front"
DEPTH = "observation.depth"


class Scene:
    """The sample bag's frames, in half their resolution."""

    def __init__(self):
        frames = list(sr.Recording(ROOT / "data" / "fetch_approach").frames())[:40]
        self.colors = [np.ascontiguousarray(frame.color[::2, ::2]) for frame in frames]
        self.depths = [np.ascontiguousarray(np.nan_to_num(frame.depth[::2, ::2]) * 1000).round() for frame in frames]
        self.depths = [depth.astype(np.uint16) for depth in self.depths]
        self.fingertips = [tuple(side / 2 for side in frame.fingertip) for frame in frames]
        self.targets = [tuple(side / 2 for side in frame.target) for frame in frames]
        self.camera = sr.Camera(*INTRINSICS, SIZE[1], SIZE[0])

    def position(self, box, frame):
        """The point in the middle of a box, in metres in the camera's optical frame."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        z = float(self.depths[frame][int(y), int(x)]) / 1000
        fx, fy, cx, cy = INTRINSICS
        return ((x - cx) * z / fx, (y - cy) * z / fy, z)


def record(root, scene, kind, vcodec="libsvtav1", file_mb=None):
    """A dataset as LeRobot records it: `kind` is video or image; files are about this large."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    def numbers(*shape, dtype="float32", **more):
        return {"dtype": dtype, "shape": shape, "names": None, **more}

    features = {
        FRONT: {"dtype": kind, "shape": (*SIZE, 3), "names": ["height", "width", "channels"]},
        DEPTH: numbers(*SIZE, dtype="uint16", info={"is_depth_map": True}),
        "observation.state": numbers(3),
        "observation.fingertip": numbers(4),
        "observation.target": numbers(4),
        "observation.keypoints": numbers(4),
        "observation.tool_pose": numbers(7),
        "observation.cube": numbers(3),
        "action": numbers(2),
    }
    dataset = LeRobotDataset.create(
        "somebody/reach", FPS, features, root=root, use_videos=kind == "video", **encoding(vcodec)
    )
    if file_mb is not None:
        dataset.meta.update_chunk_settings(data_files_size_in_mb=file_mb, video_files_size_in_mb=file_mb)
    for begin, end in EPISODES:
        for index in range(begin, end):
            fingertip, target = scene.fingertips[index], scene.targets[index]
            middles = [(box[side] + box[side + 2]) / 2 for box in (fingertip, target) for side in (0, 1)]
            dataset.add_frame(
                {
                    FRONT: scene.colors[index],
                    DEPTH: scene.depths[index],
                    "observation.state": np.float32([index, begin, end]),
                    "observation.fingertip": np.float32(fingertip),
                    "observation.target": np.float32(target),
                    "observation.keypoints": np.float32(middles),
                    "observation.tool_pose": np.float32([*scene.position(fingertip, index), 0, 0, 0, 1]),
                    "observation.cube": np.float32(scene.position(target, index)),
                    "action": np.float32([index, -index]),
                    "task": "reach the cube",
                }
            )
        dataset.save_episode(parallel_encoding=False)
    dataset.finalize()
    return Path(root)


def decoded(root):
    """The pictures of a dataset's videos, by a loop of our own."""
    pictures = []
    for path in sorted((root / "videos" / FRONT).rglob("*.mp4")):
        with av.open(str(path)) as container:
            pictures += [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return pictures


def encoding(vcodec):
    """What `LeRobotDataset.create` is told of the codec: LeRobot 0.6 has a class for it."""
    if LEROBOT < (0, 6):
        return {"vcodec": vcodec}
    from lerobot.configs import RGBEncoderConfig

    return {"rgb_encoder": RGBEncoderConfig(vcodec=vcodec)}


def only(root, pattern):
    (path,) = root.rglob(pattern)
    return path


def data_file(root):
    return only(root, "data/*/*.parquet")


def change_info(root, change):
    path = root / "meta" / "info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def change_data(root, change):
    """Write the data file anew with what `change` makes of its table."""
    path = data_file(root)
    table = change(pq.read_table(path))
    path.unlink()
    pq.write_table(table, path)


def set_column(table, name, values):
    """A table with other values in a column."""
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))


def add_depth_video(root, depths_mm, key="observation.images.front_depth"):
    """Depth as LeRobot 0.6 codes it, as another video of the dataset: HEVC of 12 bits, lossless, on a logarithm."""
    metres = np.stack(depths_mm).astype(np.float32) / 1000
    low, high, shift = 0.01, 10.0, 3.5
    share = (np.log(metres + shift) - np.log(low + shift)) / (np.log(high + shift) - np.log(low + shift))
    codes = np.clip(np.rint(share * 4095), 0, 4095).astype(np.uint16)
    path = root / "videos" / key / "chunk-000" / "file-000.mp4"
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=FPS, options={"x265-params": "lossless=1:log-level=none"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "gray12le"
        for index, code in enumerate(codes):
            frame = av.VideoFrame(SIZE[1], SIZE[0], "gray12le")
            padded = np.zeros((SIZE[0], frame.planes[0].line_size // 2), "<u2")
            padded[:, : SIZE[1]] = code
            frame.planes[0].update(padded.tobytes())
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    info = {"is_depth_map": True, "video.depth_min": low, "video.depth_max": high, "video.shift": shift}
    feature = {"dtype": "video", "shape": [*SIZE, 1], "names": ["height", "width", "channels"], "info": info}

    def change(whole):
        del whole["features"][DEPTH]
        whole["features"][key] = feature

    change_info(root, change)
    change_data(root, lambda table: table.drop_columns([DEPTH]))
    episodes = only(root, "meta/episodes/*/*.parquet")
    table = pq.read_table(episodes)
    for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp"):
        table = table.append_column(f"videos/{key}/{name}", table[f"videos/{FRONT}/{name}"])
    episodes.unlink()
    pq.write_table(table, episodes)
    table = np.exp(np.log(low + shift) + codes / 4095 * (np.log(high + shift) - np.log(low + shift))) - shift
    return np.where((codes == 0) | (codes == 4095), np.nan, table).astype(np.float32)


def column(root, name):
    return np.concatenate([pq.read_table(path)[name].to_numpy() for path in sorted(root.rglob("data/*/*.parquet"))])


def steps(scene, colors, places, depths=None, **arguments):
    """The steps of `Annotator.step`, by episode, for pictures that somebody else decoded."""
    annotator = sr.Annotator(**{"reward": "shaped", "camera": scene.camera, **arguments})
    result, row = [], 0
    for begin, end in EPISODES:
        annotator.reset()
        episode = []
        for index in range(begin, end):
            fingertip, target = places(index, row)
            depth = scene.depths[index] if depths is None else depths[row]
            stamp_s = float(np.float32((index - begin) / FPS))
            episode.append(annotator.step(colors[row], depth, fingertip=fingertip, target=target, stamp_s=stamp_s))
            row += 1
        result.append(episode)
    return result


def boxes(scene):
    def places(index, _):
        return (np.float32(scene.fingertips[index]), np.float32(scene.targets[index]))

    return places


def base(step):
    """What `shaped` is built on by default: the sparse reward."""
    return 0.0 if step.distance_m <= 0.05 else -1.0


def next_rewards(episodes):
    """What rows hold where every step is valid: the next frame's reward, and the last frame's base in the last row."""
    result = []
    for episode in episodes:
        assert all(step.valid for step in episode)
        result += [step.reward for step in episode[1:]] + [base(episode[-1])]
    return np.float32(result)
